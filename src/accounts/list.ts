import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { ownMetadata } from '../database/personal_fields.ts'
import { ACCOUNT_STATUSES, TECHNICAL_CODES } from '../ledger/account.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import {
  ACCOUNT_COLUMNS,
  ACCOUNT_JOINS,
  ACCOUNT_NAME,
  type AccountRow,
  type AccountState,
  toAccountState,
} from './account.ts'

const amountOf = (sql: string) => ({ sql: fields.amountSql(sql, 'c.digits'), kind: fields.amount })

/** The list of accounts. Indexes: accounts_by_user, accounts_by_code, and the primary key for all. */
export const accounts: ListSpec<AccountRow, AccountState> = {
  fields: {
    id: {
      sql: 'a.id',
      kind: fields.id((text) => decodeId('acc', text), 'an id such as acc_…'),
      carried: 'id',
    },
    user_id: {
      sql: 'a.user_id',
      kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…'),
      nullable: true,
    },
    code: { sql: 'a.code', kind: fields.choice(TECHNICAL_CODES), nullable: true },
    name: { sql: ACCOUNT_NAME, kind: fields.text },
    currency: { sql: 'a.currency', kind: fields.currency },
    balance: amountOf('a.balance'),
    held: amountOf('a.held'),
    available: amountOf('(a.balance - a.held + a.overdraft_limit)'),
    overdraft_limit: amountOf('a.overdraft_limit'),
    status: { sql: 'a.status', kind: fields.choice(ACCOUNT_STATUSES) },
    refuse_incoming: { sql: 'a.refuse_incoming::text', kind: fields.choice(['true', 'false']) },
    metadata: { sql: ownMetadata('a'), kind: fields.text },
    created_at: { sql: 'a.created_at', kind: fields.time, carried: 'created_at' },
    updated_at: { sql: 'a.updated_at', kind: fields.time },
  },
  table: 'accounts a',
  joins: ACCOUNT_JOINS,
  indexed: { inOrder: ['user_id', 'code'] },
  key: [{ sql: 'a.id', cast: 'uuid' }],
  show: `join accounts a on a.book = $1 and a.id = page.key0 ${ACCOUNT_JOINS}`,
  columns: ACCOUNT_COLUMNS,
  toItem: toAccountState,
}

export function inBook(book: BookId): Scope {
  return { where: 'a.book = $1', values: [book] }
}

export function ofUser(book: BookId, userId: UserId): Scope {
  return { where: 'a.book = $1 and a.user_id = $2', values: [book, userId] }
}
