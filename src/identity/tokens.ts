import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, Instant, TokenId, UserId } from '../ledger/id.ts'
import type { Scope } from './roles.ts'
import { hashSecret } from './secrets.ts'
import { announceSessionChange } from './sessions.ts'

/** `session`: made by a log-in. `token`: made by a call, for a program. */
export type TokenKind = (typeof TOKEN_KINDS)[number]
export const TOKEN_KINDS = ['session', 'token'] as const

export type Token = {
  readonly id: TokenId
  readonly kind: TokenKind
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Where a session was made from. */
  readonly address: string | null
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
  readonly createdAt: string
}

export type NewToken = {
  readonly secret: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** RFC 3339 UTC; null for a token that does not expire. */
  readonly expiresAt: string | null
  /** For a session: from where, and until when its holder counts as having just proven who they are. */
  readonly session?: { readonly address: string; readonly provenUntil: string }
}

/** Stores a token, of which only the hash is kept. */
export async function insertToken(client: Queryable, book: BookId, userId: UserId, token: NewToken): Promise<Token> {
  const at = await readClock(client)
  const id = idsAt(at)<'token'>()
  const { secret, name, scopes, expiresAt, session } = token
  const [kind, address]: [TokenKind, string | null] = session ? ['session', session.address] : ['token', null]
  await client.query(
    `insert into tokens (book, id, user_id, hash, name, scopes, expires_at, created_at, kind, address, proven_until)
     values ($1, $2, $3, $4, encrypted($1, $3, $5), $6, $7, $8, $9, encrypted($1, $3, $10), $11)`,
    [
      ...[book, id, userId, hashSecret(secret), name, scopes, expiresAt, formatInstant(at)],
      ...[kind, address, session?.provenUntil ?? null],
    ],
  )
  return { id, kind, name, scopes, address, expiresAt, lastUsedAt: null, createdAt: formatInstant(at) }
}

/** Whether the token is good at this moment, whatever a node keeps of it. */
export async function isGood(client: Queryable, book: BookId, id: TokenId): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from tokens where book = $1 and id = $2 and revoked_at is null
        and (expires_at is null or expires_at > clock_timestamp())`,
    [book, id],
  )
  return rowCount === 1
}

/**
 * Ends tokens of the user: all, or the sessions but one. Returns how many. The caller has locked the user, so that none
 * is made at the same time, and forgets the user's sessions after the commit.
 */
export async function endTokens(
  client: Client,
  book: BookId,
  userId: UserId,
  at: Instant,
  which: 'all' | { readonly sessionsBut: TokenId | null },
): Promise<number> {
  const { rowCount } = await client.query(
    `update tokens set revoked_at = $3
      where book = $1 and user_id = $2 and revoked_at is null and (expires_at is null or expires_at > $3)
        and ($4 or (kind = 'session' and id is distinct from $5))`,
    [book, userId, formatInstant(at), which === 'all', which === 'all' ? null : which.sessionsBut],
  )
  await announceSessionChange(client, book, userId)
  return rowCount ?? 0
}

/** Makes the token's holder one who has just proven who they are, until that time. */
export async function markProven(client: Queryable, book: BookId, id: TokenId, until: string): Promise<void> {
  await client.query('update tokens set proven_until = $3 where book = $1 and id = $2', [book, id, until])
}

/** Whether the token's holder has proven who they are lately. Asks the database: a node keeps nothing of it. */
export async function isProven(client: Queryable, book: BookId, id: TokenId): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from tokens
      where book = $1 and id = $2 and revoked_at is null and proven_until > clock_timestamp()`,
    [book, id],
  )
  return rowCount === 1
}

/** Lets the proofs of all the user's tokens but one count no more. */
export async function dropProofs(client: Client, book: BookId, userId: UserId, but: TokenId | null): Promise<void> {
  await client.query(
    `update tokens set proven_until = null
      where book = $1 and user_id = $2 and proven_until is not null and id is distinct from $3`,
    [book, userId, but],
  )
}

/** Ends a token of the user at once; false where the user has none of that id that is still good. */
export async function revokeToken(
  pool: Pool,
  book: BookId,
  userId: UserId,
  id: TokenId,
  actor: Actor,
): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `update tokens set revoked_at = clock_timestamp()
        where book = $1 and user_id = $2 and id = $3 and revoked_at is null`,
      [book, userId, id],
    )
    if (rowCount === 0) return false
    const at = await readClock(client)
    await writeAudit(client, book, at, idsAt(at), [{ actor, action: 'token.revoke', objectId: id, detail: {} }])
    await announceSessionChange(client, book, userId)
    return true
  })
}
