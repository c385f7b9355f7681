import type { Pool } from '../database/connection.ts'
import type { Limit } from './settings.ts'

/** One thing that an attempt is counted under. */
export type Counted = { readonly key: string; readonly limit: Limit }

/** Whether an attempt may be made now; otherwise in how many seconds. */
export type Admitted =
  | { readonly ok: true }
  | { readonly ok: false; readonly counted: Counted; readonly seconds: number }

/**
 * Attempts to guess a secret. The first `limit.count` failures are free; after each further one the next attempt must
 * wait, 1 s and then twice as long each time, up to the limit's time; after twice that without one all is forgotten. An
 * attempt counts as a failure before it is made, so that many at once gain nothing, and is taken back when it turns out right.
 */
export function createAttempts(pool: Pool) {
  async function begin(counted: readonly Counted[]): Promise<Admitted> {
    const begun: Counted[] = []
    for (const one of counted) {
      const seconds = await count(one)
      if (seconds === undefined) {
        begun.push(one)
        continue
      }
      await takeBack(begun)
      return { ok: false, counted: one, seconds }
    }
    return { ok: true }
  }

  /**
   * Counts one; where the last was too short ago, counts nothing and says how many seconds are left. While attempts are free
   * `next_at` stays in the past: whoever waited for the row has a `now()` of before the wait.
   */
  async function count({ key, limit }: Counted): Promise<number | undefined> {
    const { rowCount } = await pool.query({
      name: 'begin-attempt',
      text: `
        insert into failed_attempts as f (key, failures, next_at, forgotten_at)
        values ($1, 1, '-infinity', now() + 2 * $3 * interval '1 second')
            on conflict (key) do update
           set failures = case when f.forgotten_at < now() then 1 else f.failures + 1 end,
               next_at = case when f.forgotten_at < now() or f.failures + 1 < $2 then f.next_at
                              else now() + least($3, power(2, least(f.failures + 1 - $2, 20))) * interval '1 second' end,
               forgotten_at = now() + 2 * $3 * interval '1 second'
         where f.next_at <= now()`,
      values: [key, limit.count, limit.seconds],
    })
    if (rowCount === 1) return undefined
    const { rows } = await pool.query<{ seconds: number }>(
      'select extract(epoch from next_at - now())::float8 as seconds from failed_attempts where key = $1',
      [key],
    )
    return Math.max(1, Math.ceil(rows[0]?.seconds ?? 1))
  }

  /** Takes back an attempt that was no failure. */
  async function takeBack(counted: readonly Counted[]): Promise<void> {
    for (const { key } of counted) {
      await pool.query(
        'update failed_attempts set failures = greatest(0, failures - 1), next_at = least(next_at, now()) where key = $1',
        [key],
      )
    }
  }

  /** Forgets all failures: whoever knows the secret was not guessing. */
  async function forget({ key }: Counted): Promise<void> {
    await pool.query('delete from failed_attempts where key = $1', [key])
  }

  return { begin, takeBack, forget }
}
export type Attempts = ReturnType<typeof createAttempts>
