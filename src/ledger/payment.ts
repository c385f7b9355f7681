import type { AccountId } from './id.ts'

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
  'currency_mismatch',
  'quote_expired',
  'refund_exceeds_payment',
  'limit_exceeded',
  'insufficient_funds',
] as const
export type DeclineReason = (typeof DECLINE_REASONS)[number]

export const FEE_PAYERS = ['sender', 'receiver'] as const
export type FeePayer = (typeof FEE_PAYERS)[number]

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
}

/** What the receiver gets: the fee is inside the amount unless the sender pays it on top (ledger.md, Payments). */
export function netAmount(order: Pick<Order, 'amount' | 'fee' | 'feePayer'>): bigint {
  return order.feePayer === 'sender' ? order.amount : order.amount - order.fee
}

/** Whether nothing can happen to a payment of this status any more (a refund is a payment of its own). */
export function isFinal(status: PaymentStatus): boolean {
  return status !== 'initiated' && status !== 'pending'
}
