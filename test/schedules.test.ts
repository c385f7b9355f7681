import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { MAIN_BOOK } from '../src/books/books.ts'
import { parseInstant } from '../src/database/instant.ts'
import type { Instant } from '../src/ledger/id.ts'
import { cutGateways, urlOf } from './harness/cluster.ts'
import {
  aGateway,
  anEmail,
  anOperator,
  aUser,
  loggedIn,
  PASSWORD,
  type TestGateway,
  type TestUser,
  until,
} from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  locking,
  lockOf,
  noneHeldBack,
  rowsOf,
  untilLocked,
} from './harness/paying.ts'
import { aReceiver } from './harness/receiver.ts'
import { aFolder, aServer } from './harness/server.ts'

// Scheduled and recurring payments (docs/scheduled.md). They begin in 2031, so that no clock brings them on but the test's.

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
before(async () => {
  gateway = await aGateway({ BGW_WEBHOOK_ALLOW_PRIVATE: 'true' })
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
})

/** An account of each of the two, with 100.00 USD in it. */
async function twoAccounts() {
  const [adaUsd, bobUsd] = await Promise.all([anAccount(ada), anAccount(bob)])
  await Promise.all([fund(operator, adaUsd, '100.00'), fund(operator, bobUsd, '100.00')])
  return { adaUsd, bobUsd }
}

const monthly = (from: string, to: string, more: object = {}) => ({
  ...{
    from_account: from,
    to_account: to,
    amount: '10.00',
    starts_at: '2031-01-31T08:00:00Z',
    every: 'month',
    ...more,
  },
})

async function scheduled(user: TestUser, wish: object) {
  const { status, body } = await user.post('/v1/schedules', wish)
  assert.equal(status, 201, JSON.stringify(body))
  return body
}

const makeDue = (time: string, of = gateway) => of.inside.scheduler.makeDue(parseInstant(time) as Instant)

/** The payments that a schedule has made, the oldest first. */
async function paymentsOf(user: TestUser, { id }: { id: string }): Promise<any[]> {
  return everyPage(user, `/v1/payments?schedule_id=${id}&sort=created_at`)
}

