import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import type { BookId, RateId, UserId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import { RATE_SOURCES, type RateSource } from './rates.ts'
import type { WrittenRate } from './write.ts'

type Row = {
  id: RateId
  from_currency: string
  to_currency: string
  numerator: bigint
  denominator: bigint
  source: RateSource
  valid_from: string
  made_by: UserId | null
  created_at: string
}

/** The rates of a book as they were written down. Index: the primary key. */
export const rates: ListSpec<Row, WrittenRate> = {
  fields: {
    id: { sql: 'r.id', kind: fields.id((text) => decodeId('rat', text), 'an id such as rat_…'), carried: 'id' },
    from_currency: { sql: 'r.from_currency', kind: fields.currency },
    to_currency: { sql: 'r.to_currency', kind: fields.currency },
    // Every rate is written down as a decimal of at most 18 digits behind the point: nothing is cut here.
    rate: { sql: `div(r.numerator * 1000000000000000000, r.denominator)`, kind: fields.amount },
    source: { sql: 'r.source', kind: fields.choice(RATE_SOURCES) },
    valid_from: { sql: 'r.valid_from', kind: fields.time },
    made_by: {
      sql: 'r.made_by',
      kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…'),
      nullable: true,
    },
    created_at: { sql: 'r.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'rates r',
  key: [{ sql: 'r.id', cast: 'uuid' }],
  show: 'join rates r on r.book = $1 and r.id = page.key0',
  columns:
    'r.id, r.from_currency, r.to_currency, r.numerator, r.denominator, r.source, r.valid_from, r.made_by, r.created_at',
  toItem: (row) => ({
    id: row.id,
    from: row.from_currency,
    to: row.to_currency,
    rate: { numerator: row.numerator, denominator: row.denominator },
    source: row.source,
    validFrom: row.valid_from,
    madeBy: row.made_by,
    createdAt: row.created_at,
  }),
}

export function ratesIn(book: BookId): Scope {
  return { where: 'r.book = $1', values: [book] }
}
