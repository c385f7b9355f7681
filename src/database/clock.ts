import { randomBytes } from 'node:crypto'
import { createIds, type Id, type Instant } from '../ledger/id.ts'
import type { Queryable } from './connection.ts'

/** Makes ids of one transaction, each greater than the one before. */
export type NewId = <Of extends string>() => Id<Of>

/** A source of ids that carry `at`. */
export function idsAt(at: Instant): NewId {
  return createIds(at, randomBytes(6))
}

/** The database's clock in SQL: microseconds, UTC. */
export const CLOCK = '(extract(epoch from clock_timestamp()) * 1000000)::bigint'

/** The same as a column of a select. */
export const NOW = `${CLOCK} as now`

/** The database's clock: the only one that stamps anything (ledger.md, Posting). Microseconds, UTC. */
export async function readClock(client: Queryable): Promise<Instant> {
  const { rows } = await client.query<{ now: Instant }>({
    name: 'clock',
    text: `select ${NOW}`,
  })
  if (!rows[0]) throw new Error('the database has no clock')
  return rows[0].now
}
