import type { Pool } from '../database/connection.ts'
import type { Log } from '../log.ts'
import { limitKey } from './key.ts'
import type { Limit } from './settings.ts'
import { type Taken, takenOf } from './take.ts'

type Bucket = {
  readonly limit: Limit
  /** When all that was used will be there again, by this process's clock, in seconds. */
  fullAt: number
  /** Taken here and not yet told to the other nodes. */
  untold: number
}

const TELL_EVERY_MS = 200
const SWEEP_EVERY_MS = 30_000
/** Nobody tells the others of less than this part of a limit: most callers are never near theirs. */
const WORTH_TELLING = 0.05

/**
 * Wide limits, counted in memory so that no request waits for the database. Nodes add up what they have let through a
 * few times a second, so that several let through no more than one would, but for what a moment's burst holds.
 */
export function createBuckets(pool: Pool, log: Log) {
  const bucketsOf = new Map<string, Map<string, Bucket>>()
  const seconds = () => performance.now() / 1_000

  /** One of what `who` may have of that kind. */
  function take(kind: string, who: string, limit: Limit): Taken {
    const now = seconds()
    let buckets = bucketsOf.get(kind)
    if (!buckets) {
      buckets = new Map()
      bucketsOf.set(kind, buckets)
    }
    let bucket = buckets.get(who)
    if (!bucket || bucket.limit !== limit) {
      bucket = { limit, fullAt: now, untold: 0 }
      buckets.set(who, bucket)
    }
    if (bucket.fullAt <= now) {
      bucket.fullAt = now
      bucket.untold = 0
    }
    const after = bucket.fullAt + limit.seconds / limit.count
    if (after - now > limit.seconds + 1e-6) return takenOf(limit, false, bucket.fullAt - now)
    bucket.fullAt = after
    bucket.untold += 1
    return takenOf(limit, true, after - now)
  }

  async function tell(): Promise<void> {
    const told = [...bucketsOf].flatMap(([kind, buckets]) =>
      [...buckets].flatMap(([who, bucket]) => {
        const isWorth = bucket.untold >= bucket.limit.count * WORTH_TELLING
        return isWorth ? [{ key: limitKey(`${kind} ${who}`), bucket, used: bucket.untold }] : []
      }),
    )
    if (told.length === 0) return
    for (const { bucket } of told) bucket.untold = 0
    const { rows } = await pool.query<{ key: string; debt: number }>({
      name: 'tell-limits',
      text: `
        insert into rate_limits as r (key, full_at)
        select v.key, now() + v.used * interval '1 second' from unnest($1::uuid[], $2::float8[]) as v (key, used)
         order by v.key
            on conflict (key) do update
           set full_at = greatest(r.full_at, now()) + (excluded.full_at - now())
        returning key, extract(epoch from full_at - now())::float8 as debt`,
      values: [
        told.map(({ key }) => key),
        told.map(({ bucket: { limit }, used }) => (used * limit.seconds) / limit.count),
      ],
    })
    const debts = new Map(rows.map(({ key, debt }) => [key, debt]))
    for (const { key, bucket } of told) {
      // No later than twice the limit: a node that was cut off may not keep others waiting for what it saved up.
      const debt = Math.min(debts.get(key) ?? 0, bucket.limit.seconds * 2)
      bucket.fullAt = Math.max(bucket.fullAt, seconds() + debt)
    }
  }

  let telling = false
  const timer = setInterval(() => {
    if (telling) return
    telling = true
    tell()
      .catch((error: unknown) => log.debug({ err: error }, 'could not tell the other nodes of rate limits'))
      .finally(() => {
        telling = false
      })
  }, TELL_EVERY_MS)
  timer.unref()

  async function sweep(): Promise<void> {
    const now = seconds()
    for (const buckets of bucketsOf.values()) {
      for (const [who, { fullAt }] of buckets) if (fullAt <= now) buckets.delete(who)
    }
    await pool.query('delete from rate_limits where full_at < now()')
    await pool.query('delete from failed_attempts where forgotten_at < now()')
  }

  const sweeper = setInterval(() => void sweep().catch(() => undefined), SWEEP_EVERY_MS)
  sweeper.unref()

  function stop(): void {
    clearInterval(timer)
    clearInterval(sweeper)
  }

  return { take, stop }
}
export type Buckets = ReturnType<typeof createBuckets>
