import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { verifyBooks } from '../src/verify/verify.ts'
import { aGateway, aUser } from './harness/gateway.ts'
import { transfer, untilSealed } from './harness/paying.ts'

describe('sealed blocks', () => {
  it('hold what was committed within seconds, and verify finds them right', async () => {
    const gateway = await aGateway()
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    await ada.post('/v1/payments', transfer(from, to, '10.00'))
    await untilSealed(gateway)
    const report = await verifyBooks(gateway.database)
    assert.deepEqual(report.findings, [])
    assert.ok(report.blocks > 0n)
  })
})
