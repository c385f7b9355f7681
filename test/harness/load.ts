import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from './client.ts'
import { until } from './gateway.ts'

/** What was asked for, and what the gateway said: undefined while it has said nothing that counts. */
export type Asked = {
  readonly key: string
  readonly body: Readonly<Record<string, unknown>>
  readonly asynchronous: boolean
  acknowledged: string | undefined
  lastStatus: number
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
      }
      asked.push(one)
      await ask(clients[turn % clients.length] as Client, one)
      // Nobody there: no use in asking a thousand times a second.
      if (one.lastStatus === 0) await delay(100)
    }
  }
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
    if (status === 201 || status === 202) one.acknowledged = body.id
  } catch {
    one.lastStatus = 0
  }
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
