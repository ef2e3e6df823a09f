// Chat Completions, embeddings, models and errors, as openai-node sees them.

import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import {
  ACME,
  GLOBEX,
  OPERATOR,
  URL_,
  call,
  client,
  counting,
  each,
  hello,
  messages,
  pixel,
  raises,
  scenario,
  tenant,
  upstreamCount,
  weather,
} from './support.mjs'

export const cases = {
  ...each({
    async chat(model) {
      const answer = await client().chat.completions.create({ ...hello, model })
      assert.match(answer.choices[0].message.content, /hello from node/)
      assert.equal(answer.choices[0].finish_reason, 'stop')
      assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
      assert.match(answer._request_id, /^req_/)
    },

    async stream(model) {
      const chunks = []
      for await (const chunk of await client().chat.completions.create({ ...hello, model, stream: true })) chunks.push(chunk)
      assert.match(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), /hello from node/)
      assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop')
      assert.ok(chunks.every((chunk) => !chunk.usage))
    },

    async 'stream with usage'(model) {
      const chunks = []
      const body = { ...hello, model, stream: true, stream_options: { include_usage: true } }
      for await (const chunk of await client().chat.completions.create(body)) chunks.push(chunk)
      assert.deepEqual(chunks.at(-1).choices, [])
      assert.ok(chunks.at(-1).usage.completion_tokens > 0)
    },

    async 'stream helper'(model) {
      const stream = client().chat.completions.stream({ ...hello, model })
      const final = await stream.finalChatCompletion()
      assert.match(final.choices[0].message.content, /hello from node/)
    },

    async tools(model) {
      const body = { ...hello, model, tools: [weather], tool_choice: 'required' }
      const answer = await client().chat.completions.create(body)
      const { message, finish_reason } = answer.choices[0]
      assert.equal(finish_reason, 'tool_calls')
      assert.equal(message.tool_calls[0].function.name, 'get_weather')
      assert.equal(typeof JSON.parse(message.tool_calls[0].function.arguments).city, 'string')
      const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'sunny' }
      await client().chat.completions.create({ ...hello, model, messages: [...messages, message, result], tools: [weather] })
    },

    async 'tools streamed'(model) {
      const body = { ...hello, model, tools: [weather], tool_choice: 'required' }
      const final = await client().chat.completions.stream(body).finalChatCompletion()
      const [called] = final.choices[0].message.tool_calls
      assert.equal(typeof JSON.parse(called.function.arguments).city, 'string')
    },

    async 'structured output'(model) {
      const schema = z.object({ city: z.string(), degrees: z.number().int(), sunny: z.boolean() })
      const body = { ...hello, model, response_format: zodResponseFormat(schema, 'weather') }
      const answer = await client().chat.completions.parse(body)
      schema.parse(answer.choices[0].message.parsed)
    },

    async 'parallel tools'(model) {
      const both = [weather, { ...weather, function: { ...weather.function, name: 'get_forecast' } }]
      const asked = [{ role: 'user', content: 'use the tools' }]
      const body = { model, messages: asked, tools: both, tool_choice: 'required' }
      const { message } = (await client().chat.completions.create(body)).choices[0]
      const streamed = (await client().chat.completions.stream(body).finalChatCompletion()).choices[0].message
      for (const { tool_calls } of [message, streamed]) assert.equal(new Set(tool_calls.map((called) => called.id)).size, 2)
      const results = message.tool_calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'sunny' }))
      await client().chat.completions.create({ model, messages: [...asked, message, ...results], tools: both })
    },

    async images(model) {
      const content = [
        { type: 'text', text: 'what is this' },
        { type: 'image_url', image_url: { url: pixel } },
      ]
      const answer = await client().chat.completions.create({ model, messages: [{ role: 'user', content }] })
      assert.match(answer.choices[0].message.content, /what is this/)
    },
  }),

  async 'many at once'() {
    const one = client()
    const answers = await Promise.all(Array.from({ length: 8 }, () => one.chat.completions.create(hello)))
    assert.equal(new Set(answers.map((answer) => answer.choices[0].message.content)).size, 1)
  },

  async 'a stream is cancelled'() {
    const { path, key } = await tenant('cancel')
    await call('PUT', `${path}/limits`, { body: { concurrency: 1 }, key: OPERATOR })
    await scenario({ chunks: 50, gap_ms: 100 })
    const stream = await client(key).chat.completions.create({ ...hello, stream: true })
    for await (const _ of stream) break
    stream.controller.abort()
    await scenario()
    // The seat comes free: the SDK's own retries are enough to see it.
    await client(key, { maxRetries: 10 }).chat.completions.create(hello)
  },

  async embeddings() {
    // The SDK asks for base64 by itself and unpacks it.
    const body = { model: 'sim-embed', input: ['one', 'two'] }
    const packed = await client().embeddings.create(body)
    const floats = await client().embeddings.create({ ...body, encoding_format: 'float' })
    assert.equal(packed.data.length, 2)
    packed.data.forEach(({ embedding }, index) => {
      const other = floats.data[index].embedding
      assert.equal(embedding.length, other.length)
      assert.ok(embedding.every((value, at) => Math.abs(value - other[at]) < 1e-6))
    })
  },

  async models() {
    const names = new Set()
    for await (const model of client().models.list()) names.add(model.id)
    for (const name of ['sim-small', 'sim-large', 'sim-embed']) assert.ok(names.has(name), name)
    assert.equal((await client().models.retrieve('sim-small')).id, 'sim-small')
  },

  async 'authentication error'() {
    const error = await raises(OpenAI.AuthenticationError, () => client('sk-wrong').models.list())
    assert.deepEqual([error.status, error.code], [401, 'invalid_api_key'])
  },

  async 'permission error'() {
    const error = await raises(OpenAI.PermissionDeniedError, () => client(OPERATOR).models.list())
    assert.equal(error.status, 403)
  },

  async 'not found error'() {
    const body = { ...hello, model: 'gpt-nonesuch' }
    const error = await raises(OpenAI.NotFoundError, () => client().chat.completions.create(body))
    assert.deepEqual([error.code, error.param], ['model_not_found', 'model'])
  },

  async 'bad request error'() {
    const body = { ...hello, max_tokens: -1 }
    const error = await raises(OpenAI.BadRequestError, () => client().chat.completions.create(body))
    assert.deepEqual([error.param, error.type], ['max_tokens', 'invalid_request_error'])
  },

  async 'unprocessable entity error'() {
    const headers = { 'Idempotency-Key': 'node-mismatch' }
    await client().chat.completions.create(hello, { headers })
    const other = { ...hello, messages: [{ role: 'user', content: 'something else' }] }
    await raises(OpenAI.UnprocessableEntityError, () => client().chat.completions.create(other, { headers }))
  },

  async 'internal server error'() {
    const { key } = await tenant('upstream-500')
    await scenario({ faults: [{ kind: 'server_error', rate: 1 }] })
    try {
      const error = await raises(OpenAI.InternalServerError, () => client(key, { maxRetries: 0 }).chat.completions.create(hello))
      assert.equal(error.status, 502)
    } finally {
      await scenario()
    }
  },

  async 'an error in the stream'() {
    const { key } = await tenant('broken-stream')
    await scenario({ chunks: 8, faults: [{ kind: 'reset', rate: 1 }] })
    const seen = []
    try {
      const error = await raises(OpenAI.APIError, async () => {
        for await (const chunk of await client(key).chat.completions.create({ ...hello, stream: true })) seen.push(chunk)
      })
      assert.ok(error.code, error.message)
    } finally {
      await scenario()
    }
    assert.ok(seen.length > 0 && seen.every((chunk) => chunk.choices[0].finish_reason === null))
  },

  async 'a budget refusal is not retried'() {
    const { path, key } = await tenant('budget')
    await call('PUT', `${path}/budgets`, { body: [{ window: 'month', limit_usd: '0' }], key: OPERATOR })
    const { client: one, sent } = counting(key)
    const before = await upstreamCount()
    for (const body of [hello, { ...hello, stream: true }]) {
      sent.length = 0
      const error = await raises(OpenAI.RateLimitError, () => one.chat.completions.create(body))
      assert.equal(error.code, 'budget_exceeded')
      assert.equal(sent.length, 1)
      for (const member of ['level', 'window', 'unit', 'used', 'limit', 'resets_at']) assert.ok(member in error.error, member)
    }
    assert.equal(await upstreamCount(), before)
  },

  async 'a rate limit is retried'() {
    const { path, key } = await tenant('rate')
    await call('PUT', `${path}/limits`, { body: { requests_per_minute: 60 }, key: OPERATOR })
    const { client: one, sent } = counting(key, { maxRetries: 5 })
    for (let round = 0; round < 62; round++) await one.chat.completions.create(hello)
    assert.ok(sent.length > 62, 'at least one request was refused and sent again')
  },

  async 'an idempotent request is sent upstream once'() {
    const headers = { 'Idempotency-Key': 'node-once' }
    const before = await upstreamCount()
    const first = await client().chat.completions.create(hello, { headers })
    const second = await client().chat.completions.create(hello, { headers })
    assert.deepEqual({ ...first }, { ...second })
    assert.equal(await upstreamCount(), before + 1)
  },

  async 'project and organization choose no tenant'() {
    const { key } = await tenant('project')
    const one = client(key, { project: 'globex', organization: 'acme' })
    const answer = await one.chat.completions.create({ ...hello, user: 'globex' })
    for (const other of [ACME, GLOBEX]) {
      const read = call('GET', `${URL_}/api/v1/requests/${answer._request_id}`, { key: other })
      await assert.rejects(read, (error) => error.status === 404)
    }
  },
}
