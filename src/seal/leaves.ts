import { toWireTime } from '../database/connection.ts'
import type { AccountId, PaymentId, PostingId, ScheduleId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'

// How rows become the texts that are sealed (docs/proofs.md, byte by byte). Never change what is here: old blocks would
// not be found right any more. Something new is a new format, beside the old one.

/** With the texts of users as hashes, so that they can be erased (texts.ts). 1, as they are, was before the first release. */
export const FORMAT = 2

/** Instead of columns that hold a user's texts: their hashes in hexadecimal, null where there is no text. */
export type Hashes = Readonly<Record<string, string | null>>

/**
 * A row with each column as PostgreSQL writes it, in UTC, by place or by name: an object of as many names as a payment
 * has columns takes V8 4 KB. A column that the schema does not have is not there.
 */
export type Row = readonly (string | null)[]
export type NamedRow = Readonly<Record<string, string | null | undefined>>

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

/** A payment names each account several times, and nearly every one an account of the house. */
const account = remembering((id) => encodeId('acc', id as AccountId))
const payment = (id: string) => encodeId('pay', id as PaymentId)
const schedule = (id: string) => encodeId('sch', id as ScheduleId)

type Written = (text: string) => string

const REMEMBERED = 8

/** The same, but does not make again what it made of the last few: to look them up in a map would cost V8 as much. */
function remembering(write: Written): Written {
  const texts: string[] = []
  const made: string[] = []
  let next = 0
  return (text) => {
    const before = made[texts.indexOf(text)]
    if (before !== undefined) return before
    const written = write(text)
    texts[next] = text
    made[next] = written
    next = (next + 1) % REMEMBERED
    return written
  }
}

/** Columns that are written as they go out over the API. */
const AS_GIVEN_OUT: Readonly<Record<string, Written>> = {
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

/** A column of a leaf: where it stands in the rows that were read, and how it is written if not as PostgreSQL does. */
type Column = {
  readonly name: string
  readonly place: number
  readonly hashed: string
  readonly written: Written | undefined
}

function columns(
  names: readonly string[],
  places: readonly string[],
  written: Readonly<Record<string, Written>>,
): readonly Column[] {
  return names.map((name) => ({
    name,
    place: places.indexOf(name),
    hashed: `${name}_hash`,
    written: written[name],
  }))
}

const PAYMENT = { ...AS_GIVEN_OUT, id: payment }
const POSTING = { ...AS_GIVEN_OUT, id: (id: string) => encodeId('pst', id as PostingId) }
const AUDIT = columns(SEALED_OF_AUDIT, SEALED_OF_AUDIT, AS_GIVEN_OUT)

/** As of nearly all payments, which have no text. */
export const NO_HASHES: Hashes = {}

/** Writes payments that were read with these columns, and their postings with those. */
export function leavesOfPayments(ofPayments: readonly string[], ofPostings: readonly string[]) {
  const payment = columns(SEALED_OF_PAYMENT, ofPayments, PAYMENT)
  const posting = columns(SEALED_OF_POSTING, ofPostings, POSTING)
  const withheldOfPayment = WITHHELD_OF_PAYMENT.map((name) => ofPayments.indexOf(name))
  const withheldOfPosting = WITHHELD_OF_POSTING.map((name) => ofPostings.indexOf(name))

  /** A payment in its final state with all of its postings: what a proof shows to both sides. */
  function paymentLeaf(row: Row, postings: readonly Row[], hashes: Hashes): string {
    return JSON.stringify({
      payment: pick(row, payment, hashes),
      postings: postings.map((row) => pick(row, posting, NO_HASHES)),
    })
  }

  /** What neither side may learn of the other: one line of the leaf that closes a block. */
  function withheldLine(row: Row, postings: readonly Row[]): string {
    const values = withheldOfPayment.map((place) => row[place] ?? null)
    for (const posting of postings) for (const place of withheldOfPosting) values.push(posting[place] ?? null)
    return JSON.stringify(values)
  }

  return { paymentLeaf, withheldLine }
}

export function auditLeaf(row: NamedRow, hashes: Hashes): string {
  const cells = SEALED_OF_AUDIT.map((name) => row[name] ?? null)
  return JSON.stringify({ audit: pick(cells, AUDIT, hashes) })
}

function pick(row: Row, from: readonly Column[], hashes: Hashes) {
  const picked: Record<string, string> = {}
  for (const { name, place, hashed, written } of from) {
    const hash = hashes === NO_HASHES ? undefined : hashes[name]
    if (hash) picked[hashed] = hash
    const text = row[place]
    if (hash !== undefined || text === null || text === undefined) continue
    picked[name] = written ? written(text) : text
  }
  return picked
}
