import { type Actor, writeAudit } from '../audit/audit.ts'
import type { Book } from '../books/books.ts'
import { idsAt } from '../database/clock.ts'
import { inTransaction, type Pool } from '../database/connection.ts'
import { addJob } from './job_queue.ts'
import { takeMailToken } from './mail_tokens.ts'
import { announceSessionChange, type Sessions } from './sessions.ts'
import { confirmAddress } from './users.ts'

/** Confirms the address that the token was mailed to; false where the token is unknown, used or older than a day. */
export async function confirmEmail(
  { pool, sessions }: { readonly pool: Pool; readonly sessions: Sessions },
  token: string,
  from: Pick<Actor, 'address' | 'requestId'>,
): Promise<boolean> {
  const confirmed = await inTransaction(pool, async (client) => {
    const taken = await takeMailToken(client, token, ['confirm_email'])
    if (!taken) return undefined
    await confirmAddress(client, taken.book, taken.userId, taken.at)
    await announceSessionChange(client, taken.book, taken.userId)
    const { book, userId, at } = taken
    const actor = { ...from, userId, tokenId: null }
    const entry = { actor, action: 'user.confirm_email', objectId: userId, detail: {} }
    await writeAudit(client, book, at, idsAt(at), [entry])
    return taken
  })
  if (confirmed) sessions.forget(confirmed.book, confirmed.userId)
  return confirmed !== undefined
}

/** Mails another confirmation link to an unconfirmed user of that address, if there is one, a few times an hour. */
export async function resendConfirmation(pool: Pool, book: Book, email: string): Promise<void> {
  await addJob(pool, 'resend_mail', { book: book.id, bookName: book.name, email })
}
