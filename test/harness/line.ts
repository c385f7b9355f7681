import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'
import { after } from 'node:test'
import { aDatabase, type TestCluster } from './cluster.ts'

/** Whether a commit is lost on its way to the database, or its answer on the way back. */
export type Lost = 'commit' | 'answer'

/** The line between a gateway and its database, to be cut where it hurts most. */
export type Line = {
  /** The database as it is reached through the line, and directly. */
  readonly database: TestCluster
  readonly direct: TestCluster
  /**
   * Cuts the line of whoever commits next in a pool of that name, after so many others, at the commit itself. Resolves
   * when that is done.
   */
  readonly cutAtCommit: (lost: Lost, pool: string, others?: number) => Promise<void>
  /** The same, but that commit is answered: what goes down behind it, until it is up again, is everything. */
  readonly downAfterCommit: (pool: string) => Promise<void>
  /**
   * Has the next transaction of a pool of that name canceled as it begins, as where an administrator means a statement that
   * is over by then. Resolves when that is done.
   */
  readonly cancelAtBegin: (pool: string) => Promise<void>
  /** Cuts every line, and refuses new ones until it is up again. */
  readonly down: () => void
  readonly up: () => void
  /** Has every line go dead that is open, without its end being told to either side; new ones are fine. */
  readonly fall: () => void
  /** The same of the one line on which such a statement is sent, in its place. Resolves when that is done. */
  readonly fallAt: (statement: string) => Promise<void>
}

type Trap = { readonly lost: Lost | 'allBehind'; readonly pool: string; others: number; readonly sprung: () => void }

/** `commit` as a simple query of PostgreSQL's protocol, and the answer to it. */
const COMMIT = Buffer.from('Q\0\0\0\x0bcommit\0')
const COMMITTED = Buffer.from('C\0\0\0\x0bCOMMIT\0')

/** `begin` as a simple query, and one that fails as if it had been canceled. */
const BEGIN = Buffer.from('Q\0\0\0\x0abegin\0')
const CANCELED = Buffer.from('Q\0\0\0\x2ddo $$ begin raise query_canceled; end $$\0')

const lines = new Set<() => void>()
// At the end of the test file, when the gateways on them have ended.
after(() => {
  for (const end of lines) end()
})

/** A line to a database, of its own if none is given. */
export async function aLine(database?: TestCluster): Promise<Line> {
  const direct = database ?? (await aDatabase())
  const open = new Set<Socket>()
  const dead = new Set<Socket>()
  let trap: Trap | undefined
  let canceled: { readonly pool: string; readonly done: () => void } | undefined
  let fatal: { readonly statement: string; readonly fallen: () => void } | undefined
  let isDown = false

  function join(near: Socket): void {
    // It keeps its port all the while: somebody else would take it.
    if (isDown) return void near.destroy()
    const far = dial(`${direct.host}/.s.PGSQL.${direct.port}`)
    const cut = () => {
      near.destroy()
      far.destroy()
    }
    let pool = ''
    let waitingForAnswer: Trap | undefined
    near.on('data', (sent: Buffer) => {
      let chunk = sent
      if (fatal && chunk.includes(fatal.statement)) {
        for (const socket of [near, far]) dead.add(socket)
        fatal.fallen()
        fatal = undefined
      }
      if (dead.has(near)) return
      pool ||= /application_name\0([^\0]+)\0/.exec(chunk.toString('latin1'))?.[1] ?? ''
      const beginning = canceled?.pool === pool ? chunk.indexOf(BEGIN) : -1
      if (beginning >= 0) {
        chunk = Buffer.concat([chunk.subarray(0, beginning), CANCELED, chunk.subarray(beginning + BEGIN.length)])
        canceled?.done()
        canceled = undefined
      }
      const at = chunk.indexOf(COMMIT)
      if (trap?.pool !== pool || at < 0) return void far.write(chunk)
      if (trap.others > 0) {
        trap.others -= 1
        return void far.write(chunk)
      }
      const sprung = trap
      trap = undefined
      if (sprung.lost !== 'commit') {
        waitingForAnswer = sprung
        return void far.write(chunk)
      }
      cut()
      sprung.sprung()
    })
    far.on('data', (chunk: Buffer) => {
      if (dead.has(far)) return
      const at = waitingForAnswer ? chunk.indexOf(COMMITTED) : -1
      if (at < 0) return void near.write(chunk)
      const sprung = waitingForAnswer
      waitingForAnswer = undefined
      if (sprung?.lost === 'answer') cut()
      else near.write(chunk, down)
      sprung?.sprung()
    })
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', cut)
      socket.on('end', () => {
        if (!dead.has(socket)) cut()
      })
      socket.on('close', () => {
        open.delete(socket)
        cut()
      })
    }
  }

  // Who says his last word is not answered by another's, unless the line says so.
  const server = createServer({ allowHalfOpen: true }, join)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const down = () => {
    isDown = true
    for (const socket of open) socket.destroy()
  }
  const up = () => {
    isDown = false
  }
  const fall = () => {
    for (const socket of open) dead.add(socket)
  }
  const fallAt = (statement: string) =>
    new Promise<void>((fallen) => {
      fatal = { statement, fallen }
    })
  lines.add(() => {
    down()
    server.close()
  })
  const cutAtCommit = (lost: Trap['lost'], pool: string, others = 0) =>
    new Promise<void>((sprung) => {
      trap = { lost, pool, others, sprung }
    })
  const downAfterCommit = (pool: string) => cutAtCommit('allBehind', pool)
  const cancelAtBegin = (pool: string) =>
    new Promise<void>((done) => {
      canceled = { pool, done }
    })
  const reached = { ...direct, host: '127.0.0.1', port }
  return { database: reached, direct, cutAtCommit, downAfterCommit, cancelAtBegin, down, up, fall, fallAt }
}
