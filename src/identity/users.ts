import type { Client, Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { ERASED_NAME, newUserKey, userField } from '../database/personal_fields.ts'
import type { Freeze } from '../ledger/account.ts'
import type { BookId, Instant, UserId } from '../ledger/id.ts'
import { ALPHABET, decodeId, encodeId } from '../ledger/typeid.ts'
import { emailKey } from './email.ts'
import type { Role } from './roles.ts'

export type User = {
  readonly id: UserId
  readonly email: string
  /** What others see in place of the e-mail; null where none is set. */
  readonly displayName: string | null
  readonly role: Role
  readonly allBooks: boolean
  /** Null while the address is unconfirmed: such a user may read but not pay. */
  readonly confirmedAt: string | null
  readonly createdAt: string
  /** Null for an imported user who has set no password yet. */
  readonly passwordHash: string | null
  /** What their accounts refuse; null for a user who is not frozen. */
  readonly frozen: Freeze | null
  /** Null for a user who is there. A closed one is kept for the books, and does nothing any more. */
  readonly closedAt: string | null
  /** Since when there is nobody behind this user any more: their data were erased, or are being erased. */
  readonly erasedAt: string | null
}

type Row = {
  id: UserId
  email: string | null
  display_name: string | null
  role: Role
  all_books: boolean
  confirmed_at: string | null
  created_at: string
  password_hash: string | null
  frozen: Freeze | null
  closed_at: string | null
  erased_at: string | null
}

const COLUMNS = `u.id, ${userField('u', 'email')} as email, ${userField('u', 'display_name')} as display_name, u.role, u.all_books,
  u.confirmed_at, u.created_at, u.password_hash, u.frozen, u.closed_at, u.erased_at`

export async function findUserByEmail(client: Queryable, book: BookId, email: string): Promise<User | undefined> {
  const { rows } = await client.query<Row>(
    `select ${COLUMNS} from users u where u.book = $1 and u.email_key = address_hash($2)`,
    [book, emailKey(email)],
  )
  return rows[0] && toUser(rows[0])
}

export async function findUser(client: Queryable, book: BookId, id: UserId): Promise<User | undefined> {
  const { rows } = await client.query<Row>(`select ${COLUMNS} from users u where u.book = $1 and u.id = $2`, [book, id])
  return rows[0] && toUser(rows[0])
}

export type NewUser = Pick<User, 'id' | 'email' | 'confirmedAt' | 'createdAt' | 'passwordHash'>

/**
 * Keeps the user as they are until the end of the caller's transaction, against a new password and against closing;
 * false where they are closed. What is read behind it is no older.
 */
export async function holdUser(client: Client, book: BookId, id: UserId): Promise<boolean> {
  const { rowCount } = await client.query(
    'select from users where book = $1 and id = $2 and closed_at is null for share',
    [book, id],
  )
  return rowCount === 1
}

/** Locks the user for a change of what they log in with; undefined where they are closed. */
export async function lockUser(client: Client, book: BookId, id: UserId): Promise<User | undefined> {
  const user = await lockUserEvenClosed(client, book, id)
  return user?.closedAt === null ? user : undefined
}

export async function lockUserEvenClosed(client: Client, book: BookId, id: UserId): Promise<User | undefined> {
  const { rows } = await client.query<Row>(
    `select ${COLUMNS} from users u where u.book = $1 and u.id = $2 for update`,
    [book, id],
  )
  return rows[0] && toUser(rows[0])
}

/** Notes that the user reads mail at the address. */
export async function confirmAddress(client: Client, book: BookId, id: UserId, at: Instant): Promise<void> {
  await client.query('update users set confirmed_at = $3 where book = $1 and id = $2 and confirmed_at is null', [
    book,
    id,
    formatInstant(at),
  ])
}

/** False where the book has a user of that address already; then nothing was written. */
export async function insertUser(client: Queryable, book: BookId, user: NewUser): Promise<boolean> {
  const { id, email, confirmedAt, createdAt, passwordHash } = user
  const { rowCount } = await client.query(
    `with made as (
       insert into users (book, id, email, email_key, password_hash, confirmed_at, created_at)
       values ($1, $2, encrypted_under($3, $4), address_hash($5), $6, $7, $8)
           on conflict (book, email_key) do nothing
       returning book, id
     )
     insert into user_keys (book, user_id, key) select m.book, m.id, $3 from made m`,
    [book, id, newUserKey(), email, emailKey(email), passwordHash, confirmedAt, createdAt],
  )
  return rowCount === 1
}

const ERASED_AT = '@erased.invalid'

/** What is shown for the address of a user whose data were erased. */
export function erasedAddress(id: UserId): string {
  return `${encodeId('usr', id)}${ERASED_AT}`
}

/** The user whom erasedAddress shows so; undefined where the text is no such address. */
export function erasedUser(address: string): UserId | undefined {
  return address.endsWith(ERASED_AT) ? decodeId('usr', address.slice(0, -ERASED_AT.length)) : undefined
}

/** The same in SQL, of an id there. Two zeros before its 128 bits make the 26 digits of five that toBase32 writes. */
export function erasedAddressSql(id: string): string {
  return `(
    select 'usr_' || string_agg(substr('${ALPHABET}', 1 + substring(bits from digit * 5 + 1 for 5)::int, 1), '' order by digit) || '${ERASED_AT}'
      from (select B'00' || ('x' || replace(${id}::text, '-', ''))::bit(128) as bits) id
     cross join generate_series(0, 25) digit)`
}

function toUser(row: Row): User {
  return {
    id: row.id,
    email: row.email ?? erasedAddress(row.id),
    displayName: row.email === null ? ERASED_NAME : row.display_name,
    role: row.role,
    allBooks: row.all_books,
    confirmedAt: row.confirmed_at,
    createdAt: row.created_at,
    passwordHash: row.password_hash,
    frozen: row.frozen,
    closedAt: row.closed_at,
    erasedAt: row.erased_at,
  }
}
