// Which errors of PostgreSQL mean what. https://www.postgresql.org/docs/current/errcodes-appendix.html

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

/** The transaction lost a race with another one and may simply be tried again. */
export function isRaceLost(error: unknown): boolean {
  return ['40001', '40P01', '55P03'].includes(codeOf(error))
}

/**
 * The database is away: starting, stopping, failing over, full of connections, or the line is cut. What was under way
 * was not done, unless it was the commit itself, whose outcome is then unknown.
 */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error)
  if (code.startsWith('08') || code.startsWith('57P') || ['53300', '25006', '25P03', '57014'].includes(code))
    return true
  if (['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN'].includes(code))
    return true
  const message = error instanceof Error ? error.message : ''
  return /Connection terminated|connection timeout|timeout exceeded when trying to connect|not queryable|Client was closed/i.test(
    message,
  )
}

/** Someone else wrote the same key first. With `constraint`, that one only. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (codeOf(error) !== '23505') return false
  return constraint === undefined || (error as { constraint?: string }).constraint === constraint
}
