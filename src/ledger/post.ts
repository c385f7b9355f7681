import type { Account } from './account.ts'
import { available, isTechnical } from './account.ts'
import type { AccountId, Instant, PaymentId, QuoteId } from './id.ts'
import { createMeters, type Meter, type MeterId } from './meters.ts'
import { type DeclineReason, type Exchange, netAmount, type Order, totalAmount } from './payment.ts'
import { capturedFee, type Refundable, type RefundShares, refundShares } from './shares.ts'
import { createTally, type Posting, type Tally } from './tally.ts'

/** What posting an order came to. A refusal is an answer, not an exception. */
export type Outcome =
  | { readonly status: 'completed'; readonly postings: readonly Posting[]; readonly shares: RefundShares | null }
  | { readonly status: 'pending' }
  | { readonly status: 'declined'; readonly reason: DeclineReason }

/** A quote as the posting core sees it. */
export type QuoteState = { readonly expiresAt: Instant; readonly used: boolean }

/** What a batch is posted against, as it stands under the locks of its transaction. */
export type Context = {
  /** Every account that an order names. */
  readonly accounts: ReadonlyMap<AccountId, Account>
  /** The payments that are to be refunded. */
  readonly originals: ReadonlyMap<PaymentId, Refundable>
  readonly quotes: ReadonlyMap<QuoteId, QuoteState>
  /** The currencies of the book that are closed. */
  readonly closed: ReadonlySet<string>
  /** What orders name that count against limits. */
  readonly meters?: ReadonlyMap<MeterId, Meter>
  readonly at: Instant
}

/** What a batch came to: outcomes in the order of the batch, and what to write to what it touched. */
export type Posted = ReturnType<Tally['changes']> & {
  readonly outcomes: readonly Outcome[]
  /** How much is refunded now of each payment that refunds were posted for. */
  readonly refunded: ReadonlyMap<PaymentId, bigint>
  /** The quotes that were used up, each with the position of the order that did. */
  readonly usedQuotes: ReadonlyMap<QuoteId, number>
}

/** No account can come to hold more: with it every sum that the database forms fits `numeric(38,0)`. */
export const MAX_BALANCE = 10n ** 36n

/**
 * The heart of the program: posts a batch of orders, in order, each seeing the ones before it. Pure. What an order
 * names and `context` does not have is a fault of the caller and throws, as does a fee that an account would pay to
 * itself. Amounts in minor units.
 */
export function post(orders: readonly Order[], context: Context): Posted {
  const tally = createTally(context.accounts)
  const limits = createMeters(context.meters)
  const refunded = new Map<PaymentId, bigint>()
  const givenBack = new Map<PaymentId, bigint>()
  const usedQuotes = new Map<QuoteId, number>()

  function originalOf(id: PaymentId): Refundable {
    const original = context.originals.get(id)
    if (!original) throw new Error(`the batch refunds payment ${id}, which was not loaded`)
    return {
      ...original,
      refunded: refunded.get(id) ?? original.refunded,
      givenBack: givenBack.get(id) ?? original.givenBack,
    }
  }

  function quoteIsGood(id: QuoteId): boolean {
    const quote = context.quotes.get(id)
    if (!quote) throw new Error(`the batch uses quote ${id}, which was not loaded`)
    return !quote.used && !usedQuotes.has(id) && context.at < quote.expiresAt
  }

  function namesClosed({ currency }: Order, exchange: Exchange | null): boolean {
    return context.closed.has(currency) || (exchange !== null && context.closed.has(exchange.toCurrency))
  }

  function postRefund(order: Order, of: PaymentId): Outcome {
    const original = originalOf(of)
    const fits = order.amount <= original.amount - original.refunded
    const shares = fits ? refundShares(original, order.amount) : { fee: 0n, exchanged: 0n }
    const priced = { ...order, fee: shares.fee }
    const { exchange } = original
    const loses = exchange ? shares.exchanged : netAmount(priced)
    const reason = refuse(tally, order, {
      fromCurrency: exchange?.toCurrency ?? order.currency,
      toCurrency: order.currency,
      closed: false,
      own: fits ? undefined : 'refund_exceeds_payment',
      within: true,
      loses,
      gains: netAmount(priced) + shares.fee,
    })
    if (reason) return { status: 'declined', reason }
    // From here the refund must post.
    refunded.set(of, original.refunded + order.amount)
    givenBack.set(of, original.givenBack + shares.exchanged)
    return { status: 'completed', postings: movedBack(tally, priced, exchange, shares), shares }
  }

  function postOrder(order: Order, index: number): Outcome {
    const { terms } = order
    if (order.fee > 0n && order.from === order.feeAccount) throw new Error('an account pays no fee to itself')
    if (terms.type === 'refund') return postRefund(order, terms.of)
    const exchange = terms.type === 'exchange' ? terms : null
    const reason = refuse(tally, order, {
      fromCurrency: order.currency,
      toCurrency: exchange?.toCurrency ?? order.currency,
      closed: !order.inClosed && namesClosed(order, exchange),
      own: terms.type === 'exchange' && !quoteIsGood(terms.quote) ? 'quote_expired' : undefined,
      within: limits.allow(order),
      loses: totalAmount(order),
      gains: exchange?.toAmount ?? netAmount(order),
    })
    if (reason) return { status: 'declined', reason }
    // From here the payment must post, or be held.
    limits.count(order)
    if (terms.type === 'hold') {
      tally.hold(order.from, totalAmount(order))
      return { status: 'pending' }
    }
    if (terms.type === 'exchange') usedQuotes.set(terms.quote, index)
    return { status: 'completed', postings: moved(tally, order, exchange), shares: null }
  }

  const outcomes = orders.map(postOrder)
  return { outcomes, refunded, usedQuotes, ...tally.changes() }
}

