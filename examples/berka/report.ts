import { styleText } from 'node:util'
import { formatHalere, PURPOSES } from './files.ts'
import type { Count, Paid, Replay } from './replay.ts'

/** What was paid to one bank or for one purpose, or altogether. */
export type Sums = {
  readonly name: string
  readonly orders: number
  readonly amount: bigint
  readonly fees: bigint
  readonly made: number
  readonly there: number
}

/** Failures that are listed; beyond that, only their number says more. */
const MOST_FAILURES = 20

export function sumsByPurpose(paid: readonly Paid[]): Sums[] {
  const groups = Map.groupBy(paid, ({ order }) => order.purpose)
  return PURPOSES.map((purpose) => sumOf(purpose, groups.get(purpose) ?? []))
}

export function sumsByBank(paid: readonly Paid[]): Sums[] {
  const groups = [...Map.groupBy(paid, ({ order }) => order.bank)]
  return groups.map(([bank, own]) => sumOf(bank, own)).sort((left, right) => (left.name < right.name ? -1 : 1))
}

export function sumOf(name: string, paid: readonly Paid[]): Sums {
  const there = paid.filter((payment) => payment.there).length
  return {
    name,
    orders: paid.length,
    amount: paid.reduce((sum, { amount }) => sum + amount, 0n),
    fees: paid.reduce((sum, { fee }) => sum + fee, 0n),
    made: paid.length - there,
    there,
  }
}

/** The tables, and a last line that says whether this run changed anything. */
export function reportOf({ owners, banks, paid, failures }: Replay): string {
  const total = sumOf('total', paid)
  const made = owners.made + banks.made + total.made
  const last = made > 0 ? [] : ['Nothing changed: everything was there already.']
  return [
    tableOf('purpose', [...sumsByPurpose(paid), total]),
    '',
    tableOf('bank', [...sumsByBank(paid), total]),
    '',
    countLine('owners', owners),
    countLine('banks', banks),
    countLine('orders', total),
    ...(failures.length > 0 ? [`${failures.length} failed`] : last),
    '',
  ].join('\n')
}

export function failuresOf({ failures }: Replay): string {
  const shown = failures.slice(0, MOST_FAILURES).map((failure) => `failed: ${failure}\n`)
  const more = failures.length - shown.length
  return shown.join('') + (more > 0 ? `failed: ${more} more\n` : '')
}

function countLine(what: string, { made, there }: Count): string {
  return `${what.padEnd(7)} ${made} made now, ${there} were there`
}

function tableOf(first: string, sums: readonly Sums[]): string {
  const header = [first, 'orders', 'sum CZK', 'fees CZK', 'made now', 'were there']
  const rows = sums.map(({ name, orders, amount, fees, made, there }) => [
    name,
    grouped(String(orders)),
    grouped(formatHalere(amount)),
    grouped(formatHalere(fees)),
    grouped(String(made)),
    grouped(String(there)),
  ])
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const lineOf = (cells: readonly string[]) =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ')
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  const lines = rows.map(lineOf)
  return [styleText('bold', lineOf(header)), rule, ...lines.slice(0, -1), rule, ...lines.slice(-1)].join('\n')
}

/** Thousands apart, as the bank's country writes them. */
function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ' ')
}
