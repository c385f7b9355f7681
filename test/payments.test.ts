import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { before, describe, it } from 'node:test'
import { aClient, type Reply } from './harness/client.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  paidBehind,
  transfer,
} from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
let adaUsd: string
let bobUsd: string
before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
  ;[adaUsd, bobUsd] = [await ada.account('USD'), await bob.account('USD')]
})

/** An account of ada's with so much in it, to watch one payment alone. */
async function aPurse(amount: string, currency = 'USD'): Promise<string> {
  const id = await anAccount(ada, currency)
  if (Number(amount) > 0) await fund(operator, id, amount)
  return id
}

const pay = (from: string, to: string, amount: string, more: object = {}, headers: Record<string, string> = {}) =>
  ada.post('/v1/payments', transfer(from, to, amount, more), headers)

describe('a payment', () => {
  it('moves the amount, of which the receiver pays a fee of two per cent', async () => {
    const [from, to] = [await aPurse('100.00'), await anAccount(bob)]
    const { status, body } = await pay(from, to, '10.00')
    assert.equal(status, 201)
    assert.equal(body.status, 'completed')
    assert.deepEqual([body.amount, body.fee, body.net_amount, body.fee_payer], ['10.00', '0.20', '9.80', 'receiver'])
    assert.deepEqual([await ada.balance(from), await bob.balance(to)], ['90.00', '9.80'])
  })

  it('costs the sender the fee on top where the sender pays it', async () => {
    const [from, to] = [await aPurse('100.00'), await anAccount(bob)]
    const { body } = await pay(from, to, '10.00', { fee_payer: 'sender' })
    assert.deepEqual([body.amount, body.fee, body.net_amount, body.fee_payer], ['10.00', '0.20', '10.00', 'sender'])
    assert.deepEqual([await ada.balance(from), await bob.balance(to)], ['89.80', '10.00'])
  })

  it('costs nothing between two accounts of one user', async () => {
    const [from, to] = [await aPurse('10.00'), await anAccount(ada)]
    const { body } = await pay(from, to, '10.00')
    assert.deepEqual([body.status, body.fee, body.net_amount], ['completed', '0.00', '10.00'])
    assert.deepEqual([await ada.balance(from), await ada.balance(to)], ['0.00', '10.00'])
  })

  it('earns the fee for the internal account of its currency', async () => {
    const internal = async () => {
      const { body } = await operator.get('/v1/admin/accounts?code=internal&currency=EUR')
      return Number(body.data[0].balance) * 100
    }
    const [from, to] = [await aPurse('50.00', 'EUR'), await anAccount(bob, 'EUR')]
    const earlier = await internal()
    await pay(from, to, '50.00')
    assert.equal((await internal()) - earlier, 100)
  })

  it('is shown with everything that api.md names', async () => {
    const more = { description: 'Lunch 🍜', metadata: { order: '1815', ключ: '值' } }
    const { body, headers } = await pay(await aPurse('5.00'), bobUsd, '5.00', more)
    const { id, from_account, created_at, completed_at, updated_at, ...rest } = body
    assert.match(id, /^pay_[0-9a-hjkmnp-tv-z]{26}$/)
    assert.equal(headers.get('location'), `/v1/payments/${id}`)
    for (const time of [created_at, completed_at, updated_at])
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    assert.deepEqual(rest, {
      kind: 'transfer',
      status: 'completed',
      decline_reason: null,
      to_account: bobUsd,
      currency: 'USD',
      amount: '5.00',
      fee: '0.10',
      fee_payer: 'receiver',
      net_amount: '4.90',
      exchange: null,
      refunded_amount: '0.00',
      refund_of: null,
      capture: 'automatic',
      expires_at: null,
      rail: null,
      rail_reference: null,
      failure_reason: null,
      authorized_amount: null,
      schedule_id: null,
      scheduled_for: null,
      ...more,
      sender: ada.email,
      receiver: bob.email,
    })
    assert.deepEqual((await ada.get(`/v1/payments/${id}`)).body, body)
    assert.equal((await ada.get(`/v1/payments?id=${id}`)).body.data[0].description, more.description)
  })

  it('may be seen by both sides and by nobody else', async () => {
    const { id } = (await pay(await aPurse('5.00'), bobUsd, '5.00')).body
    const stranger = await aUser(gateway)
    for (const user of [ada, bob]) assert.equal((await user.get(`/v1/payments/${id}`)).body.id, id)
    for (const user of [ada, bob]) assert.equal((await user.get(`/v1/payments?id=${id}`)).body.data.length, 1)
    assertProblem(await stranger.get(`/v1/payments/${id}`), 'not_found')
    assertProblem(await stranger.get(`/v1/payments/${id}?wait=1`), 'not_found')
    assert.deepEqual((await stranger.get(`/v1/payments?id=${id}`)).body.data, [])
    assertProblem(await ada.get('/v1/payments/pay_01k3v5f4t1f6mb2x9k4w5r8h3n'), 'not_found')
  })

  it('leaves from the payer’s own accounts and goes to a user’s account', async () => {
    const { body } = await operator.get('/v1/admin/accounts?code=wire&currency=USD')
    const wire = body.data[0].id
    for (const [from, to, field] of [
      [bobUsd, adaUsd, 'from_account'],
      [wire, adaUsd, 'from_account'],
      [adaUsd, wire, 'to_account'],
      [adaUsd, 'acc_01k3v5f2q8e8pv0z3m0c6b7d1e', 'to_account'],
    ] as const) {
      const answer = await pay(from, to, '1.00')
      assertProblem(answer, 'not_found')
      assert.equal(answer.body.errors[0].field, field)
    }
  })
})

