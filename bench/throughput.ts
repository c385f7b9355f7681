import type { Task } from './load.ts'
import { type Line, reaching } from './report.ts'
import { cpuDetail, IN_BULK, type Load, load, type Measured, median, ROUNDS, yardstick } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

// Payments a second, of every kind of request and for every choice of accounts. Rounds are interleaved and the median of
// their ratios counts, as a machine that is shared drifts by more than what is looked for.

/** `against` is what the rate is divided by: TPC-B, or the uniform load, of the same round. */
type Row = {
  readonly name: string
  readonly what: string
  readonly load: Load
  readonly against: 'TPC-B' | 'uniform'
  readonly bar: number
}

export const THROUGHPUT: readonly Row[] = [
  {
    name: 'bulk',
    what: 'bulk payments over HTTP, 1 000 a request, 6 connections',
    load: IN_BULK,
    against: 'TPC-B',
    bar: 3,
  },
  {
    name: 'async-bulk',
    what: 'the same asynchronous, accepted and posted',
    load: { ...IN_BULK, asynchronous: true },
    against: 'TPC-B',
    bar: 2,
  },
  {
    name: 'async',
    what: 'asynchronous payments, one a request, 128 connections',
    // Nobody waits for a posting, so that more of them are under way.
    load: { asynchronous: true, connections: 128 },
    against: 'TPC-B',
    bar: 2,
  },
  { name: 'http', what: 'one payment a request, 64 connections', load: {}, against: 'TPC-B', bar: 1.2 },
  { name: 'zipf', what: 'one a request, Zipf 0.99', load: { shape: 'zipf', seconds: 2 }, against: 'uniform', bar: 0.8 },
  {
    name: 'merchant',
    what: 'one a request, all to one merchant',
    load: { shape: 'merchant', seconds: 2 },
    against: 'uniform',
    bar: 0.8,
  },
  {
    name: 'pair',
    what: 'one a request, one account to one other',
    load: { shape: 'pair', seconds: 2 },
    against: 'uniform',
    bar: 0.8,
  },
]
const UNIFORM = 'http'

/** The rows that a run measures: those that were asked for, and what they are held against. */
export function rowsFor(only: string | undefined): readonly Row[] {
  if (only === undefined) return THROUGHPUT
  return THROUGHPUT.filter(({ name, against }) => {
    const wanted = THROUGHPUT.find((row) => row.name === only)
    return name === only || (wanted?.against === 'uniform' && name === UNIFORM && against === 'TPC-B')
  })
}

/** A line for each row. */
export async function measureThroughput(
  server: Server,
  payers: Task['payers'],
  tpcb: Server['connection'],
  rows: readonly Row[],
): Promise<Line[]> {
  const measured = new Map<Row, Compared[]>(rows.map((row) => [row, []]))
  for (let round = 1; round <= ROUNDS; round += 1) {
    let uniform = 0
    for (const [row, results] of measured) {
      const { name, against } = row
      const base = against === 'TPC-B' ? await yardstick(tpcb, 2) : uniform
      const result = await load(server, payers, { seconds: 3, ...row.load })
      if (name === UNIFORM) uniform = result.rate
      const ratio = result.rate / base
      results.push({ ...result, ratio })
      say(`round ${round} ${name}: ${result.rate.toFixed(0)}/s, ${ratio.toFixed(2)} of ${against}`)
    }
  }
  return [...measured].map(([row, results]) => lineOf(row, results))
}

type Compared = Measured & { readonly ratio: number }

function lineOf({ name, what, against, bar }: Row, measured: readonly Compared[]): Line {
  const of = (read: (each: Compared) => number) => median(measured.map(read))
  const rate = of((each) => each.rate)
  return reaching({
    name,
    what,
    figure: `${rate.toFixed(0)} a second`,
    ratio: of((each) => each.ratio),
    against,
    bar,
    detail: {
      'p50 ms': of((each) => each.latency.p50),
      'p95 ms': of((each) => each.latency.p95),
      'p99 ms': of((each) => each.latency.p99),
      'max ms': of((each) => each.latency.max),
      ...cpuDetail(measured),
      MiB: Math.max(...measured.map((each) => each.gatewayMemory)),
    },
  })
}
