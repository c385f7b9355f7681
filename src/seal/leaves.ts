import { toWireTime } from '../database/connection.ts'
import type { AccountId, PaymentId, PostingId, ScheduleId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'

// How rows become the texts that are sealed (docs/proofs.md, byte by byte). Never change what is here: old blocks would
// not be found right any more. Something new is a new format, beside the old one.

/** With the texts of users as hashes, so that they can be erased (texts.ts). 1, as they are, was before the first release. */
export const FORMAT = 2

/** Instead of columns that hold a user's texts: their hashes in hexadecimal, null where there is no text. */
export type Hashes = Readonly<Record<string, string | null>>

/** A row with each column as PostgreSQL writes it, in UTC. A column that the schema does not have is not there. */
export type RawRow = Readonly<Record<string, string | null | undefined>>

/**
 * The columns of `payments`, in the order in which they stand in a leaf: empty ones are left out, so that a column which
 * is added later leaves older payments as they are.
 */
export const SEALED_OF_PAYMENT = [
  ...['id', 'kind', 'status', 'decline_reason', 'failure_reason', 'from_account', 'to_account', 'currency', 'amount'],
  ...['fee', 'fee_payer', 'authorized_amount', 'authorized_fee', 'exchange_currency', 'exchange_amount'],
  ...['exchange_rate', 'quote_id', 'refund_of', 'capture', 'expires_at', 'rail', 'rail_reference', 'description'],
  ...['metadata', 'created_at', 'completed_at', 'schedule_id', 'scheduled_for'],
] as const

/** Sealed as well, and shown to neither side. */
export const WITHHELD_OF_PAYMENT = ['made_by', 'asynchronous', 'idempotency_key', 'request_hash'] as const

/** What changes after a payment is final; refunds are payments of their own. */
export const CHANGES_OF_PAYMENT = ['refunded_amount', 'updated_at'] as const

export const SEALED_OF_POSTING = [
  ...['id', 'kind', 'currency', 'amount', 'debit_account', 'credit_account', 'created_at'],
] as const
export const WITHHELD_OF_POSTING = ['debit_balance', 'credit_balance'] as const

export const SEALED_OF_AUDIT = [
  ...['id', 'actor_id', 'token_id', 'action', 'object_id', 'detail', 'address', 'request_id', 'created_at'],
] as const

const account = (id: string) => encodeId('acc', id as AccountId)
const payment = (id: string) => encodeId('pay', id as PaymentId)
const schedule = (id: string) => encodeId('sch', id as ScheduleId)

/** Columns that are written as they go out over the API. */
const AS_GIVEN_OUT: Readonly<Record<string, (text: string) => string>> = {
  from_account: account,
  to_account: account,
  debit_account: account,
  credit_account: account,
  refund_of: payment,
  schedule_id: schedule,
  scheduled_for: toWireTime,
  created_at: toWireTime,
  completed_at: toWireTime,
  expires_at: toWireTime,
}
const PAYMENT = { ...AS_GIVEN_OUT, id: payment }
const POSTING = { ...AS_GIVEN_OUT, id: (id: string) => encodeId('pst', id as PostingId) }

/** A payment in its final state with all of its postings: what a proof shows to both sides. */
export function paymentLeaf(row: RawRow, postings: readonly RawRow[], hashes: Hashes = {}): string {
  return JSON.stringify({
    payment: pick(row, SEALED_OF_PAYMENT, PAYMENT, hashes),
    postings: postings.map((posting) => pick(posting, SEALED_OF_POSTING, POSTING)),
  })
}

/** What neither side may learn of the other: one line of the leaf that closes a block. */
export function withheldLine(row: RawRow, postings: readonly RawRow[]): string {
  return JSON.stringify([
    ...WITHHELD_OF_PAYMENT.map((name) => row[name] ?? null),
    ...postings.flatMap((posting) => WITHHELD_OF_POSTING.map((name) => posting[name] ?? null)),
  ])
}

export function auditLeaf(row: RawRow, hashes: Hashes = {}): string {
  return JSON.stringify({ audit: pick(row, SEALED_OF_AUDIT, AS_GIVEN_OUT, hashes) })
}

function pick(
  row: RawRow,
  names: readonly string[],
  written: Readonly<Record<string, (text: string) => string>>,
  hashes: Hashes = {},
) {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const hash = hashes[name]
    if (hash) picked[`${name}_hash`] = hash
    const text = row[name]
    if (hash !== undefined || text === null || text === undefined) continue
    picked[name] = written[name]?.(text) ?? text
  }
  return picked
}
