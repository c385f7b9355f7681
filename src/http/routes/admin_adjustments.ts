import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Client, Queryable } from '../../database/connection.ts'
import { readPage } from '../../database/list.ts'
import { parseListQuery } from '../../database/list_query.ts'
import type { Gateway } from '../../gateway.ts'
import type { ApprovalId } from '../../ledger/id.ts'
import { decodeId, encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import { isAbove } from '../../money/sums.ts'
import { ADJUSTMENT_DIRECTIONS, type Adjustment, adjustmentRequest } from '../../payments/adjustment.ts'
import { approve, reject, requestApproval } from '../../payments/approvals.ts'
import { APPROVAL_STATUSES, type Approval, approvals, approvalsIn } from '../../payments/approvals_list.ts'
import { postRequest } from '../../payments/batch.ts'
import { idempotencyKey } from '../../payments/intake.ts'
import type { PricedRequest } from '../../payments/payment.ts'
import { asFirstAnswered, readPaymentsByKey, readPosted } from '../../payments/read.ts'
import { positiveAmountOf } from '../amount.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError, type ErrorCode, fieldError } from '../errors.ts'
import { type Answer, answerOnce, keyHeader } from '../idempotency.ts'
import { presentPayment } from '../present.ts'
import { type App, describe } from '../route.ts'
import { Amount, CurrencyCode, IdOf, Nullable, OneOf, Payment, Reason, ReasonBody, Time } from '../schemas.ts'
import { accountId } from '../transfer.ts'
import { listRoute } from './admin_list.ts'
import { madeOf, sendPayment } from './payments.ts'

const tag = 'Operators'
const params = Type.Object({ id: Type.String({ examples: ['apr_01k3v5f4t1f6mb2x9k4w5r8h3s'] }) })
const DECISION_ERRORS: readonly ErrorCode[] = [
  ...(['not_found', 'not_yourself', 'approval_decided', 'approval_expired', 'idempotency_key_reused'] as const),
]

const ApprovalBody = Type.Object(
  {
    id: IdOf('apr'),
    account_id: IdOf('acc'),
    direction: OneOf(ADJUSTMENT_DIRECTIONS),
    currency: CurrencyCode,
    amount: Type.String({ examples: ['5000.00'] }),
    reason: Reason,
    status: OneOf(APPROVAL_STATUSES),
    requested_by: IdOf('usr'),
    decided_by: Nullable(IdOf('usr')),
    payment_id: Nullable(IdOf('pay')),
    created_at: Time,
    expires_at: Time,
    decided_at: Nullable(Time),
  },
  { title: 'Approval' },
)

/** Adjustments, and above a sum the approval of a second operator (docs/operations.md). */
export function adjustmentRoutes(app: App, gateway: Gateway): void {
  adjustmentRoute(app, gateway)
  listRoute(app, gateway, 'approvals', {
    ...{
      operationId: 'listApprovals',
      summary: 'Adjustments that wait for a second operator, and what became of them',
    },
    ...{ spec: approvals, scope: approvalsIn, schema: ApprovalBody, present: presentApproval },
    points: {
      account: { account: (approval) => approval.account_id },
      payment: { payment: (approval) => approval.payment_id },
    },
  })
  decisionRoutes(app, gateway)
}

function adjustmentRoute(app: App, gateway: Gateway): void {
  app.post('/v1/admin/adjustments', {
    schema: describe({
      operationId: 'createAdjustment',
      summary: 'Put money into an account, or take it out',
      description:
        'debit: from `internal` into the account; credit: out of it. Audited, with the reason. Above the sums in ' +
        '`BGW_APPROVAL_ABOVE` it is a 202 with an approval, which another operator decides.',
      tag,
      errors: ['not_found', 'invalid_amount', 'invalid_id', 'idempotency_key_reused', 'outcome_unknown'],
      body: Type.Object(
        { account: IdOf('acc'), amount: Amount, direction: OneOf(ADJUSTMENT_DIRECTIONS), reason: Reason },
        { additionalProperties: false },
      ),
      response: { 201: Payment, 202: ApprovalBody },
    }),
    handler: async (request, reply) => {
      const { account: text, amount: written, direction, reason } = request.body
      const account = await gateway.directory.find(sessionOf(request).book, accountId(text, 'account'))
      if (!account?.userId) throw fieldError('account', 'not_found', 'is no account here')
      const amount = positiveAmountOf(written, account.currency, 'amount')
      return adjust(gateway, request, reply, { account, amount, direction, reason })
    },
  })
}

/**
 * Makes an adjustment, or asks for its approval. One key is for either, as the sums may be others when it comes again: so
 * both answers are kept in one place. Without a key there is no again, and it is posted with the payments of others.
 */
async function adjust(gateway: Gateway, request: FastifyRequest, reply: FastifyReply, adjustment: Adjustment) {
  const { approvalAbove } = gateway.config
  const { currency } = adjustment.account
  const waits = approvalAbove !== undefined && isAbove(approvalAbove, currency.code, adjustment.amount)
  const payment = await paymentOf(gateway, request, adjustment)
  if (!waits && !payment.key) return sendPayment(reply, madeOf(await gateway.poster.submit(payment)))
  const work = (client: Client) => (waits ? ask(client, gateway, request, adjustment) : post(client, payment))
  return answerOnce(gateway.deciding, request, reply, work, {
    answeredElsewhere: (client) => answerOfPayment(client, payment),
    reveal: (answer) => {
      if (answer.status === 201 && 'id' in answer.body) reply.header('location', `/v1/payments/${answer.body.id}`)
      return answer
    },
  })
}

function paymentOf({ intake }: Gateway, request: FastifyRequest, adjustment: Adjustment): Promise<PricedRequest> {
  const { userId } = sessionOf(request)
  const header = keyHeader(request)
  const detail = request.body as Record<string, unknown>
  return adjustmentRequest(intake, adjustment, {
    madeBy: userId,
    key: header === undefined ? null : idempotencyKey(userId, 'adjustment', header, request.body),
    audit: { actor: actorOf(request), action: 'adjustment.create', objectId: null, detail },
  })
}

async function ask(
  client: Client,
  { config }: Gateway,
  request: FastifyRequest,
  adjustment: Adjustment,
): Promise<Answer> {
  const { userId } = sessionOf(request)
  const id = await requestApproval(client, adjustment, userId, actorOf(request), config.approvalHours)
  return { status: 202, body: await readApproval(client, request, id) }
}

async function post(client: Client, request: PricedRequest): Promise<Answer> {
  const payment = await postRequest(client, request)
  return { status: 201, body: presentPayment(await readPosted(client, request.book, payment)) }
}

/** What a payment says that has the key and no answer beside it, as a node of an earlier version leaves it. */
async function answerOfPayment(client: Client, { book, key }: PricedRequest): Promise<Answer | undefined> {
  const earlier = key && (await readPaymentsByKey(client, book, [key.key])).get(key.key)
  if (!earlier) return undefined
  if (earlier.requestHash !== key.requestHash) throw new ApiError('idempotency_key_reused')
  return { status: 201, body: presentPayment(asFirstAnswered(earlier)) }
}

function decisionRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/admin/approvals/:id/approve', {
    schema: describe({
      operationId: 'approveAdjustment',
      summary: 'Make the adjustment that another operator asked for',
      description: 'Answers with its payment, which may be declined. Once: whoever comes second is told so.',
      tag,
      errors: [...DECISION_ERRORS, 'unknown_field', 'unsupported_media_type', 'outcome_unknown'],
      params,
      response: { 201: Payment },
    }),
    handler: (request, reply) =>
      answerOnce(gateway.deciding, request, reply, async (client) => {
        const decision = decisionOf(request, request.params.id)
        const made = await approve(client, gateway, decision)
        if (typeof made === 'string') throw new ApiError(made)
        return { status: 201, body: presentPayment(await readPosted(client, decision.book, made)) }
      }),
  })

  app.post('/v1/admin/approvals/:id/reject', {
    schema: describe({
      operationId: 'rejectAdjustment',
      summary: 'Turn down the adjustment that another operator asked for',
      tag,
      errors: DECISION_ERRORS,
      params,
      body: ReasonBody,
      response: { 200: ApprovalBody },
    }),
    handler: (request, reply) =>
      answerOnce(gateway.deciding, request, reply, async (client) => {
        const decision = decisionOf(request, request.params.id)
        const refusal = await reject(client, decision, request.body.reason)
        if (refusal) throw new ApiError(refusal)
        return { status: 200, body: await readApproval(client, request, decision.id) }
      }),
  })
}

function decisionOf(request: FastifyRequest, text: string) {
  const id = decodeId('apr', text)
  if (!id) throw new ApiError('not_found')
  const { book, userId } = sessionOf(request)
  return { book, id, by: userId, actor: actorOf(request) }
}

async function readApproval(client: Queryable, request: FastifyRequest, id: ApprovalId) {
  const query = parseListQuery(approvals.fields, { id: encodeId('apr', id) })
  const { data } = await readPage(client, approvals, approvalsIn(sessionOf(request).book), query)
  const [approval] = data
  if (!approval) throw new Error('an approval that was written is there')
  return presentApproval(approval)
}

function presentApproval({ digits, ...approval }: Approval) {
  return {
    ...approval,
    id: encodeId('apr', approval.id),
    account_id: encodeId('acc', approval.account_id),
    amount: formatAmount(approval.amount, { code: approval.currency, digits }),
    requested_by: encodeId('usr', approval.requested_by),
    decided_by: approval.decided_by && encodeId('usr', approval.decided_by),
    payment_id: approval.payment_id && encodeId('pay', approval.payment_id),
  }
}
