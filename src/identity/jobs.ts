import { setTimeout as delay } from 'node:timers/promises'
import { type JobHelpers, type Runner, run } from 'graphile-worker'
import type { Pool } from '../database/connection.ts'
import { silent } from '../database/jobs_log.ts'
import type { Log } from '../log.ts'

import { findOpenChange } from './email_change.ts'
import { createJobLeases, type JobLeases } from './job_leases.ts'
import type { AddressJob, ChangeJob, InBook, SignUpJob, UserJob, WebhookJob } from './job_queue.ts'
import type { Mail, SendMail } from './mail.ts'
import { HOURS, hadEnoughMails, makeMailToken } from './mail_tokens.ts'
import { type Notice, noticeMail } from './notices.ts'
import { findUser, findUserByEmail, type User } from './users.ts'

type Options = {
  readonly pool: Pool
  /** For the library itself. */
  readonly jobPool: Pool
  readonly sendMail: SendMail
  readonly publicUrl: () => string
  readonly log: Log
}

/** Jobs as they run on this node. `stop` lets those under way end, or fail after a while: then another node tries again. */
export type Jobs = { readonly stop: () => Promise<void> }

const AGAIN_AFTER_MS = 1_000
/** What a mail that is under way may still take when the node stops: a mail server may be silent for ten minutes. */
const GRACE_MS = 5_000
/** As long as a statement may wait for a connection. */
const LONGEST_GOODBYE_MS = 5_000

/**
 * Runs jobs on this node until it is stopped. A job that fails is logged and tried again later, ever more slowly. The
 * library remembers for good where it could not look up its tasks, so a runner that finds no jobs for an error, or cannot
 * write down what became of one, is replaced by another.
 */
