import { createDirectory } from './accounts/directory.ts'
import { createAside } from './audit/aside.ts'
import { createBooks, ensureMainBook, ensureTechnicalAccounts } from './books/books.ts'
import type { Config } from './config.ts'
import { type Connection, createJobPool, createPool, type Pool } from './database/connection.ts'
import { warnOfLoss } from './database/durability.ts'
import { createLookout, type Lookout } from './database/lookout.ts'
import { BATCHES_AT_ONCE, NODE_CONNECTIONS } from './database/node_connections.ts'
import { openSecretBox, type SecretBox } from './database/secret_box.ts'
import { createEvents } from './events/events.ts'
import { createKeySweeper } from './http/idempotency.ts'
import { presentEvent } from './http/present.ts'
import { runJobs } from './identity/jobs.ts'
import { createMailer } from './identity/mail.ts'
import { createPasswords } from './identity/passwords.ts'
import { createSessions } from './identity/sessions.ts'
import { createSignUp } from './identity/signup.ts'
import { createLimiter } from './limits/limiter.ts'
import type { Log } from './log.ts'
import { beginInitiating, beginPosting, beginPostingAll } from './payments/batch.ts'
import type { QueueOptions } from './payments/batch_queue.ts'
import { createExpiry } from './payments/expiry.ts'
import { createIntake } from './payments/intake.ts'
import { createPoster } from './payments/poster.ts'
import { createWatch } from './payments/watch.ts'
import { createWorker } from './payments/worker.ts'
import { createEraser } from './privacy/eraser.ts'
import { createRails } from './rails/rails.ts'
import { createFileReader } from './rails/wire/file_reader.ts'
import { createRateFileReader } from './rates/file_reader.ts'
import { createTotalsKeeper } from './reports/keep_totals.ts'
import { createRuleKeeper, type RuleKeeper } from './rules/rules.ts'
import { createScheduler } from './schedules/due.ts'
import { openSealKey } from './seal/keys.ts'
import { createSealer } from './seal/sealer.ts'
import { addressRules } from './webhooks/address.ts'
import { createCourier } from './webhooks/courier.ts'
import { createDispatch } from './webhooks/dispatch.ts'
import { createForgetting } from './webhooks/forget.ts'
import { createSender } from './webhooks/send.ts'

/** Everything that the API stands on, wired by hand. `publicUrl` is asked when a mail is written. */
export type Gateway = Awaited<ReturnType<typeof createGateway>>

export async function createGateway(connection: Connection, config: Config, publicUrl: () => string, log: Log) {
  const pools = createPools(connection, config)
  try {
    await warnOfLoss(pools.pool, log)
    return await wire(pools, config, publicUrl, log)
  } catch (error) {
    // No process ends before its connections.
    await endPools(pools)
    throw error
  }
}

async function wire(pools: Pools, config: Config, publicUrl: () => string, log: Log) {
  const { pool, posting, deciding, tokenPool, sealing, jobPool, eventPool } = pools
  const { secretBox, sealKey, passwords } = openSecrets(config)
  await ensureMainBook(pool, [...config.currencies.values()], NOBODY)
  await ensureTechnicalAccounts(pool)

  const lookout = createLookout(sealing, log)
  const aside = createAside(log)
  const directory = createDirectory(posting)
  const books = createBooks(pool)
  const intake = createIntake(pool, directory)
  const rules = createRuleKeeper(config.fees)
  const events = createEvents(eventPool, log, config.eventDays)
  const posters = createPosters(posting, rules, config.mostWaiting, events.feed.wake)
  const watch = createWatch(pool, log)
  const tell: typeof watch.tell = (finals) => {
    watch.tell(finals)
    events.feed.wake()
  }
  const worker = createWorker({ pool: posting, lookout, directory, rules, log, tell })
  const expiry = createExpiry({ pool: deciding, lookout, directory, log, tell })
  const scheduler = createScheduler({ pool: posting, lookout, directory, intake, rules, log, tell })
  const sessions = createSessions(tokenPool, books, log, directory)
  const limiter = createLimiter(pool, log)
  const settling = { pool: deciding, lookout, directory, intake, books, secretBox, log, tell }
  const railParts = createRails(config, publicUrl, settling)
  const { signUp } = createSignUp({ pool, passwords, directory, intake, welcome: config.welcome })
  const sendMail = createMailer({ smtpUrl: config.smtpUrl, from: config.mailFrom, folder: config.mailFolder })
  const sealer = createSealer({ pool: sealing, lookout, key: sealKey, log })
  const [keySweeper, eraser] = [createKeySweeper(pool, log), createEraser(pool, lookout, log)]
  const jobs = await runJobs({ pool, jobPool, sendMail, publicUrl, log })
  const { webhookRules, courier, forgetting } = createWebhooks(config, { pool, lookout, events, secretBox, log })
  const totals = createTotalsKeeper({ pool, log })

  lookout.begin()

  /** Finishes what was accepted, then lets go of everything, in reverse. */
  async function stop(): Promise<void> {
    await lookout.stop()
    await Promise.all(Object.values(posters).map((each) => each.drain()))
    await Promise.all([railParts.stopRails(), expiry.stop(), scheduler.stop()])
    await Promise.all([courier, forgetting].map((each) => each.stop()))
    await worker.stop()
    watch.stop()
    await Promise.all([sessions, totals, keySweeper, eraser, aside].map((each) => each.stop()))
    limiter.stop()
    await jobs.stop()
    await sealer.stop()
    await events.stop()
    await endPools(pools)
  }

  return {
    pool,
    deciding,
    directory,
    books,
    intake,
    rules,
    ...posters,
    watch,
    events,
    worker,
    scheduler,
    ...railParts,
    sessions,
    limiter,
    aside,
    passwords,
    signUp,
    eraser,
    secretBox,
    totals,
    ...{ fileReader: createFileReader(), rateFileReader: createRateFileReader() },
    webhookRules,
    config,
    log,
    stop,
  }
}

