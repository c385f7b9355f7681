import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import { allBalances, assertBooksAreRight, assertProblem, fund, rowsOf, transfer } from './harness/paying.ts'

// Bulk with `atomic: true`: all payments in one transaction, or none (docs/api.md, Bulk).

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let adaUsd: string
let bobUsd: string
before(async () => {
  gateway = await aGateway()
  operator = await anOperator(gateway)
  ada = await aUser(gateway)
  const bob = await aUser(gateway)
  adaUsd = await ada.account('USD')
  bobUsd = await bob.account('USD')
})

const atomically = (payments: unknown[], headers: Record<string, string> = {}) =>
  ada.post('/v1/payments/bulk', { payments, atomic: true }, headers)

/** What the books hold, to see that nothing was made. */
async function everything() {
  return [await allBalances(gateway), await rowsOf(gateway, 'select count(*)::int from payments')]
}

describe('An atomic bulk request', () => {
  it('makes all of its payments, each seeing the ones before it', async () => {
    const { status, body } = await atomically([transfer(adaUsd, bobUsd, '10.00'), transfer(adaUsd, bobUsd, '20.00')])
    assert.equal(status, 200)
    assert.deepEqual(
      body.data.map((outcome: any) => [outcome.status, outcome.payment.status, outcome.payment.amount]),
      [
        [201, 'completed', '10.00'],
        [201, 'completed', '20.00'],
      ],
    )
    assert.equal(await ada.balance(adaUsd), '70.00')
  })

  it('makes none where a rule refuses one, and says which and why', async () => {
    const before = await everything()
    const wish = transfer(adaUsd, bobUsd, '40.00')
    const reply = await atomically([wish, wish, transfer(adaUsd, adaUsd, '1.00')])
    assertProblem(reply, 'payments_declined')
    assert.deepEqual(
      reply.body.errors.map(({ field, detail }: any) => [field, detail]),
      [
        ['payments[1]', 'insufficient_funds'],
        ['payments[2]', 'same_account'],
      ],
    )
    assert.deepEqual(await everything(), before)
  })

  it('makes none where one has a mistake', async () => {
    const before = await everything()
    const reply = await atomically([transfer(adaUsd, bobUsd, '1.00'), transfer(adaUsd, bobUsd, 'one')])
    assertProblem(reply, 'invalid_amount')
    assert.equal(reply.body.errors[0].field, 'payments[1].amount')
    assertProblem(await atomically([transfer(bobUsd, adaUsd, '1.00')]), 'not_found')
    assertProblem(await ada.post('/v1/payments/bulk', { payments: [], atomic: 'yes' }), 'invalid_type')
    assert.deepEqual(await everything(), before)
  })

  it('may come as NDJSON', async () => {
    const lines = ['1.00', '2.00'].map((amount) => JSON.stringify(transfer(adaUsd, bobUsd, amount))).join('\n')
    const ndjson = { 'content-type': 'application/x-ndjson' }
    const { status, body } = await ada.send('POST', '/v1/payments/bulk?atomic=true', lines, ndjson)
    assert.equal(status, 200)
    assert.equal(String(body).trim().split('\n').length, 2)
    const wrong = await ada.send('POST', '/v1/payments/bulk?atomic=true', `${lines}\nnonsense`, ndjson)
    assertProblem(wrong, 'malformed_body')
  })

  it('is made once for its idempotency key', async () => {
    const key = { 'idempotency-key': 'payday' }
    const wishes = [transfer(adaUsd, bobUsd, '3.00'), transfer(adaUsd, bobUsd, '4.00')]
    const [first, second] = await Promise.all([atomically(wishes, key), atomically(wishes, key)])
    const ids = (reply: typeof first) => reply?.body.data.map((outcome: any) => outcome.payment.id)
    assert.deepEqual(ids(first), ids(second))
    assert.equal(await ada.balance(adaUsd), '60.00')
  })

  it('takes ten thousand payments in one transaction', async () => {
    await fund(operator, adaUsd, '10000.00')
    const many = Array.from({ length: 10_000 }, () => transfer(adaUsd, bobUsd, '1.00'))
    const { status, body } = await atomically(many)
    assert.deepEqual([status, body.data.length], [200, 10_000])
    const [row] = await rowsOf(
      gateway,
      `select count(distinct txid)::int as transactions
         from events where object_id in (select id from payments where amount = 100 and kind = 'transfer') and type = 'payment.completed'
          and created_at > now() - interval '1 minute' and object_id <> all (
            select id from payments where created_at < (select max(created_at) from payments))`,
    )
    assert.equal(row.transactions, 1)
    assertProblem(await atomically([...many, ...many.slice(0, 1)]), 'too_many_payments')
    await assertBooksAreRight(gateway)
  })
})
