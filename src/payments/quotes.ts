import { idsAt, readClock } from '../database/clock.ts'
import type { Client, Queryable } from '../database/connection.ts'
import { formatInstant, parseInstant } from '../database/instant.ts'
import type { BookId, Instant, PaymentId, QuoteId, UserId } from '../ledger/id.ts'
import { MAX_UNITS } from '../money/amount.ts'
import type { Currency } from '../money/currency.ts'
import type { Percent } from '../money/percent.ts'
import { formatRate, given, lessSpread, neededFor } from '../money/rate.ts'
import { readRate } from '../rates/rates.ts'

/** What a quote promises, and what it is made from. */
export type QuoteTerms = {
  /** What the house keeps of the rate. */
  readonly spread: Percent
  /** How long a quote holds. */
  readonly seconds: number
  /** Rates that are valid since longer than that many days are not quoted; 0 for no limit. */
  readonly maxRateAgeDays: number
}

/** So much of one currency for so much of another, to one user, for a while and once. Minor units of each currency. */
export type Quote = {
  readonly id: QuoteId
  readonly userId: UserId
  readonly from: Currency
  readonly to: Currency
  readonly fromAmount: bigint
  readonly toAmount: bigint
  /** As shown: the mid rate less the spread. The amounts are what counts. */
  readonly rate: string
  readonly midRate: string
  readonly source: string
  readonly validFrom: string
  readonly expiresAt: string
  /** The payment that used it. */
  readonly usedBy: PaymentId | null
  readonly createdAt: string
}

export type QuoteWish = {
  readonly book: BookId
  readonly userId: UserId
  readonly from: Currency
  readonly to: Currency
} & ({ readonly fromAmount: bigint } | { readonly toAmount: bigint })

export type Quoted =
  | { readonly ok: true; readonly quote: Quote }
  /** No rate is known, or only one that is too old; or one amount comes to zero, or to more than 10^30 minor units. */
  | { readonly ok: false; readonly refusal: 'no_rate' | 'comes_to_nothing' | 'too_much' }

/** Makes a quote by the rate of now, in the caller's transaction. The currencies differ, the amount is positive. */
export async function createQuote(client: Client, terms: QuoteTerms, wish: QuoteWish): Promise<Quoted> {
  const { book, userId, from, to } = wish
  const now = await readClock(client)
  const current = await readRate(client, book, from.code, to.code, now)
  if (!current || isTooOld(current.validFrom, now, terms.maxRateAgeDays)) return { ok: false, refusal: 'no_rate' }
  const customers = lessSpread(current.rate, terms.spread)
  const rates = [customers, current.rate, from, to] as const
  const amounts =
    'fromAmount' in wish
      ? { fromAmount: wish.fromAmount, toAmount: given(wish.fromAmount, ...rates) }
      : { fromAmount: neededFor(wish.toAmount, ...rates), toAmount: wish.toAmount }
  if (amounts.toAmount === 0n) return { ok: false, refusal: 'comes_to_nothing' }
  if (amounts.fromAmount > MAX_UNITS || amounts.toAmount > MAX_UNITS) return { ok: false, refusal: 'too_much' }
  const quote: Quote = {
    id: idsAt(now)<'quote'>(),
    userId,
    from,
    to,
    ...amounts,
    rate: formatRate(customers),
    midRate: formatRate(current.rate),
    source: current.source,
    validFrom: current.validFrom,
    expiresAt: formatInstant((now + BigInt(terms.seconds) * 1_000_000n) as Instant),
    usedBy: null,
    createdAt: formatInstant(now),
  }
  await insertQuote(client, book, quote)
  return { ok: true, quote }
}

const MICROSECONDS_A_DAY = 86_400_000_000n

function isTooOld(validFrom: string, now: Instant, maxDays: number): boolean {
  const since = parseInstant(validFrom)
  return maxDays > 0 && since !== undefined && now - since > BigInt(maxDays) * MICROSECONDS_A_DAY
}

async function insertQuote(client: Client, book: BookId, quote: Quote): Promise<void> {
  await client.query(
    `insert into quotes (book, id, user_id, from_currency, to_currency, from_amount, to_amount, rate, mid_rate, source,
                         valid_from, expires_at, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      book,
      quote.id,
      quote.userId,
      quote.from.code,
      quote.to.code,
      quote.fromAmount,
      quote.toAmount,
      quote.rate,
      quote.midRate,
      quote.source,
      quote.validFrom,
      quote.expiresAt,
      quote.createdAt,
    ],
  )
}

export type QuoteRow = {
  id: QuoteId
  user_id: UserId
  from_currency: string
  from_digits: number
  to_currency: string
  to_digits: number
  from_amount: bigint
  to_amount: bigint
  rate: string
  mid_rate: string
  source: string
  valid_from: string
  expires_at: string
  used_by: PaymentId | null
  created_at: string
}

/** The columns of a QuoteRow, over QUOTE_JOINS. */
export const QUOTE_COLUMNS = `
  q.id, q.user_id, q.from_currency, f.digits as from_digits, q.to_currency, t.digits as to_digits, q.from_amount,
  q.to_amount, q.rate, q.mid_rate, q.source, q.valid_from, q.expires_at, q.used_by, q.created_at`
export const QUOTE_JOINS = `
  join currencies f on f.book = q.book and f.code = q.from_currency
  join currencies t on t.book = q.book and t.code = q.to_currency`

/** A quote as it stands, whoever's it is; undefined where the book has none of that id. */
export async function readQuote(client: Queryable, book: BookId, id: QuoteId): Promise<Quote | undefined> {
  const { rows } = await client.query<QuoteRow>(
    `select ${QUOTE_COLUMNS} from quotes q ${QUOTE_JOINS} where q.book = $1 and q.id = $2`,
    [book, id],
  )
  return rows[0] && toQuote(rows[0])
}

export function toQuote(row: QuoteRow): Quote {
  return {
    id: row.id,
    userId: row.user_id,
    from: { code: row.from_currency, digits: row.from_digits },
    to: { code: row.to_currency, digits: row.to_digits },
    fromAmount: row.from_amount,
    toAmount: row.to_amount,
    rate: row.rate,
    midRate: row.mid_rate,
    source: row.source,
    validFrom: row.valid_from,
    expiresAt: row.expires_at,
    usedBy: row.used_by,
    createdAt: row.created_at,
  }
}
