import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import type { Client } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { takeTurn } from '../database/turn.ts'
import type { BookId, Instant, RateId, UserId } from '../ledger/id.ts'
import { formatRate, type Rate, WRITTEN_DIGITS } from '../money/rate.ts'
import { type ReferenceRate, ratesOf } from './ecb.ts'
import { BASE_CURRENCY, type RateSource } from './rates.ts'

/** A rate as it was written down. It is never changed; a newer one takes its place. */
export type WrittenRate = {
  readonly id: RateId
  readonly from: string
  readonly to: string
  readonly rate: Rate
  readonly source: RateSource
  readonly validFrom: string
  readonly madeBy: UserId | null
  readonly createdAt: string
}

/** What became of a file. */
export type ImportedRates = {
  readonly days: number
  readonly firstDay: string
  readonly lastDay: string
  readonly rates: number
  readonly added: number
  /** Were there already, with the same rate or (`different`) another one; they stay as they are. */
  readonly known: number
  readonly different: number
}

/** Writes down a rate by an operator's hand, valid from now or from the time that is named. Audited. */
export async function writeRate(
  client: Client,
  book: BookId,
  wish: { readonly from: string; readonly to: string; readonly rate: Rate; readonly validFrom?: Instant | undefined },
  actor: Actor,
): Promise<WrittenRate> {
  const now = await readClock(client)
  const newId = idsAt(now)
  const written: WrittenRate = {
    id: newId<'rate'>(),
    from: wish.from,
    to: wish.to,
    rate: wish.rate,
    source: 'operator',
    validFrom: formatInstant(wish.validFrom ?? now),
    madeBy: actor.userId,
    createdAt: formatInstant(now),
  }
  await insertRates(client, book, [written])
  const detail = {
    from_currency: written.from,
    to_currency: written.to,
    rate: formatRate(written.rate, WRITTEN_DIGITS),
    valid_from: written.validFrom,
  }
  await writeAudit(client, book, now, newId, [{ actor, action: 'rate.create', objectId: written.id, detail }])
  return written
}

/** Rows of one statement, and about as many as others wait for. */
const CHUNK = 2_000

/**
 * Writes down the rates of a file's days in the caller's transaction; those that are there already stay as they are, so
 * that a file may be imported again. Audited. Undefined where a day of the file has not come yet.
 */
export async function importRates(
  client: Client,
  book: BookId,
  file: readonly string[],
  actor: Actor,
): Promise<ImportedRates | undefined> {
  const now = await readClock(client)
  const newId = idsAt(now)
  const days = file.map((text) => text.slice(0, 10)).sort()
  const [firstDay = '', lastDay = ''] = [days[0], days.at(-1)]
  if (lastDay > formatInstant(now).slice(0, 10)) return undefined
  // One file at a time: two at once would wait for each other's rows.
  await takeTurn(client, `rates ${book}`)
  let [rates, added, different] = [0, 0, 0]
  for (const some of chunksOf(file)) {
    const chunk = some.map(
      ({ currency, rate, validFrom }): WrittenRate => ({
        id: newId<'rate'>(),
        from: BASE_CURRENCY,
        to: currency,
        rate,
        source: 'ecb',
        validFrom: formatInstant(validFrom),
        madeBy: actor.userId,
        createdAt: formatInstant(now),
      }),
    )
    const fresh = await insertRates(client, book, chunk)
    rates += chunk.length
    added += fresh
    if (fresh < chunk.length) different += await countDifferent(client, book, chunk)
  }
  const counts = { days: new Set(days).size, rates, added, known: rates - added, different }
  const detail = { source: 'ecb', first_day: firstDay, last_day: lastDay, ...counts }
  await writeAudit(client, book, now, newId, [{ actor, action: 'rate.import', objectId: null, detail }])
  return { firstDay, lastDay, ...counts }
}

function* chunksOf(days: readonly string[]): Generator<readonly ReferenceRate[]> {
  let chunk: ReferenceRate[] = []
  for (const day of days) {
    chunk.push(...ratesOf(day))
    if (chunk.length < CHUNK) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

/** How many were added. Those of files that are there already are left out. */
async function insertRates(client: Client, book: BookId, rates: readonly WrittenRate[]): Promise<number> {
  const { rowCount } = await client.query(
    `insert into rates (book, id, from_currency, to_currency, numerator, denominator, source, valid_from, made_by,
                        created_at)
     select $1, v.* from unnest($2::uuid[], $3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::text[],
                                $8::timestamptz[], $9::uuid[], $10::timestamptz[]) as v
         on conflict (book, from_currency, to_currency, valid_from) where source = 'ecb' do nothing`,
    [
      book,
      rates.map(({ id }) => id),
      rates.map(({ from }) => from),
      rates.map(({ to }) => to),
      rates.map(({ rate }) => rate.numerator),
      rates.map(({ rate }) => rate.denominator),
      rates.map(({ source }) => source),
      rates.map(({ validFrom }) => validFrom),
      rates.map(({ madeBy }) => madeBy),
      rates.map(({ createdAt }) => createdAt),
    ],
  )
  return rowCount ?? 0
}

async function countDifferent(client: Client, book: BookId, rates: readonly WrittenRate[]): Promise<number> {
  const { rows } = await client.query<{ different: bigint }>(
    `select count(*) as different
       from unnest($2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::timestamptz[])
              as v (from_currency, to_currency, numerator, denominator, valid_from)
       join rates r on r.book = $1 and r.from_currency = v.from_currency and r.to_currency = v.to_currency
                   and r.valid_from = v.valid_from and r.source = 'ecb'
      where (r.numerator, r.denominator) <> (v.numerator, v.denominator)`,
    [
      book,
      rates.map(({ from }) => from),
      rates.map(({ to }) => to),
      rates.map(({ rate }) => rate.numerator),
      rates.map(({ rate }) => rate.denominator),
      rates.map(({ validFrom }) => validFrom),
    ],
  )
  return Number(rows[0]?.different ?? 0n)
}
