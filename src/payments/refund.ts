import type { Directory } from '../accounts/directory.ts'
import type { Queryable } from '../database/connection.ts'
import type { BookId } from '../ledger/id.ts'
import { parseAmount } from '../money/amount.ts'
import type { PaymentRequest } from './payment.ts'
import type { StoredPayment } from './read.ts'
import { exchangeAccounts } from './stored_request.ts'

/** Why a payment cannot be refunded, or not so much. */
export type RefundMistake = 'not_refundable' | 'invalid_amount'
export type CheckedRefund =
  | { readonly ok: true; readonly request: PaymentRequest }
  | { readonly ok: false; readonly mistake: RefundMistake }

/** What can be undone by who received it. The rest is an operator's to adjust, or a rail's to send back. */
const REFUNDABLE = ['transfer', 'conversion']

/**
 * The request that gives back a completed payment: `amount`, in its currency, or all that is left of it. The postings
 * are the original's the other way round, the fee returned in proportion (ledger.md, Payments).
 */
export async function checkRefund(
  client: Queryable,
  directory: Directory,
  book: BookId,
  original: StoredPayment,
  written: string | undefined,
): Promise<CheckedRefund> {
  const { id, kind, status, currency, exchange } = original
  if (status !== 'completed' || !REFUNDABLE.includes(kind)) return { ok: false, mistake: 'not_refundable' }
  const amount = written === undefined ? allThatIsLeft(original) : parseAmount(written, currency)
  if (!amount) return { ok: false, mistake: 'invalid_amount' }
  const accounts =
    exchange && (await exchangeAccounts(directory, book, currency.code, exchange.toCurrency.code, client))
  const facts = await directory.load(book, [original.from, original.to], client)
  const payer = facts.get(original.to)
  const payee = facts.get(original.from)
  const feeAccount = await directory.technicalAccount(book, 'internal', currency.code, client)
  if (!payer || !payee) throw new Error(`payment ${id} names an account that is not there`)
  const request: PaymentRequest = {
    book,
    kind: 'refund',
    from: payer,
    to: payee,
    currency,
    amount,
    // The posting core works it out, when it sees under its lock how much was refunded before.
    fee: 0n,
    feePayer: original.feePayer,
    feeAccount,
    terms: {
      type: 'refund',
      of: id,
      exchange: exchange && accounts && { rate: exchange.rate, toAmount: exchange.toAmount, ...accounts },
    },
    description: null,
    metadata: {},
    madeBy: null,
    key: null,
    audit: null,
  }
  return { ok: true, request }
}

/** Where nothing is left the whole is asked for, which the ledger declines: a repeat of the last refund finds that one. */
function allThatIsLeft({ amount, refundedAmount }: StoredPayment): bigint {
  return amount > refundedAmount ? amount - refundedAmount : amount
}
