import type { Queryable } from '../database/connection.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import { emailKey } from './email.ts'

export type Role = 'user' | 'admin'

export type User = {
  readonly id: UserId
  readonly email: string
  readonly role: Role
  readonly allBooks: boolean
  /** Null while the address is unconfirmed: such a user may read but not pay. */
  readonly confirmedAt: string | null
  readonly createdAt: string
  /** Null for an imported user who has set no password yet. */
  readonly passwordHash: string | null
}

type Row = {
  id: UserId
  email: string
  role: Role
  all_books: boolean
  confirmed_at: string | null
  created_at: string
  password_hash: string | null
}

const COLUMNS = 'id, email, role, all_books, confirmed_at, created_at, password_hash'

export async function findUserByEmail(client: Queryable, book: BookId, email: string): Promise<User | undefined> {
  const { rows } = await client.query<Row>(`select ${COLUMNS} from users where book = $1 and email_key = $2`, [
    book,
    emailKey(email),
  ])
  return rows[0] && toUser(rows[0])
}

export async function findUser(client: Queryable, book: BookId, id: UserId): Promise<User | undefined> {
  const { rows } = await client.query<Row>(`select ${COLUMNS} from users where book = $1 and id = $2`, [book, id])
  return rows[0] && toUser(rows[0])
}

export type NewUser = Pick<User, 'id' | 'email' | 'confirmedAt' | 'createdAt' | 'passwordHash'>

/** False where the book has a user of that address already; then nothing was written. */
export async function insertUser(client: Queryable, book: BookId, user: NewUser): Promise<boolean> {
  const { id, email, confirmedAt, createdAt, passwordHash } = user
  const { rowCount } = await client.query(
    `insert into users (book, id, email, email_key, password_hash, confirmed_at, created_at)
     values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (book, email_key) do nothing`,
    [book, id, email, emailKey(email), passwordHash, confirmedAt, createdAt],
  )
  return rowCount === 1
}

function toUser(row: Row): User {
  return {
    id: row.id,
    email: row.email,
    role: row.role,
    allBooks: row.all_books,
    confirmedAt: row.confirmed_at,
    createdAt: row.created_at,
    passwordHash: row.password_hash,
  }
}
