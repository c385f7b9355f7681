import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { AccountFacts } from '../accounts/directory.ts'
import type { AccountId, BookId, Instant, QuoteId, UserId } from '../ledger/id.ts'
import { netAmount } from '../ledger/payment.ts'
import { MAX_UNITS } from '../money/amount.ts'
import type { Percent } from '../money/percent.ts'
import { priceOf, type Tariff } from '../money/tariff.ts'
import { NO_LIMITS } from '../rules/payment_limits.ts'
import type { Rules } from '../rules/rules.ts'
import { priceRequest, priceRequests } from './fees.ts'
import { type PaymentRequest, PLAIN } from './payment.ts'

const USD = { code: 'USD', digits: 2 }
const TWO = 2_000_000n as Percent

function anAccount(name: string, owner: string | null): AccountFacts {
  const userId = owner as UserId | null
  return { id: name as AccountId, book: 1 as BookId, userId, code: owner ? null : 'wire', currency: USD, label: name }
}

/** What ada asks to pay bob, of which the fee is not known yet. */
function aRequest(more: Partial<PaymentRequest> = {}): PaymentRequest {
  return {
    book: 1 as BookId,
    kind: 'transfer',
    from: anAccount('ada', 'ada'),
    to: anAccount('bob', 'bob'),
    currency: USD,
    amount: 1_000n,
    fee: null,
    feePayer: 'receiver',
    feeAccount: anAccount('internal', null),
    terms: PLAIN,
    description: null,
    metadata: {},
    madeBy: null,
    key: null,
    audit: null,
    ...more,
  }
}

type Scheduled = readonly [what: string, since: bigint, tariff: Tariff | null]

/** Rules with these schedules; the setting is two per cent. */
function rulesWith(...scheduled: readonly Scheduled[]): Rules {
  const schedules = new Map<string, { since: Instant; tariff: Tariff | null }[]>()
  const newestFirst = [...scheduled].sort(([, one], [, other]) => (one < other ? 1 : -1))
  for (const [what, since, tariff] of newestFirst) {
    schedules.set(what, [...(schedules.get(what) ?? []), { since: since as Instant, tariff }])
  }
  return { transferPercent: TWO, schedules, limits: NO_LIMITS }
}

const fixed = (units: bigint): Tariff => ({
  ...{ tiers: [{ from: 0n, percent: 0n as Percent, fixed: units }], minimum: 0n, maximum: null },
})

const feeAt = (at: bigint, rules: Rules, more: Partial<PaymentRequest> = {}) =>
  priceRequest(aRequest(more), rules, at as Instant).fee

describe('the fee of a payment', () => {
  const rules = rulesWith(
    ['transfer USD ', 10n, fixed(30n)],
    ['transfer USD ', 20n, fixed(40n)],
    ['transfer USD ', 30n, null],
    ['transfer EUR ', 0n, fixed(99n)],
    ['deposit USD wire', 0n, fixed(5n)],
  )

  it('is by the schedule that is valid at its moment, and by the settings where there is none', () => {
    const fees = [9n, 10n, 19n, 20n, 29n, 30n, 1_000n].map((at) => feeAt(at, rules))
    assert.deepEqual(fees, [20n, 30n, 30n, 40n, 40n, 20n, 20n])
  })

  it('is by the schedule of its kind, currency and rail', () => {
    const rail = (name: string) => ({ terms: { type: 'rail', rail: name, instruct: null } }) as const
    const deposit = { kind: 'deposit', from: anAccount('wire', null) } as const
    assert.equal(feeAt(50n, rules, { ...deposit, ...rail('wire') }), 5n)
    assert.equal(feeAt(50n, rules, { ...deposit, ...rail('wallet') }), 0n)
    assert.equal(feeAt(50n, rules, { kind: 'withdrawal', ...rail('wire') }), 0n)
    for (const kind of ['conversion', 'bonus', 'adjustment'] as const) assert.equal(feeAt(15n, rules, { kind }), 0n)
  })

  it('is nothing between two accounts of one user, whatever a schedule says', () => {
    assert.equal(feeAt(15n, rules, { to: anAccount('savings', 'ada') }), 0n)
  })

  it('stays as it came where it came with the request', () => {
    const known = aRequest({ fee: 7n })
    assert.equal(priceRequests([known], rules, 15n as Instant)[0], known)
  })

  const tariff = fc
    .record({
      percent: fc.bigInt(0n, 100_000_000n),
      fixed: fc.bigInt(0n, 5_000n),
      minimum: fc.bigInt(0n, 5_000n),
      room: fc.option(fc.bigInt(0n, 5_000n)),
    })
    .map(
      ({ percent, fixed: beside, minimum, room }): Tariff => ({
        tiers: [{ from: 0n, percent: percent as Percent, fixed: beside }],
        minimum,
        maximum: room === null ? null : minimum + room,
      }),
    )
  const amounts = fc.oneof(fc.bigInt(1n, 10_000n), fc.bigInt(1n, MAX_UNITS))

  it('leaves something to the receiver where it is inside the amount, and is the price in full where it is on top', () => {
    fc.assert(
      fc.property(tariff, amounts, fc.constantFrom('sender', 'receiver'), (any, amount, feePayer) => {
        const fee = feeAt(1n, rulesWith(['transfer USD ', 0n, any]), { amount, feePayer })
        const price = priceOf(any, amount)
        const most = amount - 1n
        assert.ok(fee >= 0n)
        assert.equal(fee, feePayer === 'receiver' && price > most ? most : price)
      }),
    )
  })

  it('leaves so much that something arrives in the other currency of a quote, and no less than it must', () => {
    const facts = anAccount('exchange', null)
    const exchange = (toAmount: bigint) => ({ rate: '1', outOf: facts, into: facts, toAmount })
    fc.assert(
      fc.property(tariff, amounts, amounts, (any, amount, whole) => {
        const terms = { type: 'exchange', quote: 'quote' as QuoteId, exchange: exchange(whole) } as const
        const priced = priceRequest(aRequest({ amount, terms }), rulesWith(['transfer USD ', 0n, any]), 1n as Instant)
        const arrives = priced.terms.type === 'exchange' && priced.terms.exchange.toAmount
        assert.ok(arrives !== false && arrives > 0n && arrives <= whole && netAmount(priced) > 0n)
        const onTop = feeAt(1n, rulesWith(['transfer USD ', 0n, any]), { amount, feePayer: 'sender' })
        // One unit less would have come to nothing: at most a half is rounded to it.
        if (priced.fee < onTop) assert.ok(2n * whole * (netAmount(priced) - 1n) <= amount)
      }),
    )
  })
})
