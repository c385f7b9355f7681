import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { divideHalfEven } from '../money/rounding.ts'
import { type Account, isTechnical, type UserAccount } from './account.ts'
import type { AccountId, Instant, PaymentId } from './id.ts'
import { diagram, isFinal, TRANSITIONS, transitionsOf } from './lifecycle.ts'
import { FEE_PAYERS, netAmount, type Order, PAYMENT_STATUSES, totalAmount } from './payment.ts'
import { type Context, post, release, settle } from './post.ts'
import { capturedFee, type Refundable, refundShares } from './shares.ts'
import type { Posting } from './tally.ts'

const account = (name: string) => name as AccountId
const NOW = 1_000_000n as Instant

describe('The life of a payment', () => {
  it('ends where nothing but a refund follows, and what is final stays final', () => {
    const finals = PAYMENT_STATUSES.filter(isFinal)
    assert.deepEqual(finals, ['completed', 'declined', 'canceled', 'failed', 'expired'])
    for (const status of finals) for (const { from, to } of TRANSITIONS) if (from === status) assert.equal(to, status)
  })

  it('reaches every status', () => {
    const reached = new Set(TRANSITIONS.map(({ to }) => to))
    assert.deepEqual(
      [...PAYMENT_STATUSES].filter((status) => !reached.has(status)),
      [],
    )
  })

  it('lets nothing happen to a declined, canceled, failed or expired payment', () => {
    for (const status of ['declined', 'canceled', 'failed', 'expired'] as const) {
      for (const { event } of TRANSITIONS) assert.deepEqual(transitionsOf(status, event), [])
    }
  })

  it('is drawn in the docs as it is', () => {
    const docs = readFileSync(join(import.meta.dirname, '../../docs/ledger.md'), 'utf8')
    assert.ok(docs.includes(diagram()), `docs/ledger.md does not have the diagram:\n${diagram()}`)
  })
})

/** Ada with so much, bob with nothing, internal and two accounts of the exchange. */
function bank(balance: bigint): Map<AccountId, Account> {
  const user = (name: string, has: bigint, currency = 'USD'): UserAccount => ({
    ...{
      id: account(name),
      currency,
      status: 'active',
      refuseIncoming: false,
      balance: has,
      held: 0n,
      overdraftLimit: 0n,
    },
  })
  const technical = (name: string, code: 'internal' | 'exchange', currency: string): Account => ({
    ...{ id: account(name), code, currency },
  })
  const all = [
    user('ada', balance),
    user('bob', 0n),
    user('eve', 0n, 'EUR'),
    technical('internal', 'internal', 'USD'),
    technical('exchange usd', 'exchange', 'USD'),
    technical('exchange eur', 'exchange', 'EUR'),
  ]
  return new Map(all.map((each) => [each.id, each]))
}

const someOrder = fc
  .record({
    amount: fc.bigInt(1n, 10_000n),
    share: fc.bigInt(0n, 500n),
    feePayer: fc.constantFrom(...FEE_PAYERS),
  })
  .map(({ amount, share, feePayer }): Order => {
    const [from, to, feeAccount] = [account('ada'), account('bob'), account('internal')]
    const fee = (amount * share) / 1_000n
    return { from, to, currency: 'USD', amount, fee, feePayer, feeAccount, terms: { type: 'hold' }, inClosed: false }
  })

/** The accounts behind what the core says has changed; a technical account's balance is kept beside them. */
function apply(
  accounts: Map<AccountId, Account>,
  technical: Map<AccountId, bigint>,
  { changed, deltas }: Pick<ReturnType<typeof post>, 'changed' | 'deltas'>,
): void {
  for (const [id, state] of changed) accounts.set(id, state)
  for (const [id, delta] of deltas) technical.set(id, (technical.get(id) ?? 0n) + delta)
}

const contextOf = (accounts: Map<AccountId, Account>, more: Partial<Context> = {}): Context => ({
  ...{ accounts, originals: new Map(), quotes: new Map(), closed: new Set(), at: NOW, ...more },
})

