import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { readBookName } from '../../books/books.ts'
import { readCurrencies } from '../../books/currencies.ts'
import { readClock } from '../../database/clock.ts'
import { type Client, inTransaction } from '../../database/connection.ts'
import { formatInstant } from '../../database/instant.ts'
import { KeyMissing } from '../../database/secret_box.ts'
import type { Gateway } from '../../gateway.ts'
import { PAYMENT_STATUSES } from '../../ledger/payment.ts'
import { decodeId, encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import { type BatchWish, collectBatch, downloadBatch, type LeftOut, MOST_IN_BATCH } from '../../rails/wire/batch.ts'
import {
  type BatchedPayment,
  batchedPayments,
  batchedPaymentsIn,
  type WireBatch,
  wireBatches,
  wireBatchesIn,
} from '../../rails/wire/batch_list.ts'
import { isDay } from '../../rails/wire/camt_values.ts'
import { wireReference } from '../../rails/wire/matching.ts'
import { PAIN_VERSIONS, type PainVersion } from '../../rails/wire/pain.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { currencyOf } from '../currency.ts'
import { ApiError, fieldError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, IdOf, Money, Nullable, OneOf, SHAPE, Time } from '../schemas.ts'
import { listRoute } from './admin_list.ts'

const tag = 'Operators'

const shown = {
  id: IdOf('wbt'),
  message_id: Type.String({ description: 'Its name at the bank: `MsgId` and `PmtInfId`.' }),
  version: OneOf(PAIN_VERSIONS),
  account: Type.String({ description: 'The IBAN of the own account that pays.', examples: ['DE89370400440532013000'] }),
  currency: CurrencyCode,
  requested_date: Type.String({ examples: ['2026-11-27'] }),
  payments: Type.Integer({ description: 'How many it has.' }),
  total: Money,
  created_by: Nullable(IdOf('usr')),
  created_at: Time,
}
const BatchBody = Type.Object(shown, { title: 'WireBatch' })
const CollectedBody = Type.Object(
  {
    ...shown,
    left_out: Type.Array(Type.Object({ payment_id: IdOf('pay'), problem: Type.String() }), {
      description:
        'Withdrawals that no bank would take, or whose destination cannot be opened, and why: they wait until an operator cancels them.',
    }),
  },
  { title: 'CollectedWireBatch' },
)
const PaymentBody = Type.Object(
  {
    payment_id: IdOf('pay'),
    batch_id: IdOf('wbt'),
    end_to_end_id: Type.String({ description: 'By which the bank reports it.' }),
    currency: CurrencyCode,
    amount: Money,
    status: OneOf(PAYMENT_STATUSES),
    destination: Nullable(Type.String({ description: 'Its beginning and its end.', examples: ['DE89…3000'] })),
    reject_reason: Nullable(Type.String({ description: 'Why the bank rejected it (pain.002).', examples: ['AC01'] })),
  },
  { title: 'WireBatchPayment' },
)

const Wish = Type.Object(
  {
    currency: CurrencyCode,
    version: Type.Optional(OneOf(PAIN_VERSIONS)),
    requested_date: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-\\d{2}-\\d{2}$',
        [SHAPE]: 'a day such as 2026-01-31',
        description: 'When the bank is to pay; today if not given.',
        examples: ['9999-01-01'],
      }),
    ),
    most: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_IN_BATCH, examples: [1_000] })),
    batch_booking: Type.Optional(
      Type.Boolean({
        description: 'Asks the bank to book it in one; each payment by itself if not given.',
        examples: [true],
      }),
    ),
  },
  { additionalProperties: false },
)

/** Withdrawals by wire, collected into orders for banks (docs/wire.md). */
export function wireBatchRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/admin/wire/batches', {
    schema: describe({
      operationId: 'createWireBatch',
      summary: 'Collect withdrawals into an order for a bank',
      description:
        'Everything that waits in that currency, at most 5 000: a pain.001.001.09 or .03 of the own account. A withdrawal ' +
        'is in one batch, ever, and can no longer be canceled by its user. Audited.',
      tag,
      errors: ['not_found', 'unknown_currency', 'nothing_to_order', 'idempotency_key_reused'],
      body: Wish,
      response: { 201: CollectedBody },
    }),
    handler: (request, reply) =>
      answerOnce(gateway.pool, request, reply, async (client) => {
        const wish = await checkedWish(gateway, client, request, request.body)
        const { secretBox, log } = gateway
        const collected = await collectBatch(client, secretBox, sessionOf(request).book, wish, actorOf(request), log)
        if (collected.ok) {
          return { status: 201, body: { ...presentBatch(collected.batch), left_out: leftOut(collected.leftOut) } }
        }
        if (collected.refusal === 'impossible') throw fieldError('currency', 'invalid_value', collected.problem)
        const problems = leftOut(collected.leftOut).map(({ payment_id, problem }) => ({
          ...{ field: payment_id, code: 'nothing_to_order' as const, detail: problem },
        }))
        throw new ApiError('nothing_to_order', undefined, problems)
      }),
  })

  listRoutes(app, gateway)
  fileRoute(app, gateway)
}