describe('A recurring payment', () => {
  it('is made each time that it falls due, by the calendar of its time zone', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const wish = monthly(adaUsd, bobUsd, { time_zone: 'Europe/Prague', description: 'Rent', metadata: { flat: '7' } })
    const schedule = await scheduled(ada, wish)
    assert.deepEqual(
      [schedule.status, schedule.next_at, schedule.occurrences],
      ['active', '2031-01-31T08:00:00.000000Z', 0],
    )
    await makeDue('2031-01-31T07:59:59Z')
    assert.deepEqual(await paymentsOf(ada, schedule), [])
    for (const month of ['01', '02', '03', '04'])
      await makeDue(`2031-${month}-31T12:00:00Z`.replace(/-0(2|4)-31/, '-0$1-28'))
    await makeDue('2031-04-30T08:00:00Z')
    const payments = await paymentsOf(ada, schedule)
    assert.deepEqual(
      payments.map(({ status, amount, scheduled_for }) => [status, amount, scheduled_for]),
      ['2031-01-31T08', '2031-02-28T08', '2031-03-31T07', '2031-04-30T07'].map((hour) => [
        'completed',
        '10.00',
        `${hour}:00:00.000000Z`,
      ]),
    )
    const [{ kind, sender, receiver, description, metadata, schedule_id }] = payments
    assert.deepEqual(
      [kind, sender, receiver, description, metadata],
      ['transfer', ada.email, bob.email, 'Rent', { flat: '7' }],
    )
    assert.equal(schedule_id, schedule.id)
    assert.deepEqual([await ada.balance(adaUsd), await bob.balance(bobUsd)], ['60.00', '139.20'])
    const { body } = await ada.get(`/v1/schedules/${schedule.id}`)
    assert.deepEqual(
      [body.occurrences, body.next_at, body.last_payment_id],
      [4, '2031-05-31T07:00:00.000000Z', payments[3].id],
    )
  })

  it('that nobody made while the gateway was away is made when it is back: each, in order, with the time it was due', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const rent = await scheduled(ada, monthly(adaUsd, bobUsd, { amount: '40.00' }))
    const bread = await scheduled(
      ada,
      monthly(adaUsd, bobUsd, { amount: '1.00', every: 'week', ends_at: '2031-03-31T08:00:00Z' }),
    )
    await makeDue('2031-03-31T08:00:00Z')
    const rents = await paymentsOf(ada, rent)
    assert.deepEqual(
      rents.map(({ status }) => status),
      ['completed', 'completed', 'declined'],
    )
    const breads = await paymentsOf(ada, bread)
    assert.equal(breads.length, 9)
    const all = [...rents, ...breads].sort((one, other) => (one.id < other.id ? -1 : 1))
    const times = all.map(({ scheduled_for }) => scheduled_for)
    assert.deepEqual(times, [...times].sort())
    assert.equal((await ada.get(`/v1/schedules/${bread.id}`)).body.status, 'ended')
  })

  it('ends after its count, and one without a rhythm after its one payment', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const twice = await scheduled(ada, monthly(adaUsd, bobUsd, { count: 2 }))
    const once = await scheduled(ada, monthly(adaUsd, bobUsd, { every: null }))
    await makeDue('2032-01-01T00:00:00Z')
    for (const [schedule, times] of [
      [twice, 2],
      [once, 1],
    ] as const) {
      assert.equal((await paymentsOf(ada, schedule)).length, times)
      const { body } = await ada.get(`/v1/schedules/${schedule.id}`)
      assert.deepEqual(
        [body.status, body.next_at, body.next_attempt_at, body.occurrences],
        ['ended', null, null, times],
      )
    }
  })

  it('comes of itself when its time is there', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const starts_at = new Date(Date.now() + 2_000).toISOString()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, { starts_at, every: null }))
    await until(async () => (await ada.get(`/v1/schedules/${schedule.id}`)).body.status === 'ended')
    const [payment] = await paymentsOf(bob, schedule)
    assert.deepEqual([payment.status, payment.scheduled_for.slice(0, 23)], ['completed', starts_at.slice(0, 23)])
    assert.ok(payment.created_at >= payment.scheduled_for)
    const events = await until(async () => {
      const { body } = await ada.get(`/v1/events?object_id=${payment.id}`)
      return body.data.length > 0 && body.data
    })
    assert.deepEqual(
      events.map(({ type }: any) => type),
      ['payment.completed'],
    )
  })

  it('is not made twice, however many look at the same moment, or where its schedule is set back', async () => {
    const other = await aGateway({}, gateway.database)
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedules = []
    for (let index = 0; index < 8; index += 1) {
      schedules.push(await scheduled(ada, monthly(adaUsd, bobUsd, { amount: '1.00', every: 'day', count: 5 })))
    }
    const set = `update schedules set status = 'active', number = 0, due_at = starts_at, attempt_at = starts_at
                  where status = 'ended' and count = 5 returning id`
    for (const round of [1, 2]) {
      const looks = [gateway, other, gateway, other].map((each) => makeDue('2031-03-01T00:00:00Z', each))
      await Promise.all(looks)
      for (const schedule of schedules) assert.equal((await paymentsOf(ada, schedule)).length, 5)
      if (round === 1) assert.equal((await rowsOf(gateway, set)).length, 8)
    }
    assert.equal(await ada.balance(adaUsd), '60.00')
    await other.stop()
    await assertBooksAreRight(gateway)
  })

  it('is not made before what fell due earlier, also where another node is still at that: the wage comes before the rent', async () => {
    const other = await aGateway({}, gateway.database)
    const boss = await aUser(gateway)
    const [bossUsd, { adaUsd, bobUsd }] = [await boss.account('USD'), await twoAccounts()]
    const wage = await scheduled(boss, monthly(bossUsd, adaUsd, { every: null, amount: '50.00' }))
    const later = { every: null, amount: '120.00', starts_at: '2031-01-31T09:00:00Z' }
    const rent = await scheduled(ada, monthly(adaUsd, bobUsd, later))
    let making: Promise<number> | undefined
    await locking(gateway, lockOf(bossUsd), async () => {
      making = makeDue('2031-01-31T08:00:00Z')
      await untilLocked(gateway, 1)
      assert.equal(await makeDue('2031-01-31T09:00:00Z', other), 0)
      return []
    })
    await making
    await makeDue('2031-01-31T09:00:00Z', other)
    const [[paid], [then]] = [await paymentsOf(ada, wage), await paymentsOf(ada, rent)]
    assert.deepEqual([paid.status, then.status, then.decline_reason], ['completed', 'completed', null])
    await other.stop()
  })
})

