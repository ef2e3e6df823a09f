// What all cases need: addresses and keys, clients, and the models to try.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import OpenAI from 'openai'

// Models by the form that their provider speaks: what a vendor's SDK can do must work with each.
const models = JSON.parse(readFileSync(new URL('../models.json', import.meta.url)))

// Cases that are run once with each model that `modelOf` finds among those of a provider.
const eachOf = (cases, modelOf) =>
  Object.fromEntries(
    Object.entries(models).flatMap(([form, found]) =>
      Object.entries(cases).flatMap(([name, work]) => {
        const model = modelOf(found)
        return model ? [[`${name} (${form})`, () => work(model)]] : []
      }),
    ),
  )

// Cases that are run with the models of each provider, and with its embeddings where it has any.
export const each = (cases) => eachOf(cases, ({ chat }) => chat)
export const eachEmbedding = (cases) => eachOf(cases, ({ embed }) => embed)

// Cases in which each provider fails, at a model that no other case uses: what fails is avoided for a while.
let spare = 0
export const eachFailing = (cases) => eachOf(cases, ({ spare: name }) => `${name}-${++spare}`)
export const eachFailingEmbedding = (cases) => eachOf(cases, ({ embed, spare: name }) => embed && `${name}-${++spare}`)

export const URL_ = process.env.INSULA_URL
export const ACME = process.env.INSULA_ACME_KEY
export const GLOBEX = process.env.INSULA_GLOBEX_KEY
export const OPERATOR = process.env.INSULA_OPERATOR_KEY
export const SIMULATOR = process.env.INSULA_SIMULATOR_URL

export const messages = [{ role: 'user', content: 'hello from node' }]
export const hello = { model: 'sim-small', messages }
export const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
    strict: true,
  },
}

// A plain HTTP call, for what is no SDK's business: management and the simulator.
export async function call(method, url, { body, key } = {}) {
  const headers = { 'content-type': 'application/json' }
  if (key) headers.authorization = `Bearer ${key}`
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) })
  const text = await answer.text()
  if (!answer.ok) throw Object.assign(new Error(`${answer.status} ${text}`), { status: answer.status })
  return text ? JSON.parse(text) : undefined
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
// Slow machines: as long nothing is given up that is waited for.
const WITHIN_MS = 60_000

export const scenario = (fields = {}) => call('POST', `${SIMULATOR}/_sim/scenario`, { body: fields })
export const upstreamCount = async () => (await call('GET', `${SIMULATOR}/_sim/count`)).count

// While every request meets this fault.
export async function failing(kind, work, more = {}) {
  await scenario({ faults: [{ kind, rate: 1 }], ...more })
  try {
    return await work()
  } finally {
    await scenario()
  }
}

// While answers take their time: streams ten seconds, far more than anybody waits for who reads on for a caller that left.
export async function slowly(work, fields = { chunks: 50, gap_ms: 200 }) {
  await scenario(fields)
  try {
    return await work()
  } finally {
    await scenario()
  }
}

// A fresh tenant: its path and a key.
let tenants = 0
export async function tenant(slug) {
  const body = { slug: `node-${slug}-${++tenants}`, name: slug }
  const created = await call('POST', `${URL_}/api/v1/tenants`, { body, key: OPERATOR })
  const path = `${URL_}/api/v1/tenants/${created.id}`
  const { key } = await call('POST', `${path}/keys`, { body: { name: 'node' }, key: OPERATOR })
  return { path, key }
}

// The same, of a tenant whose requests are tried once: a failure is told at once.
export async function impatient(slug) {
  const { path, key } = await tenant(slug)
  await call('PUT', `${path}/routing`, { body: { attempts_max: 1 }, key: OPERATOR })
  return key
}

// A signal that a call is given up, once it has reached its provider.
export async function givenUp() {
  const before = await upstreamCount()
  const stop = new AbortController()
  const watch = async () => {
    while ((await upstreamCount()) === before) await pause(50)
    stop.abort()
  }
  watch().catch((error) => stop.abort(error))
  return stop.signal
}

// Waits until it is known that the caller of a tenant's only request has left: it is billed an estimate, and its provider was not
// waited for.
export async function hasLeft(path) {
  let requests = []
  for (const deadline = Date.now() + WITHIN_MS; requests.length === 0; await pause(50)) {
    assert.ok(Date.now() < deadline, 'the request is not over')
    requests = (await call('GET', `${path}/requests`, { key: OPERATOR })).data
  }
  assert.equal(requests.length, 1)
  const { attempts } = await call('GET', `${URL_}/api/v1/requests/${requests[0].id}`, { key: OPERATOR })
  assert.deepEqual(attempts.map(({ estimated }) => estimated), [true])
  const sent = (await call('GET', `${SIMULATOR}/_sim/requests?fields=light`)).data
  const theirs = sent.filter(({ attempt_id }) => attempt_id === attempts[0].id)
  assert.deepEqual(theirs.map(({ finished }) => finished), [false])
}

export const client = (key = ACME, options = {}) => new OpenAI({ baseURL: `${URL_}/v1`, apiKey: key, ...options })

// A client, and the list of the requests that it really sent.
export function counting(key, options = {}) {
  const sent = []
  const counted = (url, init) => {
    sent.push(url)
    return fetch(url, init)
  }
  return { client: client(key, { fetch: counted, ...options }), sent }
}

export async function raises(kind, work) {
  try {
    await work()
  } catch (error) {
    assert.equal(error.constructor, kind, `${error.constructor.name}: ${error.message}`)
    return error
  }
  assert.fail(`no ${kind.name}`)
}

// An image of one pixel.
export const pixel =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
