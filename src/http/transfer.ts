import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../gateway.ts'
import type { AccountId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import type { IdempotencyKey, PaymentRequest } from '../payments/payment.ts'
import { actorOf, isOperator, sessionOf } from './authentication.ts'
import { ApiError, fieldError } from './errors.ts'
import type { TransferBody } from './routes/payments.ts'

/**
 * A body that its schema has let through, as a request that only the ledger can still refuse. Throws `email_unconfirmed`,
 * `not_found` for accounts that are not there for the caller, `invalid_amount` for one that its currency does not have.
 */
export async function checkedTransfer(
  gateway: Gateway,
  request: FastifyRequest,
  body: TransferBody,
  key: IdempotencyKey | null,
): Promise<PaymentRequest> {
  const session = sessionOf(request)
  if (!session.confirmed) throw new ApiError('email_unconfirmed')
  const draft = {
    from: accountId(body.from_account, 'from_account'),
    to: accountId(body.to_account, 'to_account'),
    amount: body.amount,
    feePayer: body.fee_payer ?? ('receiver' as const),
    description: body.description ?? null,
    metadata: body.metadata ?? {},
  }
  const payer = { book: session.book, userId: session.userId, operator: isOperator(session) }
  const audit = { actor: actorOf(request), action: 'payment.on_behalf', objectId: null, detail: {} }
  const checked = await gateway.intake.checkTransfer(payer, draft, key, audit)
  if (checked.ok) return checked.request
  const detail = checked.mistake === 'not_found' ? 'is no account here' : 'is no positive amount of the currency'
  throw fieldError(checked.field, checked.mistake, detail)
}

/** The schema has checked the form already. */
export function accountId(text: string, field: string): AccountId {
  const id = decodeId('acc', text)
  if (!id) throw fieldError(field, 'invalid_id', 'must be an id such as acc_…')
  return id
}
