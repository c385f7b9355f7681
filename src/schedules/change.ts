import { isDeepStrictEqual } from 'node:util'
import { type AuditEntry, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import type { Client } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { storedUnlessErased, textOfJson } from '../database/personal_fields.ts'
import { writeEvents } from '../events/write.ts'
import type { BookId, Instant, ScheduleId } from '../ledger/id.ts'
import type { FeePayer } from '../ledger/payment.ts'
import { formatAmount } from '../money/amount.ts'
import { CHANGED, scheduleEvent } from './events.ts'
import { firstNotDue, nextAfter, occurrenceAt, type Rhythm } from './rhythm.ts'
import { readSchedule, type Schedule, type ScheduleStatus } from './schedule.ts'
import { type Turn, turnOf } from './turn.ts'

// What becomes of a schedule by the hand of its owner, or of an operator. Its row is locked, as it is by who makes its
// payments, so that a change is before a payment or behind it.

/** What is done to a schedule. */
export type ScheduleAction = 'pause' | 'resume' | 'cancel'

/** What is to be different; what is left out stays. The amount in minor units of the schedule's currency. */
export type ScheduleUpdate = {
  readonly amount?: bigint | undefined
  readonly feePayer?: FeePayer | undefined
  readonly description?: string | null | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** When the next occurrence falls due instead; the following ones go on from there. */
  readonly nextAt?: Instant | undefined
  readonly endsAt?: Instant | null | undefined
  readonly count?: number | null | undefined
  readonly retryTimes?: number | undefined
  readonly retryEveryMinutes?: number | undefined
}

type Done = { readonly ok: true; readonly schedule: Schedule }
/** Nothing changes any more, as it has ended or was canceled. */
type Over = { readonly ok: false; readonly refusal: 'over'; readonly status: ScheduleStatus }
/** What is wrong with a time. */
type Mistimed = { readonly ok: false; readonly refusal: 'next_not_ahead' | 'next_after_end' | 'end_before_start' }
/** Why nothing was changed. */
export type ChangeRefused = Over | Mistimed

/**
 * Pauses, resumes or cancels a schedule inside the caller's transaction, where it is not over. One that is as it shall be
 * stays as it is. What falls due during a pause is left out, as is what was to be tried again.
 */
export async function changeSchedule(
  client: Client,
  book: BookId,
  id: ScheduleId,
  action: ScheduleAction,
  audit: AuditEntry | null,
): Promise<Done | Over> {
  const schedule = await lock(client, book, id)
  if (isOver(schedule)) return over(schedule)
  const at = await readClock(client)
  const next = stateAfter(schedule, action, at)
  if (next.status === schedule.status) return { ok: true, schedule }
  return { ok: true, schedule: await write(client, book, at, { ...schedule, ...next }, audit) }
}

/**
 * Changes what a schedule pays, and when, inside the caller's transaction: from the next payment on, which may be another
 * attempt at one that was declined. Where nothing is to come any more by what it says then, it has ended. What is as it
 * shall be stays as it is, and nobody is told.
 */
export async function updateSchedule(
  client: Client,
  book: BookId,
  id: ScheduleId,
  update: ScheduleUpdate,
  audit: AuditEntry | null,
): Promise<Done | ChangeRefused> {
  const schedule = await lock(client, book, id)
  if (isOver(schedule)) return over(schedule)
  const at = await readClock(client)
  const { endsAt = schedule.rhythm.endsAt, count = schedule.rhythm.count, nextAt } = update
  const limited = { ...schedule.rhythm, endsAt, count }
  if (nextAt !== undefined && nextAt <= at) return { ok: false, refusal: 'next_not_ahead' }
  if (endsAt !== null && endsAt < (nextAt ?? limited.startsAt)) {
    return { ok: false, refusal: nextAt === undefined ? 'end_before_start' : 'next_after_end' }
  }
  const { retry, amount, feePayer, description, metadata } = schedule
  const changed: Schedule = {
    ...schedule,
    amount: update.amount ?? amount,
    feePayer: update.feePayer ?? feePayer,
    description: update.description === undefined ? description : update.description,
    metadata: update.metadata ?? metadata,
    retry: {
      times: update.retryTimes ?? retry.times,
      everyMinutes: update.retryEveryMinutes ?? retry.everyMinutes,
    },
    ...timesAfter(schedule, limited, nextAt, givesUp(schedule, update, limited), at),
  }
  if (isDeepStrictEqual(changed, schedule)) return { ok: true, schedule }
  const audited = audit && { ...audit, detail: { ...audit.detail, before: replacedBy(update, schedule) } }
  return { ok: true, schedule: await write(client, book, at, changed, audited) }
}

/** What an update replaces, as the API writes it, but for texts: they are the owner's to have erased. */
function replacedBy(update: ScheduleUpdate, { amount, currency, feePayer, rhythm, retry, turn }: Schedule) {
  const terms = [
    [update.amount, 'amount', formatAmount(amount, currency)],
    [update.feePayer, 'fee_payer', feePayer],
    [update.nextAt, 'next_at', turn && formatInstant(turn.dueAt)],
    [update.endsAt, 'ends_at', rhythm.endsAt === null ? null : formatInstant(rhythm.endsAt)],
    [update.count, 'count', rhythm.count],
    [update.retryTimes, 'retry_times', retry.times],
    [update.retryEveryMinutes, 'retry_every_minutes', retry.everyMinutes],
  ] as const
  return Object.fromEntries(terms.flatMap(([given, name, before]) => (given === undefined ? [] : [[name, before]])))
}

/** A schedule as it is, its row locked. */
async function lock(client: Client, book: BookId, id: ScheduleId): Promise<Schedule> {
  await client.query('select from schedules where book = $1 and id = $2 for no key update', [book, id])
  const schedule = await readSchedule(client, book, id)
  if (!schedule) throw new Error(`there is no schedule ${id}, and none is ever removed`)
  return schedule
}

const isOver = ({ status }: Schedule) => status !== 'active' && status !== 'paused'
const over = ({ status }: Schedule): Over => ({ ok: false, refusal: 'over', status })

type State = { readonly status: ScheduleStatus; readonly occurrences: number; readonly turn: Turn | null }

function stateAfter({ status, rhythm, occurrences, turn }: Schedule, action: ScheduleAction, at: Instant): State {
  if (action === 'cancel') return { status: 'canceled', occurrences, turn: null }
  // One that was tried is not tried again, and so is behind it: no two attempts have one number.
  if (action === 'pause') return { status: 'paused', occurrences: occurrences + (turn?.attempts ? 1 : 0), turn: null }
  if (status === 'active') return { status, occurrences, turn }
  const next = nextAfter(rhythm, occurrences, at)
  if (!next) return { status: 'ended', occurrences: firstNotDue(rhythm, occurrences, at), turn: null }
  return { status: 'active', occurrences: next.number, turn: turnOf(next.number, next.at) }
}

/**
 * Whether what was declined is not to be tried again: as that is wanted less often now than it was tried, or as the next
 * one, which there is by other limits, is due by then. Who names a time for it wants it tried then.
 */
function givesUp({ retry, turn }: Schedule, { retryTimes, nextAt }: ScheduleUpdate, limited: Rhythm): boolean {
  if (!turn || turn.attempts === 0 || nextAt !== undefined) return false
  if (retryTimes !== undefined && retryTimes < retry.times && retryTimes < turn.attempts) return true
  const following = occurrenceAt(limited, turn.number + 1)
  return following !== null && following <= turn.attemptAt
}

/**
 * Whose turn it is by other limits, and where the next one is moved by a rhythm that begins with it. An occurrence that was
 * tried keeps the count of its attempts.
 */
function timesAfter(
  { status, turn, occurrences: before }: Schedule,
  limited: Rhythm,
  nextAt: Instant | undefined,
  isGivenUp: boolean,
  at: Instant,
): State & { readonly rhythm: Rhythm } {
  // What fell due during a pause is behind it.
  const number = turn ? turn.number + (isGivenUp ? 1 : 0) : firstNotDue(limited, before, at)
  const rhythm = nextAt === undefined ? limited : { ...limited, startsAt: nextAt, startNumber: number }
  const dueAt = occurrenceAt(rhythm, number)
  if (dueAt === null) return { rhythm, status: 'ended', occurrences: number, turn: null }
  const occurrences = nextAt === undefined && !isGivenUp ? before : number
  if (isGivenUp) return { rhythm, status, occurrences, turn: turnOf(number, dueAt) }
  const moved = turn && nextAt !== undefined ? { ...turn, dueAt: nextAt, attemptAt: nextAt } : turn
  return { rhythm, status, occurrences, turn: moved }
}

/** Writes a schedule as it is to be, with the event that tells it, and gives it back. */
async function write(
  client: Client,
  book: BookId,
  at: Instant,
  { id, rhythm, retry, turn, ...schedule }: Schedule,
  audit: AuditEntry | null,
): Promise<Schedule> {
  await client.query(
    `update schedules s
        set amount = $3, fee_payer = $4, description = ${storedUnlessErased('s.book', 's.user_id', '$5::text')},
            metadata = ${storedUnlessErased('s.book', 's.user_id', textOfJson('$6::jsonb'))}, starts_at = $7,
            start_number = $8, ends_at = $9, count = $10, retry_times = $11, retry_every_minutes = $12, status = $13,
            number = $14, due_at = $15, attempts = $16, attempt_at = $17, updated_at = $18
      where s.book = $1 and s.id = $2`,
    [
      ...[book, id, schedule.amount, schedule.feePayer, schedule.description, JSON.stringify(schedule.metadata)],
      ...[formatInstant(rhythm.startsAt), rhythm.startNumber, rhythm.endsAt && formatInstant(rhythm.endsAt)],
      ...[rhythm.count, retry.times, retry.everyMinutes, schedule.status, schedule.occurrences],
      ...[turn && formatInstant(turn.dueAt), turn?.attempts ?? 0, turn && formatInstant(turn.attemptAt)],
      formatInstant(at),
    ],
  )
  const newId = idsAt(at)
  await writeAudit(client, book, at, newId, audit ? [{ ...audit, objectId: id }] : [])
  const written = await readSchedule(client, book, id)
  if (!written) throw new Error('a schedule that was changed is there')
  await writeEvents(client, book, at, newId, [scheduleEvent(CHANGED[written.status], written)])
  return written
}
