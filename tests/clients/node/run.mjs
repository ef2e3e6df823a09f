// OpenAI's SDK and the Vercel AI SDK, unchanged, against `insula dev`.
//
// Takes what `dev.env` says from the environment; prints one line a case and `N passed, M failed` last.

import { cases as aisdk } from './aisdk.mjs'
import { cases as batches } from './batches.mjs'
import { cases as chat } from './chat.mjs'
import { cases as moderations } from './moderations.mjs'
import { cases as responses } from './responses.mjs'
import { cases as vectorStores } from './vector_stores.mjs'
import { cases as retrieval } from './retrieval.mjs'

const cases = { ...chat, ...batches, ...moderations, ...responses, ...vectorStores, ...retrieval, ...aisdk }

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
