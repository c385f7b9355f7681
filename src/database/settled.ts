import { setTimeout as delay } from 'node:timers/promises'
import type { Instant } from '../ledger/id.ts'
import { readClock } from './clock.ts'
import type { Queryable } from './connection.ts'

// Transactions commit in another order than that of the times in their ids. Each takes its number (by locking a row)
// before it reads the clock, so when all numbers given out by a moment are done, no id of before that moment is to come.

/** A moment, and a transaction number that was given out after it, and so after those of all ids of before. */
export type Mark = { readonly at: Instant; readonly number: bigint }

/** The present moment, to ask `isSettled` about later. */
export async function markNow(client: Queryable): Promise<Mark> {
  // The clock first: a number given out between the two belongs to a later moment.
  const at = await readClock(client)
  // What a snapshot calls its xmax is no such number: transactions beyond it may be under way.
  const { rows } = await client.query<{ number: bigint }>('select pg_current_xact_id()::text::bigint as number')
  if (!rows[0]) throw new Error('the database gave no number')
  return { at, number: rows[0].number }
}

/** Whether everything that carries a time before the mark is committed, or never will be. */
export async function isSettled(client: Queryable, mark: Mark): Promise<boolean> {
  const isSettledNow = await lookWhatIsSettled(client)
  return isSettledNow(mark)
}

/** The same of any number of marks, by one look. */
export async function lookWhatIsSettled(client: Queryable): Promise<(mark: Mark) => boolean> {
  const { rows } = await client.query<{ oldest: bigint }>(
    'select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest',
  )
  const oldest = rows[0]?.oldest ?? 0n
  return ({ number }) => oldest >= number
}

/**
 * Waits until what carries a time up to `asked` is committed; `now` is what the database's clock said, or earlier than
 * that. False where that takes too long, as with somebody's long transaction in the same database.
 */
export async function awaitSettled(
  client: Queryable,
  asked: Instant,
  now: Instant,
  longestMs = LONGEST_WAIT_MS,
): Promise<boolean> {
  if (isLongAgo(asked, now)) return true
  const mark = await markNow(client)
  for (let wait = 1; wait < longestMs; wait *= 2) {
    if (await isSettled(client, mark)) return true
    if (wait > FOREIGN_AFTER_MS && !(await isOneOfOurs(client, mark))) return true
    await delay(wait)
  }
  return false
}

/** Whether what is under way from before the mark is in this database: a server may have others, with longer transactions. */
async function isOneOfOurs(client: Queryable, { number }: Mark): Promise<boolean> {
  // Each transaction holds a lock on its number, of which the lower half is shown.
  const { rows } = await client.query(
    `select from pg_locks l
       join pg_stat_activity s on s.pid = l.pid and s.datname = current_database()
      where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
        and age(l.transactionid) > age($1::xid)
      limit 1`,
    [String(number % 2n ** 32n)],
  )
  return rows.length > 0
}

/** A transaction of ours is seldom under way for longer, and none takes its lock so late. */
const FOREIGN_AFTER_MS = 250

/** Whether nothing that carries that time can still be on its way: no transaction of ours lasts that long. */
export function isLongAgo(asked: Instant, now: Instant): boolean {
  return asked < now - LONGEST_TRANSACTION
}

const LONGEST_TRANSACTION = 300_000_000n

/** The waits before it, together, are as long again. */
const LONGEST_WAIT_MS = 8_000
