import { setTimeout as delay } from 'node:timers/promises'
import type { Instant } from '../ledger/id.ts'
import { readClock } from './clock.ts'
import type { Queryable } from './connection.ts'

// Transactions commit in another order than that of the times in their ids. Each takes its number (by locking a row)
// before it reads the clock, so when all numbers given out by a moment are done, no id of before that moment is to come.

/** A moment, and the first transaction number that had not been given out then. */
export type Mark = { readonly at: Instant; readonly next: bigint }

/** The present moment, to ask `isSettled` about later. */
export async function markNow(client: Queryable): Promise<Mark> {
  // The clock first: a number given out between the two belongs to a later moment.
  const at = await readClock(client)
  return { at, next: (await readSnapshot(client)).next }
}

/** Whether everything that carries a time before the mark is committed, or never will be. */
export async function isSettled(client: Queryable, { next }: Mark): Promise<boolean> {
  return (await readSnapshot(client)).oldest >= next
}

/**
 * Waits until all that is under way now is done: the answer is a time before which nothing will be added any more.
 * Undefined where that takes too long, as with somebody's long transaction on the same server.
 */
export async function settledTime(client: Queryable): Promise<Instant | undefined> {
  const mark = await markNow(client)
  for (let wait = 1; wait < LONGEST_WAIT_MS; wait *= 2) {
    if (await isSettled(client, mark)) return mark.at
    await delay(wait)
  }
  return undefined
}

/** The waits before it, together, are as long again. */
const LONGEST_WAIT_MS = 8_000

async function readSnapshot(client: Queryable): Promise<{ oldest: bigint; next: bigint }> {
  const { rows } = await client.query<{ oldest: bigint; next: bigint }>(
    `select pg_snapshot_xmin(now)::text::bigint as oldest, pg_snapshot_xmax(now)::text::bigint as next
       from pg_current_snapshot() as now`,
  )
  if (!rows[0]) throw new Error('the database has no snapshot')
  return rows[0]
}
