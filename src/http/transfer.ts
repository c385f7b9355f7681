import type { FastifyRequest } from 'fastify'
import { readClock } from '../database/clock.ts'
import type { Queryable } from '../database/connection.ts'
import { parseInstant } from '../database/instant.ts'
import type { Gateway } from '../gateway.ts'
import type { AccountId, BookId, Instant, QuoteId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import type { Checked } from '../payments/intake.ts'
import type { IdempotencyKey, PaymentRequest } from '../payments/payment.ts'
import { readPaymentsByKey } from '../payments/read.ts'
import { noPositiveAmount } from './amount.ts'
import { actorOf, isOperator, sessionOf } from './authentication.ts'
import { type ApiError, fieldError } from './errors.ts'
import type { TransferBody } from './routes/payments.ts'

/**
 * A body that its schema has let through, as a request that only the ledger can still refuse. Throws `not_found`
 * for accounts that are not there for the caller, `invalid_amount` for one that its currency does not have.
 */
export async function checkedTransfer(
  gateway: Gateway,
  request: FastifyRequest,
  body: TransferBody,
  key: IdempotencyKey | null,
): Promise<PaymentRequest> {
  const session = sessionOf(request)
  const draft = {
    from: accountId(body.from_account, 'from_account'),
    to: accountId(body.to_account, 'to_account'),
    amount: body.amount,
    feePayer: body.fee_payer ?? ('receiver' as const),
    capture: body.capture ?? ('automatic' as const),
    expiresAt: await expiryOf(gateway, session.book, body, key),
    quote: quoteOf(body),
    description: body.description ?? null,
    metadata: body.metadata ?? {},
  }
  const payer = { book: session.book, userId: session.userId, operator: isOperator(session) }
  const audit = { actor: actorOf(request), action: 'payment.on_behalf', objectId: null, detail: {} }
  const checked = await gateway.intake.checkTransfer(payer, draft, key, audit)
  if (checked.ok) return checked.request
  throw refusalOf(checked)
}

const DETAILS = {
  from_account: 'is no account here',
  to_account: 'is no account here',
  quote_id: 'is no quote of yours',
} as const

function refusalOf({ mistake, field }: Extract<Checked, { ok: false }>): ApiError {
  if (field === 'amount') return noPositiveAmount(field)
  if (mistake !== 'quote_mismatch') return fieldError(field, mistake, DETAILS[field])
  return fieldError(field, 'invalid_value', 'is a quote for another amount or other currencies')
}

function quoteOf(body: TransferBody): QuoteId | null {
  if (body.quote_id == null) return null
  const id = decodeId('qte', body.quote_id)
  if (!id) throw fieldError('quote_id', 'invalid_id', 'must be an id such as qte_…')
  if (body.capture === 'manual')
    throw fieldError('capture', 'invalid_value', 'cannot be manual: a quote does not hold that long')
  return id
}

/** Nobody can be held to a payment for longer. */
const LONGEST_HOLD = 366n * 24n * 3_600n * 1_000_000n

/** When a manual capture runs out: in the future by the database's clock, unless this is a repeat of an earlier request. */
async function expiryOf(
  { pool }: Gateway,
  book: BookId,
  { capture, expires_at: written }: TransferBody,
  key: IdempotencyKey | null,
): Promise<Instant | null> {
  if (written == null) return null
  if (capture !== 'manual') throw fieldError('expires_at', 'invalid_value', 'is for a manual capture')
  const at = parseInstant(written)
  if (at === undefined) throw fieldError('expires_at', 'invalid_value', 'is no time')
  const now = await readClock(pool)
  if ((at <= now || at > now + LONGEST_HOLD) && !(await isRepeat(pool, book, key))) {
    throw fieldError('expires_at', 'invalid_value', 'must be in the future, and within a year')
  }
  return at
}

/** Whether a payment was made with this key before: what was checked then is not asked of a repeat. */
export async function isRepeat(client: Queryable, book: BookId, key: IdempotencyKey | null): Promise<boolean> {
  return key !== null && (await readPaymentsByKey(client, book, [key.key])).size > 0
}

/** The schema has checked the form already. */
export function accountId(text: string, field: string): AccountId {
  const id = decodeId('acc', text)
  if (!id) throw fieldError(field, 'invalid_id', 'must be an id such as acc_…')
  return id
}
