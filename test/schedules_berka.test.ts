import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { type Bank, formatHalere, type Order, readBank } from '../examples/berka/files.ts'
import { sendLines } from '../examples/berka/lines.ts'
import { type Holder, ownersOf, ownKey, receiverKey, receiversOf } from '../examples/berka/users.ts'
import { parseInstant } from '../src/database/instant.ts'
import type { Instant } from '../src/ledger/id.ts'
import { METADATA, PAYMENT_JOINS } from '../src/payments/read.ts'
import { aGateway, anOperator, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertBooksAreRight, rowsOf } from './harness/paying.ts'

// The standing orders of a real bank (examples/berka), each as a monthly schedule, over a year: 77 652 payments.

const MONTHS = 12
const ORDERS = 6_471
/** The sum of all orders of a month, in haléře. */
const EVERYTHING = 2_122_899_360n
/** The last of each month, at nine in Prague: eight o’clock UTC in winter, seven in summer. */
const DUE = [
  ...['2031-01-31T08', '2031-02-28T08', '2031-03-31T07', '2031-04-30T07', '2031-05-31T07', '2031-06-30T07'],
  ...['2031-07-31T07', '2031-08-31T07', '2031-09-30T07', '2031-10-31T08', '2031-11-30T08', '2031-12-31T08'],
].map((hour) => `${hour}:00:00.000000Z`)

describe('The standing orders of a bank', () => {
  let gateway: TestGateway
  let operator: TestUser
  let bank: Bank
  before(async () => {
    gateway = await aGateway()
    operator = await anOperator(gateway)
    bank = await readBank(join(import.meta.dirname, '../examples/berka/data'))
    const year = Array.from({ length: MONTHS }, () => bank.orders).flat()
    const ids = await imported([...ownersOf({ ...bank, orders: year }), ...receiversOf(bank.orders)])
    await inTurns(bank.orders, 16, (order) => scheduleOf(order, ids))
  })

  /** Opens the accounts, funded for a year; gives their ids. */
  async function imported(holders: readonly Holder[]): Promise<Map<string, string>> {
    const ids = new Map<string, string>()
    const target = { url: gateway.url, token: operator.token ?? '' }
    const users = holders.map(({ user }) => user)
    let index = 0
    for await (const { status, accounts = [] } of sendLines(target, 'importUsers', users)) {
      assert.equal(status, 201)
      for (const { id, name } of accounts) ids.set(holders[index]?.keyOf(name) ?? '', id)
      index += 1
    }
    return ids
  }

  async function scheduleOf(
    { id, account, bank: to, receiver, amount }: Order,
    ids: Map<string, string>,
  ): Promise<void> {
    const { status } = await operator.post('/v1/schedules', {
      ...{ from_account: ids.get(ownKey(account)), to_account: ids.get(receiverKey(to, receiver)) },
      ...{ amount: formatHalere(amount), metadata: { order: id } },
      ...{ starts_at: DUE[0], every: 'month', time_zone: 'Europe/Prague', count: MONTHS },
    })
    assert.equal(status, 201)
  }

  it('are paid each month of a year, every one of them once, to the haléř', async () => {
    // Five months as they come, and seven that nobody looked.
    for (const due of [...DUE.slice(0, 5), DUE[11]]) {
      await gateway.inside.scheduler.makeDue(parseInstant(due ?? '') as Instant)
    }
    const months = await rowsOf(
      gateway,
      `select to_char(p.scheduled_for, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due, p.status, count(*)::int as payments,
              count(distinct ${METADATA} ->> 'order')::int as orders, sum(p.amount)::text as amount
         from payments p ${PAYMENT_JOINS}
        where p.schedule_id is not null group by p.scheduled_for, p.status order by p.scheduled_for`,
    )
    const each = { status: 'completed', payments: ORDERS, orders: ORDERS, amount: String(EVERYTHING) }
    assert.deepEqual(
      months,
      DUE.map((due) => ({ due, ...each })),
    )
    const total = months.reduce((sum, { amount }) => sum + BigInt(amount), 0n)
    assert.equal(total, 12n * EVERYTHING)
  })

  it('then have ended, and leave each account what it had beside them', async () => {
    const states = `select status, number, count(*)::int as schedules from schedules group by 1, 2`
    assert.deepEqual(await rowsOf(gateway, states), [{ status: 'ended', number: MONTHS, schedules: ORDERS }])
    const left = await rowsOf(
      gateway,
      `select a.balance::text as balance, count(*)::int as accounts
         from accounts a join users u on u.book = a.book and u.id = a.user_id
        where decrypted(u.book, u.id, u.email) like 'client-%' and a.currency = 'CZK' group by 1`,
    )
    assert.deepEqual(left, [{ balance: '100000', accounts: 4_500 }])
  })

  it('took the fee of each payment, and gave the rest to the banks', async () => {
    const fee = ({ amount }: Order) => {
      const [whole, rest] = [amount / 50n, amount % 50n]
      return rest > 25n || (rest === 25n && whole % 2n === 1n) ? whole + 1n : whole
    }
    const fees = bank.orders.reduce((sum, order) => sum + fee(order), 0n) * BigInt(MONTHS)
    const [sums] = await rowsOf(
      gateway,
      `select sum(p.amount) filter (where p.kind = 'fee')::text as fees, sum(p.amount) filter (where p.kind = 'transfer')::text as net
         from postings p where p.kind in ('fee', 'transfer')`,
    )
    assert.deepEqual(sums, { fees: String(fees), net: String(12n * EVERYTHING - fees) })
  })

  it('leave books that keep every law', () => assertBooksAreRight(gateway))
})

/** Does something to each, so many at a time. */
async function inTurns<T>(all: readonly T[], most: number, work: (one: T) => Promise<void>): Promise<void> {
  const rest = all.values()
  const worker = async () => {
    for (const one of rest) await work(one)
  }
  await Promise.all(Array.from({ length: most }, worker))
}
