import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { firstIdAt, type Instant } from '../src/ledger/id.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  locking,
  paidBehind,
  rowsOf,
  transfer,
  untilLocked,
} from './harness/paying.ts'

// Limits (docs/fees-and-limits.md), on two nodes with one database. Each test limits a user or a currency of its own.

let gateway: TestGateway
let sibling: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
let adaId: string
before(async () => {
  gateway = await aGateway()
  sibling = await aGateway({}, gateway.database)
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
  adaId = (await ada.get('/v1/me')).body.id
})

async function limit(wanted: object) {
  const { status, body } = await operator.post('/v1/admin/limits', {
    per: 'user',
    kind: 'transfer',
    window: 'day',
    ...wanted,
  })
  assert.equal(status, 201, JSON.stringify(body))
  return body
}

/** Two accounts of ada, each with ten thousand, and one of bob. */
async function accountsIn(currency: string): Promise<[string, string, string]> {
  const accounts = await Promise.all([anAccount(ada, currency), anAccount(ada, currency), anAccount(bob, currency)])
  await fund(operator, accounts[0], '10000.00')
  await fund(operator, accounts[1], '10000.00')
  return accounts
}

/** The status of a payment, or why it was declined. */
async function paid(from: string, to: string, amount: string, more: object = {}): Promise<string> {
  const { status, body } = await ada.post('/v1/payments', transfer(from, to, amount, more))
  assert.equal(status, 201, JSON.stringify(body))
  return body.decline_reason ?? body.status
}

async function usedOf(account: string, window = 'day') {
  const { body } = await ada.get(`/v1/accounts/${account}/limits`)
  const found = body.data.find((each: any) => each.window === window)
  return found && [found.count_used, found.count_left, found.sum_used, found.sum_left]
}

describe('A limit', () => {
  it('counts the payments of all accounts of a user together, and what is declined uses none of it up', async () => {
    const [first, second, bobs] = await accountsIn('CZK')
    await limit({ currency: 'CZK', sum: '100.00', count: 3 })
    assert.equal(await paid(first, bobs, '60.00'), 'completed')
    assert.equal(await paid(second, bobs, '40.01'), 'limit_exceeded')
    assert.deepEqual(await usedOf(second), [1, 2, '60.00', '40.00'])
    assert.equal(await paid(second, bobs, '40.00'), 'completed')
    assert.equal(await paid(first, bobs, '0.01'), 'limit_exceeded')
    const preview = await ada.post('/v1/payments/preview', transfer(first, bobs, '0.01'))
    assert.equal(preview.body.decline_reason, 'limit_exceeded')
    assert.deepEqual(await usedOf(first), [2, 1, '100.00', '0.00'])
  })

  it('per account counts each alone, and one per payment none together', async () => {
    const [first, second, bobs] = await accountsIn('PLN')
    await limit({ per: 'account', currency: 'PLN', window: 'month', count: 1 })
    await limit({ per: 'account', currency: 'PLN', window: 'payment', sum: '50.00' })
    assert.equal(await paid(first, bobs, '50.01'), 'limit_exceeded')
    assert.equal(await paid(first, bobs, '50.00'), 'completed')
    assert.equal(await paid(first, bobs, '1.00'), 'limit_exceeded')
    assert.equal(await paid(second, bobs, '50.00'), 'completed')
  })

  it('counts what is held, and gives back what is canceled, or not captured', async () => {
    const [first, , bobs] = await accountsIn('SEK')
    await limit({ currency: 'SEK', sum: '100.00' })
    const hold = (amount: string) => ada.post('/v1/payments', transfer(first, bobs, amount, { capture: 'manual' }))
    const one = (await hold('70.00')).body
    assert.equal((await hold('30.01')).body.decline_reason, 'limit_exceeded')
    await ada.post(`/v1/payments/${one.id}/cancel`)
    assert.deepEqual(await usedOf(first), [0, null, '0.00', '100.00'])
    const other = (await hold('80.00')).body
    await ada.post(`/v1/payments/${other.id}/capture`, { amount: '25.00' })
    assert.deepEqual(await usedOf(first), [1, null, '25.00', '75.00'])
    assert.equal(await paid(first, bobs, '75.00'), 'completed')
  })

  it('for one user or account counts in place of the one for everybody, until it is taken away', async () => {
    const [first, second, bobs] = await accountsIn('NOK')
    await limit({ currency: 'NOK', sum: '10.00' })
    const own = await limit({ currency: 'NOK', sum: '20.00', user_id: adaId })
    assert.equal(await paid(first, bobs, '15.00'), 'completed')
    assert.equal((await limit({ currency: 'NOK', user_id: adaId })).id, own.id)
    assert.equal(await paid(first, bobs, '1000.00'), 'completed')
    assert.equal((await operator.delete(`/v1/admin/limits/${own.id}`)).status, 204)
    assert.equal(await paid(first, bobs, '0.01'), 'limit_exceeded')
    assertProblem(await operator.delete(`/v1/admin/limits/${own.id}`), 'not_found')
    const account = { per: 'account', currency: 'NOK', account_id: second, count: 0 }
    await limit({ currency: 'NOK', user_id: adaId })
    await limit(account)
    assert.equal(await paid(second, bobs, '1.00'), 'limit_exceeded')
    assert.equal(await paid(first, bobs, '1.00'), 'completed')
  })

  it('is for its kind and currency: deposits count for who receives them', async () => {
    const account = await anAccount(ada, 'GBP')
    await limit({ kind: 'deposit', currency: 'GBP', sum: '50.00' })
    await limit({ kind: 'withdrawal', currency: 'GBP', count: 1 })
    const deposit = (amount: string) => ada.post('/v1/deposits', { account, rail: 'wallet', amount })
    const one = await deposit('50.00')
    assert.equal(one.body.status, 'pending')
    assert.equal((await deposit('0.01')).body.decline_reason, 'limit_exceeded')
    await operator.post(`/v1/admin/payments/${one.body.id}/settle`, { reason: 'Line 7' })
    const out = { account, rail: 'wallet', amount: '1.00', destination: { wallet: 'ada-1' } }
    const replies = [await ada.post('/v1/withdrawals', out), await ada.post('/v1/withdrawals', out)]
    assert.deepEqual(
      replies.map(({ body }) => body.decline_reason ?? body.status),
      ['pending', 'limit_exceeded'],
    )
    assert.equal(await paid(account, await anAccount(bob, 'GBP'), '1.00'), 'completed')
  })
})

