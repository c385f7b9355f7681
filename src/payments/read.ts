import { uuids } from '../database/binary_arrays.ts'
import type { Queryable } from '../database/connection.ts'
import { shownName } from '../database/personal_fields.ts'
import type { AccountId, BookId, PaymentId, ScheduleId, UserId } from '../ledger/id.ts'
import type { Capture, DeclineReason, FeePayer, PaymentKind, PaymentStatus } from '../ledger/payment.ts'
import type { Payment, PaymentExchange } from './payment.ts'

/** A payment with what decides who may see it and how a repeat of its request is answered. */
export type StoredPayment = Payment & {
  readonly senderUser: UserId | null
  readonly receiverUser: UserId | null
  readonly asynchronous: boolean
  readonly idempotencyKey: string | null
  readonly requestHash: string | null
}

export type PaymentRow = {
  id: PaymentId
  kind: PaymentKind
  status: PaymentStatus
  decline_reason: DeclineReason | null
  failure_reason: string | null
  from_account: AccountId
  to_account: AccountId
  currency: string
  digits: number
  amount: bigint
  fee: bigint
  fee_payer: FeePayer
  authorized_amount: bigint | null
  authorized_fee: bigint | null
  exchange_currency: string | null
  exchange_digits: number | null
  exchange_amount: bigint | null
  exchange_rate: string | null
  refunded_amount: bigint
  refund_of: PaymentId | null
  capture: Capture
  expires_at: string | null
  rail: string | null
  rail_reference: string | null
  description: string | null
  metadata: Record<string, string>
  schedule_id: ScheduleId | null
  scheduled_for: string | null
  sender: string
  receiver: string
  sender_user: UserId | null
  receiver_user: UserId | null
  asynchronous: boolean
  idempotency_key: string | null
  request_hash: string | null
  created_at: string
  completed_at: string | null
  updated_at: string
}

/** What the other side may know of who pays and who is paid, over PAYMENT_JOINS. */
export const SENDER = `coalesce(${shownName('su')}, s.code)`
export const RECEIVER = `coalesce(${shownName('ru')}, r.code)`

/** Texts of a payment over PAYMENT_JOINS: of whoever's they are (migration 0094_texts_of_users.sql). */
const OWNER = 'text_owner(p.kind, s.user_id, r.user_id)'
export const DESCRIPTION = `shown_text(p.book, ${OWNER}, p.description)`
export const METADATA = `coalesce(shown_text(p.book, ${OWNER}, p.metadata), '{}')::jsonb`

/** The columns of a PaymentRow over PAYMENT_JOINS. */
export const PAYMENT_COLUMNS = `
  p.id, p.kind, p.status, p.decline_reason, p.from_account, p.to_account, p.currency, c.digits, p.amount, p.fee,
  p.fee_payer, p.authorized_amount, p.authorized_fee, p.exchange_currency, xc.digits as exchange_digits,
  p.exchange_amount, p.exchange_rate, p.failure_reason, p.refunded_amount, p.refund_of, p.capture, p.expires_at, p.rail, p.rail_reference,
  ${DESCRIPTION} as description, ${METADATA} as metadata, p.schedule_id, p.scheduled_for, p.asynchronous,
  p.idempotency_key, p.request_hash, p.created_at, p.completed_at, p.updated_at,
  ${SENDER} as sender, s.user_id as sender_user,
  ${RECEIVER} as receiver, r.user_id as receiver_user`

/** What a payment `p` is shown with: both accounts, their owners, its currencies. Every key is whole, so one row stays one. */
export const PAYMENT_JOINS = `
  left join accounts s   on s.book = p.book  and s.id = p.from_account
  left join users su     on su.book = s.book and su.id = s.user_id
  left join accounts r   on r.book = p.book  and r.id = p.to_account
  left join users ru     on ru.book = r.book and ru.id = r.user_id
  left join currencies c on c.book = p.book  and c.code = p.currency
  left join currencies xc on xc.book = p.book and xc.code = p.exchange_currency`

/** The payment of the book that has this id. By itself, so that PostgreSQL keeps the plan, which takes longer than the rest. */
export async function readPayment(client: Queryable, book: BookId, id: PaymentId): Promise<StoredPayment | undefined> {
  const { rows } = await client.query<PaymentRow>({
    name: 'read-payment',
    text: `select ${PAYMENT_COLUMNS} from payments p ${PAYMENT_JOINS} where p.book = $1 and p.id = $2`,
    values: [book, id],
  })
  return rows[0] && toPayment(rows[0])
}

/**
 * A payment that was just posted, in its transaction, with its sides as they are called behind the locks of its accounts:
 * since they were looked up one may have been erased, and an answer that is kept would go on naming them.
 */
