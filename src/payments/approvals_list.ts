import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import type { AccountId, ApprovalId, BookId, PaymentId, UserId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import { ADJUSTMENT_DIRECTIONS, type AdjustmentDirection } from './adjustment.ts'

export const APPROVAL_STATUSES = ['pending', 'approved', 'rejected', 'expired'] as const

/** An adjustment that waits for a second operator, and what became of it. The amount in minor units. */
export type Approval = {
  readonly id: ApprovalId
  readonly account_id: AccountId
  readonly direction: AdjustmentDirection
  readonly currency: string
  readonly digits: number
  readonly amount: bigint
  readonly reason: string
  readonly status: (typeof APPROVAL_STATUSES)[number]
  readonly requested_by: UserId
  readonly decided_by: UserId | null
  readonly payment_id: PaymentId | null
  readonly created_at: string
  readonly expires_at: string
  readonly decided_at: string | null
}

const userId = fields.id((text) => decodeId('usr', text), 'an id such as usr_…')
const STATUS = `(case when r.status = 'pending' and r.expires_at <= clock_timestamp() then 'expired' else r.status end)`
const JOINS = 'left join currencies c on c.book = r.book and c.code = r.currency'

/** The approvals of a book. Index: the primary key. */
export const approvals: ListSpec<Approval, Approval> = {
  fields: {
    id: { sql: 'r.id', kind: fields.id((text) => decodeId('apr', text), 'an id such as apr_…'), carried: 'id' },
    account_id: { sql: 'r.account_id', kind: fields.id((text) => decodeId('acc', text), 'an id such as acc_…') },
    direction: { sql: 'r.direction', kind: fields.choice(ADJUSTMENT_DIRECTIONS) },
    currency: { sql: 'r.currency', kind: fields.currency },
    amount: { sql: fields.amountSql('r.amount', 'c.digits'), kind: fields.amount },
    reason: { sql: 'r.reason', kind: fields.text },
    status: { sql: STATUS, kind: fields.choice(APPROVAL_STATUSES) },
    requested_by: { sql: 'r.requested_by', kind: userId },
    decided_by: { sql: 'r.decided_by', kind: userId, nullable: true },
    payment_id: {
      sql: 'r.payment_id',
      kind: fields.id((text) => decodeId('pay', text), 'an id such as pay_…'),
      nullable: true,
    },
    created_at: { sql: 'r.created_at', kind: fields.time, carried: 'created_at' },
    expires_at: { sql: 'r.expires_at', kind: fields.time },
    decided_at: { sql: 'r.decided_at', kind: fields.time, nullable: true },
  },
  table: 'approvals r',
  joins: JOINS,
  key: [{ sql: 'r.id', cast: 'uuid' }],
  show: `join approvals r on r.book = $1 and r.id = page.key0 ${JOINS}`,
  columns: `r.id, r.account_id, r.direction, r.currency, c.digits, r.amount, r.reason, ${STATUS} as status,
            r.requested_by, r.decided_by, r.payment_id, r.created_at, r.expires_at, r.decided_at`,
  toItem: (row) => row,
}

export function approvalsIn(book: BookId): Scope {
  return { where: 'r.book = $1', values: [book] }
}
