import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { decodeId } from '../src/ledger/typeid.ts'
import { aClient } from './harness/client.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import {
  assertBooksAreRight,
  assertProblem,
  locking,
  lockOf,
  rowsOf,
  runOut,
  sessionsWhere,
  tamper,
  transfer,
  WAITS_FOR_LOCK,
} from './harness/paying.ts'

// Two-phase payments: the money is held first, and captured, canceled or expired later (docs/ledger.md, Holds).

let gateway: TestGateway
let operator: TestUser
before(async () => {
  gateway = await aGateway()
  operator = await anOperator(gateway)
})

/** Two users, each with 100.00 USD. */
async function twoUsers() {
  const [ada, bob] = await Promise.all([aUser(gateway), aUser(gateway)])
  return { ada, bob, adaUsd: await ada.account('USD'), bobUsd: await bob.account('USD') }
}

async function held(user: TestUser, from: string, to: string, amount: string, more: object = {}) {
  const { status, body } = await user.post('/v1/payments', transfer(from, to, amount, { capture: 'manual', ...more }))
  assert.deepEqual([status, body.status], [201, 'pending'])
  return body
}

async function moneyOf(user: TestUser, id: string) {
  const { body } = await user.get(`/v1/accounts/${id}`)
  return [body.balance, body.held, body.available]
}

describe('A payment with manual capture', () => {
  it('holds the money at once: it is in the balance, and not available', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const payment = await held(ada, adaUsd, bobUsd, '30.00')
    assert.deepEqual([payment.capture, payment.authorized_amount, payment.completed_at], ['manual', '30.00', null])
    assert.deepEqual(await moneyOf(ada, adaUsd), ['100.00', '30.00', '70.00'])
    const { body } = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, '70.01'))
    assert.equal(body.decline_reason, 'insufficient_funds')
  })

  it('holds the fee too where the sender pays it', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    await held(ada, adaUsd, bobUsd, '50.00', { fee_payer: 'sender' })
    assert.deepEqual(await moneyOf(ada, adaUsd), ['100.00', '51.00', '49.00'])
  })

  it('is declined, and holds nothing, where the money is not there', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const { status, body } = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, '100.01', { capture: 'manual' }))
    assert.deepEqual([status, body.status, body.decline_reason], [201, 'declined', 'insufficient_funds'])
    assert.deepEqual(await moneyOf(ada, adaUsd), ['100.00', '0.00', '100.00'])
  })

  it('runs out after a week, where its request does not say', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const { created_at, expires_at } = await held(ada, adaUsd, bobUsd, '1.00')
    assert.equal(Date.parse(expires_at) - Date.parse(created_at), 7 * 24 * 3_600_000)
  })

  it('may be asked for without waiting: it becomes pending', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const wish = transfer(adaUsd, bobUsd, '5.00', { capture: 'manual' })
    const { status, body } = await ada.post('/v1/payments', wish, { prefer: 'respond-async' })
    assert.deepEqual([status, body.status], [202, 'initiated'])
    const pending = await until(async () => {
      const { body: now } = await ada.get(`/v1/payments/${body.id}`)
      return now.status === 'pending' && now
    })
    assert.equal(pending.authorized_amount, '5.00')
    assert.equal((await ada.post(`/v1/payments/${body.id}/capture`)).body.status, 'completed')
    const waited = await ada.post('/v1/payments', wish, { prefer: 'wait=20' })
    assert.deepEqual([waited.status, waited.body.status], [201, 'pending'])
  })

  it('is answered as it was at first to whoever repeats a request that waited', async () => {
    const { ada, bob, adaUsd, bobUsd } = await twoUsers()
    const waiting = (name: string) => ({ 'idempotency-key': name, prefer: 'wait=20' })
    const wish = transfer(adaUsd, bobUsd, '40.00', { capture: 'manual' })
    const first = await ada.post('/v1/payments', wish, waiting('hotel'))
    const plain = transfer(adaUsd, bobUsd, '10.00')
    const paid = await ada.post('/v1/payments', plain, waiting('taxi'))
    await ada.post(`/v1/payments/${first.body.id}/capture`, { amount: '15.00' })
    await bob.post(`/v1/payments/${paid.body.id}/refund`, { amount: '4.00' })
    for (const [request, answer, name] of [[wish, first, 'hotel'] as const, [plain, paid, 'taxi'] as const]) {
      const { status, body, headers } = await ada.post('/v1/payments', request, waiting(name))
      assert.equal(headers.get('idempotent-replayed'), 'true')
      const ofThen = ['status', 'amount', 'fee', 'refunded_amount', 'completed_at']
      assert.equal(status, 201)
      for (const field of ofThen) assert.equal(body[field], answer.body[field], `${name}: ${field}`)
    }
  })

  it('is answered as it was at first to whoever repeats its request', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const key = { 'idempotency-key': 'hotel' }
    const wish = transfer(adaUsd, bobUsd, '40.00', { capture: 'manual' })
    const first = await ada.post('/v1/payments', wish, key)
    await ada.post(`/v1/payments/${first.body.id}/capture`, { amount: '15.00' })
    const again = await ada.post('/v1/payments', wish, key)
    assert.equal(again.headers.get('idempotent-replayed'), 'true')
    assert.deepEqual([again.status, again.body], [201, first.body])
  })
})

