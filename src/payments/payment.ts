import type { AccountFacts } from '../accounts/directory.ts'
import type { AuditEntry } from '../audit/audit.ts'
import type { AccountId, BookId, PaymentId, UserId } from '../ledger/id.ts'
import type { DeclineReason, FeePayer, PaymentKind, PaymentStatus } from '../ledger/payment.ts'
import type { Currency } from '../money/currency.ts'

/** A payment as it was asked for, checked and complete: from here only the ledger can refuse it. */
export type PaymentRequest = {
  readonly book: BookId
  readonly kind: PaymentKind
  readonly from: AccountFacts
  readonly to: AccountFacts
  /** Minor units of the currency of `from`. */
  readonly amount: bigint
  readonly fee: bigint
  readonly feePayer: FeePayer
  /** Where the fee goes: `internal` in that currency. */
  readonly feeAccount: AccountFacts
  readonly description: string | null
  readonly metadata: Readonly<Record<string, string>>
  /** Whose token asked for it; null for the gateway itself. */
  readonly madeBy: UserId | null
  readonly key: IdempotencyKey | null
  /** Written in the transaction of the payment, where an operator made it. */
  readonly audit: AuditEntry | null
}

/** Digests (in the form of a UUID) of who asked with which key, and of what was asked. */
export type IdempotencyKey = { readonly key: string; readonly requestHash: string }

/** A payment as it stands in the books. Times in RFC 3339 UTC, amounts in minor units of `currency`. */
export type Payment = {
  readonly id: PaymentId
  readonly kind: PaymentKind
  readonly status: PaymentStatus
  readonly declineReason: DeclineReason | null
  readonly from: AccountId
  readonly to: AccountId
  readonly currency: Currency
  readonly amount: bigint
  readonly fee: bigint
  readonly feePayer: FeePayer
  readonly refundedAmount: bigint
  readonly refundOf: PaymentId | null
  readonly capture: 'automatic' | 'manual'
  readonly expiresAt: string | null
  readonly rail: string | null
  readonly railReference: string | null
  readonly description: string | null
  readonly metadata: Readonly<Record<string, string>>
  readonly sender: string
  readonly receiver: string
  readonly createdAt: string
  readonly completedAt: string | null
  readonly updatedAt: string
}

/** What became of a request: a payment, made now or by an earlier request with the same key; or that key was used for another. */
export type Submitted =
  | { readonly result: 'payment'; readonly payment: Payment; readonly replayed: boolean }
  | { readonly result: 'key_reused' }

/** A fresh payment from its request; `status` and times are the caller's. */
export function paymentOf(
  request: PaymentRequest,
  state: Pick<Payment, 'id' | 'status' | 'declineReason' | 'createdAt' | 'completedAt' | 'updatedAt'>,
): Payment {
  const { kind, from, to, amount, fee, feePayer, description, metadata } = request
  return {
    id: state.id,
    kind,
    status: state.status,
    declineReason: state.declineReason,
    from: from.id,
    to: to.id,
    currency: from.currency,
    amount,
    fee,
    feePayer,
    refundedAmount: 0n,
    refundOf: null,
    capture: 'automatic',
    expiresAt: null,
    rail: null,
    railReference: null,
    description,
    metadata,
    sender: from.label,
    receiver: to.label,
    createdAt: state.createdAt,
    completedAt: state.completedAt,
    updatedAt: state.updatedAt,
  }
}
