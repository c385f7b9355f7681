import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Account, available, isTechnical, type UserAccount } from './account.ts'
import type { AccountId, Instant } from './id.ts'
import { type DeclineReason, netAmount, type Order, PLAIN } from './payment.ts'
import { type Context, MAX_BALANCE, type Posted, post } from './post.ts'

const id = (name: string) => name as AccountId

/** A user's account in USD with so many cents, unless said otherwise. */
function anAccount(name: string, balance: bigint, more: Partial<UserAccount> = {}): UserAccount {
  return {
    id: id(name),
    currency: 'USD',
    status: 'active',
    refuseIncoming: false,
    balance,
    held: 0n,
    overdraftLimit: 0n,
    ...more,
  }
}

const internal: Account = { id: id('internal'), currency: 'USD', code: 'internal' }

/** An order of ada to pay bob ten dollars, of which twenty cents are the fee. */
function anOrder(more: Partial<Order> = {}): Order {
  return {
    from: id('ada'),
    to: id('bob'),
    currency: 'USD',
    amount: 1_000n,
    fee: 20n,
    feePayer: 'receiver',
    feeAccount: id('internal'),
    terms: PLAIN,
    inClosed: false,
    ...more,
  }
}

function against(accounts: readonly Account[]): Context {
  const at = 1_000_000n as Instant
  const byId = new Map([internal, ...accounts].map((account) => [account.id, account]))
  return { accounts: byId, originals: new Map(), quotes: new Map(), closed: new Set(['OLD']), at }
}

function posted(orders: readonly Order[], accounts: readonly Account[]): Posted {
  return post(orders, against(accounts))
}

const balancesOf = ({ changed }: Posted) => [...changed.values()].map((account) => [account.id, account.balance])

function reasonOf(order: Order, accounts: readonly Account[]): DeclineReason | undefined {
  const [outcome] = posted([order], accounts).outcomes
  return outcome?.status === 'declined' ? outcome.reason : undefined
}

