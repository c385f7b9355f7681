// Which errors of PostgreSQL mean what. https://www.postgresql.org/docs/current/errcodes-appendix.html

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

/** What may have been done, or not, for all that the caller can be told: mostly a commit that was sent and never answered. */
export class UnknownOutcome extends Error {
  override readonly name = 'UnknownOutcome'
}

/**
 * Does what is still to be done for an answer once what was asked for is committed. Where the database is away by then,
 * throws UnknownOutcome: nobody must hear that nothing was accepted.
 */
export async function onceCommitted<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!isUnavailable(cause) && !isRaceLost(cause)) throw cause
    throw new UnknownOutcome('what was committed could not be answered', { cause })
  }
}

/** Whether this error of a commit leaves open what became of it. One that was never sent to the database did nothing. */
export function leavesOutcomeUnknown(error: unknown): boolean {
  return isUnavailable(error) && !/not queryable/i.test((error as Error).message)
}

/** What a transaction had found is there no longer. */
export class RaceLost extends Error {
  override readonly name = 'RaceLost'
}

/** The transaction lost a race with another one and may simply be tried again. */
export function isRaceLost(error: unknown): boolean {
  return error instanceof RaceLost || ['40001', '40P01', '55P03'].includes(codeOf(error))
}

/**
 * The database is away: starting, stopping, failing over, read-only, out of disk, memory or connections (class 53), or
 * the line is cut. What was under way was not done, unless it was the commit itself, whose outcome is then unknown.
 */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof UnknownOutcome) return true
  const code = codeOf(error)
  if (['08', '53', '57P'].some((some) => code.startsWith(some)) || ['25006', '25P03', '57014'].includes(code))
    return true
  if (LOST_LINE.has(code)) return true
  const message = error instanceof Error ? error.message : ''
  return /Connection terminated|connection timeout|timeout expired|Query read timeout|timeout exceeded when trying to connect|not queryable|Client was closed/i.test(
    message,
  )
}

/** A statement took longer than it may, for a lock as a rule: the database is there for all others. */
export function isCanceled(error: unknown): boolean {
  return codeOf(error) === '57014'
}

/** What PostgreSQL itself would say to the first write of a session in which nothing can be written. */
export function readOnlyDatabase(): Error {
  return Object.assign(new Error('the database is read-only'), { code: '25006' })
}

/**
 * No session can be had of a database that is there, as where the password of its user or the certificate was changed:
 * for whoever asks it is away.
 */
export function turnedAway(cause: unknown): Error {
  return Object.assign(new Error((cause as Error).message, { cause }), { code: '08004' })
}

/** Who stands between us and the database, and passes on the queries of a session without what it is to be. */
export function optionsLost(): Error {
  const message = 'a pooler before it drops the options of sessions, and with them their role: connect without it'
  return Object.assign(new Error(message), { code: '08P01' })
}

/** Nobody gave a connection of the pool back in time: the database is there, and too much is asked of it. */
export function isPoolExhausted(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}

/** Codes of Node for a line that cannot be had or is cut. */
const LOST_LINE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAGAIN', // more callers than a Unix socket lets wait
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])

/** Someone else wrote the same key first. With `constraint`, that one only. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (codeOf(error) !== '23505') return false
  return constraint === undefined || (error as { constraint?: string }).constraint === constraint
}