describe('a payment is declined, which is an answer and no error,', () => {
  const cases: readonly [string, () => Promise<[string, string]>][] = [
    ['same_account', async () => [adaUsd, adaUsd]],
    ['account_closed', async () => [adaUsd, await closed(bob)]],
    ['account_closed', async () => [await closed(ada), bobUsd]],
    ['account_frozen', async () => [await frozen(await aPurse('50.00')), bobUsd]],
    ['currency_mismatch', async () => [adaUsd, await bob.account('EUR')]],
    ['insufficient_funds', async () => [await aPurse('4.99'), bobUsd]],
    // Where several hold, the first in the list of ledger.md.
    [
      'same_account',
      async () => {
        const both = await frozen(await aPurse('0'))
        return [both, both]
      },
    ],
    ['account_closed', async () => [await frozen(await aPurse('0')), await closed(bob)]],
    ['account_frozen', async () => [await frozen(await aPurse('0')), await bob.account('EUR')]],
    ['currency_mismatch', async () => [await aPurse('0'), await bob.account('EUR')]],
  ]
  for (const [index, [reason, between]] of cases.entries()) {
    it(`with ${reason} (${index + 1})`, async () => {
      const [from, to] = await between()
      const balances = [await ada.balance(from)]
      const preview = await ada.post('/v1/payments/preview', transfer(from, to, '5.00'))
      assert.deepEqual([preview.status, preview.body.decline_reason], [200, reason])
      const { status, body } = await pay(from, to, '5.00')
      assert.deepEqual([status, body.status, body.decline_reason], [201, 'declined', reason])
      assert.equal(body.completed_at, null)
      assert.deepEqual([await ada.balance(from)], balances)
      assert.deepEqual((await ada.get(`/v1/payments/${body.id}`)).body, body)
      assert.deepEqual((await ada.get(`/v1/operations?payment_id=${body.id}`)).body.data, [])
      const later = await pay(from, to, '5.00', {}, { prefer: 'wait=30' })
      assert.deepEqual([later.status, later.body.decline_reason], [201, reason])
    })
  }

  it('with insufficient_funds where the fee on top is a cent too much', async () => {
    const from = await aPurse('10.19')
    assert.equal((await pay(from, bobUsd, '10.00', { fee_payer: 'sender' })).body.decline_reason, 'insufficient_funds')
    assert.equal((await pay(from, bobUsd, '9.99', { fee_payer: 'sender' })).body.status, 'completed')
    assert.equal(await ada.balance(from), '0.00')
  })

  it('but goes through into a frozen account, which only keeps money from leaving', async () => {
    const to = await frozen(await anAccount(bob))
    assert.equal((await pay(await aPurse('5.00'), to, '5.00')).body.status, 'completed')
  })

  async function closed(user: TestUser): Promise<string> {
    const id = await anAccount(user)
    assert.equal((await user.post(`/v1/accounts/${id}/close`)).status, 200)
    return id
  }

  async function frozen(id: string): Promise<string> {
    const { body } = await operator.post(`/v1/admin/accounts/${id}/freeze`, { reason: 'A court order' })
    assert.equal(body.status, 'frozen')
    return id
  }
})

