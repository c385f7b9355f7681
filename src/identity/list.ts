import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { ERASED_NAME, ownField, userField } from '../database/personal_fields.ts'
import { ACCOUNT_STATUSES, type Freeze } from '../ledger/account.ts'
import type { BookId, TokenId, UserId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import { emailKey } from './email.ts'
import { ROLES, type Role, type Scope as TokenScope } from './roles.ts'
import { TOKEN_KINDS, type Token, type TokenKind } from './tokens.ts'
import { erasedAddress, erasedAddressSql, erasedUser } from './users.ts'

type TokenRow = {
  id: TokenId
  kind: TokenKind
  name: string | null
  scopes: TokenScope[]
  address: string | null
  expires_at: string | null
  last_used_at: string | null
  created_at: string
}

/** A user's tokens that are good: neither revoked nor expired. Index: tokens_by_user. */
export const tokens: ListSpec<TokenRow, Token> = {
  fields: {
    id: { sql: 't.id', kind: fields.id((text) => decodeId('tok', text), 'an id such as tok_…'), carried: 'id' },
    kind: { sql: 't.kind', kind: fields.choice(TOKEN_KINDS) },
    name: { sql: ownField('t', 'name'), kind: fields.text },
    scopes: fields.words('t.scopes'),
    address: { sql: ownField('t', 'address'), kind: fields.text, nullable: true },
    expires_at: { sql: 't.expires_at', kind: fields.time, nullable: true },
    last_used_at: { sql: 't.last_used_at', kind: fields.time, nullable: true },
    created_at: { sql: 't.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'tokens t',
  key: [{ sql: 't.id', cast: 'uuid' }],
  show: 'join tokens t on t.book = $1 and t.id = page.key0',
  columns: `t.id, t.kind, ${ownField('t', 'name')} as name, t.scopes, ${ownField('t', 'address')} as address, t.expires_at, t.last_used_at, t.created_at`,
  toItem: (row) => ({
    id: row.id,
    kind: row.kind,
    name: row.name ?? 'erased',
    scopes: row.scopes,
    address: row.address,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    createdAt: row.created_at,
  }),
}

export function tokensOf(book: BookId, userId: UserId): Scope {
  return {
    where: 't.book = $1 and t.user_id = $2',
    showing: 't.revoked_at is null and (t.expires_at is null or t.expires_at > clock_timestamp())',
    values: [book, userId],
  }
}

/** Those that have ended, too. */
export function allTokensOf(book: BookId, userId: UserId): Scope {
  return { where: 't.book = $1 and t.user_id = $2', values: [book, userId] }
}

type UserRow = {
  id: UserId
  email: string | null
  display_name: string | null
  role: Role
  all_books: boolean
  confirmed_at: string | null
  frozen: Freeze | null
  closed_at: string | null
  erased_at: string | null
  created_at: string
}

/** A user as operators see one. */
export type ListedUser = {
  readonly id: UserId
  readonly email: string
  readonly displayName: string | null
  readonly role: Role
  readonly allBooks: boolean
  readonly confirmedAt: string | null
  readonly frozen: Freeze | null
  readonly closedAt: string | null
  readonly erasedAt: string | null
  readonly createdAt: string
}

/** The address and the name that a user is shown with, also where the data were erased. */
const SHOWN_EMAIL = `coalesce(${userField('u', 'email')}, ${erasedAddressSql('u.id')})`
const SHOWN_DISPLAY_NAME = `(case when ${userField('u', 'email')} is null then '${ERASED_NAME}' else ${userField('u', 'display_name')} end)`

/** The users of a book. Indexes: the primary key, and that of `email_key`. */
export const users: ListSpec<UserRow, ListedUser> = {
  fields: {
    id: { sql: 'u.id', kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…'), carried: 'id' },
    email: {
      sql: SHOWN_EMAIL,
      kind: fields.text,
      lookup: (email, param) => {
        const erased = erasedUser(email)
        const hasIt = `u.email_key = address_hash(${param(emailKey(email))})`
        return erased ? `(${hasIt} or u.id = ${param(erased)})` : hasIt
      },
    },
    display_name: { sql: SHOWN_DISPLAY_NAME, kind: fields.text, nullable: true },
    role: { sql: 'u.role', kind: fields.choice(ROLES) },
    all_books: { sql: 'u.all_books::text', kind: fields.choice(['true', 'false']) },
    confirmed_at: { sql: 'u.confirmed_at', kind: fields.time, nullable: true },
    status: {
      sql: `case when u.closed_at is not null then 'closed' when u.frozen is not null then 'frozen' else 'active' end`,
      kind: fields.choice(ACCOUNT_STATUSES),
    },
    refuse_incoming: { sql: `coalesce(u.frozen = 'all', false)::text`, kind: fields.choice(['true', 'false']) },
    closed_at: { sql: 'u.closed_at', kind: fields.time, nullable: true },
    erased_at: { sql: 'u.erased_at', kind: fields.time, nullable: true },
    created_at: { sql: 'u.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'users u',
  indexed: { few: ['email'] },
  key: [{ sql: 'u.id', cast: 'uuid' }],
  show: 'join users u on u.book = $1 and u.id = page.key0',
  columns: `u.id, ${userField('u', 'email')} as email, ${userField('u', 'display_name')} as display_name, u.role, u.all_books, u.confirmed_at,
     u.frozen, u.closed_at, u.erased_at, u.created_at`,
  toItem: (row) => ({
    id: row.id,
    email: row.email ?? erasedAddress(row.id),
    displayName: row.email === null ? ERASED_NAME : row.display_name,
    role: row.role,
    allBooks: row.all_books,
    confirmedAt: row.confirmed_at,
    frozen: row.frozen,
    closedAt: row.closed_at,
    erasedAt: row.erased_at,
    createdAt: row.created_at,
  }),
}

export function userOf(book: BookId, userId: UserId): Scope {
  return { where: 'u.book = $1 and u.id = $2', values: [book, userId] }
}

export function usersIn(book: BookId): Scope {
  return { where: 'u.book = $1', values: [book] }
}
