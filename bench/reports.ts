import { withOwner } from '../src/database/connection.ts'
import { STEP } from '../src/reports/keep_totals.ts'
import type { Task } from './load.ts'
import { type Line, within } from './report.ts'
import { median, VoidRun } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

// What operators ask of the books as a whole (docs/api.md, Reports), each by its own call.

const TRIES = 20
const MOST_PARTS = 1_000
const DAY_MS = 86_400_000

/** Where the postings begin and end that the books were filled with, and how many payments with a fee they are of. */
export type Weight = { readonly from: string; readonly to: string; readonly payments: number }

/** The slowest of the reports, by medians, over HTTP. Throws VoidRun where one of them is wrong. */
export async function measureReports(
  server: Server,
  payers: Task['payers'],
  { from, to, payments }: Weight,
): Promise<Line> {
  say('asking for reports')
  await untilKept(server)
  const [operator] = payers
  if (!operator) throw new Error('there is nobody to ask')
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}/v1/admin/reports/${path}`, {
      headers: { authorization: `Bearer ${operator.token}` },
    })
    if (response.status !== 200) throw new VoidRun(`the report ${path} was answered with ${response.status}`)
    return ((await response.json()) as { data: Readonly<Record<string, string>>[] }).data
  }
  await checkExact(server, ask, { from, to, payments })

  const [begin, end] = [Date.parse(from), Date.parse(to)]
  const days = (count: number) => `from=${new Date(Math.max(begin, end - count * DAY_MS)).toISOString()}&to=${to}`
  const all = `from=${from}&to=${to}`
  // In the middle of a day, as nothing is kept of that moment itself.
  const middle = new Date(Math.floor((begin + end) / 2 / DAY_MS) * DAY_MS + DAY_MS * 0.6).toISOString()
  const reports: Readonly<Record<string, string>> = {
    'trial balance': 'trial-balance',
    'trial balance then': `trial-balance?at=${middle}`,
    'trial balance since': `trial-balance?from=${middle}`,
    fees: `fees?${all}`,
    'fees by month': `fees?${all}&group_by=month`,
    rails: `flows?${all}`,
    'rails by month': `flows?${all}&group_by=month`,
    'volumes by month': `daily?${all}&group_by=month`,
    'volumes by day, a year': `daily?${days(365)}`,
    'volumes by day, the most': `daily?${days(MOST_PARTS - 2)}`,
  }
  const detail: Record<string, number> = {}
  for (const [name, path] of Object.entries(reports)) {
    const times: number[] = []
    for (let turn = 0; turn < TRIES; turn += 1) {
      const began = performance.now()
      await ask(path)
      times.push(performance.now() - began)
    }
    detail[name] = median(times)
  }
  const [[slowest, ms] = ['', 0]] = Object.entries(detail).sort(([, one], [, other]) => other - one)
  return within({
    name: 'reports',
    what: `the slowest report (${slowest}) with ${millionsOf(payments * 2)} postings`,
    figure: `${ms.toFixed(1)} ms`,
    ratio: ms,
    against: 'ms',
    bar: 100,
    detail,
  })
}

/** Waits until the totals of what was paid just now are kept: of the last ones fewer postings than a step are not. */
async function untilKept({ connection }: Server): Promise<void> {
  await withOwner(connection, async (client) => {
    const unkept = `
      select from postings
       where book = 1 and id >= (select before from posting_totals where book = 1 order by before desc limit 1)
       limit ${STEP}`
    while ((await client.query(unkept)).rowCount === STEP) await new Promise((resolve) => setTimeout(resolve, 200))
  })
}

/** As a row of the report names it: `10 million`. */
export function millionsOf(postings: number): string {
  return `${postings / 1_000_000} million`
}

/** Quick is no use without right: the fees are those of all payments that were written, and the balances sum to zero. */
async function checkExact(
  { connection }: Server,
  ask: (path: string) => Promise<Readonly<Record<string, string>>[]>,
  { from, to, payments }: Weight,
): Promise<void> {
  const [fees] = await ask(`fees?from=${from}&to=${to}`)
  if (Number(fees?.count) !== payments) throw new VoidRun(`there are ${fees?.count} fees of ${payments} payments`)
  const { rows } = await withOwner(connection, (client) =>
    client.query<{ cents: string }>(
      "select sum(amount)::text as cents from postings where book = 1 and currency = 'USD'",
    ),
  )
  const lines = await ask('trial-balance')
  const cents = (column: string) => lines.reduce((sum, line) => sum + BigInt((line[column] ?? '').replace('.', '')), 0n)
  if (cents('closing') !== 0n) throw new VoidRun('the trial balance does not sum to zero')
  const moved = BigInt(rows[0]?.cents ?? 0)
  if (cents('debits') !== moved) throw new VoidRun(`the trial balance has ${cents('debits')} cents of ${moved}`)
}