/** What settling a pending payment came to. A refusal leaves it pending. */
export type Settled =
  | ({ readonly ok: true; readonly fee: bigint; readonly postings: readonly Posting[] } & ReturnType<Tally['changes']>)
  | { readonly ok: false; readonly reason: 'account_closed' | 'account_frozen' }

/**
 * Posts a pending payment: `amount` of what is held for it (a deposit, for which nothing is held, may come to more), and
 * lets go of all that is held. `order` is the payment as it was authorized. `confirmed`: the money has moved outside, so
 * a frozen payer is no reason against it; a receiver that takes nothing in is. Pure; amounts in minor units.
 */
export function settle(
  order: Order,
  amount: bigint,
  accounts: ReadonlyMap<AccountId, Account>,
  confirmed = false,
): Settled {
  const tally = createTally(accounts)
  const refusal = refuseByStatus(tally, order, confirmed)
  if (refusal) return { ok: false, reason: refusal }
  const fee = capturedFee(order, amount)
  tally.hold(order.from, -totalAmount(order))
  const postings = moved(tally, { ...order, amount, fee }, null)
  return { ok: true, fee, postings, ...tally.changes() }
}

/** Lets go of what is held for pending payments that come to nothing. */
export function release(
  orders: readonly Order[],
  accounts: ReadonlyMap<AccountId, Account>,
): ReturnType<Tally['changes']> {
  const tally = createTally(accounts)
  for (const order of orders) tally.hold(order.from, -totalAmount(order))
  return tally.changes()
}

/** The postings of a payment. The fee first, so that the balance behind the main posting is the balance behind the payment. */
function moved(tally: Tally, order: Order, exchange: Exchange | null): Posting[] {
  const { from, to, fee, feeAccount, currency } = order
  const postings: Posting[] = []
  if (fee > 0n) postings.push(tally.move('fee', from, feeAccount, currency, fee))
  if (!exchange) return [...postings, tally.move('main', from, to, currency, netAmount(order))]
  postings.push(tally.move('main', from, exchange.outOf, currency, netAmount(order)))
  postings.push(tally.move('main', exchange.into, to, exchange.toCurrency, exchange.toAmount))
  return postings
}

/** The postings of a refund: the original's the other way round, as far as it goes. A part may come to nothing. */
function movedBack(tally: Tally, order: Order, exchange: Exchange | null, shares: RefundShares): Posting[] {
  const { from, to, fee, feeAccount, currency } = order
  const postings: Posting[] = []
  const back = (kind: Posting['kind'], credit: AccountId, debit: AccountId, unit: string, amount: bigint) => {
    if (amount > 0n) postings.push(tally.move(kind, credit, debit, unit, amount))
  }
  if (exchange) back('main', from, exchange.into, exchange.toCurrency, shares.exchanged)
  back('main', exchange?.outOf ?? from, to, currency, netAmount(order))
  back('fee', feeAccount, to, currency, fee)
  return postings
}

type Asked = {
  readonly fromCurrency: string
  readonly toCurrency: string
  /** Whether it would post in a closed currency and may not. */
  readonly closed: boolean
  /** What its own terms have against it. */
  readonly own: DeclineReason | undefined
  /** Whether it is within the limits that it counts against. */
  readonly within: boolean
  readonly loses: bigint
  readonly gains: bigint
}

/** The first reason of ledger.md's list that holds against an order, or undefined where it may post. */
function refuse(tally: Tally, order: Order, asked: Asked): DeclineReason | undefined {
  if (order.from === order.to) return 'same_account'
  const byStatus = refuseByStatus(tally, order)
  if (byStatus) return byStatus
  if (asked.closed) return 'currency_closed'
  const from = tally.current(order.from)
  const to = tally.current(order.to)
  if (from.currency !== asked.fromCurrency || to.currency !== asked.toCurrency) return 'currency_mismatch'
  if (asked.own) return asked.own
  if (!asked.within || (!isTechnical(to) && to.balance + asked.gains > MAX_BALANCE)) return 'limit_exceeded'
  if (!isTechnical(from) && available(from) < asked.loses) return 'insufficient_funds'
  return undefined
}

function refuseByStatus(
  tally: Tally,
  { from, to }: Order,
  hasLeft = false,
): 'account_closed' | 'account_frozen' | undefined {
  const [payer, payee] = [tally.current(from), tally.current(to)]
  if (hasStatus(payer, 'closed') || hasStatus(payee, 'closed')) return 'account_closed'
  if (hasStatus(payer, 'frozen') && !hasLeft) return 'account_frozen'
  return hasStatus(payee, 'frozen') && refusesIncoming(payee) ? 'account_frozen' : undefined
}

function refusesIncoming(account: Account): boolean {
  return !isTechnical(account) && account.refuseIncoming
}

function hasStatus(account: Account, status: 'closed' | 'frozen'): boolean {
  return !isTechnical(account) && account.status === status
}
