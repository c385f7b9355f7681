import { createHash } from 'node:crypto'
import { parseInstant } from './instant.ts'
import { type Kind, QueryError } from './list_fields.ts'
import type { Term } from './list_order.ts'
import type { ListQuery } from './list_query.ts'

// A cursor is the place of the last row that was looked at, sealed to the list, the filters and the order that it was
// made with: with any others it is refused.

/** What a cursor goes with: the list, and its filters in whatever order they were written, and its sort. */
export function signatureOf(table: string, { filters, sort }: ListQuery): string {
  const asked = filters.map((filter) => JSON.stringify(filter)).sort()
  return createHash('sha256').update(JSON.stringify({ table, asked, sort })).digest('base64url').slice(0, 12)
}

export function writeCursor(signature: string, values: readonly (string | null)[]): string {
  return Buffer.from(JSON.stringify([signature, ...values])).toString('base64url')
}

/** What each type looks like as PostgreSQL writes it: a cursor that somebody made up must not reach a cast. */
const WRITTEN: Record<Kind['cast'], RegExp> = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  numeric: /^-?\d{1,60}(\.\d{1,40})?$/,
  timestamptz: /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?\+00$/,
  text: /^[^\0]*$/,
  xid8: /^\d{1,19}$/,
}

/** A text may have the form of a time and be none, such as a month 13. */
function isWritten(cast: Kind['cast'], value: string): boolean {
  if (!WRITTEN[cast]?.test(value)) return false
  return cast !== 'timestamptz' || parseInstant(value.replace(' ', 'T').replace('+00', 'Z')) !== undefined
}

/** The values of a cursor, one for each term. Throws QueryError where it is none of this query. */
export function readCursor(cursor: string, signature: string, order: readonly Term[]): (string | null)[] {
  const refuse = (message: string): never => {
    throw new QueryError('cursor', message)
  }
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return refuse('is not a cursor of this list')
  }
  if (!Array.isArray(parts) || typeof parts[0] !== 'string') return refuse('is not a cursor of this list')
  if (parts[0] !== signature)
    return refuse('belongs to another list, or to a query with other filters or another order')
  const values: unknown[] = parts.slice(1)
  const fit = (value: unknown, { cast, nullable }: Term) =>
    value === null ? nullable : typeof value === 'string' && value.isWellFormed() && isWritten(cast, value)
  if (values.length !== order.length || !order.every((term, index) => fit(values[index], term))) {
    return refuse('is not a cursor of this list')
  }
  return values as (string | null)[]
}
