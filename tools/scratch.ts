import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Connection } from '../src/database/connection.ts'
import { startEmbedded } from '../src/database/embedded.ts'
import { migrate } from '../src/database/migrate.ts'

/** Does `work` on a migrated database of its own, in a folder that is thrown away. */
export async function withScratchDatabase<T>(
  name: string,
  work: (connection: Connection, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), name))
  try {
    const postgres = await startEmbedded(folder, { durable: false, maxConnections: 60 })
    try {
      await migrate(postgres.connection)
      return await work(postgres.connection, folder)
    } finally {
      await postgres.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
