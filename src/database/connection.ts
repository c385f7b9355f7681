import pg from 'pg'
import { coalescingSocket } from './coalescing_socket.ts'
import {
  isUnavailable,
  leavesOutcomeUnknown,
  optionsLost,
  readOnlyDatabase,
  turnedAway,
  UnknownOutcome,
} from './faults.ts'
import { hostsOf, leaving, reached } from './hosts.ts'

/** How to reach a database, in parts. A subset of pg's own configuration. */
export type DatabaseAddress = {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/** The same, or in one text, which may name several hosts (hosts.ts). */
export type Connection = DatabaseAddress | { readonly connectionString: string }

export type Pool = pg.Pool
export type Client = pg.PoolClient

/** What runs a query: a pool, or one of its clients inside a transaction. */
export type Queryable = Pick<pg.Pool | pg.PoolClient, 'query'>

/** The role of the server: it can add to the books and never rewrite them (ledger.md law 5). */
export const SERVER_ROLE = 'billing_gateway'

const OID = { int8: 20, numeric: 1700, timestamptz: 1184 }

/**
 * `2026-11-23 22:20:49.1234+00`, as PostgreSQL writes a time, in RFC 3339 UTC with microseconds. Sessions run in UTC.
 */
export function toWireTime(text: string): string {
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, -3).padEnd(6, '0')}Z`
}

/** Whole numbers of the database are bigints here, never floating point; times are text as it goes out. */
export const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === OID.int8 || oid === OID.numeric) return BigInt
    if (oid === OID.timestamptz) return toWireTime
    return pg.types.getTypeParser(oid, format)
  },
} as pg.CustomTypesConfig

/** What statements mean, and how values are written, must not hang on what somebody set for the database or its user. */
const MEANING_OPTIONS = [
  '-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex',
  '-c standard_conforming_strings=on -c row_security=on -c lock_timeout=0',
  '-c default_transaction_isolation=read\\ committed',
].join(' ')

/** A node that hangs or is cut off must not keep rows or tables locked. */
const IDLE_LIMIT = '-c idle_in_transaction_session_timeout=10s'

const SESSION_OPTIONS = [MEANING_OPTIONS, IDLE_LIMIT, '-c statement_timeout=30s'].join(' ')

/** How the statements of a pool are to be planned, whatever the statistics say of tables that were small a minute ago. */
const PLANS = {
  asEver: '',
  // Batches join every row by its whole key, by index. Their statements carry the book as a column beside keys that are
  // unnested there: as a constant it would be the better half of a key while a table is small. And what is unnested in a
  // list of columns is read as it is; in `from` each array becomes a table of its own first.
  byKey: [
    '-c plan_cache_mode=force_generic_plan',
    ...['seqscan', 'hashjoin', 'mergejoin', 'material', 'memoize'].map((name) => `-c enable_${name}=off`),
  ].join(' '),
  // Lists read the first rows of an index in its order, rather than all that match to sort them.
  inOrder: '-c enable_sort=off -c enable_bitmapscan=off',
}

/** A pool of sessions in the server's role. Connections are made when needed; a lost one is replaced. */
export function createPool(
  connection: Connection,
  max: number,
  name: string,
  plans: keyof typeof PLANS = 'asEver',
): Pool {
  return poolOf(connection, max, name, { plans, types, onConnect: beginWriting, query_timeout: LONGEST_SILENCE_MS })
}

/** The same for a program that only reads, also in a standby. */
export function createReadingPool(connection: Connection, max: number, name: string): Pool {
  return poolOf(connection, max, name, { plans: 'asEver', types, onConnect: beginReading })
}

/** createPool for the library that runs jobs, which expects values as the driver reads them: a bigint ends the process. */
export function createJobPool(connection: Connection, max: number): Pool {
  const ways = { plans: 'asEver', types: pg.types, onConnect: beginWriting, query_timeout: LONGEST_SILENCE_MS } as const
  return poolOf(connection, max, 'billing-gateway jobs', ways)
}

const IN_PUBLIC = `set_config('search_path', 'public, ' || current_setting('search_path'), false)`

/**
 * The tables are in `public`, where the server and functions of the owner look for them, also where the user's search
 * path begins with another schema, as with one of the user's name. Extensions are found wherever they were before.
 */
export async function workInPublic(client: pg.ClientBase): Promise<void> {
  await client.query(`select ${IN_PUBLIC}`)
}

/**
 * Begins a session in `public`. Keeps none of a pooler that drops its options: it would be the owner's (ledger.md law 5),
 * in any time zone. Returns whether nothing can be written in it.
 */
async function beginReading(client: pg.ClientBase): Promise<{ readonly readOnly: boolean }> {
  const { rows } = await client.query(
    `select current_setting('role') as role, current_setting('transaction_read_only') as read_only, ${IN_PUBLIC}`,
  )
  if (rows[0].role !== SERVER_ROLE) throw optionsLost()
  return { readOnly: rows[0].read_only === 'on' }
}

/**
 * Keeps no session in which nothing can be written: of a standby behind the name of the primary, say, or from while the
 * owner had the database read-only. It would stay so when the database takes writes again, and refuse payments for good.
 */
async function beginWriting(client: pg.ClientBase): Promise<void> {
  const { readOnly } = await beginReading(client)
  if (readOnly) throw readOnlyDatabase()
}

/** A new connection plans every statement anew, which takes longer than a batch: for a quiet minute none is given up. */
const IDLE_MS = 600_000

/**
 * A statement ends by itself before, or its line is dead: a database whose machine is lost ends no connection, and the
 * system would go on sending to it for a quarter of an hour.
 */
const LONGEST_SILENCE_MS = 35_000
/** A line that nobody uses is found dead some ten seconds after this. */
const KEEP_ALIVE_AFTER_MS = 10_000

type Ways = {
  readonly plans: keyof typeof PLANS
  readonly types: pg.CustomTypesConfig
  readonly onConnect: (client: pg.ClientBase) => Promise<unknown>
  /** How long an answer is waited for; without it, for as long as it takes. */
  readonly query_timeout?: number
}

function poolOf(connection: Connection, max: number, name: string, { plans, onConnect, ...ways }: Ways): Pool {
  const options = `${PLANS[plans]} -c role=${SERVER_ROLE} ${SESSION_OPTIONS}`
  const pool = new pg.Pool({
    Client: sessionOf(connection, options, onConnect),
    ...ways,
    max,
    application_name: name,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    idleTimeoutMillis: IDLE_MS,
    // Statements of a batch go out together, without waiting for the one before.
    pipeline: true,
    stream: coalescingSocket,
  })
  pool.on('error', () => undefined)
  // It has somebody who listens already; that the pool sees to it is what the library for jobs asks for.
  pool.on('connect', (client) => client.on('error', () => undefined))
  if (plans !== 'asEver') planAfresh(pool)
  return pool
}

/** Makes the sessions of a pool, each on the host that is in use then. One that cannot begin there leaves the host. */
function sessionOf(
  connection: Connection,
  options: string,
  begin: (client: pg.ClientBase) => Promise<unknown>,
): typeof pg.Client {
  function session(config: pg.ClientConfig): pg.Client {
    const client = new pg.Client({ ...config, ...reached(connection, options) })
    const leave = leaving(connection)
    const connect = client.connect.bind(client)
    async function connectAndBegin(done: (error?: unknown) => void): Promise<void> {
      try {
        await connect()
        await begin(client)
      } catch (error) {
        leave()
        await client.end().catch(() => undefined)
        return done(isUnavailable(error) ? error : turnedAway(error))
      }
      done()
    }
    client.connect = connectAndBegin as unknown as typeof client.connect
    // A connection that breaks while idle is replaced; who uses one that breaks gets the error from its query.
    return client.on('error', () => undefined)
  }
  return session as unknown as typeof pg.Client
}

const FIRST_PLANS_MS = 1_000

/**
 * Lets no plan stay that was made for an empty table which is soon a full one: each lives as long as the connection had
 * when it was made, so that what is made anew becomes rare. Later it is autovacuum that tells PostgreSQL when to plan.
 */
function planAfresh(pool: Pool): void {
  const planned = new WeakMap<object, { readonly since: number; readonly connected: number }>()
  pool.on('acquire', (client) => {
    const now = performance.now()
    const before = planned.get(client)
    if (!before) {
      planned.set(client, { since: now, connected: now })
      return
    }
    const { since, connected } = before
    if (now - since < Math.max(since - connected, FIRST_PLANS_MS)) return
    planned.set(client, { since: now, connected })
    // Goes out with the statement that the connection was acquired for, which has the same failure if there is one.
    client.query('discard plans').catch(() => undefined)
  })
}

/**
 * Of sessions that migrate. A large table takes what it takes, and another node that migrates is waited for: limits that
 * somebody set for the whole database would have the start fail each time. One that hangs or is cut off is not waited for.
 */
export const OWNER_OPTIONS = [MEANING_OPTIONS, IDLE_LIMIT, '-c statement_timeout=0'].join(' ')

/** One session as the database's owner: for migrations, and nothing else. Of several hosts on the one that takes writes. */
export async function withOwner<T>(connection: Connection, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await ownerSession(connection)
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function ownerSession(connection: Connection): Promise<pg.Client> {
  for (let others = hostsOf(connection) - 1; ; others -= 1) {
    const leave = leaving(connection)
    const client = new pg.Client({ ...reached(connection, OWNER_OPTIONS), types, connectionTimeoutMillis: 5_000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      if (others === 0 || !(await isReadOnly(client))) return client
      throw readOnlyDatabase()
    } catch (error) {
      leave()
      await client.end().catch(() => undefined)
      if (others === 0 || !isUnavailable(error)) throw error
    }
  }
}

async function isReadOnly(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query('show transaction_read_only')
  return rows[0].transaction_read_only === 'on'
}

/** Whether a server answers there: false while it starts or where nobody listens. Throws where it turns us away. */
export async function probe(connection: Connection): Promise<boolean> {
  try {
    await withOwner(connection, (client) => client.query('select 1'))
    return true
  } catch (error) {
    if (isUnavailable(error)) return false
    throw error
  }
}

/**
 * Runs `work` in one transaction on one connection: committed when it returns, rolled back when it throws, unless it
 * throws UnknownOutcome.
 */
export async function inTransaction<T>(pool: Pool, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    // Waited for: behind one that is canceled, each statement would be a transaction of its own.
    await client.query('begin')
    const done = await work(client)
    await commit(client)
    return done
  } catch (error) {
    await client.query('rollback').catch((cause: Error) => {
      broken = cause
    })
    throw error
  } finally {
    client.release(broken)
  }
}

async function commit(client: Client): Promise<void> {
  const { command } = await client.query('commit').catch((cause: unknown) => {
    if (leavesOutcomeUnknown(cause)) throw new UnknownOutcome('the commit was not answered', { cause })
    throw cause
  })
  if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`)
}

/**
 * Waits for statements that went out together on one connection, in the order in which they did. Where one fails, those
 * behind it fail for that: the error thrown is the first one's.
 */
export async function together(statements: readonly (Promise<unknown> | false | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(statements)
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  const cause = failures.find(({ code }) => code !== IN_FAILED_TRANSACTION) ?? failures[0]
  if (cause !== undefined) throw cause
}

const IN_FAILED_TRANSACTION = '25P02'
