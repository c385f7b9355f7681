import type { NewEvent } from '../events/write.ts'
import type { PaymentId, UserId } from '../ledger/id.ts'
import type { PaymentStatus } from '../ledger/payment.ts'
import type { PaymentRequest } from './payment.ts'

// What is told of payments, to both of their sides.

/** The users who may see a payment; null for a technical account. */
export function viewersOf({ from, to }: Pick<PaymentRequest, 'from' | 'to'>): readonly (UserId | null)[] {
  return [from.userId, to.userId]
}

/** The events of payments that came to a status, in order; each request's payment has its place. */
export function statusEvents(
  requests: readonly PaymentRequest[],
  payments: readonly { readonly id: PaymentId; readonly status: PaymentStatus }[],
): NewEvent[] {
  return requests.map((request, index) => {
    const payment = payments[index]
    if (!payment) throw new Error('a batch has one payment for each request')
    return { type: `payment.${payment.status}`, objectId: payment.id, viewers: viewersOf(request) }
  })
}

/** The events of payments of which that much is refunded now, each by some of the requests: their sides are its own. */
export function refundedEvents(
  requests: readonly PaymentRequest[],
  refunded: ReadonlyMap<PaymentId, bigint>,
): NewEvent[] {
  if (refunded.size === 0) return []
  const told = new Map<PaymentId, NewEvent>()
  for (const request of requests) {
    if (request.terms.type !== 'refund') continue
    const objectId = request.terms.of
    const refundedAmount = refunded.get(objectId)
    if (refundedAmount === undefined) continue
    told.set(objectId, { type: 'payment.refunded', objectId, viewers: viewersOf(request), state: { refundedAmount } })
  }
  return [...told.values()]
}
