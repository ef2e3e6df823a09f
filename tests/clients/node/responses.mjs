// Responses, as openai-node sees them.

import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { GLOBEX, client, each, pixel, raises, scenario, tenant, weather } from './support.mjs'

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
      const answer = await client().responses.parse({ model, input, text: { format: zodTextFormat(schema, 'weather') } })
      schema.parse(answer.output_parsed)
    },

    async 'a response to an image'(model) {
      const content = [
        { type: 'input_text', text: 'what is this' },
        { type: 'input_image', image_url: pixel, detail: 'auto' },
      ]
      const answer = await client().responses.create({ model, input: [{ role: 'user', content }] })
      assert.match(answer.output_text, /what is this/)
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

  async 'an error in a stream of responses'() {
    const { key } = await tenant('broken-response')
    await scenario({ chunks: 8, faults: [{ kind: 'reset', rate: 1 }] })
    const seen = []
    try {
      const error = await raises(OpenAI.APIError, async () => {
        const stream = await client(key).responses.create({ model: 'sim-small', input, stream: true })
        for await (const event of stream) seen.push(event.type)
      })
      assert.equal(error.code, 'provider_failed')
    } finally {
      await scenario()
    }
    assert.ok(seen.includes('response.created') && !seen.includes('response.completed'))
  },
}
