import { setTimeout as delay } from 'node:timers/promises'
import type { Clients } from '../database/clients.ts'
import { sendNow } from '../database/coalescing_socket.ts'
import { type Client, together } from '../database/connection.ts'
import { isRaceLost, isUnavailable, isUniqueViolation, leavesOutcomeUnknown } from '../database/faults.ts'
import type { BookId, Instant, PaymentId } from '../ledger/id.ts'
import type { BeginWrite, Mint, WriteFresh, Written } from './batch.ts'
import type { PaymentRequest, Submitted } from './payment.ts'
import { asFirstAnswered, readPayments, readPaymentsByKey, type StoredPayment } from './read.ts'
import { Refused, SomeRefused, type WholeRefusal } from './refusals.ts'

export type Waiting = {
  readonly request: PaymentRequest
  readonly answer: (submitted: Submitted) => void
  readonly fail: (error: unknown) => void
}

/** How long a batch is tried again while the database is away, before its requests are told. */
const PATIENCE_MS = 5_000
const MOST_RACES = 20

/** What is known of a batch from its earlier attempts: a payment keeps its id, so that it cannot be written twice. */
type Attempts = {
  at: Instant | undefined
  readonly ids: Map<Waiting, PaymentId>
  /** A commit was sent and its answer never came: what it would have written may be there, or appear yet. */
  commitLost: boolean
  readonly givesUpAt: number
}

function firstAttempt(): Attempts {
  return { at: undefined, ids: new Map(), commitLost: false, givesUpAt: performance.now() + PATIENCE_MS }
}

/**
 * Commits one batch of one book, whole or not at all, and tells how everyone in it is to be answered then. A race lost or
 * a database that is away for a moment is tried again; where the batch itself cannot be written it is halved, until only
 * the payment that is at fault fails; unless it is to be `whole`, and then all of it fails.
 */
export async function commitBatch(
  clients: Clients,
  beginWrite: BeginWrite,
  book: BookId,
  batch: readonly Waiting[],
  tell: (answers: () => void) => void,
  whole = false,
  attempts: Attempts = firstAttempt(),
): Promise<void> {
  for (let races = 0; ; ) {
    try {
      const outcomes = await attempt(clients, beginWrite, book, batch, whole, attempts)
      tell(() => {
        for (const [index, outcome] of outcomes.entries()) batch[index]?.answer(outcome)
      })
      return
    } catch (error) {
      if ((isRaceLost(error) || isUniqueViolation(error)) && races < MOST_RACES) {
        races += 1
        continue
      }
      if (isUnavailable(error)) {
        if (performance.now() < attempts.givesUpAt) {
          await delay(50)
          continue
        }
        const refused = new Refused(attempts.commitLost ? 'outcome_unknown' : 'unavailable', { cause: error })
        for (const { fail } of batch) fail(refused)
        return
      }
      if (batch.length === 1 || whole) {
        for (const { fail } of batch) fail(error)
        return
      }
      const middle = Math.ceil(batch.length / 2)
      const atOnce = (answers: () => void) => answers()
      await commitBatch(clients, beginWrite, book, batch.slice(0, middle), atOnce, whole, { ...attempts })
      return commitBatch(clients, beginWrite, book, batch.slice(middle), tell, whole, { ...attempts })
    }
  }
}

