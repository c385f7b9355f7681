import { type AuditEntry, writeAudit } from '../audit/audit.ts'
import { uuids } from '../database/binary_arrays.ts'
import { idsAt, type NewId } from '../database/clock.ts'
import { type Queryable, together } from '../database/connection.ts'
import { inOne } from '../database/in_one.ts'
import { formatInstant } from '../database/instant.ts'
import { writeEvents } from '../events/write.ts'
import type { BookId, Instant, PaymentId } from '../ledger/id.ts'
import type { DeclineReason } from '../ledger/payment.ts'
import { type Outcome, type Posted, post } from '../ledger/post.ts'
import { type RuleKeeper, readRulesMoment } from '../rules/rules.ts'
import { lockContext, toOrder } from './context.ts'
import { priceRequests } from './fees.ts'
import { writeHolds } from './holds.ts'
import { insertPayments } from './insert.ts'
import { type NewInstruction, writeInstructions } from './instructions.ts'
import { writeOutcomes } from './outcomes.ts'
import { type Payment, type PaymentRequest, type PricedRequest, paymentOf } from './payment.ts'
import { SomeRefused } from './refusals.ts'
import { lockRuled, postRuled } from './ruled.ts'
import { statusEvents } from './told.ts'

/**
 * Gives the payments of a batch their ids and the time that these carry; a batch that is tried again keeps both, so that
 * it cannot be written twice where the outcome of a commit is unknown.
 */
export type Mint = (at: Instant, newId: NewId) => { readonly at: Instant; readonly paymentIds: readonly PaymentId[] }

/** What is written: the payments, in order, and when the database has taken all of it. */
export type Written = { readonly payments: readonly Payment[]; readonly done: Promise<unknown> }

/**
 * Begins to write requests of one book inside the caller's transaction: reads what is needed for all of them, and then
 * writes those that turned out to be new. Between the two calls nothing waits, so that the statements of each go out
 * together. `since` is the time that the payments keep from an earlier attempt, if there was one.
 */
export type BeginWrite = (
  client: Queryable,
  book: BookId,
  requests: readonly PaymentRequest[],
  since?: Instant,
) => Promise<WriteFresh>
export type WriteFresh = (fresh: readonly PaymentRequest[], mint: Mint) => Written

/** Ids for a batch that is tried once. */
export const mintOnce =
  (count: number): Mint =>
  (at, newId) => ({ at, paymentIds: Array.from({ length: count }, () => newId<'payment'>()) })

/** The time and the ids of a batch's payments, and a source of the other ids that it needs. */
type Minted = ReturnType<Mint> & { readonly newId: NewId }

function mintAt(at: Instant, mint: Mint): Minted {
  const newId = idsAt(at)
  return { ...mint(at, newId), newId }
}

/** Posts requests that are known to be new and what they cost, inside the caller's transaction. */
export async function postRequests(
  client: Queryable,
  book: BookId,
  requests: readonly PricedRequest[],
): Promise<readonly Payment[]> {
  const context = await lockContext(client, book, requests)
  const minted = mintAt(context.at, mintOnce(requests.length))
  const posted = post(requests.map(toOrder), context)
  const { payments, done } = writePosted(client, book, requests, context.at, posted, minted)
  await done
  return payments
}

/** The same of one. */
export async function postRequest(client: Queryable, request: PricedRequest): Promise<Payment> {
  const [payment] = await postRequests(client, request.book, [request])
  if (!payment) throw new Error('a payment that was posted is there')
  return payment
}

/**
 * Posts requests of one book (ledger.md, Posting, steps 1 to 4): afterwards each is completed, pending or declined, with
 * its postings and events.
 */
export function beginPosting(rules: RuleKeeper): BeginWrite {
  return beginPosted(rules, () => {})
}

/** The same, but all or none: throws SomeRefused, before anything is written, where a rule refuses one of them. */
export function beginPostingAll(rules: RuleKeeper): BeginWrite {
  return beginPosted(rules, (fresh, { outcomes }) => {
    const refused = new Map<PaymentRequest, DeclineReason>()
    for (const [index, request] of fresh.entries()) {
      const outcome = outcomes[index]
      if (outcome?.status === 'declined') refused.set(request, outcome.reason)
    }
    if (refused.size > 0) throw new SomeRefused(refused)
  })
}

/** Posts requests, unless `check` throws at what would become of them. */
function beginPosted(rules: RuleKeeper, check: (fresh: readonly PaymentRequest[], posted: Posted) => void): BeginWrite {
  return async (client, book, requests, since) => {
    const ruled = await lockRuled(client, rules, book, requests, since)
    const { at } = ruled.context
    return (fresh, mint) => {
      const minted = mintAt(at, mint)
      const priced = priceRequests(fresh, ruled.rules, minted.at)
      const posted = postRuled(priced, ruled)
      check(fresh, posted)
      return writePosted(client, book, priced, at, posted, minted)
    }
  }
}

