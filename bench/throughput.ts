import type { Task } from './load.ts'
import { type Line, reaching } from './report.ts'
import { type Load, load, type Measured, median, yardstick } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

// Payments a second, of every kind of request and for every choice of accounts. Rounds are interleaved and the median of
// their ratios counts, as a machine that is shared drifts by more than what is looked for.

/** `against` is what the rate is divided by: TPC-B of the same round, or the uniform load. */
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
    what: 'bulk payments over HTTP, 1 000 a request',
    load: { mode: 'bulk', connections: 3 },
    against: 'TPC-B',
    bar: 3,
  },
  { name: 'http', what: 'one payment a request, 64 connections', load: {}, against: 'TPC-B', bar: 1.2 },
  {
    name: 'async',
    what: 'asynchronous payments, accepted and posted',
    load: { mode: 'async' },
    against: 'TPC-B',
    bar: 2,
  },
  { name: 'zipf', what: 'one a request, Zipf 0.99', load: { shape: 'zipf' }, against: 'uniform', bar: 0.8 },
  {
    name: 'merchant',
    what: 'one a request, all to one merchant',
    load: { shape: 'merchant' },
    against: 'uniform',
    bar: 0.8,
  },
  {
    name: 'pair',
    what: 'one a request, one account to one other',
    load: { shape: 'pair' },
    against: 'uniform',
    bar: 0.8,
  },
]
const UNIFORM = 'http'
const ROUNDS = 3

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
  const measured = new Map<Row, Measured[]>(rows.map((row) => [row, []]))
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [row, results] of measured) {
      const tps = await yardstick(tpcb, 2)
      const result = { ...(await load(server, payers, { seconds: 3, ...row.load })), tpcb: tps }
      results.push(result)
      say(`round ${round} ${row.name}: ${result.rate.toFixed(0)}/s, ${(result.rate / tps).toFixed(2)} of TPC-B`)
    }
  }
  const ratios = new Map([...measured].map(([{ name }, results]) => [name, ratioOf(results)]))
  return [...measured].map(([row, results]) => lineOf(row, results, ratios.get(UNIFORM) ?? 1))
}

function ratioOf(measured: readonly Measured[]): number {
  return median(measured.map((each) => each.rate / each.tpcb))
}

function lineOf({ name, what, against, bar }: Row, measured: readonly Measured[], uniform: number): Line {
  const of = (read: (each: Measured) => number) => median(measured.map(read))
  const rate = of((each) => each.rate)
  return reaching({
    name,
    what,
    figure: `${rate.toFixed(0)} a second`,
    ratio: ratioOf(measured) / (against === 'uniform' ? uniform : 1),
    against,
    bar,
    detail: {
      'p50 ms': of((each) => each.latency.p50),
      'p95 ms': of((each) => each.latency.p95),
      'p99 ms': of((each) => each.latency.p99),
      'max ms': of((each) => each.latency.max),
      'CPU gateway': of((each) => each.gatewayCpu),
      'CPU PostgreSQL': of((each) => each.postgresCpu),
      'CPU load': of((each) => each.loadCpu),
      MiB: Math.max(...measured.map((each) => each.gatewayMemory)),
    },
  })
}
