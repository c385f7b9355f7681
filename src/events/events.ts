import type { Pool } from '../database/connection.ts'
import type { Log } from '../log.ts'
import { createFeed } from './feed.ts'
import { createFollowers } from './follow.ts'
import { createPartitionKeeper } from './partitions.ts'

/** What is done with events once they are stored, on connections of `pool` that nothing else needs. */
export function createEvents(pool: Pool, log: Log, keepDays: number) {
  const feed = createFeed({ pool, log })
  const followers = createFollowers({ pool, feed, log })
  const partitions = createPartitionKeeper({ pool, log, keepDays })

  async function stop(): Promise<void> {
    await partitions.stop()
    await feed.stop()
  }
  return { pool, feed, followers, stop }
}