describe('post', () => {
  it('takes the amount from the sender, the fee for internal, and gives the rest to the receiver', () => {
    const result = posted([anOrder()], [anAccount('ada', 1_000n), anAccount('bob', 0n)])
    assert.deepEqual(result.outcomes, [
      {
        status: 'completed',
        shares: null,
        postings: [
          {
            kind: 'fee',
            debit: 'internal',
            credit: 'ada',
            currency: 'USD',
            amount: 20n,
            debitBalance: null,
            creditBalance: 980n,
          },
          {
            kind: 'main',
            debit: 'bob',
            credit: 'ada',
            currency: 'USD',
            amount: 980n,
            debitBalance: 980n,
            creditBalance: 0n,
          },
        ],
      },
    ])
    assert.deepEqual(balancesOf(result), [
      ['ada', 0n],
      ['bob', 980n],
    ])
    assert.deepEqual([...result.deltas], [['internal', 20n]])
  })

  it('takes the fee on top where the sender pays it', () => {
    const result = posted([anOrder({ feePayer: 'sender' })], [anAccount('ada', 1_020n), anAccount('bob', 0n)])
    assert.deepEqual(balancesOf(result), [
      ['ada', 0n],
      ['bob', 1_000n],
    ])
  })

  it('makes no posting of a fee of zero', () => {
    const { outcomes } = posted([anOrder({ fee: 0n })], [anAccount('ada', 1_000n), anAccount('bob', 0n)])
    assert.equal(outcomes[0]?.status === 'completed' && outcomes[0].postings.length, 1)
  })

  it('lets each payment of a batch see the ones before it', () => {
    const orders = [anOrder({ fee: 0n }), anOrder({ from: id('bob'), to: id('cid'), fee: 0n }), anOrder({ fee: 0n })]
    const { outcomes } = posted(orders, [anAccount('ada', 1_000n), anAccount('bob', 0n), anAccount('cid', 0n)])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['completed', 'completed', 'declined'],
    )
  })

  it('lets a technical account go below zero, and an account down to its overdraft limit', () => {
    assert.equal(reasonOf(anOrder({ from: id('internal'), fee: 0n }), [anAccount('bob', 0n)]), undefined)
    const limited = anAccount('ada', 0n, { overdraftLimit: 1_000n })
    assert.equal(reasonOf(anOrder(), [limited, anAccount('bob', 0n)]), undefined)
    assert.equal(reasonOf(anOrder({ amount: 1_001n }), [limited, anAccount('bob', 0n)]), 'insufficient_funds')
  })

  it('does not let held money be spent', () => {
    assert.equal(
      reasonOf(anOrder(), [anAccount('ada', 1_500n, { held: 501n }), anAccount('bob', 0n)]),
      'insufficient_funds',
    )
    assert.equal(reasonOf(anOrder(), [anAccount('ada', 1_500n, { held: 500n }), anAccount('bob', 0n)]), undefined)
  })

  const rich = (more?: Partial<UserAccount>) => anAccount('ada', 10_000n, more)
  const bob = (more?: Partial<UserAccount>) => anAccount('bob', 0n, more)
  const refusals: readonly [string, Order, readonly Account[], DeclineReason][] = [
    ['an account pays itself', anOrder({ to: id('ada') }), [rich({ status: 'closed' })], 'same_account'],
    ['the sender is closed', anOrder(), [rich({ status: 'closed', currency: 'EUR' }), bob()], 'account_closed'],
    [
      'the receiver is closed, though the sender is frozen',
      anOrder(),
      [rich({ status: 'frozen' }), bob({ status: 'closed' })],
      'account_closed',
    ],
    [
      'the sender is frozen, though the currencies differ',
      anOrder(),
      [rich({ status: 'frozen' }), bob({ currency: 'EUR' })],
      'account_frozen',
    ],
    [
      'the receiver has another currency, though money lacks',
      anOrder(),
      [anAccount('ada', 0n), bob({ currency: 'EUR' })],
      'currency_mismatch',
    ],
    [
      'the currency is closed, though the receiver has another one',
      anOrder({ currency: 'OLD' }),
      [rich({ currency: 'OLD' }), bob()],
      'currency_closed',
    ],
    [
      'the currency is closed and the sender frozen',
      anOrder({ currency: 'OLD' }),
      [rich({ currency: 'OLD', status: 'frozen' }), bob({ currency: 'OLD' })],
      'account_frozen',
    ],
    [
      'the receiver would hold more than can be counted',
      anOrder(),
      [anAccount('ada', 0n), bob({ balance: MAX_BALANCE })],
      'limit_exceeded',
    ],
    ['money lacks by a cent', anOrder(), [anAccount('ada', 999n), bob()], 'insufficient_funds'],
    [
      'money lacks for a fee on top',
      anOrder({ feePayer: 'sender' }),
      [anAccount('ada', 1_019n), bob()],
      'insufficient_funds',
    ],
  ]
  for (const [when, order, accounts, reason] of refusals) {
    it(`declines with ${reason} where ${when}`, () => assert.equal(reasonOf(order, accounts), reason))
  }

  it('posts in a closed currency what pays out of it', () => {
    const purses = [rich({ currency: 'OLD' }), bob({ currency: 'OLD' })]
    const order = anOrder({ currency: 'OLD', fee: 0n })
    assert.equal(reasonOf(order, purses), 'currency_closed')
    assert.equal(reasonOf({ ...order, inClosed: true }, purses), undefined)
  })

  it('pays into a frozen account, unless that is to take nothing in', () => {
    assert.equal(reasonOf(anOrder(), [rich(), bob({ status: 'frozen' })]), undefined)
    assert.equal(reasonOf(anOrder(), [rich(), bob({ status: 'frozen', refuseIncoming: true })]), 'account_frozen')
  })

  describe('lets an account hold as much as can be counted, and not a unit more', () => {
    const exchange = { outOf: id('exchange usd'), into: id('exchange eur'), toCurrency: 'EUR', toAmount: 920n }
    const quote = 'quote' as never
    const original = {
      amount: 1_000n,
      fee: 20n,
      feePayer: 'receiver',
      refunded: 0n,
      givenBack: 0n,
      exchange: null,
    } as const
    const of = 'payment' as never
    const context: Context = {
      ...against([
        rich(),
        { id: exchange.outOf, currency: 'USD', code: 'exchange' },
        { id: exchange.into, currency: 'EUR', code: 'exchange' },
      ]),
      quotes: new Map([[quote, { expiresAt: 2_000_000n as Instant, used: false }]]),
      originals: new Map([[of, original]]),
    }
    const cases: readonly [string, Order, bigint][] = [
      ['of what arrives of a payment', anOrder({ from: id('ada'), to: id('bob') }), 980n],
      [
        'in its own currency, of what was exchanged',
        anOrder({ to: id('eve'), fee: 0n, terms: { type: 'exchange', quote, ...exchange } }),
        920n,
      ],
      [
        'of a refund with the fee that comes back',
        anOrder({ to: id('bob'), fee: 0n, terms: { type: 'refund', of } }),
        1_000n,
      ],
    ]
    for (const [what, order, gains] of cases) {
      it(what, () => {
        const outcomes = [0n, 1n].map((more) => {
          const currency = order.terms.type === 'exchange' ? 'EUR' : 'USD'
          const full = anAccount(order.to, MAX_BALANCE - gains + more, { currency })
          const accounts = new Map([...context.accounts, [full.id, full]])
          return post([order], { ...context, accounts }).outcomes[0]
        })
        assert.equal(outcomes[0]?.status, 'completed')
        assert.deepEqual(outcomes[1], { status: 'declined', reason: 'limit_exceeded' })
      })
    }
  })

  it('refuses to work with an account that was not loaded', () => {
    assert.throws(() => posted([anOrder()], [anAccount('ada', 1_000n)]), /bob, which was not loaded/)
  })

  it('refuses to let an account pay a fee to itself', () => {
    assert.throws(() => posted([anOrder({ from: id('internal') })], [bob()]), /no fee to itself/)
  })

  it('keeps every law of the ledger and agrees with an obvious model, whatever the batch', () => {
    fc.assert(
      fc.property(someAccounts, fc.array(someOrder, { maxLength: 40 }), (accounts, orders) => {
        const before = new Map(accounts.map((account) => [account.id, account]))
        const model = createModel(accounts)
        // After every step: each prefix of the batch keeps the laws and is what the model says.
        for (let length = 0; length <= orders.length; length += 1) {
          const batch = orders.slice(0, length)
          const last = batch.at(-1)
          if (last) model.pay(last)
          const result = post(batch, against(accounts))
          assertLaws(before, batch, result)
          assert.deepEqual(finalBalances(before, result), model.balances())
          assert.deepEqual(
            result.outcomes.map(({ status }) => status),
            model.statuses(),
          )
        }
      }),
      { numRuns: 300 },
    )
  })
})