const limitsIn = (currency: string) => everyPage(operator, `/v1/admin/limits?currency=${currency}`)

it('A limit holds for a payment that waited while it was set', async () => {
  const [from, , bobs] = await accountsIn('SGD')
  let setting: Promise<unknown> | undefined
  const { body } = await paidBehind(
    gateway,
    from,
    () => ada.post('/v1/payments', transfer(from, bobs, '10.00')),
    async () => {
      setting = limit({ currency: 'SGD', sum: '9.99' })
      await until(async () => (await limitsIn('SGD')).length > 0)
    },
  )
  assert.deepEqual([body.status, body.decline_reason], ['declined', 'limit_exceeded'])
  await setting
})

it('A limit is answered to be set once what was under way is done, so that all that is paid from then on sees it', async () => {
  const [from, second, bobs] = await accountsIn('MXN')
  const others = await anAccount(bob, 'MXN')
  const internal = `select from accounts where code = 'internal' and currency = 'MXN' for no key update`
  const [underWay, next] = await locking(gateway, internal, async () => {
    const underWay = ada.post('/v1/payments', transfer(from, bobs, '10.00'))
    await untilLocked(gateway, 1)
    let isSet = false
    const setting = limit({ currency: 'MXN', sum: '10.00' }).then(() => {
      isSet = true
    })
    await until(async () => (await limitsIn('MXN')).length > 0)
    for (let looks = 0; looks < 5; looks += 1) await limitsIn('MXN')
    assert.equal(isSet, false)
    return [underWay, setting.then(() => ada.post('/v1/payments', transfer(second, others, '0.01')))]
  })
  assert.equal((await underWay).body.status, 'completed')
  assert.equal((await next).body.decline_reason, 'limit_exceeded')
  assert.deepEqual(await usedOf(second), [1, null, '10.00', '0.00'])
})

