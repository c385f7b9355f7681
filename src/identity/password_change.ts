import { type Actor, writeAudit } from '../audit/audit.ts'
import type { Book } from '../books/books.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, Instant, TokenId, UserId } from '../ledger/id.ts'
import { dropEmailChanges } from './email_change.ts'
import { addJob, notifyUser } from './job_queue.ts'
import { dropMailTokens, findMailToken, takeMailToken } from './mail_tokens.ts'
import { type PasswordProblem, passwordProblem, SHORTEST_PASSWORD } from './password_rules.ts'
import type { Passwords } from './passwords.ts'
import { type ProofRefusal, refuseCode } from './proof.ts'
import { hasSecondFactor, type SecondFactorMeans } from './second_factor.ts'
import type { Sessions } from './sessions.ts'
import { dropProofs, endTokens } from './tokens.ts'
import { confirmAddress, findUser, lockUser, type User } from './users.ts'

type Means = SecondFactorMeans & {
  readonly sessions: Sessions
  readonly passwords: Passwords
  readonly config: { readonly passwordMinLength: number }
}

/** Mails a link to set a new password to the user of that address, if there is one, a few times an hour. */
export async function forgetPassword(pool: Pool, book: Book, email: string): Promise<void> {
  await addJob(pool, 'reset_mail', { book: book.id, bookName: book.name, email })
}

/** The least length of a new password: a second factor makes a shorter one enough (NIST SP 800-63B-4 §3.1.1.2). */
export async function leastLength({ pool, config }: Means, book: BookId, userId: UserId): Promise<number> {
  return (await hasSecondFactor(pool, { book, userId })) ? SHORTEST_PASSWORD : config.passwordMinLength
}

type Reset = { readonly token: string; readonly password: string; readonly otp?: string }
/** Why a new password is refused, and how long it would have to be. */
export type NewPasswordRefusal = { readonly problem: PasswordProblem; readonly least: number }

/**
 * Sets the password of the user whom the token was mailed to, and ends all their sessions and tokens. The second factor
 * stays, and is asked for. The address counts as confirmed, as the mail was read there. Returns why not, where it did not.
 */
export async function resetPassword(
  means: Means,
  { token, password, otp }: Reset,
  from: Pick<Actor, 'address' | 'requestId'>,
): Promise<'invalid_token' | ProofRefusal | NewPasswordRefusal | undefined> {
  const { pool, sessions, passwords } = means
  const found = await findMailToken(pool, token, ['reset_password'])
  const user = found && (await findUser(pool, found.book, found.userId))
  if (!user) return 'invalid_token'
  const { book } = found
  const least = await leastLength(means, book, user.id)
  const problem = passwordProblem(password, { least, email: user.email })
  if (problem) return { least, problem }
  const refusal = await refuseCode(means, book, user, otp)
  if (refusal) return refusal
  const passwordHash = await passwords.hash(password)
  const reset = await inTransaction(pool, async (client) => {
    const taken = await takeMailToken(client, token, ['reset_password'])
    if (!taken) return false
    const { at } = taken
    await confirmAddress(client, book, user.id, at)
    await setPassword(client, book, { ...taken.user, confirmedAt: formatInstant(at) }, passwordHash, at, null)
    await endTokens(client, book, user.id, at, 'all')
    const actor = { ...from, userId: user.id, tokenId: null }
    await writeAudit(client, book, at, idsAt(at), [
      { actor, action: 'user.reset_password', objectId: user.id, detail: {} },
    ])
    return true
  })
  if (!reset) return 'invalid_token'
  sessions.forget(book, user.id)
  return undefined
}

/** Sets another password for whoever knows the present one, and ends their other sessions. Tokens for programs stay. */
export async function changePassword(
  means: Means,
  book: BookId,
  user: User,
  actor: Actor,
  { current, next }: { readonly current: string; readonly next: string },
): Promise<'invalid_credentials' | NewPasswordRefusal | undefined> {
  const { pool, sessions, passwords } = means
  if (!(await passwords.verify(current, user.passwordHash))) return 'invalid_credentials'
  const least = await leastLength(means, book, user.id)
  const problem = passwordProblem(next, { least, email: user.email })
  if (problem) return { least, problem }
  const passwordHash = await passwords.hash(next)
  const changed = await inTransaction(pool, async (client) => {
    const locked = await lockUser(client, book, user.id)
    // Somebody else was faster with a new password, and the present one is not what was checked.
    if (locked?.passwordHash !== user.passwordHash) return false
    const at = await readClock(client)
    await setPassword(client, book, locked, passwordHash, at, actor.tokenId)
    await endTokens(client, book, user.id, at, { sessionsBut: actor.tokenId })
    await writeAudit(client, book, at, idsAt(at), [
      { actor, action: 'user.change_password', objectId: user.id, detail: {} },
    ])
    return true
  })
  if (!changed) return 'invalid_credentials'
  sessions.forget(book, user.id)
  return undefined
}

/** Sets the password and cuts off what was begun with the old one: mailed links, changes of address, proofs. */
async function setPassword(
  client: Client,
  book: BookId,
  user: User,
  passwordHash: string,
  at: Instant,
  tokenId: TokenId | null,
): Promise<void> {
  await client.query('update users set password_hash = $3 where book = $1 and id = $2', [book, user.id, passwordHash])
  await dropMailTokens(client, book, user.id, at)
  await dropEmailChanges(client, book, user.id, at)
  await dropProofs(client, book, user.id, tokenId)
  await notifyUser(client, at, user, 'password', null)
}
