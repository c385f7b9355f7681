import { changeWithUser } from '../accounts/change.ts'
import { takeAccountsTurn } from '../accounts/turn.ts'
import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { AccountId, BookId, UserId } from '../ledger/id.ts'
import { dropEmailChanges } from './email_change.ts'
import { notifyUser } from './job_queue.ts'
import { dropMailTokens } from './mail_tokens.ts'
import { isLastOperator } from './operators.ts'
import { type Proven, refuseStale, type StaleProof } from './proof.ts'
import { deleteSecondFactor } from './second_factor.ts'
import type { Sessions } from './sessions.ts'
import { endTokens } from './tokens.ts'
import { lockUser, type User } from './users.ts'

/** Why a user stays: money is left, something of theirs is frozen, or nobody would be left to operate the book. */
export type ClosingRefusal = 'balance_not_zero' | 'account_frozen' | 'last_operator'

/**
 * Closes a user who has just proven to be it, for good, with all their accounts, where every one of them is at zero and
 * holds nothing; ends all their tokens. The books keep them and their address, which cannot sign up again: nobody else
 * becomes `sender` of their payments, and a welcome bonus is given once. Where it is refused, why.
 */
export async function closeUser(
  { pool, sessions }: { readonly pool: Pool; readonly sessions: Sessions },
  book: BookId,
  proven: Proven,
  actor: Actor,
): Promise<ClosingRefusal | 'user_frozen' | StaleProof | undefined> {
  const userId = proven.user.id
  const refusal = await inTransaction(pool, async (client) => {
    await takeAccountsTurn(client, book, userId)
    if (await isLastOperator(client, book, userId)) return 'last_operator'
    // Against opening an account at the same time (holdUser).
    const user = await lockUser(client, book, userId)
    if (!user) return undefined
    if (user.frozen !== null) return 'user_frozen'
    const stale = await refuseStale(client, book, user, proven)
    if (stale) return stale
    const refused = await closeWithin(client, book, user, actor)
    if (refused === undefined) await notifyUser(client, await readClock(client), user, 'closed', null)
    return refused
  })
  if (refusal === undefined) sessions.forget(book, userId)
  return refusal
}

/**
 * The same in the caller's transaction, which has taken the turn of the user's accounts and locked the user; they are told
 * of it by the caller.
 */
export async function closeWithin(
  client: Client,
  book: BookId,
  { id: userId }: User,
  actor: Actor,
): Promise<ClosingRefusal | undefined> {
  const ids = await lockOpenAccounts(client, book, userId)
  if (typeof ids === 'string') return ids
  // Later than what was posted to them while this waited for their locks.
  const at = await readClock(client)
  for (const id of ids) await changeWithUser(client, book, at, id, { closed: true })
  await client.query('update users set closed_at = $3 where book = $1 and id = $2', [book, userId, formatInstant(at)])
  await endTokens(client, book, userId, at, 'all')
  await dropMailTokens(client, book, userId, at)
  await dropEmailChanges(client, book, userId, at)
  await deleteSecondFactor(client, { book, userId })
  const detail = { accounts: ids.length }
  await writeAudit(client, book, at, idsAt(at), [{ actor, action: 'user.close', objectId: userId, detail }])
  return undefined
}

/** Locks the user's accounts that are not closed, in the order of ids; why they cannot be closed, where one cannot. */
async function lockOpenAccounts(client: Client, book: BookId, userId: UserId): Promise<AccountId[] | ClosingRefusal> {
  const { rows } = await client.query<{ id: AccountId; empty: boolean; frozen: boolean }>(
    `select id, balance = 0 and held = 0 as empty, status = 'frozen' as frozen from accounts
      where book = $1 and user_id = $2 and status <> 'closed'
      order by id
        for no key update`,
    [book, userId],
  )
  if (rows.some(({ frozen }) => frozen)) return 'account_frozen'
  return rows.every(({ empty }) => empty) ? rows.map(({ id }) => id) : 'balance_not_zero'
}