describe('However many pay at once, a limit', () => {
  it('is used up to the last cent and never beyond: in bulk, over two accounts, on two nodes and by the worker', async () => {
    const [from, second, to] = await accountsIn('RON')
    await limit({ currency: 'RON', sum: '150.00', count: 400 })
    const many = (account: string) => ({ payments: Array.from({ length: 80 }, () => transfer(account, to, '1.00')) })
    const headers = { authorization: `Bearer ${ada.token}` }
    const later = { prefer: 'respond-async' }
    const replies = await Promise.all([
      ada.post('/v1/payments/bulk', many(from)),
      ada.post('/v1/payments/bulk', many(second)),
      sibling.anybody.post('/v1/payments/bulk', many(from), headers),
      sibling.anybody.post('/v1/payments/bulk', many(second), headers),
      ada.post('/v1/payments/bulk', many(second), later),
    ])
    assert.ok(replies.every(({ status }) => status === 200))
    const counts = await until(async () => {
      const rows = await rowsOf(
        gateway,
        `select coalesce(decline_reason, status) as outcome, count(*)::int from payments
          where kind = 'transfer' and currency = 'RON' group by 1`,
      )
      const found = Object.fromEntries(rows.map(({ outcome, count }) => [outcome, count]))
      return !found.initiated && found
    })
    assert.deepEqual(counts, { completed: 150, limit_exceeded: 250 })
  })

  it('is exact to the cent under ten thousand in one request beside others, and what is declined uses none of it up', async () => {
    const [from, second, to] = await accountsIn('TRY')
    await limit({ currency: 'TRY', sum: '3000.00' })
    const amounts = Array.from({ length: 10_000 }, (_, index) => (index % 100 === 50 ? '2000.00' : '1.00'))
    const payments = amounts.map((amount, index) => transfer(index % 2 ? from : second, to, amount))
    const headers = { authorization: `Bearer ${ada.token}` }
    const single = () => sibling.anybody.post('/v1/payments', transfer(from, to, '1.00'), headers)
    const [bulk, ...singles] = await Promise.all([
      ada.post('/v1/payments/bulk', { payments }),
      ...Array.from({ length: 20 }, single),
    ])
    assert.equal(bulk.body.data.length, 10_000)
    const made = [...bulk.body.data.map(({ payment }: any) => payment), ...singles.map(({ body }) => body)]
    const declined = made.filter(({ status }) => status === 'declined')
    assert.ok(declined.every(({ decline_reason }) => decline_reason === 'limit_exceeded'))
    const paidOut = made.filter(({ status }) => status === 'completed')
    assert.equal(paidOut.length + declined.length, 10_020)
    assert.equal(
      paidOut.reduce((sum, { amount }) => sum + Number(amount), 0),
      3_000,
    )
    assert.deepEqual(await usedOf(from), [paidOut.length, null, '3000.00', '0.00'])
  })

  it('declines all of an atomic bulk request that would go beyond it, and nothing was used', async () => {
    const [first, , bobs] = await accountsIn('HUF')
    await limit({ currency: 'HUF', count: 9 })
    const payments = Array.from({ length: 10 }, () => transfer(first, bobs, '1.00'))
    const refused = await ada.post('/v1/payments/bulk', { payments, atomic: true })
    assertProblem(refused, 'payments_declined')
    assert.deepEqual(
      refused.body.errors.map(({ field, detail }: any) => [field, detail]),
      [['payments[9]', 'limit_exceeded']],
    )
    assert.equal((await ada.post('/v1/payments/bulk', { payments: payments.slice(1), atomic: true })).status, 200)
    assert.deepEqual(await usedOf(first), [9, 0, '9.00', null])
  })
})

