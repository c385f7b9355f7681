import assert from 'node:assert/strict'
import pg from 'pg'
import { types, withOwner } from '../../src/database/connection.ts'
import { ERRORS, type ErrorCode } from '../../src/http/errors.ts'
import { decodeId } from '../../src/ledger/typeid.ts'
import { verifyBooks } from '../../src/verify/verify.ts'
import type { Client, Reply } from './client.ts'
import { type TestCluster, urlOf } from './cluster.ts'
import { type TestGateway, until } from './gateway.ts'

/** The body of a payment. */
export function transfer(from: string, to: string, amount: string, more: object = {}) {
  return { from_account: from, to_account: to, amount, ...more }
}

/** Opens an account and gives its id. */
export async function anAccount(user: Client, currency = 'USD', more: object = {}): Promise<string> {
  const { status, body } = await user.post('/v1/accounts', { currency, ...more })
  assert.equal(status, 201)
  return body.id
}

/** An operator puts money into an account. */
export async function fund(operator: Client, account: string, amount: string): Promise<void> {
  const wish = { account, amount, direction: 'debit', reason: 'Funds for a test' }
  const { status, body } = await operator.post('/v1/admin/adjustments', wish)
  assert.deepEqual([status, body.status], [201, 'completed'])
}

/** All rows of a list, page by page. */
export async function everyPage(client: Client, path: string, limit = 200): Promise<any[]> {
  const rows: any[] = []
  const list = `${path}${path.includes('?') ? '&' : '?'}limit=${limit}`
  let cursor: string | null = ''
  while (cursor !== null) {
    const { status, body }: Reply = await client.get(`${list}${cursor && `&cursor=${cursor}`}`)
    assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`)
    rows.push(...body.data)
    cursor = body.next_cursor
  }
  return rows
}

/** A refusal as api.md promises one: problem+json with this code, its status, a request id and nothing of our inside. */
export function assertProblem({ status, headers, body }: Reply, code: ErrorCode): void {
  assert.deepEqual([status, body.code], [ERRORS[code][0], code], JSON.stringify(body))
  assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.deepEqual(Object.keys(body), ['type', 'title', 'status', 'detail', 'code', 'request_id', 'errors'])
  assert.equal(body.status, status)
  assert.equal(body.request_id, headers.get('x-request-id'))
  assert.doesNotMatch(JSON.stringify(body), /\.ts\b|node_modules|\bat \w+ \(|\bselect\b|\binsert\b/i)
}

/** Whatever is in a database, a gateway on it or none. */
type InDatabase = { readonly database: TestCluster }

/** The rows that the database's owner sees: for what the API rightly does not show. */
export async function rowsOf({ database }: InDatabase, sql: string, values: unknown[] = []): Promise<any[]> {
  return (await ownerOf(database).query(sql, values)).rows
}

/** Has the time of pending payments be up now: as though they had been made to run out at this moment. */
export async function runOut(database: InDatabase, payments: readonly string[]): Promise<void> {
  await rowsOf(
    database,
    `with up as (update payments set expires_at = now() where id = any($1) returning id)
     update holds set expires_at = now() from up where payment_id = up.id`,
    [payments.map((id) => decodeId('pay', id))],
  )
}

/** What somebody with the rights of the database's owner does, in a session of its own. */
export async function tamper({ database }: InDatabase, sql: string): Promise<void> {
  await withOwner(database, (client) => client.query(sql))
}

const owners = new Map<string, pg.Pool>()

/** Sessions of the owner are kept: beginning one costs PostgreSQL more than most of what is asked of it here. */
function ownerOf(database: TestCluster): pg.Pool {
  const key = urlOf(database)
  const known = owners.get(key)
  if (known) return known
  const pool = new pg.Pool({ ...database, types, max: 4, allowExitOnIdle: true })
  pool.on('error', () => undefined)
  owners.set(key, pool)
  return pool
}

/** Does something while a transaction of the owner holds what this statement locks; what is begun may wait for its end. */
export async function locking<T extends readonly Promise<Reply>[] | []>(
  gateway: TestGateway,
  sql: string,
  work: () => Promise<T>,
): Promise<T> {
  const client = await ownerOf(gateway.database).connect()
  try {
    await client.query('begin')
    await client.query(sql)
    return await work()
  } finally {
    await client.query('rollback')
    client.release()
  }
}

/** Locks an account as a batch does that has a payment of it under way: for `locking`. */
export function lockOf(account: string): string {
  return `select from accounts where id = '${decodeId('acc', account)}' for no key update`
}

/** What comes of a payment that waits for its payer's account while `meanwhile` is done. */
export async function paidBehind(
  gateway: TestGateway,
  payer: string,
  pay: () => Promise<Reply>,
  meanwhile: () => Promise<unknown>,
): Promise<Reply> {
  const [paying] = await locking(gateway, lockOf(payer), async () => {
    const paying = pay()
    await untilLocked(gateway, 1)
    await meanwhile()
    return [paying]
  })
  return paying
}

/** The sessions on the gateway's database of which this is true (https://www.postgresql.org/docs/current/monitoring-stats.html). */
export function sessionsWhere(gateway: TestGateway, condition: string): Promise<any[]> {
  return rowsOf(gateway, `select from pg_stat_activity where datname = current_database() and ${condition}`)
}

export const WAITS_FOR_LOCK = `wait_event_type = 'Lock'`

/** Waits until so many of its sessions wait for a lock. */
export async function untilLocked(gateway: TestGateway, sessions: number): Promise<void> {
  await until(async () => (await sessionsWhere(gateway, WAITS_FOR_LOCK)).length === sessions)
}

/** Waits until no event is held back by an older transaction, of another test too: who listens then hears only what is new. */
export async function noneHeldBack(gateway: TestGateway): Promise<void> {
  const held = 'select from events where txid >= pg_snapshot_xmin(pg_current_snapshot()) limit 1'
  await until(async () => (await rowsOf(gateway, held)).length === 0)
}

/** Every account's balance, by id: to see that something moved nothing. */
export async function allBalances(gateway: TestGateway): Promise<Record<string, string>> {
  const rows = await rowsOf(gateway, 'select id, balance::text from accounts order by id')
  return Object.fromEntries(rows.map(({ id, balance }) => [id, balance]))
}

/** Every law that can be checked from outside, on the books as they are now. */
export async function assertBooksAreRight({ database }: TestGateway): Promise<void> {
  const { findings, postings } = await verifyBooks(database)
  assert.deepEqual(findings, [])
  assert.ok(postings > 0n)
}

/** Waits until everything that is final is in a block. */
export async function untilSealed(gateway: TestGateway): Promise<void> {
  await until(async () => {
    const waiting = await rowsOf(
      gateway,
      `select from (select book, txid, type from events union all select book, txid, 'audit' from audit_log) e
        where (type = 'audit' or type in ('payment.completed', 'payment.declined', 'payment.canceled', 'payment.failed',
                                          'payment.expired'))
          and txid > coalesce((select max(b.up_to_txid::text::bigint)::text::xid8 from blocks b where b.book = e.book),
                              '0'::xid8)`,
    )
    return waiting.length === 0
  })
}
