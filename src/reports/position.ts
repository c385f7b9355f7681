import type { Queryable } from '../database/connection.ts'
import type { BookId, Instant } from '../ledger/id.ts'
import type { Currency } from '../money/currency.ts'
import { formatRate, type Rate } from '../money/rate.ts'
import { divideHalfEven } from '../money/rounding.ts'
import { readRates } from '../rates/rates.ts'
import { totalsBefore } from './totals.ts'

/** What conversions have left in one currency: more than nothing where the house came to hold it, less where it owes it. */
export type OpenPosition = {
  readonly currency: Currency
  /** The balance of `exchange`, in minor units of the currency. */
  readonly balance: bigint
  /** What one unit is worth, as shown, and the balance by it, in minor units of the report's currency; null without a rate. */
  readonly rate: string | null
  readonly validFrom: string | null
  readonly value: bigint | null
}

/** The open currency position of a book at an instant, valued by the mid rates of then. */
export type PositionReport = {
  readonly at: Instant
  readonly currency: Currency
  readonly positions: readonly OpenPosition[]
  /**
   * What all of it is worth, in minor units of the report's currency: the gain from spreads and from what rates have done
   * since, or where it is negative the loss. Rounded half-even once, so it may differ from the sum of the values by a
   * few units. Null where a position has no rate.
   */
  readonly gain: bigint | null
}

/** The position at an instant, for a price that does not grow with the books. `at` is not in the future. */
export async function readPosition(
  client: Queryable,
  book: BookId,
  currency: Currency,
  at: Instant,
): Promise<PositionReport> {
  const open = await readBalances(client, book, at)
  const codes = open.map(({ code }) => code)
  const known = new Map((await readRates(client, book, currency.code, codes, at)).map((rate) => [rate.to, rate]))
  let sum: Fraction | null = NOTHING
  const positions = open.map(({ balance, ...held }): OpenPosition => {
    const isOwn = held.code === currency.code
    const found = known.get(held.code)
    // From the report's currency to this one: turned round, it is what one unit is worth.
    const rate = isOwn ? ONE : found && { numerator: found.rate.denominator, denominator: found.rate.numerator }
    if (!rate) {
      sum = null
      return { currency: held, balance, rate: null, validFrom: null, value: null }
    }
    const worth = worthOf(balance, rate, held, currency)
    sum = sum && add(sum, worth)
    return {
      currency: held,
      balance,
      rate: formatRate(rate),
      validFrom: found?.validFrom ?? null,
      value: rounded(worth),
    }
  })
  return { at, currency, positions, gain: sum && rounded(sum) }
}

const ONE: Rate = { numerator: 1n, denominator: 1n }

/** A number of minor units, exact; the denominator is positive. */
type Fraction = { readonly numerator: bigint; readonly denominator: bigint }

const NOTHING: Fraction = { numerator: 0n, denominator: 1n }

function worthOf(balance: bigint, rate: Rate, from: Currency, to: Currency): Fraction {
  return {
    numerator: balance * rate.numerator * 10n ** BigInt(to.digits),
    denominator: rate.denominator * 10n ** BigInt(from.digits),
  }
}

function add(one: Fraction, other: Fraction): Fraction {
  return {
    numerator: one.numerator * other.denominator + other.numerator * one.denominator,
    denominator: one.denominator * other.denominator,
  }
}

function rounded({ numerator, denominator }: Fraction): bigint {
  return divideHalfEven(numerator, denominator)
}

/** What `exchange` held in each currency at an instant, where it held anything: from the totals up to then. */
async function readBalances(
  client: Queryable,
  book: BookId,
  at: Instant,
): Promise<(Currency & { readonly balance: bigint })[]> {
  const [totals = []] = await totalsBefore(client, book, [(at + 1n) as Instant])
  const balances = new Map<string, bigint>()
  for (const { currency, debit, credit, amount } of totals) {
    const moved = (debit === 'exchange' ? amount : 0n) - (credit === 'exchange' ? amount : 0n)
    balances.set(currency, (balances.get(currency) ?? 0n) + moved)
  }
  const { rows } = await client.query<Currency>('select code, digits from currencies where book = $1 order by code', [
    book,
  ])
  return rows.map((currency) => ({ ...currency, balance: balances.get(currency.code) ?? 0n })).filter(isOpen)
}

function isOpen({ balance }: { readonly balance: bigint }): boolean {
  return balance !== 0n
}
