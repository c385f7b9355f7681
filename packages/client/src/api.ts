// Every call of the API with its types. Made by `npm run client` from the OpenAPI document, never edited by hand. A
// test fails where it is stale.
import type { ByMetadata, Filters, Page, Value } from './query.ts'

/** The stable codes of errors. */
export type ErrorCode =
  | 'account_closed'
  | 'account_frozen'
  | 'already_resolved'
  | 'amount_exceeds_hold'
  | 'approval_decided'
  | 'approval_expired'
  | 'approval_required'
  | 'balance_not_zero'
  | 'book_exists'
  | 'currency_closed'
  | 'currency_exists'
  | 'email_unconfirmed'
  | 'forbidden'
  | 'fresh_proof_required'
  | 'idempotency_key_reused'
  | 'internal'
  | 'invalid_amount'
  | 'invalid_credentials'
  | 'invalid_file'
  | 'invalid_header'
  | 'invalid_id'
  | 'invalid_query'
  | 'invalid_request'
  | 'invalid_token'
  | 'invalid_type'
  | 'invalid_value'
  | 'key_missing'
  | 'last_operator'
  | 'malformed_body'
  | 'malformed_request'
  | 'missing_field'
  | 'no_rate'
  | 'not_capturable'
  | 'not_found'
  | 'not_on_rail'
  | 'not_refundable'
  | 'not_sealed_yet'
  | 'not_yourself'
  | 'nothing_to_order'
  | 'otp_enrolled'
  | 'otp_invalid'
  | 'otp_not_enrolled'
  | 'otp_required'
  | 'outcome_unknown'
  | 'overdraft_in_use'
  | 'overloaded'
  | 'payment_not_pending'
  | 'payments_declined'
  | 'position_too_old'
  | 'rate_limited'
  | 'schedule_over'
  | 'too_large'
  | 'too_late_to_cancel'
  | 'too_many_attempts'
  | 'too_many_payments'
  | 'too_many_streams'
  | 'too_many_webhooks'
  | 'unauthenticated'
  | 'unavailable'
  | 'unknown_currency'
  | 'unknown_field'
  | 'unsupported_media_type'
  | 'upgrade_required'
  | 'user_frozen'
  | 'weak_password'
  | 'webhook_disabled'

export type Account = {
  readonly id: string
  readonly user_id: string | null
  /** What a technical account stands for. */
  readonly code: 'internal' | 'wire' | 'wallet' | 'crypto_currency' | 'exchange' | 'suspense' | null
  readonly name: string
  readonly currency: string
  /** A decimal string with exactly the currency's digits. */
  readonly balance: string
  /** A decimal string with exactly the currency's digits. */
  readonly held: string
  /** A decimal string with exactly the currency's digits. */
  readonly available: string
  /** A decimal string with exactly the currency's digits. */
  readonly overdraft_limit: string
  readonly status: 'active' | 'frozen' | 'closed'
  /** Frozen, so that no money comes in either. */
  readonly refuse_incoming: boolean
  /** Up to 50 texts of your own, by names of up to 40 characters. */
  readonly metadata: { readonly [name: string]: string }
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly updated_at: string
}

export type Approval = {
  readonly id: string
  readonly account_id: string
  readonly direction: 'debit' | 'credit'
  readonly currency: string
  readonly amount: string
  readonly reason: string
  readonly status: 'pending' | 'approved' | 'rejected' | 'expired'
  readonly requested_by: string
  readonly decided_by: string | null
  readonly payment_id: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly expires_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly decided_at: string | null
}