function user(accounts: Map<AccountId, Account>, name: string): UserAccount {
  const found = accounts.get(account(name))
  if (!found || isTechnical(found)) throw new Error(`${name} is no user's account`)
  return found
}

describe('A hold', () => {
  it('takes what the payment would out of what is available, and leaves the balance', () => {
    fc.assert(
      fc.property(someOrder, (order) => {
        const accounts = bank(20_000n)
        const result = post([order], contextOf(accounts))
        assert.deepEqual(result.outcomes, [{ status: 'pending' }])
        apply(accounts, new Map(), result)
        assert.deepEqual([user(accounts, 'ada').balance, user(accounts, 'ada').held], [20_000n, totalAmount(order)])
      }),
    )
  })

  it('is declined where the money is not there, and holds nothing', () => {
    fc.assert(
      fc.property(someOrder, (order) => {
        const result = post([order], contextOf(bank(totalAmount(order) - 1n)))
        assert.deepEqual(result.outcomes, [{ status: 'declined', reason: 'insufficient_funds' }])
        assert.equal(result.changed.size, 0)
      }),
    )
  })

  it('captured in part or whole moves that part with its share of the fee, and lets go of the rest', () => {
    fc.assert(
      fc.property(someOrder, fc.bigInt(1n, 10_000n), (order, wanted) => {
        const accounts = bank(totalAmount(order))
        const technical = new Map<AccountId, bigint>()
        apply(accounts, technical, post([order], contextOf(accounts)))
        const amount = wanted % order.amount === 0n ? order.amount : wanted % order.amount
        const result = settle(order, amount, accounts)
        assert.ok(result.ok)
        apply(accounts, technical, result)
        const captured = { ...order, amount, fee: result.fee }
        assert.equal(user(accounts, 'ada').held, 0n)
        assert.equal(user(accounts, 'ada').balance, totalAmount(order) - totalAmount(captured))
        assert.equal(user(accounts, 'bob').balance, netAmount(captured))
        assert.equal(technical.get(account('internal')) ?? 0n, result.fee)
        assert.ok(netAmount(captured) > 0n)
        if (amount === order.amount) assert.equal(result.fee, order.fee)
      }),
    )
  })

  it('let go leaves everything as it was', () => {
    fc.assert(
      fc.property(someOrder, (order) => {
        const before = bank(30_000n)
        const accounts = bank(30_000n)
        apply(accounts, new Map(), post([order], contextOf(accounts)))
        const { deltas, ...released } = release([order], accounts)
        apply(accounts, new Map(), { ...released, deltas })
        assert.deepEqual([accounts, deltas.size], [before, 0])
      }),
    )
  })

  it('is not captured out of a frozen account, or into a closed one or one that takes nothing in', () => {
    const order: Order = {
      ...{ from: account('ada'), to: account('bob'), currency: 'USD', amount: 100n, fee: 2n },
      ...{ feePayer: 'receiver', feeAccount: account('internal'), terms: { type: 'hold' }, inClosed: false },
    }
    // Where the money has moved outside already, its payer's freeze comes too late.
    for (const [name, status, refuseIncoming, reason, reasonOnceMoved] of [
      ['ada', 'frozen', false, 'account_frozen', undefined],
      ['bob', 'closed', false, 'account_closed', 'account_closed'],
      ['bob', 'frozen', true, 'account_frozen', 'account_frozen'],
      ['bob', 'frozen', false, undefined, undefined],
    ] as const) {
      const accounts = bank(1_000n)
      accounts.set(account('ada'), { ...user(accounts, 'ada'), held: 100n })
      accounts.set(account(name), { ...user(accounts, name), status, refuseIncoming })
      const reasons = [false, true].map((confirmed) => {
        const settled = settle(order, 100n, accounts, confirmed)
        return settled.ok ? undefined : settled.reason
      })
      assert.deepEqual(reasons, [reason, reasonOnceMoved], `${name} ${status}`)
    }
  })

  it('captured in part never comes to nothing but a fee', () => {
    assert.equal(capturedFee({ amount: 100n, fee: 99n, feePayer: 'receiver' }, 1n), 0n)
    assert.equal(capturedFee({ amount: 100n, fee: 99n, feePayer: 'sender' }, 1n), 1n)
  })
})

