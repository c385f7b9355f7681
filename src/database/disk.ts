import { inTransaction, type Pool, together } from './connection.ts'

/** How long a look counts: who asks often, and nobody has to say who they are, keeps no disk busy. */
const LOOK_MS = 1_000

/** Looks after room on the database's disk, once a second at most. Gives what throws where there was none. */
export function createDiskLook(pool: Pool): () => Promise<void> {
  let look: Promise<void> | undefined
  let since = 0
  return () => {
    if (look && performance.now() - since < LOOK_MS) return look
    since = performance.now()
    const begun = assertRoomOnDisk(pool).catch((error) => {
      look = undefined
      throw error
    })
    look = begun
    return begun
  }
}

/**
 * Throws what PostgreSQL says of a full disk. Nothing that it keeps is written for that: half a megabyte, as much as a
 * table may grow by at once, goes into a file beside its tables that it has for a moment only.
 */
async function assertRoomOnDisk(pool: Pool): Promise<void> {
  await inTransaction(pool, (client) =>
    together([
      client.query(`set local work_mem = '64kB'`),
      client.query(
        `with much as materialized (select repeat('x', 8000) as text from generate_series(1, 64))
         select count(text) from much`,
      ),
    ]),
  )
}
