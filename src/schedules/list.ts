import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { ownMetadata, ownText } from '../database/personal_fields.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import { FEE_PAYERS } from '../ledger/payment.ts'
import { decodeId } from '../ledger/typeid.ts'
import { UNITS } from './rhythm.ts'
import {
  SCHEDULE_COLUMNS,
  SCHEDULE_JOINS,
  SCHEDULE_STATUSES,
  type Schedule,
  type ScheduleRow,
  toSchedule,
} from './schedule.ts'

const accountId = fields.id((text) => decodeId('acc', text), 'an id such as acc_…')
const number = (sql: string) => ({ sql: fields.amountSql(sql, '0'), kind: fields.amount })

/** Schedules: of a user by the index schedules_by_user, of a book by the primary key. */
export const schedules: ListSpec<ScheduleRow, Schedule> = {
  fields: {
    id: { sql: 's.id', kind: fields.id((text) => decodeId('sch', text), 'an id such as sch_…'), carried: 'id' },
    user_id: { sql: 's.user_id', kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…') },
    status: { sql: 's.status', kind: fields.choice(SCHEDULE_STATUSES) },
    from_account: { sql: 's.from_account', kind: accountId },
    to_account: { sql: 's.to_account', kind: accountId },
    currency: { sql: 's.currency', kind: fields.currency },
    amount: { sql: fields.amountSql('s.amount', 'c.digits'), kind: fields.amount },
    fee_payer: { sql: 's.fee_payer', kind: fields.choice(FEE_PAYERS) },
    description: { sql: ownText('s', 'description'), kind: fields.text, nullable: true },
    metadata: { sql: ownMetadata('s'), kind: fields.text },
    every: { sql: 's.every', kind: fields.choice(UNITS), nullable: true },
    interval: number('s.interval'),
    time_zone: { sql: 's.time_zone', kind: fields.text },
    starts_at: { sql: 's.starts_at', kind: fields.time },
    ends_at: { sql: 's.ends_at', kind: fields.time, nullable: true },
    count: { ...number('s.count'), nullable: true },
    retry_times: number('s.retry_times'),
    retry_every_minutes: number('s.retry_every_minutes'),
    occurrences: number('s.number'),
    next_at: { sql: 's.due_at', kind: fields.time, nullable: true },
    attempts: number('s.attempts'),
    next_attempt_at: { sql: 's.attempt_at', kind: fields.time, nullable: true },
    last_payment_id: {
      sql: 's.last_payment_id',
      kind: fields.id((text) => decodeId('pay', text), 'an id such as pay_…'),
      nullable: true,
    },
    created_at: { sql: 's.created_at', kind: fields.time, carried: 'created_at' },
    updated_at: { sql: 's.updated_at', kind: fields.time },
  },
  table: 'schedules s',
  joins: SCHEDULE_JOINS,
  indexed: { inOrder: ['user_id'] },
  key: [{ sql: 's.id', cast: 'uuid' }],
  show: `join schedules s on s.book = $1 and s.id = page.key0 ${SCHEDULE_JOINS}`,
  columns: SCHEDULE_COLUMNS,
  toItem: toSchedule,
}

export function schedulesOf(book: BookId, userId: UserId): Scope {
  return { where: 's.book = $1 and s.user_id = $2', values: [book, userId] }
}

export function schedulesIn(book: BookId): Scope {
  return { where: 's.book = $1', values: [book] }
}
