// Files and vector stores, as openai-node sees them.

import assert from 'node:assert/strict'
import OpenAI, { toFile } from 'openai'
import { client, raises, tenant } from './support.mjs'

const LEASE = 'The landlord returns the deposit within two months.'
const BREAD = 'Mix flour, water and salt. Let the dough rest.'
const FEES = 'A late fee of 5 percent is due. The deposit stays.'

const file = (text, name) => toFile(Buffer.from(text), name)
const upload = async (one, text, name = 'lease.txt', purpose = 'assistants') =>
  one.files.create({ file: await file(text, name), purpose })
const all = async (page) => {
  const found = []
  for await (const one of page) found.push(one)
  return found
}

export const cases = {
  async 'files for stores'() {
    const one = client((await tenant('purposes')).key)
    for (const purpose of ['assistants', 'user_data']) {
      const made = await upload(one, LEASE, 'lease.txt', purpose)
      assert.deepEqual([made.purpose, made.filename, made.bytes], [purpose, 'lease.txt', LEASE.length])
      assert.equal(await (await one.files.content(made.id)).text(), LEASE)
      assert.deepEqual((await all(one.files.list({ purpose }))).map(({ id }) => id), [made.id])
    }
    await raises(OpenAI.BadRequestError, () => upload(one, 'x', 'x', 'fine-tune'))
  },

  async 'a vector store'() {
    const one = client((await tenant('store')).key)
    const { id: fileId } = await upload(one, LEASE)
    const store = await one.vectorStores.create({
      name: 'papers',
      file_ids: [fileId],
      expires_after: { anchor: 'last_active_at', days: 7 },
      metadata: { for: 'tests' },
    })
    assert.deepEqual([store.object, store.name, store.metadata], ['vector_store', 'papers', { for: 'tests' }])
    assert.equal(store.expires_at - store.last_active_at, 7 * 86_400)
    assert.equal(store.file_counts.total, 1)
    assert.equal((await one.vectorStores.retrieve(store.id)).id, store.id)
    const changed = await one.vectorStores.update(store.id, { name: 'more papers', expires_after: null })
    assert.deepEqual([changed.name, changed.metadata, changed.expires_at], ['more papers', { for: 'tests' }, null])
    const more = []
    for (let n = 0; n < 4; n++) more.push((await one.vectorStores.create({ name: `${n}` })).id)
    // Page by page.
    const listed = (await all(one.vectorStores.list({ limit: 2 }))).map(({ id }) => id)
    assert.deepEqual(listed, [...more.toReversed(), store.id])
    const deleted = await one.vectorStores.delete(store.id)
    assert.deepEqual(deleted, { id: store.id, object: 'vector_store.deleted', deleted: true })
    await raises(OpenAI.NotFoundError, () => one.vectorStores.retrieve(store.id))
    await raises(OpenAI.NotFoundError, () => client().vectorStores.retrieve(more[0]))
    assert.equal((await one.files.retrieve(fileId)).id, fileId)
  },

  async 'files in a vector store'() {
    const one = client((await tenant('store-files')).key)
    const { id } = await one.vectorStores.create({})
    const done = await one.vectorStores.files.uploadAndPoll(id, await file(LEASE, 'lease.txt'))
    assert.deepEqual([done.status, done.object, done.last_error], ['completed', 'vector_store.file', null])
    assert.deepEqual([done.vector_store_id, done.usage_bytes], [id, LEASE.length])
    assert.deepEqual(await one.vectorStores.files.retrieve(done.id, { vector_store_id: id }), done)
    const attributes = { kind: 'law', year: 2024 }
    const changed = await one.vectorStores.files.update(done.id, { vector_store_id: id, attributes })
    assert.deepEqual(changed.attributes, attributes)
    const content = await all(one.vectorStores.files.content(done.id, { vector_store_id: id }))
    assert.deepEqual(content.map(({ type, text }) => [type, text]), [['text', LEASE]])

    const unreadable = await upload(one, '')
    const failed = await one.vectorStores.files.createAndPoll(id, { file_id: unreadable.id })
    assert.deepEqual([failed.status, failed.last_error.code], ['failed', 'invalid_file'])
    assert.deepEqual((await all(one.vectorStores.files.list(id, { limit: 1 }))).map((found) => found.id), [unreadable.id, done.id])
    const completed = await all(one.vectorStores.files.list(id, { filter: 'completed' }))
    assert.deepEqual(completed.map((found) => found.id), [done.id])

    const deleted = await one.vectorStores.files.delete(done.id, { vector_store_id: id })
    assert.deepEqual([deleted.id, deleted.deleted], [done.id, true])
    await raises(OpenAI.NotFoundError, () => one.vectorStores.files.retrieve(done.id, { vector_store_id: id }))
    assert.equal(await (await one.files.content(done.id)).text(), LEASE)
  },

  async 'batches of files'() {
    const one = client((await tenant('store-batches')).key)
    const { id } = await one.vectorStores.create({})
    const files = await Promise.all([0, 1, 2].map((n) => file(`The quince has ${n} seeds.`, `${n}.txt`)))
    const fileIds = [(await upload(one, LEASE)).id]
    const done = await one.vectorStores.fileBatches.uploadAndPoll(id, { files, fileIds })
    assert.deepEqual([done.status, done.file_counts.completed, done.file_counts.total], ['completed', 4, 4])
    assert.deepEqual(await one.vectorStores.fileBatches.retrieve(done.id, { vector_store_id: id }), done)
    const listed = await all(one.vectorStores.fileBatches.listFiles(done.id, { vector_store_id: id, limit: 3 }))
    assert.deepEqual(listed.map(({ status }) => status), Array(4).fill('completed'))

    const long = []
    for (let n = 0; n < 4; n++) long.push((await upload(one, 'The quince is yellow. '.repeat(20_000))).id)
    const started = await one.vectorStores.fileBatches.create(id, { file_ids: long })
    const stopped = await one.vectorStores.fileBatches.cancel(started.id, { vector_store_id: id })
    assert.deepEqual([stopped.status, stopped.file_counts.in_progress], ['cancelled', 0])
    await raises(OpenAI.NotFoundError, () => client().vectorStores.fileBatches.retrieve(done.id, { vector_store_id: id }))
  },

  async 'searches in a vector store'() {
    const one = client((await tenant('store-search')).key)
    const { id } = await one.vectorStores.create({ name: 'papers' })
    const ids = []
    for (const [text, kind, year] of [[LEASE, 'law', 2024], [BREAD, 'recipe', 2023], [FEES, 'law', 2025]]) {
      const { id: file_id } = await upload(one, text, `${kind}-${year}.txt`)
      await one.vectorStores.files.createAndPoll(id, { file_id, attributes: { kind, year } })
      ids.push(file_id)
    }
    const [lease, bread, fees] = ids
    const found = await all(one.vectorStores.search(id, { query: 'When does the landlord return a deposit?' }))
    assert.deepEqual(found.map(({ file_id }) => file_id), [lease, fees, bread])
    assert.deepEqual([found[0].filename, found[0].attributes], ['law-2024.txt', { kind: 'law', year: 2024 }])
    assert.deepEqual(found[0].content, [{ type: 'text', text: LEASE }])
    const law = { type: 'eq', key: 'kind', value: 'law' }
    const recent = { type: 'gte', key: 'year', value: 2025 }
    for (const [filters, wanted] of [
      [law, [lease, fees]],
      [{ type: 'and', filters: [law, recent] }, [fees]],
      [{ type: 'or', filters: [recent, { type: 'ne', key: 'kind', value: 'law' }] }, [bread, fees]],
    ]) {
      const hits = await all(one.vectorStores.search(id, { query: 'deposit', filters }))
      assert.deepEqual(hits.map(({ file_id }) => file_id).sort(), wanted.sort())
    }
    await raises(OpenAI.BadRequestError, () => one.vectorStores.search(id, { query: 'x', rewrite_query: true }))
    await raises(OpenAI.NotFoundError, () => client().vectorStores.search(id, { query: 'deposit' }))
  },
}
