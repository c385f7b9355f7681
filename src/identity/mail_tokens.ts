import { readClock } from '../database/clock.ts'
import type { Client, Pool, Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, Id, Instant, UserId } from '../ledger/id.ts'
import { bookOfMailToken, hashSecret, newMailToken } from './secrets.ts'
import { lockUser, type User } from './users.ts'

/** What a link in a mail is good for, once. */
export type Purpose = 'confirm_email' | 'reset_password' | 'change_email_old' | 'change_email_new'

export type EmailChangeId = Id<'email_change'>

/** How long a link works. */
export const HOURS: Record<Purpose, number> = {
  confirm_email: 24,
  reset_password: 1,
  change_email_old: 24,
  change_email_new: 24,
}

/** Mails of one purpose that a user gets in an hour, however often they are asked for. */
const MOST_AN_HOUR = 5

type Wanted = {
  readonly book: BookId
  readonly bookName: string
  readonly userId: UserId
  readonly purpose: Purpose
  readonly emailChangeId?: EmailChangeId
}

/** A new token, of which only the hash is stored. Made when the mail is written, so that no table ever holds it. */
export async function makeMailToken(pool: Pool, wanted: Wanted): Promise<string> {
  const { book, bookName, userId, purpose, emailChangeId = null } = wanted
  const token = newMailToken(bookName)
  await pool.query(
    `insert into mail_tokens (book, hash, user_id, purpose, email_change_id, expires_at)
     values ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(hours => $6))`,
    [book, hashSecret(token), userId, purpose, emailChangeId, HOURS[purpose]],
  )
  return token
}

/** Whether the user was sent as many mails of the purpose as an hour allows. */
export async function hadEnoughMails(client: Queryable, book: BookId, userId: UserId, purpose: Purpose) {
  const { rows } = await client.query<{ sent: bigint }>(
    `select count(*) as sent from mail_tokens
      where book = $1 and user_id = $2 and purpose = $3 and created_at > clock_timestamp() - interval '1 hour'`,
    [book, userId, purpose],
  )
  return (rows[0]?.sent ?? 0n) >= MOST_AN_HOUR
}

/** Whose a token is, and what for. */
export type MailToken = {
  readonly book: BookId
  readonly userId: UserId
  readonly purpose: Purpose
  readonly emailChangeId: EmailChangeId | null
}

type Row = { book: BookId; user_id: UserId; purpose: Purpose; email_change_id: EmailChangeId | null }

/** The token where it is good now, and stays so; undefined where it is unknown, used or too old. */
export async function findMailToken(
  client: Queryable,
  token: string,
  purposes: readonly Purpose[],
): Promise<MailToken | undefined> {
  const { rows } = await client.query<Row>(
    `select m.book, m.user_id, m.purpose, m.email_change_id from mail_tokens m join books b on b.book = m.book
      where b.name = $1 and m.hash = $2 and m.purpose = any($3) and m.used_at is null and m.expires_at > clock_timestamp()`,
    [bookOfMailToken(token) ?? '', hashSecret(token), purposes],
  )
  const row = rows[0]
  return row && { book: row.book, userId: row.user_id, purpose: row.purpose, emailChangeId: row.email_change_id }
}

/**
 * Uses the token up, in the caller's transaction, and gives it with its user, who is locked first, as by whoever drops
 * tokens: of several at once, one gets it. Undefined where it is good no more, or the user is closed.
 */
export async function takeMailToken(
  client: Client,
  token: string,
  purposes: readonly Purpose[],
): Promise<(MailToken & { readonly user: User; readonly at: Instant }) | undefined> {
  const found = await findMailToken(client, token, purposes)
  const user = found && (await lockUser(client, found.book, found.userId))
  if (!user) return undefined
  const at = await readClock(client)
  const { rowCount } = await client.query(
    `update mail_tokens set used_at = $3
      where book = $1 and hash = $2 and used_at is null and expires_at > $3`,
    [found.book, hashSecret(token), formatInstant(at)],
  )
  return rowCount === 1 ? { ...found, user, at } : undefined
}

/** Makes every link that was mailed to the user useless, but those that only confirm the address. */
export async function dropMailTokens(client: Client, book: BookId, userId: UserId, at: Instant): Promise<void> {
  await client.query(
    `update mail_tokens set used_at = $3
      where book = $1 and user_id = $2 and used_at is null and purpose <> 'confirm_email'`,
    [book, userId, formatInstant(at)],
  )
}
