import { Socket } from 'node:net'
import pg from 'pg'
import { isUnavailable, leavesOutcomeUnknown, optionsLost, readOnlyDatabase, UnknownOutcome } from './faults.ts'

/** How to reach a database, in parts. A subset of pg's own configuration. */
export type DatabaseAddress = {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/** The same, or in one text. */
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
  return poolOf(connection, max, name, plans, types, beginWriting)
}

/** The same for a program that only reads, also in a standby. */
export function createReadingPool(connection: Connection, max: number, name: string): Pool {
  return poolOf(connection, max, name, 'asEver', types, beginReading)
}

/** createPool for the library that runs jobs, which expects values as the driver reads them: a bigint ends the process. */
export function createJobPool(connection: Connection, max: number): Pool {
  return poolOf(connection, max, 'billing-gateway jobs', 'asEver', pg.types, beginWriting)
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

function poolOf(
  connection: Connection,
  max: number,
  name: string,
  plans: keyof typeof PLANS,
  types: pg.CustomTypesConfig,
  onConnect: (client: pg.ClientBase) => Promise<unknown>,
): Pool {
  const options = `${PLANS[plans]} -c role=${SERVER_ROLE} ${SESSION_OPTIONS}`
  const pool = new pg.Pool({
    ...reached(connection, options),
    max,
    types,
    application_name: name,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    idleTimeoutMillis: IDLE_MS,
    // Statements of a batch go out together, without waiting for the one before.
    pipeline: true,
    stream: coalescingSocket,
    onConnect,
  })
  // A connection that breaks while idle is replaced; who uses one that breaks gets the error from its query.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  if (plans !== 'asEver') planAfresh(pool)
  return pool
}

/** What a URL may say beside its options: where the database is, who asks, and how the line is kept secret. */
const ADDRESS_PARAMETERS = new Set([
  ...['host', 'port', 'user', 'password'],
  ...['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'],
])

/**
 * The driver's configuration for sessions with these options. To the driver whatever a URL says goes before all else,
 * the server's role too (ledger.md law 5): so it sees an address only, and of the URL's own options, which hosted
 * databases need, those hold that ours do not set, as PostgreSQL takes the last word on each.
 */
export function reached(connection: Connection, options: string): pg.ClientConfig {
  if (!('connectionString' in connection)) return { ...connection, options }
  const [url = ''] = connection.connectionString.split('#', 1)
  const [address, ...queries] = url.split('?')
  const query = queries.join('?')
  const kept = query.split('&').filter((part) => ADDRESS_PARAMETERS.has([...new URLSearchParams(part).keys()][0] ?? ''))
  const theirs = new URLSearchParams(query).getAll('options').at(-1) ?? ''
  return { connectionString: `${address}?${kept.join('&')}`, options: `${theirs} ${options}` }
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

/** One session as the database's owner: for migrations, and nothing else. */
export async function withOwner<T>(connection: Connection, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...reached(connection, OWNER_OPTIONS), types, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
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
    const begun = client.query('begin')
    const working = work(client)
    await together([begun, working])
    await commit(client)
    return await working
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

/** Sends what was written to this client until now, for whoever has more to do in this turn of the event loop. */
export function sendNow(client: Client): void {
  socketOf(client).uncork()
}

/** What the driver writes to and reads from, of which its types do not tell. */
export function socketOf(client: pg.ClientBase): Socket {
  return (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream
}

/** A socket that sends what is written in one turn of the event loop with one system call. */
export function coalescingSocket(): Socket {
  const socket = new Socket()
  const [connect, write] = [socket.connect.bind(socket), socket.write.bind(socket)]
  let corked = false
  function writeSoon(...args: Parameters<typeof write>): boolean {
    if (!corked && !socket.connecting) {
      corked = true
      socket.cork()
      process.nextTick(() => {
        corked = false
        socket.uncork()
      })
    }
    return write(...args)
  }
  socket.connect = ((...args: Parameters<typeof connect>) => {
    connect(...args)
    // Here, as to connect gives a socket its own way to write back.
    socket.write = writeSoon as Socket['write']
    return socket
  }) as Socket['connect']
  return socket
}
