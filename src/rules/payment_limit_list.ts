import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import type { BookId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import { LIMIT_COLUMNS, LIMITED_KINDS, type Limit, type LimitRow, PER, SPANS, toLimit } from './payment_limits.ts'

const CURRENCY = 'left join currencies c on c.book = l.book and c.code = l.currency'
const userId = fields.id((text) => decodeId('usr', text), 'an id such as usr_…')
// A whole number compares like an amount of a currency without digits.
const count = { sql: fields.amountSql('l.count', '0'), kind: fields.amount, nullable: true } as const
const sum = { sql: fields.amountSql('l.sum', 'c.digits'), kind: fields.amount, nullable: true } as const

/** The limits of a book as they are set. Index: the primary key. */
export const paymentLimits: ListSpec<LimitRow, Limit> = {
  fields: {
    id: { sql: 'l.id', kind: fields.id((text) => decodeId('lim', text), 'an id such as lim_…'), carried: 'id' },
    per: { sql: 'l.per', kind: fields.choice(PER) },
    user_id: { sql: 'l.user_id', kind: userId, nullable: true },
    account_id: {
      sql: 'l.account_id',
      kind: fields.id((text) => decodeId('acc', text), 'an id such as acc_…'),
      nullable: true,
    },
    kind: { sql: 'l.kind', kind: fields.choice(LIMITED_KINDS) },
    currency: { sql: 'l.currency', kind: fields.currency },
    window: { sql: 'l.span', kind: fields.choice(SPANS) },
    count,
    sum,
    made_by: { sql: 'l.made_by', kind: userId, nullable: true },
    created_at: { sql: 'l.created_at', kind: fields.time, carried: 'created_at' },
    updated_at: { sql: 'l.updated_at', kind: fields.time },
  },
  table: 'payment_limits l',
  joins: CURRENCY,
  key: [{ sql: 'l.id', cast: 'uuid' }],
  show: `join payment_limits l on l.book = $1 and l.id = page.key0 ${CURRENCY}`,
  columns: LIMIT_COLUMNS,
  toItem: toLimit,
}

export function limitsIn(book: BookId): Scope {
  return { where: 'l.book = $1', values: [book] }
}
