import { type Actor, writeAudit } from '../audit/audit.ts'
import type { Book } from '../books/books.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, Instant, UserId } from '../ledger/id.ts'
import { dropEmailChanges } from './email_change.ts'
import { dropMailTokens } from './mail_tokens.ts'
import type { Passwords } from './passwords.ts'
import { type Role, scopesOf } from './roles.ts'
import { newToken } from './secrets.ts'
import { endTokens, insertToken } from './tokens.ts'
import { findUser, findUserByEmail, insertUser } from './users.ts'

const MICROSECONDS_A_DAY = 86_400_000_000n

type Means = { readonly pool: Pool; readonly passwords: Passwords }

/**
 * Makes an operator of the book (or an auditor), or makes the user of that address one, with this password; audited. What
 * the user logged in or began with before is void: who knew the old password need not know this one. Returns a token with
 * every scope of the role. An operator of all books names the book to act in with each request.
 */
export async function makeOperator(
  { pool, passwords }: Means,
  book: Book,
  email: string,
  password: string,
  allBooks: boolean,
  tokenDays: number,
  role: Exclude<Role, 'user'> = 'admin',
): Promise<string> {
  const passwordHash = await passwords.hash(password)
  const secret = newToken(book.name)
  await inTransaction(pool, async (client) => {
    const at = await readClock(client)
    const newId = idsAt(at)
    const stamp = formatInstant(at)
    const id: UserId = newId<'user'>()
    const created = await insertUser(client, book.id, { id, email, confirmedAt: stamp, createdAt: stamp, passwordHash })
    const user = await findUserByEmail(client, book.id, email)
    if (!user) throw new Error('an operator is there')
    await client.query(
      `update users set role = $3, all_books = $4, password_hash = $5, confirmed_at = coalesce(confirmed_at, $6),
                        closed_at = null
        where book = $1 and id = $2`,
      [book.id, user.id, role, allBooks, passwordHash, stamp],
    )
    await endTokens(client, book.id, user.id, at, 'all')
    await dropMailTokens(client, book.id, user.id, at)
    await dropEmailChanges(client, book.id, user.id, at)
    const expiresAt = formatInstant((at + BigInt(tokenDays) * MICROSECONDS_A_DAY) as Instant)
    await insertToken(client, book.id, user.id, { secret, name: 'npm run admin', scopes: scopesOf(role), expiresAt })
    const actor = { userId: null, tokenId: null, address: null, requestId: null }
    const before = created ? null : user.role
    const detail = { email, all_books: allBooks, made: created, before, after: role }
    await writeAudit(client, book.id, at, newId, [{ actor, action: 'user.make_operator', objectId: user.id, detail }])
  })
  return secret
}

/**
 * The operators of the book who can act, locked in the order of ids, so that no two of them take each other's role away at
 * the same time.
 */
export async function lockOperators(client: Client, book: BookId): Promise<readonly UserId[]> {
  const { rows } = await client.query<{ id: UserId }>(
    `select id from users where book = $1 and role = 'admin' and closed_at is null and frozen is null order by id for update`,
    [book],
  )
  return rows.map(({ id }) => id)
}

/**
 * Whether the actor, an operator when the request came, is none any more, by the book's `operators` that are locked. One
 * of all books is a user of another, and is not looked for here.
 */
export async function isOperatorNoMore(client: Client, book: BookId, { userId }: Actor, operators: readonly UserId[]) {
  if (!userId || operators.includes(userId)) return false
  return (await findUser(client, book, userId)) !== undefined
}

/** Whether the book would have no operator without this user. */
export async function isLastOperator(client: Client, book: BookId, id: UserId): Promise<boolean> {
  const user = await findUser(client, book, id)
  if (user?.role !== 'admin') return false
  const operators = await lockOperators(client, book)
  return operators.length === 1 && operators[0] === id
}