describe('A capture', () => {
  it('of all posts the payment', async () => {
    const { ada, bob, adaUsd, bobUsd } = await twoUsers()
    const { id } = await held(ada, adaUsd, bobUsd, '30.00')
    const { status, body } = await ada.post(`/v1/payments/${id}/capture`)
    assert.deepEqual([status, body.status, body.amount, body.fee], [200, 'completed', '30.00', '0.60'])
    assert.deepEqual(await moneyOf(ada, adaUsd), ['70.00', '0.00', '70.00'])
    assert.equal(await bob.balance(bobUsd), '129.40')
  })

  it('of a part posts that, with its share of the fee, and releases the rest', async () => {
    const { ada, bob, adaUsd, bobUsd } = await twoUsers()
    const { id } = await held(ada, adaUsd, bobUsd, '30.00')
    const { body } = await ada.post(`/v1/payments/${id}/capture`, { amount: '10.00' })
    assert.deepEqual(
      [body.status, body.amount, body.fee, body.net_amount, body.authorized_amount],
      ['completed', '10.00', '0.20', '9.80', '30.00'],
    )
    assert.deepEqual(await moneyOf(ada, adaUsd), ['90.00', '0.00', '90.00'])
    assert.equal(await bob.balance(bobUsd), '109.80')
  })

  it('is refused for more than is held, for no amount, and for a payment that was not held', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const { id } = await held(ada, adaUsd, bobUsd, '30.00')
    const tooMuch = await ada.post(`/v1/payments/${id}/capture`, { amount: '30.01' })
    assertProblem(tooMuch, 'amount_exceeds_hold')
    assert.deepEqual(tooMuch.body.errors, [
      { field: 'amount', code: 'amount_exceeds_hold', detail: 'must not be above 30.00' },
    ])
    for (const amount of ['0', '0.00', '1.001', '1e4']) {
      assertProblem(await ada.post(`/v1/payments/${id}/capture`, { amount }), 'invalid_amount')
    }
    assertProblem(await ada.post(`/v1/payments/${id}/capture`, { amount: 5 }), 'invalid_amount')
    assertProblem(await ada.post(`/v1/payments/${id}/capture`, { sum: '5.00' }), 'unknown_field')
    const { body: done } = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, '1.00'))
    assertProblem(await ada.post(`/v1/payments/${done.id}/capture`), 'not_capturable')
    assert.deepEqual(await moneyOf(ada, adaUsd), ['99.00', '30.00', '69.00'])
  })

  it('is for who pays and for operators; the receiver sees it, anybody else finds nothing', async () => {
    const { ada, bob, adaUsd, bobUsd } = await twoUsers()
    const stranger = await aUser(gateway)
    const { id } = await held(ada, adaUsd, bobUsd, '30.00')
    assertProblem(await bob.post(`/v1/payments/${id}/capture`), 'forbidden')
    assertProblem(await stranger.post(`/v1/payments/${id}/capture`), 'not_found')
    assertProblem(await stranger.post(`/v1/payments/${id}/cancel`), 'not_found')
    assertProblem(await gateway.anybody.post(`/v1/payments/${id}/capture`), 'unauthenticated')
    assert.equal((await operator.post(`/v1/payments/${id}/capture`)).body.status, 'completed')
    const { body } = await operator.get('/v1/admin/audit?limit=1')
    assert.deepEqual([body.data[0].action, body.data[0].object_id], ['payment.capture', id])
  })

  it('is one of twenty at once on a node that has just started, and each of them posts', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const payments = await Promise.all(Array.from({ length: 20 }, () => held(ada, adaUsd, bobUsd, '1.00')))
    const fresh = await aGateway({}, gateway.database)
    const client = aClient(fresh.url, ada.token)
    const captures = await Promise.all(payments.map(({ id }) => client.post(`/v1/payments/${id}/capture`)))
    assert.deepEqual(Object.keys(Object.groupBy(captures, ({ status, body }) => `${status} ${body.status}`)), [
      '200 completed',
    ])
    await fresh.stop()
  })

  it('of a locked account keeps nobody else’s payment waiting, however many there are', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const others = await twoUsers()
    const payments = await Promise.all(Array.from({ length: 20 }, () => held(ada, adaUsd, bobUsd, '1.00')))
    const captures = await locking(gateway, lockOf(adaUsd), async () => {
      const captures = payments.map(({ id }) => ada.post(`/v1/payments/${id}/capture`))
      await until(async () => (await sessionsWhere(gateway, WAITS_FOR_LOCK)).length >= 3)
      const { body } = await others.ada.post('/v1/payments', transfer(others.adaUsd, others.bobUsd, '0.01'))
      assert.equal(body.status, 'completed')
      return captures
    })
    for (const capture of captures) assert.equal((await capture).body.status, 'completed')
  })

  it('with an idempotency key is done once and answered alike', async () => {
    const { ada, bob, adaUsd, bobUsd } = await twoUsers()
    const { id } = await held(ada, adaUsd, bobUsd, '30.00')
    const key = { 'idempotency-key': 'capture-1' }
    const first = await ada.post(`/v1/payments/${id}/capture`, { amount: '20.00' }, key)
    const again = await ada.post(`/v1/payments/${id}/capture`, { amount: '20.00' }, key)
    assert.deepEqual([again.status, again.body], [first.status, first.body])
    assert.equal(again.headers.get('idempotent-replayed'), 'true')
    assertProblem(await ada.post(`/v1/payments/${id}/capture`, { amount: '5.00' }, key), 'idempotency_key_reused')
    assert.equal(await bob.balance(bobUsd), '119.60')
  })

  it('is refused while the account is frozen, and possible again when it is not', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const { id } = await held(ada, adaUsd, bobUsd, '30.00')
    await operator.post(`/v1/admin/accounts/${adaUsd}/freeze`, { reason: 'Suspicion' })
    assertProblem(await ada.post(`/v1/payments/${id}/capture`), 'account_frozen')
    await operator.post(`/v1/admin/accounts/${adaUsd}/unfreeze`, { reason: 'None' })
    assert.equal((await ada.post(`/v1/payments/${id}/capture`)).body.status, 'completed')
  })
})

