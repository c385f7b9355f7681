import type { Task } from './load.ts'
import { writeWeight } from './past.ts'
import { type Line, reaching } from './report.ts'
import { measureReports, millionsOf } from './reports.ts'
import { IN_BULK, load, median, ROUNDS, yardstick } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

/** What it is about; fewer are for trying it out. */
export const POSTINGS = 10_000_000

/**
 * The rate of bulk payments with so many postings in the books, against the rate with almost none, both per TPC-B; and
 * what reports on them take.
 */
export async function measureGrowth(
  server: Server,
  payers: Task['payers'],
  tpcb: Server['connection'],
  postings: number,
): Promise<Line[]> {
  const before = await bulkRatio(server, payers, tpcb)
  say(`writing ${postings} postings, which takes minutes`)
  const accounts = payers.flatMap((payer) => payer.accounts)
  const weight = await writeWeight(server, accounts, postings)
  const after = await bulkRatio(server, payers, tpcb)
  return [
    reaching({
      name: 'growth',
      what: `bulk payments with ${millionsOf(postings)} postings`,
      figure: `${after.rate.toFixed(0)} a second`,
      ratio: after.ratio / before.ratio,
      against: 'almost none',
      bar: 0.7,
      detail: {},
    }),
    await measureReports(server, payers, weight),
  ]
}

async function bulkRatio(server: Server, payers: Task['payers'], tpcb: Server['connection']) {
  const rates: number[] = []
  const ratios: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const tps = await yardstick(tpcb, 3)
    const { rate } = await load(server, payers, { ...IN_BULK, seconds: 5 })
    rates.push(rate)
    ratios.push(rate / tps)
  }
  return { rate: median(rates), ratio: median(ratios) }
}
