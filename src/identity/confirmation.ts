import type { Book } from '../books/books.ts'
import { inTransaction, type Pool } from '../database/connection.ts'
import type { UserId } from '../ledger/id.ts'
import { addJob } from './jobs.ts'
import { bookOfMailToken, hashSecret } from './secrets.ts'
import { announceSessionChange, type Sessions } from './sessions.ts'
import { findUserByEmail } from './users.ts'

/** Confirms the address that the token was mailed to; false where the token is unknown, used or older than a day. */
export async function confirmEmail(pool: Pool, sessions: Sessions, token: string): Promise<boolean> {
  const bookName = bookOfMailToken(token)
  if (bookName === undefined) return false
  const confirmed = await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ book: Book['id']; user_id: UserId }>(
      `update mail_tokens m
          set used_at = clock_timestamp()
         from books b
        where b.name = $1 and m.book = b.book and m.hash = $2 and m.purpose = 'confirm_email'
          and m.used_at is null and m.expires_at > clock_timestamp()
      returning m.book, m.user_id`,
      [bookName, hashSecret(token)],
    )
    const row = rows[0]
    if (!row) return undefined
    await client.query(
      'update users set confirmed_at = clock_timestamp() where book = $1 and id = $2 and confirmed_at is null',
      [row.book, row.user_id],
    )
    await announceSessionChange(client, row.book, row.user_id)
    return row
  })
  if (confirmed) sessions.forget(confirmed.book, confirmed.user_id)
  return confirmed !== undefined
}

/** Mails another confirmation link to an unconfirmed user of that address, if there is one. */
export async function resendConfirmation(pool: Pool, book: Book, email: string): Promise<void> {
  const user = await findUserByEmail(pool, book.id, email)
  if (!user || user.confirmedAt !== null) return
  await addJob(pool, 'confirmation_mail', { book: book.id, bookName: book.name, userId: user.id })
}
