import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { equalTo, type ListQuery } from '../database/list_query.ts'
import { RAIL_CODES } from '../ledger/account.ts'
import type { AccountId, BookId, ScheduleId, UserId } from '../ledger/id.ts'
import {
  CAPTURES,
  DECLINE_REASONS,
  FEE_PAYERS,
  PAYMENT_KINDS,
  PAYMENT_STATUSES,
  type PaymentStatus,
} from '../ledger/payment.ts'
import { decodeId } from '../ledger/typeid.ts'
import {
  DESCRIPTION,
  METADATA,
  PAYMENT_COLUMNS,
  PAYMENT_JOINS,
  type PaymentRow,
  RECEIVER,
  SENDER,
  type StoredPayment,
  toPayment,
} from './read.ts'

const paymentId = fields.id((text) => decodeId('pay', text), 'an id such as pay_…')
const scheduleId = fields.id((text) => decodeId('sch', text), 'an id such as sch_…')
const accountId = fields.id((text) => decodeId('acc', text), 'an id such as acc_…')
const amountOf = (sql: string, digits = 'c.digits') => ({ sql: fields.amountSql(sql, digits), kind: fields.amount })
const NET_AMOUNT = `(case p.fee_payer when 'sender' then p.amount else p.amount - p.fee end)`

const base: Omit<ListSpec<PaymentRow, StoredPayment>, 'table'> = {
  fields: {
    id: { sql: 'p.id', kind: paymentId, carried: 'id' },
    kind: { sql: 'p.kind', kind: fields.choice(PAYMENT_KINDS) },
    status: { sql: 'p.status', kind: fields.choice(PAYMENT_STATUSES) },
    decline_reason: { sql: 'p.decline_reason', kind: fields.choice(DECLINE_REASONS), nullable: true },
    from_account: { sql: 'p.from_account', kind: accountId },
    to_account: { sql: 'p.to_account', kind: accountId },
    currency: { sql: 'p.currency', kind: fields.currency },
    amount: amountOf('p.amount'),
    fee: amountOf('p.fee'),
    fee_payer: { sql: 'p.fee_payer', kind: fields.choice(FEE_PAYERS) },
    net_amount: amountOf(NET_AMOUNT),
    'exchange.rate': { sql: 'p.exchange_rate::numeric', kind: fields.decimal, nullable: true },
    'exchange.from_amount': {
      ...amountOf(`(case when p.exchange_currency is not null then ${NET_AMOUNT} end)`),
      nullable: true,
    },
    'exchange.to_amount': { ...amountOf('p.exchange_amount', 'xc.digits'), nullable: true },
    'exchange.to_currency': { sql: 'p.exchange_currency', kind: fields.currency, nullable: true },
    refunded_amount: amountOf('p.refunded_amount'),
    refund_of: { sql: 'p.refund_of', kind: paymentId, nullable: true },
    authorized_amount: { ...amountOf('p.authorized_amount'), nullable: true },
    failure_reason: { sql: 'p.failure_reason', kind: fields.text, nullable: true },
    capture: { sql: 'p.capture', kind: fields.choice(CAPTURES) },
    expires_at: { sql: 'p.expires_at', kind: fields.time, nullable: true },
    rail: { sql: 'p.rail', kind: fields.choice(RAIL_CODES), nullable: true },
    rail_reference: { sql: 'p.rail_reference', kind: fields.text, nullable: true },
    description: { sql: DESCRIPTION, kind: fields.text, nullable: true },
    metadata: { sql: METADATA, kind: fields.text },
    schedule_id: { sql: 'p.schedule_id', kind: scheduleId, nullable: true },
    scheduled_for: { sql: 'p.scheduled_for', kind: fields.time, nullable: true },
    sender: { sql: SENDER, kind: fields.text },
    receiver: { sql: RECEIVER, kind: fields.text },
    created_at: { sql: 'p.created_at', kind: fields.time, carried: 'created_at' },
    completed_at: { sql: 'p.completed_at', kind: fields.time, nullable: true },
    updated_at: { sql: 'p.updated_at', kind: fields.time },
  },
  joins: PAYMENT_JOINS,
  key: [{ sql: 'p.id', cast: 'uuid' }],
  show: `join payments p on p.book = $1 and p.id = page.key0 ${PAYMENT_JOINS}`,
  columns: PAYMENT_COLUMNS,
  toItem: toPayment,
}

