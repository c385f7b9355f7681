import type { AccountFacts } from '../accounts/directory.ts'
import { type AuditEntry, writeAudit } from '../audit/audit.ts'
import { idsAt, type NewId, readClock } from '../database/clock.ts'
import { type Queryable, together } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { type NewEvent, writeEvents } from '../events/write.ts'
import type { AccountId, BookId, Instant, PaymentId } from '../ledger/id.ts'
import type { Order } from '../ledger/payment.ts'
import { type Outcome, post } from '../ledger/post.ts'
import { addToTechnicalAccounts, type Locked, lockAccounts, type PaymentPosting, writeMovements } from './movements.ts'
import { type Payment, type PaymentRequest, paymentOf } from './payment.ts'

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
 * together.
 */
export type BeginWrite = (client: Queryable, book: BookId, requests: readonly PaymentRequest[]) => Promise<WriteFresh>
export type WriteFresh = (fresh: readonly PaymentRequest[], mint: Mint) => Written

/** Ids for a batch that is tried once. */
export const mintOnce =
  (count: number): Mint =>
  (at, newId) => ({ at, paymentIds: Array.from({ length: count }, () => newId<'payment'>()) })

/** Posts requests that are known to be new, inside the caller's transaction. */
export async function postRequests(
  client: Queryable,
  book: BookId,
  requests: readonly PaymentRequest[],
): Promise<readonly Payment[]> {
  const write = await beginPosting(client, book, requests)
  const { payments, done } = write(requests, mintOnce(requests.length))
  await done
  return payments
}

/**
 * Posts requests of one book (ledger.md, Posting, steps 1 to 4): afterwards each is completed or declined, with its
 * postings and events.
 */
export const beginPosting: BeginWrite = async (client, book, requests) => {
  const locked = await lockAccounts(client, book, factsOf(requests))
  return (fresh, mint) => writePosted(client, book, fresh, locked, mint)
}

function writePosted(
  client: Queryable,
  book: BookId,
  requests: readonly PaymentRequest[],
  locked: Locked,
  mint: Mint,
): Written {
  const { at } = locked
  const newId = idsAt(at)
  const minted = mint(at, newId)
  const { outcomes, balances, deltas } = post(requests.map(toOrder), locked.accounts)
  const createdAt = formatInstant(minted.at)
  const postedAt = formatInstant(at)
  const payments: Payment[] = []
  const postings: PaymentPosting[] = []
  for (const [index, request] of requests.entries()) {
    const id = minted.paymentIds[index]
    const outcome = outcomes[index]
    if (!id || !outcome) throw new Error('a batch has one id and one outcome for each payment')
    payments.push(paymentOf(request, { id, createdAt, ...settled(outcome, postedAt) }))
    if (outcome.status !== 'completed') continue
    for (const posting of outcome.postings) postings.push({ paymentId: id, paymentKind: request.kind, posting })
  }
  const done = together([
    insertPayments(client, book, requests, payments, false),
    writeMovements(client, book, at, newId, postings, balances),
    writeEvents(client, book, at, newId, payments.map(eventOf)),
    writeAudit(client, book, at, newId, auditOf(requests, payments)),
    addToTechnicalAccounts(client, book, at, deltas),
  ])
  return { payments, done }
}

/** Stores requests of one book as `initiated`; a worker posts them once the transaction has committed. */
export const beginInitiating: BeginWrite = async (client, book) => {
  const at = await readClock(client)
  return (fresh, mint) => writeInitiated(client, book, fresh, at, mint)
}

