import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { AuditEntry } from '../../audit/audit.ts'
import { type Client, inTransaction } from '../../database/connection.ts'
import { onceCommitted } from '../../database/faults.ts'
import type { Gateway } from '../../gateway.ts'
import type { UserId } from '../../ledger/id.ts'
import type { PaymentStatus } from '../../ledger/payment.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import { lockInstruction } from '../../payments/instructions.ts'
import { idempotencyKey } from '../../payments/intake.ts'
import { type Ending, type EndingRefusal, endPending } from '../../payments/pending.ts'
import { readPayment, type StoredPayment } from '../../payments/read.ts'
import { checkRefund } from '../../payments/refund.ts'
import { cancelOnRail, RailOutOfReach } from '../../rails/cancel.ts'
import { noPositiveAmount, positiveAmountOf } from '../amount.ts'
import { actorOf, isOperator, sessionOf } from '../authentication.ts'
import { ApiError, type ErrorCode, fieldError } from '../errors.ts'
import { answerOnce, keyHeader, wasAnswered } from '../idempotency.ts'
import { presentPayment } from '../present.ts'
import { type App, describe } from '../route.ts'
import { Amount, Payment } from '../schemas.ts'
import { madeOf, maySee, sendPayment } from './payments.ts'

const tag = 'Payments'
const params = Type.Object({ id: Type.String({ examples: ['pay_01k3v5f4t1f6mb2x9k4w5r8h3n'] }) })
const Part = Type.Object(
  {
    amount: Type.Optional(
      Type.String({ ...Amount, description: 'A part, in the currency of the payment; without it all.' }),
    ),
  },
  { additionalProperties: false },
)

/** What can be done to a payment that is there: captured, canceled, refunded (api.md, Payments). */
export function paymentActionRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/payments/:id/capture', {
    schema: describe({
      operationId: 'capturePayment',
      summary: 'Take what is held, all or a part',
      description: 'For who pays, or an operator. What is not captured is released.',
      tag,
      errors: [
        ...COMMON,
        'invalid_amount',
        'not_capturable',
        'amount_exceeds_hold',
        'account_closed',
        'account_frozen',
      ],
      params,
      body: Part,
      optionalBody: true,
      response: { 200: Payment },
    }),
    handler: async (request, reply) => {
      const payment = await visiblePayment(gateway, request, request.params.id)
      mayOnly(request, [payment.senderUser])
      if (payment.capture !== 'manual') throw new ApiError('not_capturable')
      const { amount: written } = request.body
      const amount = written === undefined ? null : positiveAmountOf(written, payment.currency, 'amount')
      const audit = auditOf(request, payment, 'payment.capture', [payment.senderUser])
      return endPayment(gateway, request, reply, payment, { event: 'settle', amount }, audit)
    },
  })

  app.post('/v1/payments/:id/cancel', {
    schema: describe({
      operationId: 'cancelPayment',
      summary: 'Let go of what is held',
      description:
        'For either side, or an operator. Of a deposit or withdrawal it depends on how far its rail has come.',
      tag,
      errors: [
        ...COMMON,
        ...(['not_capturable', 'too_late_to_cancel', 'unknown_field'] as const),
        ...(['unsupported_media_type', 'outcome_unknown'] as const),
      ],
      params,
      response: { 200: Payment },
    }),
    handler: async (request, reply) => {
      const payment = await visiblePayment(gateway, request, request.params.id)
      const sides = [payment.senderUser, payment.receiverUser]
      mayOnly(request, sides)
      const audit = auditOf(request, payment, 'payment.cancel', sides)
      if (payment.rail !== null) return cancelRailPayment(gateway, request, reply, payment, audit)
      if (payment.capture !== 'manual') throw new ApiError('not_capturable')
      return endPayment(gateway, request, reply, payment, { event: 'cancel' }, audit)
    },
  })

  refundRoute(app, gateway)
}

/**
 * Answers with the payment, canceled, or why it is not. Asked twice, it is canceled all the same. Its rail is asked
 * outside any transaction, so that the key is looked for before, and kept with the answer.
 */
async function cancelRailPayment(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  { id, status }: StoredPayment,
  audit: AuditEntry | null,
): Promise<FastifyReply> {
  const { book } = sessionOf(request)
  const isRepeat = await wasAnswered(gateway.pool, request)
  try {
    if (status === 'pending' && !isRepeat) await cancelOnRail(gateway, book, id, audit)
  } catch (cause) {
    if (!(cause instanceof RailOutOfReach)) throw cause
    // It may have heard that it is to cancel, and then it will tell.
    throw new ApiError('outcome_unknown', undefined, [], { cause })
  }
  gateway.watch.tell([id])
  const work = async (client: Client) => {
    // By the lock this transaction has its number before it reads who is named: whoever erases them waits for it.
    await lockInstruction(client, book, id)
    const now = await readPayment(client, book, id)
    if (!now || now.status === 'pending') throw new ApiError('too_late_to_cancel')
    if (now.status !== 'canceled') throw problemOfEnd('not_pending', now.status)
    return { status: 200, body: presentPayment(now) }
  }
  return onceCommitted(() => answerOnce(gateway.deciding, request, reply, work))
}

const COMMON: readonly ErrorCode[] = ['not_found', 'payment_not_pending', 'idempotency_key_reused']

