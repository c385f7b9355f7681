import type { Task } from './load.ts'
import { type Line, within } from './report.ts'
import { IN_BULK, load } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

const PAYMENTS = 1_000_000

/** The gateway's memory under full load until it has made a million payments in all, of which `made` are done, or so long. */
export async function measureMemory(
  server: Server,
  payers: Task['payers'],
  made: number,
  longestMs: number,
): Promise<Line[]> {
  const began = performance.now()
  const seen: number[] = []
  let payments = made
  while (payments < PAYMENTS && performance.now() - began < longestMs) {
    say(`memory: ${payments} payments so far`)
    const loaded = await load(server, payers, { ...IN_BULK, seconds: 5 })
    payments += loaded.made
    seen.push(loaded.gatewayMemory)
  }
  const most = Math.max(...seen, server.usage().gatewayMemory)
  return [
    within({
      name: 'memory',
      what: `memory of the gateway under full load, after ${payments} payments`,
      figure: `${most.toFixed(0)} MiB`,
      ratio: most,
      against: 'MiB',
      bar: 300,
      detail: { first: seen[0] ?? most, last: seen.at(-1) ?? most },
    }),
  ]
}