export type Attempt = {
  readonly number: number
  readonly url: string
  readonly request_headers: { readonly [name: string]: string }
  /** What the name stood for. */
  readonly address: string | null
  readonly answer_status: number | null
  readonly answer_headers: { readonly [name: string]: string } | null
  /** Its first 4 KiB. */
  readonly answer_body: string | null
  /** Why there is no answer. */
  readonly error: 'url_refused' | 'address_refused' | 'name_not_found' | 'connection_failed' | 'tls_failed' | 'malformed_answer' | 'timeout' | 'stopped' | null
  readonly duration_ms: number
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type AuditLine = {
  readonly id: string
  readonly actor_id: string | null
  /** Null for the operator at the machine. */
  readonly actor: string | null
  readonly token_id: string | null
  readonly action: string
  readonly object_id: string | null
  readonly detail: { readonly [name: string]: unknown }
  readonly address: string | null
  readonly request_id: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type BankEntry = {
  readonly id: string
  readonly file_id: string
  /** The IBAN of the own account. */
  readonly account: string
  readonly currency: string
  readonly direction: 'in' | 'out'
  /** A decimal string with exactly the currency's digits. */
  readonly amount: string
  /** It takes back an earlier one. */
  readonly reversal: boolean
  /** Why it came back, where it is a return. */
  readonly return_reason: string | null
  /** A day of the bank. */
  readonly booking_date: string | null
  /** A day of the bank. */
  readonly value_date: string | null
  readonly end_to_end_id: string | null
  /** The bank's own name for it. */
  readonly servicer_reference: string | null
  readonly counterparty_name: string | null
  /** Its beginning and its end. */
  readonly counterparty_account: string | null
  readonly remittance: string | null
  readonly status: 'due' | 'unmatched' | 'matched' | 'ignored' | 'suspense'
  readonly payment_id: string | null
  readonly matched_by: 'reference' | 'amount' | 'operator' | null
  readonly suspense_id: string | null
  /** Payments that it may be, the likeliest first; as they were when the file was taken. */
  readonly suggestions: readonly {
    readonly payment_id: string
    /** It is named in the movement. */
    readonly reference: boolean
    /** Its amount is that of the movement. */
    readonly amount: boolean
    /** From the payment to the movement. */
    readonly days: number | null
  }[]
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type BankFile = {
  readonly id: string
  readonly kind: 'camt.053' | 'camt.054' | 'pain.002'
  readonly version: string
  readonly message_id: string
  /** Of the file, in hexadecimal. */
  readonly sha256: string
  readonly uploaded_by: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly settled_at: string | null
  readonly statements: readonly {
    readonly statement_id: string
    /** The IBAN of the own account. */
    readonly account: string
    readonly currency: string
    /** A balance at the bank, in the books once the file was settled, as of that place in it, and by how much the bank has more. */
    readonly opening: {
      /** A decimal string with exactly the currency's digits. */
      readonly bank: string
      /** A decimal string with exactly the currency's digits. */
      readonly books: string
      /** A decimal string with exactly the currency's digits. */
      readonly difference: string
    } | null
    /** A balance at the bank, in the books once the file was settled, as of that place in it, and by how much the bank has more. */
    readonly closing: {
      /** A decimal string with exactly the currency's digits. */
      readonly bank: string
      /** A decimal string with exactly the currency's digits. */
      readonly books: string
      /** A decimal string with exactly the currency's digits. */
      readonly difference: string
    } | null
    /** Booked movements that no file had before. */
    readonly added: number
    /** Booked movements that an earlier file had, and that are not taken again. */
    readonly known: number
    /** Of those added: deposits and withdrawals that they are. */
    readonly matched: number
    /** Of those added: booked to `suspense`. */
    readonly suspense: number
    /** Of those added: waiting for an operator. */
    readonly unmatched: number
  }[]
  /** Of a pain.002: which order it answers, and what became of the payments that it rejects. */
  readonly answer: {
    readonly batch_id: string
    /** A code of ISO 20022. */
    readonly status: string | null
    /** That no answer had rejected before. */
    readonly rejected: number
    /** Of those: withdrawals that failed by it. */
    readonly failed: number
    /** Of those: what was paid or over already, and stays as it is. */
    readonly ignored: number
  } | null
}

export type BulkOutcome = {
  /** What the payment alone would have been answered with. */
  readonly status: number
  readonly payment?: Payment
  /** RFC 9457 problem details, with a stable code. */
  readonly error?: Problem
  readonly idempotent_replayed?: boolean
}

export type CollectedWireBatch = {
  readonly id: string
  /** Its name at the bank: `MsgId` and `PmtInfId`. */
  readonly message_id: string
  readonly version: '03' | '09'
  /** The IBAN of the own account that pays. */
  readonly account: string
  readonly currency: string
  readonly requested_date: string
  /** How many it has. */
  readonly payments: number
  /** A decimal string with exactly the currency's digits. */
  readonly total: string
  readonly created_by: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** Withdrawals that no bank would take, or whose destination cannot be opened, and why: they wait until an operator cancels them. */
  readonly left_out: readonly { readonly payment_id: string; readonly problem: string }[]
}

export type Currency = {
  readonly code: string
  /** Decimal digits of its minor unit. */
  readonly digits: number
  readonly status: 'open' | 'closed'
  /** RFC 3339, UTC, microseconds. */
  readonly closed_at: string | null
}

export type Delivery = {
  readonly id: string
  readonly webhook_id: string
  readonly event_id: string
  readonly event_type: string
  readonly status: 'pending' | 'succeeded' | 'failed' | 'skipped'
  readonly attempts: number
  /** RFC 3339, UTC, microseconds. */
  readonly next_attempt_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly completed_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type DeliveryWithAttempts = {
  readonly id: string
  readonly webhook_id: string
  readonly event_id: string
  readonly event_type: string
  readonly status: 'pending' | 'succeeded' | 'failed' | 'skipped'
  readonly attempts: number
  /** RFC 3339, UTC, microseconds. */
  readonly next_attempt_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly completed_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** What was signed and sent, the same each time. */
  readonly request_body: string
  /** The latest first; at most 100. */
  readonly attempt_log: readonly Attempt[]
}

export type Deposit = {
  readonly id: string
  readonly kind: 'transfer' | 'deposit' | 'withdrawal' | 'conversion' | 'refund' | 'bonus' | 'adjustment'
  readonly status: 'initiated' | 'pending' | 'completed' | 'declined' | 'canceled' | 'failed' | 'expired'
  readonly decline_reason: 'same_account' | 'account_closed' | 'account_frozen' | 'currency_closed' | 'currency_mismatch' | 'quote_expired' | 'refund_exceeds_payment' | 'limit_exceeded' | 'insufficient_funds' | null
  readonly from_account: string
  readonly to_account: string
  readonly currency: string
  /** What was asked for, or of a hold that was captured what it came to; of a refund its part of the original. A decimal string with exactly the currency's digits. */
  readonly amount: string
  /** What the house takes, of `fee_payer`; of a refund what it returns of the original’s fee, in proportion. A decimal string with exactly the currency's digits. */
  readonly fee: string
  readonly fee_payer: 'sender' | 'receiver'
  /** What the receiver gets of it: `amount`, less `fee` where the receiver pays that; before it is exchanged, if it is. Of a refund what its sender gives back; its receiver is given `fee` on top. Also told where nothing was posted. A decimal string with exactly the currency's digits. */
  readonly net_amount: string
  readonly exchange: {
    readonly rate: string
    /** A decimal string with exactly the currency's digits. */
    readonly from_amount: string
    /** A decimal string with exactly the currency's digits. */
    readonly to_amount: string
    readonly to_currency: string
  } | null
  /** The sum of the `amount` of its refunds up to now. A decimal string with exactly the currency's digits. */
  readonly refunded_amount: string
  readonly refund_of: string | null
  readonly capture: 'automatic' | 'manual'
  /** RFC 3339, UTC, microseconds. */
  readonly expires_at: string | null
  readonly rail: string | null
  readonly rail_reference: string | null
  /** Why its rail refused it. */
  readonly failure_reason: string | null
  /** What was asked for, where it was held first; `amount` is what it came to. */
  readonly authorized_amount: string | null
  readonly description: string | null
  /** Up to 50 texts of your own, by names of up to 40 characters. */
  readonly metadata: { readonly [name: string]: string }
  readonly schedule_id: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly scheduled_for: string | null
  readonly sender: string
  readonly receiver: string
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly completed_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly updated_at: string
  /** Where to send the money, while the deposit waits for it; null where its rail takes it otherwise. */
  readonly pay_to: {
    readonly name: string
    readonly iban: string
    readonly bic: string | null
    /** Has to stand in the transfer, as its reference or in its text. */
    readonly reference: string
  } | null
}

export type Event = {
  readonly id: string
  readonly type: 'payment.initiated' | 'payment.pending' | 'payment.completed' | 'payment.declined' | 'payment.canceled' | 'payment.failed' | 'payment.expired' | 'payment.refunded' | 'account.created' | 'account.frozen' | 'account.unfrozen' | 'account.closed' | 'schedule.created' | 'schedule.updated' | 'schedule.missed' | 'schedule.ended' | 'schedule.canceled' | 'webhook.disabled'
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** The place of the event in the order of all: what a stream or a list goes on from. */
  readonly position: string
  readonly data: {
    /** The payment, account, schedule or webhook as its own call shows it, and as it was then. */
    readonly object: { readonly [name: string]: unknown }
  }
}

export type FeeSchedule = {
  readonly id: string
  readonly kind: 'transfer' | 'deposit' | 'withdrawal'
  readonly currency: string
  readonly rail: 'wire' | 'wallet' | 'crypto_currency' | null
  /** From then on there is no schedule. */
  readonly ends: boolean
  /** 0 to 100, at most six decimals. */
  readonly percent: string | null
  /** A decimal string with exactly the currency's digits. */
  readonly fixed: string | null
  /** A decimal string with exactly the currency's digits. */
  readonly minimum: string | null
  /** A decimal string with exactly the currency's digits. */
  readonly maximum: string | null
  readonly tiers: readonly {
    /** A decimal string with exactly the currency's digits. */
    readonly from: string
    /** 0 to 100, at most six decimals. */
    readonly percent: string
    /** A decimal string with exactly the currency's digits. */
    readonly fixed: string
  }[]
  /** RFC 3339, UTC, microseconds. */
  readonly valid_from: string
  readonly made_by: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type ImportOutcome = {
  /** 201: made; 200: was there, and is as it was. */
  readonly status: number
  readonly user_id?: string
  readonly email?: string
  readonly accounts?: readonly { readonly id: string; readonly currency: string; readonly name: string }[]
  /** RFC 9457 problem details, with a stable code. */
  readonly error?: Problem
}

export type ImportedRates = {
  readonly first_day: string
  readonly last_day: string
  readonly days: number
  /** In the file. */
  readonly rates: number
  readonly added: number
  /** Were there already, and stay as they are. */
  readonly known: number
  /** Of the known ones, those that had another rate. */
  readonly different: number
}

export type ImportedUser = {
  readonly email: string
  readonly accounts?: readonly {
    readonly currency: string
    readonly name?: string
    /** A decimal string in the currency's unit, with at most the currency's digits. */
    readonly opening_balance?: string
    /** Up to 50 texts of your own, by names of up to 40 characters. */
    readonly metadata?: { readonly [name: string]: string }
  }[]
}

export type Limit = {
  readonly id: string
  readonly per: 'user' | 'account'
  readonly user_id: string | null
  readonly account_id: string | null
  readonly kind: 'transfer' | 'conversion' | 'deposit' | 'withdrawal'
  readonly currency: string
  readonly window: 'payment' | 'day' | 'month'
  readonly count: number | null
  /** A decimal string with exactly the currency's digits. */
  readonly sum: string | null
  readonly made_by: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly updated_at: string
}

export type ListedDelivery = {
  readonly id: string
  readonly webhook_id: string
  readonly event_id: string
  readonly event_type: string
  readonly status: 'pending' | 'succeeded' | 'failed' | 'skipped'
  readonly attempts: number
  /** RFC 3339, UTC, microseconds. */
  readonly next_attempt_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly completed_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  readonly last_attempt: Attempt | null
}

export type Operation = {
  readonly id: string
  readonly posting_id: string
  readonly payment_id: string
  readonly account_id: string
  readonly kind: 'transfer' | 'deposit' | 'withdrawal' | 'conversion' | 'refund' | 'bonus' | 'adjustment' | 'fee'
  /** debit: money in; credit: money out. */
  readonly direction: 'debit' | 'credit'
  /** A decimal string with exactly the currency's digits. */
  readonly amount: string
  /** A decimal string with exactly the currency's digits. */
  readonly fee: string
  /** A decimal string with exactly the currency's digits. */
  readonly balance_after: string | null
  readonly sender: string
  readonly receiver: string
  readonly currency: string
  readonly description: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type OwnLimit = {
  readonly per: 'user' | 'account'
  readonly kind: 'transfer' | 'conversion' | 'deposit' | 'withdrawal'
  readonly currency: string
  readonly window: 'payment' | 'day' | 'month'
  /** So many payments at most; null: any number. */
  readonly count: number | null
  readonly count_used: number
  readonly count_left: number | null
  /** A decimal string with exactly the currency's digits. */
  readonly sum: string | null
  /** A decimal string with exactly the currency's digits. */
  readonly sum_used: string
  /** A decimal string with exactly the currency's digits. */
  readonly sum_left: string | null
}

export type Payment = {
  readonly id: string
  readonly kind: 'transfer' | 'deposit' | 'withdrawal' | 'conversion' | 'refund' | 'bonus' | 'adjustment'
  readonly status: 'initiated' | 'pending' | 'completed' | 'declined' | 'canceled' | 'failed' | 'expired'
  readonly decline_reason: 'same_account' | 'account_closed' | 'account_frozen' | 'currency_closed' | 'currency_mismatch' | 'quote_expired' | 'refund_exceeds_payment' | 'limit_exceeded' | 'insufficient_funds' | null
  readonly from_account: string
  readonly to_account: string
  readonly currency: string
  /** What was asked for, or of a hold that was captured what it came to; of a refund its part of the original. A decimal string with exactly the currency's digits. */
  readonly amount: string
  /** What the house takes, of `fee_payer`; of a refund what it returns of the original’s fee, in proportion. A decimal string with exactly the currency's digits. */
  readonly fee: string
  readonly fee_payer: 'sender' | 'receiver'
  /** What the receiver gets of it: `amount`, less `fee` where the receiver pays that; before it is exchanged, if it is. Of a refund what its sender gives back; its receiver is given `fee` on top. Also told where nothing was posted. A decimal string with exactly the currency's digits. */
  readonly net_amount: string
  readonly exchange: {
    readonly rate: string
    /** A decimal string with exactly the currency's digits. */
    readonly from_amount: string
    /** A decimal string with exactly the currency's digits. */
    readonly to_amount: string
    readonly to_currency: string
  } | null
  /** The sum of the `amount` of its refunds up to now. A decimal string with exactly the currency's digits. */
  readonly refunded_amount: string
  readonly refund_of: string | null
  readonly capture: 'automatic' | 'manual'
  /** RFC 3339, UTC, microseconds. */
  readonly expires_at: string | null
  readonly rail: string | null
  readonly rail_reference: string | null
  /** Why its rail refused it. */
  readonly failure_reason: string | null
  /** What was asked for, where it was held first; `amount` is what it came to. */
  readonly authorized_amount: string | null
  readonly description: string | null
  /** Up to 50 texts of your own, by names of up to 40 characters. */
  readonly metadata: { readonly [name: string]: string }
  readonly schedule_id: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly scheduled_for: string | null
  readonly sender: string
  readonly receiver: string
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly completed_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly updated_at: string
}

export type Position = {
  /** RFC 3339, UTC, microseconds. */
  readonly at: string
  readonly currency: string
  /** Negative: a loss. Null where a rate is missing. */
  readonly gain: string | null
  readonly data: readonly {
    readonly currency: string
    /** What `exchange` holds; negative: owes. */
    readonly balance: string
    /** Units of the second currency for one of the first, as a decimal string. */
    readonly rate: string | null
    /** RFC 3339, UTC, microseconds. */
    readonly rate_valid_from: string | null
    /** A decimal string with exactly the currency's digits. */
    readonly value: string | null
  }[]
}

export type Problem = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly request_id?: string
  readonly errors: readonly { readonly field: string; readonly code: string; readonly detail: string }[]
}

export type Proof = {
  /** The payment and all of its postings, as they were sealed: a text of JSON. */
  readonly leaf: string
  /** What `description_hash` and `metadata_hash` in the leaf are of: SHA-256 of key and text. */
  readonly texts: {
    readonly description?: {
      /** 32 bytes in hexadecimal. */
      readonly key: string
      readonly text: string
    }
    readonly metadata?: {
      /** 32 bytes in hexadecimal. */
      readonly key: string
      readonly text: string
    }
  }
  /** 32 bytes in hexadecimal. */
  readonly nonce: string
  /** The place of the leaf in its block, from 0. */
  readonly index: number
  /** From the leaf to the root: what is hashed with it, and on which side that stands. */
  readonly path: readonly {
    readonly side: 'left' | 'right'
    /** 32 bytes in hexadecimal. */
    readonly hash: string
  }[]
  readonly block: {
    /** What is signed: a text of JSON with the root and the hash of the block before. */
    readonly header: string
    /** 32 bytes in hexadecimal. */
    readonly hash: string
    /** Ed25519 over the header, 64 bytes in hexadecimal. */
    readonly signature: string
  }
}

export type Quote = {
  readonly id: string
  readonly from_currency: string
  readonly to_currency: string
  /** A decimal string with exactly the currency's digits. */
  readonly from_amount: string
  /** A decimal string with exactly the currency's digits. */
  readonly to_amount: string
  /** Units of the second currency for one of the first, as a decimal string. */
  readonly rate: string
  /** Units of the second currency for one of the first, as a decimal string. */
  readonly mid_rate: string
  /** `ecb`, `operator`, or both. */
  readonly source: string
  /** RFC 3339, UTC, microseconds. */
  readonly rate_valid_from: string
  /** RFC 3339, UTC, microseconds. */
  readonly expires_at: string
  /** Whether a payment has used it. */
  readonly used: boolean
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type Rate = {
  readonly from_currency: string
  readonly to_currency: string
  /** Units of the second currency for one of the first, as a decimal string. */
  readonly rate: string
  /** `ecb`, `operator`, or both. */
  readonly source: string
  /** RFC 3339, UTC, microseconds. */
  readonly valid_from: string
}

export type Schedule = {
  readonly id: string
  readonly user_id: string
  readonly status: 'active' | 'paused' | 'canceled' | 'ended'
  readonly from_account: string
  readonly to_account: string
  readonly currency: string
  /** A decimal string with exactly the currency's digits. */
  readonly amount: string
  readonly fee_payer: 'sender' | 'receiver'
  readonly description: string | null
  /** Up to 50 texts of your own, by names of up to 40 characters. */
  readonly metadata: { readonly [name: string]: string }
  readonly every: 'day' | 'week' | 'month' | null
  readonly interval: number
  readonly time_zone: string
  /** RFC 3339, UTC, microseconds. */
  readonly starts_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly ends_at: string | null
  readonly count: number | null
  readonly retry_times: number
  readonly retry_every_minutes: number
  /** How many are behind it. */
  readonly occurrences: number
  /** When the next one falls due; null unless it is active. */
  readonly next_at: string | null
  /** How often that one was declined. */
  readonly attempts: number
  /** When that one is tried, or tried again. */
  readonly next_attempt_at: string | null
  readonly last_payment_id: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly updated_at: string
}

export type SealKey = {
  /** `key_id` in the header of a block. */
  readonly id: string
  /** `book` in the header of a block. */
  readonly book: number
  /** The first block of the book that it signed. */
  readonly first_block: number
  /** PEM (SPKI). */
  readonly public_key: string
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type Statement = {
  readonly account_id: string
  readonly account_name: string
  readonly holder: string
  readonly currency: string
  /** RFC 3339, UTC, microseconds. */
  readonly from: string
  /** RFC 3339, UTC, microseconds. */
  readonly to: string
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** A decimal string with exactly the currency's digits. */
  readonly opening_balance: string
  /** A decimal string with exactly the currency's digits. */
  readonly closing_balance: string
  readonly operations: readonly {
    readonly id: string
    readonly posting_id: string
    readonly payment_id: string
    readonly kind: 'transfer' | 'deposit' | 'withdrawal' | 'conversion' | 'refund' | 'bonus' | 'adjustment' | 'fee'
    /** debit: money in; credit: money out. */
    readonly direction: 'debit' | 'credit'
    /** A decimal string with exactly the currency's digits. */
    readonly amount: string
    /** A decimal string with exactly the currency's digits. */
    readonly balance_after: string
    readonly counterparty: string
    readonly description: string | null
    /** RFC 3339, UTC, microseconds. */
    readonly created_at: string
  }[]
  readonly count: number
  /** A decimal string with exactly the currency's digits. */
  readonly money_in: string
  /** A decimal string with exactly the currency's digits. */
  readonly money_out: string
}

export type SuspenseItem = {
  readonly id: string
  readonly rail: 'wire' | 'wallet' | 'crypto_currency'
  readonly rail_reference: string
  readonly direction: 'in' | 'out'
  readonly currency: string
  readonly amount: string
  readonly reason: 'unexpected' | 'wrong_amount' | 'late' | 'twice' | 'returned'
  readonly payment_id: string
  readonly related_id: string | null
  readonly status: 'open' | 'resolved'
  readonly resolved_by: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly resolved_at: string | null
}

export type Token = {
  readonly id: string
  /** session: made by a log-in; token: made by POST /v1/tokens. */
  readonly kind: 'session' | 'token'
  readonly name: string
  readonly scopes: readonly ('accounts:read' | 'payments:read' | 'payments:write' | 'webhooks:write' | 'tokens:write' | 'admin:read' | 'admin')[]
  /** Where a session was made from. */
  readonly address: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly expires_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly last_used_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type User = {
  readonly id: string
  readonly email: string
  readonly display_name: string | null
  readonly role: 'user' | 'auditor' | 'admin'
  readonly all_books: boolean
  readonly status: 'active' | 'frozen' | 'closed'
  /** Frozen, so that no money comes in either. */
  readonly refuse_incoming: boolean
  /** RFC 3339, UTC, microseconds. */
  readonly confirmed_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly closed_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly erased_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type Webhook = {
  readonly id: string
  readonly user_id: string
  readonly url: string
  readonly description: string | null
  readonly events: readonly string[]
  readonly status: 'active' | 'disabled'
  readonly disabled_reason: 'by_owner' | 'failing' | 'gone' | null
  /** RFC 3339, UTC, microseconds. */
  readonly disabled_at: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
  /** RFC 3339, UTC, microseconds. */
  readonly updated_at: string
}

export type WireBatch = {
  readonly id: string
  /** Its name at the bank: `MsgId` and `PmtInfId`. */
  readonly message_id: string
  readonly version: '03' | '09'
  /** The IBAN of the own account that pays. */
  readonly account: string
  readonly currency: string
  readonly requested_date: string
  /** How many it has. */
  readonly payments: number
  /** A decimal string with exactly the currency's digits. */
  readonly total: string
  readonly created_by: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

export type WireBatchPayment = {
  readonly payment_id: string
  readonly batch_id: string
  /** By which the bank reports it. */
  readonly end_to_end_id: string
  readonly currency: string
  /** A decimal string with exactly the currency's digits. */
  readonly amount: string
  readonly status: 'initiated' | 'pending' | 'completed' | 'declined' | 'canceled' | 'failed' | 'expired'
  /** Its beginning and its end. */
  readonly destination: string | null
  /** Why the bank rejected it (pain.002). */
  readonly reject_reason: string | null
}

export type WrittenRate = {
  readonly id: string
  readonly from_currency: string
  readonly to_currency: string
  /** Units of the second currency for one of the first, as a decimal string. */
  readonly rate: string
  readonly source: 'ecb' | 'operator'
  /** RFC 3339, UTC, microseconds. */
  readonly valid_from: string
  readonly made_by: string | null
  /** RFC 3339, UTC, microseconds. */
  readonly created_at: string
}

/** What each call takes, by its operationId, and what it answers. */
export type Operations = {
  /** Say which payment a movement is. `POST /v1/admin/wire/entries/{id}/accept` */
  readonly acceptBankEntry: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: { readonly payment_id: string }
      readonly idempotencyKey?: string
    }
    readonly answer: BankEntry
  }
  /** Add a currency. `POST /v1/admin/currencies` */
  readonly addCurrency: {
    readonly input: { readonly body: { readonly code: string; readonly digits?: number }; readonly idempotencyKey?: string }
    readonly answer: Currency
  }
  /** Make the adjustment that another operator asked for. `POST /v1/admin/approvals/{id}/approve` */
  readonly approveAdjustment: {
    readonly input: { readonly path: { readonly id: string }; readonly idempotencyKey?: string }
    readonly answer: Payment
  }
  /** Let go of what is held. `POST /v1/payments/{id}/cancel` */
  readonly cancelPayment: {
    readonly input: { readonly path: { readonly id: string }; readonly idempotencyKey?: string }
    readonly answer: Payment
  }
  /** Cancel a pending deposit or withdrawal by hand. `POST /v1/admin/payments/{id}/cancel` */
  readonly cancelPaymentByHand: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: { readonly reason: string }
      readonly idempotencyKey?: string
    }
    readonly answer: Payment
  }
  /** End it for good. `POST /v1/schedules/{id}/cancel` */
  readonly cancelSchedule: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Schedule }
  /** Take what is held, all or a part. `POST /v1/payments/{id}/capture` */
  readonly capturePayment: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body?: {
        /** A part, in the currency of the payment; without it all. */
        readonly amount?: string
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Payment
  }
  /** Change your e-mail address. `POST /v1/email/change` */
  readonly changeEmail: {
    readonly input: {
      readonly body: {
        readonly email: string
        readonly password: string
        /** The six digits that the app shows, or a recovery code. */
        readonly otp?: string
      }
    }
    readonly answer: { readonly [name: string]: unknown }
  }
  /** Change your password. `POST /v1/password/change` */
  readonly changePassword: {
    readonly input: {
      readonly body: {
        readonly current_password: string
        /** At least 15 characters (or what the gateway is set to); 8 for a user with a second factor. */
        readonly new_password: string
      }
    }
    readonly answer: void
  }
  /** Close an account for good, at a balance of zero. `POST /v1/accounts/{id}/close` */
  readonly closeAccount: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Account }
  /** Close a currency: nothing begins in it any more. `POST /v1/admin/currencies/{code}/close` */
  readonly closeCurrency: {
    readonly input: {
      readonly path: { readonly code: string }
      readonly body: { readonly reason: string }
      readonly idempotencyKey?: string
    }
    readonly answer: Currency
  }
  /** Close your user for good, with every account at zero. `POST /v1/me/close` */
  readonly closeMe: {
    readonly input: {
      readonly body: {
        readonly password: string
        /** The six digits that the app shows, or a recovery code. */
        readonly otp?: string
      }
    }
    readonly answer: void
  }
  /** Confirm an e-mail address. `POST /v1/email/confirm` */
  readonly confirmEmail: {
    readonly input: { readonly body: { readonly token: string } }
    readonly answer: { readonly email_confirmed: boolean }
  }
  /** Confirm a change of address, by the old or by the new one. `POST /v1/email/change/confirm` */
  readonly confirmEmailChange: {
    readonly input: { readonly body: { readonly token: string } }
    readonly answer: {
      /** Whether this was the second of the two. */
      readonly email_changed: boolean
    }
  }
  /** Put money into an account, or take it out. `POST /v1/admin/adjustments` */
  readonly createAdjustment: {
    readonly input: {
      readonly body: {
        readonly account: string
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly amount: string
        readonly direction: 'debit' | 'credit'
        readonly reason: string
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Payment | Approval
  }
  /** Make a book: a world of its own. `POST /v1/admin/books` */
  readonly createBook: {
    readonly input: {
      readonly body: { readonly name: string; readonly currencies?: readonly string[] }
      readonly idempotencyKey?: string
    }
    readonly answer: { readonly name: string; readonly currencies: readonly string[] }
  }
  /** Announce money that comes in. `POST /v1/deposits` */
  readonly createDeposit: {
    readonly input: {
      readonly body: {
        readonly account: string
        readonly rail: 'wire' | 'wallet' | 'crypto_currency'
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly amount: string
        readonly description?: string | null
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Deposit
  }
  /** Say what payments of a kind cost from now on, or from a time to come. `POST /v1/admin/fee-schedules` */
  readonly createFeeSchedule: {
    readonly input: {
      readonly body: {
        readonly kind: 'transfer' | 'deposit' | 'withdrawal'
        readonly currency: string
        /** Of deposits and withdrawals; transfers have none. */
        readonly rail?: 'wire' | 'wallet' | 'crypto_currency' | null
        /** 0 to 100, at most six decimals. */
        readonly percent?: string | null
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly fixed?: string | null
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly minimum?: string | null
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly maximum?: string | null
        /** Other parts from some amounts on, ascending: the last that begins at or below counts for all of it. */
        readonly tiers?: readonly {
          /** A decimal string in the currency's unit, with at most the currency's digits. */
          readonly from: string
          /** 0 to 100, at most six decimals. */
          readonly percent?: string
          /** A decimal string in the currency's unit, with at most the currency's digits. */
          readonly fixed?: string
        }[]
        /** From then on there is no schedule: it has no price. */
        readonly ends?: boolean
        /** RFC 3339, in the future. */
        readonly valid_from?: string
      }
      readonly idempotencyKey?: string
    }
    readonly answer: FeeSchedule
  }
  /** Pay. `POST /v1/payments` */
  readonly createPayment: {
    readonly input: {
      readonly headers?: { readonly prefer?: Value }
      readonly body: {
        readonly from_account: string
        readonly to_account: string
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly amount: string
        readonly fee_payer?: 'sender' | 'receiver'
        readonly quote_id?: string | null
        /** manual: the money is held until it is captured. */
        readonly capture?: 'automatic' | 'manual'
        /** RFC 3339, in the future. */
        readonly expires_at?: string | null
        readonly description?: string | null
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Payment
  }
  /** Pay up to 10 000 times. `POST /v1/payments/bulk` */
  readonly createPayments: {
    readonly input: {
      readonly query?: { readonly atomic?: 'true' | 'false' }
      readonly headers?: { readonly prefer?: Value }
      readonly body: {
        readonly payments: readonly {
          readonly from_account: string
          readonly to_account: string
          /** A decimal string in the currency's unit, with at most the currency's digits. */
          readonly amount: string
          readonly fee_payer?: 'sender' | 'receiver'
          readonly quote_id?: string | null
          /** manual: the money is held until it is captured. */
          readonly capture?: 'automatic' | 'manual'
          /** RFC 3339, in the future. */
          readonly expires_at?: string | null
          readonly description?: string | null
          /** Up to 50 texts of your own, by names of up to 40 characters. */
          readonly metadata?: { readonly [name: string]: string }
          /** 1 to 255 printable characters. */
          readonly idempotency_key?: string
        }[]
        /** All or none. */
        readonly atomic?: boolean
      }
      readonly idempotencyKey?: string
    }
    readonly answer: { readonly data: readonly BulkOutcome[] }
    readonly line: {
      readonly sent: {
        readonly from_account: string
        readonly to_account: string
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly amount: string
        readonly fee_payer?: 'sender' | 'receiver'
        readonly quote_id?: string | null
        /** manual: the money is held until it is captured. */
        readonly capture?: 'automatic' | 'manual'
        /** RFC 3339, in the future. */
        readonly expires_at?: string | null
        readonly description?: string | null
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
        /** 1 to 255 printable characters. */
        readonly idempotency_key?: string
      }
      readonly answered: BulkOutcome
    }
    readonly types: 'application/x-ndjson'
  }
  /** A rate that holds for a while, for one payment. `POST /v1/quotes` */
  readonly createQuote: {
    readonly input: {
      readonly body: {
        readonly from_currency: string
        readonly to_currency: string
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly from_amount?: string
        readonly to_amount?: string
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Quote
  }
  /** Write down a rate. `POST /v1/admin/rates` */
  readonly createRate: {
    readonly input: {
      readonly body: {
        readonly from_currency: string
        readonly to_currency: string
        /** Units of `to_currency` for one of `from_currency`: at most 18 digits on either side. */
        readonly rate: string
        /** RFC 3339, UTC, microseconds. */
        readonly valid_from?: string
      }
      readonly idempotencyKey?: string
    }
    readonly answer: WrittenRate
  }
  /** Pay at a time, or every day, week or month. `POST /v1/schedules` */
  readonly createSchedule: {
    readonly input: {
      readonly body: {
        readonly from_account: string
        readonly to_account: string
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly amount: string
        readonly fee_payer?: 'sender' | 'receiver'
        /** RFC 3339, in the future. */
        readonly starts_at: string
        /** Null or left out: once. */
        readonly every?: 'day' | 'week' | 'month' | null
        /** Every so many days, weeks or months (default 1). */
        readonly interval?: number
        /** The IANA’s name of the zone by whose clock and calendar it recurs (default UTC). */
        readonly time_zone?: string
        /** Nothing falls due later. */
        readonly ends_at?: string | null
        /** Nothing falls due more often. */
        readonly count?: number | null
        /** How often a declined one is tried again (default 0). */
        readonly retry_times?: number
        /** How long after each attempt (default a day). */
        readonly retry_every_minutes?: number
        readonly description?: string | null
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Schedule
  }
  /** A ticket that opens one stream of events. `POST /v1/events/tickets` */
  readonly createStreamTicket: {
    readonly input: {}
    readonly answer: {
      readonly ticket: string
      /** RFC 3339, UTC, microseconds. */
      readonly expires_at: string
    }
  }
  /** Make a token. `POST /v1/tokens` */
  readonly createToken: {
    readonly input: {
      readonly body: {
        readonly name: string
        readonly scopes: readonly ('accounts:read' | 'payments:read' | 'payments:write' | 'webhooks:write' | 'tokens:write' | 'admin:read' | 'admin')[]
        /** RFC 3339, in the future. */
        readonly expires_at?: string | null
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Token & {
      /** Shown this once. */
      readonly token: string
    }
  }
  /** Have events sent to a URL. `POST /v1/webhooks` */
  readonly createWebhook: {
    readonly input: {
      readonly body: {
        readonly url: string
        /** Types of events, or `*` for all. */
        readonly events: readonly ('payment.initiated' | 'payment.pending' | 'payment.completed' | 'payment.declined' | 'payment.canceled' | 'payment.failed' | 'payment.expired' | 'payment.refunded' | 'account.created' | 'account.frozen' | 'account.unfrozen' | 'account.closed' | 'schedule.created' | 'schedule.updated' | 'schedule.missed' | 'schedule.ended' | 'schedule.canceled' | 'webhook.disabled' | '*')[]
        readonly description?: string | null
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Webhook & {
      /** Shown this once. Signs every message, by the Standard Webhooks specification. */
      readonly secret: string
    }
  }
  /** Collect withdrawals into an order for a bank. `POST /v1/admin/wire/batches` */
  readonly createWireBatch: {
    readonly input: {
      readonly body: {
        readonly currency: string
        readonly version?: '03' | '09'
        /** When the bank is to pay; today if not given. */
        readonly requested_date?: string
        readonly most?: number
        /** Asks the bank to book it in one; each payment by itself if not given. */
        readonly batch_booking?: boolean
      }
      readonly idempotencyKey?: string
    }
    readonly answer: CollectedWireBatch
  }
  /** Send money out. `POST /v1/withdrawals` */
  readonly createWithdrawal: {
    readonly input: {
      readonly body: {
        readonly account: string
        readonly rail: 'wire' | 'wallet' | 'crypto_currency'
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly amount: string
        readonly description?: string | null
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
        /** `receiver` (default): `amount` less the fee arrives. `sender`: `amount` arrives, the fee is on top. */
        readonly fee_payer?: 'sender' | 'receiver'
        readonly destination: { readonly [name: string]: string }
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Payment
  }
  /** Send nothing more to a URL, and forget its secrets. `DELETE /v1/webhooks/{id}` */
  readonly deleteWebhook: { readonly input: { readonly path: { readonly id: string } }; readonly answer: void }
  /** The order, for the bank. `GET /v1/admin/wire/batches/{id}/file` */
  readonly downloadWireBatch: {
    readonly input: { readonly path: { readonly id: string } }
    readonly answer: string
    readonly types: 'application/xml'
  }
  /** End all your sessions but the present one. `DELETE /v1/sessions` */
  readonly endSessions: { readonly input: {}; readonly answer: { readonly ended: number } }
  /** End all sessions and tokens of a user, and with them open streams. `POST /v1/admin/users/{id}/end-tokens` */
  readonly endTokensOfUser: {
    readonly input: { readonly path: { readonly id: string }; readonly body: { readonly reason: string } }
    readonly answer: {
      /** How many there were. */
      readonly ended: number
    }
  }
  /** Begin to use one-time passwords (TOTP) as a second factor. `POST /v1/otp/enroll` */
  readonly enrollSecondFactor: {
    readonly input: {}
    readonly answer: {
      /** Base32; shown this once. */
      readonly secret: string
      /** What a QR code for an app holds. */
      readonly uri: string
    }
  }
  /** Close your user and erase your data, with every account at zero. `POST /v1/me/erase` */
  readonly eraseMe: {
    readonly input: {
      readonly body: {
        readonly password: string
        /** The six digits that the app shows, or a recovery code. */
        readonly otp?: string
      }
    }
    readonly answer: { readonly [name: string]: unknown }
  }
  /** Erase the data of a user, who is closed or whose accounts are all at zero. `POST /v1/admin/users/{id}/erase` */
  readonly eraseUser: {
    readonly input: { readonly path: { readonly id: string }; readonly body: { readonly reason: string } }
    readonly answer: { readonly [name: string]: unknown }
  }
  /** All that is kept about you, one record a line. `GET /v1/me/export` */
  readonly exportMe: { readonly input: {}; readonly answer: never; readonly types: 'application/x-ndjson' }
  /** All that is kept about a user, as they would get it. `GET /v1/admin/users/{id}/export` */
  readonly exportUser: {
    readonly input: { readonly path: { readonly id: string } }
    readonly answer: never
    readonly types: 'application/x-ndjson'
  }
  /** The accounts of a user that can be paid to. `GET /v1/recipients` */
  readonly findRecipients: {
    readonly input: { readonly query: { readonly email: Value; readonly currency?: Value } }
    readonly answer: { readonly data: readonly { readonly id: string; readonly currency: string }[] }
  }
  /** Mail a link to set a new password. `POST /v1/password/forgot` */
  readonly forgetPassword: {
    readonly input: { readonly body: { readonly email: string; readonly book?: string } }
    readonly answer: { readonly [name: string]: unknown }
  }
  /** Freeze an account: no money leaves it, nor, with `refuse_incoming`, comes in. `POST /v1/admin/accounts/{id}/freeze` */
  readonly freezeAccount: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: {
        readonly reason: string
        /** Whether nothing comes in either. */
        readonly refuse_incoming?: boolean
      }
    }
    readonly answer: Account
  }
  /** Freeze a user: no money leaves their accounts, nor, with `refuse_incoming`, comes in. `POST /v1/admin/users/{id}/freeze` */
  readonly freezeUser: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: {
        readonly reason: string
        /** Whether nothing comes in either. */
        readonly refuse_incoming?: boolean
      }
    }
    readonly answer: User
  }
  /** One account. `GET /v1/accounts/{id}` */
  readonly getAccount: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Account }
  /** The balance of an account, now or as it was. `GET /v1/accounts/{id}/balance` */
  readonly getBalance: {
    readonly input: { readonly path: { readonly id: string }; readonly query?: { readonly at?: Value } }
    readonly answer: {
      readonly balance: string
      readonly currency: string
      /** RFC 3339, UTC, microseconds. */
      readonly at: string
    }
  }
  /** One delivery: what was sent, and every attempt with its answer. `GET /v1/webhooks/{id}/deliveries/{delivery_id}` */
  readonly getDelivery: {
    readonly input: { readonly path: { readonly id: string; readonly delivery_id: string } }
    readonly answer: DeliveryWithAttempts
  }
  /** One deposit, with where to send its money. `GET /v1/deposits/{id}` */
  readonly getDeposit: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Deposit }
  /** The limits for an account of yours, and what is left of them. `GET /v1/accounts/{id}/limits` */
  readonly getLimits: {
    readonly input: { readonly path: { readonly id: string } }
    readonly answer: { readonly account_id: string; readonly data: readonly OwnLimit[] }
  }
  /** The user whose token this is. `GET /v1/me` */
  readonly getMe: {
    readonly input: {}
    readonly answer: {
      readonly id: string
      readonly email: string
      readonly display_name: string | null
      readonly email_confirmed: boolean
      /** RFC 3339, UTC, microseconds. */
      readonly confirmed_at: string | null
      /** Whether there is a second factor. */
      readonly otp_enrolled: boolean
      readonly role: 'user' | 'auditor' | 'admin'
      readonly book: string
      /** RFC 3339, UTC, microseconds. */
      readonly created_at: string
    }
  }
  /** Metrics for Prometheus. `GET /metrics` */
  readonly getMetrics: { readonly input: {}; readonly answer: string; readonly types: 'text/plain' }
  /** One payment. `GET /v1/payments/{id}` */
  readonly getPayment: {
    readonly input: { readonly path: { readonly id: string }; readonly query?: { readonly wait?: Value } }
    readonly answer: Payment
  }
  /** Proof that a final payment is in a signed block. `GET /v1/payments/{id}/proof` */
  readonly getPaymentProof: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Proof }
  /** The open currency position, and its gain or loss. `GET /v1/admin/reports/position` */
  readonly getPosition: {
    readonly input: { readonly query?: { readonly at?: Value; readonly currency?: Value } }
    readonly answer: Position
    readonly types: 'text/csv'
  }
  /** A quote of one’s own. `GET /v1/quotes/{id}` */
  readonly getQuote: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Quote }
  /** One scheduled or recurring payment. `GET /v1/schedules/{id}` */
  readonly getSchedule: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Schedule }
  /** A statement: opening balance, operations, closing balance. `GET /v1/accounts/{id}/statement` */
  readonly getStatement: {
    readonly input: { readonly path: { readonly id: string }; readonly query?: { readonly from?: Value; readonly to?: Value } }
    readonly answer: Statement
    readonly types: 'text/csv' | 'application/pdf' | 'application/xml'
  }
  /** One webhook. `GET /v1/webhooks/{id}` */
  readonly getWebhook: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Webhook }
  /** Say that a movement is none for the books. `POST /v1/admin/wire/entries/{id}/ignore` */
  readonly ignoreBankEntry: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: { readonly reason: string }
      readonly idempotencyKey?: string
    }
    readonly answer: BankEntry
  }
  /** Take up reference rates of the European Central Bank. `POST /v1/admin/rates/import` */
  readonly importRates: {
    readonly input: {
      readonly body: string | Uint8Array<ArrayBuffer>
      readonly type: 'text/csv' | 'application/xml' | 'text/xml'
      readonly idempotencyKey?: string
    }
    readonly answer: ImportedRates
  }
  /** Bring users over, with their accounts and balances. `POST /v1/admin/users/import` */
  readonly importUsers: {
    readonly input: {}
    readonly answer: never
    readonly line: { readonly sent: ImportedUser; readonly answered: ImportOutcome }
    readonly types: 'application/x-ndjson'
  }
  /** Whether the process answers. `GET /health/live` */
  readonly isLive: { readonly input: {}; readonly answer: { readonly status: string } }
  /** Whether payments can be made: database reachable, migrated, posting. `GET /health/ready` */
  readonly isReady: { readonly input: {}; readonly answer: { readonly status: string } }
  /** Your accounts. `GET /v1/accounts` */
  readonly listAccounts: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'user_id' | 'code' | 'name' | 'currency' | 'balance' | 'held' | 'available' | 'overdraft_limit' | 'status' | 'refuse_incoming' | 'created_at' | 'updated_at', 'name' | 'currency'> & ByMetadata
    }
    readonly answer: Page<Account>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Accounts, technical ones too. `GET /v1/admin/accounts` */
  readonly listAccountsOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'user_id' | 'code' | 'name' | 'currency' | 'balance' | 'held' | 'available' | 'overdraft_limit' | 'status' | 'refuse_incoming' | 'created_at' | 'updated_at', 'name' | 'currency'> & ByMetadata
    }
    readonly answer: Page<Account>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Adjustments that wait for a second operator, and what became of them. `GET /v1/admin/approvals` */
  readonly listApprovals: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'account_id' | 'direction' | 'currency' | 'amount' | 'reason' | 'status' | 'requested_by' | 'decided_by' | 'payment_id' | 'created_at' | 'expires_at' | 'decided_at', 'currency' | 'reason'>
    }
    readonly answer: Page<Approval>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Who did what, when and from where. `GET /v1/admin/audit` */
  readonly listAuditOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'actor_id' | 'actor' | 'token_id' | 'action' | 'object_id' | 'detail' | 'address' | 'request_id' | 'created_at', 'actor' | 'action' | 'detail' | 'address' | 'request_id'>
    }
    readonly answer: Page<AuditLine>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Movements at banks, to reconcile. `GET /v1/admin/wire/entries` */
  readonly listBankEntries: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'file_id' | 'account' | 'currency' | 'direction' | 'amount' | 'reversal' | 'return_reason' | 'booking_date' | 'value_date' | 'end_to_end_id' | 'servicer_reference' | 'counterparty_name' | 'counterparty_account' | 'remittance' | 'status' | 'payment_id' | 'suspense_id' | 'matched_by' | 'created_at', 'account' | 'currency' | 'return_reason' | 'booking_date' | 'value_date' | 'end_to_end_id' | 'servicer_reference' | 'counterparty_name' | 'counterparty_account' | 'remittance'>
    }
    readonly answer: Page<BankEntry>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Statements, notices and answers of banks. `GET /v1/admin/wire/files` */
  readonly listBankFiles: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'kind' | 'version' | 'message_id' | 'sha256' | 'uploaded_by' | 'created_at' | 'settled_at' | 'answer.batch_id' | 'answer.status' | 'answer.rejected' | 'answer.failed' | 'answer.ignored', 'version' | 'message_id' | 'sha256' | 'answer.status'>
    }
    readonly answer: Page<BankFile>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** The currencies of the book. `GET /v1/admin/currencies` */
  readonly listCurrencies: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'code' | 'digits' | 'status' | 'closed_at', 'code'>
    }
    readonly answer: Page<Currency>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** What was sent to a webhook, with the last answer. `GET /v1/webhooks/{id}/deliveries` */
  readonly listDeliveries: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'webhook_id' | 'event_id' | 'event_type' | 'status' | 'attempts' | 'next_attempt_at' | 'completed_at' | 'last_attempt.number' | 'last_attempt.url' | 'last_attempt.address' | 'last_attempt.answer_status' | 'last_attempt.answer_body' | 'last_attempt.error' | 'last_attempt.duration_ms' | 'last_attempt.created_at' | 'created_at', 'last_attempt.url' | 'last_attempt.address' | 'last_attempt.answer_body'>
    }
    readonly answer: Page<ListedDelivery>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** What happened to your payments, accounts and schedules. `GET /v1/events` */
  readonly listEvents: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'position' | 'id' | 'type' | 'object_id' | 'created_at' | 'data.object.kind' | 'data.object.from_account' | 'data.object.to_account' | 'data.object.currency', 'data.object.currency'>
    }
    readonly answer: Page<Event>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** All events. `GET /v1/admin/events` */
  readonly listEventsOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'position' | 'id' | 'type' | 'object_id' | 'created_at' | 'data.object.kind' | 'data.object.from_account' | 'data.object.to_account' | 'data.object.currency', 'data.object.currency'>
    }
    readonly answer: Page<Event>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Fee schedules as they were written down. `GET /v1/admin/fee-schedules` */
  readonly listFeeSchedules: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'kind' | 'currency' | 'rail' | 'ends' | 'percent' | 'fixed' | 'minimum' | 'maximum' | 'valid_from' | 'made_by' | 'created_at', 'currency'>
    }
    readonly answer: Page<FeeSchedule>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Limits as they are set. `GET /v1/admin/limits` */
  readonly listLimitsOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'per' | 'user_id' | 'account_id' | 'kind' | 'currency' | 'window' | 'count' | 'sum' | 'made_by' | 'created_at' | 'updated_at', 'currency'>
    }
    readonly answer: Page<Limit>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Money in and out of your accounts. `GET /v1/operations` */
  readonly listOperations: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'posting_id' | 'payment_id' | 'account_id' | 'kind' | 'direction' | 'amount' | 'fee' | 'balance_after' | 'sender' | 'receiver' | 'currency' | 'description' | 'created_at', 'sender' | 'receiver' | 'currency' | 'description'>
    }
    readonly answer: Page<Operation>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** All operations. `GET /v1/admin/operations` */
  readonly listOperationsOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'posting_id' | 'payment_id' | 'account_id' | 'kind' | 'direction' | 'amount' | 'fee' | 'balance_after' | 'sender' | 'receiver' | 'currency' | 'description' | 'created_at', 'sender' | 'receiver' | 'currency' | 'description'>
    }
    readonly answer: Page<Operation>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Payments from and to your accounts. `GET /v1/payments` */
  readonly listPayments: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'kind' | 'status' | 'decline_reason' | 'from_account' | 'to_account' | 'currency' | 'amount' | 'fee' | 'fee_payer' | 'net_amount' | 'exchange.rate' | 'exchange.from_amount' | 'exchange.to_amount' | 'exchange.to_currency' | 'refunded_amount' | 'refund_of' | 'authorized_amount' | 'failure_reason' | 'capture' | 'expires_at' | 'rail' | 'rail_reference' | 'description' | 'schedule_id' | 'scheduled_for' | 'sender' | 'receiver' | 'created_at' | 'completed_at' | 'updated_at', 'currency' | 'exchange.to_currency' | 'failure_reason' | 'rail_reference' | 'description' | 'sender' | 'receiver'> & ByMetadata
    }
    readonly answer: Page<Payment>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** All payments. `GET /v1/admin/payments` */
  readonly listPaymentsOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'kind' | 'status' | 'decline_reason' | 'from_account' | 'to_account' | 'currency' | 'amount' | 'fee' | 'fee_payer' | 'net_amount' | 'exchange.rate' | 'exchange.from_amount' | 'exchange.to_amount' | 'exchange.to_currency' | 'refunded_amount' | 'refund_of' | 'authorized_amount' | 'failure_reason' | 'capture' | 'expires_at' | 'rail' | 'rail_reference' | 'description' | 'schedule_id' | 'scheduled_for' | 'sender' | 'receiver' | 'created_at' | 'completed_at' | 'updated_at', 'currency' | 'exchange.to_currency' | 'failure_reason' | 'rail_reference' | 'description' | 'sender' | 'receiver'> & ByMetadata
    }
    readonly answer: Page<Payment>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** The rates that hold, without the spread of a quote. `GET /v1/rates` */
  readonly listRates: {
    readonly input: { readonly query?: { readonly from?: Value; readonly to?: Value; readonly at?: Value } }
    readonly answer: { readonly data: readonly Rate[] }
  }
  /** Rates as they were written down. `GET /v1/admin/rates` */
  readonly listRatesOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'from_currency' | 'to_currency' | 'rate' | 'source' | 'valid_from' | 'made_by' | 'created_at', 'from_currency' | 'to_currency'>
    }
    readonly answer: Page<WrittenRate>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Your scheduled and recurring payments. `GET /v1/schedules` */
  readonly listSchedules: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'user_id' | 'status' | 'from_account' | 'to_account' | 'currency' | 'amount' | 'fee_payer' | 'description' | 'every' | 'interval' | 'time_zone' | 'starts_at' | 'ends_at' | 'count' | 'retry_times' | 'retry_every_minutes' | 'occurrences' | 'next_at' | 'attempts' | 'next_attempt_at' | 'last_payment_id' | 'created_at' | 'updated_at', 'currency' | 'description' | 'time_zone'> & ByMetadata
    }
    readonly answer: Page<Schedule>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** All schedules. `GET /v1/admin/schedules` */
  readonly listSchedulesOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'user_id' | 'status' | 'from_account' | 'to_account' | 'currency' | 'amount' | 'fee_payer' | 'description' | 'every' | 'interval' | 'time_zone' | 'starts_at' | 'ends_at' | 'count' | 'retry_times' | 'retry_every_minutes' | 'occurrences' | 'next_at' | 'attempts' | 'next_attempt_at' | 'last_payment_id' | 'created_at' | 'updated_at', 'currency' | 'description' | 'time_zone'> & ByMetadata
    }
    readonly answer: Page<Schedule>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** The public keys that blocks are signed with. `GET /v1/seal-keys` */
  readonly listSealKeys: { readonly input: {}; readonly answer: { readonly data: readonly SealKey[] } }
  /** Money that moved without a payment it belongs to. `GET /v1/admin/suspense` */
  readonly listSuspense: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'rail' | 'rail_reference' | 'direction' | 'currency' | 'amount' | 'reason' | 'payment_id' | 'related_id' | 'status' | 'resolved_by' | 'created_at' | 'resolved_at', 'rail_reference' | 'currency'>
    }
    readonly answer: Page<SuspenseItem>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Your tokens that are good. `GET /v1/tokens` */
  readonly listTokens: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'kind' | 'name' | 'scopes' | 'address' | 'expires_at' | 'last_used_at' | 'created_at', 'name' | 'scopes' | 'address'>
    }
    readonly answer: Page<Token>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Users. `GET /v1/admin/users` */
  readonly listUsersOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'email' | 'display_name' | 'role' | 'all_books' | 'confirmed_at' | 'status' | 'refuse_incoming' | 'closed_at' | 'erased_at' | 'created_at', 'email' | 'display_name'>
    }
    readonly answer: Page<User>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Your webhooks. `GET /v1/webhooks` */
  readonly listWebhooks: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'user_id' | 'url' | 'description' | 'events' | 'status' | 'disabled_reason' | 'disabled_at' | 'created_at' | 'updated_at', 'url' | 'description' | 'events'>
    }
    readonly answer: Page<Webhook>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** The webhooks of every user. `GET /v1/admin/webhooks` */
  readonly listWebhooksOfBook: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'user_id' | 'url' | 'description' | 'events' | 'status' | 'disabled_reason' | 'disabled_at' | 'created_at' | 'updated_at', 'url' | 'description' | 'events'>
    }
    readonly answer: Page<Webhook>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** What orders to banks contain. `GET /v1/admin/wire/batches/payments` */
  readonly listWireBatchPayments: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'payment_id' | 'batch_id' | 'end_to_end_id' | 'currency' | 'amount' | 'status' | 'destination' | 'reject_reason', 'currency' | 'destination' | 'reject_reason'>
    }
    readonly answer: Page<WireBatchPayment>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Orders to banks. `GET /v1/admin/wire/batches` */
  readonly listWireBatches: {
    readonly input: {
      readonly query?: { readonly limit?: Value; readonly cursor?: Value; readonly sort?: Value } & Filters<'id' | 'message_id' | 'version' | 'account' | 'currency' | 'requested_date' | 'payments' | 'total' | 'created_by' | 'created_at', 'message_id' | 'account' | 'currency' | 'requested_date'>
    }
    readonly answer: Page<WireBatch>
    readonly types: 'text/csv' | 'application/x-ndjson'
  }
  /** Log in: a new token each time. `POST /v1/login` */
  readonly logIn: {
    readonly input: {
      readonly body: {
        readonly email: string
        readonly password: string
        /** The six digits that the app shows, or a recovery code. */
        readonly otp?: string
        readonly name?: string
        readonly book?: string
      }
    }
    readonly answer: {
      /** Shown this once. */
      readonly token: string
      readonly id: string
      /** RFC 3339, UTC, microseconds. */
      readonly expires_at: string
      readonly scopes: readonly ('accounts:read' | 'payments:read' | 'payments:write' | 'webhooks:write' | 'tokens:write' | 'admin:read' | 'admin')[]
    }
  }
  /** Open an account. `POST /v1/accounts` */
  readonly openAccount: {
    readonly input: {
      readonly body: {
        readonly currency: string
        readonly name?: string
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Account
  }
  /** Your events over a WebSocket. `GET /v1/ws` */
  readonly openWebSocket: { readonly input: {}; readonly answer: never }
  /** Let nothing be paid until it is resumed. `POST /v1/schedules/{id}/pause` */
  readonly pauseSchedule: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Schedule }
  /** Send an event of the type webhook.ping, once. `POST /v1/webhooks/{id}/ping` */
  readonly pingWebhook: {
    readonly input: { readonly path: { readonly id: string }; readonly idempotencyKey?: string }
    readonly answer: Delivery
  }
  /** What a payment would cost, and whether it would be declined. `POST /v1/payments/preview` */
  readonly previewPayment: {
    readonly input: {
      readonly body: {
        readonly from_account: string
        readonly to_account: string
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly amount: string
        readonly fee_payer?: 'sender' | 'receiver'
        readonly quote_id?: string | null
        /** manual: the money is held until it is captured. */
        readonly capture?: 'automatic' | 'manual'
        /** RFC 3339, in the future. */
        readonly expires_at?: string | null
        readonly description?: string | null
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
      }
    }
    readonly answer: {
      readonly currency: string
      /** A decimal string in the currency's unit, with at most the currency's digits. */
      readonly amount: string
      /** A decimal string in the currency's unit, with at most the currency's digits. */
      readonly fee: string
      readonly fee_payer: 'sender' | 'receiver'
      /** A decimal string in the currency's unit, with at most the currency's digits. */
      readonly net_amount: string
      readonly rate: string | null
      readonly decline_reason: 'same_account' | 'account_closed' | 'account_frozen' | 'currency_closed' | 'currency_mismatch' | 'quote_expired' | 'refund_exceeds_payment' | 'limit_exceeded' | 'insufficient_funds' | null
    }
  }
  /** What a rail reports. `POST /v1/rails/{rail}/callbacks` */
  readonly receiveRailCallback: {
    readonly input: { readonly path: { readonly rail: string } }
    readonly answer: { readonly outcome: 'applied' | 'ignored' }
  }
  /** Send an event again, whatever came of it before. `POST /v1/webhooks/{id}/deliveries/{delivery_id}/redeliver` */
  readonly redeliver: {
    readonly input: { readonly path: { readonly id: string; readonly delivery_id: string }; readonly idempotencyKey?: string }
    readonly answer: Delivery
  }
  /** Send every event since a time again, in order. `POST /v1/webhooks/{id}/redeliver` */
  readonly redeliverSince: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: {
        /** RFC 3339, UTC, microseconds. */
        readonly since: string
      }
      readonly idempotencyKey?: string
    }
    readonly answer: {
      /** How many. */
      readonly deliveries: number
    }
  }
  /** Give back a payment, all or a part. `POST /v1/payments/{id}/refund` */
  readonly refundPayment: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body?: {
        /** A part, in the currency of the payment; without it all. */
        readonly amount?: string
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Payment
  }
  /** Turn down the adjustment that another operator asked for. `POST /v1/admin/approvals/{id}/reject` */
  readonly rejectAdjustment: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: { readonly reason: string }
      readonly idempotencyKey?: string
    }
    readonly answer: Approval
  }
  /** Take a limit away. `DELETE /v1/admin/limits/{id}` */
  readonly removeLimit: { readonly input: { readonly path: { readonly id: string } }; readonly answer: void }
  /** Remove the second factor. `DELETE /v1/otp` */
  readonly removeSecondFactor: { readonly input: {}; readonly answer: void }
  /** Make new recovery codes in the place of those before. `POST /v1/otp/recovery-codes` */
  readonly renewRecoveryCodes: {
    readonly input: {}
    readonly answer: {
      /** Shown this once. Each stands for one one-time password, once. */
      readonly recovery_codes: readonly string[]
    }
  }
  /** Open a closed currency again. `POST /v1/admin/currencies/{code}/reopen` */
  readonly reopenCurrency: {
    readonly input: {
      readonly path: { readonly code: string }
      readonly body: { readonly reason: string }
      readonly idempotencyKey?: string
    }
    readonly answer: Currency
  }
  /** How much was moved, by kind. `GET /v1/admin/reports/daily` */
  readonly reportDaily: {
    readonly input: {
      readonly query?: {
        readonly from?: Value
        readonly to?: Value
        readonly currency?: Value
        readonly group_by?: 'day' | 'month'
      }
    }
    readonly answer: {
      /** RFC 3339, UTC, microseconds. */
      readonly from: string
      /** RFC 3339, UTC, microseconds. */
      readonly to: string
      readonly data: readonly {
        /** The day or month; null where the report is not grouped. */
        readonly period: string | null
        readonly currency: string
        readonly kind: 'transfer' | 'deposit' | 'withdrawal' | 'conversion' | 'refund' | 'bonus' | 'adjustment' | 'fee'
        readonly count: number
        /** A decimal string with exactly the currency's digits. */
        readonly amount: string
      }[]
    }
    readonly types: 'text/csv'
  }
  /** What was earned in fees. `GET /v1/admin/reports/fees` */
  readonly reportFees: {
    readonly input: {
      readonly query?: {
        readonly from?: Value
        readonly to?: Value
        readonly currency?: Value
        readonly group_by?: 'day' | 'month'
      }
    }
    readonly answer: {
      /** RFC 3339, UTC, microseconds. */
      readonly from: string
      /** RFC 3339, UTC, microseconds. */
      readonly to: string
      readonly data: readonly {
        /** The day or month; null where the report is not grouped. */
        readonly period: string | null
        readonly currency: string
        readonly count: number
        /** A decimal string with exactly the currency's digits. */
        readonly earned: string
        /** A decimal string with exactly the currency's digits. */
        readonly returned: string
      }[]
    }
    readonly types: 'text/csv'
  }
  /** What came in and what went out, by rail. `GET /v1/admin/reports/flows` */
  readonly reportFlows: {
    readonly input: {
      readonly query?: {
        readonly from?: Value
        readonly to?: Value
        readonly currency?: Value
        readonly group_by?: 'day' | 'month'
      }
    }
    readonly answer: {
      /** RFC 3339, UTC, microseconds. */
      readonly from: string
      /** RFC 3339, UTC, microseconds. */
      readonly to: string
      readonly data: readonly {
        /** The day or month; null where the report is not grouped. */
        readonly period: string | null
        readonly currency: string
        readonly rail: 'user' | 'internal' | 'wire' | 'wallet' | 'crypto_currency' | 'exchange' | 'suspense'
        readonly count_in: number
        /** A decimal string with exactly the currency's digits. */
        readonly money_in: string
        readonly count_out: number
        /** A decimal string with exactly the currency's digits. */
        readonly money_out: string
      }[]
    }
    readonly types: 'text/csv'
  }
  /** All balances of the book, which sum to zero. `GET /v1/admin/reports/trial-balance` */
  readonly reportTrialBalance: {
    readonly input: {
      readonly query?: {
        readonly from?: Value
        readonly to?: Value
        readonly currency?: Value
        readonly group_by?: 'day' | 'month'
        readonly at?: Value
      }
    }
    readonly answer: {
      /** RFC 3339, UTC, microseconds. */
      readonly from: string
      /** RFC 3339, UTC, microseconds. */
      readonly to: string
      readonly data: readonly {
        /** The day or month; null where the report is not grouped. */
        readonly period: string | null
        readonly currency: string
        readonly account: 'user' | 'internal' | 'wire' | 'wallet' | 'crypto_currency' | 'exchange' | 'suspense'
        /** A decimal string with exactly the currency's digits. */
        readonly opening: string
        /** A decimal string with exactly the currency's digits. */
        readonly debits: string
        /** A decimal string with exactly the currency's digits. */
        readonly credits: string
        /** A decimal string with exactly the currency's digits. */
        readonly closing: string
      }[]
    }
    readonly types: 'text/csv'
  }
  /** Mail another confirmation link. `POST /v1/email/resend` */
  readonly resendConfirmation: {
    readonly input: { readonly body: { readonly email: string; readonly book?: string } }
    readonly answer: { readonly [name: string]: unknown }
  }
  /** Set a new password with the token of a mail. `POST /v1/password/reset` */
  readonly resetPassword: {
    readonly input: {
      readonly body: {
        readonly token: string
        /** At least 15 characters (or what the gateway is set to); 8 for a user with a second factor. */
        readonly password: string
        /** The six digits that the app shows, or a recovery code. */
        readonly otp?: string
      }
    }
    readonly answer: void
  }
  /** Say whose money in suspense is. `POST /v1/admin/suspense/{id}/resolve` */
  readonly resolveSuspense: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: { readonly account?: string; readonly reason: string }
      readonly idempotencyKey?: string
    }
    readonly answer: Payment
  }
  /** Pay again, from what falls due next; what fell due meanwhile is left out. `POST /v1/schedules/{id}/resume` */
  readonly resumeSchedule: { readonly input: { readonly path: { readonly id: string } }; readonly answer: Schedule }
  /** Revoke a token, at once and on every node. `DELETE /v1/tokens/{id}` */
  readonly revokeToken: { readonly input: { readonly path: { readonly id: string } }; readonly answer: void }
  /** Have a new secret; the old one signs too for 24 h. `POST /v1/webhooks/{id}/rotate-secret` */
  readonly rotateWebhookSecret: {
    readonly input: { readonly path: { readonly id: string }; readonly idempotencyKey?: string }
    readonly answer: Webhook & {
      /** Shown this once. Signs every message, by the Standard Webhooks specification. */
      readonly secret: string
    }
  }
  /** Limit payments of a kind: of everybody, or of one user or account. `POST /v1/admin/limits` */
  readonly setLimit: {
    readonly input: {
      readonly body: {
        /** Whose payments count together: those of a user’s accounts, or of one account. */
        readonly per: 'user' | 'account'
        /** For this user only. */
        readonly user_id?: string | null
        /** For this account only. */
        readonly account_id?: string | null
        readonly kind: 'transfer' | 'conversion' | 'deposit' | 'withdrawal'
        readonly currency: string
        /** payment: each alone; day, month: those of the last 24 hours, 30 days. */
        readonly window: 'payment' | 'day' | 'month'
        readonly count?: number | null
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly sum?: string | null
      }
      readonly idempotencyKey?: string
    }
    readonly answer: Limit
  }
  /** Confirm a pending deposit or withdrawal by hand. `POST /v1/admin/payments/{id}/settle` */
  readonly settlePaymentByHand: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: { readonly reason: string }
      readonly idempotencyKey?: string
    }
    readonly answer: Payment
  }
  /** Sign up. `POST /v1/signup` */
  readonly signUp: {
    readonly input: {
      readonly body: {
        readonly email: string
        /** At least 15 characters (or what the gateway is set to); 8 for a user with a second factor. */
        readonly password: string
        readonly book?: string
      }
    }
    readonly answer: { readonly user: { readonly email: string; readonly email_confirmed: boolean } }
  }
  /** Prove again who you are, for calls that ask for a fresh proof. `POST /v1/step-up` */
  readonly stepUp: {
    readonly input: {
      readonly body: {
        readonly password: string
        /** The six digits that the app shows, or a recovery code. */
        readonly otp?: string
      }
    }
    readonly answer: {
      /** RFC 3339, UTC, microseconds. */
      readonly proven_until: string
    }
  }
  /** Your events as they happen, as Server-Sent Events. `GET /v1/events/stream` */
  readonly streamEvents: {
    readonly input: {
      readonly query?: { readonly ticket?: Value; readonly after?: Value }
      readonly headers?: { readonly 'last-event-id'?: Value }
    }
    readonly answer: never
    readonly types: 'text/event-stream'
  }
  /** Say that a movement is none of the payments. `POST /v1/admin/wire/entries/{id}/suspend` */
  readonly suspendBankEntry: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: { readonly reason: string }
      readonly idempotencyKey?: string
    }
    readonly answer: BankEntry
  }
  /** Let money leave an account again. `POST /v1/admin/accounts/{id}/unfreeze` */
  readonly unfreezeAccount: {
    readonly input: { readonly path: { readonly id: string }; readonly body: { readonly reason: string } }
    readonly answer: Account
  }
  /** Let a user move money again. `POST /v1/admin/users/{id}/unfreeze` */
  readonly unfreezeUser: {
    readonly input: { readonly path: { readonly id: string }; readonly body: { readonly reason: string } }
    readonly answer: User
  }
  /** Rename an account or change its metadata. `PATCH /v1/accounts/{id}` */
  readonly updateAccount: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: {
        readonly name?: string
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
      }
    }
    readonly answer: Account
  }
  /** Let an account go below zero, or no more. `PATCH /v1/admin/accounts/{id}` */
  readonly updateAccountOfBook: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: {
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly overdraft_limit: string
        readonly reason: string
      }
    }
    readonly answer: Account
  }
  /** Set or remove your display name. `PATCH /v1/me` */
  readonly updateMe: {
    readonly input: { readonly body: { readonly display_name: string | null } }
    readonly answer: {
      readonly id: string
      readonly email: string
      readonly display_name: string | null
      readonly email_confirmed: boolean
      /** RFC 3339, UTC, microseconds. */
      readonly confirmed_at: string | null
      /** Whether there is a second factor. */
      readonly otp_enrolled: boolean
      readonly role: 'user' | 'auditor' | 'admin'
      readonly book: string
      /** RFC 3339, UTC, microseconds. */
      readonly created_at: string
    }
  }
  /** Change what is paid, until when, and when next. `PATCH /v1/schedules/{id}` */
  readonly updateSchedule: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: {
        /** A decimal string in the currency's unit, with at most the currency's digits. */
        readonly amount?: string
        /** RFC 3339, in the future. */
        readonly next_at?: string
        readonly fee_payer?: 'sender' | 'receiver'
        /** Nothing falls due later. */
        readonly ends_at?: string | null
        /** Nothing falls due more often. */
        readonly count?: number | null
        /** How often a declined one is tried again (default 0). */
        readonly retry_times?: number
        /** How long after each attempt (default a day). */
        readonly retry_every_minutes?: number
        readonly description?: string | null
        /** Up to 50 texts of your own, by names of up to 40 characters. */
        readonly metadata?: { readonly [name: string]: string }
      }
    }
    readonly answer: Schedule
  }
  /** Give a user another role. `PATCH /v1/admin/users/{id}` */
  readonly updateUser: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: { readonly role: 'user' | 'auditor' | 'admin'; readonly reason: string }
    }
    readonly answer: User
  }
  /** Change a webhook, or disable or enable it. `PATCH /v1/webhooks/{id}` */
  readonly updateWebhook: {
    readonly input: {
      readonly path: { readonly id: string }
      readonly body: {
        readonly url?: string
        /** Types of events, or `*` for all. */
        readonly events?: readonly ('payment.initiated' | 'payment.pending' | 'payment.completed' | 'payment.declined' | 'payment.canceled' | 'payment.failed' | 'payment.expired' | 'payment.refunded' | 'account.created' | 'account.frozen' | 'account.unfrozen' | 'account.closed' | 'schedule.created' | 'schedule.updated' | 'schedule.missed' | 'schedule.ended' | 'schedule.canceled' | 'webhook.disabled' | '*')[]
        readonly description?: string | null
        readonly status?: 'active' | 'disabled'
      }
    }
    readonly answer: Webhook
  }
  /** Take a statement, a notice or an answer of a bank. `POST /v1/admin/wire/statements` */
  readonly uploadBankStatement: {
    readonly input: { readonly body: string | Uint8Array<ArrayBuffer>; readonly type: 'application/xml' | 'text/xml' }
    readonly answer: BankFile
  }
  /** Finish the enrolment with a first code. `POST /v1/otp/verify` */
  readonly verifySecondFactor: {
    readonly input: {
      readonly body: {
        /** The six digits that the app shows, or a recovery code. */
        readonly otp: string
      }
    }
    readonly answer: {
      /** Shown this once. Each stands for one one-time password, once. */
      readonly recovery_codes: readonly string[]
    }
  }
}