describe('A cancel', () => {
  it('by either side releases the hold', async () => {
    const { ada, bob, adaUsd, bobUsd } = await twoUsers()
    for (const side of [ada, bob]) {
      const { id } = await held(ada, adaUsd, bobUsd, '30.00')
      const { status, body } = await side.post(`/v1/payments/${id}/cancel`)
      assert.deepEqual([status, body.status, body.completed_at], [200, 'canceled', null])
      assert.deepEqual(await moneyOf(ada, adaUsd), ['100.00', '0.00', '100.00'])
    }
  })

  it('is not for an operator who may only read: by the scopes of the token, or frozen', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const { id } = await held(ada, adaUsd, bobUsd, '30.00')
    const [root, frozen] = [await anOperator(gateway), await anOperator(gateway)]
    const scopes = ['payments:read', 'payments:write', 'admin:read']
    const { body: token } = await root.post('/v1/tokens', { name: 'reader', scopes })
    const { body: me } = await frozen.get('/v1/me')
    assert.equal((await root.post(`/v1/admin/users/${me.id}/freeze`, { reason: 'on leave' })).status, 200)
    for (const reader of [aClient(gateway.url, token.token), frozen]) {
      assert.equal((await reader.get(`/v1/payments/${id}`)).status, 200)
      assertProblem(await reader.post(`/v1/payments/${id}/cancel`), 'forbidden')
    }
    assert.equal((await root.post(`/v1/payments/${id}/cancel`)).body.status, 'canceled')
  })

  it('of a payment that is over is refused, with its state', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const { id } = await held(ada, adaUsd, bobUsd, '30.00')
    await ada.post(`/v1/payments/${id}/cancel`)
    for (const action of ['cancel', 'capture']) {
      const reply = await ada.post(`/v1/payments/${id}/${action}`)
      assertProblem(reply, 'payment_not_pending')
      assert.deepEqual(reply.body.errors[0].detail, 'canceled')
    }
  })
})

