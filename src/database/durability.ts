import type { Log } from '../log.ts'
import type { Pool } from './connection.ts'

/** Says in the log where the database may forget what it has committed, if its machine goes down (docs/deployment.md). */
export async function warnOfLoss(pool: Pool, log: Log): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `select name from pg_settings
      where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off' order by name`,
  )
  const off = rows.map(({ name }) => name)
  if (off.length > 0)
    log.warn({ off }, 'the database may lose acknowledged payments: it has settings off that keep them')
}