describe('a preview', () => {
  it('tells fee, net amount and outcome, and moves nothing', async () => {
    const from = await aPurse('10.00')
    const { status, body } = await ada.post('/v1/payments/preview', transfer(from, bobUsd, '10.00'))
    assert.equal(status, 200)
    assert.deepEqual(body, {
      currency: 'USD',
      amount: '10.00',
      fee: '0.20',
      fee_payer: 'receiver',
      net_amount: '9.80',
      rate: null,
      decline_reason: null,
    })
    const onTop = await ada.post('/v1/payments/preview', transfer(from, bobUsd, '10.00', { fee_payer: 'sender' }))
    assert.deepEqual([onTop.body.net_amount, onTop.body.decline_reason], ['10.00', 'insufficient_funds'])
    assert.equal(await ada.balance(from), '10.00')
    assert.equal((await ada.get(`/v1/payments?from_account=${from}`)).body.data.length, 0)
  })
})

describe('an asynchronous payment', () => {
  it('is answered 202 at once, and posted in the background', async () => {
    const from = await aPurse('10.00')
    const { status, headers, body } = await pay(from, bobUsd, '10.00', {}, { prefer: 'respond-async' })
    assert.deepEqual([status, body.status, body.completed_at], [202, 'initiated', null])
    assert.equal(headers.get('preference-applied'), 'respond-async')
    assert.equal(headers.get('location'), `/v1/payments/${body.id}`)
    const done = await ada.get(`${headers.get('location')}?wait=30`)
    assert.deepEqual([done.status, done.body.status, done.body.amount], [200, 'completed', '10.00'])
    assert.equal(await ada.balance(from), '0.00')
  })

  it('is declined where a rule says no when it is posted', async () => {
    const { body } = await pay(await aPurse('1.00'), bobUsd, '10.00', {}, { prefer: 'respond-async' })
    const done = await bob.get(`/v1/payments/${body.id}?wait=30`)
    assert.deepEqual([done.body.status, done.body.decline_reason], ['declined', 'insufficient_funds'])
  })

  it('is waited for as long as asked: 201 with the outcome, or 202', async () => {
    const waited = await pay(await aPurse('10.00'), bobUsd, '10.00', {}, { prefer: 'wait=30' })
    assert.deepEqual([waited.status, waited.body.status], [201, 'completed'])
    assert.equal(waited.headers.get('preference-applied'), 'wait=30')
    const both = await pay(await aPurse('10.00'), bobUsd, '10.00', {}, { prefer: 'respond-async, wait=30' })
    assert.deepEqual([both.status, both.body.status], [201, 'completed'])
    const notAtAll = await pay(await aPurse('10.00'), bobUsd, '10.00', {}, { prefer: 'wait=0' })
    assert.deepEqual([notAtAll.status, notAtAll.body.status], [202, 'initiated'])
  })

  it('is waited for 10 s where a wait does not say how long, as RFC 7240 §2 has one with an empty value, too', async () => {
    for (const prefer of ['wait', 'wait=', 'Wait=""', 'wait; of=any']) {
      const waited = await pay(await aPurse('10.00'), bobUsd, '10.00', {}, { prefer })
      assert.deepEqual([waited.status, waited.body.status], [201, 'completed'], prefer)
      assert.equal(waited.headers.get('preference-applied'), 'wait=10', prefer)
    }
  })

  it('is waited for as the first of several waits says, as RFC 7240 has it', async () => {
    const answer = await pay(await aPurse('10.00'), bobUsd, '10.00', {}, { prefer: 'wait=0, wait=30' })
    assert.deepEqual([answer.status, answer.body.status], [202, 'initiated'])
    assert.equal(answer.headers.get('preference-applied'), 'wait=0')
  })

  it('may be waited for by many, and on another node', async () => {
    const second = await aGateway({}, gateway.database)
    const there = aClient(second.url, bob.token)
    const { body } = await pay(await aPurse('10.00'), bobUsd, '10.00', {}, { prefer: 'respond-async' })
    const path = `/v1/payments/${body.id}?wait=30`
    const answers = await Promise.all([ada, ada, bob, there, there].map((client) => client.get(path)))
    assert.deepEqual(
      answers.map((answer) => answer.body.status),
      Array(5).fill('completed'),
    )
    await second.stop()
  })

  it('is waited for by a thousand calls of one user, of whom another is refused, and nobody else', async () => {
    const { body } = await pay(await aPurse('10.00'), bobUsd, '10.00', { capture: 'manual' })
    const path = `/v1/payments/${body.id}?wait=`
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
    const call = `GET ${path}60 HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${ada.token}\r\n\r\n`
    socket.resume()
    // Not all in one moment, which is more than the database is asked for at once.
    const refused = await until(async () => {
      socket.write(call.repeat(200))
      const answer = await ada.get(`${path}1`)
      return answer.status !== 200 && answer
    })
    assertProblem(refused, 'overloaded')
    assert.match(refused.body.detail, /1000 of your calls wait/)
    assert.equal((await ada.get(`${path}0`)).status, 200)
    assert.equal((await bob.get(`${path}1`)).status, 200)
    // Whoever hangs up waits no more.
    socket.destroy()
    await until(async () => (await ada.get(`${path}1`)).status === 200, 20)
    await ada.post(`/v1/payments/${body.id}/capture`, {})
    assert.equal((await ada.get(`${path}60`)).body.status, 'completed')
  })

  it('is not lost where the gateway stops right behind the answer', async () => {
    const first = await aGateway({}, gateway.database)
    const from = await aPurse('10.00')
    const ids = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const wish = transfer(from, bobUsd, '1.00')
        return (await aClient(first.url, ada.token).post('/v1/payments', wish, { prefer: 'respond-async' })).body.id
      }),
    )
    await first.stop()
    for (const id of ids) assert.equal((await ada.get(`/v1/payments/${id}?wait=30`)).body.status, 'completed')
    assert.equal(await ada.balance(from), '0.00')
  })

  it('in a preference that is not ours is paid as ever', async () => {
    const { status, headers } = await pay(await aPurse('10.00'), bobUsd, '10.00', {}, { prefer: 'handling=lenient' })
    assert.deepEqual([status, headers.get('preference-applied')], [201, null])
    assertProblem(await pay(adaUsd, bobUsd, '1.00', {}, { prefer: 'wait=soon' }), 'invalid_header')
  })

  it('is waited for up to a minute', async () => {
    const { id } = (await pay(await aPurse('1.00'), bobUsd, '1.00')).body
    for (const wait of ['61', '-1', 'x', '1.5', '']) {
      assertProblem(await ada.get(`/v1/payments/${id}?wait=${wait}`), 'invalid_query')
    }
    assert.equal((await ada.get(`/v1/payments/${id}?wait=60`)).status, 200)
  })
})

