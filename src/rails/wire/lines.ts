import { createHash } from 'node:crypto'
import type { Direction, Entry, Statement, Transaction } from './bank_file.ts'

/** A movement to reconcile: an entry, or where the bank says how it divides one transaction of it. */
export type Line = {
  /** The same in every file that has this entry. */
  readonly entryKey: Buffer
  readonly number: number
  readonly direction: Direction
  readonly amount: bigint
  readonly reversal: boolean
  readonly bookingDate: string | null
  readonly valueDate: string | null
  readonly endToEndId: string | null
  readonly servicerReference: string | null
  readonly counterparty: Transaction['counterparty']
  readonly remittance: string | null
}

/** Text longer than this is no use to anybody who reconciles. */
const LONGEST_REMITTANCE = 2_000

/**
 * The booked lines of each statement of one account in one file, in their order. An entry is known again by the bank's
 * reference for it, or where it has none by what it says; of several that say the same, as the first, second and so on.
 */
export function linesOf(statements: readonly Pick<Statement, 'entries'>[]): Line[][] {
  const seen = new Map<string, number>()
  return statements.map(({ entries }) =>
    entries.flatMap((entry) => {
      if (entry.status !== 'BOOK') return []
      const said = identityOf(entry)
      const before = seen.get(said) ?? 0
      seen.set(said, before + 1)
      return linesOfEntry(entry, createHash('sha256').update(`${said} ${before}`).digest())
    }),
  )
}

function identityOf(entry: Entry): string {
  const { servicerReference, direction, amount, reversal, bookingDate, valueDate, transactions } = entry
  const told = servicerReference ?? [
    valueDate,
    transactions.map((each) => [each.endToEndId, each.transactionId, each.instructionId, each.remittance]),
  ]
  return JSON.stringify([direction, String(amount), reversal, bookingDate, told])
}

function linesOfEntry(entry: Entry, entryKey: Buffer): Line[] {
  const { transactions } = entry
  const divided = transactions.length > 0 && transactions.every(({ amount }) => amount !== null)
  if (!divided) return [lineOf(entry, entryKey, 0, mergedOf(entry))]
  return transactions.map((transaction, number) => lineOf(entry, entryKey, number, transaction))
}

/** An entry that does not divide, with all that its transactions say. */
function mergedOf({ amount, direction, transactions, information }: Entry): Part {
  const [only] = transactions.length === 1 ? transactions : []
  const structured = transactions.flatMap(({ remittance }) => remittance.structured)
  const unstructured = transactions.flatMap(({ remittance, endToEndId }) => [
    ...(only || endToEndId === null ? [] : [endToEndId]),
    ...remittance.unstructured,
  ])
  return {
    amount,
    direction,
    endToEndId: only?.endToEndId ?? null,
    counterparty: only?.counterparty ?? { name: null, account: null },
    remittance: { structured, unstructured: [...unstructured, ...(information === null ? [] : [information])] },
  }
}

type Part = Pick<Transaction, 'amount' | 'direction' | 'endToEndId' | 'counterparty' | 'remittance'>

function lineOf(entry: Entry, entryKey: Buffer, number: number, part: Part): Line {
  const told = [...part.remittance.unstructured, ...part.remittance.structured].join('\n').slice(0, LONGEST_REMITTANCE)
  return {
    entryKey,
    number,
    direction: part.direction,
    amount: part.amount ?? entry.amount,
    reversal: entry.reversal,
    bookingDate: entry.bookingDate,
    valueDate: entry.valueDate,
    endToEndId: part.endToEndId,
    servicerReference: entry.servicerReference,
    counterparty: part.counterparty,
    // A cut through the middle of a character is no text any more.
    remittance: told.toWellFormed() || null,
  }
}
