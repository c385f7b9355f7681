import { type AuditEntry, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import type { Client, Queryable } from '../database/connection.ts'
import { formatInstant, parseInstant } from '../database/instant.ts'
import { ownMetadata, ownText, storedMetadata } from '../database/personal_fields.ts'
import { writeEvents } from '../events/write.ts'
import type { AccountId, BookId, Instant, PaymentId, ScheduleId, UserId } from '../ledger/id.ts'
import type { FeePayer } from '../ledger/payment.ts'
import type { Currency } from '../money/currency.ts'
import { scheduleEvent } from './events.ts'
import { occurrenceAt, type Rhythm, type Unit } from './rhythm.ts'
import type { Retry, Turn } from './turn.ts'

export const SCHEDULE_STATUSES = ['active', 'paused', 'canceled', 'ended'] as const
export type ScheduleStatus = (typeof SCHEDULE_STATUSES)[number]

/** A payment that is to be made at a time, or again and again. The amount in minor units of `currency`. */
export type Schedule = NewSchedule & {
  readonly id: ScheduleId
  readonly status: ScheduleStatus
  /** How many occurrences are behind it. */
  readonly occurrences: number
  /** What it does next; null unless it is active. */
  readonly turn: Turn | null
  readonly lastPaymentId: PaymentId | null
  readonly createdAt: string
  readonly updatedAt: string
}

export type NewSchedule = {
  /** Who pays. */
  readonly userId: UserId
  readonly from: AccountId
  readonly to: AccountId
  readonly currency: Currency
  readonly amount: bigint
  readonly feePayer: FeePayer
  readonly description: string | null
  readonly metadata: Readonly<Record<string, string>>
  readonly rhythm: Rhythm
  readonly retry: Retry
}

export type ScheduleRow = {
  id: ScheduleId
  user_id: UserId
  from_account: AccountId
  to_account: AccountId
  currency: string
  digits: number
  amount: bigint
  fee_payer: FeePayer
  description: string | null
  metadata: Record<string, string>
  every: Unit | null
  interval: number
  time_zone: string
  starts_at: string
  start_number: number
  ends_at: string | null
  count: number | null
  retry_times: number
  retry_every_minutes: number
  status: ScheduleStatus
  number: number
  due_at: string | null
  attempts: number
  attempt_at: string | null
  last_payment_id: PaymentId | null
  created_at: string
  updated_at: string
}

/** The columns of a ScheduleRow over SCHEDULE_JOINS. */
export const SCHEDULE_COLUMNS = `
  s.id, s.user_id, s.from_account, s.to_account, s.currency, c.digits, s.amount, s.fee_payer,
  ${ownText('s', 'description')} as description, ${ownMetadata('s')} as metadata,
  s.every, s.interval, s.time_zone, s.starts_at, s.start_number, s.ends_at, s.count, s.retry_times, s.retry_every_minutes, s.status,
  s.number, s.due_at, s.attempts, s.attempt_at, s.last_payment_id, s.created_at, s.updated_at`

/** What a schedule `s` is shown with. */
export const SCHEDULE_JOINS = 'left join currencies c on c.book = s.book and c.code = s.currency'

export function toSchedule(row: ScheduleRow): Schedule {
  return {
    id: row.id,
    userId: row.user_id,
    from: row.from_account,
    to: row.to_account,
    currency: { code: row.currency, digits: row.digits },
    amount: row.amount,
    feePayer: row.fee_payer,
    description: row.description,
    metadata: row.metadata,
    rhythm: {
      startsAt: instantOf(row.starts_at),
      startNumber: row.start_number,
      every: row.every,
      interval: row.interval,
      timeZone: row.time_zone,
      endsAt: row.ends_at === null ? null : instantOf(row.ends_at),
      count: row.count,
    },
    retry: { times: row.retry_times, everyMinutes: row.retry_every_minutes },
    status: row.status,
    occurrences: row.number,
    turn: turnIn(row),
    lastPaymentId: row.last_payment_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function turnIn({ number, due_at, attempts, attempt_at }: ScheduleRow): Turn | null {
  if (due_at === null || attempt_at === null) return null
  return { number, dueAt: instantOf(due_at), attempts, attemptAt: instantOf(attempt_at) }
}

function instantOf(written: string): Instant {
  const at = parseInstant(written)
  if (at === undefined) throw new Error(`the database wrote ${written} for a time`)
  return at
}

/** Stores a schedule, which must begin after now by the database's clock; undefined where it does not. */
export async function createSchedule(
  client: Client,
  book: BookId,
  wish: NewSchedule,
  audit: AuditEntry | null,
): Promise<Schedule | undefined> {
  const at = await readClock(client)
  const { rhythm, retry } = wish
  const first = occurrenceAt(rhythm, 0)
  if (first === null || first <= at) return undefined
  const newId = idsAt(at)
  const id = newId<'schedule'>()
  await client.query(
    `insert into schedules (book, id, user_id, from_account, to_account, currency, amount, fee_payer, description, metadata,
                            every, interval, time_zone, starts_at, ends_at, count, retry_times, retry_every_minutes,
                            due_at, attempt_at, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, stored_text($1, $3, $9), ${storedMetadata('$1', '$3', '$10::jsonb')},
             $11, $12, $13, $14, $15, $16, $17, $18, $14, $14, $19, $19)`,
    [
      ...[book, id, wish.userId, wish.from, wish.to, wish.currency.code, wish.amount, wish.feePayer, wish.description],
      ...[JSON.stringify(wish.metadata), rhythm.every, rhythm.interval, rhythm.timeZone, formatInstant(first)],
      ...[rhythm.endsAt === null ? null : formatInstant(rhythm.endsAt), rhythm.count],
      ...[retry.times, retry.everyMinutes, formatInstant(at)],
    ],
  )
  await writeAudit(client, book, at, newId, audit ? [{ ...audit, objectId: id }] : [])
  const schedule = await readSchedule(client, book, id)
  if (!schedule) throw new Error('a schedule that was stored is there')
  await writeEvents(client, book, at, newId, [scheduleEvent('schedule.created', schedule)])
  return schedule
}

export async function readSchedule(client: Queryable, book: BookId, id: ScheduleId): Promise<Schedule | undefined> {
  return (await readSchedules(client, book, [id])).get(id)
}

/** Those of the ids that are schedules of the book, by id. */
export async function readSchedules(
  client: Queryable,
  book: BookId,
  ids: readonly ScheduleId[],
): Promise<Map<ScheduleId, Schedule>> {
  if (ids.length === 0) return new Map()
  const { rows } = await client.query<ScheduleRow>(
    `select ${SCHEDULE_COLUMNS} from schedules s ${SCHEDULE_JOINS} where s.book = $1 and s.id = any($2)`,
    [book, ids],
  )
  return new Map(rows.map((row) => [row.id, toSchedule(row)]))
}
