import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, Instant } from '../ledger/id.ts'
import type { Passwords } from './passwords.ts'
import { checkSecondFactor, hasSecondFactor, type SecondFactorMeans } from './second_factor.ts'
import { markProven } from './tokens.ts'
import { findUser, holdUser, type User } from './users.ts'

export type Proof = { readonly password: string; readonly otp?: string }

/** Why somebody is not believed to be the user. */
export type ProofRefusal = 'invalid_credentials' | 'otp_required' | 'otp_invalid' | 'too_many_attempts'

const MICROSECONDS_A_MINUTE = 60_000_000n

/** A user as they were when they proved to be it, and the code that they gave. */
export type Proven = { readonly user: User; readonly otp: string | undefined }

/** Why what proved a user a moment ago would not any more. */
export type StaleProof = Extract<ProofRefusal, 'invalid_credentials' | 'otp_required'>

type PasswordMeans = SecondFactorMeans & { readonly passwords: Passwords }

/**
 * Checks the password and, where there is a second factor, a code, which is used up. Undefined where both are right. The
 * code is looked at only behind a right password. An unknown or closed user takes as long as a wrong password.
 */
export async function refuseProof(
  means: PasswordMeans,
  book: BookId,
  user: User | undefined,
  { password, otp }: Proof,
): Promise<ProofRefusal | undefined> {
  const known = user && user.closedAt === null ? user : undefined
  const verified = await means.passwords.verify(password, known?.passwordHash ?? null)
  if (!known || !verified) return 'invalid_credentials'
  return refuseCode(means, book, known, otp)
}

/** Checks the code alone, where there is a second factor. */
export async function refuseCode(
  means: SecondFactorMeans,
  book: BookId,
  user: User,
  otp: string | undefined,
): Promise<Exclude<ProofRefusal, 'invalid_credentials'> | undefined> {
  const checked = await checkSecondFactor(means, { book, userId: user.id }, otp)
  if (checked === 'right') return undefined
  return ({ missing: 'otp_required', wrong: 'otp_invalid', too_many: 'too_many_attempts' } as const)[checked]
}

/** Until when a proof that is given now is fresh, RFC 3339 UTC. */
export function provenUntil(at: Instant, minutes: number): string {
  return formatInstant((at + BigInt(minutes) * MICROSECONDS_A_MINUTE) as Instant)
}

/**
 * The user, held as they are to the end of the caller's transaction, where what proved them a moment ago still would.
 * Otherwise, why not.
 */
export async function holdProven(client: Client, book: BookId, proven: Proven): Promise<User | StaleProof> {
  const { id } = proven.user
  const held = (await holdUser(client, book, id)) && (await findUser(client, book, id))
  if (!held) return 'invalid_credentials'
  return (await refuseStale(client, book, held, proven)) ?? held
}

/**
 * Of a user whom the caller's transaction holds or has locked: a new password, or a second factor that is there since,
 * makes a proof one of the old ones. Undefined where it is as good as it was.
 */
export async function refuseStale(
  client: Client,
  book: BookId,
  held: User,
  { user, otp }: Proven,
): Promise<StaleProof | undefined> {
  if (held.passwordHash !== user.passwordHash) return 'invalid_credentials'
  if (otp === undefined && (await hasSecondFactor(client, { book, userId: held.id }))) return 'otp_required'
  return undefined
}

/** Notes that the holder of the actor's token has just proven to be the user; until when that is fresh, or why it is not. */
export async function noteProof(
  pool: Pool,
  book: BookId,
  proven: Proven,
  actor: Actor,
  minutes: number,
): Promise<{ readonly until: string } | ProofRefusal> {
  return inTransaction(pool, async (client) => {
    const held = await holdProven(client, book, proven)
    if (typeof held === 'string') return held
    const at = await readClock(client)
    const until = provenUntil(at, minutes)
    if (actor.tokenId) await markProven(client, book, actor.tokenId, until)
    const entry = { actor, action: 'user.step_up', objectId: actor.userId, detail: {} }
    await writeAudit(client, book, at, idsAt(at), [entry])
    return { until }
  })
}
