import type { Aside } from '../audit/aside.ts'
import { type Actor, writeAudit, writeAuditOfSomebody } from '../audit/audit.ts'
import type { Book } from '../books/books.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { ownField } from '../database/personal_fields.ts'
import type { BookId, Instant, UserId } from '../ledger/id.ts'
import { notifyUser } from './job_queue.ts'
import type { LoginNotice } from './notices.ts'
import type { Passwords } from './passwords.ts'
import { holdProven, type Proof, type ProofRefusal, provenUntil, refuseProof } from './proof.ts'
import { scopesOf } from './roles.ts'
import type { SecondFactorMeans } from './second_factor.ts'
import { newToken } from './secrets.ts'
import { insertToken, type Token } from './tokens.ts'
import { findUserByEmail, type User } from './users.ts'

export type LogInRules = {
  readonly tokenDays: number
  readonly stepUpMinutes: number
  readonly loginNotice: LoginNotice
}

const MICROSECONDS_A_DAY = 86_400_000_000n

type Means = SecondFactorMeans & {
  readonly passwords: Passwords
  readonly config: LogInRules
  readonly aside: Aside
}
type Attempt = Proof & { readonly email: string | undefined; readonly name: string } & Pick<Actor, 'requestId'> & {
    readonly address: string
  }
export type LoggedIn = { readonly secret: string; readonly token: Token; readonly expiresAt: string }

/** A new session of whoever proves to be the user of that address; where they do not, why. */
export async function logIn(means: Means, book: Book | undefined, attempt: Attempt): Promise<LoggedIn | ProofRefusal> {
  const { pool, config } = means
  const { email, name, address, requestId } = attempt
  if (!book) {
    // As much work as for a user that is there.
    await means.passwords.verify(attempt.password, null)
    return 'invalid_credentials'
  }
  const user = email === undefined ? undefined : await findUserByEmail(pool, book.id, email)
  const refusal = await refuseProof(means, book.id, user, attempt)
  if (refusal || !user) {
    const why = refusal ?? 'invalid_credentials'
    noteRefusal(means, book.id, user, attempt, why)
    return why
  }
  return inTransaction(pool, async (client) => {
    // A new password that was set meanwhile ended every session: this one would be one more of the old password.
    const held = await holdProven(client, book.id, { user, otp: attempt.otp })
    if (typeof held === 'string') return held
    const at = await readClock(client)
    if (await isTold(client, config.loginNotice, book.id, user.id, address)) {
      await notifyUser(client, at, held, 'log_in', `from ${address}, as '${name}'`)
    }
    const secret = newToken(book.name)
    const expiresAt = formatInstant((at + BigInt(config.tokenDays) * MICROSECONDS_A_DAY) as Instant)
    const session = { address, provenUntil: provenUntil(at, config.stepUpMinutes) }
    const scopes = scopesOf(held.role)
    const token = await insertToken(client, book.id, user.id, { secret, name, scopes, expiresAt, session })
    const actor = { userId: user.id, tokenId: token.id, address, requestId }
    const entry = { actor, action: 'user.log_in', objectId: user.id, detail: { name } }
    await writeAudit(client, book.id, at, idsAt(at), [entry])
    return { secret, token, expiresAt }
  })
}

/** Whoever tries somebody's log-in is in the audit log; as much is done for an address that is nobody's. */
function noteRefusal(
  { pool, aside }: Means,
  book: BookId,
  user: User | undefined,
  { address, requestId }: Attempt,
  why: ProofRefusal,
): void {
  const actor = { userId: null, tokenId: null, address, requestId }
  aside.write(writeAuditOfSomebody(pool, book, { actor, action: 'user.refuse_log_in', detail: { why } }, user?.id))
}

/** Sessions among which an address is looked for: a program that logs in every minute has half a million in a year. */
const MOST_COMPARED = 1_000

/** Whether a log-in from there is told. The first one is not, as it follows a mail to the address. Index: tokens_by_user. */
async function isTold(client: Client, rule: LoginNotice, book: BookId, userId: UserId, address: string) {
  if (rule === 'never') return false
  const { rows } = await client.query<{ any: boolean; from_there: boolean }>(
    `select exists (select from tokens t where t.book = $1 and t.user_id = $2 and t.kind = 'session') as any,
            $4 and exists (select from (select * from tokens t where t.book = $1 and t.user_id = $2
                                         order by t.id desc limit ${MOST_COMPARED}) t
                            where t.kind = 'session' and ${ownField('t', 'address')} = $3) as from_there`,
    [book, userId, address, rule === 'new_address'],
  )
  return rows[0]?.any === true && !rows[0].from_there
}
