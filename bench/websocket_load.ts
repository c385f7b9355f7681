// Opens a WebSocket for each of many users and has each of them paid once: a process of its own, so that its CPU is not
// the gateway's. Takes its task as JSON on standard input, and prints what came of it as JSON.
import { text } from 'node:stream/consumers'
import { createConnection } from './http_client.ts'
import { type Latencies, latencies } from './latencies.ts'

export type SocketTask = {
  readonly host: string
  readonly port: number
  readonly payer: { readonly token: string; readonly account: string }
  readonly readers: readonly { readonly token: string; readonly account: string }[]
  /** Payments a second. */
  readonly rate: number
}
export type Told = {
  readonly open: number
  readonly told: number
  readonly wrong: number
  /** Milliseconds from the stamp of a payment, which is before its commit, until its receiver was told. */
  readonly latency: Latencies
  readonly seconds: number
}

const OPENING_AT_ONCE = 50
const PAYING_AT_ONCE = 16
const LAST_MS = 10_000

const task: SocketTask = JSON.parse(await text(process.stdin))
const times: number[] = []
let wrong = 0
let open = 0
let allTold = () => {}

const waiting = [...task.readers]
await Promise.all(
  Array.from({ length: OPENING_AT_ONCE }, async () => {
    for (let reader = waiting.pop(); reader; reader = waiting.pop()) await listen(reader)
  }),
)
open = task.readers.length
const everybody = new Promise<void>((resolve) => {
  allTold = resolve
})
const started = performance.now()
await pay()
await Promise.race([everybody, new Promise((resolve) => setTimeout(resolve, LAST_MS))])
const seconds = (performance.now() - started) / 1_000
const told: Told = { open, told: times.length, wrong, latency: latencies(times), seconds }
process.stdout.write(JSON.stringify(told), () => process.exit(0))

/** Comes true when the reader is subscribed to the account; a connection that is lost ends the run. */
function listen({ token, account }: SocketTask['readers'][number]): Promise<void> {
  const socket = new WebSocket(`ws://${task.host}:${task.port}/v1/ws`, ['bearer', token])
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => socket.send(JSON.stringify({ subscribe: [account] })))
    socket.addEventListener('close', ({ code, reason }) =>
      reject(new Error(`a WebSocket was closed: ${code} ${reason}`)),
    )
    socket.addEventListener('message', ({ data }) => {
      const at = performance.timeOrigin + performance.now()
      const { subscribed, event } = JSON.parse(data)
      if (subscribed) resolve()
      if (event) hear(account, event, at)
    })
  })
}

function hear(account: string, event: { type: string; data: { object: Record<string, string> } }, at: number): void {
  const { to_account: to, completed_at: completed = '' } = event.data.object
  if (event.type !== 'payment.completed' || to !== account) wrong += 1
  else times.push(at - Number(Temporal.Instant.from(completed).epochNanoseconds) / 1e6)
  if (times.length === task.readers.length) allTold()
}

/** Pays each reader once, at fixed times. */
async function pay(): Promise<void> {
  await Promise.all(
    Array.from({ length: PAYING_AT_ONCE }, async (_, index) => {
      const connection = await createConnection(task.host, task.port)
      for (let next = index; next < task.readers.length; next += PAYING_AT_ONCE) {
        const wait = started + (next * 1_000) / task.rate - performance.now()
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
        const { status, body } = await connection.send(requestFor(task.readers[next]?.account ?? ''))
        if (status !== 201 || !body.includes('"status":"completed"')) throw new Error(`${status} ${body.slice(0, 300)}`)
      }
      connection.close()
    }),
  )
}

function requestFor(account: string): string {
  const { token, account: from } = task.payer
  const body = JSON.stringify({ from_account: from, to_account: account, amount: '1.00' })
  return `POST /v1/payments HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
