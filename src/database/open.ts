import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { StartError } from '../start_error.ts'
import { type Connection, probe } from './connection.ts'
import { holderOf, lockDataFolder } from './data_folder.ts'
import { connectionOf, startEmbedded } from './embedded.ts'
import { migrate } from './migrate.ts'

/** A database that is there and migrated. `close` stops what was started for it, and nothing else. */
export type OpenDatabase = { readonly connection: Connection; readonly close: () => Promise<void> }

const MAX_CONNECTIONS = 100
const LONGEST_START_MS = 10_000

/**
 * The database of the settings for a server: DATABASE_URL, or the embedded one in the data folder, which no other
 * process may use meanwhile. Throws StartError with one clear line where it cannot be had.
 */
export async function openDatabase(config: Config): Promise<OpenDatabase> {
  if (config.database) {
    await migrate(config.database)
    return { connection: config.database, close: async () => undefined }
  }
  const unlock = lockDataFolder(config.dataFolder)
  try {
    const embedded = await startEmbedded(config.dataFolder, { durable: true, maxConnections: MAX_CONNECTIONS })
    try {
      await migrate(embedded.connection)
    } catch (error) {
      await embedded.stop()
      throw error
    }
    const close = async () => {
      await embedded.stop()
      unlock()
    }
    return { connection: embedded.connection, close }
  } catch (error) {
    unlock()
    throw error
  }
}

/** The same for a command that works beside a running server as well as alone: where one runs, its database is joined. */
export async function joinDatabase(config: Config): Promise<OpenDatabase> {
  const running = !config.database && holderOf(config.dataFolder) !== undefined
  if (!running) return openDatabase(config)
  const connection = await untilReady(config.dataFolder)
  await migrate(connection)
  return { connection, close: async () => undefined }
}

/** A gateway that has just been started is given time to make and start its database. */
async function untilReady(folder: string): Promise<Connection> {
  const givesUpAt = performance.now() + LONGEST_START_MS
  for (;;) {
    try {
      const connection = connectionOf(folder)
      if (await probe(connection)) return connection
    } catch (cause) {
      if (performance.now() > givesUpAt) throw cause
    }
    if (performance.now() > givesUpAt) throw new StartError(`the database of the gateway on ${folder} does not answer`)
    await delay(50)
  }
}
