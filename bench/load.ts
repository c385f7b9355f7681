// The load generator: a process of its own, so that its CPU is not the gateway's. Takes its task as JSON on standard
// input, applies it for so many seconds, and prints what came of it as JSON. An answer that is not the payment that was
// asked for, completed, is an error: a run with one is void.
import { text } from 'node:stream/consumers'
import { createConnection } from './http_client.ts'
import { type Latencies, latencies } from './latencies.ts'
import { WARM_UP_MS } from './warm_up.ts'

export type Shape = 'uniform' | 'zipf' | 'merchant' | 'pair' | 'everybody'
export type Task = {
  readonly host: string
  readonly port: number
  /** Who pays: tokens, and the accounts of each. */
  readonly payers: readonly { readonly token: string; readonly accounts: readonly string[] }[]
  readonly shape: Shape
  /** One payment a request, or so many in a bulk request. */
  readonly mode: 'one' | 'bulk'
  readonly bulk: number
  /** Whether payments are only accepted, for the worker to post. */
  readonly asynchronous: boolean
  readonly connections: number
  /** How long is counted, behind a warm-up. */
  readonly seconds: number
  /** Requests a second in all; 0 for as many as the gateway answers. */
  readonly rate: number
  /** Whether a connection that is still waiting when its next request is due leaves that one out, or sends it late. */
  readonly skips: boolean
  /** Begins idempotency keys, so that no two runs share one. */
  readonly run: string
}
export type Loaded = {
  /** Of the time that counts, and how long that was. */
  readonly payments: number
  readonly refused: number
  readonly seconds: number
  readonly latency: Latencies
  /** All in all. */
  readonly made: number
  readonly errors: readonly string[]
  readonly secondsInAll: number
  readonly cpuSeconds: number
}

const task: Task = JSON.parse(await text(process.stdin))
// What is accepted counts once it is posted, which is later; and where all are to take part, all of it counts.
const countsAll = task.asynchronous || task.shape === 'everybody'
const prefer = task.asynchronous ? 'Prefer: respond-async\r\n' : ''
const times: number[] = []
const errors: string[] = []
let payments = 0
let refused = 0
let made = 0
let sequence = 0
/** Requests that were sent in the time that counts, and have no answer yet. */
let unanswered = 0

const tokenOf = task.payers.flatMap(({ token, accounts }) => accounts.map(() => token))
const accounts = task.payers.flatMap((payer) => payer.accounts)
const pick = pickerOf(task.shape, accounts.length)
const connections = await Promise.all(
  Array.from({ length: task.connections }, () => createConnection(task.host, task.port)),
)
const started = performance.now()
const counted = started + (countsAll ? 0 : WARM_UP_MS)
const end = counted + task.seconds * 1_000
await Promise.all(connections.map(task.rate > 0 ? paced : unpaced))
const secondsInAll = (performance.now() - started) / 1_000
const { user, system } = process.cpuUsage()
const loaded: Loaded = {
  payments,
  refused,
  seconds: countsAll ? secondsInAll : task.seconds,
  latency: latencies(times),
  made,
  errors: errors.slice(0, 5),
  secondsInAll,
  cpuSeconds: (user + system) / 1e6,
}
process.stdout.write(JSON.stringify(loaded), () => process.exit(0))

/** Goes on until all that counts is answered: the last of it finds the gateway as busy as the first. */
async function unpaced(connection: Awaited<ReturnType<typeof createConnection>>): Promise<void> {
  const isCounting = () => performance.now() < end || unanswered > 0
  while (isCounting() && errors.length < 100 && !haveAllTakenPart()) await once(connection, performance.now())
}

/** Sends at fixed times. What had to wait for its connection is left out, or counts from when it should have gone out. */
async function paced(connection: Awaited<ReturnType<typeof createConnection>>, index: number): Promise<void> {
  const interval = (1_000 * task.connections) / task.rate
  for (let due = started + (interval * index) / task.connections; due < end && errors.length < 100; due += interval) {
    const wait = due - performance.now()
    if (task.skips && wait < 0) continue
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    await once(connection, due)
  }
}

