import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Account } from './account.ts'
import type { AccountId, Instant } from './id.ts'
import type { Meter, MeterId } from './meters.ts'
import { type Order, PLAIN } from './payment.ts'
import { post } from './post.ts'

const ACCOUNTS = ['ada', 'savings', 'bob'] as const
type Name = (typeof ACCOUNTS)[number]

const id = (name: string) => name as AccountId
const meterId = (name: string) => name as MeterId

const accounts = new Map<AccountId, Account>([
  [id('internal'), { id: id('internal'), currency: 'USD', code: 'internal' }],
  ...ACCOUNTS.map((name): [AccountId, Account] => [
    id(name),
    {
      id: id(name),
      currency: 'USD',
      status: 'active',
      refuseIncoming: false,
      balance: 1_000n,
      held: 0n,
      overdraftLimit: 0n,
    },
  ]),
])

type Asked = { readonly from: Name; readonly to: Name; readonly amount: bigint; readonly held: boolean }

/** Ada's two accounts count together, and each alone. */
function metersOf(from: Name): MeterId[] {
  return ['each', from, ...(from === 'bob' ? [] : ['of ada'])].map(meterId)
}

function toOrder({ from, to, amount, held }: Asked): Order {
  return {
    ...{
      from: id(from),
      to: id(to),
      currency: 'USD',
      amount,
      fee: 0n,
      feePayer: 'receiver',
      feeAccount: id('internal'),
    },
    inClosed: false,
    terms: held ? { type: 'hold' } : PLAIN,
    meters: metersOf(from),
  }
}

const asked: fc.Arbitrary<Asked> = fc.record({
  from: fc.constantFrom(...ACCOUNTS),
  to: fc.constantFrom(...ACCOUNTS),
  amount: fc.bigInt(1n, 400n),
  held: fc.boolean(),
})

const cap = fc.record({ count: fc.option(fc.bigInt(0n, 6n)), sum: fc.option(fc.bigInt(0n, 1_500n)) })
const meter = (adds: boolean): fc.Arbitrary<Meter> =>
  fc.record({ cap, used: fc.record({ count: fc.bigInt(0n, 3n), sum: fc.bigInt(0n, 500n) }), adds: fc.constant(adds) })
const meters = fc
  .record({ each: meter(false), ada: meter(true), savings: meter(true), bob: meter(true), 'of ada': meter(true) })
  .map((all) => new Map(Object.entries(all).map(([name, one]) => [meterId(name), one])))

const at = 0n as Instant
const postedAgainst = (orders: readonly Order[], limits: ReadonlyMap<MeterId, Meter>) =>
  post(orders, { accounts, originals: new Map(), quotes: new Map(), closed: new Set(), at, meters: limits }).outcomes

/** Whether the payments of these would still be within a limit, by adding all of them up. */
function isWithin(limit: Meter, amounts: readonly bigint[]): boolean {
  const { cap: most, used, adds } = limit
  if (!adds) return amounts.every((amount) => most.sum === null || amount <= most.sum)
  const sum = amounts.reduce((one, other) => one + other, used.sum)
  const count = used.count + BigInt(amounts.length)
  return (most.count === null || count <= most.count) && (most.sum === null || sum <= most.sum)
}

describe('limits', () => {
  it('decline exactly the orders that would go beyond one of them, and what is declined uses none up', () => {
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 20 }), meters, (batch, limits) => {
        // A limit on the number of single payments means nothing; the database refuses it.
        const each = limits.get(meterId('each'))
        if (each) limits.set(meterId('each'), { ...each, cap: { ...each.cap, count: null } })
        const outcomes = postedAgainst(batch.map(toOrder), limits)
        const counted = new Map<MeterId, bigint[]>()
        for (const [index, { from, amount }] of batch.entries()) {
          const outcome = outcomes[index] ?? assert.fail()
          const fits = metersOf(from).every((name) =>
            isWithin(limits.get(name) ?? assert.fail(), [...(counted.get(name) ?? []), amount]),
          )
          if (outcome.status === 'declined') {
            if (outcome.reason === 'limit_exceeded') assert.ok(!fits)
            else assert.ok(fits || outcome.reason === 'same_account')
            continue
          }
          assert.ok(fits)
          for (const name of metersOf(from)) counted.set(name, [...(counted.get(name) ?? []), amount])
        }
      }),
    )
  })

  it('that are not exceeded change nothing', () => {
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 20 }), (batch) => {
        const orders = batch.map(toOrder)
        const unmetered = orders.map(({ meters: _, ...order }): Order => order)
        const wide = { cap: { count: null, sum: null }, used: { count: 5n, sum: 5n }, adds: true }
        const limits = new Map(['each', 'of ada', ...ACCOUNTS].map((name) => [meterId(name), wide]))
        assert.deepEqual(postedAgainst(orders, limits), postedAgainst(unmetered, new Map()))
      }),
    )
  })

  it('are said before a lack of money, and behind all else', () => {
    const none = new Map([
      [meterId('ada'), { cap: { count: 0n, sum: null }, used: { count: 0n, sum: 0n }, adds: true }],
    ])
    const order = { ...toOrder({ from: 'ada', to: 'bob', amount: 5_000n, held: false }), meters: [meterId('ada')] }
    const reasonOf = (more: Partial<Order>) => {
      const [outcome] = postedAgainst([{ ...order, ...more }], none)
      return outcome?.status === 'declined' && outcome.reason
    }
    assert.equal(reasonOf({}), 'limit_exceeded')
    assert.equal(reasonOf({ to: id('ada') }), 'same_account')
    assert.equal(reasonOf({ currency: 'EUR' }), 'currency_mismatch')
  })

  it('that the batch names and nobody loaded are a fault', () => {
    const order = toOrder({ from: 'ada', to: 'bob', amount: 1n, held: false })
    assert.throws(() => postedAgainst([order], new Map()), /not loaded/)
  })
})
