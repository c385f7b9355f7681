import type { DeclineReason } from '../ledger/payment.ts'
import type { PaymentRequest } from './payment.ts'

/** Why a request was not taken up at all. Nothing was accepted, unless the reason is `outcome_unknown`. */
export type RefusalReason =
  | 'overloaded' // more is waiting than can be posted soon
  | 'unavailable' // the database is away; nothing was sent to be committed
  | 'outcome_unknown' // the line was lost during the commit; the same idempotency key settles what happened

/** A request that could not be taken up; the caller may try again. A decline is no refusal: it is a payment. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly reason: RefusalReason

  constructor(reason: RefusalReason, options?: ErrorOptions) {
    super(reason, options)
    this.reason = reason
  }
}

/**
 * Why one of several that are to be posted all or none is not: a rule, its idempotency key is another payment's, or it was
 * accepted before and nobody knows yet whether a rule refuses it.
 */
export type WholeRefusal = DeclineReason | 'key_reused' | 'not_posted'

/** Of payments that are to be posted all or none, some are refused: nothing was written. */
export class SomeRefused extends Error {
  override readonly name = 'SomeRefused'
  readonly refused: ReadonlyMap<PaymentRequest, WholeRefusal>

  constructor(refused: ReadonlyMap<PaymentRequest, WholeRefusal>) {
    super('some of the payments were refused')
    this.refused = refused
  }
}
