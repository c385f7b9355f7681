import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, withOwner } from '../../src/database/connection.ts'
import type { PaymentId } from '../../src/ledger/id.ts'
import { encodeId } from '../../src/ledger/typeid.ts'
import { METADATA, PAYMENT_JOINS } from '../../src/payments/read.ts'
import { verifyBooks } from '../../src/verify/verify.ts'
import type { Client } from './client.ts'
import { until } from './gateway.ts'

/** What was asked for, and what the gateway said: undefined while it has said nothing that counts. */
export type Asked = {
  readonly key: string
  readonly body: Readonly<Record<string, unknown>>
  readonly asynchronous: boolean
  acknowledged: string | undefined
  lastStatus: number
  /** The code of the last refusal. */
  lastCode: string | undefined
}

export type Load = {
  readonly asked: Asked[]
  /** Payments acknowledged so far. */
  readonly count: () => number
  /** Stops asking, once the requests under way are answered or lost. */
  readonly stop: () => Promise<void>
}

/** So many accounts in USD of users of their own, with a thousand dollars each. */
export async function fundedAccounts(operator: Client, count: number): Promise<string[]> {
  const lines = Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      email: `payer-${index}@example.com`,
      accounts: [{ currency: 'USD', opening_balance: '1000.00' }],
    }),
  )
  const { body } = await operator.send('POST', '/v1/admin/users/import', lines.join('\n'), {
    'content-type': 'application/x-ndjson',
  })
  return String(body)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).accounts[0].id)
}

const loads = new Set<() => void>()
// One of a test that failed would go on asking, and keep its process from ending.
after(() => {
  for (const end of loads) end()
})

/** Pays between accounts from several clients at once, half of it asynchronously, until it is stopped. */
export function startLoad(clients: readonly Client[], accounts: readonly string[], workers = 8): Load {
  const asked: Asked[] = []
  let running = true
  async function work(worker: number): Promise<void> {
    for (let turn = 0; running; turn += 1) {
      const [from, to] = [
        accounts[(worker + turn) % accounts.length],
        accounts[(worker + turn * 7 + 1) % accounts.length],
      ]
      const body = { from_account: from, to_account: to, amount: '1.00', metadata: { turn: `${worker}-${turn}` } }
      const one: Asked = {
        key: randomUUID(),
        body,
        asynchronous: turn % 2 === 1,
        acknowledged: undefined,
        lastStatus: 0,
        lastCode: undefined,
      }
      asked.push(one)
      await ask(clients[turn % clients.length] as Client, one)
      // Nobody there: no use in asking a thousand times a second.
      if (one.lastStatus === 0) await delay(100)
    }
  }
  loads.add(() => {
    running = false
  })
  const working = Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  async function stop(): Promise<void> {
    running = false
    await working
  }
  return { asked, count: () => asked.filter(({ acknowledged }) => acknowledged).length, stop }
}

/** Asks for a payment, again or for the first time, and notes the answer. A lost connection is no answer. */
export async function ask(client: Client, one: Asked): Promise<void> {
  const prefer: Record<string, string> = one.asynchronous ? { prefer: 'respond-async' } : {}
  try {
    const { status, body } = await client.post('/v1/payments', one.body, { 'idempotency-key': one.key, ...prefer })
    one.lastStatus = status
    one.lastCode = body.code
    if (status === 201 || status === 202) one.acknowledged = body.id
  } catch {
    one.lastStatus = 0
    one.lastCode = undefined
  }
}

/** Until they are repeated: the server answered 503 or not at all where it did not take a payment up. */
export function assertOnlyHonestAnswers({ asked }: Load): void {
  const statuses = new Set(asked.map(({ lastStatus }) => lastStatus))
  for (const status of statuses) assert.ok([0, 201, 202, 503].includes(status), `answered ${status}`)
}

/** Until they are repeated: of what was refused as not accepted, nothing is there. */
export async function assertRefusedIsNotThere(connection: Connection, { asked }: Load): Promise<void> {
  const turns = asked.filter(({ lastCode }) => lastCode === 'unavailable' || lastCode === 'overloaded').map(turnOf)
  const { rows } = await withOwner(connection, (client) =>
    client.query(
      `select ${METADATA} ->> 'turn' as turn from payments p ${PAYMENT_JOINS} where ${METADATA} ->> 'turn' = any($1)`,
      [turns],
    ),
  )
  assert.deepEqual(rows, [])
}

/**
 * Every payment that was asked for is there once, final, under the id that was acknowledged; the accounts hold what these
 * payments come to, and the books are right.
 */
export async function assertEachThereOnce(connection: Connection, { asked }: Load): Promise<void> {
  const read = `select p.id, ${METADATA} ->> 'turn' as turn, p.status from payments p ${PAYMENT_JOINS} where p.kind = 'transfer'`
  const stored = await until(async () => {
    const { rows } = await withOwner(connection, (client) => client.query<Stored>(read))
    return rows.every(({ status }) => status !== 'initiated') && rows
  }, 10)
  const expected = asked.map((one) => [turnOf(one), one.acknowledged])
  const found = stored.map(({ turn, id }) => [turn, encodeId('pay', id)])
  assert.deepEqual(new Map(found as []), new Map(expected as []))
  assert.equal(found.length, expected.length)
  await assertBalances(connection, asked, new Map(stored.map(({ turn, status }) => [turn, status])))
  assert.deepEqual((await verifyBooks(connection)).findings, [])
}

type Stored = { readonly id: PaymentId; readonly turn: string; readonly status: string }

function turnOf({ body }: Asked): string {
  return (body.metadata as { turn: string }).turn
}

/** Everybody began with 1000.00; each completed payment moved 1.00, of which 0.02 were its fee. */
async function assertBalances(connection: Connection, asked: Asked[], statuses: Map<string, string>): Promise<void> {
  const cents = new Map<string, number>()
  for (const one of asked) {
    if (statuses.get(turnOf(one)) !== 'completed') continue
    const { from_account: from, to_account: to } = one.body as Record<string, string>
    cents.set(from ?? '', (cents.get(from ?? '') ?? 100_000) - 100)
    cents.set(to ?? '', (cents.get(to ?? '') ?? 100_000) + 98)
  }
  const { rows } = await withOwner(connection, (client) =>
    client.query(`select id, balance from accounts where user_id is not null and currency = 'USD'`),
  )
  const balances = new Map(rows.map(({ id, balance }) => [encodeId('acc', id), Number(balance)]))
  for (const [account, expected] of cents) assert.equal(balances.get(account), expected)
}

/** Repeats what was not acknowledged until it is: with its key, so that nothing is made twice. */
export async function settle(client: Client, { asked }: Load): Promise<void> {
  for (const one of asked) {
    if (one.acknowledged) continue
    await until(async () => {
      await ask(client, one)
      return one.acknowledged
    })
  }
}
