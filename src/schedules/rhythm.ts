import type { Instant } from '../ledger/id.ts'

// When the occurrences of a schedule fall due: a matter of calendars and time zones, and of nothing else.

export const UNITS = ['day', 'week', 'month'] as const
export type Unit = (typeof UNITS)[number]

/** Occurrences are counted from 0. From `startNumber` on, which falls due at `startsAt`, they are as it says here. */
export type Rhythm = {
  readonly startsAt: Instant
  readonly startNumber: number
  /** Null: once. */
  readonly every: Unit | null
  /** Every so many days, weeks or months. */
  readonly interval: number
  /** By the clock and the calendar of this zone of the IANA, such as Europe/Prague. */
  readonly timeZone: string
  /** Nothing falls due after this. */
  readonly endsAt: Instant | null
  /** Nor more often than this. */
  readonly count: number | null
}

const END_OF_9999 = 253_402_300_800_000_000n

/**
 * When an occurrence falls due; null where the schedule is over by then. It is at the time of day of the first one, where
 * the clock is put forward over it as much later; and on its day of the month, or the last day of a month that is shorter.
 */
export function occurrenceAt(rhythm: Rhythm, number: number): Instant | null {
  const { startsAt, startNumber, every, interval, timeZone, endsAt, count } = rhythm
  if (count !== null && number >= count) return null
  const steps = number - startNumber
  if (steps > 0 && every === null) return null
  const at = steps === 0 ? startsAt : stepsLater(startsAt, timeZone, `${every ?? 'day'}s`, steps * interval)
  return at >= END_OF_9999 || (endsAt !== null && at > endsAt) ? null : at
}

/** Always from the first one, so that a month that is short or a day whose clock is changed leaves no trace in the next. */
function stepsLater(from: Instant, timeZone: string, unit: `${Unit}s`, steps: number): Instant {
  const first = Temporal.Instant.fromEpochNanoseconds(from * 1000n).toZonedDateTimeISO(timeZone)
  const local = first.toPlainDateTime().add({ [unit]: steps }, { overflow: 'constrain' })
  const { epochNanoseconds } = local.toZonedDateTime(timeZone, { disambiguation: 'compatible' })
  return (epochNanoseconds / 1000n) as Instant
}

export type Occurrence = { readonly number: number; readonly at: Instant }

/** The number of the first occurrence, from `number` on, that has not fallen due by a moment; there may be none of it. */
export function firstNotDue(rhythm: Rhythm, number: number, moment: Instant): number {
  for (let next = number; ; next += 1) {
    const at = occurrenceAt(rhythm, next)
    if (at === null || at > moment) return next
  }
}

/** The first occurrence from `number` on that falls due after a moment; undefined where there is none. */
export function nextAfter(rhythm: Rhythm, number: number, after: Instant): Occurrence | undefined {
  const next = firstNotDue(rhythm, number, after)
  const at = occurrenceAt(rhythm, next)
  return at === null ? undefined : { number: next, at }
}

/** The name of a time zone as the IANA writes it; undefined where it has none of that name. */
export function timeZoneOf(name: string): string | undefined {
  // Temporal takes offsets such as +02:00 too, which know nothing of summer.
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(name)) return undefined
  try {
    return new Temporal.ZonedDateTime(0n, name).timeZoneId
  } catch {
    return undefined
  }
}
