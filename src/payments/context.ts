import type { AccountFacts } from '../accounts/directory.ts'
import { type Queryable, together } from '../database/connection.ts'
import type { AccountId, BookId, Instant, PaymentId, QuoteId } from '../ledger/id.ts'
import type { Exchange, FeePayer, Order, PaymentKind, Terms } from '../ledger/payment.ts'
import { PLAIN } from '../ledger/payment.ts'
import type { Context, QuoteState } from '../ledger/post.ts'
import type { Refundable } from '../ledger/shares.ts'
import { type Locked, lockAccounts } from './movements.ts'
import type { PaymentRequest, PricedRequest, RequestedExchange, RequestTerms } from './payment.ts'

// What requests are posted against: accounts, payments to be refunded and quotes, locked in this order by whoever posts.

/** Locks and reads all that the requests of one book name (ledger.md, Posting, step 1). */
export async function lockContext(
  client: Queryable,
  book: BookId,
  requests: readonly PaymentRequest[],
): Promise<Context & Locked> {
  const refunds = new Map<PaymentId, RequestedExchange | null>()
  const quoteIds = new Set<QuoteId>()
  for (const { terms } of requests) {
    if (terms.type === 'refund') refunds.set(terms.of, terms.exchange)
    if (terms.type === 'exchange') quoteIds.add(terms.quote)
  }
  const queueing = refunds.size > 0 ? queueForRefunds(client, [...refunds.keys()]) : Promise.resolve()
  const locking = lockAccounts(client, book, factsOf(requests))
  const lockingOriginals = refunds.size > 0 ? lockOriginals(client, book, refunds) : NO_ORIGINALS
  const lockingQuotes = quoteIds.size > 0 ? lockQuotes(client, book, [...quoteIds]) : NO_QUOTES
  await together([queueing, locking, lockingOriginals, lockingQuotes])
  return { ...(await locking), originals: await lockingOriginals, quotes: await lockingQuotes }
}

/** The first half of the advisory locks that order refunds. */
const REFUNDS = 0x7265_6675
const QUEUES = 64

/**
 * Lets the refunds of one payment take their turns before they have a transaction number: a row lock would let one with
 * a smaller number wait for one with a greater, and their events are told in the order of these numbers.
 */
async function queueForRefunds(client: Queryable, originals: readonly PaymentId[]): Promise<void> {
  const queues = new Set(originals.map((id) => Number.parseInt(id.slice(-4), 16) % QUEUES))
  await client.query({
    name: 'queue-for-refunds',
    text: `select pg_advisory_xact_lock(${REFUNDS}, queue) from unnest($1::int[]) as queue`,
    values: [[...queues].sort((one, other) => one - other)],
  })
}

const NO_ORIGINALS: Promise<Context['originals']> = Promise.resolve(new Map())
const NO_QUOTES: Promise<Context['quotes']> = Promise.resolve(new Map())

/** Every account that the requests name, technical ones too. */
function factsOf(requests: readonly PaymentRequest[]): Map<AccountId, AccountFacts> {
  const facts = new Map<AccountId, AccountFacts>()
  for (const { from, to, feeAccount, terms } of requests) {
    facts.set(from.id, from)
    facts.set(to.id, to)
    facts.set(feeAccount.id, feeAccount)
    if (!('exchange' in terms) || !terms.exchange) continue
    facts.set(terms.exchange.outOf.id, terms.exchange.outOf)
    facts.set(terms.exchange.into.id, terms.exchange.into)
  }
  return facts
}

/** A request as the posting core sees it. */
export function toOrder(request: PricedRequest): Order {
  const { kind, from, to, currency, amount, fee, feePayer, feeAccount, terms } = request
  return {
    from: from.id,
    to: to.id,
    currency: currency.code,
    amount,
    fee,
    feePayer,
    feeAccount: feeAccount.id,
    terms: toTerms(terms),
    // Money that moved outside already is booked, whether it was asked for or not.
    inClosed: POSTS_IN_CLOSED[kind] || (kind === 'deposit' && terms.type === 'plain'),
  }
}