/** How each call is made. */
export const operations = {
  acceptBankEntry: { method: 'POST', path: '/v1/admin/wire/entries/{id}/accept', body: 'application/json', repeatable: true },
  addCurrency: { method: 'POST', path: '/v1/admin/currencies', body: 'application/json', repeatable: true },
  approveAdjustment: { method: 'POST', path: '/v1/admin/approvals/{id}/approve', repeatable: true },
  cancelPayment: { method: 'POST', path: '/v1/payments/{id}/cancel', repeatable: true },
  cancelPaymentByHand: { method: 'POST', path: '/v1/admin/payments/{id}/cancel', body: 'application/json', repeatable: true },
  cancelSchedule: { method: 'POST', path: '/v1/schedules/{id}/cancel' },
  capturePayment: { method: 'POST', path: '/v1/payments/{id}/capture', body: 'application/json', repeatable: true },
  changeEmail: { method: 'POST', path: '/v1/email/change', body: 'application/json' },
  changePassword: { method: 'POST', path: '/v1/password/change', body: 'application/json' },
  closeAccount: { method: 'POST', path: '/v1/accounts/{id}/close' },
  closeCurrency: { method: 'POST', path: '/v1/admin/currencies/{code}/close', body: 'application/json', repeatable: true },
  closeMe: { method: 'POST', path: '/v1/me/close', body: 'application/json' },
  confirmEmail: { method: 'POST', path: '/v1/email/confirm', body: 'application/json' },
  confirmEmailChange: { method: 'POST', path: '/v1/email/change/confirm', body: 'application/json' },
  createAdjustment: { method: 'POST', path: '/v1/admin/adjustments', body: 'application/json', repeatable: true },
  createBook: { method: 'POST', path: '/v1/admin/books', body: 'application/json', repeatable: true },
  createDeposit: { method: 'POST', path: '/v1/deposits', body: 'application/json', repeatable: true },
  createFeeSchedule: { method: 'POST', path: '/v1/admin/fee-schedules', body: 'application/json', repeatable: true },
  createPayment: { method: 'POST', path: '/v1/payments', body: 'application/json', repeatable: true },
  createPayments: { method: 'POST', path: '/v1/payments/bulk', body: 'application/json', repeatable: true, types: ['application/x-ndjson'] },
  createQuote: { method: 'POST', path: '/v1/quotes', body: 'application/json', repeatable: true },
  createRate: { method: 'POST', path: '/v1/admin/rates', body: 'application/json', repeatable: true },
  createSchedule: { method: 'POST', path: '/v1/schedules', body: 'application/json', repeatable: true },
  createStreamTicket: { method: 'POST', path: '/v1/events/tickets' },
  createToken: { method: 'POST', path: '/v1/tokens', body: 'application/json', repeatable: true },
  createWebhook: { method: 'POST', path: '/v1/webhooks', body: 'application/json', repeatable: true },
  createWireBatch: { method: 'POST', path: '/v1/admin/wire/batches', body: 'application/json', repeatable: true },
  createWithdrawal: { method: 'POST', path: '/v1/withdrawals', body: 'application/json', repeatable: true },
  deleteWebhook: { method: 'DELETE', path: '/v1/webhooks/{id}' },
  downloadWireBatch: { method: 'GET', path: '/v1/admin/wire/batches/{id}/file', types: ['application/xml'] },
  endSessions: { method: 'DELETE', path: '/v1/sessions' },
  endTokensOfUser: { method: 'POST', path: '/v1/admin/users/{id}/end-tokens', body: 'application/json' },
  enrollSecondFactor: { method: 'POST', path: '/v1/otp/enroll' },
  eraseMe: { method: 'POST', path: '/v1/me/erase', body: 'application/json' },
  eraseUser: { method: 'POST', path: '/v1/admin/users/{id}/erase', body: 'application/json' },
  exportMe: { method: 'GET', path: '/v1/me/export', types: ['application/x-ndjson'] },
  exportUser: { method: 'GET', path: '/v1/admin/users/{id}/export', types: ['application/x-ndjson'] },
  findRecipients: { method: 'GET', path: '/v1/recipients' },
  forgetPassword: { method: 'POST', path: '/v1/password/forgot', body: 'application/json' },
  freezeAccount: { method: 'POST', path: '/v1/admin/accounts/{id}/freeze', body: 'application/json' },
  freezeUser: { method: 'POST', path: '/v1/admin/users/{id}/freeze', body: 'application/json' },
  getAccount: { method: 'GET', path: '/v1/accounts/{id}' },
  getBalance: { method: 'GET', path: '/v1/accounts/{id}/balance' },
  getDelivery: { method: 'GET', path: '/v1/webhooks/{id}/deliveries/{delivery_id}' },
  getDeposit: { method: 'GET', path: '/v1/deposits/{id}' },
  getLimits: { method: 'GET', path: '/v1/accounts/{id}/limits' },
  getMe: { method: 'GET', path: '/v1/me' },
  getMetrics: { method: 'GET', path: '/metrics', types: ['text/plain'] },
  getPayment: { method: 'GET', path: '/v1/payments/{id}' },
  getPaymentProof: { method: 'GET', path: '/v1/payments/{id}/proof' },
  getPosition: { method: 'GET', path: '/v1/admin/reports/position', types: ['text/csv'] },
  getQuote: { method: 'GET', path: '/v1/quotes/{id}' },
  getSchedule: { method: 'GET', path: '/v1/schedules/{id}' },
  getStatement: { method: 'GET', path: '/v1/accounts/{id}/statement', types: ['text/csv', 'application/pdf', 'application/xml'] },
  getWebhook: { method: 'GET', path: '/v1/webhooks/{id}' },
  ignoreBankEntry: { method: 'POST', path: '/v1/admin/wire/entries/{id}/ignore', body: 'application/json', repeatable: true },
  importRates: { method: 'POST', path: '/v1/admin/rates/import', body: 'text/csv', repeatable: true },
  importUsers: { method: 'POST', path: '/v1/admin/users/import', body: 'application/x-ndjson', types: ['application/x-ndjson'] },
  isLive: { method: 'GET', path: '/health/live' },
  isReady: { method: 'GET', path: '/health/ready' },
  listAccounts: { method: 'GET', path: '/v1/accounts', types: ['text/csv', 'application/x-ndjson'] },
  listAccountsOfBook: { method: 'GET', path: '/v1/admin/accounts', types: ['text/csv', 'application/x-ndjson'] },
  listApprovals: { method: 'GET', path: '/v1/admin/approvals', types: ['text/csv', 'application/x-ndjson'] },
  listAuditOfBook: { method: 'GET', path: '/v1/admin/audit', types: ['text/csv', 'application/x-ndjson'] },
  listBankEntries: { method: 'GET', path: '/v1/admin/wire/entries', types: ['text/csv', 'application/x-ndjson'] },
  listBankFiles: { method: 'GET', path: '/v1/admin/wire/files', types: ['text/csv', 'application/x-ndjson'] },
  listCurrencies: { method: 'GET', path: '/v1/admin/currencies', types: ['text/csv', 'application/x-ndjson'] },
  listDeliveries: { method: 'GET', path: '/v1/webhooks/{id}/deliveries', types: ['text/csv', 'application/x-ndjson'] },
  listEvents: { method: 'GET', path: '/v1/events', types: ['text/csv', 'application/x-ndjson'] },
  listEventsOfBook: { method: 'GET', path: '/v1/admin/events', types: ['text/csv', 'application/x-ndjson'] },
  listFeeSchedules: { method: 'GET', path: '/v1/admin/fee-schedules', types: ['text/csv', 'application/x-ndjson'] },
  listLimitsOfBook: { method: 'GET', path: '/v1/admin/limits', types: ['text/csv', 'application/x-ndjson'] },
  listOperations: { method: 'GET', path: '/v1/operations', types: ['text/csv', 'application/x-ndjson'] },
  listOperationsOfBook: { method: 'GET', path: '/v1/admin/operations', types: ['text/csv', 'application/x-ndjson'] },
  listPayments: { method: 'GET', path: '/v1/payments', types: ['text/csv', 'application/x-ndjson'] },
  listPaymentsOfBook: { method: 'GET', path: '/v1/admin/payments', types: ['text/csv', 'application/x-ndjson'] },
  listRates: { method: 'GET', path: '/v1/rates' },
  listRatesOfBook: { method: 'GET', path: '/v1/admin/rates', types: ['text/csv', 'application/x-ndjson'] },
  listSchedules: { method: 'GET', path: '/v1/schedules', types: ['text/csv', 'application/x-ndjson'] },
  listSchedulesOfBook: { method: 'GET', path: '/v1/admin/schedules', types: ['text/csv', 'application/x-ndjson'] },
  listSealKeys: { method: 'GET', path: '/v1/seal-keys' },
  listSuspense: { method: 'GET', path: '/v1/admin/suspense', types: ['text/csv', 'application/x-ndjson'] },
  listTokens: { method: 'GET', path: '/v1/tokens', types: ['text/csv', 'application/x-ndjson'] },
  listUsersOfBook: { method: 'GET', path: '/v1/admin/users', types: ['text/csv', 'application/x-ndjson'] },
  listWebhooks: { method: 'GET', path: '/v1/webhooks', types: ['text/csv', 'application/x-ndjson'] },
  listWebhooksOfBook: { method: 'GET', path: '/v1/admin/webhooks', types: ['text/csv', 'application/x-ndjson'] },
  listWireBatchPayments: { method: 'GET', path: '/v1/admin/wire/batches/payments', types: ['text/csv', 'application/x-ndjson'] },
  listWireBatches: { method: 'GET', path: '/v1/admin/wire/batches', types: ['text/csv', 'application/x-ndjson'] },
  logIn: { method: 'POST', path: '/v1/login', body: 'application/json' },
  openAccount: { method: 'POST', path: '/v1/accounts', body: 'application/json', repeatable: true },
  openWebSocket: { method: 'GET', path: '/v1/ws' },
  pauseSchedule: { method: 'POST', path: '/v1/schedules/{id}/pause' },
  pingWebhook: { method: 'POST', path: '/v1/webhooks/{id}/ping', repeatable: true },
  previewPayment: { method: 'POST', path: '/v1/payments/preview', body: 'application/json' },
  receiveRailCallback: { method: 'POST', path: '/v1/rails/{rail}/callbacks' },
  redeliver: { method: 'POST', path: '/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver', repeatable: true },
  redeliverSince: { method: 'POST', path: '/v1/webhooks/{id}/redeliver', body: 'application/json', repeatable: true },
  refundPayment: { method: 'POST', path: '/v1/payments/{id}/refund', body: 'application/json', repeatable: true },
  rejectAdjustment: { method: 'POST', path: '/v1/admin/approvals/{id}/reject', body: 'application/json', repeatable: true },
  removeLimit: { method: 'DELETE', path: '/v1/admin/limits/{id}' },
  removeSecondFactor: { method: 'DELETE', path: '/v1/otp' },
  renewRecoveryCodes: { method: 'POST', path: '/v1/otp/recovery-codes' },
  reopenCurrency: { method: 'POST', path: '/v1/admin/currencies/{code}/reopen', body: 'application/json', repeatable: true },
  reportDaily: { method: 'GET', path: '/v1/admin/reports/daily', types: ['text/csv'] },
  reportFees: { method: 'GET', path: '/v1/admin/reports/fees', types: ['text/csv'] },
  reportFlows: { method: 'GET', path: '/v1/admin/reports/flows', types: ['text/csv'] },
  reportTrialBalance: { method: 'GET', path: '/v1/admin/reports/trial-balance', types: ['text/csv'] },
  resendConfirmation: { method: 'POST', path: '/v1/email/resend', body: 'application/json' },
  resetPassword: { method: 'POST', path: '/v1/password/reset', body: 'application/json' },
  resolveSuspense: { method: 'POST', path: '/v1/admin/suspense/{id}/resolve', body: 'application/json', repeatable: true },
  resumeSchedule: { method: 'POST', path: '/v1/schedules/{id}/resume' },
  revokeToken: { method: 'DELETE', path: '/v1/tokens/{id}' },
  rotateWebhookSecret: { method: 'POST', path: '/v1/webhooks/{id}/rotate-secret', repeatable: true },
  setLimit: { method: 'POST', path: '/v1/admin/limits', body: 'application/json', repeatable: true },
  settlePaymentByHand: { method: 'POST', path: '/v1/admin/payments/{id}/settle', body: 'application/json', repeatable: true },
  signUp: { method: 'POST', path: '/v1/signup', body: 'application/json' },
  stepUp: { method: 'POST', path: '/v1/step-up', body: 'application/json' },
  streamEvents: { method: 'GET', path: '/v1/events/stream', types: ['text/event-stream'] },
  suspendBankEntry: { method: 'POST', path: '/v1/admin/wire/entries/{id}/suspend', body: 'application/json', repeatable: true },
  unfreezeAccount: { method: 'POST', path: '/v1/admin/accounts/{id}/unfreeze', body: 'application/json' },
  unfreezeUser: { method: 'POST', path: '/v1/admin/users/{id}/unfreeze', body: 'application/json' },
  updateAccount: { method: 'PATCH', path: '/v1/accounts/{id}', body: 'application/json' },
  updateAccountOfBook: { method: 'PATCH', path: '/v1/admin/accounts/{id}', body: 'application/json' },
  updateMe: { method: 'PATCH', path: '/v1/me', body: 'application/json' },
  updateSchedule: { method: 'PATCH', path: '/v1/schedules/{id}', body: 'application/json' },
  updateUser: { method: 'PATCH', path: '/v1/admin/users/{id}', body: 'application/json' },
  updateWebhook: { method: 'PATCH', path: '/v1/webhooks/{id}', body: 'application/json' },
  uploadBankStatement: { method: 'POST', path: '/v1/admin/wire/statements', body: 'application/xml' },
  verifySecondFactor: { method: 'POST', path: '/v1/otp/verify', body: 'application/json' },
} as const
