import type { Task } from './load.ts'
import { type Line, reaching, within } from './report.ts'
import { cpuDetail, load, type Measured, median, ROUNDS } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

/** Connections that ask whether or not there is an answer yet to the others: more than can be served. */
const CONNECTIONS = 3_000

type Round = { readonly full: Measured; readonly over: Measured; readonly after: Measured }

/** The rate that can be borne, three times that, and what is borne a second later. */
async function oneRound(server: Server, payers: Task['payers']): Promise<Round> {
  const full = await load(server, payers, { seconds: 2 })
  const rate = Math.ceil(full.rate * 3)
  const over = await load(server, payers, { connections: CONNECTIONS, rate, skips: true, seconds: 4 })
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  return { full, over, after: await load(server, payers, { seconds: 2 }) }
}

const shareOf = ({ full, over }: Round) => over.rate / full.rate
const laterOf = ({ full, after }: Round) => after.rate / full.rate
const offeredOf = ({ over }: Round) => (over.payments + over.refused) / over.seconds

/**
 * Three times the requests that the gateway can bear: what it accepts, it does at nearly its full rate and soon; the rest
 * is refused at once; and a second later it is itself again.
 */
export async function measureOverload(server: Server, payers: Task['payers']): Promise<Line[]> {
  const measured: Round[] = []
  while (measured.length < ROUNDS) {
    const round = await oneRound(server, payers)
    measured.push(round)
    const [share, later] = [shareOf(round).toFixed(2), laterOf(round).toFixed(2)]
    const p99 = round.over.latency.p99.toFixed(0)
    say(`round ${measured.length} overload: ${share} of the full rate, p99 ${p99} ms, ${later} a second later`)
  }
  const of = (read: (round: Round) => number) => median(measured.map(read))
  const p99 = of(({ over }) => over.latency.p99)
  const line = { against: 'full rate', detail: {} }
  return [
    reaching({
      ...line,
      name: 'overload',
      what: 'payments made at three times the rate that can be borne',
      figure: `${of(({ over }) => over.rate).toFixed(0)} a second of ${of(offeredOf).toFixed(0)}`,
      ratio: of(shareOf),
      bar: 0.8,
      detail: cpuDetail(measured.map(({ over }) => over)),
    }),
    within({
      name: 'overload p99',
      what: 'how long what is accepted takes then',
      figure: `${p99.toFixed(0)} ms`,
      ratio: p99,
      against: 'ms',
      bar: 500,
      detail: { 'MiB before': of(({ full }) => full.gatewayMemory), MiB: of(({ over }) => over.gatewayMemory) },
    }),
    reaching({
      ...line,
      name: 'after',
      what: 'payments a second later',
      figure: `${of(({ after }) => after.rate).toFixed(0)} a second`,
      ratio: of(laterOf),
      bar: 0.9,
    }),
  ]
}
