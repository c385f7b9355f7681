import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { RAIL_CODES, type RailCode } from '../ledger/account.ts'
import type { BookId, PaymentId, SuspenseId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import { DIRECTIONS, type Direction } from '../payments/instructions.ts'
import { SUSPENSE_REASONS, type SuspenseReason } from './suspense.ts'

/** Money in suspense, and what became of it. The amount in minor units; times in RFC 3339 UTC. */
export type SuspenseItem = {
  readonly id: SuspenseId
  readonly rail: RailCode
  readonly rail_reference: string
  readonly direction: Direction
  readonly currency: string
  readonly digits: number
  readonly amount: bigint
  readonly reason: SuspenseReason
  readonly payment_id: PaymentId
  readonly related_id: PaymentId | null
  readonly status: 'open' | 'resolved'
  readonly resolved_by: PaymentId | null
  readonly created_at: string
  readonly resolved_at: string | null
}

const paymentId = fields.id((text) => decodeId('pay', text), 'an id such as pay_…')
const STATUS = `(case when i.resolved_by is null then 'open' else 'resolved' end)`
const JOINS = 'left join currencies c on c.book = i.book and c.code = i.currency'

/** The suspense items of a book. Index: the primary key. */
export const suspenseItems: ListSpec<SuspenseItem, SuspenseItem> = {
  fields: {
    id: { sql: 'i.id', kind: fields.id((text) => decodeId('sus', text), 'an id such as sus_…'), carried: 'id' },
    rail: { sql: 'i.rail', kind: fields.choice(RAIL_CODES) },
    rail_reference: { sql: 'i.rail_reference', kind: fields.text },
    direction: { sql: 'i.direction', kind: fields.choice(DIRECTIONS) },
    currency: { sql: 'i.currency', kind: fields.currency },
    amount: { sql: fields.amountSql('i.amount', 'c.digits'), kind: fields.amount },
    reason: { sql: 'i.reason', kind: fields.choice(SUSPENSE_REASONS) },
    payment_id: { sql: 'i.payment_id', kind: paymentId },
    related_id: { sql: 'i.related_id', kind: paymentId, nullable: true },
    status: { sql: STATUS, kind: fields.choice(['open', 'resolved']) },
    resolved_by: { sql: 'i.resolved_by', kind: paymentId, nullable: true },
    created_at: { sql: 'i.created_at', kind: fields.time, carried: 'created_at' },
    resolved_at: { sql: 'i.resolved_at', kind: fields.time, nullable: true },
  },
  table: 'suspense_items i',
  joins: JOINS,
  key: [{ sql: 'i.id', cast: 'uuid' }],
  show: `join suspense_items i on i.book = $1 and i.id = page.key0 ${JOINS}`,
  columns: `i.id, i.rail, i.rail_reference, i.direction, i.currency, c.digits, i.amount, i.reason, i.payment_id,
            i.related_id, ${STATUS} as status, i.resolved_by, i.created_at, i.resolved_at`,
  toItem: (row) => row,
}

export function suspenseIn(book: BookId): Scope {
  return { where: 'i.book = $1', values: [book] }
}
