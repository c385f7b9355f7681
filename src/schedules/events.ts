import type { EventType } from '../events/types.ts'
import type { NewEvent } from '../events/write.ts'
import type { Instant } from '../ledger/id.ts'
import type { Rhythm } from './rhythm.ts'
import type { Schedule, ScheduleStatus } from './schedule.ts'
import type { Turn } from './turn.ts'

// What is told of schedules, to their owners. What a schedule pays is told by the events of its payments.

/**
 * What an event keeps of a schedule: all that may change behind it, but for the owner's words. These are shown as they
 * are now, so that where they are erased no event has them.
 */
export type ScheduleState = Pick<
  Schedule,
  'status' | 'amount' | 'feePayer' | 'rhythm' | 'retry' | 'occurrences' | 'turn' | 'lastPaymentId' | 'updatedAt'
>

/** The same as JSON, which has no such whole numbers. */
export type StoredScheduleState = Omit<ScheduleState, 'amount' | 'rhythm' | 'turn'> & {
  readonly amount: string
  readonly rhythm: Omit<Rhythm, 'startsAt' | 'endsAt'> & { readonly startsAt: string; readonly endsAt: string | null }
  readonly turn: (Omit<Turn, 'dueAt' | 'attemptAt'> & { readonly dueAt: string; readonly attemptAt: string }) | null
}

/** An event of a schedule as it is from then on. */
export function scheduleEvent(type: EventType, schedule: Schedule): NewEvent {
  const { id, status, amount, feePayer, rhythm, retry, occurrences, turn, lastPaymentId, updatedAt } = schedule
  const state = { status, amount, feePayer, rhythm, retry, occurrences, turn, lastPaymentId, updatedAt }
  return { type, objectId: id, viewers: [schedule.userId], state: { schedule: state } }
}

/** What a change by its owner, or by an operator, is told as: the last event of a schedule says that it is over. */
export const CHANGED: Readonly<Record<ScheduleStatus, EventType>> = {
  active: 'schedule.updated',
  paused: 'schedule.updated',
  canceled: 'schedule.canceled',
  ended: 'schedule.ended',
}

/** A state as the database keeps it. */
export function readScheduleState({ amount, rhythm, turn, ...same }: StoredScheduleState): ScheduleState {
  const { startsAt, endsAt } = rhythm
  return {
    ...same,
    amount: BigInt(amount),
    rhythm: { ...rhythm, startsAt: instantOf(startsAt), endsAt: endsAt === null ? null : instantOf(endsAt) },
    turn: turn && { ...turn, dueAt: instantOf(turn.dueAt), attemptAt: instantOf(turn.attemptAt) },
  }
}

function instantOf(written: string): Instant {
  return BigInt(written) as Instant
}
