import type { AccountId, PaymentId, QuoteId } from './id.ts'
import type { MeterId } from './meters.ts'

export const PAYMENT_KINDS = [
  'transfer',
  'deposit',
  'withdrawal',
  'conversion',
  'refund',
  'bonus',
  'adjustment',
] as const
export type PaymentKind = (typeof PAYMENT_KINDS)[number]

export const PAYMENT_STATUSES = [
  'initiated',
  'pending',
  'completed',
  'declined',
  'canceled',
  'failed',
  'expired',
] as const
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number]

/** Why a rule said no, in the order in which the first that holds is given (ledger.md, Payments). */
export const DECLINE_REASONS = [
  'same_account',
  'account_closed',
  'account_frozen',
  'currency_closed',
  'currency_mismatch',
  'quote_expired',
  'refund_exceeds_payment',
  'limit_exceeded',
  'insufficient_funds',
] as const
export type DeclineReason = (typeof DECLINE_REASONS)[number]

export const FEE_PAYERS = ['sender', 'receiver'] as const
export type FeePayer = (typeof FEE_PAYERS)[number]

export const CAPTURES = ['automatic', 'manual'] as const
export type Capture = (typeof CAPTURES)[number]

/** What was asked for, as the posting core sees it. Amount and fee in minor units of `currency`; the fee fits into the amount. */
export type Order = {
  readonly from: AccountId
  readonly to: AccountId
  readonly currency: string
  readonly amount: bigint
  readonly fee: bigint
  readonly feePayer: FeePayer
  /** Where the fee goes: `internal` in the order's currency. */
  readonly feeAccount: AccountId
  readonly terms: Terms
  /** The limits that it counts against, where there are any. */
  readonly meters?: readonly MeterId[]
  /** Whether it also posts in a currency that is closed, as what pays out of it, gives back or puts right does. */
  readonly inClosed: boolean
}

/** What is particular about an order. */
export type Terms =
  | { readonly type: 'plain' }
  /** Posted later: until then the money is held. */
  | { readonly type: 'hold' }
  | ({ readonly type: 'exchange'; readonly quote: QuoteId } & Exchange)
  /** From who was paid back to who paid; `amount` counts in what was paid, the fee is worked out from the original. */
  | { readonly type: 'refund'; readonly of: PaymentId }

/** The other currency of a conversion: what its receiver gets there, and the two `exchange` accounts between. */
export type Exchange = {
  /** `exchange` in the order's currency. */
  readonly outOf: AccountId
  /** `exchange` in the other one. */
  readonly into: AccountId
  readonly toCurrency: string
  readonly toAmount: bigint
}

export const PLAIN: Terms = { type: 'plain' }

type Priced = Pick<Order, 'amount' | 'fee' | 'feePayer'>

/** What the receiver gets: the fee is inside the amount unless the sender pays it on top (ledger.md, Payments). */
export function netAmount(order: Priced): bigint {
  return order.feePayer === 'sender' ? order.amount : order.amount - order.fee
}

/** What the sender loses, and what is held for a pending payment. */
export function totalAmount(order: Priced): bigint {
  return order.feePayer === 'sender' ? order.amount + order.fee : order.amount
}