describe('A hold', () => {
  it('expires by itself, and everyone who waits hears of it', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const expires_at = new Date(Date.now() + 3_000).toISOString()
    const { id } = await held(ada, adaUsd, bobUsd, '30.00', { expires_at })
    const { body } = await ada.get(`/v1/payments/${id}?wait=30`)
    assert.deepEqual([body.status, body.expires_at.slice(0, 23)], ['expired', expires_at.slice(0, 23)])
    assert.deepEqual(await moneyOf(ada, adaUsd), ['100.00', '0.00', '100.00'])
    assertProblem(await ada.post(`/v1/payments/${id}/capture`), 'payment_not_pending')
  })

  it('that ran out while the gateway was down is gone soon after its start', async () => {
    const first = await aGateway()
    const ada = await aUser(first)
    const bob = await aUser(first)
    const expires_at = new Date(Date.now() + 3_000).toISOString()
    await held(ada, await ada.account('USD'), await bob.account('USD'), '30.00', { expires_at })
    await first.stop()
    const second = await aGateway({}, first.database)
    const rows = () => rowsOf(second, `select status from payments where kind = 'transfer'`)
    await until(async () => (await rows())[0]?.status === 'expired')
    assert.deepEqual(await rowsOf(second, 'select from holds'), [])
    await assertBooksAreRight(second)
  })

  it('needs an expiry in the future and within a year, and manual capture', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    const ask = (more: object) => ada.post('/v1/payments', transfer(adaUsd, bobUsd, '1.00', more))
    for (const expires_at of ['2020-01-01T00:00:00Z', '2199-01-01T00:00:00Z']) {
      assertProblem(await ask({ capture: 'manual', expires_at }), 'invalid_value')
    }
    assertProblem(await ask({ expires_at: new Date(Date.now() + 60_000).toISOString() }), 'invalid_value')
    assertProblem(await ask({ capture: 'later' }), 'invalid_value')
  })

  it('keeps its account from being closed', async () => {
    const { ada, adaUsd, bobUsd } = await twoUsers()
    await held(ada, adaUsd, bobUsd, '100.00')
    assertProblem(await ada.post(`/v1/accounts/${adaUsd}/close`), 'balance_not_zero')
  })

  it('has one end, however many capture, cancel and expire it at the same moment', async () => {
    const { ada, bob, adaUsd, bobUsd } = await twoUsers()
    const payments = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        held(ada, adaUsd, bobUsd, '1.00', {
          expires_at: new Date(Date.now() + (index % 2 ? 3_600_000 : 4_000)).toISOString(),
        }),
      ),
    )
    const ends = await Promise.all(
      payments.flatMap(({ id }) => [
        ada.post(`/v1/payments/${id}/capture`, { amount: '0.50' }),
        operator.post(`/v1/payments/${id}/capture`),
        ada.post(`/v1/payments/${id}/cancel`),
        bob.post(`/v1/payments/${id}/cancel`),
      ]),
    )
    for (const [index, { id }] of payments.entries()) {
      const won = ends.slice(index * 4, index * 4 + 4).filter(({ status }) => status === 200)
      assert.ok(won.length <= 1, `${won.length} ends of ${id}`)
      const { body } = await ada.get(`/v1/payments/${id}?wait=20`)
      assert.equal(body.status, won[0]?.body.status ?? 'expired')
    }
    for (const lost of ends.filter(({ status }) => status !== 200)) assertProblem(lost, 'payment_not_pending')
    assert.deepEqual((await moneyOf(ada, adaUsd))[1], '0.00')
    await assertBooksAreRight(gateway)
  })

  describe('of many that run out at the same moment', () => {
    const make = async (many: number, amount = '1.00') => {
      const { ada, adaUsd, bobUsd } = await twoUsers()
      const made = await Promise.all(Array.from({ length: many }, () => held(ada, adaUsd, bobUsd, amount)))
      return { ada, adaUsd, ids: made.map(({ id }) => id as string) }
    }
    const endsOf = (ids: readonly string[]) =>
      rowsOf(
        gateway,
        `select object_id, count(*)::int as ends, min(txid::text) as txid, min(type) as type from events
          where object_id = any($1) and type <> 'payment.pending' group by object_id`,
        [ids.map((id) => decodeId('pay', id))],
      )

    it('is let go of together with them, each with its event', async () => {
      const { ada, adaUsd, ids } = await make(40)
      await runOut(gateway, ids)
      const ends = await until(async () => {
        const found = await endsOf(ids)
        return found.length === ids.length && found
      })
      assert.deepEqual(new Set(ends.map(({ type, ends: many }) => `${type} ${many}`)), new Set(['payment.expired 1']))
      assert.equal(new Set(ends.map(({ txid }) => txid)).size, 1, 'transactions')
      assert.deepEqual(await moneyOf(ada, adaUsd), ['100.00', '0.00', '100.00'])
      await assertBooksAreRight(gateway)
    })

    it('has one end on two nodes where others capture and cancel it then', async () => {
      const second = await aGateway({}, gateway.database)
      const { ada, adaUsd, ids } = await make(60)
      const there = aClient(second.url, ada.token)
      const calls = (of: (typeof ids)[number][], what: string) =>
        of.flatMap((id) => [ada, there].map((user) => user.post(`/v1/payments/${id}/${what}`)))
      const [captures, cancels] = [calls(ids.slice(0, 30), 'capture'), calls(ids.slice(30), 'cancel')]
      await runOut(gateway, ids)
      const replies = await Promise.all([...captures, ...cancels])
      const won = replies.filter(({ status }) => status === 200).map(({ body }) => body)
      for (const lost of replies.filter(({ status }) => status !== 200)) assertProblem(lost, 'payment_not_pending')
      const ends = await until(async () => {
        const found = await endsOf(ids)
        return found.length === ids.length && found
      })
      assert.deepEqual(new Set(ends.map(({ ends: many }) => many)), new Set([1]))
      const expired = ends.filter(({ type }) => type === 'payment.expired').length
      assert.equal(expired, ids.length - won.length)
      const captured = won.filter(({ status }) => status === 'completed').length
      assert.deepEqual(await moneyOf(ada, adaUsd), [`${100 - captured}.00`, '0.00', `${100 - captured}.00`])
      await assertBooksAreRight(gateway)
      await second.stop()
    })

    it('takes no other with it where it cannot be let go of', async () => {
      const broken = await make(101, '0.10')
      const { ada, adaUsd, ids } = await make(3)
      // As nobody but the owner of the database could: less is held than its payments hold.
      await tamper(gateway, `update accounts set held = 1 where id = '${decodeId('acc', broken.adaUsd)}'`)
      await runOut(gateway, broken.ids)
      await runOut(gateway, ids)
      await until(async () => (await endsOf(ids)).length === ids.length)
      assert.deepEqual(await moneyOf(ada, adaUsd), ['100.00', '0.00', '100.00'])
      assert.deepEqual(await endsOf(broken.ids), [])
      await tamper(gateway, `update accounts set held = 1010 where id = '${decodeId('acc', broken.adaUsd)}'`)
      // A node that begins knows nothing of what another leaves alone for a while.
      const second = await aGateway({}, gateway.database)
      await until(async () => (await endsOf(broken.ids)).length === broken.ids.length)
      await second.stop()
      await assertBooksAreRight(gateway)
    })
  })
})
