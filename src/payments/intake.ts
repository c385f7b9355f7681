import type { Directory } from '../accounts/directory.ts'
import type { AuditEntry } from '../audit/audit.ts'
import type { Queryable } from '../database/connection.ts'
import { digestOf } from '../database/digest.ts'
import type { AccountId, BookId, Instant, QuoteId, UserId } from '../ledger/id.ts'
import type { Capture, FeePayer, PaymentKind } from '../ledger/payment.ts'
import { parseAmount } from '../money/amount.ts'
import { type IdempotencyKey, type PaymentRequest, PLAIN, type RequestTerms } from './payment.ts'
import { readQuote } from './quotes.ts'
import { exchangeAccounts } from './stored_request.ts'

/** A transfer as a caller wrote it; ids are already ids, nothing else is checked. */
export type TransferDraft = {
  readonly from: AccountId
  readonly to: AccountId
  readonly amount: string
  readonly feePayer: FeePayer
  readonly capture: Capture
  /** When a manual capture runs out. */
  readonly expiresAt: Instant | null
  readonly quote: QuoteId | null
  readonly description: string | null
  readonly metadata: Readonly<Record<string, string>>
}

/** Who asks. An operator may move the money of any user of the book, which is then written to the audit log. */
export type Payer = { readonly book: BookId; readonly userId: UserId; readonly operator: boolean }

/** Why a draft is no payment: the caller's mistake, and in which field. */
export type Mistake = 'invalid_amount' | 'not_found' | 'quote_mismatch'
export type Checked =
  | { readonly ok: true; readonly request: PaymentRequest }
  | {
      readonly ok: false
      readonly mistake: Mistake
      readonly field: 'amount' | 'from_account' | 'to_account' | 'quote_id'
    }

export type Intake = ReturnType<typeof createIntake>

/** Turns what callers write into requests that only the ledger can still refuse. */
export function createIntake(pool: Queryable, directory: Directory) {
  /**
   * Checks a transfer: `from` is the payer's (or the payer is an operator), `to` is somebody's, the amount is positive
   * and of the currency, a quote is the payer's and for these currencies and this amount. Somebody else's account or
   * quote is as unknown as one that does not exist. `client` is that of the caller's transaction, where it has one.
   */
  async function checkTransfer(
    payer: Payer,
    draft: TransferDraft,
    key: IdempotencyKey | null,
    audit: AuditEntry | null,
    client?: Queryable,
  ): Promise<Checked> {
    const from = await directory.find(payer.book, draft.from, client)
    if (!from?.userId || (from.userId !== payer.userId && !payer.operator)) return refused('not_found', 'from_account')
    const to = await directory.find(payer.book, draft.to, client)
    if (!to?.userId) return refused('not_found', 'to_account')
    const amount = parseAmount(draft.amount, from.currency)
    if (amount === undefined || amount === 0n) return refused('invalid_amount', 'amount')
    const { feePayer, description, metadata } = draft
    const checked = await checkTerms(payer, draft, { from, to, amount }, client)
    if ('mistake' in checked) return checked
    const kind = checked.terms.type === 'exchange' && from.userId === to.userId ? 'conversion' : 'transfer'
    const parts = { kind, from, to, amount, fee: null, feePayer, description, metadata, ...checked } as const
    const request = await complete(parts, client)
    return {
      ok: true,
      request: { ...request, madeBy: payer.userId, key, audit: from.userId === payer.userId ? null : audit },
    }
  }

  type Sides = Pick<PaymentRequest, 'from' | 'to' | 'amount'>

  async function checkTerms(
    payer: Payer,
    draft: TransferDraft,
    sides: Sides,
    client?: Queryable,
  ): Promise<{ readonly terms: RequestTerms } | Extract<Checked, { ok: false }>> {
    if (draft.capture === 'manual') return { terms: { type: 'hold', expiresAt: draft.expiresAt } }
    if (draft.quote === null) return { terms: PLAIN }
    const quote = await readQuote(client ?? pool, payer.book, draft.quote)
    if (!quote || quote.userId !== payer.userId) return refused('not_found', 'quote_id')
    const { from, to, amount } = sides
    const fits = quote.from.code === from.currency.code && quote.to.code === to.currency.code
    if (!fits || quote.fromAmount !== amount) return refused('quote_mismatch', 'quote_id')
    const accounts = await exchangeAccounts(directory, payer.book, quote.from.code, quote.to.code, client)
    const exchange = { rate: quote.rate, toAmount: quote.toAmount, ...accounts }
    return { terms: { type: 'exchange', quote: draft.quote, exchange } }
  }

  /**
   * A request of the gateway itself: no key, no author. The book must have the currency of `from`. `client` as in
   * checkTransfer.
   */
  async function complete<Fee extends bigint | null>(
    parts: Pick<PaymentRequest, 'from' | 'to' | 'amount' | 'feePayer' | 'description' | 'metadata'> & {
      readonly kind: PaymentKind
      readonly fee: Fee
      readonly terms?: RequestTerms
    },
    client?: Queryable,
  ): Promise<PaymentRequest & { readonly fee: Fee }> {
    const { book, currency } = parts.from
    const feeAccount = await directory.technicalAccount(book, 'internal', currency.code, client)
    return { terms: PLAIN, ...parts, book, currency, feeAccount, madeBy: null, key: null, audit: null }
  }

  return { checkTransfer, complete, technicalAccount: directory.technicalAccount }
}

function refused(mistake: Mistake, field: Extract<Checked, { ok: false }>['field']): Extract<Checked, { ok: false }> {
  return { ok: false, mistake, field }
}

/**
 * Digests of who asked with which key, and of what was asked. `scope` keeps the keys of different calls apart where they
 * are different things, such as the lines of a bulk request that carries one key for all.
 */
export function idempotencyKey(userId: UserId, scope: string, key: string, body: unknown): IdempotencyKey {
  return { key: digestOf(`${userId}\n${scope}\n${key}`), requestHash: digestOf(JSON.stringify(sorted(body))) }
}

/** JSON with its keys sorted: the order in which a client wrote its fields means nothing. */
function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(sorted)
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(entries.map(([name, part]) => [name, sorted(part)]))
}
