import { type Connection, createPool } from '../database/connection.ts'
import type { Log } from '../log.ts'
import { createFeed } from './feed.ts'
import { createFollowers } from './follow.ts'
import { createPartitionKeeper } from './partitions.ts'

/** One that follows the events, one that keeps their tables, and one for whoever goes on from an earlier one. */
const CONNECTIONS = 3

/** What is done with events once they are stored, on connections of its own. */
export function createEvents(connection: Connection, log: Log, keepDays: number) {
  const pool = createPool(connection, CONNECTIONS, 'billing-gateway events', 'byKey')
  const feed = createFeed({ pool, log })
  const followers = createFollowers({ pool, feed, log })
  const partitions = createPartitionKeeper({ pool, log, keepDays })

  async function stop(): Promise<void> {
    await partitions.stop()
    await feed.stop()
    await pool.end()
  }
  return { pool, feed, followers, stop }
}