describe('A scheduled payment that is declined', () => {
  it('is tried again by its rule, and made once the money is there', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(
      ada,
      monthly(adaUsd, bobUsd, { amount: '150.00', retry_times: 2, retry_every_minutes: 60 }),
    )
    await makeDue('2031-01-31T08:00:30Z')
    const { body: waiting } = await ada.get(`/v1/schedules/${schedule.id}`)
    assert.deepEqual([waiting.attempts, waiting.occurrences], [1, 0])
    assert.deepEqual(
      [waiting.next_at, waiting.next_attempt_at],
      ['2031-01-31T08:00:00.000000Z', '2031-01-31T09:00:30.000000Z'],
    )
    await makeDue('2031-01-31T09:00:00Z')
    await fund(operator, adaUsd, '100.00')
    await makeDue('2031-01-31T09:00:30Z')
    await makeDue('2031-02-27T00:00:00Z')
    const payments = await paymentsOf(ada, schedule)
    assert.deepEqual(
      payments.map(({ status, decline_reason }) => [status, decline_reason]),
      [
        ['declined', 'insufficient_funds'],
        ['completed', null],
      ],
    )
    assert.equal(new Set(payments.map(({ scheduled_for }) => scheduled_for)).size, 1)
  })

  it('is given up after so many times, and the next one comes as if nothing had been', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(
      ada,
      monthly(adaUsd, bobUsd, { amount: '150.00', retry_times: 2, retry_every_minutes: 60 }),
    )
    for (const hour of ['08', '09', '10', '11']) await makeDue(`2031-01-31T${hour}:00:00Z`)
    const { body } = await ada.get(`/v1/schedules/${schedule.id}`)
    assert.deepEqual([body.attempts, body.occurrences, body.next_at], [0, 1, '2031-02-28T08:00:00.000000Z'])
    assert.equal((await paymentsOf(ada, schedule)).length, 3)
  })

  it('is not tried again when the next one is due', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const wish = monthly(adaUsd, bobUsd, {
      amount: '150.00',
      every: 'day',
      count: 2,
      retry_times: 3,
      retry_every_minutes: 1_000,
    })
    const schedule = await scheduled(ada, wish)
    for (const time of [
      '01-31T08:00',
      '02-01T00:40',
      '02-01T08:00',
      '02-02T00:40',
      '02-02T17:20',
      '02-03T10:00',
      '02-05T00:00',
    ]) {
      await makeDue(`2031-${time}:00Z`)
    }
    const due = (await paymentsOf(ada, schedule)).map(({ scheduled_for }) => scheduled_for.slice(0, 10))
    // The second is the last, so nothing is in the way of its attempts.
    assert.deepEqual(due, ['2031-01-31', '2031-01-31', '2031-02-01', '2031-02-01', '2031-02-01', '2031-02-01'])
  })

  it('because an account is closed is the last', async () => {
    const { adaUsd } = await twoAccounts()
    const closing = await anAccount(bob)
    const schedule = await scheduled(ada, monthly(adaUsd, closing, { retry_times: 5 }))
    await bob.post(`/v1/accounts/${closing}/close`)
    await makeDue('2031-12-31T00:00:00Z')
    const payments = await paymentsOf(ada, schedule)
    assert.deepEqual(
      payments.map(({ decline_reason }) => decline_reason),
      ['account_closed'],
    )
    assert.equal((await ada.get(`/v1/schedules/${schedule.id}`)).body.status, 'ended')
  })
})

