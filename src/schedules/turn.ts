import type { Instant } from '../ledger/id.ts'
import type { DeclineReason, PaymentStatus } from '../ledger/payment.ts'
import { occurrenceAt, type Rhythm } from './rhythm.ts'

/** What an active schedule does next. */
export type Turn = {
  /** The occurrence whose turn it is; so many are behind it. */
  readonly number: number
  readonly dueAt: Instant
  /** How often it was tried, and declined. */
  readonly attempts: number
  /** Not to be tried before this. */
  readonly attemptAt: Instant
}

/** How often an occurrence that was declined is tried again, and how long after each attempt. */
export type Retry = { readonly times: number; readonly everyMinutes: number }

/** What an attempt came to. */
export type Attempt = {
  readonly at: Instant
  readonly status: PaymentStatus
  readonly declineReason: DeclineReason | null
}

const MINUTE = 60_000_000n

/** The turn of an occurrence that was not tried yet. */
export function turnOf(number: number, dueAt: Instant): Turn {
  return { number, dueAt, attempts: 0, attemptAt: dueAt }
}

/**
 * What follows an attempt at the occurrence whose turn it is; null where the schedule has ended. A declined one is tried
 * again as often as the rule says, until the next one falls due. Out of or into a closed account nothing can be paid any
 * more, which ends the schedule.
 */
export function afterAttempt(rhythm: Rhythm, retry: Retry, turn: Turn, attempt: Attempt): Turn | null {
  if (attempt.declineReason === 'account_closed') return null
  const following = occurrenceAt(rhythm, turn.number + 1)
  if (attempt.status === 'declined' && turn.attempts < retry.times) {
    const again = (attempt.at + BigInt(retry.everyMinutes) * MINUTE) as Instant
    if (following === null || again < following) return { ...turn, attempts: turn.attempts + 1, attemptAt: again }
  }
  return following === null ? null : turnOf(turn.number + 1, following)
}
