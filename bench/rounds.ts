import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { withOwner } from '../src/database/connection.ts'
import type { Loaded, Task } from './load.ts'
import type { Line } from './report.ts'
import type { Server, Usage } from './server.ts'
import { findPgbench, runDriver, runPgbench } from './tpcb.ts'

/** Of what is compared so many measurements are taken in turns, and the median of their ratios counts. */
export const ROUNDS = 3

/** One measurement: what the load generator saw, and what it cost. */
export type Measured = Loaded & {
  readonly rate: number
  /** CPU seconds for each second of the measurement. */
  readonly gatewayCpu: number
  readonly postgresCpu: number
  readonly loadCpu: number
  readonly gatewayMemory: number
}

/** What a run of the load generator needs to be told; the rest is the same for all. */
export type Load = Partial<
  Pick<Task, 'shape' | 'mode' | 'bulk' | 'asynchronous' | 'connections' | 'rate' | 'skips' | 'seconds'>
>

/** Bulk requests from so many callers that lines are there to be posted while other requests come and are answered. */
export const IN_BULK: Load = { mode: 'bulk', connections: 6 }

/** A run in which a payment was refused, lost or wrong proves nothing. */
export class VoidRun extends Error {
  override readonly name = 'VoidRun'
}

let runs = 0
let made = 0
const memory: number[] = []

/** The gateway's memory behind each load of this run, in MiB. */
export function memorySeen(): readonly number[] {
  return memory
}

/** The payments of this run so far. */
export function paymentsMade(): number {
  return made
}

/** Lets the load generator, a process of its own, loose on the gateway. Throws VoidRun where an answer was wrong. */
export async function load(server: Server, payers: Task['payers'], wanted: Load): Promise<Measured> {
  runs += 1
  const task: Task = {
    host: '127.0.0.1',
    port: server.port,
    payers,
    shape: 'uniform',
    mode: 'one',
    bulk: 1_000,
    asynchronous: false,
    connections: 64,
    seconds: 5,
    rate: 0,
    skips: false,
    run: `${process.pid}-${runs}`,
    ...wanted,
  }
  const before = server.usage()
  const generated = await runGenerator<Loaded>('load.ts', task)
  // What was accepted only counts when it is posted too.
  const later = task.asynchronous ? await allPosted(server) : 0
  const loaded = { ...generated, seconds: generated.seconds + later, secondsInAll: generated.secondsInAll + later }
  made += loaded.made
  if (loaded.errors.length > 0) throw new VoidRun(`${loaded.errors.length} wrong answers, such as ${loaded.errors[0]}`)
  const cost = spent(before, server.usage(), loaded)
  memory.push(cost.gatewayMemory)
  return { ...loaded, rate: loaded.payments / loaded.seconds, ...cost }
}

/** Waits until no payment is left for a worker; how many seconds that took. */
async function allPosted(server: Server): Promise<number> {
  const began = performance.now()
  await withOwner(server.connection, async (client) => {
    while ((await client.query('select from initiated limit 1')).rowCount !== 0) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
  return (performance.now() - began) / 1_000
}

function spent(before: Usage, after: Usage, { secondsInAll, cpuSeconds }: Loaded) {
  return {
    gatewayCpu: (after.gatewayCpu - before.gatewayCpu) / secondsInAll,
    postgresCpu: (after.postgresCpu - before.postgresCpu) / secondsInAll,
    loadCpu: cpuSeconds / secondsInAll,
    gatewayMemory: after.gatewayMemory,
  }
}

/** Gives a load generator its task, in a process with these flags. Throws VoidRun where it ends early. */
export async function runGenerator<Result>(script: string, task: object, ...flags: string[]): Promise<Result> {
  const args = [...flags, `${import.meta.dirname}/${script}`]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(task))
  const output = await text(child.stdout)
  if (output === '') throw new VoidRun(`${script} ended early`)
  return JSON.parse(output)
}

/** The yardstick: pgbench's TPC-B where pgbench is installed, or the same without it (tpcb_driver.ts). */
export async function yardstick(tpcb: Server['connection'], seconds: number): Promise<number> {
  const pgbench = findPgbench()
  return pgbench ? runPgbench(pgbench, tpcb, seconds) : runDriver(tpcb, seconds)
}

/** What it cost while it was measured: medians, in cores. */
export function cpuDetail(measured: readonly Measured[]): Line['detail'] {
  const of = (read: (each: Measured) => number) => median(measured.map(read))
  return {
    'CPU gateway': of(({ gatewayCpu }) => gatewayCpu),
    'CPU PostgreSQL': of(({ postgresCpu }) => postgresCpu),
    'CPU load': of(({ loadCpu }) => loadCpu),
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const [low = 0, high = 0] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]]
  return (low + high) / 2
}
