import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Client } from '../../database/connection.ts'
import type { Gateway } from '../../gateway.ts'
import { RAIL_CODES } from '../../ledger/account.ts'
import { decodeId, encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import { DIRECTIONS } from '../../payments/instructions.ts'
import type { Ending } from '../../payments/pending.ts'
import { readPayment, readPosted } from '../../payments/read.ts'
import { resolveStray, SUSPENSE_REASONS } from '../../rails/suspense.ts'
import { type SuspenseItem, suspenseIn, suspenseItems } from '../../rails/suspense_list.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError, type ErrorCode, fieldError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { presentPayment } from '../present.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, IdOf, Nullable, OneOf, Payment, Reason, ReasonBody, Time } from '../schemas.ts'
import { accountId } from '../transfer.ts'
import { listRoute } from './admin_list.ts'
import { endPayment } from './payment_actions.ts'

const tag = 'Operators'

const Suspense = Type.Object(
  {
    id: IdOf('sus'),
    rail: OneOf(RAIL_CODES),
    rail_reference: Type.String(),
    direction: OneOf(DIRECTIONS),
    currency: CurrencyCode,
    amount: Type.String({ examples: ['98.00'] }),
    reason: OneOf(SUSPENSE_REASONS),
    payment_id: IdOf('pay'),
    related_id: Nullable(IdOf('pay')),
    status: OneOf(['open', 'resolved']),
    resolved_by: Nullable(IdOf('pay')),
    created_at: Time,
    resolved_at: Nullable(Time),
  },
  { title: 'SuspenseItem' },
)

/** What operators do about rails: settle or cancel what is stuck, and say whose the money in suspense is. */
export function adminRailRoutes(app: App, gateway: Gateway): void {
  endRoute(app, gateway, 'settle', 'Confirm a pending deposit or withdrawal by hand', {
    ...{ event: 'settle', amount: null, confirmed: true },
  })
  endRoute(app, gateway, 'cancel', 'Cancel a pending deposit or withdrawal by hand', { event: 'cancel' })
  suspenseRoutes(app, gateway)
}

function endRoute(app: App, gateway: Gateway, verb: 'settle' | 'cancel', summary: string, ending: Ending): void {
  const errors: ErrorCode[] = [
    'not_found',
    'payment_not_pending',
    'idempotency_key_reused',
    'account_closed',
    'account_frozen',
  ]
  app.post(`/v1/admin/payments/:id/${verb}`, {
    schema: describe({
      operationId: `${verb}PaymentByHand`,
      summary,
      description: 'For payments that a rail holds. Audited, with the reason.',
      tag,
      errors: [...errors, 'not_on_rail'],
      params: Type.Object({ id: Type.String({ examples: ['pay_01k3v5f4t1f6mb2x9k4w5r8h3n'] }) }),
      body: ReasonBody,
      response: { 200: Payment },
    }),
    handler: async (request, reply) => {
      const { id: text } = request.params as { id: string }
      const { book } = sessionOf(request)
      const id = decodeId('pay', text)
      const payment = id && (await readPayment(gateway.pool, book, id))
      if (!payment) throw new ApiError('not_found')
      if (payment.rail === null) throw new ApiError('not_on_rail')
      const detail = { reason: (request.body as { reason: string }).reason }
      const audit = { actor: actorOf(request), action: `payment.${verb}`, objectId: payment.id, detail }
      return endPayment(gateway, request, reply, payment, ending, audit)
    },
  })
}

function suspenseRoutes(app: App, gateway: Gateway): void {
  listRoute(app, gateway, 'suspense', {
    ...{ operationId: 'listSuspense', summary: 'Money that moved without a payment it belongs to' },
    ...{ spec: suspenseItems, scope: suspenseIn, schema: Suspense, present: presentSuspense },
    points: {
      payment: { payment: (item) => item.payment_id },
      related: { payment: (item) => item.related_id },
      resolved_by: { payment: (item) => item.resolved_by },
    },
  })

  app.post('/v1/admin/suspense/:id/resolve', {
    schema: describe({
      operationId: 'resolveSuspense',
      summary: 'Say whose money in suspense is',
      description:
        'An adjustment between `suspense` and the account; without an account, and `internal`. Where it is declined, the item stays open.',
      tag,
      errors: ['not_found', 'invalid_id', 'already_resolved', 'invalid_value', 'idempotency_key_reused'],
      params: Type.Object({ id: Type.String({ examples: ['sus_01k3v5f4t1f6mb2x9k4w5r8h3s'] }) }),
      body: Type.Object({ account: Type.Optional(IdOf('acc')), reason: Reason }, { additionalProperties: false }),
      response: { 201: Payment },
    }),
    handler: (request, reply) => {
      const id = decodeId('sus', request.params.id)
      if (!id) throw new ApiError('not_found')
      return answerOnce(gateway.deciding, request, reply, async (client) => {
        const { book } = sessionOf(request)
        const { reason, account: text } = request.body
        const account = text === undefined ? null : await userAccount(client, gateway, request, text)
        const detail = { suspense: request.params.id, account: text ?? null, reason }
        const audit = { actor: actorOf(request), action: 'suspense.resolve', objectId: null, detail }
        const resolved = await resolveStray(client, gateway.intake, book, id, { account, reason, audit })
        if (resolved.ok) {
          return { status: 201, body: presentPayment(await readPosted(client, book, resolved.payment)) }
        }
        if (resolved.refusal !== 'currency_mismatch') throw new ApiError(resolved.refusal)
        throw fieldError('account', 'invalid_value', 'has another currency')
      })
    },
  })
}

async function userAccount(client: Client, { directory }: Gateway, request: FastifyRequest, text: string) {
  const account = await directory.find(sessionOf(request).book, accountId(text, 'account'), client)
  if (!account?.userId) throw fieldError('account', 'not_found', 'is no account here')
  return account
}

function presentSuspense(item: SuspenseItem) {
  const { digits, ...shown } = item
  return {
    ...shown,
    id: encodeId('sus', item.id),
    amount: formatAmount(item.amount, { code: item.currency, digits }),
    payment_id: encodeId('pay', item.payment_id),
    related_id: item.related_id && encodeId('pay', item.related_id),
    resolved_by: item.resolved_by && encodeId('pay', item.resolved_by),
  }
}
