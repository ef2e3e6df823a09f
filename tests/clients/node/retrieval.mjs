// Documents before an answer: `file_search` and `insula.retrieval`, as openai-node sends them.

import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { OPERATOR, call, client, each, raises, scenario, tenant } from './support.mjs'

const text = 'The deposit of the lease is returned within 30 days.'
const answer = 'It is [[1: "returned within 30 days"]], not more [[1: "returned within 60 days"]].'
const shown = 'It is [1], not more.'
const input = 'When is the deposit returned?'
const tools = [{ type: 'file_search', vector_store_ids: [], max_num_results: 3 }]

// A tenant that has a document, with the answer of its model.
async function withDocument(work) {
  const { path, key } = await tenant('retrieval')
  const added = await call('POST', `${path}/documents`, { body: { name: 'lease.md', text }, key: OPERATOR })
  for (const deadline = Date.now() + 60_000; ; ) {
    const { status } = await call('GET', `${path}/documents/${added.id}`, { key: OPERATOR })
    if (status === 'ready') break
    assert.ok(Date.now() < deadline, 'the document is not read')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await scenario({ answer })
  try {
    await work(client(key), added.id)
  } finally {
    await scenario()
  }
}

export const cases = each({
  async 'file search in a response'(model) {
    await withDocument(async (one, document) => {
      const body = { model, input, tools, include: ['file_search_call.results'] }
      const made = await one.responses.create(body)
      const [search, message] = made.output
      assert.deepEqual([search.type, search.status, search.queries], ['file_search_call', 'completed', [input]])
      assert.deepEqual([search.results[0].file_id, search.results[0].text], [document, text])
      assert.equal(made.output_text, shown)
      assert.deepEqual(message.content[0].annotations, [
        { type: 'file_citation', index: shown.indexOf('[1]'), file_id: document, filename: 'lease.md' },
      ])
      await one.responses.create({ model, input: 'and then?', previous_response_id: made.id })
      await one.responses.create({ model, input: [{ role: 'user', content: input }, ...made.output, { role: 'user', content: 'on' }] })
    })
  },

  async 'file search in a streamed response'(model) {
    await withDocument(async (one, document) => {
      const kinds = []
      const stream = one.responses.stream({ model, input, tools })
      for await (const { type } of stream) kinds.push(type)
      const steps = kinds.filter((kind) => kind.startsWith('response.file_search_call.'))
      assert.deepEqual(steps.map((kind) => kind.split('.').at(-1)), ['in_progress', 'searching', 'completed'])
      assert.ok(kinds.includes('response.output_text.annotation.added'))
      const final = await stream.finalResponse()
      assert.equal(final.output[1].content[0].annotations[0].file_id, document)
      assert.equal(final.output[0].results, null)
    })
  },

  async 'retrieval in a chat'(model) {
    await withDocument(async (one, document) => {
      const body = { model, messages: [{ role: 'user', content: input }], insula: { retrieval: { limit: 2 } } }
      const made = await one.chat.completions.create(body)
      assert.equal(made.choices[0].message.content, shown)
      assert.equal(made.insula.retrieval.citations[0].document, document)
      let said = ''
      for await (const chunk of await one.chat.completions.create({ ...body, stream: true })) said += chunk.choices[0].delta.content ?? ''
      assert.equal(said, shown)
      const wrong = { ...body, insula: { retrieval: { limits: 2 } } }
      const refused = await raises(OpenAI.BadRequestError, () => one.chat.completions.create(wrong))
      assert.equal(refused?.param ?? 'insula.retrieval.limits', 'insula.retrieval.limits')
    })
  },
})