export async function readPosted(client: Queryable, book: BookId, { id }: Payment): Promise<StoredPayment> {
  const posted = await readPayment(client, book, id)
  if (!posted) throw new Error('a payment that was posted is there')
  return posted
}

/** Those of the ids that are payments of the book, by id. */
export async function readPayments(
  client: Queryable,
  book: BookId,
  ids: readonly PaymentId[],
): Promise<Map<PaymentId, StoredPayment>> {
  const { rows } = await client.query<PaymentRow>({
    name: 'read-payments',
    text: `
      select ${PAYMENT_COLUMNS}
        from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
        join payments p on p.book = wanted.book and p.id = wanted.id ${PAYMENT_JOINS}`,
    values: [book, uuids(ids)],
  })
  return new Map(rows.map((row) => [row.id, toPayment(row)]))
}

/**
 * The payments of the book that were made with one of these idempotency keys, by key. Most keys are new, and of them no
 * more is asked than that: what a payment is shown with takes longer to plan than a batch to write.
 */
export async function readPaymentsByKey(
  client: Queryable,
  book: BookId,
  keys: readonly string[],
): Promise<Map<string, StoredPayment>> {
  const { rows } = await client.query<{ id: PaymentId; key: string }>({
    name: 'find-payments-by-key',
    text: `
      select p.id, wanted.key
        from (select $1::int as book, unnest($2::uuid[]) as key) as wanted
        join payments p on p.book = wanted.book and p.idempotency_key = wanted.key`,
    values: [book, uuids(keys)],
  })
  if (rows.length === 0) return new Map()
  const found = await readPayments(
    client,
    book,
    rows.map(({ id }) => id),
  )
  return new Map(
    rows.map(({ id, key }) => {
      const payment = found.get(id)
      if (!payment) throw new Error(`payment ${id} has gone`)
      return [key, payment]
    }),
  )
}

export function toPayment(row: PaymentRow): StoredPayment {
  return {
    id: row.id,
    kind: row.kind,
    status: row.status,
    declineReason: row.decline_reason,
    failureReason: row.failure_reason,
    from: row.from_account,
    to: row.to_account,
    currency: { code: row.currency, digits: row.digits },
    amount: row.amount,
    fee: row.fee,
    feePayer: row.fee_payer,
    authorizedAmount: row.authorized_amount,
    authorizedFee: row.authorized_fee,
    exchange: toExchange(row),
    refundedAmount: row.refunded_amount,
    refundOf: row.refund_of,
    capture: row.capture,
    expiresAt: row.expires_at,
    rail: row.rail,
    railReference: row.rail_reference,
    description: row.description,
    metadata: row.metadata,
    scheduleId: row.schedule_id,
    scheduledFor: row.scheduled_for,
    sender: row.sender,
    receiver: row.receiver,
    createdAt: row.created_at,
    completedAt: row.completed_at,
    updatedAt: row.updated_at,
    senderUser: row.sender_user,
    receiverUser: row.receiver_user,
    asynchronous: row.asynchronous,
    idempotencyKey: row.idempotency_key,
    requestHash: row.request_hash,
  }
}

function toExchange({ exchange_currency: code, exchange_digits: digits, ...row }: PaymentRow): PaymentExchange | null {
  if (code === null || digits === null || row.exchange_amount === null || row.exchange_rate === null) return null
  return { rate: row.exchange_rate, toCurrency: { code, digits }, toAmount: row.exchange_amount }
}

/** The payment as it was when it was no longer `initiated`: what whoever waits for that gets, then and as a repeat. */
export function asPosted(stored: StoredPayment): Payment {
  return stored.status === 'initiated' ? stored : asFirstAnswered({ ...stored, asynchronous: false })
}

/**
 * The payment as its request was first answered: what a repeat with the same key gets (api.md, Everywhere). An
 * asynchronous one was answered as `initiated`, one that was held as `pending` with what was asked for, any other with
 * its outcome; a later capture or refund shows in none.
 */
export function asFirstAnswered(stored: StoredPayment): Payment {
  const { asynchronous, authorizedAmount, authorizedFee, status, createdAt } = stored
  const isHeld = authorizedAmount !== null && status !== 'declined'
  if (!asynchronous && !isHeld) {
    return { ...stored, refundedAmount: 0n, updatedAt: stored.completedAt ?? stored.updatedAt }
  }
  return {
    ...stored,
    status: asynchronous ? 'initiated' : 'pending',
    declineReason: null,
    failureReason: null,
    amount: authorizedAmount ?? stored.amount,
    fee: authorizedFee ?? stored.fee,
    refundedAmount: 0n,
    railReference: null,
    completedAt: null,
    updatedAt: createdAt,
  }
}
