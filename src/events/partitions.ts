import type { Pool } from '../database/connection.ts'
import { isRaceLost } from '../database/faults.ts'
import { createRounds, type Rounds } from '../database/rounds.ts'
import type { Log } from '../log.ts'

const EVERY_MS = 60_000

type Options = { readonly pool: Pool; readonly log: Log; readonly keepDays: number }

/** Has the tables of the next days made, and those dropped that are older than `keepDays`, on any number of nodes at once. */
export function createPartitionKeeper({ pool, log, keepDays }: Options): Rounds {
  return createRounds({
    round: () => keepPartitions(pool, keepDays),
    everyMs: EVERY_MS,
    log,
    fault: 'could not make or drop tables of events',
  })
}

/** Makes and drops tables once. Where somebody reads what would be dropped, there is a next time. */
export async function keepPartitions(pool: Pool, keepDays: number): Promise<number> {
  await pool.query('select keep_event_partitions($1)', [keepDays]).catch((error: unknown) => {
    if (!isRaceLost(error)) throw error
  })
  return 0
}
