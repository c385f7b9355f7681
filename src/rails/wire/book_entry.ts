import type { Actor } from '../../audit/audit.ts'
import type { Client } from '../../database/connection.ts'
import type { BankEntryId, BookId, PaymentId, SuspenseId } from '../../ledger/id.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { lockInstruction } from '../../payments/instructions.ts'
import { lockAccounts } from '../../payments/movements.ts'
import { endPending } from '../../payments/pending.ts'
import { readPayment, type StoredPayment } from '../../payments/read.ts'
import { type BookingOptions, confirm, OF_BANK, putDifferenceInSuspense, putInSuspense } from '../settlement.ts'
import { resolveStray, type SuspenseReason } from '../suspense.ts'
import { type Decision, decide, type Named, type OnPayment } from './decide.ts'
import type { DueEntry } from './due_entry.ts'
import { paymentsNamed } from './matching.ts'

/** Books a movement as far as that is certain, in the caller's transaction. Returns the payments that changed. */
export async function bookEntry(
  client: Client,
  options: BookingOptions,
  book: BookId,
  entry: DueEntry,
  actor: Actor,
): Promise<PaymentId[]> {
  if (entry.amount === 0n) {
    await closeEntry(client, book, entry.id, { status: 'ignored' })
    return []
  }
  const named = await readNamed(client, book, entry)
  const returned = entry.reversal || entry.return_reason !== null
  return carryOut(client, options, book, entry, decide({ ...entry, returned }, named), named?.payment, {
    ...{ matchedBy: 'reference', actor },
  })
}

/** Where a movement names exactly one payment by wire of its currency, that payment, with its instruction locked. */
async function readNamed(client: Client, book: BookId, entry: DueEntry): Promise<Named | undefined> {
  const [only, ...others] = paymentsNamed([entry.end_to_end_id ?? '', entry.remittance ?? ''])
  return only && others.length === 0 ? lockNamed(client, book, entry.currency, only) : undefined
}

/** A payment by wire in that currency, with its instruction locked and what movements did to it; undefined for any other. */
export async function lockNamed(
  client: Client,
  book: BookId,
  currency: string,
  id: PaymentId,
): Promise<Named | undefined> {
  const instruction = await lockInstruction(client, book, id)
  const payment = await readPayment(client, book, id)
  if (instruction?.rail !== 'wire' || payment?.currency.code !== currency) return undefined
  const { rows } = await client.query<{ confirmed: boolean; came_back: boolean }>(
    `select exists (select from bank_entries e where e.book = $1 and e.payment_id = $2 and e.status = 'matched') as confirmed,
            exists (select from suspense_items s
                     where s.book = $1 and s.related_id = $2 and s.reason = 'returned') as came_back`,
    [book, id],
  )
  return { payment, confirmed: rows[0]?.confirmed ?? false, cameBack: rows[0]?.came_back ?? false }
}

type Cause = { readonly matchedBy: 'reference' | 'operator'; readonly actor: Actor }

/** Does what was decided, and notes it on the movement. Returns the payments that changed. */
export async function carryOut(
  client: Client,
  options: BookingOptions,
  book: BookId,
  entry: DueEntry,
  decision: Decision,
  payment: StoredPayment | undefined,
  cause: Cause,
): Promise<PaymentId[]> {
  if (decision.do === 'list') {
    await closeEntry(client, book, entry.id, { status: 'unmatched' })
    return []
  }
  if (decision.do === 'suspense') {
    const told = payment && (await itemOfRail(client, book, entry, decision.reason, payment))
    if (told) await closeEntry(client, book, entry.id, { status: 'suspense', suspense: told })
    else await suspend(client, options, book, entry, decision.reason, payment?.id ?? null)
    return []
  }
  if (!payment) throw new Error('what is decided of a payment needs one')
  await carryOutOf(client, options, book, entry, decision, payment, cause)
  return [payment.id]
}

/**
 * The item that a rail put into suspense of the payment when it told of this movement: of the same amount, and no other
 * movement's. Indexes: suspense_items_by_payment, bank_entries_by_status.
 */
async function itemOfRail(
  client: Client,
  book: BookId,
  { direction, amount }: DueEntry,
  reason: SuspenseReason,
  payment: StoredPayment,
): Promise<SuspenseId | undefined> {
  // Of one that is completed wrong amounts are differences, and no movements.
  const reasons = payment.status === 'completed' ? [reason] : [reason, 'wrong_amount']
  const { rows } = await client.query<{ id: SuspenseId }>(
    `select s.id
       from suspense_items s
      where s.book = $1 and s.related_id = $2 and s.direction = $3 and s.amount = $4 and s.reason = any($5)
        and not (${OF_BANK})
        and not exists (select from bank_entries e
                         where e.book = s.book and e.status = 'suspense' and e.suspense_id = s.id)
      order by s.id
      limit 1`,
    [book, payment.id, direction, amount, reasons],
  )
  return rows[0]?.id
}

