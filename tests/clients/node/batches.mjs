// Files and batches, as openai-node sees them.

import assert from 'node:assert/strict'
import OpenAI, { toFile } from 'openai'
import { client, raises, tenant } from './support.mjs'

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

export const cases = {
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
}
