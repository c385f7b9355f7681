import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { aDatabase } from '../../test/harness/cluster.ts'
import { aPool } from '../../test/harness/pool.ts'
import { coalescingSocket } from './connection.ts'

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
