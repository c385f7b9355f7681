import type { Task } from './load.ts'
import { type Line, within } from './report.ts'
import { load } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

/** How long a payment takes at half the rate that the gateway can bear. */
export async function measureHalf(server: Server, payers: Task['payers']): Promise<Line[]> {
  const full = await load(server, payers, { seconds: 4 })
  const rate = Math.floor(full.rate / 2)
  say(`half rate: ${rate} a second`)
  const { latency } = await load(server, payers, { rate, seconds: 6 })
  return [
    within({
      name: 'half',
      what: 'p99 of one payment a request, at half the full rate',
      figure: `${latency.p99.toFixed(1)} ms at ${rate} a second`,
      ratio: latency.p99,
      against: 'ms',
      bar: 25,
      detail: { 'p50 ms': latency.p50, 'p95 ms': latency.p95, 'max ms': latency.max },
    }),
  ]
}
