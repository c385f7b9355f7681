import type { ListSpec, Scope } from '../../database/list.ts'
import * as fields from '../../database/list_fields.ts'
import type { BookId, PaymentId, UserId, WireBatchId } from '../../ledger/id.ts'
import { PAYMENT_STATUSES, type PaymentStatus } from '../../ledger/payment.ts'
import { decodeId } from '../../ledger/typeid.ts'
import type { Currency } from '../../money/currency.ts'
import { shownDestinationOf } from '../../payments/instructions.ts'
import { PAIN_VERSIONS, type PainVersion } from './pain.ts'

/** An order to a bank. `total` in minor units; the day is the bank's. */
export type WireBatch = {
  readonly id: WireBatchId
  readonly messageId: string
  readonly version: PainVersion
  /** Our IBAN, which pays. */
  readonly account: string
  readonly currency: Currency
  readonly requestedDate: string
  readonly payments: number
  readonly total: bigint
  readonly createdBy: UserId | null
  readonly createdAt: string
}

type BatchRow = {
  id: WireBatchId
  message_id: string
  version: PainVersion
  account: string
  currency: string
  digits: number
  requested_date: string
  payments: number
  total: bigint
  created_by: UserId | null
  created_at: string
}

const CURRENCY = 'left join currencies c on c.book = w.book and c.code = w.currency'
const DATE = `to_char(w.requested_date, 'YYYY-MM-DD')`

/** The batches of a book. Index: the primary key. */
export const wireBatches: ListSpec<BatchRow, WireBatch> = {
  fields: {
    id: { sql: 'w.id', kind: fields.id((text) => decodeId('wbt', text), 'an id such as wbt_…'), carried: 'id' },
    message_id: { sql: 'w.message_id', kind: fields.text },
    version: { sql: 'w.version', kind: fields.choice(PAIN_VERSIONS) },
    account: { sql: 'w.account', kind: fields.text },
    currency: { sql: 'w.currency', kind: fields.currency },
    requested_date: { sql: DATE, kind: fields.text },
    payments: { sql: fields.amountSql('w.payments', '0'), kind: fields.amount },
    total: { sql: fields.amountSql('w.total', 'c.digits'), kind: fields.amount },
    created_by: {
      sql: 'w.created_by',
      kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…'),
      nullable: true,
    },
    created_at: { sql: 'w.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'wire_batches w',
  joins: CURRENCY,
  key: [{ sql: 'w.id', cast: 'uuid' }],
  show: `join wire_batches w on w.book = $1 and w.id = page.key0 ${CURRENCY}`,
  columns: `w.id, w.message_id, w.version, w.account, w.currency, c.digits, ${DATE} as requested_date, w.payments, w.total,
            w.created_by, w.created_at`,
  toItem: (row) => ({
    id: row.id,
    messageId: row.message_id,
    version: row.version,
    account: row.account,
    currency: { code: row.currency, digits: row.digits },
    requestedDate: row.requested_date,
    payments: row.payments,
    total: row.total,
    createdBy: row.created_by,
    createdAt: row.created_at,
  }),
}

export function wireBatchesIn(book: BookId): Scope {
  return { where: 'w.book = $1', values: [book] }
}

/** A withdrawal in a batch, and how it stands now. */
export type BatchedPayment = {
  readonly payment: PaymentId
  readonly batch: WireBatchId
  readonly currency: Currency
  readonly amount: bigint
  readonly status: PaymentStatus
  readonly shown: string | null
  /** Why the bank rejected it. */
  readonly rejectReason: string | null
}

type PaymentRow = {
  payment_id: PaymentId
  batch_id: WireBatchId
  currency: string
  digits: number
  amount: bigint
  status: PaymentStatus
  shown: string | null
  reject_reason: string | null
}

const PAYMENT = `
  left join payments p on p.book = w.book and p.id = w.payment_id
  left join rail_instructions i on i.book = w.book and i.payment_id = w.payment_id
  left join currencies c on c.book = p.book and c.code = p.currency`

/** What batches contain. Indexes: the primary key, wire_batch_payments_by_batch. */
export const batchedPayments: ListSpec<PaymentRow, BatchedPayment> = {
  fields: {
    payment_id: {
      sql: 'w.payment_id',
      kind: fields.id((text) => decodeId('pay', text), 'an id such as pay_…'),
      carried: 'id',
    },
    batch_id: { sql: 'w.batch_id', kind: fields.id((text) => decodeId('wbt', text), 'an id such as wbt_…') },
    end_to_end_id: {
      sql: 'w.payment_id',
      kind: fields.id(paymentOf, 'a payment’s reference at banks, such as PAY…'),
      carried: 'id',
    },
    currency: { sql: 'p.currency', kind: fields.currency },
    amount: { sql: fields.amountSql('w.amount', 'c.digits'), kind: fields.amount },
    status: { sql: 'p.status', kind: fields.choice(PAYMENT_STATUSES) },
    destination: { sql: shownDestinationOf('i'), kind: fields.text, nullable: true },
    reject_reason: { sql: 'w.reject_reason', kind: fields.text, nullable: true },
  },
  table: 'wire_batch_payments w',
  joins: PAYMENT,
  key: [{ sql: 'w.payment_id', cast: 'uuid' }],
  indexed: { inOrder: ['batch_id'] },
  show: `join wire_batch_payments w on w.book = $1 and w.payment_id = page.key0 ${PAYMENT}`,
  columns: `w.payment_id, w.batch_id, p.currency, c.digits, w.amount, p.status, ${shownDestinationOf('i')} as shown, w.reject_reason`,
  toItem: (row) => ({
    payment: row.payment_id,
    batch: row.batch_id,
    currency: { code: row.currency, digits: row.digits },
    amount: row.amount,
    status: row.status,
    shown: row.shown,
    rejectReason: row.reject_reason,
  }),
}

/** The payment of an end-to-end id, as `wireReference` writes it. */
function paymentOf(text: string): string | undefined {
  return /^PAY[0-9A-Z]{26}$/.test(text) ? decodeId('pay', `pay_${text.slice(3).toLowerCase()}`) : undefined
}

export function batchedPaymentsIn(book: BookId): Scope {
  return { where: 'w.book = $1', values: [book] }
}