describe('A refund', () => {
  const unrefunded = { refunded: 0n, givenBack: 0n }

  /** Refunds a payment in parts until nothing is left; whatever is asked beyond that is declined. */
  function refundInParts(original: Refundable, accounts: Map<AccountId, Account>, parts: readonly bigint[]) {
    const technical = new Map<AccountId, bigint>()
    const of = 'payment' as PaymentId
    const [from, to] = [account(original.exchange ? 'eve' : 'bob'), account('ada')]
    let { refunded, givenBack } = original
    const postings: Posting[] = []
    for (const part of [...parts, original.amount]) {
      const left = original.amount - refunded
      const order: Order = {
        ...{ from, to, currency: 'USD', amount: part, fee: 0n, feePayer: original.feePayer },
        ...{ feeAccount: account('internal'), terms: { type: 'refund', of }, inClosed: true },
      }
      const last = { ...order, amount: left }
      const orders = part === original.amount && left > 0n ? [last, order] : [order]
      const originals = new Map([[of, { ...original, refunded, givenBack }]])
      const result = post(orders, contextOf(accounts, { originals }))
      for (const [index, { amount }] of orders.entries()) {
        const outcome = result.outcomes[index]
        const fits = amount <= original.amount - refunded
        assert.equal(outcome?.status, fits ? 'completed' : 'declined')
        if (outcome?.status === 'declined') assert.equal(outcome.reason, 'refund_exceeds_payment')
        if (outcome?.status !== 'completed') continue
        refunded += amount
        givenBack += outcome.shares?.exchanged ?? 0n
        postings.push(...outcome.postings)
        assert.ok(outcome.postings.every((posting) => posting.amount > 0n))
      }
      assert.equal(result.refunded.get(of) ?? refunded, refunded)
      apply(accounts, technical, result)
    }
    return { technical, refunded, postings }
  }

  it('in whatever parts leaves every account as it was, to the minor unit, and never goes beyond what was paid', () => {
    fc.assert(
      fc.property(someOrder, fc.array(fc.bigInt(1n, 3_000n), { maxLength: 12 }), (held, parts) => {
        const order: Order = { ...held, terms: { type: 'plain' } }
        const before = bank(totalAmount(order))
        const accounts = bank(totalAmount(order))
        const technical = new Map<AccountId, bigint>()
        apply(accounts, technical, post([order], contextOf(accounts)))
        const { amount, fee, feePayer } = order
        const back = refundInParts({ ...unrefunded, amount, fee, feePayer, exchange: null }, accounts, parts)
        assert.equal(back.refunded, amount)
        assert.deepEqual(accounts, before)
        const internal = account('internal')
        assert.equal((technical.get(internal) ?? 0n) + (back.technical.get(internal) ?? 0n), 0n)
      }),
    )
  })

  it('of a payment in another currency gives back what was received there, at the rate of then', () => {
    fc.assert(
      fc.property(
        someOrder,
        fc.bigInt(1n, 20_000n),
        fc.array(fc.bigInt(1n, 3_000n), { maxLength: 8 }),
        (held, toAmount, parts) => {
          const exchange = {
            ...{ outOf: account('exchange usd'), into: account('exchange eur'), toCurrency: 'EUR', toAmount },
          }
          const quote = 'quote' as never
          const order: Order = { ...held, to: account('eve'), terms: { type: 'exchange', quote, ...exchange } }
          const before = bank(totalAmount(order))
          const accounts = bank(totalAmount(order))
          const technical = new Map<AccountId, bigint>()
          const quotes = new Map([[quote, { expiresAt: (NOW + 1n) as Instant, used: false }]])
          const result = post([order], contextOf(accounts, { quotes }))
          assert.equal(result.outcomes[0]?.status, 'completed')
          apply(accounts, technical, result)
          assert.equal(user(accounts, 'eve').balance, toAmount)
          assert.equal(technical.get(exchange.outOf), netAmount(order))
          assert.equal(technical.get(exchange.into), -toAmount)
          const { amount, fee, feePayer } = order
          const back = refundInParts({ ...unrefunded, amount, fee, feePayer, exchange }, accounts, parts)
          assert.deepEqual(accounts, before)
          for (const [id, delta] of technical) assert.equal(delta + (back.technical.get(id) ?? 0n), 0n)
        },
      ),
    )
  })

  const forEve = (toAmount: bigint) => ({
    ...{ outOf: account('exchange usd'), into: account('exchange eur'), toCurrency: 'EUR', toAmount },
  })

  it('in parts never leaves its payer with more of the other currency than is left to be refunded', () => {
    fc.assert(
      fc.property(
        someOrder,
        fc.bigInt(1n, 20_000n),
        fc.array(fc.bigInt(1n, 3_000n), { maxLength: 8 }),
        ({ amount, fee, feePayer }, toAmount, parts) => {
          let [refunded, returned, exchanged] = [0n, 0n, 0n]
          for (const part of [...parts, amount]) {
            const goesBack = part < amount - refunded ? part : amount - refunded
            const original = { amount, fee, feePayer, refunded, givenBack: exchanged, exchange: forEve(toAmount) }
            const shares = refundShares(original, goesBack)
            refunded += goesBack
            returned += shares.fee
            exchanged += shares.exchanged
            assert.ok(shares.exchanged >= 0n && shares.fee >= 0n)
            // As the CHECK on payments has it: within what goes back, where it came out of that.
            assert.ok(feePayer === 'sender' || shares.fee <= goesBack)
            // Not a part of a unit too little, nor a whole one too much.
            const missing = toAmount * refunded - exchanged * amount
            assert.ok(missing <= 0n && missing > -amount, `${missing} of ${amount}`)
          }
          assert.deepEqual([refunded, returned, exchanged], [amount, fee, toAmount])
        },
      ),
    )
  })

  it('of what was refunded in parts of which too little was given back takes the rest too, and is exact in sum', () => {
    fc.assert(
      fc.property(
        fc.bigInt(1n, 10_000n),
        fc.bigInt(1n, 20_000n),
        fc.array(fc.bigInt(1n, 3_000n), { maxLength: 4 }),
        fc.array(fc.bigInt(1n, 3_000n), { maxLength: 4 }),
        (amount, toAmount, roundedHalfEven, parts) => {
          let refunded = 0n
          for (const part of roundedHalfEven) if (part < amount - refunded) refunded += part
          // In sum the parts of before came to this, each being the difference to what was refunded ahead of it.
          let givenBack = divideHalfEven(toAmount * refunded, amount)
          for (const part of [...parts, amount]) {
            const goesBack = part < amount - refunded ? part : amount - refunded
            if (goesBack === 0n) continue
            const original: Refundable = {
              ...{ amount, fee: 0n, feePayer: 'receiver', refunded, givenBack, exchange: forEve(toAmount) },
            }
            const { exchanged } = refundShares(original, goesBack)
            refunded += goesBack
            givenBack += exchanged
            assert.ok(exchanged >= 0n)
            const missing = toAmount * refunded - givenBack * amount
            assert.ok(missing <= 0n && missing > -amount, `${missing} of ${amount}`)
          }
          assert.deepEqual([refunded, givenBack], [amount, toAmount])
        },
      ),
    )
  })

  it('counts what the refunds before it gave back, those of its own batch too', () => {
    const original: Refundable = {
      ...{ amount: 17n, fee: 0n, feePayer: 'receiver', refunded: 8n, givenBack: 47n, exchange: forEve(100n) },
    }
    assert.deepEqual(refundShares(original, 9n), { fee: 0n, exchanged: 53n })
    const accounts = bank(0n)
    accounts.set(account('eve'), { ...user(accounts, 'eve'), balance: 53n })
    const of = 'payment' as PaymentId
    const part: Order = {
      ...{ from: account('eve'), to: account('ada'), currency: 'USD', amount: 1n, fee: 0n, feePayer: 'receiver' },
      ...{ feeAccount: account('internal'), terms: { type: 'refund', of }, inClosed: true },
    }
    const { outcomes } = post(
      [part, { ...part, amount: 8n }],
      contextOf(accounts, { originals: new Map([[of, original]]) }),
    )
    const given = outcomes.map((outcome) => outcome.status === 'completed' && outcome.shares?.exchanged)
    assert.deepEqual(given, [6n, 47n])
  })

  it('takes a unit that cannot be divided from its payer with the first part of it', () => {
    const original: Refundable = {
      ...{ amount: 17n, fee: 0n, feePayer: 'receiver', refunded: 0n, givenBack: 0n, exchange: forEve(1n) },
    }
    assert.deepEqual(refundShares(original, 8n), { fee: 0n, exchanged: 1n })
    assert.deepEqual(refundShares({ ...original, refunded: 8n, givenBack: 1n }, 9n), { fee: 0n, exchanged: 0n })
    assert.deepEqual(refundShares(original, 17n), { fee: 0n, exchanged: 1n })
    // Where more was given back already, nothing comes the other way.
    assert.deepEqual(refundShares({ ...original, refunded: 8n, givenBack: 2n }, 1n), { fee: 0n, exchanged: 0n })
  })

  it('is declined where its payer has not the money any more', () => {
    const accounts = bank(0n)
    const order: Order = {
      ...{ from: account('bob'), to: account('ada'), currency: 'USD', amount: 100n, fee: 0n, feePayer: 'receiver' },
      ...{ feeAccount: account('internal'), terms: { type: 'refund', of: 'payment' as PaymentId }, inClosed: true },
    }
    const original: Refundable = { ...unrefunded, amount: 100n, fee: 2n, feePayer: 'receiver', exchange: null }
    const originals = new Map([['payment' as PaymentId, original]])
    const { outcomes, refunded } = post([order], contextOf(accounts, { originals }))
    assert.deepEqual([outcomes, refunded.size], [[{ status: 'declined', reason: 'insufficient_funds' }], 0])
  })
})

