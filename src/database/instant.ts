import type { Instant } from '../ledger/id.ts'

const WIRE = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/

const END_OF_9999 = Date.UTC(10_000, 0)

/** RFC 3339 in UTC with microseconds, as every time goes out. */
export function formatInstant(at: Instant): string {
  const seconds = new Date(Number(at / 1000n)).toISOString().slice(0, 19)
  return `${seconds}.${(at % 1_000_000n).toString().padStart(6, '0')}Z`
}

/** Reads RFC 3339; digits beyond microseconds are cut. Undefined where it is no time of the years 1970 to 9999. */
export function parseInstant(text: string): Instant | undefined {
  const match = WIRE.exec(text)
  if (!match) return undefined
  const [, day, time, fraction = '', zone] = match
  const milliseconds = Date.parse(`${day}T${time}${zone?.toUpperCase()}`)
  if (!(milliseconds >= 0 && milliseconds < END_OF_9999)) return undefined
  // Date.parse lets 30 February pass into March.
  if (!new Date(`${day}T00:00:00Z`).toISOString().startsWith(day ?? '-')) return undefined
  return (BigInt(milliseconds) * 1000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'))) as Instant
}

/** Reads a day such as 2026-01-31, which begins at midnight UTC, or a time as parseInstant does. */
export function parseMoment(text: string): Instant | undefined {
  return parseInstant(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
}
