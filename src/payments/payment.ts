import type { AccountFacts } from '../accounts/directory.ts'
import type { AuditEntry } from '../audit/audit.ts'
import type { AccountId, BookId, Instant, PaymentId, QuoteId, ScheduleId, UserId } from '../ledger/id.ts'
import type { Capture, DeclineReason, FeePayer, PaymentKind, PaymentStatus } from '../ledger/payment.ts'
import type { RefundShares } from '../ledger/shares.ts'
import type { Currency } from '../money/currency.ts'

/** A payment as it was asked for, checked and complete: from here only the ledger can refuse it. */
export type PaymentRequest = {
  readonly book: BookId
  readonly kind: PaymentKind
  readonly from: AccountFacts
  readonly to: AccountFacts
  readonly currency: Currency
  /** Minor units of `currency`. */
  readonly amount: bigint
  /** Null: what the fee schedules say at the moment at which it is made (fees.ts). */
  readonly fee: bigint | null
  readonly feePayer: FeePayer
  /** Where the fee goes: `internal` in that currency. */
  readonly feeAccount: AccountFacts
  readonly terms: RequestTerms
  readonly description: string | null
  readonly metadata: Readonly<Record<string, string>>
  /** Whose token asked for it; null for the gateway itself. */
  readonly madeBy: UserId | null
  readonly key: IdempotencyKey | null
  /** Written in the transaction of the payment, where an operator made it. */
  readonly audit: AuditEntry | null
}

/** A request whose fee is known. */
export type PricedRequest = PaymentRequest & { readonly fee: bigint }

/** What is particular about a request: most are plain. */
export type RequestTerms =
  | { readonly type: 'plain' }
  /** Held until somebody captures it, or until then; null: a week from when it is made. */
  | { readonly type: 'hold'; readonly expiresAt: Instant | null }
  /** Held until its rail has an answer, which is told of it once this is committed. */
  | { readonly type: 'rail'; readonly rail: string; readonly instruct: Instruct | null }
  | { readonly type: 'exchange'; readonly quote: QuoteId; readonly exchange: RequestedExchange }
  | { readonly type: 'refund'; readonly of: PaymentId; readonly exchange: RequestedExchange | null }
  /** Posted as a plain one, for an occurrence of a schedule that fell due then. */
  | { readonly type: 'scheduled'; readonly by: ScheduleId; readonly dueAt: string }

/** The other currency of a conversion, with the two `exchange` accounts between: in the payment's currency, and in the other. */
export type RequestedExchange = {
  readonly rate: string
  readonly outOf: AccountFacts
  readonly into: AccountFacts
  /** What arrives; while the fee is not known, what the whole amount comes to. */
  readonly toAmount: bigint
}

/** What the rail is told of a payment: the destination is sealed for the payment that it belongs to. */
export type Instruct = {
  readonly direction: 'in' | 'out'
  readonly sealedFor: (id: PaymentId) => Buffer | null
  /** The destination as it may be shown. */
  readonly shown: string | null
  /** Its rail is a bank that takes and gives files: it waits to be collected into one, and nobody is told of it. */
  readonly byFiles: boolean
}

export const PLAIN: RequestTerms = { type: 'plain' }

/** Digests (in the form of a UUID) of who asked with which key, and of what was asked. */
export type IdempotencyKey = { readonly key: string; readonly requestHash: string }

/** What moves in the other currency of a conversion; of a refund, what goes back. Minor units of `toCurrency`. */
export type PaymentExchange = {
  /** Units of `toCurrency` for one of the payment's currency, a decimal number as it was quoted. */
  readonly rate: string
  readonly toCurrency: Currency
  readonly toAmount: bigint
}

/** A payment as it stands in the books. Times in RFC 3339 UTC, amounts in minor units of `currency`. */
export type Payment = {
  readonly id: PaymentId
  readonly kind: PaymentKind
  readonly status: PaymentStatus
  readonly declineReason: DeclineReason | null
  readonly failureReason: string | null
  readonly from: AccountId
  readonly to: AccountId
  readonly currency: Currency
  readonly amount: bigint
  readonly fee: bigint
  readonly feePayer: FeePayer
  /** What was asked for, where the payment was held first. */
  readonly authorizedAmount: bigint | null
  readonly authorizedFee: bigint | null
  readonly exchange: PaymentExchange | null
  readonly refundedAmount: bigint
  readonly refundOf: PaymentId | null
  readonly capture: Capture
  readonly expiresAt: string | null
  readonly rail: string | null
  readonly railReference: string | null
  readonly description: string | null
  readonly metadata: Readonly<Record<string, string>>
  readonly scheduleId: ScheduleId | null
  readonly scheduledFor: string | null
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

/** What a fresh payment's writer knows of it beyond its request. `shares` are a posted refund's, which its request could not know. */
export type FreshState = Pick<
  Payment,
  'id' | 'status' | 'declineReason' | 'expiresAt' | 'createdAt' | 'completedAt' | 'updatedAt'
> & { readonly shares: RefundShares | null }

/** A fresh payment from its request. */
export function paymentOf(request: PricedRequest, state: FreshState): Payment {
  const { kind, from, to, currency, amount, feePayer, terms, description, metadata } = request
  const isHeld = terms.type === 'hold' || terms.type === 'rail'
  const fee = state.shares?.fee ?? request.fee
  return {
    id: state.id,
    kind,
    status: state.status,
    declineReason: state.declineReason,
    failureReason: null,
    from: from.id,
    to: to.id,
    currency,
    amount,
    fee,
    feePayer,
    authorizedAmount: isHeld ? amount : null,
    authorizedFee: isHeld ? fee : null,
    exchange: exchangeOf(terms, state.shares),
    refundedAmount: 0n,
    refundOf: terms.type === 'refund' ? terms.of : null,
    capture: terms.type === 'hold' ? 'manual' : 'automatic',
    expiresAt: state.expiresAt,
    rail: terms.type === 'rail' ? terms.rail : null,
    railReference: null,
    description,
    metadata,
    scheduleId: terms.type === 'scheduled' ? terms.by : null,
    scheduledFor: terms.type === 'scheduled' ? terms.dueAt : null,
    sender: from.label,
    receiver: to.label,
    createdAt: state.createdAt,
    completedAt: state.completedAt,
    updatedAt: state.updatedAt,
  }
}

function exchangeOf(terms: RequestTerms, shares: RefundShares | null): PaymentExchange | null {
  if (terms.type !== 'exchange' && terms.type !== 'refund') return null
  const { exchange } = terms
  if (!exchange) return null
  const toAmount = terms.type === 'exchange' ? exchange.toAmount : (shares?.exchanged ?? 0n)
  return { rate: exchange.rate, toCurrency: exchange.into.currency, toAmount }
}
