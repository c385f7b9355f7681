import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Scope } from '../../database/list.ts'
import { equalTo, type ListQuery } from '../../database/list_query.ts'
import type { Gateway } from '../../gateway.ts'
import type { Session } from '../../identity/sessions.ts'
import type { BookId, UserId } from '../../ledger/id.ts'
import { isFinal } from '../../ledger/lifecycle.ts'
import { CAPTURES, DECLINE_REASONS, FEE_PAYERS, netAmount, type PaymentStatus } from '../../ledger/payment.ts'
import { decodeId, encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import { idempotencyKey } from '../../payments/intake.ts'
import {
  type AccountRows,
  asksForOpen,
  ofAccount,
  ofSchedule,
  ofUser,
  openAccountPayments,
  userPayments,
} from '../../payments/list.ts'
import type { PaymentRequest, Payment as PaymentState, Submitted } from '../../payments/payment.ts'
import { previewRequest } from '../../payments/preview.ts'
import { asPosted, type StoredPayment } from '../../payments/read.ts'
import { readSchedule } from '../../schedules/schedule.ts'
import { requireStillGood, seesAll, sessionOf } from '../authentication.ts'
import { ApiError } from '../errors.ts'
import { expansionsOf, PAYMENT_POINTERS } from '../expand.ts'
import { keyHeader } from '../idempotency.ts'
import { sendList } from '../list.ts'
import { createHolding } from '../places.ts'
import { type Prefer, parsePrefer } from '../prefer.ts'
import { presentPayment } from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import {
  Amount,
  CurrencyCode,
  Description,
  FutureTime,
  IdOf,
  Metadata,
  Nullable,
  OneOf,
  PageOf,
  Payment,
  type PaymentBody,
  SHAPE,
} from '../schemas.ts'
import { checkedTransfer } from '../transfer.ts'

const tag = 'Payments'

/** What a payment is made from; a line of a bulk request adds its idempotency key. */
export const transferFields = {
  from_account: IdOf('acc'),
  to_account: IdOf('acc'),
  amount: Amount,
  fee_payer: Type.Optional(OneOf(FEE_PAYERS)),
  quote_id: Type.Optional(Nullable(IdOf('qte'))),
  capture: Type.Optional(OneOf(CAPTURES, { description: 'manual: the money is held until it is captured.' })),
  expires_at: Type.Optional(Nullable(FutureTime)),
  description: Type.Optional(Nullable(Description)),
  metadata: Type.Optional(Metadata),
}
/** A plain one: not every field goes with every other. */
export const transferExample = {
  from_account: 'acc_01k3v5f2q8e8pv0z3m0c6b7d1e',
  to_account: 'acc_01k3v5f2q8e8pv0z3m0c6b7d2f',
  amount: '12.30',
  description: 'Lunch',
  metadata: { order: '1815' },
}
export const Transfer = Type.Object(transferFields, { additionalProperties: false, examples: [transferExample] })
export type TransferBody = Static<typeof Transfer>

/** RFC 7240; read by parsePrefer. */
export const preferHeader = Type.Object({ prefer: Type.Optional(Type.String({ examples: ['respond-async'] })) })

/** Payments: made at once or in the background, previewed, read, waited for (api.md, Payments). */
export function paymentRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/payments', {
    schema: describe({
      operationId: 'createPayment',
      summary: 'Pay',
      description:
        'Answers 201 with the payment in its final status; a declined payment is a 201 too, with its reason. With ' +
        '`capture: manual` it is `pending`, and the money held, until it is captured, canceled or expired (a week where ' +
        '`expires_at` does not say). With `quote_id` it is paid out in another currency, at the rate of the quote. ' +
        '`Prefer: respond-async` answers 202 at once, and `Prefer: wait=N` waits at most N seconds before it does.',
      tag,
      errors: ['not_found', 'invalid_amount', 'invalid_id', 'idempotency_key_reused', 'outcome_unknown'],
      headers: preferHeader,
      body: Transfer,
      response: { 201: Payment, 202: Payment },
    }),
    handler: (request, reply) => createPayment(gateway, request, reply, request.body),
  })

  app.post('/v1/payments/preview', {
    schema: describe({
      operationId: 'previewPayment',
      summary: 'What a payment would cost, and whether it would be declined',
      tag,
      errors: ['not_found', 'invalid_amount', 'invalid_id'],
      body: Transfer,
      response: {
        200: Type.Object({
          currency: CurrencyCode,
          amount: Amount,
          fee: Amount,
          fee_payer: OneOf(FEE_PAYERS),
          net_amount: Amount,
          rate: Nullable(Type.String({ examples: ['0.92'] })),
          decline_reason: Nullable(OneOf(DECLINE_REASONS)),
        }),
      },
    }),
    handler: async (request) => {
      const asked = await checkedTransfer(gateway, request, request.body, null)
      const { priced: payment, reason } = await previewRequest(gateway.pool, gateway.rules, asked)
      const money = (units: bigint) => formatAmount(units, payment.from.currency)
      return {
        currency: payment.from.currency.code,
        amount: money(payment.amount),
        fee: money(payment.fee),
        fee_payer: payment.feePayer,
        net_amount: money(netAmount(payment)),
        rate: payment.terms.type === 'exchange' ? payment.terms.exchange.rate : null,
        decline_reason: reason,
      }
    },
  })

  readingRoutes(app, gateway)
}

/**
 * All payments of a user, or where one of the user's accounts is asked for on its side, those of that side; or those of a
 * schedule that the user pays by or is paid by. Of what is open, by account or all: it is not much.
 */