const NAMES = ['ada', 'bob', 'cid', 'dan', 'internal', 'wire']

const someAccounts: fc.Arbitrary<Account[]> = fc.tuple(
  ...['ada', 'bob', 'cid', 'dan'].map((name) =>
    fc
      .record({
        currency: fc.constantFrom('USD', 'USD', 'USD', 'EUR'),
        status: fc.constantFrom(
          'active' as const,
          'active' as const,
          'active' as const,
          'frozen' as const,
          'closed' as const,
        ),
        free: fc.bigInt(0n, 3_000n),
        held: fc.bigInt(0n, 500n),
        overdraftLimit: fc.constantFrom(0n, 0n, 700n),
      })
      .map(({ free, held, ...more }): Account => anAccount(name, free + held, { held, ...more })),
  ),
  fc.constant(internal),
  fc.constant<Account>({ id: id('wire'), currency: 'USD', code: 'wire' }),
)

const someOrder: fc.Arbitrary<Order> = fc
  .record({
    from: fc.constantFrom(...NAMES.map(id)),
    to: fc.constantFrom(...NAMES.map(id)),
    currency: fc.constantFrom('USD', 'USD', 'USD', 'EUR'),
    amount: fc.bigInt(1n, 2_000n),
    share: fc.bigInt(0n, 50n),
    feePayer: fc.constantFrom('sender' as const, 'receiver' as const),
  })
  .map(({ share, ...order }) => ({
    ...order,
    fee: order.from === 'internal' ? 0n : (order.amount * share) / 100n,
    feeAccount: id('internal'),
    terms: PLAIN,
    inClosed: false,
  }))

