import { type Runner, run } from 'graphile-worker'
import type { Pool, Queryable } from '../database/connection.ts'
import { silent } from '../database/jobs_log.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import type { SendMail } from './mail.ts'
import { hashSecret, newMailToken } from './secrets.ts'
import { findUser } from './users.ts'

/** What is done in the background, at least once, after the transaction that asked for it has committed. */
type Jobs = {
  readonly confirmation_mail: UserJob
  readonly known_address_mail: UserJob
  readonly webhook_disabled_mail: WebhookJob
}
type UserJob = { readonly book: BookId; readonly bookName: string; readonly userId: UserId }
type WebhookJob = {
  readonly book: BookId
  readonly userId: UserId
  readonly url: string
  readonly reason: 'failing' | 'gone'
}

/** Asks for a job in the caller's transaction. */
export async function addJob<Name extends keyof Jobs>(
  client: Queryable,
  name: Name,
  payload: Jobs[Name],
): Promise<void> {
  await client.query('select graphile_worker.add_job($1, $2::json)', [name, JSON.stringify(payload)])
}

type Options = { readonly pool: Pool; readonly sendMail: SendMail; readonly publicUrl: () => string; readonly log: Log }

/** Runs jobs on this node until it is stopped. A job that fails is logged and tried again later, ever more slowly. */
export async function runJobs(options: Options): Promise<Runner> {
  const runner = await run({
    pgPool: options.pool,
    concurrency: 2,
    pollInterval: 1_000,
    noHandleSignals: true,
    logger: silent,
    taskList: {
      confirmation_mail: (payload) => sendConfirmation(options, payload as UserJob),
      known_address_mail: (payload) => sendKnownAddress(options, payload as UserJob),
      webhook_disabled_mail: (payload) => sendWebhookDisabled(options, payload as WebhookJob),
    },
  })
  runner.events.on('job:error', ({ job, error }) => {
    options.log.warn({ err: error, job: job.task_identifier, attempt: job.attempts }, 'a job failed')
  })
  return runner
}

/** How long the link in a confirmation mail works. */
const CONFIRMATION_HOURS = 24

/** The token is made here and not when the mail was asked for, so that no table ever holds it. */
async function sendConfirmation({ pool, sendMail, publicUrl }: Options, job: UserJob): Promise<void> {
  const user = await findUser(pool, job.book, job.userId)
  if (!user || user.confirmedAt !== null) return
  const token = newMailToken(job.bookName)
  await pool.query(
    `insert into mail_tokens (book, hash, user_id, purpose, expires_at)
     values ($1, $2, $3, 'confirm_email', clock_timestamp() + make_interval(hours => $4))`,
    [job.book, hashSecret(token), job.userId, CONFIRMATION_HOURS],
  )
  await sendMail({
    to: user.email,
    subject: 'Confirm your e-mail address',
    text: [
      'Welcome. Please confirm that this address is yours by opening',
      '',
      `${publicUrl()}/confirm?token=${token}`,
      '',
      `The link works once, within ${CONFIRMATION_HOURS} hours. If you did not sign up, ignore this mail.`,
    ].join('\n'),
  })
}

async function sendKnownAddress({ pool, sendMail }: Options, job: UserJob): Promise<void> {
  const user = await findUser(pool, job.book, job.userId)
  if (!user) return
  await sendMail({
    to: user.email,
    subject: 'You already have an account',
    text: [
      'Somebody, perhaps you, tried to sign up with this address, which has an account already.',
      'You can log in with it. If it was not you, there is nothing to do.',
    ].join('\n'),
  })
}

const WHY_DISABLED = {
  failing: 'It has not taken an event for three days.',
  gone: 'It answered 410 Gone, which says that it wants no more.',
}

async function sendWebhookDisabled({ pool, sendMail }: Options, job: WebhookJob): Promise<void> {
  const user = await findUser(pool, job.book, job.userId)
  if (!user) return
  await sendMail({
    to: user.email,
    subject: 'A webhook of yours is disabled',
    text: [
      'Events are no longer sent to',
      '',
      job.url,
      '',
      WHY_DISABLED[job.reason],
      'What it missed is kept: enable it again, and ask for everything since that time.',
    ].join('\n'),
  })
}
