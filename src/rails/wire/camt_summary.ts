import type { Statement } from './bank_file.ts'
import { directionOf, readCount, readDecimal } from './camt_values.ts'
import { broken, type Element, find } from './xml.ts'

/**
 * Holds what a statement says of its entries (TxsSummry) against them: how many, and how much they come to, together
 * and in each direction. Throws BrokenFile.
 */
export function checkSummary(element: Element, { entries, currency }: Pick<Statement, 'entries' | 'currency'>): void {
  const summary = find(element, 'TxsSummry')
  if (!summary) return
  const into = entries.filter(({ direction }) => direction === 'in')
  const out = entries.filter(({ direction }) => direction === 'out')
  const groups = [
    ['TtlNtries', entries],
    ['TtlCdtNtries', into],
    ['TtlDbtNtries', out],
  ] as const
  for (const [name, group] of groups) {
    const total = find(summary, name)
    const count = total && find(total, 'NbOfNtries')
    const sum = total && find(total, 'Sum')
    if (count && readCount(count) !== group.length) broken(`has another number of entries than ${count.path}`)
    if (sum && readDecimal(sum, currency.digits) !== sumOf(group)) {
      broken(`has entries that do not add up to ${sum.path}`)
    }
  }
  checkNet(summary, sumOf(into) - sumOf(out), currency.digits)
}

/** The net is beside its sign up to version 02, and from 04 on together with it. */
function checkNet(summary: Element, net: bigint, digits: number): void {
  const total = find(summary, 'TtlNtries')
  const signed = total && (find(total, 'TtlNetNtry') ?? (find(total, 'TtlNetNtryAmt') ? total : undefined))
  const amount = signed && (find(signed, 'Amt') ?? find(signed, 'TtlNetNtryAmt'))
  if (!signed || !amount) return
  const said = readDecimal(amount, digits)
  const into = find(signed, 'CdtDbtInd') === undefined || directionOf(signed) === 'in'
  if ((into ? said : -said) !== net) broken(`has entries that do not come to ${amount.path}`)
}

function sumOf(entries: Statement['entries']): bigint {
  return entries.reduce((sum, { amount }) => sum + amount, 0n)
}
