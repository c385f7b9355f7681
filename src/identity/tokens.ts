import { idsAt, readClock } from '../database/clock.ts'
import { inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, TokenId, UserId } from '../ledger/id.ts'
import { hashSecret } from './secrets.ts'
import { announceSessionChange } from './sessions.ts'

/** What a token may be used for (api.md, Identity). */
export const SCOPES = [
  'accounts:read',
  'payments:read',
  'payments:write',
  'webhooks:write',
  'tokens:write',
  'admin',
] as const
export type Scope = (typeof SCOPES)[number]

/** The scopes that a user of this role can give to a token. */
export function scopesOf(role: 'user' | 'admin'): Scope[] {
  return SCOPES.filter((scope) => scope !== 'admin' || role === 'admin')
}

export type Token = {
  readonly id: TokenId
  readonly name: string
  readonly scopes: readonly Scope[]
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
}

/** Stores a token, of which only the hash is kept. */
export async function insertToken(client: Queryable, book: BookId, userId: UserId, token: NewToken): Promise<Token> {
  const at = await readClock(client)
  const id = idsAt(at)<'token'>()
  const { secret, name, scopes, expiresAt } = token
  await client.query(
    `insert into tokens (book, id, user_id, hash, name, scopes, expires_at, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [book, id, userId, hashSecret(secret), name, scopes, expiresAt, formatInstant(at)],
  )
  return { id, name, scopes, expiresAt, lastUsedAt: null, createdAt: formatInstant(at) }
}

/** Ends a token of the user at once; false where the user has none of that id that is still good. */
export async function revokeToken(pool: Pool, book: BookId, userId: UserId, id: TokenId): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `update tokens set revoked_at = clock_timestamp()
        where book = $1 and user_id = $2 and id = $3 and revoked_at is null`,
      [book, userId, id],
    )
    if (rowCount === 0) return false
    await announceSessionChange(client, book, userId)
    return true
  })
}
