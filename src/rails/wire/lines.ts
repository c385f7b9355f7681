import { createHash } from 'node:crypto'
import type { WireBatchId } from '../../ledger/id.ts'
import type { Direction, Entry, Statement, Transaction } from './bank_file.ts'
import { isNoReference } from './camt_values.ts'
import { ordersNamed } from './matching.ts'

/** A movement to reconcile: an entry, or where the bank says how it divides one transaction of it. */
export type Line = {
  /** The same in every file that has this entry. */
  readonly entryKey: Buffer
  /** What the key is of: what the entry says, and how many of the file's before it say the same. */
  readonly said: string
  readonly place: number
  /** What it says besides the bank's reference. */
  readonly words: string
  /** The same in a file of another kind that gives no reference of the bank; null where nothing in it is a reference. */
  readonly told: string | null
  readonly number: number
  readonly direction: Direction
  readonly amount: bigint
  readonly reversal: boolean
  readonly bookingDate: string | null
  readonly valueDate: string | null
  readonly endToEndId: string | null
  readonly servicerReference: string | null
  readonly returnReason: string | null
  readonly counterparty: Transaction['counterparty']
  readonly remittance: string | null
  /** The orders of ours that it says it books. */
  readonly orders: readonly WireBatchId[]
  /** The order of which it is one payment, where the bank booked all of them in one. */
  readonly batch: WireBatchId | null
  /** An earlier file said the same, and it may be another: for an operator. */
  readonly repeated: boolean
  /** It is of several payments, and the bank does not say how much of each: for an operator. */
  readonly undivided: boolean
}

/** Whether it takes back an earlier one. */
export function comesBack({ reversal, returnReason }: Pick<Line, 'reversal' | 'returnReason'>): boolean {
  return reversal || returnReason !== null
}

/** Text longer than this is no use to anybody who reconciles. */
const LONGEST_REMITTANCE = 2_000

/** The booked lines of a statement, and how many more it has of movements that the file told of before. */
export type StatementLines = { readonly lines: readonly Line[]; readonly again: number }

/**
 * The booked lines of each statement of one account in one file, in their order. An entry is known again by the bank's
 * reference for it, or where it has none by what it says; of several that say the same, as the first, second and so on.
 * What statements of one file tell of more than once, as they overlap, is in the first of them only.
 */
export function linesOf(statements: readonly Pick<Statement, 'entries' | 'opening' | 'closing'>[]): StatementLines[] {
  const runs = runsOf(statements)
  const placeOf = createPlaces()
  return statements.map(({ entries, opening }, index) => {
    let again = 0
    const lines = entries.flatMap((entry) => {
      if (entry.status !== 'BOOK') return []
      const [said, told] = [identityOf(entry), toldOf(entry)]
      // Without the bank's reference two notices may tell of two movements in the same words.
      const isOfItsOwn = opening !== null || entry.servicerReference !== null
      const { place, isNew } = placeOf(said, told, isOfItsOwn ? (runs[index] ?? null) : null)
      const words = wordsOf(entry)
      const found = linesOfEntry(entry, { entryKey: entryKeyOf(said, place), said, place, words, told })
      if (isNew) return found
      again += found.length
      return []
    })
    return { lines, again }
  })
}

/**
 * Which statements of a file go on from one another, by number: as one begins with the balance that another ended with,
 * what both of them say is two movements. A notice goes on from none.
 */
function runsOf(statements: readonly Pick<Statement, 'opening' | 'closing'>[]): number[] {
  const runs: { from: bigint | null; to: bigint | null }[] = []
  return statements.map(({ opening, closing }) => {
    const ends = { from: opening?.amount ?? null, to: closing?.amount ?? null }
    const before = runs.findIndex(({ to }) => to !== null && to === ends.from)
    const found = before >= 0 ? before : runs.findIndex(({ from }) => from !== null && from === ends.to)
    const run = runs[found]
    if (!run) return runs.push(ends) - 1
    if (before >= 0) run.to = ends.to
    else run.from = ends.from
    return found
  })
}

