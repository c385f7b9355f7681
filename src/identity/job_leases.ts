import { EventEmitter } from 'node:events'
import type { WorkerEvents } from 'graphile-worker'
import type { Pool } from '../database/connection.ts'
import { createRounds } from '../database/rounds.ts'
import type { Log } from '../log.ts'

const RENEW_EVERY_MS = 10_000
const LEASE = `interval '1 minute'`

/** Which node has a job, for as long as it does it. */
export type JobLeases = {
  /** What a runner tells of the jobs that it begins and ends: it is the node's only one, in place of the one before. */
  readonly eventsOfRunner: () => WorkerEvents
  readonly stop: () => Promise<void>
}

/**
 * Gives jobs of nodes that died to whoever is there, a minute later: the library itself waits for four hours before it
 * takes the lock of a job for one that nobody holds. So each node says again and again which jobs it has under way.
 */
export function createJobLeases(pool: Pool, log: Log): JobLeases {
  let held = new Set<string>()

  async function renew(): Promise<number> {
    if (held.size > 0) {
      await pool.query(
        `update graphile_worker._private_jobs set locked_at = now() where id = any($1::bigint[]) and locked_at is not null`,
        [[...held]],
      )
    }
    await pool.query(
      `update graphile_worker._private_jobs
          set locked_at = null, locked_by = null, run_at = greatest(run_at, now())
        where locked_at < now() - ${LEASE}`,
    )
    return 0
  }
  const rounds = createRounds({
    round: renew,
    everyMs: RENEW_EVERY_MS,
    log,
    fault: 'could not renew what jobs are held',
  })

  function eventsOfRunner(): WorkerEvents {
    const mine = new Set<string>()
    held = mine
    const events: WorkerEvents = new EventEmitter()
    events.on('job:start', ({ job }) => mine.add(job.id))
    events.on('job:complete', ({ job }) => mine.delete(job.id))
    return events
  }
  return { eventsOfRunner, stop: rounds.stop }
}