async function carryOutOf(
  client: Client,
  options: BookingOptions,
  book: BookId,
  entry: DueEntry,
  decision: OnPayment,
  payment: StoredPayment,
  { matchedBy, actor }: Cause,
): Promise<void> {
  switch (decision.do) {
    case 'note':
      return note(client, options, book, entry, payment, matchedBy)
    case 'confirm':
      return confirmByBank(client, options, book, entry, payment, matchedBy)
    case 'fail': {
      const reason = entry.return_reason ?? 'returned'
      await endPending(client, options.directory, book, payment.id, { event: 'fail', reason })
      await suspend(client, options, book, entry, 'returned', payment.id)
      return
    }
    case 'give_back':
      return giveBack(client, options, book, entry, payment, actor)
  }
}

/** The movement is what settled the payment before; only what it differs goes to suspense. */
async function note(
  client: Client,
  options: BookingOptions,
  book: BookId,
  entry: DueEntry,
  payment: StoredPayment,
  matchedBy: Cause['matchedBy'],
): Promise<void> {
  const moved = { rail: 'wire', railReference: encodeId('bke', entry.id), moved: entry.amount } as const
  const suspense = (await putDifferenceInSuspense(client, options, book, payment, moved)) ?? null
  await closeEntry(client, book, entry.id, { status: 'matched', payment: payment.id, matchedBy, suspense })
}

/** The movement is the payment, and settles it; where it does not fit, its money or a part of it goes to suspense. */
async function confirmByBank(
  client: Client,
  options: BookingOptions,
  book: BookId,
  entry: DueEntry,
  payment: StoredPayment,
  matchedBy: Cause['matchedBy'],
): Promise<void> {
  const railReference = encodeId('bke', entry.id)
  const report = { reference: railReference, state: 'confirmed', railReference, reason: null } as const
  const pending = { rail: 'wire', confirmedAs: null } as const
  await confirm(client, options, book, payment, pending, { ...report, amount: decimal(entry) })
  const now = await readPayment(client, book, payment.id)
  const settled = now?.status === 'completed' && now.railReference === railReference
  const { rows } = await client.query<{ id: SuspenseId }>(
    `select id from suspense_items where book = $1 and rail = 'wire' and rail_reference = $2`,
    [book, railReference],
  )
  const suspense = rows[0]?.id ?? null
  await closeEntry(
    client,
    book,
    entry.id,
    settled ? { status: 'matched', payment: payment.id, matchedBy, suspense } : { status: 'suspense', suspense },
  )
}

/** The amount as rails write it. */
function decimal({ amount, digits }: DueEntry): string {
  const text = String(amount).padStart(digits + 1, '0')
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** Books a movement between `wire` and `suspense`. */
export async function suspend(
  client: Client,
  options: BookingOptions,
  book: BookId,
  entry: DueEntry,
  reason: SuspenseReason,
  related: PaymentId | null,
): Promise<SuspenseId> {
  const { id, direction, amount, currency: code, digits } = entry
  const suspense = await putInSuspense(client, options, book, {
    ...{
      rail: 'wire',
      railReference: encodeId('bke', id),
      direction,
      currency: { code, digits },
      amount,
      reason,
      related,
    },
  })
  if (!suspense) throw new Error('a movement that was due is in suspense already')
  await closeEntry(client, book, id, { status: 'suspense', suspense })
  return suspense
}

/** What came back whole goes to who had sent it; where it cannot, it stays in suspense. */
async function giveBack(
  client: Client,
  options: BookingOptions,
  book: BookId,
  entry: DueEntry,
  payment: StoredPayment,
  actor: Actor,
): Promise<void> {
  const { intake, directory } = options
  const account = await directory.find(book, payment.from, client)
  if (!account) throw new Error('the account of a withdrawal is there')
  // Before `wire`, as by whoever settles a payment: what waits for one account must not hold up the wire of all.
  await lockAccounts(client, book, new Map([[account.id, account]]))
  const suspense = await suspend(client, options, book, entry, 'returned', payment.id)
  const reason = `Returned by the bank${entry.return_reason === null ? '' : `: ${entry.return_reason}`}`
  const detail = { suspense: encodeId('sus', suspense), payment: encodeId('pay', payment.id), reason }
  const audit = { actor, action: 'suspense.resolve', objectId: null, detail }
  await resolveStray(client, intake, book, suspense, { account, reason, audit })
}

type Closing = {
  readonly status: 'unmatched' | 'matched' | 'suspense' | 'ignored'
  readonly payment?: PaymentId
  readonly matchedBy?: Cause['matchedBy']
  readonly suspense?: SuspenseId | null
}

/** Notes what became of a movement. */
export async function closeEntry(client: Client, book: BookId, id: BankEntryId, closing: Closing): Promise<void> {
  const { status, payment = null, matchedBy = null, suspense = null } = closing
  await client.query(
    `update bank_entries set status = $3, payment_id = $4, matched_by = $5, suspense_id = $6
      where book = $1 and id = $2`,
    [book, id, status, payment, matchedBy, suspense],
  )
}
