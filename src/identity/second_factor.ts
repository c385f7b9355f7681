import { randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { SecretBox } from '../database/secret_box.ts'
import type { BookId, Instant, UserId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { notifyUser } from './job_queue.ts'
import { hashSecret } from './secrets.ts'
import { dropProofs } from './tokens.ts'
import { lockUser, type User } from './users.ts'

// Time-based one-time passwords (RFC 6238: SHA-1, 6 digits, 30 s, as every app has them), and recovery codes for when
// the device is lost. Each code works once, on whichever node it arrives.

const ISSUER = 'billing-gateway'
const SECRET_BYTES = 20 // RFC 4226 §4
const STEP_MS = 30_000
/** Steps before and after the present one whose code is taken: for clocks that differ and people who type slowly. */
const DRIFT = 1
/** Codes that may be tried between two right ones in a window of this length (RFC 6238 leaves it to RFC 4226 §7.3). */
const MOST_ATTEMPTS = 5
const WINDOW = '15 minutes'
const RECOVERY_CODES = 10

/** What came of a code. `missing`: there is a second factor, and none was given. */
export type Checked = 'right' | 'missing' | 'wrong' | 'too_many'

/** What checking a code needs. */
export type SecondFactorMeans = { readonly pool: Pool; readonly secretBox: SecretBox; readonly log: Log }
type Owner = { readonly book: BookId; readonly userId: UserId }

const placeOf = ({ book, userId }: Owner) => `second factor ${book}/${userId}`

export async function hasSecondFactor(client: Queryable, { book, userId }: Owner): Promise<boolean> {
  const { rowCount } = await client.query(
    'select from second_factors where book = $1 and user_id = $2 and enrolled_at is not null',
    [book, userId],
  )
  return rowCount === 1
}

/**
 * Begins an enrolment, instead of one that was not finished: the secret, which is shown this once, and its otpauth
 * address. Why not, where the user has a second factor, or is closed by now.
 */
export async function beginEnrolment(
  { pool, secretBox }: SecondFactorMeans,
  owner: Owner,
  email: string,
): Promise<{ readonly secret: string; readonly uri: string } | 'otp_enrolled' | 'unauthenticated'> {
  const secret = new Secret({ buffer: new Uint8Array(randomBytes(SECRET_BYTES)).buffer })
  const refusal = await inTransaction(pool, async (client) => {
    // Whoever is closed or erased at this moment has no second factor left.
    if (!(await lockUser(client, owner.book, owner.userId))) return 'unauthenticated'
    const at = formatInstant(await readClock(client))
    const { rowCount } = await client.query(
      `insert into second_factors (book, user_id, secret, window_from, created_at) values ($1, $2, $3, $4, $4)
           on conflict (book, user_id) do update
          set secret = excluded.secret, last_step = 0, created_at = excluded.created_at
        where second_factors.enrolled_at is null`,
      [owner.book, owner.userId, secretBox.seal(secret.base32, placeOf(owner)), at],
    )
    return rowCount === 0 ? 'otp_enrolled' : undefined
  })
  if (refusal) return refusal
  const uri = new TOTP({ issuer: ISSUER, label: email, secret }).toString()
  return { secret: secret.base32, uri }
}

/**
 * Ends the enrolment with a first code: from now on log-ins need one. Returns recovery codes, shown this once. Proofs that
 * were given without a code count no more, but for the caller's.
 */
export async function finishEnrolment(
  means: SecondFactorMeans,
  owner: Owner,
  user: User,
  actor: Actor,
  code: string,
): Promise<readonly string[] | Exclude<Checked, 'right' | 'missing'> | undefined> {
  const attempt = await takeAttempt(means.pool, owner, false)
  if (attempt === undefined) return undefined
  if (attempt === 'too_many') return 'too_many'
  const step = stepOf(means, owner, attempt, code)
  if (step === undefined) return 'wrong'
  return inTransaction(means.pool, async (client) => {
    // Against a log-in or step-up without a code at the same moment: it is one of before, or asked for the code.
    if (!(await lockUser(client, owner.book, owner.userId))) return undefined
    const at = await readClock(client)
    const { rowCount } = await client.query(
      `update second_factors set enrolled_at = $4, last_step = $5, attempts = 0
        where book = $1 and user_id = $2 and secret = $3 and enrolled_at is null`,
      [owner.book, owner.userId, attempt.sealed, formatInstant(at), step],
    )
    if (rowCount === 0) return undefined
    await dropProofs(client, owner.book, owner.userId, actor.tokenId)
    await record(client, owner, user, actor, at, 'otp_on', 'otp.enroll')
    return writeRecoveryCodes(client, owner)
  })
}

/** Makes new recovery codes in the place of those before; undefined where there is no second factor. */
export async function renewRecoveryCodes({ pool }: SecondFactorMeans, owner: Owner, user: User, actor: Actor) {
  return inTransaction(pool, async (client) => {
    // Before the second factor, as whoever closes or erases the user locks them: the new codes refer to the user.
    if (!(await lockUser(client, owner.book, owner.userId))) return undefined
    const { rowCount } = await client.query(
      'select from second_factors where book = $1 and user_id = $2 and enrolled_at is not null for update',
      [owner.book, owner.userId],
    )
    if (rowCount === 0) return undefined
    await record(client, owner, user, actor, await readClock(client), 'recovery_codes', 'otp.renew_recovery_codes')
    return writeRecoveryCodes(client, owner)
  })
}

/** Ends the second factor, finished or not; false where there is none. */
export async function removeSecondFactor(
  { pool }: SecondFactorMeans,
  owner: Owner,
  user: User,
  actor: Actor,
): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    if (!(await deleteSecondFactor(client, owner))) return false
    await record(client, owner, user, actor, await readClock(client), 'otp_off', 'otp.remove')
    return true
  })
}

