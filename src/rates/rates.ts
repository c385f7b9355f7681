import type { Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, Instant, RateId } from '../ledger/id.ts'
import { cross, inverse, type Rate } from '../money/rate.ts'

/** Where rates come from: a file of the European Central Bank, or an operator's hand. */
export const RATE_SOURCES = ['ecb', 'operator'] as const
export type RateSource = (typeof RATE_SOURCES)[number]

/** Two currencies for which no rate is known are crossed through this one. */
export const BASE_CURRENCY = 'EUR'

/** A rate that holds: units of `to` for one unit of `from`. */
export type CurrentRate = {
  readonly from: string
  readonly to: string
  readonly rate: Rate
  /** `ecb`, `operator`, or both where two rates of different sources were crossed. */
  readonly source: string
  /** Since when; the older one of two that were crossed. */
  readonly validFrom: string
}

type Pair = { readonly from: string; readonly to: string }

/**
 * The rates from `from` to each of `to` that are valid at that instant: the newest of those written down for the two
 * currencies, in either direction, and of those crossed through EUR. Where they are equally old, the one that is not
 * crossed; of those written down for the two, the last. So a rate and the one back are the same, turned round: if not,
 * whoever converted there and back would gain. A currency without a rate, and `from` itself, is left out.
 */
export async function readRates(
  client: Queryable,
  book: BookId,
  from: string,
  to: readonly string[],
  at: Instant,
): Promise<CurrentRate[]> {
  const wanted = to.filter((code) => code !== from)
  const known = await readWritten(client, book, [from, BASE_CURRENCY], [...wanted, from, BASE_CURRENCY], at)
  const between = (pair: Pair) => laterOf(known.get(keyOf(pair)), turned(known.get(keyOf(turnedPair(pair)))))
  return wanted.flatMap((code) => {
    const direct = between({ from, to: code })
    const toBase = between({ from, to: BASE_CURRENCY })
    const fromBase = between({ from: BASE_CURRENCY, to: code })
    const crossed = toBase && fromBase && crossedRate(toBase, fromBase)
    return newest([direct, crossed]) ?? []
  })
}

/** The rate from one currency to another that is valid at that instant; undefined where none is known. */
export async function readRate(
  client: Queryable,
  book: BookId,
  from: string,
  to: string,
  at: Instant,
): Promise<CurrentRate | undefined> {
  const [rate] = await readRates(client, book, from, [to], at)
  return rate
}

/** A rate as it was written down for two currencies; ids grow with the time of writing. */
type WrittenDown = CurrentRate & { readonly id: RateId }

type Row = {
  id: RateId
  from_currency: string
  to_currency: string
  numerator: bigint
  denominator: bigint
  source: RateSource
  valid_from: string
}

/** The newest rate that is written down between each of `ones` and each of `others`, either way. Index: rates_by_pair. */
async function readWritten(
  client: Queryable,
  book: BookId,
  ones: readonly string[],
  others: readonly string[],
  at: Instant,
): Promise<Map<string, WrittenDown>> {
  const pairs = new Map<string, Pair>()
  for (const from of ones) {
    for (const to of others) {
      if (from === to) continue
      pairs.set(keyOf({ from, to }), { from, to })
      pairs.set(keyOf({ from: to, to: from }), { from: to, to: from })
    }
  }
  const asked = [...pairs.values()]
  const { rows } = await client.query<Row>(
    `select newest.*
       from unnest($2::text[], $3::text[]) as pair (from_currency, to_currency)
      cross join lateral (
            select r.id, r.from_currency, r.to_currency, r.numerator, r.denominator, r.source, r.valid_from
              from rates r
             where r.book = $1 and r.from_currency = pair.from_currency and r.to_currency = pair.to_currency
               and r.valid_from <= $4
             order by r.valid_from desc, r.id desc
             limit 1) newest`,
    [book, asked.map(({ from }) => from), asked.map(({ to }) => to), formatInstant(at)],
  )
  return new Map(
    rows.map(({ id, from_currency: from, to_currency: to, numerator, denominator, source, valid_from: validFrom }) => [
      keyOf({ from, to }),
      { id, from, to, rate: { numerator, denominator }, source, validFrom },
    ]),
  )
}

function keyOf({ from, to }: Pair): string {
  return `${from}/${to}`
}

function turnedPair({ from, to }: Pair): Pair {
  return { from: to, to: from }
}

function turned(known: WrittenDown | undefined): WrittenDown | undefined {
  return known && { ...known, ...turnedPair(known), rate: inverse(known.rate) }
}

/** The one that is valid since the later time, of equals the one that was written down last. Both compare as text. */
function laterOf(one: WrittenDown | undefined, other: WrittenDown | undefined): WrittenDown | undefined {
  if (!one || !other) return one ?? other
  if (one.validFrom !== other.validFrom) return one.validFrom > other.validFrom ? one : other
  return one.id > other.id ? one : other
}

/** The one that is valid since the latest time, the first of equals. Times of one form compare as text. */
function newest(candidates: readonly (CurrentRate | undefined)[]): CurrentRate | undefined {
  let best: CurrentRate | undefined
  for (const candidate of candidates) if (candidate && (!best || candidate.validFrom > best.validFrom)) best = candidate
  return best
}

function crossedRate(first: CurrentRate, second: CurrentRate): CurrentRate {
  return {
    from: first.from,
    to: second.to,
    rate: cross(first.rate, second.rate),
    source: first.source === second.source ? first.source : `${first.source}, ${second.source}`,
    validFrom: first.validFrom < second.validFrom ? first.validFrom : second.validFrom,
  }
}