/** What is still done in a closed currency: money gets out of it, and back to whom it came from. */
const POSTS_IN_CLOSED: Readonly<Record<PaymentKind, boolean>> = {
  transfer: false,
  deposit: false,
  conversion: false,
  bonus: false,
  withdrawal: true,
  refund: true,
  adjustment: true,
}

function toTerms(terms: RequestTerms): Terms {
  switch (terms.type) {
    case 'plain':
    case 'scheduled':
      return PLAIN
    case 'hold':
    case 'rail':
      return HOLD
    case 'exchange':
      return { type: 'exchange', quote: terms.quote, ...toExchange(terms.exchange) }
    case 'refund':
      return { type: 'refund', of: terms.of }
  }
}

const HOLD: Terms = { type: 'hold' }

function toExchange({ outOf, into, toAmount }: RequestedExchange): Exchange {
  return { outOf: outOf.id, into: into.id, toCurrency: into.currency.code, toAmount }
}

type OriginalRow = {
  id: PaymentId
  amount: bigint
  fee: bigint
  fee_payer: FeePayer
  refunded_amount: bigint
  exchange_amount: bigint | null
}

/** Only completed payments can be refunded; another one is not found, which is a fault of the caller. */
async function lockOriginals(
  client: Queryable,
  book: BookId,
  refunds: ReadonlyMap<PaymentId, RequestedExchange | null>,
): Promise<Map<PaymentId, Refundable>> {
  const locking = client.query<OriginalRow>({
    name: 'lock-originals',
    text: `
      select p.id, p.amount, p.fee, p.fee_payer, p.refunded_amount, p.exchange_amount
        from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
        join payments p on p.book = wanted.book and p.id = wanted.id
       where p.status = 'completed'
       order by p.id
         for no key update of p`,
    values: [book, [...refunds.keys()]],
  })
  const exchanged = [...refunds].flatMap(([id, exchange]) => (exchange ? [id] : []))
  const reading = exchanged.length > 0 ? readGivenBack(client, book, exchanged) : NOTHING_GIVEN_BACK
  await together([locking, reading])
  const [{ rows }, givenBack] = [await locking, await reading]
  return new Map(
    rows.map((row) => {
      const requested = refunds.get(row.id)
      const exchange = requested && { ...toExchange(requested), toAmount: row.exchange_amount ?? 0n }
      const { amount, fee, fee_payer: feePayer, refunded_amount: refunded } = row
      return [
        row.id,
        { amount, fee, feePayer, refunded, givenBack: givenBack.get(row.id) ?? 0n, exchange: exchange ?? null },
      ]
    }),
  )
}

const NOTHING_GIVEN_BACK: Promise<ReadonlyMap<PaymentId, bigint>> = Promise.resolve(new Map())

/**
 * What the refunds of each have given back in the other currency. A statement of its own, behind the one that locks the
 * originals, so that it sees what was committed while that waited. Index: payments_by_original.
 */
async function readGivenBack(
  client: Queryable,
  book: BookId,
  originals: readonly PaymentId[],
): Promise<ReadonlyMap<PaymentId, bigint>> {
  const { rows } = await client.query<{ id: PaymentId; given_back: bigint }>({
    name: 'read-given-back',
    text: `
      select r.refund_of as id, sum(r.exchange_amount) as given_back
        from payments r
       where r.book = $1 and r.refund_of = any($2::uuid[]) and r.status = 'completed'
       group by r.refund_of`,
    values: [book, originals],
  })
  return new Map(rows.map(({ id, given_back: givenBack }) => [id, givenBack]))
}

async function lockQuotes(client: Queryable, book: BookId, ids: readonly QuoteId[]): Promise<Map<QuoteId, QuoteState>> {
  const { rows } = await client.query<{ id: QuoteId; expires_at: Instant; used: boolean }>({
    name: 'lock-quotes',
    text: `
      select q.id, (extract(epoch from q.expires_at) * 1000000)::bigint as expires_at, q.used_by is not null as used
        from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
        join quotes q on q.book = wanted.book and q.id = wanted.id
       order by q.id
         for no key update of q`,
    values: [book, ids],
  })
  return new Map(rows.map(({ id, expires_at: expiresAt, used }) => [id, { expiresAt, used }]))
}
