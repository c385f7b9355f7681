import type { NewId } from '../database/clock.ts'
import type { Queryable } from '../database/connection.ts'
import { writeEvents } from '../events/write.ts'
import type { BookId, Instant, PaymentId, QuoteId } from '../ledger/id.ts'
import type { Outcome, Posted } from '../ledger/post.ts'
import { type PaymentPosting, writeMovements } from './movements.ts'
import type { Payment, PaymentRequest } from './payment.ts'
import { refundedEvents, statusEvents } from './told.ts'

type PostedPayment = Pick<Payment, 'id' | 'kind' | 'status'>

/**
 * What became of payments that were posted together, whichever way they came in, beside the payments themselves: postings
 * and all that they change, and the events. Each request's payment and outcome has its place. What is sent in one with it
 * comes behind it (movements.ts).
 */
export function writeOutcomes(
  client: Queryable,
  book: BookId,
  at: Instant,
  newId: NewId,
  requests: readonly PaymentRequest[],
  payments: readonly PostedPayment[],
  posted: Posted,
): Promise<void>[] {
  return [
    writeMovements(client, book, at, newId, postingsOf(payments, posted.outcomes), {
      ...posted,
      usedQuotes: usedBy(posted, payments),
    }),
    writeEvents(client, book, at, newId, [
      ...refundedEvents(requests, posted.refunded),
      ...statusEvents(requests, payments),
    ]),
  ]
}

/** The postings of payments that were posted together, in order. */
function postingsOf(payments: readonly PostedPayment[], outcomes: readonly Outcome[]): PaymentPosting[] {
  const postings: PaymentPosting[] = []
  for (const [index, { id, kind }] of payments.entries()) {
    const outcome = outcomes[index]
    if (outcome?.status !== 'completed') continue
    for (const posting of outcome.postings) postings.push({ paymentId: id, paymentKind: kind, posting })
  }
  return postings
}

/** The quotes that were used up, each with its payment. */
function usedBy(
  { usedQuotes }: Pick<Posted, 'usedQuotes'>,
  payments: readonly PostedPayment[],
): Map<QuoteId, PaymentId> {
  const used = new Map<QuoteId, PaymentId>()
  for (const [quote, index] of usedQuotes) {
    const id = payments[index]?.id
    if (id) used.set(quote, id)
  }
  return used
}
