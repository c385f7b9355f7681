import { type Actor, writeAudit } from '../audit/audit.ts'
import type { Book } from '../books/books.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { isUniqueViolation } from '../database/faults.ts'
import { formatInstant } from '../database/instant.ts'
import { ownField } from '../database/personal_fields.ts'
import type { BookId, Instant, UserId } from '../ledger/id.ts'
import { emailKey } from './email.ts'
import { addJob, notify } from './job_queue.ts'
import { dropMailTokens, type EmailChangeId, HOURS, takeMailToken } from './mail_tokens.ts'
import { type Proven, refuseStale, type StaleProof } from './proof.ts'
import { announceSessionChange, type Sessions } from './sessions.ts'
import { findUserByEmail, lockUser } from './users.ts'

// A new address takes effect when the old and the new one have both confirmed it: neither a stolen session nor a stolen
// mailbox is enough.

/** Changes that a user may begin in an hour: each mails to an address of their choice. */
const MOST_AN_HOUR = 5
const MICROSECONDS_AN_HOUR = 3_600_000_000n

export type EmailChange = { readonly id: EmailChangeId; readonly userId: UserId; readonly email: string }

/**
 * Begins a change of address of a user who has just proven to be it, instead of one that is open, and mails to both. It
 * does the visible same for an address that is somebody's: only a mail to that address tells. Where it is refused, why:
 * an hour may have seen enough of them, or an operator has frozen the user meanwhile.
 */
export async function beginEmailChange(
  pool: Pool,
  book: Book,
  proven: Proven,
  email: string,
  actor: Actor,
): Promise<StaleProof | 'user_frozen' | 'too_many_attempts' | undefined> {
  const userId = proven.user.id
  return inTransaction(pool, async (client) => {
    const user = await lockUser(client, book.id, userId)
    if (!user) return 'invalid_credentials'
    if (user.frozen !== null) return 'user_frozen'
    const stale = await refuseStale(client, book.id, user, proven)
    if (stale) return stale
    const at = await readClock(client)
    if (await hadEnoughChanges(client, book.id, userId, at)) return 'too_many_attempts'
    await dropEmailChanges(client, book.id, userId, at)
    const newId = idsAt(at)
    const changeId: EmailChangeId = newId<'email_change'>()
    const expiresAt = (at + BigInt(HOURS.change_email_new) * MICROSECONDS_AN_HOUR) as Instant
    await client.query(
      `insert into email_changes (book, id, user_id, email, expires_at, created_at)
       values ($1, $2, $3, encrypted($1, $3, $4), $5, $6)`,
      [book.id, changeId, userId, email, formatInstant(expiresAt), formatInstant(at)],
    )
    for (const side of ['old', 'new'] as const) {
      await addJob(client, 'email_change_mail', { book: book.id, bookName: book.name, userId, changeId, side })
    }
    const detail = { from: user.email, to: email }
    await writeAudit(client, book.id, at, newId, [
      { actor, action: 'user.begin_email_change', objectId: userId, detail },
    ])
    return undefined
  })
}

/** The change where it is neither done, dropped nor too old. */
export async function findOpenChange(
  client: Queryable,
  book: BookId,
  id: EmailChangeId,
): Promise<EmailChange | undefined> {
  const { rows } = await client.query<{ user_id: UserId; email: string }>(
    `select c.user_id, ${ownField('c', 'email')} as email from email_changes c
      where c.book = $1 and c.id = $2 and c.done_at is null and c.dropped_at is null and c.expires_at > clock_timestamp()`,
    [book, id],
  )
  return rows[0] && { id, userId: rows[0].user_id, email: rows[0].email }
}

/** Drops what changes of address are open, in the caller's transaction. */
export async function dropEmailChanges(client: Client, book: BookId, userId: UserId, at: Instant): Promise<void> {
  await client.query(
    `update email_changes set dropped_at = $3
      where book = $1 and user_id = $2 and done_at is null and dropped_at is null`,
    [book, userId, formatInstant(at)],
  )
}