/** Gives each entry its place among those that say the same: within a run a new one, in another that of one already told. */
function createPlaces() {
  const counts = new Map<string, number>()
  const places = new Map<string, number[]>()
  const used = new Map<string, number>()
  return (said: string, told: string | null, run: number | null) => {
    const same = JSON.stringify([said, told])
    const known = places.get(same) ?? []
    const before = used.get(`${run} ${same}`) ?? 0
    used.set(`${run} ${same}`, before + 1)
    const again = known[before]
    if (again !== undefined) return { place: again, isNew: false }
    const place = counts.get(said) ?? 0
    counts.set(said, place + 1)
    places.set(same, known)
    known.push(place)
    return { place, isNew: true }
  }
}

/** What an entry is known by: what it says, and how many say the same before it. */
export function entryKeyOf(said: string, place: number): Buffer {
  return createHash('sha256').update(`${said} ${place}`).digest()
}

function identityOf(entry: Entry): string {
  const { servicerReference, direction, amount, reversal, bookingDate } = entry
  if (servicerReference === null) return wordsOf(entry)
  return JSON.stringify([direction, String(amount), reversal, bookingDate, servicerReference])
}

/** What an entry without a reference of the bank is known by. */
function wordsOf(entry: Entry): string {
  const { direction, amount, reversal, bookingDate, valueDate, transactions } = entry
  const told = [
    valueDate,
    transactions.map((each) => [each.endToEndId, each.transactionId, each.instructionId, each.remittance]),
    ...(referencesOf(entry) === null ? ordersOf(entry) : []),
  ]
  return JSON.stringify([direction, String(amount), reversal, bookingDate, told])
}

/** What an entry says of itself by the references of its payments, or else of its orders; null where it has none. */
function toldOf(entry: Entry): string | null {
  const { direction, amount, reversal, bookingDate } = entry
  const orders = ordersOf(entry)
  const references = referencesOf(entry) ?? (orders.length > 0 ? orders : null)
  return references && JSON.stringify(['told', direction, String(amount), reversal, bookingDate, references])
}

function referencesOf({ transactions }: Entry): (string | null)[][] | null {
  const references = transactions.map(({ endToEndId, transactionId, instructionId }) =>
    [endToEndId, transactionId, instructionId].map((text) => (text === null || isNoReference(text) ? null : text)),
  )
  return references.every((all) => all.every((text) => text === null)) ? null : references
}

/** All that an entry and its transactions repeat of orders. */
function ordersOf({ orders, transactions }: Entry): string[] {
  return [...orders, ...transactions.flatMap((each) => each.orders)]
}

type Keys = Pick<Line, 'entryKey' | 'said' | 'place' | 'words' | 'told'>

function linesOfEntry(entry: Entry, keys: Keys): Line[] {
  const { transactions } = entry
  const divided = transactions.length > 0 && transactions.every(({ amount }) => amount !== null)
  if (!divided) return [{ ...lineOf(entry, keys, 0, mergedOf(entry)), undivided: transactions.length > 1 }]
  // Of one transaction the entry says the same, of several it says it of all together.
  const [only] = transactions.length === 1 ? transactions : []
  if (only) return [lineOf(entry, keys, 0, { ...only, orders: ordersOf(entry) })]
  return transactions.map((transaction, number) => lineOf(entry, keys, number, transaction))
}

/** An entry that does not divide, with all that its transactions say. */
function mergedOf(entry: Entry): Part {
  const { amount, direction, transactions, information } = entry
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
    returnReason: only?.returnReason ?? null,
    counterparty: only?.counterparty ?? { name: null, account: null },
    orders: ordersOf(entry),
    remittance: { structured, unstructured: [...unstructured, ...(information === null ? [] : [information])] },
  }
}

type Part = Pick<
  Transaction,
  'amount' | 'direction' | 'endToEndId' | 'returnReason' | 'counterparty' | 'remittance' | 'orders'
>

function lineOf(entry: Entry, keys: Keys, number: number, part: Part): Line {
  const told = [...part.remittance.unstructured, ...part.remittance.structured].join('\n').slice(0, LONGEST_REMITTANCE)
  return {
    ...keys,
    number,
    direction: part.direction,
    amount: part.amount ?? entry.amount,
    reversal: entry.reversal,
    bookingDate: entry.bookingDate,
    valueDate: entry.valueDate,
    endToEndId: part.endToEndId,
    servicerReference: entry.servicerReference,
    returnReason: part.returnReason,
    counterparty: part.counterparty,
    // A cut through the middle of a character is no text any more.
    remittance: told.toWellFormed() || null,
    orders: [...ordersNamed([...part.orders, told])],
    batch: null,
    repeated: false,
    undivided: false,
  }
}