type Asked = {
  currency: string
  version?: PainVersion
  requested_date?: string
  most?: number
  batch_booking?: boolean
}

async function checkedWish(
  { bankAccount, config }: Gateway,
  client: Client,
  request: FastifyRequest,
  {
    currency: code,
    version = '09',
    requested_date: date,
    most = MOST_IN_BATCH,
    batch_booking: batchBooking = false,
  }: Asked,
): Promise<BatchWish> {
  const { book } = sessionOf(request)
  const currency = currencyOf(await readCurrencies(client, book), code, 'currency')
  const account = bankAccount(await readBookName(client, book), code)
  if (!account)
    throw fieldError('currency', 'invalid_value', `is not paid by files of a bank here: there is no ${code} account`)
  const today = formatInstant(await readClock(client)).slice(0, 10)
  if (date !== undefined && !isDay(date)) throw fieldError('requested_date', 'invalid_value', 'is no day')
  if (date !== undefined && date < today) throw fieldError('requested_date', 'invalid_value', `is before ${today}`)
  return { currency, account, name: config.wireName, version, requestedDate: date ?? null, batchBooking, most }
}

function listRoutes(app: App, gateway: Gateway): void {
  listRoute(app, gateway, 'wire/batches', {
    ...{ operationId: 'listWireBatches', summary: 'Orders to banks' },
    ...{ spec: wireBatches, scope: wireBatchesIn, schema: BatchBody, present: presentBatch },
  })

  listRoute(app, gateway, 'wire/batches/payments', {
    ...{ operationId: 'listWireBatchPayments', summary: 'What orders to banks contain' },
    description: '`batch_id` names one; `status` says how each withdrawal stands now.',
    ...{ spec: batchedPayments, scope: batchedPaymentsIn, schema: PaymentBody, present: presentPayment },
    points: { payment: { payment: ({ payment }) => payment } },
  })
}

function fileRoute(app: App, { pool, secretBox, log }: Gateway): void {
  app.get('/v1/admin/wire/batches/:id/file', {
    schema: describe({
      operationId: 'downloadWireBatch',
      summary: 'The order, for the bank',
      description: 'Each time the same, byte for byte. It names who is paid, in full: the download is audited.',
      tag,
      errors: ['not_found', 'key_missing', 'outcome_unknown'],
      params: Type.Object({ id: Type.String({ examples: ['wbt_01k3v5f7a3c5e7g9j1m3p5r7tb'] }) }),
      response: { 200: Type.String() },
      onlyType: 'application/xml',
      unkept: true,
    }),
    handler: async (request, reply) => {
      const id = decodeId('wbt', request.params.id)
      const { book } = sessionOf(request)
      if (!id) throw new ApiError('not_found')
      const download = (client: Client) => downloadBatch(client, secretBox, book, id, actorOf(request))
      const found = await inTransaction(pool, download).catch((cause: unknown) => {
        if (!(cause instanceof KeyMissing)) throw cause
        log.warn({ err: cause, batch: request.params.id }, 'an order for a bank cannot be opened')
        throw new ApiError('key_missing', undefined, [], { cause })
      })
      if (!found) throw new ApiError('not_found')
      return reply
        .type('application/xml')
        .header('content-disposition', `attachment; filename="${found.messageId}.xml"`)
        .header('cache-control', 'no-store')
        .send(found.xml)
    },
  })
}

function presentBatch({ messageId, requestedDate, createdBy, createdAt, currency, ...batch }: WireBatch) {
  return {
    ...batch,
    id: encodeId('wbt', batch.id),
    message_id: messageId,
    currency: currency.code,
    requested_date: requestedDate,
    total: formatAmount(batch.total, currency),
    created_by: createdBy && encodeId('usr', createdBy),
    created_at: createdAt,
  }
}

function leftOut(all: readonly LeftOut[]) {
  return all.map(({ payment, problem }) => ({ payment_id: encodeId('pay', payment), problem }))
}

function presentPayment({ payment, batch, currency, amount, status, ...about }: BatchedPayment) {
  return {
    payment_id: encodeId('pay', payment),
    batch_id: encodeId('wbt', batch),
    end_to_end_id: wireReference(payment),
    currency: currency.code,
    amount: formatAmount(amount, currency),
    status,
    destination: about.shown,
    reject_reason: about.rejectReason,
  }
}