describe('The window of a limit', () => {
  // It forges payments of another time, so the books are looked at before.
  it('is the time before a payment to the second, and the books are right under all limits', async () => {
    await assertBooksAreRight(gateway)
    const [first, , bobs] = await accountsIn('DKK')
    await limit({ currency: 'DKK', sum: '100.00' })
    await limit({ currency: 'DKK', window: 'month', sum: '150.00' })
    const { body } = await ada.post('/v1/payments', transfer(first, bobs, '60.00'))
    const hours = async (ago: number) => {
      const at = (BigInt(Date.now()) - BigInt(Math.round(ago * 3_600_000))) * 1_000n
      await rowsOf(
        gateway,
        `insert into payments select (jsonb_populate_record(p, jsonb_build_object('id', $2::text))).* from payments p where id = $1`,
        [decodeId('pay', body.id), firstIdAt(at as Instant)],
      )
    }
    await hours(24 + 2 / 3600)
    assert.deepEqual(await usedOf(first, 'day'), [1, null, '60.00', '40.00'])
    assert.deepEqual(await usedOf(first, 'month'), [2, null, '120.00', '30.00'])
    await hours(24 * 30 + 2 / 3600)
    assert.deepEqual(await usedOf(first, 'month'), [2, null, '120.00', '30.00'])
    assert.equal(await paid(first, bobs, '30.01'), 'limit_exceeded')
    await hours(23.98)
    assert.deepEqual(await usedOf(first, 'day'), [2, null, '120.00', '0.00'])
  })

  for (const [window, hours] of [
    ['day', 24],
    ['month', 24 * 30],
  ] as const) {
    it(`of a ${window} is that before each payment, also where an older one of somebody else is posted with it`, async () => {
      const node = await aGateway()
      const [admin, eva, dan] = await Promise.all([anOperator(node), aUser(node), aUser(node)])
      const wanted = { per: 'account', kind: 'transfer', currency: 'USD', window, sum: '50.00' }
      assert.equal((await admin.post('/v1/admin/limits', wanted)).status, 201)
      const [evas, dans] = [await eva.account('USD'), await dan.account('USD')]
      const idOf = (ago: number) => firstIdAt((BigInt(Date.now() - ago * 3_600_000) * 1_000n) as Instant)
      const copied = `insert into payments
        select (jsonb_populate_record(p, jsonb_build_object('id', $2::text, 'amount', $3::int))).* from payments p where id = $1`
      const { body: small } = await eva.post('/v1/payments', transfer(evas, dans, '5.00'))
      await rowsOf(node, copied, [decodeId('pay', small.id), idOf(hours + 6), 4_000])
      const { body: limits } = await eva.get(`/v1/accounts/${evas}/limits`)
      assert.equal(limits.data[0].sum_used, '5.00')

      await node.inside.worker.stop()
      const later = { prefer: 'respond-async' }
      const { body: older } = await dan.post('/v1/payments', transfer(dans, evas, '1.00'), later)
      const moved = `with copy as (${copied}) update initiated set payment_id = $2::uuid where payment_id = $1`
      await rowsOf(node, moved, [decodeId('pay', older.id), idOf(10), 100])
      const { body: own } = await eva.post('/v1/payments', transfer(evas, dans, '45.00'), later)
      assert.equal(own.status, 'initiated')
      const other = await aGateway({}, node.database)
      const { body: posted } = await eva.get(`/v1/payments/${own.id}?wait=20`)
      assert.equal(posted.decline_reason ?? posted.status, 'completed')
      await Promise.all([other.stop(), node.stop()])
    })
  }
})

