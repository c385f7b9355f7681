import { type Actor, writeAudit } from '../../audit/audit.ts'
import { idsAt, readClock } from '../../database/clock.ts'
import type { Client } from '../../database/connection.ts'
import type { BankEntryId, BookId, PaymentId } from '../../ledger/id.ts'
import type { PaymentStatus } from '../../ledger/payment.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { type BookingOptions, directionOutside } from '../settlement.ts'
import { carryOut, closeEntry, lockNamed, suspend } from './book_entry.ts'
import { type DueEntry, lockEntry } from './due_entry.ts'

// What operators do with movements that are not booked by themselves.

export type Reconciled =
  | { readonly ok: true; readonly touched: readonly PaymentId[] }
  | { readonly ok: false; readonly refusal: 'not_found' | 'already_resolved' | 'other_payment' }
  /** The payment is over, or another movement is it. */
  | { readonly ok: false; readonly refusal: 'not_pending'; readonly status: PaymentStatus }

/**
 * Says that a movement is that deposit or withdrawal, in the caller's transaction: one that is pending is settled with it,
 * one that was settled already by hand or by its rail is noted; what the amounts differ goes to suspense.
 */
export async function acceptEntry(
  client: Client,
  options: BookingOptions,
  book: BookId,
  id: BankEntryId,
  payment: PaymentId,
  actor: Actor,
): Promise<Reconciled> {
  const entry = await lockMoved(client, book, id)
  if ('refusal' in entry) return entry
  const named = await lockNamed(client, book, entry.currency, payment)
  const fits = named && directionOutside(named.payment) === entry.direction && !entry.reversal
  if (!fits) return { ok: false, refusal: 'other_payment' }
  const { status } = named.payment
  const noted = status === 'completed' && !named.confirmed
  if (status !== 'pending' && !noted) return { ok: false, refusal: 'not_pending', status }
  const decision = { do: noted ? 'note' : 'confirm' } as const
  const touched = await carryOut(client, options, book, entry, decision, named.payment, {
    matchedBy: 'operator',
    actor,
  })
  const detail = { entry: encodeId('bke', id), payment: encodeId('pay', payment) }
  await audited(client, book, id, actor, 'bank_entry.accept', detail)
  return { ok: true, touched }
}

/** Books a movement that is no payment between `wire` and `suspense`, in the caller's transaction. */
export async function suspendEntry(
  client: Client,
  options: BookingOptions,
  book: BookId,
  id: BankEntryId,
  reason: string,
  actor: Actor,
): Promise<Reconciled> {
  const entry = await lockMoved(client, book, id)
  if ('refusal' in entry) return entry
  await suspend(client, options, book, entry, 'unexpected', null)
  await audited(client, book, id, actor, 'bank_entry.suspend', { entry: encodeId('bke', id), reason })
  return { ok: true, touched: [] }
}

/**
 * Says that a movement is none that the books will ever have, in the caller's transaction: one that they have already, or
 * from before they began. Nothing is booked.
 */
export async function ignoreEntry(
  client: Client,
  book: BookId,
  id: BankEntryId,
  reason: string,
  actor: Actor,
): Promise<Reconciled> {
  const entry = await lockOpen(client, book, id)
  if ('refusal' in entry) return entry
  if (entry.status === 'ignored') return { ok: false, refusal: 'already_resolved' }
  await closeEntry(client, book, id, { status: 'ignored' })
  await audited(client, book, id, actor, 'bank_entry.ignore', { entry: encodeId('bke', id), reason })
  return { ok: true, touched: [] }
}

type Closed = Extract<Reconciled, { refusal: 'not_found' | 'already_resolved' | 'other_payment' }>

/** The same where there is something to book: of nothing it is said already what it is. */
async function lockMoved(client: Client, book: BookId, id: BankEntryId): Promise<DueEntry | Closed> {
  const entry = await lockOpen(client, book, id)
  return 'refusal' in entry || entry.amount > 0n ? entry : { ok: false, refusal: 'already_resolved' }
}

/** A movement that waits for an operator, or that one ignored, which was a mistake if it is booked all the same. */
async function lockOpen(client: Client, book: BookId, id: BankEntryId): Promise<DueEntry | Closed> {
  const entry = await lockEntry(client, book, id)
  if (!entry) return { ok: false, refusal: 'not_found' }
  const isOpen = entry.status === 'unmatched' || entry.status === 'ignored'
  return isOpen ? entry : { ok: false, refusal: 'already_resolved' }
}

async function audited(
  client: Client,
  book: BookId,
  id: BankEntryId,
  actor: Actor,
  action: string,
  detail: Readonly<Record<string, string>>,
): Promise<void> {
  const at = await readClock(client)
  await writeAudit(client, book, at, idsAt(at), [{ actor, action, objectId: id, detail }])
}
