import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../src/run.ts'
import { StartError } from '../src/start_error.ts'
import { verifyBooks } from '../src/verify/verify.ts'
import type { Task } from './load.ts'
import { type Load, load, type Measured, median, VoidRun, yardstick } from './rounds.ts'
import { seed } from './seed.ts'
import { type Server, startServer } from './server.ts'
import { findPgbench, prepareTpcb, runDriver, runPgbench } from './tpcb.ts'

// Measures the gateway against pgbench's TPC-B on the same PostgreSQL in the same minute. Rounds are interleaved and the
// median of their ratios counts, as a machine that is shared drifts by more than what is looked for.

/** `against` is what the rate is divided by: TPC-B of the same round, or the uniform load. */
type Row = {
  readonly name: string
  readonly what: string
  readonly load: Load
  readonly against: 'TPC-B' | 'uniform'
  readonly bar: number
}

const ROWS: readonly Row[] = [
  {
    name: 'bulk',
    what: 'bulk payments over HTTP, 1 000 a request',
    load: { mode: 'bulk', connections: 3 },
    against: 'TPC-B',
    bar: 3,
  },
  { name: 'http', what: 'one payment a request, 64 connections', load: {}, against: 'TPC-B', bar: 1.2 },
  { name: 'async', what: 'asynchronous payments, accepted', load: { mode: 'async' }, against: 'TPC-B', bar: 2 },
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
const ACCOUNTS = 100_000

type Result = Row & { readonly measured: readonly Measured[] }

await run(async (stopped, _environment, args) => {
  const { only, json } = parseArguments(args)
  const rows = ROWS.filter(({ name }) => only === undefined || name === only || name === UNIFORM)
  const folder = await mkdtemp(join(tmpdir(), 'bgw-bench-'))
  const server = await startServer(folder)
  try {
    void stopped.then(() => server.stop())
    say(`seeding ${ACCOUNTS} accounts`)
    const payers = await seed(server, ACCOUNTS)
    const tpcb = await prepareTpcb(server.connection)
    const results = await measure(server, payers, tpcb, rows)
    const half = only === undefined || only === 'http' ? await atHalfRate(server, payers, results) : undefined
    const driver = await compareDrivers(tpcb)
    say('verifying the books')
    const { findings, payments } = await verifyBooks(server.connection)
    if (findings.length > 0) throw new VoidRun(`the books are wrong: ${findings[0]?.text}`)
    await server.stop()
    const again = await startServer(folder)
    await again.stop()
    const report = {
      rows: results.map((result) => summarize(result, results)),
      half,
      driver,
      payments: Number(payments),
      restartMs: again.startedIn,
    }
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : table(report))
  } catch (error) {
    throw error instanceof VoidRun ? new StartError(`this run is void: ${error.message}`, { cause: error }) : error
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

function parseArguments(args: readonly string[]) {
  const usage = new StartError(`usage: npm run bench [-- --json] [--only ${ROWS.map(({ name }) => name).join('|')}]`)
  const at = args.indexOf('--only')
  const only = at < 0 ? undefined : args[at + 1]
  const known = args.every((arg, index) => ['--only', '--json'].includes(arg) || (at >= 0 && index === at + 1))
  if (!known || (at >= 0 && !ROWS.some(({ name }) => name === only))) throw usage
  return { only, json: args.includes('--json') }
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`)
}

async function measure(
  server: Server,
  payers: Task['payers'],
  tpcb: Server['connection'],
  rows: readonly Row[],
): Promise<Result[]> {
  await load(server, payers, { mode: 'bulk', connections: 3, seconds: 5 }) // every account is known and in memory once
  const measured = new Map<Row, Measured[]>(rows.map((row) => [row, []]))
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [row, results] of measured) {
      const tps = await yardstick(tpcb, 3)
      const result = { ...(await load(server, payers, { seconds: 4, ...row.load })), tpcb: tps }
      results.push(result)
      say(`round ${round} ${row.name}: ${result.rate.toFixed(0)}/s, ${(result.rate / tps).toFixed(2)} of TPC-B`)
    }
  }
  return rows.map((row) => ({ ...row, measured: measured.get(row) ?? [] }))
}

/** How long a payment takes at half the rate that the gateway can bear. */
async function atHalfRate(server: Server, payers: Task['payers'], results: readonly Result[]) {
  const full = results.find(({ name }) => name === 'http')
  const rate = Math.floor(median(full?.measured.map((each) => each.rate) ?? [1_000]) / 2)
  const { latency } = await load(server, payers, { rate, seconds: 6 })
  return { rate, ...latency }
}

/** The yardstick by pgbench and by our own driver, side by side. */
async function compareDrivers(tpcb: Server['connection']) {
  const pgbench = findPgbench()
  return { pgbench: pgbench ? await runPgbench(pgbench, tpcb, 3) : null, driver: runDriver(tpcb, 3) }
}

function ratioOf({ measured }: Result): number {
  return median(measured.map((each) => each.rate / each.tpcb))
}

function summarize(result: Result, all: readonly Result[]) {
  const { name, what, against, bar, measured } = result
  const of = (read: (each: Measured) => number) => median(measured.map(read))
  const uniform = all.find((other) => other.name === UNIFORM)
  const ratio = ratioOf(result) / (against === 'uniform' && uniform ? ratioOf(uniform) : 1)
  return {
    name,
    what,
    rate: of((each) => each.rate),
    against,
    ratio,
    bar,
    met: ratio >= bar,
    p50: of((each) => each.latency.p50),
    p95: of((each) => each.latency.p95),
    p99: of((each) => each.latency.p99),
    max: of((each) => each.latency.max),
    gatewayCpu: of((each) => each.gatewayCpu),
    postgresCpu: of((each) => each.postgresCpu),
    loadCpu: of((each) => each.loadCpu),
    memory: Math.max(...measured.map((each) => each.gatewayMemory)),
  }
}

type Report = {
  readonly rows: readonly ReturnType<typeof summarize>[]
  readonly half: Awaited<ReturnType<typeof atHalfRate>> | undefined
  readonly driver: Awaited<ReturnType<typeof compareDrivers>>
  readonly payments: number
  readonly restartMs: number
}

function table({ rows, half, driver, payments, restartMs }: Report): string {
  const columns = [
    'what',
    'a second',
    '× TPC-B',
    'bar',
    '',
    'p50',
    'p95',
    'p99',
    'max ms',
    'CPU gw',
    'pg',
    'load',
    'MiB',
  ]
  const lines = rows.map((row) => [
    row.what,
    row.rate.toFixed(0),
    row.ratio.toFixed(2),
    row.against,
    row.bar.toFixed(2),
    row.met ? 'met' : 'NOT met',
    ...[row.p50, row.p95, row.p99, row.max].map((time) => time.toFixed(1)),
    ...[row.gatewayCpu, row.postgresCpu, row.loadCpu].map((cpu) => cpu.toFixed(2)),
    row.memory.toFixed(0),
  ])
  const print = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    print(columns),
    print(columns.map(() => '---')),
    ...lines.map(print),
    '',
    half === undefined
      ? ''
      : `at half rate (${half.rate}/s): p50 ${half.p50.toFixed(1)} ms, p99 ${half.p99.toFixed(1)} ms (bar 25 ms)`,
    `TPC-B by pgbench ${driver.pgbench?.toFixed(0) ?? 'not installed'}, by our driver ${driver.driver.toFixed(0)}`,
    `start on this data, to ready: ${(restartMs / 1_000).toFixed(2)} s (bar 2 s)`,
    `${payments} payments, all verified; fsync and synchronous_commit on`,
    '',
  ].join('\n')
}
