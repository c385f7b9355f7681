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
