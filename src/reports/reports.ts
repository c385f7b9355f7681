import type { Queryable } from '../database/connection.ts'
import { QueryError } from '../database/list_fields.ts'
import type { BookId, Instant } from '../ledger/id.ts'
import type { PaymentKind } from '../ledger/payment.ts'
import { type Group, labelOf, type Period, splitPeriod } from './period.ts'
import { difference, type Side, type Total, totalsBefore } from './totals.ts'

// What operators ask of the books as a whole. Each report is a reading of the same totals, and so exact: a sum of them
// is the sum of the postings. Amounts in minor units.

/** What a report is asked about. */
export type Asked = { readonly period: Period; readonly group: Group | null; readonly currency: string | null }

/** A line of a report, of one day or month where these were asked for. */
type Line = { readonly period: string | null; readonly currency: string }

export type FeeLine = Line & { readonly count: bigint; readonly earned: bigint; readonly returned: bigint }
export type FlowLine = Line & {
  readonly rail: Side
  readonly countIn: bigint
  readonly countOut: bigint
  readonly moneyIn: bigint
  readonly moneyOut: bigint
}
export type VolumeLine = Line & {
  readonly kind: PaymentKind | 'fee'
  readonly count: bigint
  readonly amount: bigint
}
export type BalanceLine = Line & {
  readonly account: Side
  readonly opening: bigint
  readonly debits: bigint
  readonly credits: bigint
  readonly closing: bigint
}

const RAILS: readonly Side[] = ['wire', 'wallet', 'crypto_currency']

/** What `internal` earned in fees, and what of them it gave back. */
export async function readFees(client: Queryable, book: BookId, asked: Asked): Promise<FeeLine[]> {
  return grouped(await movementsOf(client, book, asked), ({ kind, debit, credit, postings, amount }) => {
    if (kind === 'fee' && debit === 'internal') return [['', { count: postings, earned: amount, returned: 0n }]]
    if (kind === 'fee' && credit === 'internal') return [['', { count: 0n, earned: 0n, returned: amount }]]
    return []
  }).map(({ key, ...line }) => line)
}

/** What came into the books and left them, by rail: the other sides of the rails' accounts. */
export async function readFlows(client: Queryable, book: BookId, asked: Asked): Promise<FlowLine[]> {
  const nothing = { countIn: 0n, countOut: 0n, moneyIn: 0n, moneyOut: 0n }
  const lines = grouped(await movementsOf(client, book, asked), ({ kind, debit, credit, postings, amount }) => {
    // The fee of a deposit came in with it.
    const count = kind === 'fee' ? 0n : postings
    return [
      ...(RAILS.includes(credit) ? [[credit, { ...nothing, countIn: count, moneyIn: amount }] as const] : []),
      ...(RAILS.includes(debit) ? [[debit, { ...nothing, countOut: count, moneyOut: amount }] as const] : []),
    ]
  })
  return lines.map(({ key, ...line }) => ({ ...line, rail: key }))
}

/** How many postings of each kind there were, and how much they moved. */
export async function readVolumes(client: Queryable, book: BookId, asked: Asked): Promise<VolumeLine[]> {
  const lines = grouped(await movementsOf(client, book, asked), ({ kind, postings, amount }) => [
    [kind, { count: postings, amount }],
  ])
  return lines.map(({ key, ...line }) => ({ ...line, kind: key }))
}

/**
 * What each technical account and all users' accounts together had before the period, or each part of it, gained, lost,
 * and had at its end. In each currency the balances sum to zero (ledger.md law 1).
 */
export async function readTrialBalance(client: Queryable, book: BookId, asked: Asked): Promise<BalanceLine[]> {
  return (await partsOf(client, book, asked)).flatMap(({ label, before, all }) =>
    balancesOf(before, all).map((line) => ({ period: label, ...line })),
  )
}

function balancesOf(before: readonly Total[], all: readonly Total[]): Omit<BalanceLine, 'period'>[] {
  const during = difference(all, before)
  const lines = new Map<string, { currency: string; account: Side; opening: bigint; debits: bigint; credits: bigint }>()
  const lineOf = (currency: string, account: Side) => {
    const key = `${currency} ${account}`
    const line = lines.get(key) ?? { currency, account, opening: 0n, debits: 0n, credits: 0n }
    lines.set(key, line)
    return line
  }
  for (const { currency, debit, credit, amount } of before) {
    lineOf(currency, debit).opening += amount
    lineOf(currency, credit).opening -= amount
  }
  for (const { currency, debit, credit, amount } of during) {
    lineOf(currency, debit).debits += amount
    lineOf(currency, credit).credits += amount
  }
  return [...lines.values()]
    .map((line) => ({ ...line, closing: line.opening + line.debits - line.credits }))
    .sort((one, other) => compare(one.currency, other.currency) || compare(one.account, other.account))
}

type Movements = { readonly label: string | null; readonly totals: readonly Total[] }

/** What was posted in each part of the period. */
async function movementsOf(client: Queryable, book: BookId, asked: Asked): Promise<Movements[]> {
  const parts = await partsOf(client, book, asked)
  return parts.map(({ label, before, all }) => ({ label, totals: difference(all, before) }))
}

/** A part of the period, with all that was posted before its beginning and before its end. */
type Part = { readonly label: string | null; readonly before: readonly Total[]; readonly all: readonly Total[] }

async function partsOf(client: Queryable, book: BookId, { period, group, currency }: Asked): Promise<Part[]> {
  const ends: Instant[] = group === null ? [period.from, period.to] : splitPeriod(period, group)
  if (ends.length > MOST_PARTS) {
    throw new QueryError('group_by', `gives more than ${MOST_PARTS} parts: ask for a shorter period or for months`)
  }
  const totals = await totalsBefore(client, book, ends, currency)
  return ends.slice(0, -1).map((from, index) => ({
    label: group === null ? null : labelOf(from, group),
    before: totals[index] ?? [],
    all: totals[index + 1] ?? [],
  }))
}

const MOST_PARTS = 1_000

/** Adds up what `read` finds in each total, by part of the period, currency and the key that it gives. */
function grouped<Key extends string, Sums extends Readonly<Record<string, bigint>>>(
  movements: readonly Movements[],
  read: (total: Total) => readonly (readonly [Key, Sums])[],
): (Line & { readonly key: Key } & Sums)[] {
  return movements.flatMap(({ label, totals }) => {
    const lines = new Map<string, Line & { readonly key: Key } & Sums>()
    for (const total of totals) {
      for (const [key, sums] of read(total)) {
        const name = `${total.currency} ${key}`
        const line = lines.get(name)
        lines.set(name, { period: label, currency: total.currency, key, ...(line ? added(line, sums) : sums) })
      }
    }
    return [...lines.values()].sort(
      (one, other) => compare(one.currency, other.currency) || compare(one.key, other.key),
    )
  })
}

function added<Sums extends Readonly<Record<string, bigint>>>(line: Sums, sums: Sums): Sums {
  return Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, (line[name] ?? 0n) + value])) as Sums
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
