import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { StartError } from '../start_error.ts'
import { type Connection, probe, SERVER_ROLE, withOwner } from './connection.ts'
import { holderOf, lockDataFolder } from './data_folder.ts'
import { connectionOf, isServedElsewhere, servedElsewhere, startEmbedded } from './embedded.ts'
import { migrate } from './migrate.ts'
import { mostConnections } from './node_connections.ts'

/** A database that is there and migrated. `close` stops what was started for it, and nothing else. */
export type OpenDatabase = { readonly connection: Connection; readonly close: () => Promise<void> }

const LONGEST_START_MS = 10_000

/**
 * The database of the settings for a server: DATABASE_URL, or the embedded one in the data folder, which no other
 * process may use meanwhile. Throws StartError with one clear line where it cannot be had. `check` is what else may keep
 * the program from starting: it is asked before anything is migrated, as an older program does not come back from that.
 */
export async function openDatabase(config: Config, check = async (): Promise<void> => {}): Promise<OpenDatabase> {
  if (config.database) {
    await check()
    await migrate(config.migrationDatabase ?? config.database)
    return { connection: config.database, close: async () => undefined }
  }
  const folder = config.dataFolder
  // Before its lock is judged by a process id that means nothing here.
  if (holderOf(folder) === undefined && (await isServedElsewhere(folder))) throw servedElsewhere(folder)
  const unlock = lockDataFolder(folder)
  try {
    await check()
    const embedded = await startEmbedded(folder, {
      durable: true,
      maxConnections: mostConnections(config.databaseConnections),
    })
    try {
      await migrate(embedded.connection)
      await ensureServerLogin(embedded.connection)
    } catch (error) {
      await embedded.stop()
      throw error
    }
    const close = async () => {
      await embedded.stop()
      unlock()
    }
    return { connection: asServer(embedded.connection), close }
  } catch (error) {
    unlock()
    throw error
  }
}

/** The same for a command that works beside a running server as well as alone: where one runs, its database is joined. */
export async function joinDatabase(config: Config): Promise<OpenDatabase> {
  if (config.database || !(await isRunning(config.dataFolder))) return openDatabase(config)
  const connection = await untilReady(config.dataFolder)
  await migrate(connection)
  return { connection: asServer(connection), close: async () => undefined }
}

async function isRunning(folder: string): Promise<boolean> {
  return holderOf(folder) !== undefined || (await isServedElsewhere(folder))
}

/** Who the gateway is in its own PostgreSQL: no session of it can become the owner. */
const SERVER_LOGIN = 'billing_server'

function asServer(owner: Connection): Connection {
  return { ...owner, user: SERVER_LOGIN }
}

/** Its password is the owner's: who can read the one file may be either. */
async function ensureServerLogin(owner: Connection): Promise<void> {
  const password = 'password' in owner ? owner.password : ''
  await withOwner(owner, async (client) => {
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [SERVER_LOGIN])
    if (rowCount === 0) await client.query(`create role ${SERVER_LOGIN} login in role ${SERVER_ROLE}`)
    await client.query(`alter role ${SERVER_LOGIN} password ${client.escapeLiteral(password)}`)
  })
}

/** A gateway that has just been started is given time to make and start its database. */
async function untilReady(folder: string): Promise<Connection> {
  const givesUpAt = performance.now() + LONGEST_START_MS
  for (;;) {
    try {
      const connection = connectionOf(folder)
      // The server's login comes last: until then it is turned away.
      if ((await probe(connection)) && (await probe(asServer(connection)))) return connection
    } catch (cause) {
      if (performance.now() > givesUpAt) throw cause
    }
    if (performance.now() > givesUpAt) throw new StartError(`the database of the gateway on ${folder} does not answer`)
    await delay(50)
  }
}
