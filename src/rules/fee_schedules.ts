import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import type { Client, Queryable } from '../database/connection.ts'
import { formatInstant, parseInstant } from '../database/instant.ts'
import type { RailCode } from '../ledger/account.ts'
import type { BookId, FeeScheduleId, Instant, UserId } from '../ledger/id.ts'
import { formatAmount } from '../money/amount.ts'
import type { Currency } from '../money/currency.ts'
import { formatPercent, type Percent } from '../money/percent.ts'
import type { Tariff, Tier } from '../money/tariff.ts'
import { bumpRules } from './version.ts'

/** The kinds of payments that schedules can price. Who converts pays the spread of the quote, and nothing beside it. */
export const PRICED_KINDS = ['transfer', 'deposit', 'withdrawal'] as const
export type PricedKind = (typeof PRICED_KINDS)[number]

/** What a schedule prices: transfers of a currency, or what comes or goes by a rail in it. */
export type Priced =
  | { readonly kind: 'transfer'; readonly rail: null; readonly currency: Currency }
  | { readonly kind: 'deposit' | 'withdrawal'; readonly rail: RailCode; readonly currency: Currency }

/** A schedule as it was written down. It is never changed; a later one takes its place. */
export type FeeSchedule = Priced & {
  readonly id: FeeScheduleId
  /** Null: from then on there is none, and the settings count again. */
  readonly tariff: Tariff | null
  readonly validFrom: string
  readonly madeBy: UserId | null
  readonly createdAt: string
}

export type WrittenSchedule =
  | { readonly ok: true; readonly schedule: FeeSchedule }
  | { readonly ok: false; readonly refusal: 'in_the_past' }

/**
 * Writes down a schedule, valid from now or from a time to come, in the caller's transaction. Audited. Refused where that
 * time is over: what was paid since was paid at another price.
 */
export async function writeSchedule(
  client: Client,
  book: BookId,
  priced: Priced,
  tariff: Tariff | null,
  validFrom: Instant | undefined,
  actor: Actor,
): Promise<WrittenSchedule> {
  // It may wait here for another rule to be written: what is paid meanwhile is paid before this one's time.
  await bumpRules(client, book)
  const now = await readClock(client)
  if (validFrom !== undefined && validFrom < now) return { ok: false, refusal: 'in_the_past' }
  const newId = idsAt(now)
  const schedule: FeeSchedule = {
    ...priced,
    id: newId<'fee_schedule'>(),
    tariff,
    validFrom: formatInstant(validFrom ?? now),
    madeBy: actor.userId,
    createdAt: formatInstant(now),
  }
  await insertSchedule(client, book, schedule)
  const detail = detailOf(schedule)
  await writeAudit(client, book, now, newId, [{ actor, action: 'fee_schedule.create', objectId: schedule.id, detail }])
  return { ok: true, schedule }
}

