import { takeAccountsTurn } from '../accounts/turn.ts'
import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { type ClosingRefusal, closeWithin } from '../identity/closing.ts'
import { notifyUser } from '../identity/job_queue.ts'
import { isOperatorNoMore, lockOperators } from '../identity/operators.ts'
import { type Proven, refuseStale, type StaleProof } from '../identity/proof.ts'
import { announceSessionChange, type Sessions } from '../identity/sessions.ts'
import { lockUserEvenClosed, type User } from '../identity/users.ts'
import type { BookId, Instant, UserId } from '../ledger/id.ts'
import { deleteWebhooksOf } from '../webhooks/endpoint.ts'

// Erasing a user's data begins here, in one transaction: from then on there is nobody of that name and address. All else
// follows within moments (eraser.ts). What stays, and for how long, is docs/privacy.md.

/** Why nothing is erased. */
export type ErasureRefusal = ClosingRefusal | StaleProof | 'not_found' | 'not_yourself' | 'forbidden' | 'user_frozen'

type Means = { readonly pool: Pool; readonly sessions: Sessions; readonly eraser: { readonly wake: () => void } }

/** Whose data, and who asks: the user, who has just proven to be it, or an operator, of all books or one, who says why. */
type Order = {
  readonly book: BookId
  readonly id: UserId
  readonly actor: Actor
  readonly by: { readonly proven: Proven } | { readonly reason: string; readonly allBooks: boolean }
}

/**
 * Closes the user, where they are not closed yet, and begins to erase their data. Asked for again, it erases what has come
 * since. Operators do it to others only, and to one of all books who is not closed only those of all books. Where it is
 * refused, why.
 */
export async function eraseUser(means: Means, order: Order): Promise<ErasureRefusal | undefined> {
  const { book, id, actor, by } = order
  const reason = 'reason' in by ? by.reason : null
  const refusal = await inTransaction(means.pool, async (client) => {
    await takeAccountsTurn(client, book, id)
    const operators = await lockOperators(client, book)
    const user = await lockUserEvenClosed(client, book, id)
    if (!user) return 'not_found'
    if (reason !== null && actor.userId === id) return 'not_yourself'
    if (reason !== null && (await isOperatorNoMore(client, book, actor, operators))) return 'forbidden'
    if ('reason' in by && user.closedAt === null && user.allBooks && !by.allBooks) return 'forbidden'
    if (operators.length === 1 && operators[0] === id) return 'last_operator'
    if ('proven' in by && user.frozen !== null) return 'user_frozen'
    const stale = 'proven' in by && user.closedAt === null && (await refuseStale(client, book, user, by.proven))
    if (stale) return stale
    const refused = user.closedAt === null && (await closeWithin(client, book, user, actor))
    if (refused) return refused
    const at = await readClock(client)
    if (user.erasedAt === null) await notifyUser(client, at, user, 'erased', null)
    await deleteWebhooksOf(client, book, id)
    await dropIdentity(client, book, user, at)
    await announceSessionChange(client, book, id)
    // From where the user asked is theirs, too.
    const author = reason === null ? { ...actor, address: null } : actor
    const detail = reason === null ? {} : { reason }
    await writeAudit(client, book, at, idsAt(at), [{ actor: author, action: 'erasure.begin', objectId: id, detail }])
    return undefined
  })
  if (refusal !== undefined) return refusal
  means.sessions.forget(book, id)
  means.eraser.wake()
  return undefined
}

async function dropIdentity(client: Client, book: BookId, user: User, at: Instant): Promise<void> {
  const { id, erasedAt } = user
  const stamp = formatInstant(at)
  await client.query(
    `insert into erasures (book, user_id, asked_at) values ($1, $2, $3) on conflict (book, user_id) do nothing`,
    [book, id, stamp],
  )
  if (erasedAt !== null) return
  // No address has a hash as short as an id.
  await client.query(
    `update users
        set email = null, email_key = uuid_send(id), display_name = null, password_hash = null, confirmed_at = null,
            erased_at = $3
      where book = $1 and id = $2`,
    [book, id, stamp],
  )
}
