import { createPool } from '../src/database/connection.ts'
import { newToken } from '../src/identity/secrets.ts'
import { insertToken } from '../src/identity/tokens.ts'
import type { AccountId, UserId } from '../src/ledger/id.ts'
import { encodeId } from '../src/ledger/typeid.ts'
import type { Task } from './load.ts'
import { type Line, within } from './report.ts'
import { runGenerator, VoidRun } from './rounds.ts'
import { say } from './say.ts'
import { importUsers, MAIN } from './seed.ts'
import type { Server } from './server.ts'
import type { SocketTask, Told } from './websocket_load.ts'

const SOCKETS = 10_000
const RATE = 250

/** How soon each of so many users, each with a WebSocket on one node, hears of a payment of their own. */
export async function measureWebSockets(server: Server, payers: Task['payers'], sockets = SOCKETS): Promise<Line[]> {
  const [payer] = payers
  const account = payer?.accounts[0]
  if (!payer || !account) throw new Error('there is nobody to pay')
  say(`${sockets} users, each with a WebSocket`)
  const readers = await seedReaders(server, payer.token, sockets)
  const before = server.usage().gatewayMemory
  const task: SocketTask = {
    ...{ host: '127.0.0.1', port: server.port, rate: RATE, readers },
    payer: { token: payer.token, account },
  }
  const { open, told, wrong, latency, seconds } = await runGenerator<Told>(
    'websocket_load.ts',
    task,
    '--max-old-space-size=4096',
  )
  if (open !== sockets || told !== sockets || wrong > 0) {
    throw new VoidRun(`of ${open} WebSockets ${told} heard of their payment, and ${wrong} of something else`)
  }
  return [
    within({
      name: 'websockets',
      what: `${sockets} WebSockets, each told of its own payment: median from the commit`,
      figure: `${latency.p50.toFixed(1)} ms at ${(sockets / seconds).toFixed(0)} a second`,
      ratio: latency.p50,
      against: 'ms',
      bar: 50,
      detail: {
        'p95 ms': latency.p95,
        'p99 ms': latency.p99,
        'max ms': latency.max,
        'MiB more': server.usage().gatewayMemory - before,
      },
    }),
  ]
}

/** Users with an account and a token each. The token is written as the gateway writes it: a log-in each would take minutes. */
async function seedReaders(server: Server, operator: string, count: number): Promise<SocketTask['readers']> {
  const emails = Array.from({ length: count }, (_, index) => `reader-${index}@example.com`)
  const users = await importUsers(server.port, operator, emails, [{ currency: 'USD' }])
  const pool = createPool(server.connection, 4, 'bench')
  try {
    const { rows } = await pool.query<{ id: UserId; account: AccountId }>(
      `select a.user_id as id, a.id as account from accounts a join users u on u.book = a.book and u.id = a.user_id
        where a.book = $1 and u.email_key in (select address_hash(v) from unnest($2::text[]) v)`,
      [MAIN.id, emails],
    )
    if (rows.length !== users.length) throw new Error(`${rows.length} of ${users.length} readers have an account`)
    const readers: { token: string; account: string }[] = []
    for (const { id, account } of rows) {
      const secret = newToken(MAIN.name)
      await insertToken(pool, MAIN.id, id, { secret, name: 'bench', scopes: ['payments:read'], expiresAt: null })
      readers.push({ token: secret, account: encodeId('acc', account) })
    }
    return readers
  } finally {
    await pool.end()
  }
}