/**
 * Notes that one of the two addresses agrees; with the second one the user has the new address. Undefined where the token
 * is unknown, used or too old, or the address has become somebody else's.
 */
export async function confirmEmailChange(
  { pool, sessions }: { readonly pool: Pool; readonly sessions: Sessions },
  token: string,
  from: Pick<Actor, 'address' | 'requestId'>,
): Promise<'waits' | 'done' | undefined> {
  try {
    const result = await inTransaction(pool, (client) => agree(client, token, from))
    if (result?.outcome === 'done') sessions.forget(result.book, result.userId)
    return result?.outcome
  } catch (error) {
    // Somebody signed up with it at the same moment.
    if (isUniqueViolation(error)) return undefined
    throw error
  }
}

async function agree(client: Client, token: string, from: Pick<Actor, 'address' | 'requestId'>) {
  const taken = await takeMailToken(client, token, ['change_email_old', 'change_email_new'])
  if (!taken?.emailChangeId) return undefined
  const { book, userId, purpose, emailChangeId, user, at } = taken
  const { rows } = await client.query<{ email: string; both: boolean }>(
    `update email_changes c
        set old_confirmed_at = case when $3 then $4 else old_confirmed_at end,
            new_confirmed_at = case when $3 then new_confirmed_at else $4 end
      where c.book = $1 and c.id = $2 and c.done_at is null and c.dropped_at is null and c.expires_at > $4
  returning ${ownField('c', 'email')} as email, old_confirmed_at is not null and new_confirmed_at is not null as both`,
    [book, emailChangeId, purpose === 'change_email_old', formatInstant(at)],
  )
  const change = rows[0]
  if (!change) return undefined
  const actor = { ...from, userId, tokenId: null }
  const detail = { side: purpose === 'change_email_old' ? 'old' : 'new' }
  const entry = { actor, action: 'user.confirm_email_change', objectId: userId, detail }
  await writeAudit(client, book, at, idsAt(at), [entry])
  if (!change.both) return { outcome: 'waits' as const, book, userId }
  const other = await findUserByEmail(client, book, change.email)
  if (other && other.id !== userId) {
    await dropEmailChanges(client, book, userId, at)
    return undefined
  }
  await moveUser(client, { book, userId, emailChangeId, at, actor, from: user.email, to: change.email })
  return { outcome: 'done' as const, book, userId }
}

type Move = {
  readonly book: BookId
  readonly userId: UserId
  readonly emailChangeId: EmailChangeId
  readonly at: Instant
  readonly actor: Actor
  readonly from: string
  readonly to: string
}

async function moveUser(client: Client, { book, userId, emailChangeId, at, actor, from, to }: Move): Promise<void> {
  const stamp = formatInstant(at)
  await client.query('update email_changes set done_at = $3 where book = $1 and id = $2', [book, emailChangeId, stamp])
  await client.query(
    `update users set email = encrypted($1, $2, $3), email_key = address_hash($4), confirmed_at = coalesce(confirmed_at, $5)
      where book = $1 and id = $2`,
    [book, userId, to, emailKey(to), stamp],
  )
  // A link that went to the old address does nothing any more.
  await dropMailTokens(client, book, userId, at)
  await announceSessionChange(client, book, userId)
  for (const address of [from, to]) await notify(client, at, address, 'email', `from ${from} to ${to}`)
  const entry = { actor, action: 'user.change_email', objectId: userId, detail: { from, to } }
  await writeAudit(client, book, at, idsAt(at), [entry])
}

async function hadEnoughChanges(client: Client, book: BookId, userId: UserId, at: Instant): Promise<boolean> {
  const { rows } = await client.query<{ begun: bigint }>(
    `select count(*) as begun from email_changes
      where book = $1 and user_id = $2 and created_at > $3::timestamptz - interval '1 hour'`,
    [book, userId, formatInstant(at)],
  )
  return (rows[0]?.begun ?? 0n) >= MOST_AN_HOUR
}
