import type { Currency } from '../../money/currency.ts'

// What a bank tells, whichever message and version it tells it in (ISO 20022, camt.053 and camt.054).

export type BankFile = {
  readonly kind: 'camt.053' | 'camt.054'
  /** Two digits: 02 to 08. */
  readonly version: string
  readonly messageId: string
  readonly statements: readonly Statement[]
}

/** One account over some time: a statement (camt.053), or a notice of some entries (camt.054). */
export type Statement = {
  readonly id: string
  readonly account: BankAccount
  readonly currency: Currency
  /** Booked, at its beginning and end; null in a notice. */
  readonly opening: Balance | null
  readonly closing: Balance | null
  readonly entries: readonly Entry[]
}

/** By its IBAN, or where the bank gives none by the bank's own number for it. */
export type BankAccount = { readonly iban: string | null; readonly other: string | null }

/** Minor units, below zero where the account is overdrawn. The day is the bank's, `2026-11-24`. */
export type Balance = { readonly amount: bigint; readonly date: string }

/** Money into the account or out of it. */
export type Direction = 'in' | 'out'

/** One line of the statement. Amounts in minor units, never negative. */
export type Entry = {
  readonly reference: string | null
  /** The bank's own name for it, where it gives one. */
  readonly servicerReference: string | null
  readonly amount: bigint
  readonly direction: Direction
  /** Whether it takes back an earlier one; the direction is what it does now. */
  readonly reversal: boolean
  /** Only what is booked counts: PDNG is to come, INFO only told. */
  readonly status: string
  readonly bookingDate: string | null
  readonly valueDate: string | null
  readonly information: string | null
  /** What the bank repeats of an order that it booked in one: message ids, and ids of payment information. */
  readonly orders: readonly string[]
  readonly transactions: readonly Transaction[]
}

/** One payment of an entry: most entries have one, a batch has many. */
export type Transaction = {
  /** Null where the bank does not say how the entry divides. */
  readonly amount: bigint | null
  readonly direction: Direction
  readonly endToEndId: string | null
  readonly instructionId: string | null
  readonly transactionId: string | null
  readonly mandateId: string | null
  readonly servicerReference: string | null
  /** As of the entry. */
  readonly orders: readonly string[]
  /** Why it came back, where it is the return of an earlier payment. */
  readonly returnReason: string | null
  readonly counterparty: { readonly name: string | null; readonly account: string | null }
  readonly remittance: { readonly unstructured: readonly string[]; readonly structured: readonly string[] }
}
