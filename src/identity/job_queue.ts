import type { Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, Instant, UserId } from '../ledger/id.ts'
import type { EmailChangeId } from './mail_tokens.ts'
import type { Notice } from './notices.ts'
import type { User } from './users.ts'

/** What is done in the background, at least once, after the transaction that asked for it has committed. */
type Jobs = {
  readonly confirmation_mail: SignUpJob
  readonly known_address_mail: SignUpJob
  /** For an address that may be nobody's: it is looked up here, so that the time of the answer tells nothing. */
  readonly resend_mail: AddressJob
  readonly reset_mail: AddressJob
  readonly email_change_mail: ChangeJob
  readonly notice_mail: Notice
  readonly webhook_disabled_mail: WebhookJob
}
export type InBook = { readonly book: BookId; readonly bookName: string }
export type UserJob = InBook & { readonly userId: UserId }
/** `silent`: mails nothing, as the address had many lately. */
export type SignUpJob = UserJob & { readonly silent: boolean }
export type AddressJob = InBook & { readonly email: string }
export type ChangeJob = UserJob & { readonly changeId: EmailChangeId; readonly side: 'old' | 'new' }

export type WebhookJob = {
  readonly book: BookId
  readonly userId: UserId
  readonly url: string
  readonly reason: 'failing' | 'gone'
}

/**
 * What goes behind all others that are due: nothing limits how many of these one user causes, and whoever signs up or has no
 * password waits for a link.
 */
const BEHIND: readonly (keyof Jobs)[] = ['notice_mail', 'webhook_disabled_mail']

/** Asks for a job in the caller's transaction. */
export async function addJob<Name extends keyof Jobs>(
  client: Queryable,
  name: Name,
  payload: Jobs[Name],
): Promise<void> {
  await client.query('select graphile_worker.add_job($1, $2::json, priority => $3::integer)', [
    name,
    JSON.stringify(payload),
    BEHIND.includes(name) ? 1 : 0,
  ])
}

/**
 * Asks for a mail that tells the user of something, in the transaction of what it tells. To an address that is not
 * confirmed nothing is told: it may be somebody else's, whose mailbox anybody could fill.
 */
export async function notifyUser(
  client: Queryable,
  at: Instant,
  { email, confirmedAt }: Pick<User, 'email' | 'confirmedAt'>,
  kind: Notice['kind'],
  detail: string | null,
): Promise<void> {
  if (confirmedAt !== null) await notify(client, at, email, kind, detail)
}

/** The same to an address that is known to be read by the user, or was until now. */
export async function notify(
  client: Queryable,
  at: Instant,
  to: string,
  kind: Notice['kind'],
  detail: string | null,
): Promise<void> {
  await addJob(client, 'notice_mail', { to, kind, at: formatInstant(at), detail })
}