/** How much of a request counts: the part of its time that does. */
function shareOf(from: number, to: number): number {
  return countsAll ? 1 : Math.max(0, Math.min(to, end) - Math.max(from, counted)) / (to - from)
}

async function once(connection: Awaited<ReturnType<typeof createConnection>>, from: number): Promise<void> {
  const count = task.mode === 'bulk' ? task.bulk : 1
  const sent = performance.now()
  if (sent < end) unanswered += 1
  const answer = await connection.send(task.mode === 'bulk' ? bulkRequest(count) : oneRequest())
  const now = performance.now()
  if (sent < end) unanswered -= 1
  const share = shareOf(sent, now)
  if (answer.status === 503) {
    refused += count * share
    // Who sends at fixed times waits for the next of them.
    if (task.rate === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    return
  }
  if (from >= counted && from < end) times.push(now - from)
  const good = task.asynchronous ? '"status":"initiated"' : '"status":"completed"'
  const done = answer.status < 300 ? answer.body.split(good).length - 1 : 0
  if (done !== count) errors.push(`${answer.status} ${answer.body.slice(0, 300)}`)
  payments += done * share
  made += done
}

function oneRequest(): string {
  sequence += 1
  const [from, to] = pick()
  const body = JSON.stringify(payment(from, to))
  return `POST /v1/payments HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${tokenOf[from]}\r\nIdempotency-Key: ${task.run}-${sequence}\r\n${prefer}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

function bulkRequest(count: number): string {
  const pairs = task.shape === 'everybody' ? Array.from({ length: count }, pick) : pairsOfOnePayer(count)
  let body = ''
  for (const [from, to] of pairs) {
    sequence += 1
    body += `${JSON.stringify({ ...payment(from, to), idempotency_key: `${task.run}-${sequence}` })}\n`
  }
  return `POST /v1/payments/bulk HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${tokenOf[pairs[0]?.[0] ?? 0]}\r\n${prefer}Content-Type: application/x-ndjson\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** One request is one payer's: any of their accounts pay any others. */
function pairsOfOnePayer(count: number): [number, number][] {
  const token = task.payers[Math.floor(Math.random() * task.payers.length)]?.token
  const [first, last] = [tokenOf.indexOf(token ?? ''), tokenOf.lastIndexOf(token ?? '')]
  return Array.from({ length: count }, () => {
    const from = first + Math.floor(Math.random() * (last - first + 1))
    return [from, other(from, () => pick()[1])]
  })
}

/** Where everybody is to pay or be paid once. */
function haveAllTakenPart(): boolean {
  return task.shape === 'everybody' && 2 * (sequence + task.bulk) > accounts.length
}

function payment(from: number, to: number) {
  return { from_account: accounts[from], to_account: accounts[to], amount: '1.00' }
}

/** A choice that is not this one: an account cannot pay itself. */
function other<T>(than: T, choose: () => T): T {
  for (;;) {
    const choice = choose()
    if (choice !== than) return choice
  }
}

/**
 * Who pays whom: everybody anybody; some far more often than others; everybody one; one always the same one; or those of
 * the first half of accounts those of the second, in order.
 */
function pickerOf(shape: Shape, count: number): () => [number, number] {
  const any = () => Math.floor(Math.random() * count)
  switch (shape) {
    case 'uniform':
      return () => {
        const from = any()
        return [from, other(from, any)]
      }
    case 'zipf': {
      const zipf = zipfOf(count, 0.99)
      return () => {
        const from = zipf()
        return [from, other(from, zipf)]
      }
    }
    case 'merchant':
      return () => [other(0, any), 0]
    case 'pair':
      return () => [1, 0]
    case 'everybody': {
      const half = Math.floor(count / 2)
      let next = -1
      return () => {
        next = (next + 1) % half
        return [next, next + half]
      }
    }
  }
}

function zipfOf(count: number, exponent: number): () => number {
  const cumulative = new Float64Array(count)
  let sum = 0
  for (let rank = 0; rank < count; rank += 1) {
    sum += 1 / (rank + 1) ** exponent
    cumulative[rank] = sum
  }
  return () => {
    const at = Math.random() * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] ?? sum) < at) low = middle + 1
      else high = middle
    }
    return low
  }
}