async function scopeOf(
  { pool, directory }: Gateway,
  book: BookId,
  userId: UserId,
  query: ListQuery,
  rows: AccountRows,
): Promise<Scope> {
  const schedule = rows === 'p' ? decodeId('sch', equalTo(query, 'schedule_id') ?? '') : undefined
  const sides = schedule && (await readSchedule(pool, book, schedule))
  for (const side of ['from', 'to'] as const) {
    const account = decodeId('acc', equalTo(query, `${side}_account`) ?? '')
    const facts = account && (await directory.find(book, account))
    if (facts?.userId === userId) return ofAccount(book, facts.id, side, rows)
    const scheduled = sides && (await directory.find(book, sides[side]))
    if (sides && scheduled?.userId === userId) return ofSchedule(book, sides.id, side)
  }
  return ofUser(book, userId, rows)
}

/** Calls of one user that may wait for a payment on one node: each keeps memory, and all read it when it changes. */
const MOST_WAITING = 1_000

function readingRoutes(app: App, gateway: Gateway): void {
  const { pool, watch } = gateway
  const holdPlace = createHolding(MOST_WAITING, 'of your calls wait for a payment')

  app.get('/v1/payments', {
    schema: describe({
      operationId: 'listPayments',
      summary: 'Payments from and to your accounts',
      tag,
      querystring: listQuery(userPayments.fields, Object.keys(PAYMENT_POINTERS)),
      response: { 200: PageOf(Payment) },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      const expand = expansionsOf(pool, home, sessionOf(request), PAYMENT_POINTERS)
      const scope = (rows: AccountRows) => (query: ListQuery) => scopeOf(gateway, home, userId, query, rows)
      return sendList(pool, request, reply, {
        ...{ spec: userPayments, scope: scope('p'), present: presentPayment, expand },
        instead: (query) => (asksForOpen(query) ? { spec: openAccountPayments, scope: scope('o') } : undefined),
      })
    },
  })

  app.get('/v1/payments/:id', {
    schema: describe({
      operationId: 'getPayment',
      summary: 'One payment',
      description: 'Both sides may see it. With `wait`, answers when the status is final, or after so many seconds.',
      tag,
      errors: ['not_found'],
      params: Type.Object({ id: Type.String({ examples: ['pay_01k3v5f4t1f6mb2x9k4w5r8h3n'] }) }),
      querystring: Type.Object(
        {
          wait: Type.Optional(
            Type.String({
              pattern: '^([0-5]?\\d|60)$',
              [SHAPE]: 'a whole number of seconds from 0 to 60',
              description: 'Seconds, 0 to 60.',
              examples: ['30'],
            }),
          ),
        },
        { additionalProperties: false },
      ),
      response: { 200: Payment },
    }),
    handler: async (request, reply) => {
      const session = sessionOf(request)
      const id = decodeId('pay', request.params.id)
      const now = id && (await watch.until(isFinal, session.book, id, 0))
      if (!id || !now || !maySee(session, now)) throw new ApiError('not_found')
      const seconds = Number(request.query.wait ?? 0)
      if (isFinal(now.status) || seconds === 0) return presentPayment(now)
      const gone = holdPlace(request, reply)
      const later = await watch.until(isFinal, session.book, id, seconds * 1_000, gone)
      await requireStillGood(gateway, request)
      return presentPayment(later ?? now)
    },
  })
}

/** Both sides of a payment may see it, operators and auditors. */
export function maySee(session: Session, { senderUser, receiverUser }: StoredPayment): boolean {
  return seesAll(session) || senderUser === session.userId || receiverUser === session.userId
}

async function createPayment(gateway: Gateway, request: FastifyRequest, reply: FastifyReply, body: TransferBody) {
  const header = keyHeader(request)
  const key = header === undefined ? null : idempotencyKey(sessionOf(request).userId, 'payment', header, body)
  const prefer = parsePrefer(request.headers.prefer)
  const payment = await checkedTransfer(gateway, request, body, key)
  const made = await makePayment(gateway, payment, prefer)
  // Of what failed nothing was heeded.
  if (prefer.applied !== undefined) reply.header('preference-applied', prefer.applied)
  return sendPayment(reply, made)
}

async function makePayment(gateway: Gateway, payment: PaymentRequest, prefer: Prefer): Promise<Made> {
  if (!prefer.asynchronous) return madeOf(await gateway.poster.submit(payment))
  const made = madeOf(await gateway.initiator.submit(payment))
  gateway.worker.wake()
  if (prefer.waitSeconds === 0) return made
  const later = await gateway.watch.until(isPosted, payment.book, made.payment.id, prefer.waitSeconds * 1_000)
  return { payment: later ? asPosted(later) : made.payment, replayed: made.replayed }
}

const isPosted = (status: PaymentStatus) => status !== 'initiated'

export type Made = { readonly payment: PaymentState; readonly replayed: boolean }

/** The payment that a request came to. Throws `idempotency_key_reused` where its key belongs to another. */
export function madeOf(submitted: Submitted): Made {
  switch (submitted.result) {
    case 'payment':
      return submitted
    case 'key_reused':
      throw new ApiError('idempotency_key_reused')
  }
}

/** 202 while a payment is only initiated or its rail has to decide, 201 with any outcome. */
export function sendPayment(
  reply: FastifyReply,
  { payment, replayed }: Made,
  present: (payment: PaymentState) => PaymentBody = presentPayment,
): FastifyReply {
  if (replayed) reply.header('idempotent-replayed', 'true')
  return reply
    .code(payment.status === 'initiated' || (payment.status === 'pending' && payment.rail !== null) ? 202 : 201)
    .header('location', `/v1/payments/${encodeId('pay', payment.id)}`)
    .send(present(payment))
}
