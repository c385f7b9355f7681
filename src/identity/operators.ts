import { writeAudit } from '../audit/audit.ts'
import type { Book } from '../books/books.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { Instant, UserId } from '../ledger/id.ts'
import { hashPassword } from './passwords.ts'
import { newToken } from './secrets.ts'
import { announceSessionChange } from './sessions.ts'
import { insertToken, scopesOf } from './tokens.ts'
import { findUserByEmail, insertUser } from './users.ts'

const MICROSECONDS_A_DAY = 86_400_000_000n

/**
 * Makes an operator of the book, or makes the user of that address one, with this password; audited. Returns a token
 * with every scope. An operator of all books names the book to act in with each request.
 */
export async function makeOperator(
  pool: Pool,
  book: Book,
  email: string,
  password: string,
  allBooks: boolean,
  tokenDays: number,
): Promise<string> {
  const passwordHash = await hashPassword(password)
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
      `update users set role = 'admin', all_books = $3, password_hash = $4, confirmed_at = coalesce(confirmed_at, $5),
                        closed_at = null
        where book = $1 and id = $2`,
      [book.id, user.id, allBooks, passwordHash, stamp],
    )
    const expiresAt = formatInstant((at + BigInt(tokenDays) * MICROSECONDS_A_DAY) as Instant)
    await insertToken(client, book.id, user.id, { secret, name: 'npm run admin', scopes: scopesOf('admin'), expiresAt })
    await announceSessionChange(client, book.id, user.id)
    const actor = { userId: null, tokenId: null, address: null, requestId: null }
    const detail = { email, all_books: allBooks, made: created }
    await writeAudit(client, book.id, at, newId, [{ actor, action: 'user.make_operator', objectId: user.id, detail }])
  })
  return secret
}
