import { divideHalfEven } from '../money/rounding.ts'
import type { Exchange, FeePayer } from './payment.ts'

/** A completed payment as a refund sees it; amounts in minor units. */
export type Refundable = {
  readonly amount: bigint
  readonly fee: bigint
  readonly feePayer: FeePayer
  readonly refunded: bigint
  readonly exchange: Exchange | null
}

/** A refund's part of the original's fee, and of what its receiver got in another currency (zero where in the same). */
export type RefundShares = { readonly fee: bigint; readonly exchanged: bigint }

/**
 * What goes back with `amount` of a payment. Shares are taken of all that has been refunded up to now, so that however
 * a payment is refunded bit by bit, a whole refund returns the whole fee to the minor unit. `amount` is at most what
 * is left.
 */
export function refundShares(original: Refundable, amount: bigint): RefundShares {
  const { refunded } = original
  const partOf = (whole: bigint) =>
    divideHalfEven(whole * (refunded + amount), original.amount) - divideHalfEven(whole * refunded, original.amount)
  return { fee: partOf(original.fee), exchanged: original.exchange ? partOf(original.exchange.toAmount) : 0n }
}

/**
 * The fee of a hold that is captured in part: in proportion, rounded half-even once, and below what is captured where
 * it comes out of it, so that something arrives.
 */
export function capturedFee(held: { amount: bigint; fee: bigint; feePayer: FeePayer }, captured: bigint): bigint {
  const fee = divideHalfEven(held.fee * captured, held.amount)
  return held.feePayer === 'receiver' && fee >= captured ? captured - 1n : fee
}