async function attempt(
  clients: Clients,
  beginWrite: BeginWrite,
  book: BookId,
  batch: readonly Waiting[],
  whole: boolean,
  attempts: Attempts,
): Promise<Submitted[]> {
  const client = await clients.take()
  let broken: Error | undefined
  try {
    // Two trips to the database: what has to be known, then what is written together with its commit, where it has begun.
    const begun = client.query('begin')
    const finding = findMade(client, book, batch, attempts)
    const beginning = beginWrite(
      client,
      book,
      batch.map(({ request }) => request),
      attempts.at,
    )
    sendNow(client)
    await together([begun, finding, beginning])
    const writeFresh = await beginning
    const made = await finding
    let written: New
    try {
      written = writeNew(made, writeFresh, batch, whole, attempts)
    } catch (error) {
      if (!(error instanceof SomeRefused)) throw error
      // Whoever was ahead at the locks may have made some of these, with the money that is missing now; what is refused
      // comes to no unique violation that would tell. Behind the locks it can be seen.
      const madeByNow = await findMade(client, book, batch, attempts)
      if (madeByNow.size === 0) throw error
      written = writeNew(madeByNow, writeFresh, batch, whole, attempts)
    }
    const { found, fresh, payments, done } = written
    // Where a statement fails, so does the transaction: then this commit is a rollback, and `done` tells the reason.
    const committing = client.query('commit')
    committing.catch((error: unknown) => {
      attempts.commitLost ||= leavesOutcomeUnknown(error)
    })
    await together([done, committing])
    const { command } = await committing
    if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`)
    for (const [index, waiting] of fresh.entries()) {
      const payment = payments[index]
      if (!payment) throw new Error('a batch has one payment for each request')
      found.set(waiting, { submitted: { result: 'payment', payment, replayed: false }, refusal: null })
    }
    return batch.map((waiting) => found.get(waiting)?.submitted ?? { result: 'key_reused' })
  } catch (error) {
    await client.query('rollback').catch((cause: Error) => {
      broken = cause
    })
    throw error
  } finally {
    clients.give(client, broken)
  }
}

/** How a request that was made before is answered, and why none of those that are all or none with it is made, if so. */
type Made = { readonly submitted: Submitted; readonly refusal: WholeRefusal | null }

/** A repeat is answered as the first was; what became of it since is what counts for others. */
function madeBefore(stored: StoredPayment, replayed: boolean): Made {
  const refusal = stored.status === 'initiated' ? 'not_posted' : stored.declineReason
  return { submitted: { result: 'payment', payment: asFirstAnswered(stored), replayed }, refusal }
}

const KEY_REUSED: Made = { submitted: { result: 'key_reused' }, refusal: 'key_reused' }

/** What was made before, and what is new and on its way to the database. */
type New = Written & { readonly found: Map<Waiting, Made>; readonly fresh: readonly Waiting[] }

/** Writes what is not among what was found; where all is to be `whole`, throws SomeRefused before anything is written. */
function writeNew(
  found: Map<Waiting, Made>,
  writeFresh: WriteFresh,
  batch: readonly Waiting[],
  whole: boolean,
  attempts: Attempts,
): New {
  if (whole) refuseWithout(found)
  const fresh = batch.filter((waiting) => !found.has(waiting))
  if (fresh.length === 0) return { found, fresh, payments: [], done: Promise.resolve() }
  const requests = fresh.map(({ request }) => request)
  return { found, fresh, ...writeFresh(requests, mintedFor(fresh, attempts)) }
}

/**
 * All or none: what was made before is there, unless it was declined, or the key is that of another payment. One that is
 * not posted yet could still be declined: where nothing else is in the way, it may be asked again once that is known.
 */
function refuseWithout(found: ReadonlyMap<Waiting, Made>): void {
  const refused = new Map<PaymentRequest, WholeRefusal>()
  for (const [{ request }, { refusal }] of found) if (refusal !== null) refused.set(request, refusal)
  const forGood = new Map([...refused].filter(([, refusal]) => refusal !== 'not_posted'))
  if (refused.size > 0) throw new SomeRefused(forGood.size > 0 ? forGood : refused)
}

/** The ids of an earlier attempt, or where to leave those of this one. */
function mintedFor(fresh: readonly Waiting[], attempts: Attempts): Mint {
  return (at, newId) => {
    attempts.at ??= at
    const paymentIds = fresh.map((waiting) => {
      const id = attempts.ids.get(waiting) ?? newId<'payment'>()
      attempts.ids.set(waiting, id)
      return id
    })
    return { at: attempts.at, paymentIds }
  }
}

/**
 * What has been made already: by this very batch, where its commit was sent and never answered, or by an earlier
 * request with the same key.
 */
async function findMade(
  client: Client,
  book: BookId,
  batch: readonly Waiting[],
  attempts: Attempts,
): Promise<Map<Waiting, Made>> {
  const made = new Map<Waiting, Made>()
  if (attempts.commitLost) {
    const stored = await readPayments(client, book, [...attempts.ids.values()])
    for (const waiting of batch) {
      const payment = stored.get(attempts.ids.get(waiting) ?? ('' as PaymentId))
      if (payment) made.set(waiting, madeBefore(payment, false))
    }
  }
  const keyed = batch.filter((waiting) => waiting.request.key && !made.has(waiting))
  if (keyed.length === 0) return made
  const stored = await readPaymentsByKey(
    client,
    book,
    keyed.map(({ request }) => request.key?.key ?? ''),
  )
  if (stored.size === 0) return made
  for (const waiting of keyed) {
    const { key } = waiting.request
    const earlier = stored.get(key?.key ?? '')
    if (!earlier) continue
    made.set(waiting, earlier.requestHash === key?.requestHash ? madeBefore(earlier, true) : KEY_REUSED)
  }
  return made
}