describe('A schedule that is changed', () => {
  const change = (schedule: { id: string }, wish: object, who = ada) => who.patch(`/v1/schedules/${schedule.id}`, wish)

  it('pays what it says now, from the next payment on', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, { description: 'Rent', metadata: { flat: '7' } }))
    await makeDue('2031-01-31T08:00:00Z')
    const { status, body } = await change(schedule, { amount: '12.50', description: null, fee_payer: 'sender' })
    assert.equal(status, 200)
    const { last_payment_id, updated_at } = body
    assert.deepEqual(body, {
      ...{ ...schedule, amount: '12.50', description: null, fee_payer: 'sender', occurrences: 1 },
      ...{ next_at: '2031-02-28T08:00:00.000000Z', next_attempt_at: '2031-02-28T08:00:00.000000Z' },
      ...{ last_payment_id, updated_at },
    })
    await makeDue('2031-02-28T08:00:00Z')
    const payments = await paymentsOf(ada, schedule)
    assert.deepEqual(
      payments.map((each) => [each.amount, each.fee_payer, each.description, each.metadata.flat]),
      [
        ['10.00', 'receiver', 'Rent', '7'],
        ['12.50', 'sender', null, '7'],
      ],
    )
  })

  it('to what it says already stays as it is: nothing is told or written down', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const wish = { description: 'Rent', metadata: { flat: '7' }, count: 4, ends_at: '2032-01-01T00:00:00Z' }
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, wish))
    const same = { amount: '10.0', ...wish, fee_payer: 'receiver', retry_times: 0 }
    for (const who of [ada, operator]) {
      assert.deepEqual((await change(schedule, same, who)).body, schedule)
    }
    await noneHeldBack(gateway)
    const { body: events } = await operator.get(`/v1/admin/events?object_id=${schedule.id}`)
    assert.deepEqual(
      events.data.map(({ type }: { type: string }) => type),
      ['schedule.created'],
    )
    assert.deepEqual((await operator.get(`/v1/admin/audit?object_id=${schedule.id}`)).body.data, [])
  })

  it('falls due at another time next, and goes on from there', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, { count: 4 }))
    await makeDue('2031-01-31T08:00:00Z')
    const { body } = await change(schedule, { next_at: '2031-03-05T12:00:00Z' })
    assert.deepEqual([body.next_at, body.occurrences], ['2031-03-05T12:00:00.000000Z', 1])
    await makeDue('2032-01-01T00:00:00Z')
    const due = (await paymentsOf(ada, schedule)).map(({ scheduled_for }) => scheduled_for.slice(0, 13))
    assert.deepEqual(due, ['2031-01-31T08', '2031-03-05T12', '2031-04-05T12', '2031-05-05T12'])
  })

  it('tries what was declined at the new time, with the new amount, and counts its attempts on', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const wish = { amount: '150.00', retry_times: 2, retry_every_minutes: 60 }
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, wish))
    await makeDue('2031-01-31T08:00:00Z')
    const { body } = await change(schedule, { next_at: '2031-02-02T08:00:00Z', amount: '50.00' })
    assert.deepEqual([body.attempts, body.next_attempt_at], [1, '2031-02-02T08:00:00.000000Z'])
    await makeDue('2031-02-02T08:00:00Z')
    const payments = await paymentsOf(ada, schedule)
    assert.deepEqual(
      payments.map(({ status, amount }) => [status, amount]),
      [
        ['declined', '150.00'],
        ['completed', '50.00'],
      ],
    )
  })

  it('leaves out an attempt that is to come where fewer are wanted than were made, but not one that it moves', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const wish = { amount: '150.00', retry_times: 2, retry_every_minutes: 60 }
    const [schedule, moved, last] = await Promise.all([
      scheduled(ada, monthly(adaUsd, bobUsd, wish)),
      scheduled(ada, monthly(adaUsd, bobUsd, wish)),
      scheduled(ada, monthly(adaUsd, bobUsd, { ...wish, every: null })),
    ])
    await makeDue('2031-01-31T08:00:00Z')
    const { body: still } = await change(schedule, { retry_times: 1 })
    assert.deepEqual([still.attempts, still.next_attempt_at], [1, '2031-01-31T09:00:00.000000Z'])
    const { body: given } = await change(schedule, { retry_times: 0 })
    assert.deepEqual([given.attempts, given.occurrences, given.next_attempt_at], [0, 1, '2031-02-28T08:00:00.000000Z'])
    const { body: ended } = await change(last, { retry_times: 0 })
    assert.deepEqual([ended.status, ended.occurrences, ended.next_at], ['ended', 1, null])
    await change(moved, { retry_times: 0, next_at: '2031-02-01T08:00:00Z' })
    const { body: same } = await change(moved, { retry_times: 0 })
    assert.deepEqual([same.attempts, same.next_attempt_at], [1, '2031-02-01T08:00:00.000000Z'])
    await makeDue('2031-02-27T08:00:00Z')
    const made = await Promise.all([schedule, moved, last].map((each) => paymentsOf(ada, each)))
    assert.deepEqual(
      made.map(({ length }) => length),
      [1, 2, 1],
    )
  })

  it('leaves out an attempt that is to come where a later end brings on the next occurrence before it', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const wish = { amount: '150.00', every: 'day', count: 1, retry_times: 2, retry_every_minutes: 3 * 1_440 }
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, wish))
    await makeDue('2031-01-31T08:00:00Z')
    const { body: waiting } = await change(schedule, { description: 'Rent' })
    assert.deepEqual([waiting.attempts, waiting.next_attempt_at], [1, '2031-02-03T08:00:00.000000Z'])
    const { body } = await change(schedule, { count: 3, amount: '10.00' })
    assert.deepEqual([body.attempts, body.occurrences, body.next_attempt_at], [0, 1, '2031-02-01T08:00:00.000000Z'])
    await makeDue('2031-02-01T08:00:00Z')
    const due = (await paymentsOf(ada, schedule)).map(({ status, scheduled_for }) => [
      status,
      scheduled_for.slice(0, 10),
    ])
    assert.deepEqual(due, [
      ['declined', '2031-01-31'],
      ['completed', '2031-02-01'],
    ])
  })

  it('while it is paused goes on as it says when it is resumed, and passes by nothing', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, { amount: '150.00', every: null, retry_times: 1 }))
    await makeDue('2031-01-31T08:00:00Z')
    await ada.post(`/v1/schedules/${schedule.id}/pause`)
    const { body: paused } = await change(schedule, { next_at: '2031-05-01T08:00:00Z', amount: '5.00' })
    assert.deepEqual([paused.status, paused.next_at, paused.starts_at.slice(0, 10)], ['paused', null, '2031-05-01'])
    assert.equal((await ada.post(`/v1/schedules/${schedule.id}/resume`)).body.next_at, '2031-05-01T08:00:00.000000Z')
    await makeDue('2031-05-01T08:00:00Z')
    const statuses = (await paymentsOf(ada, schedule)).map(({ status, amount }) => [status, amount])
    assert.deepEqual(statuses, [
      ['declined', '150.00'],
      ['completed', '5.00'],
    ])
  })

  it('ends where its new end leaves nothing to come, and goes on where it lifts the end', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, { count: 2 }))
    await makeDue('2031-01-31T08:00:00Z')
    const open = await change(schedule, { count: null, ends_at: '2031-03-31T08:00:00Z' })
    assert.deepEqual([open.body.status, open.body.count], ['active', null])
    await makeDue('2031-02-28T08:00:00Z')
    const ended = await change(schedule, { ends_at: '2031-03-31T07:59:59Z' })
    assert.deepEqual([ended.body.status, ended.body.next_at, ended.body.occurrences], ['ended', null, 2])
    assertProblem(await change(schedule, { ends_at: null }), 'schedule_over')
    await makeDue('2031-12-31T00:00:00Z')
    assert.equal((await paymentsOf(ada, schedule)).length, 2)
  })

  it('is changed by its owner or an operator, which the audit log keeps, and by nobody else', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd))
    assertProblem(await change(schedule, { amount: '1.00' }, bob), 'not_found')
    assert.equal((await change(schedule, { amount: '3.00' }, operator)).body.amount, '3.00')
    // Texts are the owner's to have erased: of them the line says only that they were set.
    const texts = { description: 'for her flat', metadata: { note: 'in Prague' } }
    assert.equal((await change(schedule, { ends_at: null, ...texts }, operator)).status, 200)
    const { body } = await operator.get('/v1/admin/audit?limit=2')
    assert.deepEqual(
      body.data.map(({ action, object_id, detail }: any) => [action, object_id, detail]),
      [
        [
          ...['schedule.update', schedule.id],
          { ends_at: null, texts: ['description', 'metadata'], before: { ends_at: schedule.ends_at } },
        ],
        ['schedule.update', schedule.id, { amount: '3.00', before: { amount: schedule.amount } }],
      ],
    )
    for (const [field, code, wish] of [
      ['amount', 'invalid_amount', { amount: '0.00' }],
      ['amount', 'invalid_amount', { amount: '1.001' }],
      ['next_at', 'invalid_value', { next_at: '2020-01-01T00:00:00Z' }],
      ['next_at', 'invalid_value', { next_at: '2031-05-01T00:00:00Z', ends_at: '2031-04-30T00:00:00Z' }],
      ['ends_at', 'invalid_value', { ends_at: '2031-01-01T00:00:00Z' }],
      ['count', 'invalid_value', { count: 0 }],
      ['every', 'unknown_field', { every: 'day' }],
    ] as const) {
      const reply = await change(schedule, wish)
      assertProblem(reply, code)
      assert.equal(reply.body.errors[0].field, field)
    }
    assertProblem(await change(schedule, {}), 'invalid_value')
    const { body: now } = await ada.get(`/v1/schedules/${schedule.id}`)
    assert.deepEqual([now.amount, now.next_at, now.status], ['3.00', schedule.next_at, 'active'])
  })

  it('while its payment is made is changed before it or behind it', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd, { every: 'day', amount: '1.00', count: 6 }))
    for (let day = 1; day <= 5; day += 1) {
      const due = makeDue(`2031-02-0${day}T08:00:00Z`)
      await Promise.all([due, change(schedule, { amount: `${day}.00` }), change(schedule, { description: `${day}` })])
    }
    // Whoever makes payments passes by a schedule that is locked, and comes back.
    await makeDue('2031-02-05T08:00:00Z')
    const payments = await paymentsOf(ada, schedule)
    assert.equal(new Set(payments.map(({ scheduled_for }) => scheduled_for)).size, 6)
    const spent = payments.reduce((sum, { amount }) => sum + Number(amount), 0)
    assert.equal(Number(await ada.balance(adaUsd)), 100 - spent)
    assert.equal((await ada.get(`/v1/schedules/${schedule.id}`)).body.status, 'ended')
  })
})