function refundRoute(app: App, gateway: Gateway): void {
  app.post('/v1/payments/:id/refund', {
    schema: describe({
      operationId: 'refundPayment',
      summary: 'Give back a payment, all or a part',
      description:
        'For who received it, or an operator. Answers with the refund, a payment of its own, which may be declined. The fee ' +
        'is returned in proportion, so that a whole refund leaves every account as it was. A conversion is an operator’s to refund.',
      tag,
      errors: ['not_found', 'invalid_amount', 'not_refundable', 'idempotency_key_reused', 'outcome_unknown'],
      params,
      body: Part,
      optionalBody: true,
      response: { 201: Payment },
    }),
    handler: async (request, reply) => {
      const session = sessionOf(request)
      const original = await visiblePayment(gateway, request, request.params.id)
      // Whoever converted could otherwise take the rate back once it has moved.
      mayOnly(request, original.kind === 'conversion' ? [] : [original.receiverUser])
      const checked = await checkRefund(gateway.pool, gateway.directory, session.book, original, request.body.amount)
      if (!checked.ok) throw refusalOf(checked.mistake)
      const header = keyHeader(request)
      const asked = { id: original.id, body: request.body }
      const submitted = await gateway.poster.submit({
        ...checked.request,
        madeBy: session.userId,
        key: header === undefined ? null : idempotencyKey(session.userId, 'refund', header, asked),
        audit: auditOf(request, original, 'payment.refund', [original.receiverUser]),
      })
      return sendPayment(reply, madeOf(submitted))
    },
  })
}

function refusalOf(mistake: 'not_refundable' | 'invalid_amount'): ApiError {
  if (mistake === 'not_refundable') return new ApiError(mistake)
  return noPositiveAmount('amount')
}

/** A payment of the caller’s book that they may see. Throws `not_found` otherwise. */
export async function visiblePayment({ pool }: Gateway, request: FastifyRequest, text: string): Promise<StoredPayment> {
  const session = sessionOf(request)
  const id = decodeId('pay', text)
  const payment = id && (await readPayment(pool, session.book, id))
  if (!payment || !maySee(session, payment)) throw new ApiError('not_found')
  return payment
}

/** Refuses whoever may see a payment, but is none of these and no operator. */
function mayOnly(request: FastifyRequest, users: readonly (UserId | null)[]): void {
  const session = sessionOf(request)
  if (!users.includes(session.userId) && !isOperator(session)) throw new ApiError('forbidden')
}

/** A line of the audit log where an operator does what is another user's to do. */
function auditOf(
  request: FastifyRequest,
  payment: StoredPayment,
  action: string,
  own: readonly (UserId | null)[],
): AuditEntry | null {
  if (own.includes(sessionOf(request).userId)) return null
  return { actor: actorOf(request), action, objectId: payment.id, detail: {} }
}

/**
 * Ends a pending payment as asked, once for each idempotency key, and answers with the payment as it is then. One whose
 * time is up, and that nobody has looked for yet, has expired with that.
 */
export async function endPayment(
  { directory, deciding, watch }: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  payment: StoredPayment,
  ending: Ending,
  audit: AuditEntry | null,
): Promise<FastifyReply> {
  const { book } = sessionOf(request)
  try {
    return await answerOnce(deciding, request, reply, async (client) => {
      const ended = await endPending(client, directory, book, payment.id, ending, audit)
      if (!ended?.ok) throw new EndRefused(ended?.refusal ?? 'not_pending', ended?.status ?? payment.status)
      const now = await readPayment(client, book, payment.id)
      if (!now) throw new Error('a payment that ended is there')
      return { status: 200, body: presentPayment(now) }
    })
  } catch (error) {
    if (!(error instanceof EndRefused)) throw error
    if (error.refusal === 'exceeds_hold') throw moreThanHeld(payment)
    if (error.refusal !== 'expired') throw problemOfEnd(error.refusal, error.status)
    const expire = { event: 'expire' } as const
    const ended = await inTransaction(deciding, (client) => endPending(client, directory, book, payment.id, expire))
    // Who canceled it meanwhile was first.
    throw problemOfEnd('expired', ended?.status ?? error.status)
  } finally {
    watch.tell([payment.id])
  }
}

/** Rolls the transaction back: a refusal leaves nothing behind, and is no answer to keep for its idempotency key. */
class EndRefused extends Error {
  readonly refusal: EndingRefusal
  readonly status: PaymentStatus

  constructor(refusal: EndingRefusal, status: PaymentStatus) {
    super(refusal)
    this.refusal = refusal
    this.status = status
  }
}

/** Refuses a capture of more than can be taken. What is held does not change while the payment is pending. */
function moreThanHeld({ amount, currency }: StoredPayment): ApiError {
  return fieldError('amount', 'amount_exceeds_hold', `must not be above ${formatAmount(amount, currency)}`)
}

/** A refused end, with the state that the payment is in. */
export function problemOfEnd(refusal: Exclude<EndingRefusal, 'exceeds_hold'>, status: PaymentStatus): ApiError {
  const codes: Record<typeof refusal, ErrorCode> = {
    not_pending: 'payment_not_pending',
    expired: 'payment_not_pending',
    not_due: 'payment_not_pending',
    account_closed: 'account_closed',
    account_frozen: 'account_frozen',
  }
  const code = codes[refusal]
  return new ApiError(code, undefined, [{ field: 'status', code, detail: status }])
}
