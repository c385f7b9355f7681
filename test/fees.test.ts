import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  locking,
  paidBehind,
  transfer,
  untilLocked,
} from './harness/paying.ts'

// Fee schedules (docs/fees-and-limits.md), on two nodes with one database. Each test prices a currency of its own.

let gateway: TestGateway
let sibling: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
before(async () => {
  gateway = await aGateway()
  sibling = await aGateway({}, gateway.database)
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
})

/** The same user at the other node. */
function elsewhere(user: TestUser, method: string, path: string, body?: unknown) {
  return sibling.anybody.send(method, path, body, { authorization: `Bearer ${user.token}` })
}

async function schedule(wanted: object) {
  const { status, body } = await operator.post('/v1/admin/fee-schedules', { kind: 'transfer', ...wanted })
  assert.equal(status, 201, JSON.stringify(body))
  return body
}

/** An account of each in the currency, and ten thousand of it in ada's. */
async function accountsIn(currency: string): Promise<[string, string]> {
  const accounts = await Promise.all([anAccount(ada, currency), anAccount(bob, currency)])
  await fund(operator, accounts[0], '10000.00')
  return accounts
}

async function feeOf(from: string, to: string, amount = '100.00', more: object = {}): Promise<string> {
  const { status, body } = await ada.post('/v1/payments', transfer(from, to, amount, more))
  assert.ok(status === 201 && ['completed', 'pending'].includes(body.status), JSON.stringify(body))
  return body.fee
}