function writePosted(
  client: Queryable,
  book: BookId,
  requests: readonly PricedRequest[],
  at: Instant,
  posted: Posted,
  minted: Minted,
): Written {
  const { newId } = minted
  const createdAt = formatInstant(minted.at)
  const postedAt = formatInstant(at)
  const payments = requests.map((request, index) => {
    const id = minted.paymentIds[index]
    const outcome = posted.outcomes[index]
    if (!id || !outcome) throw new Error('a batch has one id and one outcome for each payment')
    const expiresAt = expiryOf(request, minted.at)
    return paymentOf(request, { id, createdAt, expiresAt, ...stateOf(outcome, postedAt) })
  })
  const writing = inOne(client, (gathered) => [
    ...writeOutcomes(gathered, book, at, newId, requests, payments, posted),
    insertPayments(gathered, book, requests, payments, false),
  ])
  const done = together([
    writing,
    writeHolds(client, book, payments),
    writeInstructions(client, book, postedAt, instructionsOf(requests, payments)),
    writeAudit(client, book, at, newId, auditOf(requests, payments)),
  ])
  return { payments, done }
}

/** Stores requests of one book as `initiated`; a worker posts them once the transaction has committed. */
export function beginInitiating(rules: RuleKeeper): BeginWrite {
  return async (client, book) => {
    const moment = await readRulesMoment(client, book)
    const known = await rules.at(client, book, moment)
    return (fresh, mint) => {
      const minted = mintAt(moment.at, mint)
      return writeInitiated(client, book, priceRequests(fresh, known, minted.at), moment.at, minted)
    }
  }
}

function writeInitiated(
  client: Queryable,
  book: BookId,
  requests: readonly PricedRequest[],
  at: Instant,
  minted: Minted,
): Written {
  const { newId } = minted
  const createdAt = formatInstant(minted.at)
  const state = {
    status: 'initiated',
    declineReason: null,
    createdAt,
    completedAt: null,
    updatedAt: createdAt,
    shares: null,
  } as const
  const payments = requests.map((request, index) => {
    const id = minted.paymentIds[index]
    if (!id) throw new Error('a batch has one id for each payment')
    return paymentOf(request, { id, expiresAt: expiryOf(request, minted.at), ...state })
  })
  const writing = inOne(client, (gathered) => [
    insertPayments(gathered, book, requests, payments, true),
    gathered.query({
      name: 'write-initiated',
      text: `
        insert into initiated (book, attempt_at, payment_id, from_account, to_account)
        select $1, $2, v.*
          from (select unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::uuid[])) as v`,
      values: [
        book,
        formatInstant(at),
        uuids(payments.map(({ id }) => id)),
        uuids(payments.map(({ from }) => from)),
        uuids(payments.map(({ to }) => to)),
      ],
    }),
    writeEvents(gathered, book, at, newId, statusEvents(requests, payments)),
  ])
  const done = together([writing, writeAudit(client, book, at, newId, auditOf(requests, payments))])
  return { payments, done }
}

/** How long a hold lasts where its request does not say. */
const HOLD_LASTS = 7n * 24n * 3_600n * 1_000_000n

/** And how long money may take that was announced. */
const DEPOSIT_LASTS = 30n * 24n * 3_600n * 1_000_000n

function expiryOf({ terms, kind }: PaymentRequest, at: Instant): string | null {
  if (kind === 'deposit' && terms.type === 'rail') return formatInstant((at + DEPOSIT_LASTS) as Instant)
  if (terms.type !== 'hold') return null
  return formatInstant(terms.expiresAt ?? ((at + HOLD_LASTS) as Instant))
}

/** What rails have to be told of the payments that are pending on them. */
function instructionsOf(requests: readonly PaymentRequest[], payments: readonly Payment[]): NewInstruction[] {
  return requests.flatMap(({ terms }, index) => {
    const payment = payments[index]
    if (terms.type !== 'rail' || !terms.instruct || payment?.status !== 'pending') return []
    const { direction, shown, byFiles, sealedFor } = terms.instruct
    const account = direction === 'in' ? payment.to : payment.from
    const destination = sealedFor(payment.id)
    return [{ paymentId: payment.id, account, rail: terms.rail, direction, shown, byFiles, destination }]
  })
}

/** The audit lines of what operators asked for, with the payment that it came to. */
function auditOf(requests: readonly PaymentRequest[], payments: readonly Payment[]): AuditEntry[] {
  return requests.flatMap(({ audit }, index) => (audit ? [{ ...audit, objectId: payments[index]?.id ?? null }] : []))
}

/** What an outcome, known at `postedAt`, makes of a payment. */
function stateOf(outcome: Outcome, postedAt: string) {
  const none = { declineReason: null, completedAt: null, updatedAt: postedAt, shares: null }
  switch (outcome.status) {
    case 'completed':
      return { ...none, status: outcome.status, completedAt: postedAt, shares: outcome.shares }
    case 'pending':
      return { ...none, status: outcome.status }
    case 'declined':
      return { ...none, status: outcome.status, declineReason: outcome.reason }
  }
}
