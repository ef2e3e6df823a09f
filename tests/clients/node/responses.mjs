// Responses, as openai-node sees them.

import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import {
  GLOBEX,
  OPERATOR,
  call,
  client,
  each,
  eachFailing,
  failing,
  givenUp,
  hasLeft,
  impatient,
  pixel,
  raises,
  slowly,
  tenant,
  weather,
} from './support.mjs'

const tool = { type: 'function', ...weather.function }
const input = 'hello from node responses'

export const cases = {
  ...each({
    async 'a response'(model) {
      const answer = await client().responses.create({ model, input })
      assert.match(answer.output_text, /hello from node responses/)
      assert.deepEqual([answer.object, answer.status, answer.error], ['response', 'completed', null])
      assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens)
      assert.equal((await client().responses.retrieve(answer.id)).output_text, answer.output_text)
    },

    async 'a streamed response'(model) {
      const events = []
      for await (const event of await client().responses.create({ model, input, stream: true })) events.push(event)
      assert.deepEqual(events.slice(0, 2).map(({ type }) => type), ['response.created', 'response.in_progress'])
      events.forEach((event, place) => assert.equal(event.sequence_number, place))
      const text = events.filter(({ type }) => type === 'response.output_text.delta').map(({ delta }) => delta).join('')
      const last = events.at(-1)
      assert.equal(last.type, 'response.completed')
      assert.equal(last.response.output[0].content[0].text, text)
    },

    async 'the stream helper of responses'(model) {
      const final = await client().responses.stream({ model, input }).finalResponse()
      assert.match(final.output_text, /hello from node responses/)
    },

    async 'a response calls functions'(model) {
      const both = [tool, { ...tool, name: 'get_forecast' }]
      const body = { model, input: 'use the tools', tools: both, tool_choice: 'required' }
      const answer = await client().responses.create(body)
      const calls = answer.output.filter(({ type }) => type === 'function_call')
      assert.equal(new Set(calls.map((called) => called.call_id)).size, 2)
      assert.equal(typeof JSON.parse(calls[0].arguments).city, 'string')
      const results = calls.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: 'sunny' }))
      await client().responses.create({ model, input: results, previous_response_id: answer.id, tools: both })
      await client().responses.create({ model, input: [{ role: 'user', content: 'use the tools' }, ...calls, ...results], tools: both })
      const streamed = await client().responses.stream(body).finalResponse()
      assert.equal(streamed.output.filter(({ type }) => type === 'function_call').length, 2)
    },

    async 'a parsed response'(model) {
      const schema = z.object({ city: z.string(), degrees: z.number().int() })
      const body = { model, input, text: { format: zodTextFormat(schema, 'weather') } }
      schema.parse((await client().responses.parse(body)).output_parsed)
      schema.parse((await client().responses.stream(body).finalResponse()).output_parsed)
    },

    async 'a response to an image'(model) {
      const text = { type: 'input_text', text: 'what is this' }
      const ask = (content) => client().responses.create({ model, input: [{ role: 'user', content }] })
      const plain = await ask([text])
      const answer = await ask([text, { type: 'input_image', image_url: pixel, detail: 'auto' }])
      assert.match(answer.output_text, /what is this/)
      assert.equal(answer.usage.input_tokens, plain.usage.input_tokens + 85, 'the image came through')
    },

    async 'a stream of responses is cancelled'(model) {
      const { path, key } = await tenant('cancel-response')
      await call('PUT', `${path}/limits`, { body: { concurrency: 1 }, key: OPERATOR })
      await slowly(async () => {
        const stream = await client(key).responses.create({ model, input, stream: true })
        for await (const event of stream) if (event.type === 'response.output_text.delta') break
        stream.controller.abort()
        await hasLeft(path)
      })
      await client(key).responses.create({ model, input })
    },

    async 'a response is cancelled'(model) {
      const { path, key } = await tenant('give-up-response')
      const work = async () => {
        const signal = await givenUp()
        await raises(OpenAI.APIUserAbortError, () => client(key).responses.create({ model, input }, { signal }))
        await hasLeft(path)
      }
      await slowly(work, { latency_ms: 10_000 })
    },

    async 'a conversation goes on'(model) {
      const one = client()
      const first = await one.responses.create({ model, input: 'the first thing' })
      const second = await one.responses.create({ model, input: 'the second thing', previous_response_id: first.id })
      assert.equal(second.previous_response_id, first.id)
      assert.ok(second.usage.input_tokens > first.usage.total_tokens)
      const items = []
      for await (const item of one.responses.inputItems.list(second.id)) items.push(item)
      assert.deepEqual(items.map((item) => item.content[0].text), ['the second thing'])
      await one.responses.delete(first.id)
      await raises(OpenAI.NotFoundError, () => one.responses.retrieve(first.id))
    },
  }),

  async 'a response is its tenants'() {
    const answer = await client().responses.create({ model: 'sim-small', input })
    const body = { model: 'sim-small', input, previous_response_id: answer.id }
    await raises(OpenAI.NotFoundError, () => client(GLOBEX).responses.retrieve(answer.id))
    await raises(OpenAI.NotFoundError, () => client(GLOBEX).responses.create(body))
  },

  async 'responses refuse what is not there'() {
    for (const [field, value] of [['background', true], ['conversation', 'conv_1'], ['tools', [{ type: 'web_search' }]]]) {
      const body = { model: 'sim-small', input, [field]: value }
      assert.equal((await raises(OpenAI.BadRequestError, () => client().responses.create(body))).param, field)
    }
  },

  ...eachFailing({
    async 'errors of responses'(model) {
      const one = client(await impatient('no-response'), { maxRetries: 0 })
      for (const more of [{}, { stream: true }]) {
        const ask = () => one.responses.create({ model, input, ...more })
        const failed = await failing('server_error', () => raises(OpenAI.InternalServerError, ask))
        assert.equal(failed.code, 'provider_failed')
        const limited = await failing('rate_limit', () => raises(OpenAI.RateLimitError, ask))
        assert.equal(limited.code, 'provider_rate_limited')
      }
    },
  }),

  ...eachFailing({
    async 'an error in a stream of responses'(model) {
      const one = client(await impatient('broken-response'))
      for (const kind of ['reset', 'error_in_stream']) {
        const seen = []
        const read = async () => {
          for await (const event of await one.responses.create({ model, input, stream: true })) seen.push(event.type)
        }
        const error = await failing(kind, () => raises(OpenAI.APIError, read), { chunks: 8 })
        assert.equal(error.code, 'provider_failed')
        assert.ok(seen.includes('response.created') && !seen.includes('response.completed'))
      }
    },
  }),
}