describe('A schedule', () => {
  it('that is paused pays nothing; resumed, it goes on with what falls due next', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd))
    await makeDue('2031-01-31T08:00:00Z')
    const paused = await ada.post(`/v1/schedules/${schedule.id}/pause`)
    assert.deepEqual([paused.status, paused.body.status, paused.body.next_at], [200, 'paused', null])
    assert.equal((await ada.post(`/v1/schedules/${schedule.id}/pause`)).body.status, 'paused')
    await makeDue('2031-02-28T08:00:00Z')
    // As though March had come in the meantime.
    await rowsOf(
      gateway,
      `update schedules set starts_at = now() - interval '40 days', number = 0, every = 'month' where status = 'paused'`,
    )
    const { body } = await ada.post(`/v1/schedules/${schedule.id}/resume`)
    assert.deepEqual([body.status, body.occurrences], ['active', 2])
    assert.ok(Date.parse(body.next_at) > Date.now())
    assert.equal((await ada.post(`/v1/schedules/${schedule.id}/resume`)).body.occurrences, 2)
    assert.equal((await paymentsOf(ada, schedule)).length, 1)
  })

  it('whose end came while it was paused has ended when it is resumed or its end is changed: what was left out counts', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const [{ id }, changed] = await Promise.all([
      scheduled(ada, monthly(adaUsd, bobUsd, { every: 'day', count: 3 })),
      scheduled(ada, monthly(adaUsd, bobUsd, { every: 'day', count: 9 })),
    ])
    await Promise.all([id, changed.id].map((each) => ada.post(`/v1/schedules/${each}/pause`)))
    await rowsOf(
      gateway,
      `update schedules set starts_at = now() - interval '5 days' where status = 'paused' and count in (3, 9)`,
    )
    const { body: resumed } = await ada.post(`/v1/schedules/${id}/resume`)
    assert.deepEqual([resumed.status, resumed.occurrences], ['ended', 3])
    assertProblem(await ada.post(`/v1/schedules/${id}/resume`), 'schedule_over')
    const { body: shortened } = await ada.patch(`/v1/schedules/${changed.id}`, { count: 4 })
    assert.deepEqual([shortened.status, shortened.occurrences], ['ended', 4])
  })

  it('that is canceled is over', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const schedule = await scheduled(ada, monthly(adaUsd, bobUsd))
    assert.equal((await ada.post(`/v1/schedules/${schedule.id}/cancel`)).body.status, 'canceled')
    await makeDue('2032-01-01T00:00:00Z')
    assert.deepEqual(await paymentsOf(ada, schedule), [])
    for (const action of ['pause', 'resume', 'cancel']) {
      const reply = await ada.post(`/v1/schedules/${schedule.id}/${action}`)
      assertProblem(reply, 'schedule_over')
      assert.equal(reply.body.errors[0].detail, 'canceled')
    }
  })

  it('that many cancel at once is canceled by one, and the others are told that it is', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const { id } = await scheduled(ada, monthly(adaUsd, bobUsd))
    const answers = await Promise.all(Array.from({ length: 12 }, () => ada.post(`/v1/schedules/${id}/cancel`)))
    const refused = answers.filter(({ status }) => status !== 200)
    assert.equal(refused.length, 11)
    for (const reply of refused) {
      assertProblem(reply, 'schedule_over')
      assert.equal(reply.body.errors[0].detail, 'canceled')
    }
  })

  it('is its owner’s: the receiver and anybody else find nothing', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const { id } = await scheduled(ada, monthly(adaUsd, bobUsd))
    for (const other of [bob, await aUser(gateway)]) {
      assertProblem(await other.get(`/v1/schedules/${id}`), 'not_found')
      assertProblem(await other.post(`/v1/schedules/${id}/cancel`), 'not_found')
      assert.deepEqual((await other.get('/v1/schedules')).body.data, [])
    }
    assertProblem(await bob.post('/v1/schedules', monthly(adaUsd, bobUsd)), 'not_found')
    assertProblem(await gateway.anybody.post('/v1/schedules', monthly(adaUsd, bobUsd)), 'unauthenticated')
    const { body } = await ada.post('/v1/tokens', { name: 'reads', scopes: ['payments:read'] })
    const reader = { authorization: `Bearer ${body.token}` }
    assertProblem(await gateway.anybody.post('/v1/schedules', monthly(adaUsd, bobUsd), reader), 'forbidden')
    assertProblem(await gateway.anybody.post(`/v1/schedules/${id}/cancel`, undefined, reader), 'forbidden')
    assert.equal((await gateway.anybody.get(`/v1/schedules/${id}`, reader)).status, 200)
  })

  it('is for whoever has confirmed their address', async () => {
    const { adaUsd } = await twoAccounts()
    const email = anEmail()
    await gateway.anybody.post('/v1/signup', { email, password: PASSWORD, book: MAIN_BOOK })
    const eve = await loggedIn(gateway, email)
    assertProblem(await eve.post('/v1/schedules', monthly(await eve.account('USD'), adaUsd)), 'email_unconfirmed')
  })

  it('may be an operator’s doing, which the audit log keeps', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const { id, user_id } = await scheduled(operator, monthly(adaUsd, bobUsd))
    assert.equal((await ada.get(`/v1/schedules/${id}`)).body.user_id, user_id)
    await operator.post(`/v1/schedules/${id}/cancel`)
    const { body } = await operator.get('/v1/admin/audit?limit=2')
    assert.deepEqual(
      body.data.map(({ action, object_id }: any) => [action, object_id]),
      [
        ['schedule.cancel', id],
        ['schedule.create', id],
      ],
    )
    assert.equal((await operator.get(`/v1/admin/schedules?id=${id}`)).body.data[0].status, 'canceled')
  })

  it('with an idempotency key is made once and answered alike', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const key = { 'idempotency-key': 'rent' }
    const [first, again] = await Promise.all([1, 2].map(() => ada.post('/v1/schedules', monthly(adaUsd, bobUsd), key)))
    assert.deepEqual([first?.status, first?.body], [201, again?.body])
    assertProblem(
      await ada.post('/v1/schedules', monthly(adaUsd, bobUsd, { amount: '2.00' }), key),
      'idempotency_key_reused',
    )
    assert.equal((await ada.get(`/v1/schedules?from_account=${adaUsd}`)).body.data.length, 1)
  })

  it('is listed, filtered and sorted by each of its fields', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const rent = await scheduled(
      ada,
      monthly(adaUsd, bobUsd, { description: 'Rent', metadata: { flat: '7' }, count: 12 }),
    )
    const bread = await scheduled(
      ada,
      monthly(adaUsd, bobUsd, { amount: '1.00', every: 'week', interval: 2, retry_times: 1 }),
    )
    for (const field of Object.keys(rent).filter((name) => name !== 'metadata')) {
      const { status, body } = await ada.get(`/v1/schedules?from_account=${adaUsd}&sort=${field}`)
      assert.deepEqual([status, body.data.length], [200, 2], field)
      if (rent[field] === null) continue
      const same = await ada.get(`/v1/schedules?limit=200&${field}=${encodeURIComponent(rent[field])}`)
      assert.ok(
        same.body.data.some(({ id }: any) => id === rent.id),
        field,
      )
    }
    const found = async (query: string) =>
      (await ada.get(`/v1/schedules?from_account=${adaUsd}&${query}`)).body.data.map(({ id }: any) => id)
    assert.deepEqual(await found('metadata[flat]=7'), [rent.id])
    assert.deepEqual(await found('amount[lt]=10'), [bread.id])
    assert.deepEqual(await found('every=week&interval=2'), [bread.id])
    assert.deepEqual(await found('count[gte]=12'), [rent.id])
    assertProblem(await ada.get('/v1/schedules?every=year'), 'invalid_query')
    assertProblem(await ada.get('/v1/payments?schedule_id=x'), 'invalid_query')
  })

  it('with a mistake in it is refused by the name of the field', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    for (const [field, more] of [
      ['starts_at', { starts_at: '2020-01-01T00:00:00Z' }],
      ['starts_at', { starts_at: '2031-02-30T00:00:00Z' }],
      ['every', { every: 'year' }],
      ['interval', { interval: 0 }],
      ['interval', { interval: 1_001 }],
      ['time_zone', { time_zone: 'Europe/Atlantis' }],
      ['time_zone', { time_zone: '+02:00' }],
      ['ends_at', { ends_at: '2031-01-31T07:59:59Z' }],
      ['count', { count: 0 }],
      ['retry_times', { retry_times: -1 }],
      ['retry_every_minutes', { retry_every_minutes: 0 }],
      ['to_account', { to_account: adaUsd }],
      ['to_account', { to_account: await ada.account('EUR') }],
    ] as const) {
      const reply = await ada.post('/v1/schedules', monthly(adaUsd, bobUsd, more))
      assertProblem(reply, 'invalid_value')
      assert.equal(reply.body.errors[0].field, field)
    }
    assertProblem(await ada.post('/v1/schedules', monthly(adaUsd, bobUsd, { count: 1.5 })), 'invalid_type')
    assertProblem(await ada.post('/v1/schedules', monthly(adaUsd, bobUsd, { amount: '0.00' })), 'invalid_amount')
    assert.deepEqual((await ada.get(`/v1/schedules?from_account=${adaUsd}`)).body.data, [])
  })

  it('out of an account that is closed, or into one, is not made: closed is for good, and it could pay nothing', async () => {
    const { adaUsd, bobUsd } = await twoAccounts()
    const [adas, bobs] = await Promise.all([anAccount(ada), anAccount(bob)])
    const key = { 'idempotency-key': `rent-${bobs}` }
    const before = await ada.post('/v1/schedules', monthly(adaUsd, bobs), key)
    assert.equal(before.status, 201)
    await Promise.all([ada.post(`/v1/accounts/${adas}/close`), bob.post(`/v1/accounts/${bobs}/close`)])
    for (const [field, wish] of [
      ['from_account', monthly(adas, bobUsd)],
      ['to_account', monthly(adaUsd, bobs)],
    ] as const) {
      const reply = await ada.post('/v1/schedules', wish)
      assertProblem(reply, 'account_closed')
      assert.equal(reply.body.errors[0].field, field)
    }
    // What was answered before it was closed is answered as then.
    assert.deepEqual((await ada.post('/v1/schedules', monthly(adaUsd, bobs), key)).body, before.body)
  })
})

