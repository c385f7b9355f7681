import type { AccountFacts } from '../accounts/directory.ts'
import type { AuditEntry } from '../audit/audit.ts'
import type { NewId } from '../database/clock.ts'
import type { Client } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { takeTurn } from '../database/turn.ts'
import type { RailCode } from '../ledger/account.ts'
import type { BookId, Instant, PaymentId, SuspenseId } from '../ledger/id.ts'
import type { Currency } from '../money/currency.ts'
import { postRequest } from '../payments/batch.ts'
import type { Direction } from '../payments/instructions.ts'
import type { Intake } from '../payments/intake.ts'
import type { Payment } from '../payments/payment.ts'

/** Why money is in suspense. */
export const SUSPENSE_REASONS = ['unexpected', 'wrong_amount', 'late', 'twice', 'returned'] as const
export type SuspenseReason = (typeof SUSPENSE_REASONS)[number]

/** Money that really moved and has no payment it belongs to. The amount in minor units, positive. */
export type Stray = {
  readonly rail: RailCode
  /** The rail's own name for the movement: the same one is booked once. */
  readonly railReference: string
  readonly direction: Direction
  readonly currency: Currency
  readonly amount: bigint
  readonly reason: SuspenseReason
  /** The payment that it may belong to. */
  readonly related: PaymentId | null
}

/**
 * Books stray money between its rail and `suspense`, and lists it for an operator, in the caller's transaction.
 * Undefined where it is booked already.
 */
export async function bookStray(
  client: Client,
  intake: Intake,
  book: BookId,
  at: Instant,
  newId: NewId,
  stray: Stray,
): Promise<SuspenseId | undefined> {
  const { rail, railReference, direction, currency, amount, reason, related } = stray
  // Whoever else books the same waits here, and then finds it.
  await takeTurn(client, `stray ${book}/${rail}/${railReference}`)
  const { rows } = await client.query(
    'select from suspense_items where book = $1 and rail = $2 and rail_reference = $3',
    [book, rail, railReference],
  )
  if (rows.length > 0) return undefined
  const outside = await intake.technicalAccount(book, rail, currency.code, client)
  const suspense = await intake.technicalAccount(book, 'suspense', currency.code, client)
  const [from, to] = direction === 'in' ? [outside, suspense] : [suspense, outside]
  const kind = direction === 'in' ? 'deposit' : 'withdrawal'
  const terms = { fee: 0n, feePayer: 'receiver', description: `In suspense: ${reason}`, metadata: {} } as const
  const request = await intake.complete({ kind, from, to, amount, ...terms }, client)
  const payment = await postRequest(client, request)
  if (payment.status !== 'completed') throw new Error('money cannot be put into suspense')
  const id = newId<'suspense'>()
  await client.query(
    `insert into suspense_items (book, id, rail, rail_reference, direction, currency, amount, reason, payment_id,
                                 related_id, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      ...[book, id, rail, railReference, direction, currency.code, amount, reason],
      ...[payment.id, related, formatInstant(at)],
    ],
  )
  return id
}

/** What an operator makes of stray money: it is a user's, or (null) the house keeps or bears it. */
export type Resolution = { readonly account: AccountFacts | null; readonly reason: string; readonly audit: AuditEntry }

export type Resolved =
  | { readonly ok: true; readonly payment: Payment }
  | { readonly ok: false; readonly refusal: 'not_found' | 'already_resolved' | 'currency_mismatch' }

type ItemRow = { direction: Direction; currency: string; amount: bigint; resolved_by: PaymentId | null }

/**
 * Takes an item out of suspense, into an account or `internal`, in the caller's transaction. The payment may be
 * declined, and then the item stays.
 */
export async function resolveStray(
  client: Client,
  intake: Intake,
  book: BookId,
  id: SuspenseId,
  { account, reason, audit }: Resolution,
): Promise<Resolved> {
  const { rows } = await client.query<ItemRow>(
    'select direction, currency, amount, resolved_by from suspense_items where book = $1 and id = $2 for update',
    [book, id],
  )
  const item = rows[0]
  if (!item) return { ok: false, refusal: 'not_found' }
  if (item.resolved_by !== null) return { ok: false, refusal: 'already_resolved' }
  if (account && account.currency.code !== item.currency) return { ok: false, refusal: 'currency_mismatch' }
  const suspense = await intake.technicalAccount(book, 'suspense', item.currency, client)
  const whose = account ?? (await intake.technicalAccount(book, 'internal', item.currency, client))
  const [from, to] = item.direction === 'in' ? [suspense, whose] : [whose, suspense]
  const terms = { fee: 0n, feePayer: 'receiver', description: reason, metadata: {} } as const
  const request = await intake.complete({ kind: 'adjustment', from, to, amount: item.amount, ...terms }, client)
  const payment = await postRequest(client, { ...request, madeBy: audit.actor.userId, audit })
  if (payment.status === 'completed') {
    await client.query('update suspense_items set resolved_by = $3, resolved_at = $4 where book = $1 and id = $2', [
      book,
      id,
      payment.id,
      payment.completedAt,
    ])
  }
  return { ok: true, payment }
}
