import type { Task } from './load.ts'
import { type Line, reaching, within } from './report.ts'
import { load } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

/** Connections that ask whether or not there is an answer yet to the others: more than can be served. */
const CONNECTIONS = 3_000

/**
 * Three times the requests that the gateway can bear: what it accepts, it does at nearly its full rate and soon; the rest
 * is refused at once; and a second later it is itself again.
 */
export async function measureOverload(server: Server, payers: Task['payers']): Promise<Line[]> {
  say('overload')
  const full = await load(server, payers, { seconds: 4 })
  const rate = Math.ceil(full.rate * 3)
  const over = await load(server, payers, { connections: CONNECTIONS, rate, skips: true, seconds: 8 })
  const offered = (over.payments + over.refused) / over.seconds
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const after = await load(server, payers, { seconds: 4 })
  const share = (rate: number) => rate / full.rate
  const line = { against: 'full rate', detail: {} }
  return [
    reaching({
      ...line,
      name: 'overload',
      what: 'payments made at three times the rate that can be borne',
      figure: `${over.rate.toFixed(0)} a second of ${offered.toFixed(0)}`,
      ratio: share(over.rate),
      bar: 0.8,
    }),
    within({
      name: 'overload p99',
      what: 'how long what is accepted takes then',
      figure: `${over.latency.p99.toFixed(0)} ms`,
      ratio: over.latency.p99,
      against: 'ms',
      bar: 500,
      detail: { 'MiB before': full.gatewayMemory, MiB: over.gatewayMemory },
    }),
    reaching({
      ...line,
      name: 'after',
      what: 'payments a second later',
      figure: `${after.rate.toFixed(0)} a second`,
      ratio: share(after.rate),
      bar: 0.9,
    }),
  ]
}
