// The Vercel AI SDK with its provider for OpenAI: by responses, its default, and by chat completions.

import assert from 'node:assert/strict'
import { createOpenAI } from '@ai-sdk/openai'
import { embedMany, generateObject, generateText, Output, stepCountIs, streamText, tool } from 'ai'
import { z } from 'zod'
import { ACME, URL_, each, pixel, scenario, tenant } from './support.mjs'

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

    async 'ai: tools, and on with their results'(name) {
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
      }
    },

    async 'ai: images'(name) {
      const content = [
        { type: 'text', text: 'what is this' },
        { type: 'image', image: pixel },
      ]
      for (const model of both(name)) {
        const { text } = await generateText({ model, messages: [{ role: 'user', content }] })
        assert.match(text, /what is this/)
      }
    },

    async 'ai: previous response'(name) {
      const model = openai()(name)
      const first = await generateText({ model, prompt })
      const providerOptions = { openai: { previousResponseId: first.providerMetadata.openai.responseId } }
      const second = await generateText({ model, prompt: 'and then', providerOptions })
      assert.ok(second.usage.inputTokens > first.usage.totalTokens)
    },
  }),

  async 'ai: embeddings'() {
    const { embeddings } = await embedMany({ model: openai().embedding('sim-embed'), values: ['one', 'two'] })
    assert.equal(embeddings.length, 2)
    assert.notDeepEqual(embeddings[0], embeddings[1])
  },

  async 'ai: errors'() {
    for (const model of both('gpt-nonesuch')) {
      await assert.rejects(generateText({ model, prompt, maxRetries: 0 }), (error) => error.statusCode === 404)
    }
    const { key } = await tenant('ai-broken')
    await scenario({ chunks: 8, faults: [{ kind: 'reset', rate: 1 }] })
    try {
      for (const model of both('sim-small', key)) {
        const errors = []
        const stream = streamText({ model, prompt, onError: ({ error }) => errors.push(error) })
        await stream.consumeStream()
        assert.equal(errors.length, 1, String(errors))
      }
    } finally {
      await scenario()
    }
  },

  async 'ai: a stream is cancelled'() {
    await scenario({ chunks: 50, gap_ms: 100 })
    try {
      for (const model of both('sim-small')) {
        const stop = new AbortController()
        let aborted = false
        const result = streamText({ model, prompt, abortSignal: stop.signal, onAbort: () => (aborted = true) })
        for await (const _ of result.textStream) stop.abort()
        assert.ok(aborted)
      }
    } finally {
      await scenario()
    }
  },
}
