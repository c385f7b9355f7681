import assert from 'node:assert/strict'
import { it } from 'node:test'
import { fuzz } from './harness/fuzz.ts'
import { aGateway } from './harness/gateway.ts'
import { assertBooksAreRight } from './harness/paying.ts'

// `npm test` sends a few hundred requests with one seed; `npm run fuzz` sends them for a minute, or for as long as it is told.

/** How tools/fuzz.ts asks for a longer run. */
// biome-ignore lint/style/noProcessEnv: how the program that starts this test speaks to it.
const { FUZZ_SECONDS, FUZZ_SEED = '1' } = process.env
const REQUESTS = 800

it('whatever is sent to any call, nothing breaks, nothing leaks and the books are right', async (test) => {
  const gateway = await aGateway()
  const endsAt = FUZZ_SECONDS && performance.now() + Number(FUZZ_SECONDS) * 1_000
  const isOver = (sent: number) => (endsAt ? performance.now() > endsAt : sent >= REQUESTS)
  const { findings, bystander, before, ...report } = await fuzz(gateway, Number(FUZZ_SEED), isOver)
  test.diagnostic(`seed ${FUZZ_SEED}: ${JSON.stringify(report)}`)
  assert.deepEqual(findings, [])
  assert.equal(await bystander.everything(), before, 'something of a bystander was changed')
  await assertBooksAreRight(gateway)
})
