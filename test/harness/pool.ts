import { after } from 'node:test'
import { createPool, type Pool } from '../../src/database/connection.ts'
import type { TestCluster } from './cluster.ts'

const made = new Set<Pool>()
// At the end of the test file, also where a test failed: no process ends before the connections that it keeps.
after(async () => {
  await Promise.all([...made].map((pool) => pool.end()))
})

/** A pool of the test's own. */
export function aPool(database: TestCluster, max = 1, plans?: Parameters<typeof createPool>[3]): Pool {
  const pool = createPool(database, max, 'test', plans)
  made.add(pool)
  return pool
}
