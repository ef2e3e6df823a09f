// The Vercel AI SDK with its provider for OpenAI: by responses, its default, and by chat completions.

import assert from 'node:assert/strict'
import { createOpenAI } from '@ai-sdk/openai'
import { embed, embedMany, generateObject, generateText, Output, stepCountIs, streamObject, streamText, tool } from 'ai'
import { z } from 'zod'
import {
  ACME,
  OPERATOR,
  URL_,
  call,
  each,
  eachEmbedding,
  eachFailing,
  eachFailingEmbedding,
  failing,
  givenUp,
  hasLeft,
  impatient,
  pixel,
  slowly,
  tenant,
} from './support.mjs'

const prompt = 'hello from the ai sdk'
const openai = (key = ACME) => createOpenAI({ baseURL: `${URL_}/v1`, apiKey: key })
// Both dialects.
const both = (name, key) => [openai(key)(name), openai(key).chat(name)]

const inputSchema = z.object({ city: z.string() })
const tools = {
  get_weather: tool({ description: 'The weather in a city', inputSchema, execute: async ({ city }) => `sunny in ${city}` }),
  get_forecast: tool({ description: 'Tomorrow', inputSchema, execute: async ({ city }) => `rain in ${city}` }),
}

export const cases = {
  ...each({
    async 'ai: generateText'(name) {
      for (const model of both(name)) {
        const { text, usage, finishReason } = await generateText({ model, prompt, system: 'be kind' })
        assert.match(text, /hello from the ai sdk/)
        assert.equal(finishReason, 'stop')
        assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0)
      }
    },

    async 'ai: streamText'(name) {
      for (const model of both(name)) {
        const result = streamText({ model, prompt })
        let text = ''
        for await (const piece of result.textStream) text += piece
        assert.match(text, /hello from the ai sdk/)
        assert.equal(await result.finishReason, 'stop')
        assert.ok((await result.usage).outputTokens > 0)
      }
    },

    async 'ai: a tool'(name) {
      for (const model of both(name)) {
        const ask = { model, prompt, tools: { get_weather: tools.get_weather }, toolChoice: 'required' }
        const { toolCalls, finishReason } = await generateText(ask)
        assert.deepEqual([toolCalls.length, toolCalls[0].toolName, finishReason], [1, 'get_weather', 'tool-calls'])
        assert.equal(typeof toolCalls[0].input.city, 'string')
        const streamed = streamText(ask)
        await streamed.consumeStream()
        assert.equal(typeof (await streamed.toolCalls)[0].input.city, 'string')
      }
    },

    async 'ai: parallel tools, and on with their results'(name) {
      for (const model of both(name)) {
        const ask = { model, prompt: 'use the tools', tools, stopWhen: stepCountIs(2) }
        const { steps } = await generateText(ask)
        assert.equal(steps[0].toolCalls.length, 2)
        assert.equal(steps[0].toolResults.length, 2)
        assert.equal(steps.length, 2)
        assert.ok(steps[1].text)
        const streamed = streamText(ask)
        await streamed.consumeStream()
        assert.equal((await streamed.steps)[0].toolCalls.length, 2)
        assert.equal((await streamed.steps).length, 2)
      }
    },

    async 'ai: objects'(name) {
      const schema = z.object({ city: z.string(), degrees: z.number().int() })
      for (const model of both(name)) {
        const { output } = await generateText({ model, prompt, output: Output.object({ schema }) })
        schema.parse(output)
        schema.parse((await generateObject({ model, prompt, schema })).object)
        const streamed = streamText({ model, prompt, output: Output.object({ schema }) })
        await streamed.consumeStream()
        schema.parse(await streamed.output)
        const object = streamObject({ model, prompt, schema })
        for await (const _ of object.partialObjectStream);
        schema.parse(await object.object)
      }
    },

    async 'ai: images'(name) {
      const text = { type: 'text', text: 'what is this' }
      for (const model of both(name)) {
        const ask = (content) => generateText({ model, messages: [{ role: 'user', content }] })
        const [plain, answer] = [await ask([text]), await ask([text, { type: 'image', image: pixel }])]
        assert.match(answer.text, /what is this/)
        assert.equal(answer.usage.inputTokens, plain.usage.inputTokens + 85, 'the image came through')
      }
    },

    async 'ai: previous response'(name) {
      const model = openai()(name)
      const first = await generateText({ model, prompt })
      const providerOptions = { openai: { previousResponseId: first.providerMetadata.openai.responseId } }
      const second = await generateText({ model, prompt: 'and then', providerOptions })
      assert.ok(second.usage.inputTokens > first.usage.totalTokens)
    },

    async 'ai: refusals'(name) {
      for (const model of [...both('gpt-nonesuch'), openai().textEmbeddingModel('gpt-nonesuch')]) {
        const ask = model.doEmbed ? embed({ model, value: 'one', maxRetries: 0 }) : generateText({ model, prompt, maxRetries: 0 })
        await assert.rejects(ask, (error) => error.statusCode === 404)
      }
      for (const model of both(name, 'sk-wrong')) {
        await assert.rejects(generateText({ model, prompt, maxRetries: 0 }), (error) => error.statusCode === 401)
      }
      const { path, key } = await tenant('ai-broke')
      await call('PUT', `${path}/budgets`, { body: [{ window: 'month', limit_usd: '0' }], key: OPERATOR })
      for (const model of both(name, key)) {
        await assert.rejects(generateText({ model, prompt, maxRetries: 0 }), (error) => error.data.error.code === 'budget_exceeded')
      }
    },

    async 'ai: a stream is cancelled'(name) {
      for (const dialect of [0, 1]) {
        const { path, key } = await tenant('ai-cancel')
        await slowly(async () => {
          const stop = new AbortController()
          let aborted = false
          const options = { model: both(name, key)[dialect], prompt, abortSignal: stop.signal, onAbort: () => (aborted = true) }
          for await (const _ of streamText(options).textStream) stop.abort()
          assert.ok(aborted)
          await hasLeft(path)
        })
      }
    },

    async 'ai: a text is cancelled'(name) {
      for (const dialect of [0, 1]) {
        const { path, key } = await tenant('ai-give-up')
        const work = async () => {
          const abortSignal = await givenUp()
          await assert.rejects(generateText({ model: both(name, key)[dialect], prompt, abortSignal }), { name: 'AbortError' })
          await hasLeft(path)
        }
        await slowly(work, { latency_ms: 10_000 })
      }
    },
  }),

  ...eachFailing({
    async 'ai: errors'(name) {
      const key = await impatient('ai-failing')
      for (const model of both(name, key)) {
        const statuses = []
        const note = (error) => statuses.push(error.statusCode) > 0
        const ask = () => assert.rejects(generateText({ model, prompt, maxRetries: 0 }), note)
        await failing('server_error', ask)
        await failing('rate_limit', ask)
        assert.deepEqual(statuses, [502, 429])
      }
    },
  }),

  ...eachFailing({
    async 'ai: errors in the stream'(name) {
      const key = await impatient('ai-broken')
      for (const model of both(name, key)) {
        for (const [kind, more] of [['server_error', {}], ['reset', { chunks: 8 }], ['error_in_stream', { chunks: 8 }]]) {
          const errors = []
          const read = () => streamText({ model, prompt, maxRetries: 0, onError: ({ error }) => errors.push(error) }).consumeStream()
          await failing(kind, read, more)
          assert.equal(errors.length, 1, `${kind}: ${errors}`)
        }
      }
    },
  }),

  ...eachEmbedding({
    async 'ai: embeddings'(name) {
      const model = openai().textEmbeddingModel(name)
      const { embeddings, usage } = await embedMany({ model, values: ['one', 'two'] })
      assert.equal(embeddings.length, 2)
      assert.notDeepEqual(embeddings[0], embeddings[1])
      assert.ok(usage.tokens > 0)
      assert.deepEqual((await embed({ model, value: 'one' })).embedding, embeddings[0])
    },
  }),

  ...eachFailingEmbedding({
    async 'ai: errors of embeddings'(name) {
      const model = openai(await impatient('ai-no-vectors')).textEmbeddingModel(name)
      const ask = () => assert.rejects(embed({ model, value: 'one', maxRetries: 0 }), (error) => error.statusCode === 502)
      await failing('server_error', ask)
    },
  }),
}
