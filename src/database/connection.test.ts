import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { aDatabase, urlOf } from '../../test/harness/cluster.ts'
import { aPool } from '../../test/harness/pool.ts'
import { coalescingSocket } from './coalescing_socket.ts'
import { createJobPool, createPool, withOwner } from './connection.ts'

it('what is written in one turn of the event loop is sent at once, as the driver writes it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bgw-socket-'))
  const server = createServer().listen(join(folder, 's'))
  await once(server, 'listening')
  const socket = coalescingSocket()
  const connected = once(server, 'connection')
  socket.connect(join(folder, 's'))
  const [other]: Socket[] = await connected
  await new Promise((resolve) => setImmediate(resolve))
  // Each statement is corked by itself.
  for (const statement of ['one ', 'two ', 'three']) {
    socket.cork()
    socket.write(statement)
    socket.uncork()
  }
  assert.equal(socket.writableLength, 'one two three'.length, 'nothing is sent yet')
  const [chunk] = await once(other as Socket, 'data')
  assert.equal(String(chunk), 'one two three')
  socket.destroy()
  server.close()
  await rm(folder, { recursive: true })
})

it('a statement that fails says so to whoever asked for it, and the others go on', async (t) => {
  const client = await aPool(await aDatabase()).connect()
  t.after(() => client.release())
  async function divide(): Promise<unknown> {
    try {
      return await client.query('select 1 / 0')
    } catch (error) {
      return error
    }
  }
  const failing = divide()
  const { rows } = await client.query<{ sum: number }>({ name: 'sum', text: 'select 1 + $1::int as sum', values: [2] })
  const error = await failing
  assert.ok(error instanceof Error)
  assert.match(error.message, /division by zero/)
  assert.match(error.stack ?? '', /at async divide .*connection\.test\.ts/)
  assert.deepEqual(rows, [{ sum: 3 }])
})

describe('a URL with settings of its own', () => {
  const SESSION = `select current_user as role, current_setting('TimeZone') as zone, current_setting('DateStyle') as dates,
                          current_setting('statement_timeout') as statements, current_setting('lock_timeout') as locks,
                          current_setting('idle_in_transaction_session_timeout') as idle,
                          current_setting('application_name') as name, current_setting('work_mem') as memory
                     from pg_sleep(0.02)`
  const OPTIONS = '-c work_mem=8MB -c role=none -c TimeZone=Asia/Tokyo -c DateStyle=German -c statement_timeout=0'
  const PARAMETERS =
    'application_name=theirs&statement_timeout=1&lock_timeout=1&idle_in_transaction_session_timeout=1&query_timeout=1'
  const connection = async () => ({
    connectionString: `${urlOf(await aDatabase())}&${PARAMETERS}&options=${encodeURIComponent(OPTIONS)}`,
  })
  const ours = { role: 'billing_gateway', zone: 'UTC', dates: 'ISO, DMY', statements: '30s', locks: '0', idle: '10s' }

  it('adds to those of a session in the server’s role, and takes none of them away', async () => {
    const pools = [createPool(await connection(), 1, 'ours', 'byKey'), createJobPool(await connection(), 1)]
    try {
      const sessions = await Promise.all(pools.map(async (pool) => (await pool.query(SESSION)).rows[0]))
      assert.deepEqual(sessions, [
        { ...ours, name: 'ours', memory: '8MB' },
        { ...ours, name: 'billing-gateway jobs', memory: '8MB' },
      ])
    } finally {
      await Promise.all(pools.map((pool) => pool.end()))
    }
  })

  it('gives the owner, who migrates, its options, and time in UTC all the same', async () => {
    const { rows } = await withOwner(await connection(), (client) => client.query(SESSION))
    const { zone, dates, locks, name, memory } = rows[0]
    assert.deepEqual(
      { zone, dates, locks, name, memory },
      { zone: 'UTC', dates: 'ISO, DMY', locks: '0', name: '', memory: '8MB' },
    )
  })
})
