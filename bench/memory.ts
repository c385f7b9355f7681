import type { Task } from './load.ts'
import { type Line, within } from './report.ts'
import { IN_BULK, load, memorySeen, paymentsMade } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

const PAYMENTS = 1_000_000

/** The most memory that the gateway had behind any load of this run, which goes on to a million payments where `isToGoOn`. */
export async function measureMemory(server: Server, payers: Task['payers'], isToGoOn: boolean): Promise<Line[]> {
  while (isToGoOn && paymentsMade() < PAYMENTS) {
    say(`memory: ${paymentsMade()} payments so far`)
    await load(server, payers, { ...IN_BULK, seconds: 10 })
  }
  const seen = memorySeen()
  const most = Math.max(...seen)
  return [
    within({
      name: 'memory',
      what: `memory of the gateway under full load, in ${paymentsMade()} payments`,
      figure: `${most.toFixed(0)} MiB`,
      ratio: most,
      against: 'MiB',
      bar: 300,
      detail: { first: seen[0] ?? most, last: seen.at(-1) ?? most },
    }),
  ]
}