async function insertSchedule(client: Client, book: BookId, schedule: FeeSchedule): Promise<void> {
  const { id, kind, currency, rail, tariff, validFrom, madeBy, createdAt } = schedule
  const [first, ...tiers] = tariff?.tiers ?? []
  await client.query(
    `insert into fee_schedules (book, id, kind, currency, rail, percent, fixed, minimum, maximum, tiers, valid_from,
                                made_by, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      ...[book, id, kind, currency.code, rail],
      ...[first?.percent, first?.fixed, tariff?.minimum, tariff?.maximum],
      ...[JSON.stringify(tiers.map(writtenTier)), validFrom, madeBy, createdAt],
    ],
  )
}

/** Whole numbers as text: JSON has none that are exact. */
type WrittenTier = { readonly from: string; readonly percent: string; readonly fixed: string }

function writtenTier({ from, percent, fixed }: Tier): WrittenTier {
  return { from: String(from), percent: String(percent), fixed: String(fixed) }
}

function detailOf({ kind, currency, rail, tariff, validFrom }: FeeSchedule) {
  const money = (units: bigint) => formatAmount(units, currency)
  const shown = tariff?.tiers.map(({ from, percent, fixed }) => {
    return { from: money(from), percent: formatPercent(percent), fixed: money(fixed) }
  })
  return {
    ...{ kind, currency: currency.code, rail, valid_from: validFrom, ends: tariff === null },
    ...(tariff ? { tiers: shown, minimum: money(tariff.minimum) } : {}),
    ...(tariff?.maximum == null ? {} : { maximum: money(tariff.maximum) }),
  }
}

export type ScheduleRow = {
  id: FeeScheduleId
  kind: PricedKind
  currency: string
  digits: number
  rail: RailCode | null
  percent: bigint | null
  fixed: bigint | null
  minimum: bigint | null
  maximum: bigint | null
  tiers: readonly WrittenTier[]
  valid_from: string
  made_by: UserId | null
  created_at: string
}

/** The columns of a ScheduleRow of `fee_schedules f` and its `currencies c`. */
export const SCHEDULE_COLUMNS = `
  f.id, f.kind, f.currency, c.digits, f.rail, f.percent, f.fixed, f.minimum, f.maximum, f.tiers, f.valid_from,
  f.made_by, f.created_at`

export function toSchedule(row: ScheduleRow): FeeSchedule {
  const { id, kind, rail, valid_from: validFrom, made_by: madeBy, created_at: createdAt } = row
  const currency = { code: row.currency, digits: row.digits }
  // The check of the table: a transfer has no rail, the others have one.
  const priced = { kind, rail, currency } as Priced
  return { ...priced, id, tariff: toTariff(row), validFrom, madeBy, createdAt }
}

function toTariff({ percent, fixed, minimum, maximum, tiers }: ScheduleRow): Tariff | null {
  if (percent === null || fixed === null || minimum === null) return null
  const first = { from: 0n, percent: percent as Percent, fixed }
  const others = tiers.map((tier) => {
    return { from: BigInt(tier.from), percent: BigInt(tier.percent) as Percent, fixed: BigInt(tier.fixed) }
  })
  return { tiers: [first, ...others], minimum, maximum }
}

/** How long before a moment the schedules are read that count from it on: batches of other connections are not far behind. */
const MARGIN = 3_600n * 1_000_000n

/** The schedules of a book that count, or will count, from an hour before a moment on. Index: fee_schedules_by_payment. */
export async function readSchedules(client: Queryable, book: BookId, at: Instant): Promise<Schedules> {
  const { rows } = await client.query<ScheduleRow>({
    name: 'fee-schedules',
    text: `
      select ${SCHEDULE_COLUMNS}
        from fee_schedules f
        join currencies c on c.book = f.book and c.code = f.currency
       where f.book = $1
         and f.valid_from >= coalesce((select max(e.valid_from) from fee_schedules e
                                        where e.book = f.book and e.kind = f.kind and e.currency = f.currency
                                          and e.rail is not distinct from f.rail and e.valid_from <= $2), f.valid_from)
       order by f.valid_from desc, f.id desc`,
    values: [book, formatInstant((at - MARGIN) as Instant)],
  })
  const schedules = new Map<string, Dated[]>()
  for (const row of rows) {
    const { tariff, validFrom, ...priced } = toSchedule(row)
    const since = parseInstant(validFrom)
    if (since === undefined) throw new Error(`${validFrom} is no time`)
    const key = keyOf(priced.kind, priced.currency.code, priced.rail)
    schedules.set(key, [...(schedules.get(key) ?? []), { since, tariff }])
  }
  return schedules
}

type Dated = { readonly since: Instant; readonly tariff: Tariff | null }

/** By what they price, each with the newest first. */
export type Schedules = ReadonlyMap<string, readonly Dated[]>

/** The tariff that is valid at a moment; null where there is no schedule then. */
export function tariffAt(
  schedules: Schedules,
  at: Instant,
  kind: PricedKind,
  currency: string,
  rail: string | null,
): Tariff | null {
  const dated = schedules.get(keyOf(kind, currency, rail))
  return dated?.find(({ since }) => since <= at)?.tariff ?? null
}

function keyOf(kind: PricedKind, currency: string, rail: string | null): string {
  return `${kind} ${currency} ${rail ?? ''}`
}
