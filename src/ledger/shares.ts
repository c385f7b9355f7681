import { divideHalfEven, divideUp } from '../money/rounding.ts'
import type { Exchange, FeePayer } from './payment.ts'

/** A completed payment as a refund sees it; amounts in minor units. */
export type Refundable = {
  readonly amount: bigint
  readonly fee: bigint
  readonly feePayer: FeePayer
  readonly refunded: bigint
  /** What its refunds up to now have given back of what it was exchanged for; zero where it was not. */
  readonly givenBack: bigint
  readonly exchange: Exchange | null
}

/** A refund's part of the original's fee, and of what its receiver got in another currency (zero where in the same). */
export type RefundShares = { readonly fee: bigint; readonly exchanged: bigint }

/**
 * What goes back with `amount` of a payment. Shares are taken of all that has been refunded up to now, so that however
 * a payment is refunded bit by bit, a whole refund returns the whole fee to the minor unit. What was exchanged is rounded
 * up: rounded down, the house would pay what its receiver keeps. Of it goes back what has not yet, so that a whole refund
 * is exact whichever way earlier parts were rounded. `amount` is at most what is left.
 */
export function refundShares(original: Refundable, amount: bigint): RefundShares {
  const { refunded, fee, exchange } = original
  const returned = (upTo: bigint) => divideHalfEven(fee * upTo, original.amount)
  const due = exchange ? divideUp(exchange.toAmount * (refunded + amount), original.amount) : 0n
  return {
    fee: returned(refunded + amount) - returned(refunded),
    exchanged: due > original.givenBack ? due - original.givenBack : 0n,
  }
}

/**
 * The fee of a hold that is captured in part: in proportion, rounded half-even once, and below what is captured where
 * it comes out of it, so that something arrives.
 */
export function capturedFee(held: { amount: bigint; fee: bigint; feePayer: FeePayer }, captured: bigint): bigint {
  const fee = divideHalfEven(held.fee * captured, held.amount)
  return held.feePayer === 'receiver' && fee >= captured ? captured - 1n : fee
}