function openSecrets(config: Config) {
  return {
    secretBox: openSecretBox(config),
    sealKey: openSealKey(config),
    passwords: createPasswords(config.passwordCost),
  }
}

function createPools(connection: Connection, { databaseConnections }: Config) {
  return {
    pool: createPool(connection, databaseConnections, 'billing-gateway', 'inOrder'),
    // Batches have connections of their own, so that no list keeps them waiting, and tokens too, which all need; nobody who
    // makes tokens up keeps a batch waiting.
    posting: createPool(connection, NODE_CONNECTIONS.posting, 'billing-gateway posting', 'byKey'),
    // What posts or ends one payment at a time: captures, cancels, approvals, reports of rails. Each keeps its connection
    // while it waits for an account, so a burst of them would keep batches waiting.
    deciding: createPool(connection, NODE_CONNECTIONS.deciding, 'billing-gateway deciding', 'byKey'),
    tokenPool: createPool(connection, NODE_CONNECTIONS.tokens, 'billing-gateway tokens', 'byKey'),
    // What nobody waits for: sealing, and looking for work. Both by index: what is new is at the end of a day's events,
    // and a scan reads all of them to find that nothing is.
    sealing: createPool(connection, NODE_CONNECTIONS.sealing, 'billing-gateway sealing', 'byKey'),
    eventPool: createPool(connection, NODE_CONNECTIONS.events, 'billing-gateway events', 'byKey'),
    jobPool: createJobPool(connection, NODE_CONNECTIONS.jobs),
  }
}

type Pools = ReturnType<typeof createPools>

async function endPools(pools: Pools): Promise<void> {
  await Promise.all(Object.values(pools).map((each) => each.end()))
}

function createPosters(pool: Pool, rules: RuleKeeper, mostWaiting: number, onBatch: QueueOptions['onBatch']) {
  const options = { slots: BATCHES_AT_ONCE, largestBatch: LARGEST_BATCH, mostWaiting, onBatch }
  return {
    poster: createPoster(pool, beginPosting(rules), options),
    initiator: createPoster(pool, beginInitiating(rules), { ...options, slots: 1 }),
    // Payments that are posted all or none are a batch of their own.
    whole: createPoster(pool, beginPostingAll(rules), { ...options, slots: 1, whole: true }),
  }
}

type WebhookParts = {
  readonly pool: Pool
  readonly lookout: Lookout
  readonly events: ReturnType<typeof createEvents>
  readonly secretBox: SecretBox
  readonly log: Log
}

function createWebhooks({ webhooks }: Config, { pool, lookout, events, secretBox, log }: WebhookParts) {
  const { allowPrivate, timeoutMs, retriesMs, logDays } = webhooks
  const webhookRules = addressRules(allowPrivate)
  const send = createSender({ rules: webhookRules, timeoutMs })
  const dispatch = createDispatch(events.pool, presentEvent)
  const courier = createCourier({ pool, lookout, secretBox, send, retriesMs, timeoutMs, dispatch, log })
  const forgetting = createForgetting({ pool, keepDays: logDays, log })
  return { webhookRules, courier, forgetting }
}

/** While so many batches are written, the next are read and worked out: with more, or larger ones, cores are idle. */
const LARGEST_BATCH = 300

/** Whoever does what nobody asked for: the gateway itself. */
export const NOBODY = { userId: null, tokenId: null, address: null, requestId: null }
