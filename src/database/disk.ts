import { inTransaction, type Pool, together } from './connection.ts'

/**
 * Throws what PostgreSQL says of a full disk. Nothing that it keeps is written for that: half a megabyte, as much as a
 * table may grow by at once, goes into a file beside its tables that it has for a moment only.
 */
export async function assertRoomOnDisk(pool: Pool): Promise<void> {
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