describe('A fee schedule', () => {
  it('prices what is paid after it was written, on every node, and previews the same', async () => {
    const [from, to] = await accountsIn('CZK')
    const payment = transfer(from, to, '100.00')
    for (const [percent, fee] of [
      ['1.5', '1.50'],
      ['0.123456', '0.12'],
      ['0', '0.00'],
    ]) {
      await schedule({ currency: 'CZK', percent })
      const preview = await elsewhere(ada, 'POST', '/v1/payments/preview', payment)
      const there = await elsewhere(ada, 'POST', '/v1/payments', payment)
      const bulk = await ada.post('/v1/payments/bulk', { payments: [payment], atomic: true })
      const later = await ada.post('/v1/payments', payment, { prefer: 'respond-async' })
      const fees = [await feeOf(from, to), preview.body.fee, there.body.fee, bulk.body.data[0].payment.fee]
      assert.deepEqual([...fees, later.body.fee], Array(5).fill(fee))
    }
  })

  it('prices by tiers, with a fixed part, a minimum and a maximum', async () => {
    const [from, to] = await accountsIn('PLN')
    const tiers = [
      { from: '200.00', percent: '1' },
      { from: '500.00', fixed: '3.00' },
    ]
    const body = await schedule({
      currency: 'PLN',
      percent: '2',
      fixed: '0.10',
      minimum: '0.50',
      maximum: '4.00',
      tiers,
    })
    assert.deepEqual(body.tiers[1], { from: '500.00', percent: '0', fixed: '3.00' })
    const fees: string[] = []
    for (const amount of ['1.00', '100.00', '199.99', '200.00', '499.99', '500.00']) {
      fees.push((await ada.post('/v1/payments/preview', transfer(from, to, amount))).body.fee)
    }
    assert.deepEqual(fees, ['0.50', '2.10', '4.00', '2.00', '4.00', '3.00'])
  })

  it('changes no payment that was made before it: neither a hold nor a refund', async () => {
    const [from, to] = await accountsIn('SEK')
    const held = (await ada.post('/v1/payments', transfer(from, to, '100.00', { capture: 'manual' }))).body
    const paid = (await ada.post('/v1/payments', transfer(from, to, '100.00'))).body
    await schedule({ currency: 'SEK', percent: '10' })
    assert.equal(await feeOf(from, to), '10.00')
    const captured = await ada.post(`/v1/payments/${held.id}/capture`, { amount: '50.00' })
    assert.equal(captured.body.fee, '1.00')
    const refund = await bob.post(`/v1/payments/${paid.id}/refund`)
    assert.deepEqual([refund.body.status, refund.body.fee], ['completed', '2.00'])
  })

  it('prices every payment that is made from the moment on from which it is valid, whichever node makes it', async () => {
    const [from, to] = await accountsIn('NOK')
    const validFrom = new Date(Date.now() + 2_000).toISOString()
    const written = await schedule({ currency: 'NOK', fixed: '0.07', valid_from: validFrom })
    const made: any[] = []
    while (!made.some(({ created_at }) => created_at > written.valid_from)) {
      const payment = transfer(from, to, '1.00')
      const replies = await Promise.all([
        ada.post('/v1/payments', payment),
        elsewhere(ada, 'POST', '/v1/payments', payment),
      ])
      made.push(...replies.map(({ body }) => body))
    }
    for (const { created_at, fee } of made) assert.equal(fee, created_at >= written.valid_from ? '0.07' : '0.02')
    assert.ok(made.some(({ fee }) => fee === '0.02'))
  })

  it('prices a payment that waited while it was written, as that is made after it', async () => {
    const [from, to] = await accountsIn('SGD')
    let written: any
    const { body } = await paidBehind(
      gateway,
      from,
      () => ada.post('/v1/payments', transfer(from, to, '10.00')),
      async () => {
        written = await schedule({ currency: 'SGD', percent: '50' })
      },
    )
    assert.ok(body.created_at > written.valid_from)
    assert.deepEqual([body.status, body.fee], ['completed', '5.00'])
  })

  it('that waits for another rule to be written has its time behind that: what is paid meanwhile is paid before it', async () => {
    const [from, to] = await accountsIn('DKK')
    await schedule({ currency: 'DKK', percent: '1' })
    const soon = new Date(Date.now() + 1_000).toISOString()
    const write = (more: object) =>
      operator.post('/v1/admin/fee-schedules', { kind: 'transfer', currency: 'DKK', percent: '50', ...more })
    let paid: any
    const [now, tooLate] = await locking(gateway, 'select from rule_versions for update', async () => {
      const writing = [write({}), write({ valid_from: soon })] as const
      await untilLocked(gateway, 2)
      do paid = (await ada.post('/v1/payments', transfer(from, to, '10.00'))).body
      while (paid.created_at <= soon)
      return writing
    })
    assert.equal(paid.fee, '0.10')
    assert.ok((await now).body.valid_from > paid.created_at)
    assertProblem(await tooLate, 'invalid_value')
    assert.equal(await feeOf(from, to, '10.00'), '5.00')
  })

  it('takes the place of an earlier one, and where it ends the settings count again', async () => {
    const [from, to] = await accountsIn('DKK')
    await schedule({ currency: 'DKK', fixed: '1.00' })
    await schedule({ currency: 'DKK', fixed: '3.00', valid_from: '2099-01-01T00:00:00Z' })
    assert.equal(await feeOf(from, to), '1.00')
    const ended = await schedule({ currency: 'DKK', ends: true })
    assert.deepEqual([ended.ends, ended.percent, ended.minimum], [true, null, null])
    assert.equal(await feeOf(from, to), '2.00')
    assert.equal((await elsewhere(ada, 'POST', '/v1/payments', transfer(from, to, '100.00'))).body.fee, '2.00')
  })

  it('leaves payments between two accounts of one user free, and those of other currencies as they are', async () => {
    const [from, to] = await accountsIn('HUF')
    await schedule({ currency: 'HUF', fixed: '5.00' })
    assert.equal(await feeOf(from, await anAccount(ada, 'HUF')), '0.00')
    assert.equal(await feeOf(from, to), '5.00')
    assert.equal(await feeOf(await ada.account('USD'), await bob.account('USD'), '1.00'), '0.02')
  })

  it('leaves a minor unit to the receiver, where the amount does not bear it; on top the sender pays it whole', async () => {
    const [from, to] = await accountsIn('RON')
    await schedule({ currency: 'RON', minimum: '1.00' })
    const fees: string[] = []
    for (const amount of ['0.01', '0.50', '1.00', '1.01']) fees.push(await feeOf(from, to, amount))
    assert.deepEqual(fees, ['0.00', '0.49', '0.99', '1.00'])
    assert.equal(await feeOf(from, to, '0.01', { fee_payer: 'sender' }), '1.00')
    const held = (await ada.post('/v1/payments', transfer(from, to, '1.00', { capture: 'manual' }))).body
    const captured = await ada.post(`/v1/payments/${held.id}/capture`, { amount: '0.01' })
    assert.deepEqual([captured.body.status, captured.body.net_amount], ['completed', '0.01'])
    await assertBooksAreRight(gateway)
  })

  it('prices what comes and goes by a rail: inside the amount, or where the sender of a withdrawal pays it on top', async () => {
    const account = await anAccount(ada, 'GBP')
    await schedule({ kind: 'deposit', currency: 'GBP', rail: 'wallet', percent: '1' })
    await schedule({ kind: 'withdrawal', currency: 'GBP', rail: 'wallet', fixed: '0.25' })
    const byHand = { reason: 'Statement, line 7' }
    const deposit = await ada.post('/v1/deposits', { account, rail: 'wallet', amount: '50.00' })
    assert.deepEqual([deposit.body.fee, deposit.body.net_amount], ['0.50', '49.50'])
    assert.equal((await ada.post('/v1/deposits', { account, rail: 'wire', amount: '50.00' })).body.fee, '0.00')
    await operator.post(`/v1/admin/payments/${deposit.body.id}/settle`, byHand)
    assert.equal(await ada.balance(account), '49.50')
    const destination = { wallet: 'ada-1' }
    const withdrawal = await ada.post('/v1/withdrawals', { account, rail: 'wallet', amount: '20.00', destination })
    assert.deepEqual([withdrawal.body.fee, withdrawal.body.net_amount], ['0.25', '19.75'])
    await operator.post(`/v1/admin/payments/${withdrawal.body.id}/settle`, byHand)
    assert.equal(await ada.balance(account), '29.50')
    const onTop = { account, rail: 'wallet', destination, fee_payer: 'sender' }
    const tooMuch = await ada.post('/v1/withdrawals', { ...onTop, amount: '29.26' })
    assert.deepEqual([tooMuch.status, tooMuch.body.decline_reason], [201, 'insufficient_funds'])
    const { body: all } = await ada.post('/v1/withdrawals', { ...onTop, amount: '29.25' })
    assert.deepEqual([all.fee, all.fee_payer, all.net_amount], ['0.25', 'sender', '29.25'])
    assert.deepEqual((await ada.get(`/v1/accounts/${account}`)).body.available, '0.00')
    await operator.post(`/v1/admin/payments/${all.id}/settle`, byHand)
    assert.equal(await ada.balance(account), '0.00')
    const flows = await operator.get('/v1/admin/reports/flows?currency=GBP')
    const { count_in, count_out, money_in, money_out } = flows.body.data[0]
    assert.deepEqual([count_in, count_out, money_in, money_out], [1, 2, '50.00', '49.00'])
    await assertBooksAreRight(gateway)
  })

  it('is priced for a payment into another currency so that something arrives', async () => {
    const [from] = await accountsIn('CHF')
    const yen = await anAccount(bob, 'JPY')
    await operator.post('/v1/admin/rates', { from_currency: 'CHF', to_currency: 'JPY', rate: '160' })
    await schedule({ currency: 'CHF', fixed: '5.00' })
    const quote = await ada.post('/v1/quotes', { from_currency: 'CHF', to_currency: 'JPY', from_amount: '1.00' })
    const paid = await ada.post('/v1/payments', transfer(from, yen, '1.00', { quote_id: quote.body.id }))
    assert.deepEqual([paid.body.status, paid.body.fee, paid.body.exchange.to_amount], ['completed', '0.99', '2'])
    await assertBooksAreRight(gateway)
  })
})

