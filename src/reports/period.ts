import { formatInstant, parseMoment } from '../database/instant.ts'
import { QueryError } from '../database/list_fields.ts'
import type { Instant } from '../ledger/id.ts'

/** A half-open span of time, [from, to), UTC. */
export type Period = { readonly from: Instant; readonly to: Instant }

/** What a caller asks for: days or times; the month of `now` where nothing is said. */
export type AskedPeriod = { readonly from?: string | undefined; readonly to?: string | undefined }

/**
 * The period that is asked for: `from` is the beginning of the month of its end where it is left out, `to` is now, and
 * never later. Throws QueryError where an end is no time, or the period is empty.
 */
export function parsePeriod(asked: AskedPeriod, now: Instant): Period {
  const end = asked.to === undefined ? now : momentOf('to', asked.to)
  const from =
    asked.from === undefined ? monthOf(end < now ? ((end - 1n) as Instant) : now) : momentOf('from', asked.from)
  if (from >= end) throw new QueryError('from', 'must be before to')
  if (from > now) throw new QueryError('from', 'must not be in the future')
  return { from, to: end < now ? end : now }
}

/** A day or a time of a query. Throws QueryError where it is neither. */
export function momentOf(parameter: string, text: string): Instant {
  const at = parseMoment(text)
  if (at === undefined) throw new QueryError(parameter, 'must be a day or a time such as 2026-01-31T12:00:00Z')
  return at
}

/** When the month of an instant began. */
export function monthOf(at: Instant): Instant {
  return parseMoment(`${formatInstant(at).slice(0, 7)}-01`) as Instant
}

export const GROUPS = ['day', 'month'] as const
/** What a report is divided by. */
export type Group = (typeof GROUPS)[number]

/** The ends of the days or months that a period touches: its own, and those between, in order. */
export function splitPeriod({ from, to }: Period, group: Group): Instant[] {
  const ends = [from]
  for (let end = nextOf(from, group); end < to; end = nextOf(end, group)) ends.push(end)
  return [...ends, to]
}

/** `2026-11-24` or `2026-11`: the day or month of an instant. */
export function labelOf(at: Instant, group: Group): string {
  return formatInstant(at).slice(0, group === 'day' ? 10 : 7)
}

const DAY = 86_400_000_000n

/** When the day or month behind that of an instant begins. */
function nextOf(at: Instant, group: Group): Instant {
  if (group === 'day') return ((at / DAY + 1n) * DAY) as Instant
  // 31 days behind the beginning of a month is always the next one.
  return monthOf((monthOf(at) + 31n * DAY) as Instant)
}