/** All payments of a book. Indexes: the primary key; payments_by_original, _by_schedule, _by_sender, _by_receiver. */
export const bookPayments: ListSpec<PaymentRow, StoredPayment> = {
  ...base,
  table: 'payments p',
  indexed: { inOrder: ['refund_of', 'schedule_id', 'from_account', 'to_account'] },
}

export function inBook(book: BookId): Scope {
  return { where: 'p.book = $1', values: [book] }
}

/**
 * Those that are initiated or pending, each once: no index of payments holds their status (decision 6), but what is still
 * to be posted, what ends at a time and what goes out by a rail are tables of their own.
 * Indexes: their primary keys, and rail_instructions_open. The book is the scope's: a condition of their own would keep
 * PostgreSQL from reading the parts in one order.
 */
export const openPayments: ListSpec<PaymentRow, StoredPayment> = {
  ...base,
  fields: { ...base.fields, id: { sql: 'o.id', kind: paymentId, carried: 'id' } },
  table: `(select i.book, i.payment_id as id from initiated i
            union all
           select h.book, h.payment_id from holds h
            union all
           select r.book, r.payment_id from rail_instructions r
            where r.direction = 'out' and r.state <> 'done') o`,
  joins: `left join payments p on p.book = o.book and p.id = o.id ${PAYMENT_JOINS}`,
  key: [{ sql: 'o.id', cast: 'uuid' }],
}

/**
 * The same of accounts. What goes out by a rail has one account of a user, any other may have two.
 * Indexes: initiated_by_sender and _by_receiver, holds_by_sender and _by_receiver, rail_instructions_open_by_account.
 */
export const openAccountPayments: ListSpec<PaymentRow, StoredPayment> = {
  ...openPayments,
  table: `(select i.from_account as account_id, 'from' as side, i.book, i.payment_id as id from initiated i
            union all
           select i.to_account, 'to', i.book, i.payment_id from initiated i
            union all
           select h.from_account, 'from', h.book, h.payment_id from holds h
            union all
           select h.to_account, 'to', h.book, h.payment_id from holds h
            union all
           select r.account_id, 'from', r.book, r.payment_id from rail_instructions r
            where r.direction = 'out' and r.state <> 'done') o`,
}

export function openIn(book: BookId): Scope {
  return { where: 'o.book = $1', values: [book] }
}

/** Whether a query asks for payments that are initiated or pending, and no others. */
export function asksForOpen(query: ListQuery): boolean {
  const statuses = equalTo(query, 'status')?.split(',') ?? []
  return statuses.length > 0 && statuses.every((status) => OPEN_STATUSES.has(status))
}

const OPEN_STATUSES = new Set<string>(['initiated', 'pending'] satisfies PaymentStatus[])

/** The rows of `userPayments`, or of `openAccountPayments`: both have an account and its side. */
export type AccountRows = 'p' | 'o'

/** The payments that a user takes part in. One between two of the user's own accounts is listed once, with its sender. */
export const userPayments: ListSpec<PaymentRow, StoredPayment> = { ...base, table: 'account_payments p' }

export function ofUser(book: BookId, userId: UserId, rows: AccountRows = 'p'): Scope {
  return {
    where: `${rows}.book = $1 and ${rows}.account_id = owned.id`,
    showing: `${rows}.side = 'from' or s.user_id is distinct from $2`,
    values: [book, userId],
    perAccount: '(select id from accounts where book = $1 and user_id = $2) owned',
  }
}

/** What goes out of one account, or comes into it. Index: payments_by_sender or payments_by_receiver, or those of what is open. */
export function ofAccount(book: BookId, account: AccountId, side: 'from' | 'to', rows: AccountRows = 'p'): Scope {
  return {
    where: `${rows}.book = $1 and ${rows}.account_id = $2 and ${rows}.side = '${side}'`,
    values: [book, account],
  }
}

/** What a schedule has made, for one of its sides. Index: payments_by_schedule. */
export function ofSchedule(book: BookId, schedule: ScheduleId, side: 'from' | 'to'): Scope {
  return { where: `p.book = $1 and p.schedule_id = $2 and p.side = '${side}'`, values: [book, schedule] }
}