describe('The events of a schedule', () => {
  const TYPES = ['created', 'updated', 'missed', 'ended', 'canceled'].map((what) => `schedule.${what}`)

  /** Those of one schedule in their order, once there are so many. */
  async function told(user: TestUser, { id }: { id: string }, many: number): Promise<any[]> {
    return until(async () => {
      const { body } = await user.get(`/v1/events?object_id=${id}&sort=position`)
      return body.data.length >= many && body.data
    })
  }

  const typesOf = (events: readonly any[]) => events.map(({ type }) => type.replace('schedule.', ''))
  const behind = async (time: string, user: TestUser, schedule: { id: string }) => {
    await makeDue(time)
    return (await user.get(`/v1/schedules/${schedule.id}`)).body
  }

  it('tell its owner, and nobody else, what became of it, in order and as it was then', async () => {
    const [payer, payee] = await Promise.all([aUser(gateway), aUser(gateway)])
    const [from, to] = await Promise.all([anAccount(payer), anAccount(payee)])
    await fund(operator, from, '100.00')
    const [own, others] = await Promise.all([aReceiver(), aReceiver()])
    await payer.post('/v1/webhooks', { url: own.url, events: TYPES })
    await payee.post('/v1/webhooks', { url: others.url, events: [...TYPES, 'payment.declined'] })
    const wish = { amount: '150.00', count: 3, retry_times: 1, retry_every_minutes: 60, description: 'Rent' }
    const schedule = await scheduled(payer, monthly(from, to, wish))
    const path = `/v1/schedules/${schedule.id}`
    const was = [schedule]
    await makeDue('2031-01-31T08:00:00Z')
    was.push(await behind('2031-01-31T09:00:00Z', payer, schedule))
    was.push((await payer.patch(path, { amount: '10.00', next_at: '2031-03-05T12:00:00Z' })).body)
    for (const action of ['pause', 'pause', 'resume', 'resume']) {
      const { body } = await payer.post(`${path}/${action}`)
      if (was.at(-1).status !== body.status) was.push(body)
    }
    await makeDue('2031-03-05T12:00:00Z')
    was.push((await operator.patch(path, { retry_times: 0, fee_payer: 'sender' })).body)
    was.push(await behind('2031-04-05T12:00:00Z', payer, schedule))
    const events = await told(payer, schedule, was.length)
    const types = ['created', 'missed', 'updated', 'updated', 'updated', 'updated', 'ended']
    assert.deepEqual(typesOf(events), types)
    assert.deepEqual(
      events.map(({ data }) => data.object),
      was,
    )
    assert.equal(was[1].last_payment_id, (await paymentsOf(payer, schedule))[1].id)
    await until(async () => own.received.length >= types.length && others.received.length >= 2)
    assert.deepEqual(typesOf(own.received.map(({ body }) => body)), types)
    assert.deepEqual(
      own.received.map(({ body }) => body.data.object),
      was,
    )
    const shown = (await operator.get(`/v1/admin/events?object_id=${schedule.id}&sort=position`)).body.data
    assert.deepEqual(typesOf(shown), types)
    assert.deepEqual(await told(payee, schedule, 0), [])
    assert.ok(others.received.every(({ body }) => body.type === 'payment.declined'))
  })

  it('end with how it ended', async () => {
    const closing = await anAccount(bob)
    const { adaUsd, bobUsd } = await twoAccounts()
    const [canceled, cut, orphaned, poor] = await Promise.all([
      scheduled(ada, monthly(adaUsd, bobUsd)),
      scheduled(ada, monthly(adaUsd, bobUsd, { every: 'day' })),
      scheduled(ada, monthly(adaUsd, closing, { retry_times: 5 })),
      scheduled(ada, monthly(adaUsd, bobUsd, { every: null, amount: '150.00' })),
    ])
    await ada.post(`/v1/schedules/${canceled.id}/cancel`)
    await bob.post(`/v1/accounts/${closing}/close`)
    await makeDue('2031-01-31T08:00:00Z')
    await ada.patch(`/v1/schedules/${cut.id}`, { amount: '1.00', count: 1 })
    for (const [schedule, types] of [
      [canceled, ['created', 'canceled']],
      [cut, ['created', 'ended']],
      [orphaned, ['created', 'missed', 'ended']],
      [poor, ['created', 'missed', 'ended']],
    ] as const) {
      const { body } = await ada.get(`/v1/schedules/${schedule.id}`)
      const events = await told(ada, schedule, types.length)
      assert.deepEqual([typesOf(events), events.at(-1).data.object], [types, body])
    }
  })
})

