// What all cases need: addresses and keys, clients, and the models to try.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import OpenAI from 'openai'

// Models by the form that their provider speaks: what a vendor's SDK can do must work with each.
const models = JSON.parse(readFileSync(new URL('../models.json', import.meta.url)))

// Cases that are run with the models of each provider.
export const each = (cases) =>
  Object.fromEntries(
    Object.entries(models).flatMap(([form, { chat }]) =>
      Object.entries(cases).map(([name, work]) => [`${name} (${form})`, () => work(chat)]),
    ),
  )

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

export const scenario = (fields = {}) => call('POST', `${SIMULATOR}/_sim/scenario`, { body: fields })
export const upstreamCount = async () => (await call('GET', `${SIMULATOR}/_sim/count`)).count

// A fresh tenant: its path and a key.
export async function tenant(slug) {
  const created = await call('POST', `${URL_}/api/v1/tenants`, { body: { slug: `node-${slug}`, name: slug }, key: OPERATOR })
  const path = `${URL_}/api/v1/tenants/${created.id}`
  const { key } = await call('POST', `${path}/keys`, { body: { name: 'node' }, key: OPERATOR })
  return { path, key }
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