export async function deleteSecondFactor(client: Client, { book, userId }: Owner): Promise<boolean> {
  const { rowCount } = await client.query('delete from second_factors where book = $1 and user_id = $2', [book, userId])
  await client.query('delete from recovery_codes where book = $1 and user_id = $2', [book, userId])
  return rowCount === 1
}

/** Checks and uses up a code or a recovery code; right also where the user has no second factor. */
export async function checkSecondFactor(
  means: SecondFactorMeans,
  owner: Owner,
  code: string | undefined,
): Promise<Checked> {
  if (code === undefined) return (await hasSecondFactor(means.pool, owner)) ? 'missing' : 'right'
  const attempt = await takeAttempt(means.pool, owner, true)
  if (attempt === undefined) return 'right'
  if (attempt === 'too_many') return 'too_many'
  const step = stepOf(means, owner, attempt, code)
  const used =
    step === undefined ? useRecoveryCode(means.pool, owner, code, attempt.at) : useStep(means.pool, owner, step)
  return (await used) ? 'right' : 'wrong'
}

/**
 * Counts an attempt before it is made, so that many at once are no more than one after the other. Undefined where there
 * is nothing to try.
 */
async function takeAttempt(pool: Pool, { book, userId }: Owner, enrolled: boolean) {
  const at = await readClock(pool)
  const { rows } = await pool.query<{ secret: Buffer }>(
    `update second_factors
        set attempts = case when window_from < $4::timestamptz - interval '${WINDOW}' then 1 else attempts + 1 end,
            window_from = case when window_from < $4::timestamptz - interval '${WINDOW}' or attempts = 0 then $4
                               else window_from end
      where book = $1 and user_id = $2 and (enrolled_at is not null) = $3
        and (attempts < $5 or window_from < $4::timestamptz - interval '${WINDOW}')
  returning secret`,
    [book, userId, enrolled, formatInstant(at), MOST_ATTEMPTS],
  )
  if (rows[0]) return { sealed: rows[0].secret, at }
  const { rowCount } = await pool.query(
    'select from second_factors where book = $1 and user_id = $2 and (enrolled_at is not null) = $3',
    [book, userId, enrolled],
  )
  return rowCount === 0 ? undefined : 'too_many'
}

type Tried = { readonly sealed: Buffer; readonly at: Instant }

/**
 * The step whose code this is, of those that are near; undefined where it is none's, or where the key is lost that the
 * secret was sealed with: a recovery code needs none.
 */
function stepOf({ secretBox, log }: SecondFactorMeans, owner: Owner, { sealed, at }: Tried, code: string) {
  let secret: string
  try {
    secret = secretBox.open(sealed, placeOf(owner))
  } catch (error) {
    log.warn({ err: error, user: owner.userId }, 'a second factor cannot be opened')
    return undefined
  }
  const timestamp = Number(at / 1_000n)
  const totp = new TOTP({ secret: Secret.fromBase32(secret) })
  const token = bareCode(code)
  const delta = /^\d{6}$/.test(token) ? totp.validate({ token, timestamp, window: DRIFT }) : null
  return delta === null ? undefined : BigInt(Math.floor(timestamp / STEP_MS) + delta)
}

async function useStep(pool: Pool, { book, userId }: Owner, step: bigint): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update second_factors set last_step = $3, attempts = 0
      where book = $1 and user_id = $2 and enrolled_at is not null and last_step < $3`,
    [book, userId, step],
  )
  return rowCount === 1
}

async function useRecoveryCode(pool: Pool, { book, userId }: Owner, code: string, at: Instant): Promise<boolean> {
  const { rowCount } = await pool.query(
    'update recovery_codes set used_at = $4 where book = $1 and user_id = $2 and hash = $3 and used_at is null',
    [book, userId, hashSecret(bareCode(code)), formatInstant(at)],
  )
  if (rowCount !== 1) return false
  await pool.query('update second_factors set attempts = 0 where book = $1 and user_id = $2', [book, userId])
  return true
}

async function writeRecoveryCodes(client: Client, { book, userId }: Owner): Promise<readonly string[]> {
  const codes = Array.from({ length: RECOVERY_CODES }, newRecoveryCode)
  await client.query('delete from recovery_codes where book = $1 and user_id = $2', [book, userId])
  await client.query(
    'insert into recovery_codes (book, user_id, hash) select $1, $2, hash from unnest($3::bytea[]) as h (hash)',
    [book, userId, codes.map((code) => hashSecret(bareCode(code)))],
  )
  return codes
}

/** 80 random bits in base32, such as `k5ze-7w2m-q3ta-6hxd`: too many to be guessed from a hash. */
function newRecoveryCode(): string {
  const text = new Secret({ buffer: new Uint8Array(randomBytes(10)).buffer }).base32.toLowerCase()
  return text.match(/.{4}/g)?.join('-') ?? text
}

/** A code as it is compared: people add blanks and capitals, and apps show six digits as `492 039`. */
function bareCode(code: string): string {
  return code.toLowerCase().replace(/[\s-]/g, '')
}

async function record(
  client: Client,
  { book, userId }: Owner,
  user: User,
  actor: Actor,
  at: Instant,
  notice: 'otp_on' | 'otp_off' | 'recovery_codes',
  action: string,
): Promise<void> {
  await notifyUser(client, at, user, notice, null)
  await writeAudit(client, book, at, idsAt(at), [{ actor, action, objectId: userId, detail: {} }])
}