describe('A gateway that is killed while it makes what fell due', () => {
  it('leaves each payment made or not made, and the next one makes the rest, once', async () => {
    const first = await aGateway()
    const payer = await aUser(first)
    const [adaUsd, bobUsd] = [await payer.account('USD'), await anAccount(payer)]
    await fund(await anOperator(first), adaUsd, '9900.00')
    await scheduled(payer, monthly(adaUsd, bobUsd, { amount: '1.00', every: 'day', count: 60 }))
    await first.stop()
    // Sixty schedules of sixty days, all of them past: 3 600 payments, sixty a batch.
    const columns = `user_id, from_account, to_account, currency, amount, fee_payer, metadata, every, interval, time_zone,
                     count, retry_times, retry_every_minutes, created_at, updated_at, book`
    await rowsOf(
      first,
      `insert into schedules (id, starts_at, due_at, attempt_at, ${columns})
                         select gen_random_uuid(), past, past, past, ${columns}
                           from schedules, (select now() - interval '70 days' as past) as beginning, generate_series(1, 60)`,
    )
    const settings = { DATABASE_URL: urlOf(first.database), BGW_DATA_DIR: await aFolder() }
    const made = async () => {
      const rows = await rowsOf(first, 'select count(*)::int as made from payments where schedule_id is not null')
      return rows[0].made as number
    }
    const killed = await aServer(settings)
    await until(async () => (await made()) >= 600)
    await killed.end('SIGKILL')
    const [last, other] = [await aServer(settings), await aServer(settings)]
    await cutGateways(first.database)
    await until(async () => (await made()) >= 3_600)
    await Promise.all([last.end('SIGTERM'), other.end('SIGTERM')])
    const doubled = `select schedule_id, scheduled_for from payments where schedule_id is not null group by 1, 2 having count(*) > 1`
    assert.deepEqual(await rowsOf(first, doubled), [])
    const wrong = `select s.id from schedules s where s.starts_at < now() and (s.status, s.number) <> ('ended', 60)`
    assert.deepEqual(await rowsOf(first, wrong), [])
    assert.equal(await made(), 3_600)
    const rows = await rowsOf(
      first,
      `select balance::text from accounts where id = (select from_account from schedules limit 1)`,
    )
    assert.equal(rows[0].balance, '640000')
    await assertBooksAreRight(first)
  })
})
