// Moderations, as openai-node sees them.

import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { GLOBEX, OPERATOR, call, client, each, pixel, raises, tenant, upstreamCount } from './support.mjs'

export const cases = {
  async moderations() {
    const answer = await client().moderations.create({ model: 'sim-moderation', input: ['good morning', 'some violence'] })
    assert.match(answer.id, /^modr-/)
    const [good, bad] = answer.results
    assert.deepEqual([answer.model, good.flagged, bad.flagged], ['sim-moderation', false, true])
    assert.deepEqual([bad.categories.violence, bad.categories['harassment/threatening']], [true, false])
    assert.ok(bad.category_scores.violence > 0.5 && bad.category_scores.hate < 0.5)
    assert.deepEqual(bad.category_applied_input_types['self-harm/intent'], ['text'])
  },

  async 'moderations without a model, and of images'() {
    const [named] = (await client().moderations.create({ input: 'self-harm' })).results
    assert.ok(named.categories['self-harm'])
    const input = [
      { type: 'text', text: 'look' },
      { type: 'image_url', image_url: { url: 'https://example.org/violence.png' } },
      { type: 'image_url', image_url: { url: pixel } },
    ]
    const { results } = await client().moderations.create({ model: 'sim-moderation', input })
    assert.equal(results.length, 1)
    assert.deepEqual(results[0].category_applied_input_types.violence, ['text', 'image'])
  },

  async 'moderations cost nothing'() {
    const { path, key } = await tenant('moderations')
    await call('PUT', `${path}/budgets`, { body: [{ window: 'month', limit_usd: '0.000001' }], key: OPERATOR })
    const before = await upstreamCount()
    for (const one of [key, GLOBEX]) await client(one).moderations.create({ input: 'x'.repeat(10_000) })
    assert.equal(await upstreamCount(), before + 2)
  },

  ...each({
    async 'moderations refuse what makes no sense'(model) {
      const ask = (body) => () => client().moderations.create(body)
      assert.equal((await raises(OpenAI.BadRequestError, ask({ input: [] }))).param, 'input')
      assert.equal((await raises(OpenAI.BadRequestError, ask({ input: 'a', model }))).param, 'model')
      assert.equal((await raises(OpenAI.NotFoundError, ask({ input: 'a', model: 'gpt-nonesuch' }))).code, 'model_not_found')
    },
  }),
}
