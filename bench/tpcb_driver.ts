// pgbench's default script as pgbench -M prepared speaks it, for where that is not installed: takes connection, seconds,
// clients and scale as JSON on standard input, prints transactions a second. The gateway's driver opens the connections;
// what it costs for each query would be half of a transaction, so behind that the messages are our own.
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { socketOf } from '../src/database/coalescing_socket.ts'
import { WARM_UP_MS } from './warm_up.ts'

const { connection, seconds, clients, scale } = JSON.parse(await text(process.stdin))
const SCRIPT = {
  begin: 'begin',
  account: 'update pgbench_accounts set abalance = abalance + $1 where aid = $2',
  balance: 'select abalance from pgbench_accounts where aid = $1',
  teller: 'update pgbench_tellers set tbalance = tbalance + $1 where tid = $2',
  branch: 'update pgbench_branches set bbalance = bbalance + $1 where bid = $2',
  history:
    'insert into pgbench_history (tid, bid, aid, delta, mtime) values ($1::int, $2::int, $3::int, $4::int, current_timestamp)',
  end: 'end',
} as const

const SYNC = message('S', Buffer.alloc(0))
/** Describe, Execute and Sync of the unnamed portal. */
const RUN = Buffer.concat([message('D', Buffer.from('P\0')), message('E', Buffer.alloc(5)), SYNC])

const opened = await Promise.all(Array.from({ length: clients }, open))
const counted = performance.now() + WARM_UP_MS
const end = counted + seconds * 1_000
let done = 0
await Promise.all(opened.map(transact))
process.stdout.write(String(done / seconds), () => process.exit(0))

type Ask = (statement: keyof typeof SCRIPT, ...values: readonly number[]) => Promise<void>

/** A connection that has the script prepared, and asks one statement at a time. */
async function open(): Promise<Ask> {
  const client = new pg.Client(connection)
  await client.connect()
  const stream = socketOf(client)
  stream.removeAllListeners('data')
  let answered = () => {}
  stream.on('data', (bytes: Buffer) => {
    if (isEnd(bytes)) answered()
  })
  const send = (messages: Buffer) =>
    new Promise<void>((resolve) => {
      answered = resolve
      stream.write(messages)
    })
  for (const [name, sql] of Object.entries(SCRIPT)) {
    await send(Buffer.concat([message('P', Buffer.from(`${name}\0${sql}\0\0\0`)), SYNC]))
  }
  return (statement, ...values) => send(Buffer.concat([bind(statement, values), RUN]))
}

async function transact(ask: Ask): Promise<void> {
  const below = (limit: number) => 1 + Math.floor(Math.random() * limit)
  while (performance.now() < end) {
    const [aid, bid, tid] = [below(100_000 * scale), below(scale), below(10 * scale)]
    const delta = below(10_001) - 5_001
    await ask('begin')
    await ask('account', delta, aid)
    await ask('balance', aid)
    await ask('teller', delta, tid)
    await ask('branch', delta, bid)
    await ask('history', tid, bid, aid, delta)
    await ask('end')
    if (performance.now() > counted) done += 1
  }
}

// Messages as in https://www.postgresql.org/docs/current/protocol-message-formats.html.

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5, type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function bind(statement: string, values: readonly number[]): Buffer {
  const parts = values.map((value) => {
    const digits = Buffer.from(String(value))
    const length = Buffer.alloc(4)
    length.writeInt32BE(digits.length)
    return Buffer.concat([length, digits])
  })
  const [none, count] = [Buffer.alloc(2), Buffer.alloc(2)]
  count.writeInt16BE(values.length)
  return message('B', Buffer.concat([Buffer.from(`\0${statement}\0`), none, count, ...parts, none]))
}

/** Whether an answer ends here, with ReadyForQuery. Throws where it is an error, or the transaction has failed. */
function isEnd(bytes: Buffer): boolean {
  const hasFailed = bytes[0] === 0x45 || bytes.at(-1) === 0x45
  if (hasFailed) throw new Error(`PostgreSQL answered ${bytes}`)
  return bytes.at(-6) === 0x5a
}
