import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { RAIL_CODES } from '../ledger/account.ts'
import type { BookId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import { type FeeSchedule, PRICED_KINDS, SCHEDULE_COLUMNS, type ScheduleRow, toSchedule } from './fee_schedules.ts'

const amountOf = (sql: string) =>
  ({ sql: fields.amountSql(sql, 'c.digits'), kind: fields.amount, nullable: true }) as const
const CURRENCY = 'left join currencies c on c.book = f.book and c.code = f.currency'

/** The fee schedules of a book as they were written down. Index: the primary key. */
export const feeSchedules: ListSpec<ScheduleRow, FeeSchedule> = {
  fields: {
    id: { sql: 'f.id', kind: fields.id((text) => decodeId('fee', text), 'an id such as fee_…'), carried: 'id' },
    kind: { sql: 'f.kind', kind: fields.choice(PRICED_KINDS) },
    currency: { sql: 'f.currency', kind: fields.currency },
    rail: { sql: 'f.rail', kind: fields.choice(RAIL_CODES), nullable: true },
    ends: { sql: `(f.percent is null)::text`, kind: fields.choice(['true', 'false']) },
    percent: { sql: '(f.percent * 1000000000000)', kind: fields.amount, nullable: true },
    fixed: amountOf('f.fixed'),
    minimum: amountOf('f.minimum'),
    maximum: amountOf('f.maximum'),
    valid_from: { sql: 'f.valid_from', kind: fields.time },
    made_by: {
      sql: 'f.made_by',
      kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…'),
      nullable: true,
    },
    created_at: { sql: 'f.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'fee_schedules f',
  joins: CURRENCY,
  key: [{ sql: 'f.id', cast: 'uuid' }],
  show: `join fee_schedules f on f.book = $1 and f.id = page.key0 ${CURRENCY}`,
  columns: SCHEDULE_COLUMNS,
  toItem: toSchedule,
}

export function schedulesIn(book: BookId): Scope {
  return { where: 'f.book = $1', values: [book] }
}