export async function runJobs(options: Options): Promise<Jobs> {
  const [stopping, cutOff] = [new AbortController(), new AbortController()]
  const sendMail: SendMail = (mail) => options.sendMail(mail, cutOff.signal)
  const leases = createJobLeases(options.pool, options.log)
  let runner: Runner | undefined
  let replacing: Promise<void> | undefined

  async function begin(): Promise<void> {
    const begun = await startRunner({ ...options, sendMail }, leases)
    runner = begun
    function giveUp(): void {
      if (runner !== begun || stopping.signal.aborted) return
      replacing ??= replace(begun).finally(() => {
        replacing = undefined
      })
    }
    begun.events.on('worker:getJob:error', giveUp)
    begun.events.on('pool:fatalError', giveUp)
  }

  async function replace(failed: Runner): Promise<void> {
    await failed.stop().catch(() => undefined)
    runner = undefined
    while (!runner && !stopping.signal.aborted) {
      await delay(AGAIN_AFTER_MS, undefined, { ref: false, signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return
      await begin().catch((error: unknown) => options.log.warn({ err: error }, 'jobs could not be started'))
    }
  }

  async function stop(): Promise<void> {
    stopping.abort()
    const grace = setTimeout(() => cutOff.abort(), GRACE_MS)
    await replacing
    await runner?.stop()
    clearTimeout(grace)
    await untilUnused(options.jobPool)
    await leases.stop()
  }
  await begin()
  return { stop }
}

/**
 * The library writes down that a job is done when it has no runner any more. A pool that is ended before would never give
 * it a connection, and the job would be done once more.
 */
async function untilUnused(pool: Pool): Promise<void> {
  const givesUpAt = performance.now() + LONGEST_GOODBYE_MS
  while ((pool.waitingCount > 0 || pool.idleCount < pool.totalCount) && performance.now() < givesUpAt) {
    await delay(10)
  }
}

async function startRunner(options: Options, leases: JobLeases): Promise<Runner> {
  const runner = await run({
    pgPool: options.jobPool,
    concurrency: 2,
    pollInterval: 1_000,
    // What became of a job is written down behind it. Without this nobody waits for that, and where the database is away
    // then its failure ends the process; with it the runner ends, and the job is another's when its lease is over.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    noHandleSignals: true,
    logger: silent,
    events: leases.eventsOfRunner(),
    taskList: {
      confirmation_mail: (payload) => confirmUser(options, payload as SignUpJob),
      known_address_mail: (payload) => sendKnownAddress(options, payload as SignUpJob),
      webhook_disabled_mail: (payload) => sendWebhookDisabled(options, payload as WebhookJob),
      resend_mail: (payload, helpers) => resend(options, payload as AddressJob, helpers),
      reset_mail: (payload, helpers) => sendReset(options, payload as AddressJob, helpers),
      email_change_mail: (payload) => sendEmailChange(options, payload as ChangeJob),
      notice_mail: (payload) => options.sendMail(noticeMail(payload as Notice)),
    },
  })
  runner.events.on('job:error', ({ job, error }) => {
    options.log.warn({ err: error, job: job.task_identifier, attempt: job.attempts }, 'a job failed')
  })
  return runner
}

/** The user whom a mail is for; undefined where their data were erased since it was asked for: they have no address. */
async function findRecipient(
  pool: Pool,
  { book, userId }: Pick<UserJob, 'book' | 'userId'>,
): Promise<User | undefined> {
  const user = await findUser(pool, book, userId)
  return user?.erasedAt === null ? user : undefined
}

async function confirmUser(options: Options, job: SignUpJob): Promise<void> {
  if (job.silent) return
  const user = await findRecipient(options.pool, job)
  if (user && user.confirmedAt === null) await sendConfirmation(options, job, user)
}

async function resend(options: Options, job: AddressJob, { job: { attempts } }: JobHelpers): Promise<void> {
  const user = await findUserByEmail(options.pool, job.book, job.email)
  if (!user || user.confirmedAt !== null || user.closedAt !== null) return
  // A mail that is tried again is no further one.
  if (attempts === 1 && (await hadEnoughMails(options.pool, job.book, user.id, 'confirm_email'))) return
  await sendConfirmation(options, job, user)
}

async function sendConfirmation({ pool, sendMail, publicUrl }: Options, job: InBook, user: User): Promise<void> {
  const token = await makeMailToken(pool, { ...job, userId: user.id, purpose: 'confirm_email' })
  await sendMail({
    to: user.email,
    subject: 'Confirm your e-mail address',
    text: [
      'Welcome. Please confirm that this address is yours by opening',
      '',
      `${publicUrl()}/confirm?token=${token}`,
      '',
      `The link works once, within ${HOURS.confirm_email} hours. If you did not sign up, ignore this mail.`,
    ].join('\n'),
  })
}

async function sendReset(options: Options, job: AddressJob, { job: { attempts } }: JobHelpers): Promise<void> {
  const { pool, sendMail, publicUrl } = options
  const user = await findUserByEmail(pool, job.book, job.email)
  if (!user || user.closedAt !== null) return
  if (attempts === 1 && (await hadEnoughMails(pool, job.book, user.id, 'reset_password'))) return
  const token = await makeMailToken(pool, { ...job, userId: user.id, purpose: 'reset_password' })
  await sendMail({
    to: user.email,
    subject: 'Set a new password',
    text: [
      'Somebody, perhaps you, asked for a new password. Set it by opening',
      '',
      `${publicUrl()}/reset-password?token=${token}`,
      '',
      'The link works once, within an hour. A new password ends every session and token.',
      'If you did not ask, ignore this mail: nothing has changed.',
    ].join('\n'),
  })
}

async function sendEmailChange({ pool, sendMail, publicUrl }: Options, job: ChangeJob): Promise<void> {
  const user = await findRecipient(pool, job)
  const change = await findOpenChange(pool, job.book, job.changeId)
  if (!user || !change) return
  if (job.side === 'new') {
    const other = await findUserByEmail(pool, job.book, change.email)
    if (other && other.id !== user.id) return sendMail(knownAddress(other))
  }
  const purpose = `change_email_${job.side}` as const
  const token = await makeMailToken(pool, { ...job, purpose, emailChangeId: job.changeId })
  const [to, why, unwanted] =
    job.side === 'old'
      ? [user.email, `asked to move this account to the address ${change.email}`, 'set a new password at once']
      : [change.email, `asked to use this address for an account`, 'ignore this mail']
  await sendMail({
    to,
    subject: 'Confirm the change of your e-mail address',
    text: [
      `Somebody, perhaps you, ${why}. Allow it by opening`,
      '',
      `${publicUrl()}/confirm?token=${token}`,
      '',
      `The change takes effect when both addresses have confirmed it, within ${HOURS[purpose]} hours.`,
      `If it was not you, ${unwanted}.`,
    ].join('\n'),
  })
}

async function sendKnownAddress({ pool, sendMail }: Options, job: SignUpJob): Promise<void> {
  if (job.silent) return
  const user = await findRecipient(pool, job)
  if (user) await sendMail(knownAddress(user))
}

function knownAddress({ email, closedAt }: User): Mail {
  const has =
    closedAt === null
      ? 'which has an account already.\nYou can log in with it, or set a new password.'
      : 'whose account was closed.\nAn address has one account only; ask whoever runs this gateway.'
  return {
    to: email,
    subject: closedAt === null ? 'You already have an account' : 'Your account was closed',
    text: `Somebody, perhaps you, tried to use this address, ${has}\nIf it was not you, there is nothing to do.`,
  }
}

const WHY_DISABLED = {
  failing: 'It has not taken an event for three days.',
  gone: 'It answered 410 Gone, which says that it wants no more.',
}

async function sendWebhookDisabled({ pool, sendMail }: Options, job: WebhookJob): Promise<void> {
  const user = await findRecipient(pool, job)
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
