// The vendor's own Node SDK, unchanged, against `insula dev`.
//
// Takes what `dev.env` says from the environment; prints one line a case and `N passed, M failed` last.

import assert from 'node:assert/strict'
import OpenAI, { toFile } from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'

const URL_ = process.env.INSULA_URL
const ACME = process.env.INSULA_ACME_KEY
const GLOBEX = process.env.INSULA_GLOBEX_KEY
const OPERATOR = process.env.INSULA_OPERATOR_KEY
const SIMULATOR = process.env.INSULA_SIMULATOR_URL

const messages = [{ role: 'user', content: 'hello from node' }]
const hello = { model: 'sim-small', messages }
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
    strict: true,
  },
}

// A plain HTTP call, for what is no SDK's business: management and the simulator.
async function call(method, url, { body, key } = {}) {
  const headers = { 'content-type': 'application/json' }
  if (key) headers.authorization = `Bearer ${key}`
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) })
  const text = await answer.text()
  if (!answer.ok) throw Object.assign(new Error(`${answer.status} ${text}`), { status: answer.status })
  return text ? JSON.parse(text) : undefined
}

const scenario = (fields = {}) => call('POST', `${SIMULATOR}/_sim/scenario`, { body: fields })
const upstreamCount = async () => (await call('GET', `${SIMULATOR}/_sim/count`)).count

// A fresh tenant: its path and a key.
async function tenant(slug) {
  const created = await call('POST', `${URL_}/api/v1/tenants`, { body: { slug: `node-${slug}`, name: slug }, key: OPERATOR })
  const path = `${URL_}/api/v1/tenants/${created.id}`
  const { key } = await call('POST', `${path}/keys`, { body: { name: 'node' }, key: OPERATOR })
  return { path, key }
}

const client = (key = ACME, options = {}) => new OpenAI({ baseURL: `${URL_}/v1`, apiKey: key, ...options })

// A client, and the list of the requests that it really sent.
function counting(key, options = {}) {
  const sent = []
  const counted = (url, init) => {
    sent.push(url)
    return fetch(url, init)
  }
  return { client: client(key, { fetch: counted, ...options }), sent }
}

async function raises(kind, work) {
  try {
    await work()
  } catch (error) {
    assert.equal(error.constructor, kind, `${error.constructor.name}: ${error.message}`)
    return error
  }
  assert.fail(`no ${kind.name}`)
}

async function textOf(stream) {
  let text = ''
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? ''
  return text
}

