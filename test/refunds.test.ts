import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { cents } from './harness/books_model.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertBooksAreRight, assertProblem, everyPage, transfer } from './harness/paying.ts'

// What was paid can be given back, in part or whole, by who received it or by an operator (docs/ledger.md, Refunds).

let gateway: TestGateway
let operator: TestUser
before(async () => {
  gateway = await aGateway()
  operator = await anOperator(gateway)
})

async function paid(amount: string, more: object = {}) {
  const [ada, bob] = await Promise.all([aUser(gateway), aUser(gateway)])
  const [adaUsd, bobUsd] = [await ada.account('USD'), await bob.account('USD')]
  const { body: payment } = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, amount, more))
  assert.equal(payment.status, 'completed')
  const balances = async () => [await ada.balance(adaUsd), await bob.balance(bobUsd)] as const
  return { ada, bob, adaUsd, bobUsd, payment, balances }
}

async function earned(): Promise<string> {
  const { body } = await operator.get('/v1/admin/accounts?code=internal&currency=USD')
  return body.data[0].balance
}

describe('A refund', () => {
  it('of all leaves every account as it was', async () => {
    const before = await earned()
    const { ada, bob, adaUsd, bobUsd, payment, balances } = await paid('10.00')
    const { status, body } = await bob.post(`/v1/payments/${payment.id}/refund`)
    assert.equal(status, 201)
    const { kind, status: state, refund_of, amount, fee, net_amount, from_account, to_account } = body
    assert.deepEqual([kind, state, refund_of], ['refund', 'completed', payment.id])
    assert.deepEqual([amount, fee, net_amount, from_account, to_account], ['10.00', '0.20', '9.80', bobUsd, adaUsd])
    assert.deepEqual(await balances(), ['100.00', '100.00'])
    // Two bonuses of 100.00 came out of internal; the fee went back.
    assert.equal((Number(before) - Number(await earned())).toFixed(2), '200.00')
    const { body: original } = await ada.get(`/v1/payments/${payment.id}`)
    assert.deepEqual([original.status, original.refunded_amount], ['completed', '10.00'])
  })

  it('says what its sender gives back in net_amount, on top of which its receiver is given the fee', async () => {
    for (const [fee_payer, given, received] of [
      ['receiver', '9.80', '10.00'],
      ['sender', '10.00', '10.20'],
    ] as const) {
      const { bob, payment, balances } = await paid('10.00', { fee_payer })
      const [adaBefore, bobBefore] = await balances()
      const { body } = await bob.post(`/v1/payments/${payment.id}/refund`)
      assert.deepEqual([body.amount, body.fee, body.net_amount], ['10.00', '0.20', given])
      const [adaNow, bobNow] = await balances()
      assert.equal(cents(adaNow) - cents(adaBefore), cents(received))
      assert.equal(cents(bobBefore) - cents(bobNow), cents(given))
    }
    const { body: document } = await gateway.anybody.get('/openapi.json')
    const { schema } = document.paths['/v1/payments/{id}'].get.responses[200].content['application/json']
    for (const field of ['amount', 'fee', 'net_amount']) {
      assert.match(schema.properties[field].description, /of a refund/i, field)
    }
  })

  it('in parts returns the fee in proportion, to the cent in the end', async () => {
    const { bob, payment, balances } = await paid('9.99', { fee_payer: 'sender' })
    for (const amount of ['0.01', '3.33', '3.33']) {
      const { body } = await bob.post(`/v1/payments/${payment.id}/refund`, { amount })
      assert.deepEqual([body.status, body.fee_payer], ['completed', 'sender'])
    }
    const { body } = await bob.post(`/v1/payments/${payment.id}/refund`)
    assert.deepEqual([body.status, body.amount], ['completed', '3.32'])
    assert.deepEqual(await balances(), ['100.00', '100.00'])
  })

  it('never goes beyond what is left, also where many are asked for at once', async () => {
    const { bob, payment, balances } = await paid('10.00')
    const { body } = await bob.post(`/v1/payments/${payment.id}/refund`, { amount: '10.01' })
    assert.deepEqual([body.status, body.decline_reason], ['declined', 'refund_exceeds_payment'])
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => bob.post(`/v1/payments/${payment.id}/refund`, { amount: '3.00' })),
    )
    const statuses = answers.map((answer) => answer.body.status).sort()
    assert.deepEqual(statuses.lastIndexOf('completed'), 2)
    assert.deepEqual(
      await balances(),
      ['99.00', '100.98'].map((text) => text),
    )
    const again = await bob.post(`/v1/payments/${payment.id}/refund`)
    assert.deepEqual([again.body.status, again.body.amount], ['completed', '1.00'])
    const beyond = await bob.post(`/v1/payments/${payment.id}/refund`)
    assert.deepEqual([beyond.status, beyond.body.decline_reason], [201, 'refund_exceeds_payment'])
    assert.deepEqual(await balances(), ['100.00', '100.00'])
  })

  it('is declined where who received the money has spent it', async () => {
    const { ada, bob, adaUsd, bobUsd, payment } = await paid('50.00')
    await bob.post('/v1/payments', transfer(bobUsd, adaUsd, '149.00'))
    const { body } = await bob.post(`/v1/payments/${payment.id}/refund`)
    assert.deepEqual([body.status, body.decline_reason], ['declined', 'insufficient_funds'])
    assert.equal((await ada.get(`/v1/payments/${payment.id}`)).body.refunded_amount, '0.00')
  })

  it('is for who received it and for operators', async () => {
    const { ada, payment } = await paid('10.00')
    const stranger = await aUser(gateway)
    assertProblem(await ada.post(`/v1/payments/${payment.id}/refund`), 'forbidden')
    assertProblem(await stranger.post(`/v1/payments/${payment.id}/refund`), 'not_found')
    const { body } = await operator.post(`/v1/payments/${payment.id}/refund`, { amount: '1.00' })
    assert.equal(body.status, 'completed')
    const { body: log } = await operator.get('/v1/admin/audit?limit=1')
    assert.deepEqual([log.data[0].action, log.data[0].object_id], ['payment.refund', body.id])
  })

  it('with an idempotency key is made once, also the one that leaves nothing', async () => {
    const { bob, payment, balances } = await paid('10.00')
    const key = { 'idempotency-key': 'refund-1' }
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => bob.post(`/v1/payments/${payment.id}/refund`, {}, key)),
    )
    answers.push(await bob.post(`/v1/payments/${payment.id}/refund`, {}, key))
    assert.deepEqual(new Set(answers.map(({ body }) => `${body.id} ${body.status} ${body.amount}`)).size, 1)
    assert.equal(answers[0]?.body.status, 'completed')
    assert.deepEqual(await balances(), ['100.00', '100.00'])
  })

  it('is not for what is no completed transfer', async () => {
    const { bob, ada, adaUsd, bobUsd, payment } = await paid('10.00')
    const { body: refund } = await bob.post(`/v1/payments/${payment.id}/refund`)
    assertProblem(await ada.post(`/v1/payments/${refund.id}/refund`), 'not_refundable')
    const { body: declined } = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, '9999.00'))
    assertProblem(await bob.post(`/v1/payments/${declined.id}/refund`), 'not_refundable')
    const { body: held } = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, '9.00', { capture: 'manual' }))
    assertProblem(await bob.post(`/v1/payments/${held.id}/refund`), 'not_refundable')
    const { body: bonus } = await ada.get('/v1/payments?kind=bonus')
    assertProblem(await ada.post(`/v1/payments/${bonus.data[0].id}/refund`), 'not_refundable')
  })

  it('refuses what is no amount', async () => {
    const { bob, payment } = await paid('10.00')
    for (const amount of ['0', '1.001', '-1']) {
      assertProblem(await bob.post(`/v1/payments/${payment.id}/refund`, { amount }), 'invalid_amount')
    }
    assertProblem(await bob.post('/v1/payments/pay_00000000000000000000000000/refund'), 'not_found')
    assertProblem(await bob.post('/v1/payments/nonsense/refund'), 'not_found')
  })

  it('shows in the lists of both, and the books stay right', async () => {
    const { ada, bob, adaUsd, payment } = await paid('10.00')
    const { body: refund } = await bob.post(`/v1/payments/${payment.id}/refund`, { amount: '5.00' })
    const ids = async (user: TestUser) => (await everyPage(user, '/v1/payments?kind=refund')).map(({ id }) => id)
    assert.deepEqual([await ids(ada), await ids(bob)], [[refund.id], [refund.id]])
    assert.deepEqual((await ada.get(`/v1/payments?refund_of=${payment.id}`)).body.data[0].id, refund.id)
    const operations = await everyPage(ada, `/v1/operations?account_id=${adaUsd}&kind[in]=refund,fee,transfer`)
    const moved = operations.map(({ kind, direction, amount }) => `${kind} ${direction} ${amount}`)
    assert.deepEqual(moved.slice(0, 2), ['fee debit 0.10', 'refund debit 4.90'])
    await assertBooksAreRight(gateway)
  })
})