describe('A quote', () => {
  const quote = 'quote' as never
  const order: Order = {
    ...{ from: account('ada'), to: account('eve'), currency: 'USD', amount: 100n, fee: 0n, feePayer: 'receiver' },
    feeAccount: account('internal'),
    inClosed: false,
    terms: {
      ...{ type: 'exchange', quote, outOf: account('exchange usd'), into: account('exchange eur') },
      ...{ toCurrency: 'EUR', toAmount: 92n },
    },
  }

  it('of a currency that was closed meanwhile is good for nothing', () => {
    for (const code of ['USD', 'EUR']) {
      const quotes = new Map([[quote, { used: false, expiresAt: (NOW + 1n) as Instant }]])
      const context = contextOf(bank(100n), { quotes, closed: new Set([code]) })
      const { outcomes, usedQuotes } = post([order], context)
      assert.deepEqual([outcomes, usedQuotes.size], [[{ status: 'declined', reason: 'currency_closed' }], 0])
    }
  })

  it('is good once', () => {
    const quotes = new Map([[quote, { expiresAt: (NOW + 1n) as Instant, used: false }]])
    const { outcomes, usedQuotes } = post([order, order], contextOf(bank(1_000n), { quotes }))
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'declined' ? outcome.reason : outcome.status)),
      ['completed', 'quote_expired'],
    )
    assert.deepEqual([...usedQuotes], [[quote, 0]])
  })

  it('is not used up by a payment that is declined', () => {
    const quotes = new Map([[quote, { expiresAt: (NOW + 1n) as Instant, used: false }]])
    const { outcomes, usedQuotes } = post([{ ...order, amount: 2_000n }, order], contextOf(bank(1_000n), { quotes }))
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['declined', 'completed'],
    )
    assert.deepEqual([...usedQuotes], [[quote, 1]])
  })

  for (const [when, state] of [
    ['its time is up', { expiresAt: NOW, used: false }],
    ['it was used', { expiresAt: (NOW + 1n) as Instant, used: true }],
  ] as const) {
    it(`is no good once ${when}`, () => {
      const { outcomes } = post([order], contextOf(bank(1_000n), { quotes: new Map([[quote, state]]) }))
      assert.deepEqual(outcomes, [{ status: 'declined', reason: 'quote_expired' }])
    })
  }
})