describe('Limits', () => {
  it('are listed as they are set, and each change is in the audit log', async () => {
    const set = await limit({ currency: 'CHF', sum: '5.00', count: 2, user_id: adaId })
    assert.deepEqual([set.user_id, set.account_id, set.sum, set.count, set.window], [adaId, null, '5.00', 2, 'day'])
    const again = await limit({ currency: 'CHF', count: 7, user_id: adaId })
    assert.deepEqual([again.id, again.sum, again.count], [set.id, null, 7])
    for (const query of [`user_id=${adaId}`, 'count[gte]=7', `window=day&per=user&id=${set.id}`]) {
      assert.deepEqual(await everyPage(operator, `/v1/admin/limits?currency=CHF&${query}`), [again], query)
    }
    await operator.delete(`/v1/admin/limits/${set.id}`)
    const audit = await operator.get(`/v1/admin/audit?object_id=${set.id}&sort=created_at`)
    assert.deepEqual(
      audit.body.data.map(({ action, object_id, detail }: any) => [
        action,
        object_id,
        detail.before?.count,
        detail.count,
      ]),
      [
        ['limit.set', set.id, undefined, 2],
        ['limit.set', set.id, 2, 7],
        ['limit.remove', set.id, undefined, 7],
      ],
    )
  })

  it('name in the audit log whom they are for, as every call does', async () => {
    const account = await anAccount(ada, 'CHF')
    const whose = async (wanted: object) => {
      const { id } = await limit({ currency: 'CHF', count: 1, ...wanted })
      await operator.delete(`/v1/admin/limits/${id}`)
      const { body } = await operator.get(`/v1/admin/audit?object_id=${id}`)
      return body.data.map(({ detail }: any) => [detail.user, detail.account])
    }
    assert.deepEqual(await whose({ user_id: adaId }), Array(2).fill([adaId, null]))
    assert.deepEqual(await whose({ per: 'account', account_id: account }), Array(2).fill([null, account]))
    const found = await operator.get(`/v1/admin/audit?action=limit.set&detail[like]=${adaId}`)
    assert.equal(found.body.data[0].detail.user, adaId)
  })

  it('are set and taken away at the same moment, and none of that comes to a fault', async () => {
    const wanted = { per: 'user', kind: 'transfer', currency: 'ISK', window: 'day' }
    for (let round = 0; round < 40; round += 1) {
      const { id } = await limit({ ...wanted, count: 1 })
      const setting = [2, 3, 4].map((count) => operator.post('/v1/admin/limits', { ...wanted, count }))
      const [removed, ...set] = await Promise.all([operator.delete(`/v1/admin/limits/${id}`), ...setting])
      assert.deepEqual([removed?.status, ...set.map(({ status }) => status)], [204, 201, 201, 201], `round ${round}`)
    }
  })

  it('that are not there are taken away by nobody, and that changes no rules', async () => {
    const versions = () => rowsOf(gateway, 'select book, version from rule_versions order by book')
    const before = await versions()
    assertProblem(await operator.delete('/v1/admin/limits/lim_01k3v5f0j5d8n2b6v9y4s7k3e3'), 'not_found')
    assert.deepEqual(await versions(), before)
  })

  const right = { per: 'user', kind: 'transfer', currency: 'EUR', window: 'day', sum: '1.00' }
  const cases = [
    ['an account per user', { account_id: 'acc_01k3v5f2q8e8pv0z3m0c6b7d1e' }, 'account_id', 'invalid_value'],
    ['a user per account', { per: 'account', user_id: 'usr_01k3v5ezz9e2qsf8h7g6f5d4c3' }, 'user_id', 'invalid_value'],
    ['a user who is not there', { user_id: 'usr_01k3v5ezz9e2qsf8h7g6f5d4c3' }, 'user_id', 'not_found'],
    [
      'an account that is not there',
      { per: 'account', account_id: 'acc_01k3v5f2q8e8pv0z3m0c6b7d1e' },
      'account_id',
      'not_found',
    ],
    ['a kind that nobody asks for', { kind: 'bonus' }, 'kind', 'invalid_value'],
    ['a currency that the book lacks', { currency: 'XYZ' }, 'currency', 'unknown_currency'],
    ['more digits than the currency has', { sum: '0.001' }, 'sum', 'invalid_amount'],
    ['a count of single payments', { window: 'payment', count: 1 }, 'count', 'invalid_value'],
    ['a count below zero', { count: -1 }, 'count', 'invalid_value'],
    ['nothing to limit', { sum: null }, 'sum', 'missing_field'],
  ] as const
  for (const [what, wrong, field, code] of cases) {
    it(`are refused with ${what}`, async () => {
      const reply = await operator.post('/v1/admin/limits', { ...right, ...wrong })
      assertProblem(reply, code)
      assert.deepEqual(
        reply.body.errors.map((error: any) => error.field),
        [field],
      )
    })
  }

  it('are set by operators only, and seen for one’s own accounts only', async () => {
    assertProblem(await ada.post('/v1/admin/limits', right), 'forbidden')
    assertProblem(await ada.get('/v1/admin/limits'), 'forbidden')
    assertProblem(await ada.get(`/v1/accounts/${await bob.account('USD')}/limits`), 'not_found')
  })
})