describe('a payment with an idempotency key', () => {
  const keyed = (key: string, more = {}) => ({ 'idempotency-key': key, ...more })

  function assertReplayOf(first: Reply, again: Reply): void {
    assert.deepEqual([again.status, again.body], [first.status, first.body])
    assert.equal(again.headers.get('idempotent-replayed'), 'true')
    assert.equal(again.headers.get('location'), first.headers.get('location'))
  }

  it('is made once, and answered the same each time', async () => {
    const from = await aPurse('30.00')
    const first = await pay(from, bobUsd, '10.00', {}, keyed('once'))
    assert.equal(first.headers.get('idempotent-replayed'), null)
    for (let round = 0; round < 3; round += 1) {
      assertReplayOf(first, await pay(from, bobUsd, '10.00', {}, keyed('once')))
    }
    assert.equal(await ada.balance(from), '20.00')
  })

  it('is refused where the key was used with another body', async () => {
    const from = await aPurse('30.00')
    await pay(from, bobUsd, '10.00', {}, keyed('other body'))
    for (const [amount, more] of [
      ['10.01', {}],
      ['10.00', { description: 'x' }],
      ['10.00', { metadata: { a: '1' } }],
    ] as const) {
      assertProblem(await pay(from, bobUsd, amount, more, keyed('other body')), 'idempotency_key_reused')
    }
    assert.equal(await ada.balance(from), '20.00')
  })

  it('is made once where twenty of them arrive at once, on two nodes', async () => {
    const second = await aGateway({}, gateway.database)
    const there = aClient(second.url, ada.token)
    const from = await aPurse('30.00')
    const wish = transfer(from, bobUsd, '10.00')
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? ada : there).post('/v1/payments', wish, keyed('at once')),
      ),
    )
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(20).fill(201),
    )
    assert.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1)
    assert.equal(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null).length, 1)
    assert.equal(await ada.balance(from), '20.00')
    await second.stop()
  })

  it('is answered the same after a restart and on another node', async () => {
    const from = await aPurse('30.00')
    const wish = transfer(from, bobUsd, '10.00')
    const node = await aGateway({}, gateway.database)
    const first = await aClient(node.url, ada.token).post('/v1/payments', wish, keyed('restart'))
    await node.stop()
    const restarted = await aGateway({}, gateway.database)
    assertReplayOf(first, await aClient(restarted.url, ada.token).post('/v1/payments', wish, keyed('restart')))
    await restarted.stop()
    assertReplayOf(first, await pay(from, bobUsd, '10.00', {}, keyed('restart')))
    assert.equal(await ada.balance(from), '20.00')
  })

  it('is answered as it first was, also where more was done since', async () => {
    const from = await aPurse('10.00')
    const declined = await pay(from, bobUsd, '20.00', {}, keyed('too early'))
    assert.equal(declined.body.decline_reason, 'insufficient_funds')
    await fund(operator, from, '10.00')
    assertReplayOf(declined, await pay(from, bobUsd, '20.00', {}, keyed('too early')))
    assert.equal(await ada.balance(from), '20.00')
  })

  it('and answered as initiated is so in every replay', async () => {
    const from = await aPurse('10.00')
    const prefer = { prefer: 'respond-async' }
    const [first, twin] = await Promise.all([
      pay(from, bobUsd, '5.00', {}, keyed('async', prefer)),
      pay(from, bobUsd, '5.00', {}, keyed('async', prefer)),
    ])
    assert.deepEqual([first.status, first.body], [202, twin.body])
    assert.equal((await ada.get(`/v1/payments/${first.body.id}?wait=30`)).body.status, 'completed')
    assertReplayOf(first, await pay(from, bobUsd, '5.00', {}, keyed('async', prefer)))
    assert.equal(await ada.balance(from), '5.00')
  })
})

