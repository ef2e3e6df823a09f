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
  eachEmbedding,
  eachFailing,
  eachFailingEmbedding,
  failing,
  givenUp,
  hasLeft,
  hello,
  impatient,
  messages,
  pixel,
  raises,
  slowly,
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
      const streamed = await client().chat.completions.stream(body).finalChatCompletion()
      schema.parse(streamed.choices[0].message.parsed)
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
      const text = { type: 'text', text: 'what is this' }
      const ask = (content) => client().chat.completions.create({ model, messages: [{ role: 'user', content }] })
      const plain = await ask([text])
      const answer = await ask([text, { type: 'image_url', image_url: { url: pixel } }])
      assert.match(answer.choices[0].message.content, /what is this/)
      assert.equal(answer.usage.prompt_tokens, plain.usage.prompt_tokens + 85, 'the image came through')
    },

    async 'a stream is cancelled'(model) {
      const { path, key } = await tenant('cancel')
      await call('PUT', `${path}/limits`, { body: { concurrency: 1 }, key: OPERATOR })
      await slowly(async () => {
        const stream = await client(key).chat.completions.create({ ...hello, model, stream: true })
        for await (const _ of stream) break
        stream.controller.abort()
        await hasLeft(path)
      })
      // Its seat is free again.
      await client(key).chat.completions.create({ ...hello, model })
    },

    async 'a chat is cancelled'(model) {
      const { path, key } = await tenant('give-up')
      const work = async () => {
        const signal = await givenUp()
        await raises(OpenAI.APIUserAbortError, () => client(key).chat.completions.create({ ...hello, model }, { signal }))
        await hasLeft(path)
      }
      await slowly(work, { latency_ms: 10_000 })
    },
  }),

  ...eachFailing({
    async 'provider errors'(model) {
      const one = client(await impatient('upstream'), { maxRetries: 0 })
      for (const more of [{}, { stream: true }]) {
        const ask = () => one.chat.completions.create({ ...hello, model, ...more })
        const failed = await failing('server_error', () => raises(OpenAI.InternalServerError, ask))
        assert.deepEqual([failed.status, failed.code], [502, 'provider_failed'])
        const limited = await failing('rate_limit', () => raises(OpenAI.RateLimitError, ask))
        assert.equal(limited.code, 'provider_rate_limited')
        assert.ok(limited.headers.get('retry-after'))
      }
    },
  }),

  ...eachFailing({
    async 'a provider that fails for a while is retried by the SDK'(model) {
      const { client: one, sent } = counting(await impatient('mended'))
      const ask = () => one.chat.completions.create({ ...hello, model }, { maxRetries: 1 })
      await failing('server_error', () => raises(OpenAI.InternalServerError, ask))
      assert.equal(sent.length, 2)
      await ask()
      assert.equal(sent.length, 3)
    },
  }),

  ...eachFailing({
    async 'an error in the stream'(model) {
      const one = client(await impatient('broken-stream'))
      for (const kind of ['reset', 'error_in_stream']) {
        const seen = []
        const read = async () => {
          for await (const chunk of await one.chat.completions.create({ ...hello, model, stream: true })) seen.push(chunk)
        }
        const error = await failing(kind, () => raises(OpenAI.APIError, read), { chunks: 8 })
        assert.equal(error.code, 'provider_failed')
        assert.ok(seen.length > 0 && seen.every((chunk) => chunk.choices[0].finish_reason === null))
      }
    },
  }),

  ...eachEmbedding({
    async embeddings(model) {
      // The SDK asks for base64 by itself and unpacks it.
      const body = { model, input: ['one', 'two'] }
      const packed = await client().embeddings.create(body)
      const floats = await client().embeddings.create({ ...body, encoding_format: 'float' })
      assert.equal(packed.data.length, 2)
      packed.data.forEach(({ embedding }, index) => {
        const other = floats.data[index].embedding
        assert.equal(embedding.length, other.length)
        assert.ok(embedding.every((value, at) => Math.abs(value - other[at]) < 1e-6))
      })
      const [short] = (await client().embeddings.create({ model, input: 'one', dimensions: 16 })).data
      assert.equal(short.embedding.length, 16)
    },
  }),

  ...eachFailingEmbedding({
    async 'errors of embeddings'(model) {
      const one = client(await impatient('no-vectors'), { maxRetries: 0 })
      const ask = (input) => one.embeddings.create({ model, input })
      assert.equal((await raises(OpenAI.BadRequestError, () => ask([]))).param, 'input')
      const failed = await failing('server_error', () => raises(OpenAI.InternalServerError, () => ask('one')))
      assert.equal(failed.code, 'provider_failed')
      const limited = await failing('rate_limit', () => raises(OpenAI.RateLimitError, () => ask('one')))
      assert.equal(limited.code, 'provider_rate_limited')
      await ask('one')
    },
  }),

  async 'many at once'() {
    const one = client()
    const answers = await Promise.all(Array.from({ length: 8 }, () => one.chat.completions.create(hello)))
    assert.equal(new Set(answers.map((answer) => answer.choices[0].message.content)).size, 1)
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
    // A request comes back every two seconds: any machine sends faster.
    await call('PUT', `${path}/limits`, { body: { requests_per_minute: 30 }, key: OPERATOR })
    const { client: one, sent } = counting(key, { maxRetries: 5 })
    let answered = 0
    for (; sent.length === answered; answered++) {
      assert.ok(answered < 200, 'none was refused')
      await one.chat.completions.create(hello)
    }
    assert.ok(sent.length > answered && answered >= 30, `${sent.length} sent, ${answered} answered`)
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