/** The dumbest bank that could be right: one payment at a time, in a list of who has what. */
function createModel(accounts: readonly Account[]) {
  const has = new Map<string, bigint>(
    accounts.map((account) => [account.id, isTechnical(account) ? 0n : account.balance]),
  )
  const statuses: string[] = []
  const find = (name: string) => accounts.find((account) => account.id === name) as Account
  const isClosed = (account: Account) => !isTechnical(account) && account.status === 'closed'
  const pay = (order: Order) => {
    const [from, to] = [find(order.from), find(order.to)]
    const loss = order.feePayer === 'sender' ? order.amount + order.fee : order.amount
    const allowed =
      from !== to &&
      !isClosed(from) &&
      !isClosed(to) &&
      (isTechnical(from) || from.status !== 'frozen') &&
      from.currency === order.currency &&
      to.currency === order.currency &&
      (isTechnical(from) || (has.get(from.id) ?? 0n) - from.held + from.overdraftLimit >= loss)
    statuses.push(allowed ? 'completed' : 'declined')
    if (!allowed) return
    has.set(from.id, (has.get(from.id) ?? 0n) - loss)
    has.set(to.id, (has.get(to.id) ?? 0n) + loss - order.fee)
    has.set('internal', (has.get('internal') ?? 0n) + order.fee)
  }
  return { pay, balances: () => Object.fromEntries(has), statuses: () => statuses }
}

function finalBalances(before: ReadonlyMap<AccountId, Account>, { changed, deltas }: Posted) {
  return Object.fromEntries(
    [...before.values()].map((account) => [
      account.id,
      isTechnical(account) ? (deltas.get(account.id) ?? 0n) : (changed.get(account.id) ?? account).balance,
    ]),
  )
}

function assertLaws(before: ReadonlyMap<AccountId, Account>, orders: readonly Order[], result: Posted): void {
  const running = new Map<AccountId, bigint>()
  for (const account of before.values()) running.set(account.id, isTechnical(account) ? 0n : account.balance)
  const total = () => [...running.values()].reduce((sum, balance) => sum + balance, 0n)
  const opening = total()
  for (const [index, outcome] of result.outcomes.entries()) {
    if (outcome.status !== 'completed') continue
    const order = orders[index] as Order
    const sum = (kind: string) =>
      outcome.postings.filter((posting) => posting.kind === kind).reduce((all, { amount }) => all + amount, 0n)
    // Law 3.
    assert.deepEqual([sum('main'), sum('fee')], [netAmount(order), order.fee])
    for (const { debit, credit, amount, debitBalance, creditBalance } of outcome.postings) {
      assert.ok(amount > 0n && debit !== credit)
      running.set(credit, (running.get(credit) ?? 0n) - amount)
      running.set(debit, (running.get(debit) ?? 0n) + amount)
      // Law 2: a running balance is the sum of what was posted; a technical account has none.
      for (const [name, balance] of [
        [credit, creditBalance],
        [debit, debitBalance],
      ] as const) {
        const account = before.get(name) as Account
        assert.equal(balance, isTechnical(account) ? null : running.get(name))
        // Law 4.
        if (!isTechnical(account) && name === credit) {
          assert.ok(available({ ...account, balance: running.get(name) ?? 0n }) >= 0n)
        }
      }
    }
  }
  // Laws 1 and 2.
  assert.equal(total(), opening)
  assert.deepEqual(Object.fromEntries(running), finalBalances(before, result))
}