function writeInitiated(
  client: Queryable,
  book: BookId,
  requests: readonly PaymentRequest[],
  at: Instant,
  mint: Mint,
): Written {
  const newId = idsAt(at)
  const minted = mint(at, newId)
  const createdAt = formatInstant(minted.at)
  const state = {
    status: 'initiated',
    declineReason: null,
    createdAt,
    completedAt: null,
    updatedAt: createdAt,
  } as const
  const payments = requests.map((request, index) => {
    const id = minted.paymentIds[index]
    if (!id) throw new Error('a batch has one id for each payment')
    return paymentOf(request, { id, ...state })
  })
  const done = together([
    insertPayments(client, book, requests, payments, true),
    client.query({
      name: 'write-initiated',
      text: `insert into initiated (book, payment_id, attempt_at) select $1, v, $2 from unnest($3::uuid[]) as v`,
      values: [book, formatInstant(at), payments.map(({ id }) => id)],
    }),
    writeEvents(client, book, at, newId, payments.map(eventOf)),
    writeAudit(client, book, at, newId, auditOf(requests, payments)),
  ])
  return { payments, done }
}

function eventOf({ id, status }: Payment): NewEvent {
  return { type: `payment.${status}`, objectId: id }
}

/** The audit lines of what operators asked for, with the payment that it came to. */
function auditOf(requests: readonly PaymentRequest[], payments: readonly Payment[]): AuditEntry[] {
  return requests.flatMap(({ audit }, index) => (audit ? [{ ...audit, objectId: payments[index]?.id ?? null }] : []))
}

/** What an outcome, known at `postedAt`, makes of a payment. */
export function settled(outcome: Outcome, postedAt: string) {
  switch (outcome.status) {
    case 'completed':
      return { status: outcome.status, declineReason: null, completedAt: postedAt, updatedAt: postedAt }
    case 'declined':
      return { status: outcome.status, declineReason: outcome.reason, completedAt: null, updatedAt: postedAt }
  }
}

function factsOf(requests: readonly PaymentRequest[]): Map<AccountId, AccountFacts> {
  const facts = new Map<AccountId, AccountFacts>()
  for (const { from, to, feeAccount } of requests) {
    facts.set(from.id, from)
    facts.set(to.id, to)
    facts.set(feeAccount.id, feeAccount)
  }
  return facts
}

export function toOrder(request: PaymentRequest): Order {
  const { from, to, amount, fee, feePayer, feeAccount } = request
  return { from: from.id, to: to.id, currency: from.currency.code, amount, fee, feePayer, feeAccount: feeAccount.id }
}

async function insertPayments(
  client: Queryable,
  book: BookId,
  requests: readonly PaymentRequest[],
  payments: readonly Payment[],
  asynchronous: boolean,
): Promise<void> {
  const { createdAt = null, updatedAt = null } = payments[0] ?? {}
  await client.query({
    name: 'write-payments',
    text: `
      insert into payments (book, created_at, updated_at, asynchronous, id, kind, status, decline_reason, from_account,
                            to_account, currency, amount, fee, fee_payer, description, metadata, made_by,
                            idempotency_key, request_hash, completed_at)
      select $1, $2, $3, $4, v.*
        from unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::uuid[], $10::uuid[], $11::text[],
                    $12::numeric[], $13::numeric[], $14::text[], $15::text[], $16::jsonb[], $17::uuid[], $18::uuid[],
                    $19::uuid[], $20::timestamptz[]) as v`,
    values: [
      book,
      createdAt,
      updatedAt,
      asynchronous,
      payments.map(({ id }) => id),
      payments.map(({ kind }) => kind),
      payments.map(({ status }) => status),
      payments.map(({ declineReason }) => declineReason),
      payments.map(({ from }) => from),
      payments.map(({ to }) => to),
      payments.map(({ currency }) => currency.code),
      payments.map(({ amount }) => amount),
      payments.map(({ fee }) => fee),
      payments.map(({ feePayer }) => feePayer),
      payments.map(({ description }) => description),
      payments.map(({ metadata }) => JSON.stringify(metadata)),
      requests.map(({ madeBy }) => madeBy),
      requests.map(({ key }) => key?.key ?? null),
      requests.map(({ key }) => key?.requestHash ?? null),
      payments.map(({ completedAt }) => completedAt),
    ],
  })
}
