import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withOwner } from '../src/database/connection.ts'
import { run } from '../src/run.ts'
import { StartError } from '../src/start_error.ts'
import { verifyBooks } from '../src/verify/verify.ts'
import { measureGrowth, POSTINGS } from './growth.ts'
import { measureHalf } from './half.ts'
import { measureMemory } from './memory.ts'
import { measureOverload } from './overload.ts'
import { measureReads } from './reads.ts'
import { type Line, type Report, table, within } from './report.ts'
import { load, VoidRun } from './rounds.ts'
import { say } from './say.ts'
import { ACCOUNTS_EACH, seed } from './seed.ts'
import { type Server, startServer } from './server.ts'
import { measureThroughput, rowsFor, THROUGHPUT } from './throughput.ts'
import { findPgbench, prepareTpcb, runDriver, runPgbench } from './tpcb.ts'
import { measureWebSockets } from './websockets.ts'

// Measures the gateway against pgbench's TPC-B on the same PostgreSQL in the same minute, and what it costs to read.

const ACCOUNTS = 100_000
/** Beside the rows of throughput.ts. What takes minutes is measured only where it is asked for. */
const OTHERS = ['half', 'overload', 'memory', 'reads', 'start'] as const
const ON_DEMAND = ['growth', 'websockets'] as const
const NAMES: readonly string[] = [...THROUGHPUT.map(({ name }) => name), ...OTHERS, ...ON_DEMAND]

const USAGE = `usage: npm run bench [-- --json] [--only ${NAMES.join('|')}] [--postings N]`

await run(async (stopped, _environment, args) => {
  const { only, json, postings } = parseArguments(args)
  const folder = await mkdtemp(join(tmpdir(), 'bgw-bench-'))
  // Twice: the first process after a change of the program keeps in memory what reads TypeScript, any later one need not.
  await (await startServer(folder)).stop()
  const server = await startServer(folder)
  try {
    void stopped.then(() => server.stop())
    const report = await measure(server, folder, only, postings)
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : table(report))
  } catch (error) {
    throw error instanceof VoidRun ? new StartError(`this run is void: ${error.message}`, { cause: error }) : error
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}, `${USAGE}\n`)

function parseArguments(args: readonly string[]) {
  let only: string | undefined
  let json = false
  let postings = POSTINGS
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--json') json = true
    else if (arg === '--only' && NAMES.includes(rest[0] ?? '')) only = rest.shift()
    else if (arg === '--postings' && /^[1-9]\d{3,8}$/.test(rest[0] ?? '')) postings = Number(rest.shift())
    else throw new StartError(USAGE)
  }
  return { only, json, postings }
}

async function measure(server: Server, folder: string, only: string | undefined, postings: number): Promise<Report> {
  const wanted = (name: (typeof OTHERS)[number]) => only === undefined || only === name
  say(`seeding ${ACCOUNTS} accounts`)
  const [payers, tpcb] = await Promise.all([seed(server, ACCOUNTS), prepareTpcb(server.connection)])
  say('everybody pays or is paid once: every account is known and in memory')
  await load(server, payers, { shape: 'everybody', mode: 'bulk', bulk: ACCOUNTS_EACH, connections: 6, seconds: 60 })
  const lines = [...(await measureThroughput(server, payers, tpcb, rowsFor(only)))]
  if (wanted('half')) lines.push(...(await measureHalf(server, payers)))
  if (wanted('overload')) lines.push(...(await measureOverload(server, payers)))
  if (wanted('memory')) lines.push(...(await measureMemory(server, payers, only !== undefined)))
  if (only === 'websockets') lines.push(...(await measureWebSockets(server, payers)))
  const payments = await verified(server)
  if (wanted('reads')) lines.push(...(await measureReads(server, payers)))
  if (only === 'growth') lines.push(...(await measureGrowth(server, payers, tpcb, postings)))
  say('comparing the yardstick with and without pgbench')
  const driver = await compareDrivers(tpcb)
  const settings = await readSettings(server)
  if (wanted('start')) lines.push(await measureStart(server, folder))
  return { lines, driver, settings, payments }
}

/** How many payments there are, when every law holds. Throws VoidRun where one does not. */
async function verified(server: Server): Promise<number> {
  say('verifying the books')
  const { findings, payments } = await verifyBooks(server.connection)
  if (findings.length > 0) throw new VoidRun(`the books are wrong: ${findings[0]?.text}`)
  return Number(payments)
}

/** The yardstick by pgbench and without it, side by side. */
async function compareDrivers(tpcb: Server['connection']) {
  const pgbench = findPgbench()
  return { pgbench: pgbench ? await runPgbench(pgbench, tpcb, 2) : null, driver: runDriver(tpcb, 2) }
}

async function readSettings(server: Server): Promise<Record<string, string>> {
  const { rows } = await withOwner(server.connection, (client) =>
    client.query<{ name: string; value: string }>(
      `select name, current_setting(name) as value
         from unnest(array['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_compression',
                           'shared_buffers', 'max_wal_size', 'wal_buffers', 'commit_delay', 'max_connections']) as name`,
    ),
  )
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

/** Seconds from the start of the process to the greeting, on the data of this run. */
async function measureStart(server: Server, folder: string): Promise<Line> {
  await server.stop()
  const again = await startServer(folder)
  await again.stop()
  const seconds = again.startedIn / 1_000
  return within({
    name: 'start',
    what: 'start on this data, to ready',
    figure: `${seconds.toFixed(2)} s`,
    ratio: seconds,
    against: 's',
    bar: 2,
    detail: {},
  })
}