describe('Fee schedules', () => {
  it('are listed as they were written, filtered by any field, and stand in the audit log', async () => {
    const wanted = { kind: 'deposit', currency: 'CNY', rail: 'wire', percent: '0.5', maximum: '9.00' }
    const written = await schedule(wanted)
    assert.deepEqual({ ...written, ...wanted }, written)
    for (const query of [
      'currency=CNY',
      'percent[gte]=0.5&percent[lt]=0.6&rail=wire',
      `id=${written.id}`,
      'maximum=9',
    ]) {
      const rows = await everyPage(operator, `/v1/admin/fee-schedules?kind=deposit&ends=false&${query}`)
      assert.deepEqual(rows, [written], query)
    }
    const audit = await operator.get(`/v1/admin/audit?action=fee_schedule.create&object_id=${written.id}`)
    const [{ detail, object_id }] = audit.body.data
    assert.deepEqual([object_id, detail.kind, detail.rail, detail.maximum], [written.id, 'deposit', 'wire', '9.00'])
  })

  it('are taken as they are answered, with null where one says nothing', async () => {
    const again = ({ id, made_by, created_at, valid_from, tiers, ...parts }: any) => parts
    const written = await schedule({ currency: 'SEK', percent: '1', maximum: null })
    assert.deepEqual(again(await schedule(again(written))), again(written))
    const ended = await schedule({ currency: 'SEK', ends: true })
    assert.deepEqual(again(await schedule(again(ended))), again(ended))
  })

  it('are written once for an idempotency key', async () => {
    const key = { 'idempotency-key': 'schedule-1' }
    const wanted = { kind: 'transfer', currency: 'ZAR', percent: '3' }
    const replies = [1, 2].map(() => operator.post('/v1/admin/fee-schedules', wanted, key))
    const [one, other] = await Promise.all(replies)
    assert.deepEqual(one?.body, other?.body)
    assert.equal((await everyPage(operator, '/v1/admin/fee-schedules?currency=ZAR')).length, 1)
  })

  const right = { kind: 'transfer', currency: 'EUR', percent: '1' }
  const cases = [
    ['a rail for transfers', { rail: 'wire' }, 'rail', 'invalid_value'],
    ['no rail for deposits', { kind: 'deposit' }, 'rail', 'missing_field'],
    ['a kind that has no price', { kind: 'conversion' }, 'kind', 'invalid_value'],
    ['a currency that the book lacks', { currency: 'XYZ' }, 'currency', 'unknown_currency'],
    ['more than all', { percent: '100.000001' }, 'percent', 'invalid_value'],
    ['a seventh decimal', { percent: '0.0000001' }, 'percent', 'invalid_value'],
    ['a negative percentage', { percent: '-1' }, 'percent', 'invalid_value'],
    ['more digits than the currency has', { fixed: '0.001' }, 'fixed', 'invalid_amount'],
    ['a maximum below the minimum', { minimum: '2.00', maximum: '1.99' }, 'maximum', 'invalid_value'],
    ['tiers out of order', { tiers: [{ from: '5.00' }, { from: '5.00' }] }, 'tiers[1].from', 'invalid_value'],
    ['a tier from zero', { tiers: [{ from: '0.00' }] }, 'tiers[0].from', 'invalid_value'],
    ['a price where it ends', { ends: true }, 'percent', 'invalid_value'],
    ['a time that is over', { valid_from: '2020-01-01T00:00:00Z' }, 'valid_from', 'invalid_value'],
  ] as const
  for (const [what, wrong, field, code] of cases) {
    it(`are refused with ${what}`, async () => {
      const reply = await operator.post('/v1/admin/fee-schedules', { ...right, ...wrong })
      assertProblem(reply, code)
      assert.deepEqual(
        reply.body.errors.map((error: any) => error.field),
        [field],
      )
    })
  }

  it('are for operators only', async () => {
    assertProblem(await ada.post('/v1/admin/fee-schedules', right), 'forbidden')
    assertProblem(await ada.get('/v1/admin/fee-schedules'), 'forbidden')
  })
})