// The lines of a batch, as the vendor's guide writes them.
function lines(count) {
  const line = (n) => ({
    custom_id: `line-${n}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'sim-small', messages: [{ role: 'user', content: `line ${n}` }] },
  })
  return Array.from({ length: count }, (_, n) => JSON.stringify(line(n))).join('\n')
}

const cases = {
  async chat() {
    const answer = await client().chat.completions.create(hello)
    assert.match(answer.choices[0].message.content, /hello from node/)
    assert.equal(answer.choices[0].finish_reason, 'stop')
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
    assert.match(answer._request_id, /^req_/)
  },

  async 'many at once'() {
    const one = client()
    const answers = await Promise.all(Array.from({ length: 8 }, () => one.chat.completions.create(hello)))
    assert.equal(new Set(answers.map((answer) => answer.choices[0].message.content)).size, 1)
  },

  async stream() {
    const chunks = []
    for await (const chunk of await client().chat.completions.create({ ...hello, stream: true })) chunks.push(chunk)
    assert.match(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), /hello from node/)
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop')
    assert.ok(chunks.every((chunk) => !chunk.usage))
  },

  async 'stream with usage'() {
    const chunks = []
    const body = { ...hello, stream: true, stream_options: { include_usage: true } }
    for await (const chunk of await client().chat.completions.create(body)) chunks.push(chunk)
    assert.deepEqual(chunks.at(-1).choices, [])
    assert.ok(chunks.at(-1).usage.completion_tokens > 0)
  },

  async 'stream helper'() {
    const stream = client().chat.completions.stream(hello)
    const final = await stream.finalChatCompletion()
    assert.match(final.choices[0].message.content, /hello from node/)
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

  async tools() {
    const body = { ...hello, tools: [weather], tool_choice: 'required' }
    const answer = await client().chat.completions.create(body)
    const { message, finish_reason } = answer.choices[0]
    assert.equal(finish_reason, 'tool_calls')
    assert.equal(message.tool_calls[0].function.name, 'get_weather')
    assert.equal(typeof JSON.parse(message.tool_calls[0].function.arguments).city, 'string')
    const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'sunny' }
    await client().chat.completions.create({ ...hello, messages: [...messages, message, result], tools: [weather] })
  },

  async 'tools streamed'() {
    const body = { ...hello, tools: [weather], tool_choice: 'required' }
    const final = await client().chat.completions.stream(body).finalChatCompletion()
    const [called] = final.choices[0].message.tool_calls
    assert.equal(typeof JSON.parse(called.function.arguments).city, 'string')
  },

  async 'structured output'() {
    const schema = z.object({ city: z.string(), degrees: z.number().int(), sunny: z.boolean() })
    const body = { ...hello, response_format: zodResponseFormat(schema, 'weather') }
    const answer = await client().chat.completions.parse(body)
    schema.parse(answer.choices[0].message.parsed)
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

  async files() {
    const one = client((await tenant('files')).key)
    const made = await one.files.create({ file: await toFile(Buffer.from(lines(3)), 'lines.jsonl'), purpose: 'batch' })
    assert.deepEqual([made.object, made.filename, made.bytes], ['file', 'lines.jsonl', lines(3).length])
    const ids = [made.id]
    for (let n = 0; n < 4; n++) {
      ids.push((await one.files.create({ purpose: 'batch', file: await toFile(Buffer.from('x'), 'more.jsonl') })).id)
    }
    assert.equal(await (await one.files.content(made.id)).text(), lines(3))
    const listed = []
    // Page by page.
    for await (const file of one.files.list({ limit: 2 })) listed.push(file.id)
    assert.deepEqual(listed.sort(), ids.sort())
    assert.ok((await one.files.delete(made.id)).deleted)
    await raises(OpenAI.NotFoundError, () => one.files.retrieve(made.id))
    await raises(OpenAI.NotFoundError, () => client().files.retrieve(ids.find((id) => id !== made.id)))
  },

  async batches() {
    const one = client((await tenant('batches')).key)
    const made = await one.files.create({ file: await toFile(Buffer.from(lines(20)), 'lines.jsonl'), purpose: 'batch' })
    const order = { input_file_id: made.id, endpoint: '/v1/chat/completions', completion_window: '24h' }
    let batch = await one.batches.create(order)
    for (const deadline = Date.now() + 60_000; batch.status !== 'completed'; batch = await one.batches.retrieve(batch.id)) {
      assert.ok(Date.now() < deadline, JSON.stringify(batch))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.deepEqual(batch.request_counts, { total: 20, completed: 20, failed: 0 })
    const output = (await (await one.files.content(batch.output_file_id)).text()).trim().split('\n').map((line) => JSON.parse(line))
    assert.equal(new Set(output.map((line) => line.custom_id)).size, 20)
    assert.ok(output.every((line) => line.response.body.choices.length === 1))
    const listed = []
    for await (const found of one.batches.list()) listed.push(found.id)
    assert.deepEqual(listed, [batch.id])
    await raises(OpenAI.NotFoundError, () => client().batches.retrieve(batch.id))
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

let failed = 0
for (const [name, work] of Object.entries(cases)) {
  try {
    await work()
    console.log(`ok      ${name}`)
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${name}\n${error.stack}`)
  }
}
console.log(`${Object.keys(cases).length - failed} passed, ${failed} failed`)
process.exitCode = failed ? 1 : 0