describe('payments at once', () => {
  it('never overdraw their account, whatever their order', async () => {
    const [from, to] = [await aPurse('50.00'), await anAccount(bob)]
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        pay(from, to, '1.00', {}, index % 3 === 0 ? { prefer: 'wait=30' } : {}),
      ),
    )
    const outcomes = answers.map(({ body }) => `${body.status} ${body.decline_reason}`)
    assert.equal(outcomes.filter((outcome) => outcome === 'completed null').length, 50)
    assert.equal(outcomes.filter((outcome) => outcome === 'declined insufficient_funds').length, 50)
    assert.deepEqual([await ada.balance(from), await bob.balance(to)], ['0.00', '49.00'])
    const out = await everyPage(ada, `/v1/operations?account_id=${from}&kind[in]=transfer,fee&direction=credit`)
    assert.ok(out.every(({ balance_after }) => Number(balance_after) >= 0))
  })

  it('in a circle, on two nodes, all come to an end', async () => {
    const second = await aGateway({}, gateway.database)
    const purses = await Promise.all(['10.00', '10.00', '10.00'].map((amount) => aPurse(amount)))
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, index) => {
        const [from = '', to = ''] = [purses[index % 3], purses[(index + 1) % 3]]
        const node = aClient(index % 2 === 0 ? gateway.url : second.url, ada.token)
        return node.post('/v1/payments', transfer(from, to, '1.00'))
      }),
    )
    assert.ok(answers.every(({ status }) => status === 201))
    const balances = await Promise.all(purses.map(ada.balance))
    assert.equal(
      balances.reduce((sum, balance) => sum + Number(balance), 0),
      30,
    )
    await second.stop()
  })
})

it('a payment whose account is locked keeps nobody waiting whose accounts are not', async () => {
  const [locked, open] = [await aPurse('10.00'), await aPurse('10.00')]
  const [first, second] = [await anAccount(bob), await anAccount(bob)]
  const meanwhile = async () => {
    assert.equal((await pay(open, second, '10.00')).body.status, 'completed')
    assert.equal(await ada.balance(locked), '10.00')
  }
  const { body } = await paidBehind(gateway, locked, () => pay(locked, first, '10.00'), meanwhile)
  assert.equal(body.status, 'completed')
})

it('payments leave the books right, and none of them initiated', async () => {
  await until(async () => (await operator.get('/v1/admin/payments?status=initiated')).body.data.length === 0)
  await assertBooksAreRight(gateway)
})
