import type { Task } from './load.ts'
import { type Line, within } from './report.ts'
import { cpuDetail, load, type Measured, median, ROUNDS } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

/** How long a payment takes at half the rate that the gateway can bear, by what it bears in the same round. */
export async function measureHalf(server: Server, payers: Task['payers']): Promise<Line[]> {
  const measured: Measured[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    const full = await load(server, payers, { seconds: 2 })
    const half = await load(server, payers, { rate: Math.floor(full.rate / 2), seconds: 4 })
    say(`round ${round} half: p99 ${half.latency.p99.toFixed(0)} ms at ${half.rate.toFixed(0)} a second`)
    measured.push(half)
  }
  const of = (read: (half: Measured) => number) => median(measured.map(read))
  const p99 = of(({ latency }) => latency.p99)
  return [
    within({
      name: 'half',
      what: 'p99 of one payment a request, at half the full rate',
      figure: `${p99.toFixed(1)} ms at ${of(({ rate }) => rate).toFixed(0)} a second`,
      ratio: p99,
      against: 'ms',
      bar: 25,
      detail: {
        'p50 ms': of(({ latency }) => latency.p50),
        'p95 ms': of(({ latency }) => latency.p95),
        'max ms': of(({ latency }) => latency.max),
        ...cpuDetail(measured),
      },
    }),
  ]
}
