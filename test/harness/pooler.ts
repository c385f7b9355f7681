import { connect, createServer, type Socket } from 'node:net'
import { after } from 'node:test'
import type { TestCluster } from './cluster.ts'

const poolers = new Set<() => void>()
after(() => {
  for (const end of poolers) end()
})

/**
 * The database as it is reached through a pooler that drops the options of sessions, as PgBouncer does that is to ignore
 * them: whoever connects gets a session that is its login's own.
 */
export async function behindPooler(database: TestCluster): Promise<TestCluster> {
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(`${database.host}/.s.PGSQL.${database.port}`)
    near.once('data', (startup: Buffer) => {
      far.write(withoutOptions(startup))
      near.pipe(far)
    })
    far.pipe(near)
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        near.destroy()
        far.destroy()
      })
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  poolers.add(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { ...database, host: '127.0.0.1', port: (server.address() as { port: number }).port }
}

/** A startup message: its length, the version of the protocol, and names and values, each ended by a zero byte. */
function withoutOptions(startup: Buffer): Buffer {
  const rest = startup.toString('latin1', 8).replace(/(^|\0)options\0[^\0]*\0/, '$1')
  const length = Buffer.alloc(4)
  length.writeInt32BE(8 + rest.length)
  return Buffer.concat([length, startup.subarray(4, 8), Buffer.from(rest, 'latin1')])
}
