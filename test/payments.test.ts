import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aGateway, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'

describe('a payment', () => {
  let gateway: TestGateway
  let ada: TestUser
  let bob: TestUser
  before(async () => {
    gateway = await aGateway()
    ada = await aUser(gateway)
    bob = await aUser(gateway)
  })

  it('moves the amount, of which the receiver pays a fee of two per cent', async () => {
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    const { status, body } = await ada.post('/v1/payments', { from_account: from, to_account: to, amount: '10.00' })
    assert.equal(status, 201)
    assert.equal(body.status, 'completed')
    assert.deepEqual([body.amount, body.fee, body.net_amount], ['10.00', '0.20', '9.80'])
    assert.equal(await ada.balance(from), '90.00')
    assert.equal(await bob.balance(to), '109.80')
  })
})
