import { changeWithUser } from '../accounts/change.ts'
import { takeAccountsTurn } from '../accounts/turn.ts'
import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import type { Freeze } from '../ledger/account.ts'
import type { AccountId, BookId, Instant, UserId } from '../ledger/id.ts'
import { dropEmailChanges } from './email_change.ts'
import { isOperatorNoMore, lockOperators } from './operators.ts'
import { ROLES, type Role } from './roles.ts'
import { announceSessionChange, type Sessions } from './sessions.ts'
import { endTokens } from './tokens.ts'
import { lockUser, type User } from './users.ts'

// What operators do to users. None of it to oneself, and never so that a book is left without an operator. To whoever may
// act or see in all books, who is a user of one, only those do it who may act in all.

export type OversightRefusal = 'not_found' | 'not_yourself' | 'forbidden' | 'last_operator' | 'email_unconfirmed'
export type Overseen<T> =
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly refusal: OversightRefusal }

/** Who asks, for what and why. */
export type Order = {
  readonly book: BookId
  readonly id: UserId
  readonly actor: Actor
  /** Whether the actor may act in every book. */
  readonly allBooks: boolean
  readonly reason: string
}

type Means = { readonly pool: Pool; readonly sessions: Sessions }

/**
 * Freezes a user, or lets them move money again (null): each of their accounts, those that are opened later never, as a
 * frozen user opens none. Their tokens may still read. A change of address that is under way is dropped.
 */
export function freezeUser(means: Means, order: Order, freeze: Freeze | null): Promise<Overseen<User>> {
  return oversee(means, order, freeze !== null, async (client, user) => {
    if (user.frozen === freeze) return user
    const { book, id, actor, reason } = order
    await client.query('update users set frozen = $3 where book = $1 and id = $2', [book, id, freeze])
    const accounts = await lockAccountsOf(client, book, id)
    // Later than what was posted to them while this waited for their locks.
    const at = await readClock(client)
    for (const account of accounts) await changeWithUser(client, book, at, account, { frozenWithUser: freeze })
    if (freeze !== null) await dropEmailChanges(client, book, id, at)
    await announceSessionChange(client, book, id)
    const detail = { reason, before: user.frozen, after: freeze, accounts: accounts.length }
    const action = freeze === null ? 'user.unfreeze' : 'user.freeze'
    await writeAudit(client, book, at, idsAt(at), [{ actor, action, objectId: id, detail }])
    return { ...user, frozen: freeze }
  })
}

/**
 * Gives a user another role. What the role does not allow, their tokens do not any more (identity/roles.ts). More than they
 * have is for whoever has confirmed the address: until then it may be anybody who signed up with it.
 */
export function changeRole(means: Means, order: Order, role: Role): Promise<Overseen<User>> {
  return oversee(means, order, role !== 'admin', async (client, user, at) => {
    if (user.role === role) return user
    const { book, id, actor, reason } = order
    if (isMore(role, user.role) && user.confirmedAt === null) return 'email_unconfirmed'
    const allBooks = user.allBooks && role !== 'user'
    await client.query('update users set role = $3, all_books = $4 where book = $1 and id = $2', [
      ...[book, id, role, allBooks],
    ])
    await announceSessionChange(client, book, id)
    const detail = { reason, before: user.role, after: role }
    await writeAudit(client, book, at, idsAt(at), [{ actor, action: 'user.change_role', objectId: id, detail }])
    return { ...user, role, allBooks }
  })
}

/** Ends all of a user's sessions and tokens. How many there were. */
export function endTokensOf(means: Means, order: Order): Promise<Overseen<number>> {
  return oversee(means, order, false, async (client, _user, at) => {
    const { book, id, actor, reason } = order
    const ended = await endTokens(client, book, id, at, 'all')
    const detail = { reason, ended }
    await writeAudit(client, book, at, idsAt(at), [{ actor, action: 'user.end_tokens', objectId: id, detail }])
    return ended
  })
}

/** Does it in a transaction that holds the user, and with `takesAway` all operators, against each other. */
async function oversee<T extends User | number>(
  { pool, sessions }: Means,
  { book, id, actor, allBooks }: Order,
  takesAway: boolean,
  work: (client: Client, user: User, at: Instant) => Promise<T | OversightRefusal>,
): Promise<Overseen<T>> {
  const done = await inTransaction(pool, async (client): Promise<Overseen<T>> => {
    await takeAccountsTurn(client, book, id)
    const operators = await lockOperators(client, book)
    const user = await lockUser(client, book, id)
    if (!user) return { ok: false, refusal: 'not_found' }
    if (user.id === actor.userId) return { ok: false, refusal: 'not_yourself' }
    if (await isOperatorNoMore(client, book, actor, operators)) return { ok: false, refusal: 'forbidden' }
    if (user.allBooks && !allBooks) return { ok: false, refusal: 'forbidden' }
    if (takesAway && operators.length === 1 && operators[0] === id) return { ok: false, refusal: 'last_operator' }
    const result = await work(client, user, await readClock(client))
    return typeof result === 'string' ? { ok: false, refusal: result } : { ok: true, result }
  })
  if (done.ok) sessions.forget(book, id)
  return done
}

function isMore(role: Role, before: Role): boolean {
  return ROLES.indexOf(role) > ROLES.indexOf(before)
}

/** Locks the user's accounts that are not closed, in the order of ids. */
async function lockAccountsOf(client: Client, book: BookId, userId: UserId): Promise<AccountId[]> {
  const { rows } = await client.query<{ id: AccountId }>(
    `select id from accounts where book = $1 and user_id = $2 and status <> 'closed' order by id for no key update`,
    [book, userId],
  )
  return rows.map(({ id }) => id)
}
