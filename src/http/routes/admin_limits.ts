import { type Static, Type } from 'typebox'
import { readAccount } from '../../accounts/account.ts'
import { readCurrencies } from '../../books/currencies.ts'
import { type Client, inTransaction } from '../../database/connection.ts'
import { onceCommitted } from '../../database/faults.ts'
import type { Gateway } from '../../gateway.ts'
import { findUser } from '../../identity/users.ts'
import type { BookId } from '../../ledger/id.ts'
import type { Cap } from '../../ledger/meters.ts'
import { decodeId, encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import type { Currency } from '../../money/currency.ts'
import { limitsIn, paymentLimits } from '../../rules/payment_limit_list.ts'
import {
  LIMITED_KINDS,
  type Limit,
  type LimitFor,
  PER,
  removeLimit,
  SPANS,
  setLimit,
} from '../../rules/payment_limits.ts'
import { awaitOlderBatches } from '../../rules/version.ts'
import { amountOf } from '../amount.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { currencyOf } from '../currency.ts'
import { ApiError, fieldError } from '../errors.ts'
import { type Answer, answerOnce } from '../idempotency.ts'
import { type App, describe } from '../route.ts'
import { Amount, CurrencyCode, IdOf, Money, Nullable, OneOf, Time } from '../schemas.ts'
import { accountId } from '../transfer.ts'
import { listRoute } from './admin_list.ts'

const tag = 'Operators'

const LimitBody = Type.Object(
  {
    id: IdOf('lim'),
    per: OneOf(PER),
    user_id: Nullable(IdOf('usr')),
    account_id: Nullable(IdOf('acc')),
    kind: OneOf(LIMITED_KINDS),
    currency: CurrencyCode,
    window: OneOf(SPANS),
    count: Nullable(Type.Integer()),
    sum: Nullable(Money),
    made_by: Nullable(IdOf('usr')),
    created_at: Time,
    updated_at: Time,
  },
  { title: 'Limit' },
)

const Wanted = Type.Object(
  {
    per: OneOf(PER, { description: 'Whose payments count together: those of a user’s accounts, or of one account.' }),
    user_id: Type.Optional(
      Nullable(Type.String({ format: 'usr_id', description: 'For this user only.', examples: [null] })),
    ),
    account_id: Type.Optional(
      Nullable(Type.String({ format: 'acc_id', description: 'For this account only.', examples: [null] })),
    ),
    kind: OneOf(LIMITED_KINDS),
    currency: CurrencyCode,
    window: OneOf(SPANS, {
      description: 'payment: each alone; day, month: those of the last 24 hours, 30 days.',
      examples: ['day'],
    }),
    count: Type.Optional(Nullable(Type.Integer({ minimum: 0, maximum: 1_000_000_000, examples: [1_000] }))),
    sum: Type.Optional(Nullable(Amount)),
  },
  { additionalProperties: false },
)
type Wanted = Static<typeof Wanted>

/** What operators do with limits: see those that are set, set more, and take them away (docs/fees-and-limits.md). */
export function adminLimitRoutes(app: App, { pool }: Gateway): void {
  listRoute(app, { pool }, 'limits', {
    ...{ operationId: 'listLimitsOfBook', summary: 'Limits as they are set' },
    ...{ spec: paymentLimits, scope: limitsIn, schema: LimitBody, present: presentLimit },
    points: { account: { account: ({ accountId }) => accountId } },
  })

  app.post('/v1/admin/limits', {
    schema: describe({
      operationId: 'setLimit',
      summary: 'Limit payments of a kind: of everybody, or of one user or account',
      description:
        'Takes the place of the limit that is there for the same. One for a user or an account counts in place of the one ' +
        'for everybody; without `count` and `sum` it lifts that. Audited.',
      tag,
      errors: ['not_found', 'unknown_currency', 'invalid_amount', 'invalid_id', 'idempotency_key_reused'],
      body: Wanted,
      response: { 201: LimitBody },
    }),
    handler: async (request, reply) => {
      const { book } = sessionOf(request)
      const { body } = request
      const currency = currencyOf(await readCurrencies(pool, book), body.currency, 'currency')
      const whom = await whomBy({ pool }, book, body, currency)
      const cap = capBy(body, currency)
      const { kind, window: span } = body
      const work = async (client: Client) => {
        const limit = await setLimit(client, book, { ...whom, kind, currency, span }, cap, actorOf(request))
        return { status: 201, body: presentLimit(limit) }
      }
      const reveal = async (answer: Answer) => {
        await awaitOlderBatches(pool)
        return answer
      }
      return answerOnce(pool, request, reply, work, { reveal })
    },
  })

  app.delete('/v1/admin/limits/:id', {
    schema: describe({
      operationId: 'removeLimit',
      summary: 'Take a limit away',
      description: 'Audited.',
      tag,
      errors: ['not_found', 'unknown_field', 'unsupported_media_type', 'outcome_unknown'],
      params: Type.Object({ id: Type.String({ examples: ['lim_01k3v5f0j5d8n2b6v9y4s7k3e3'] }) }),
      response: { 204: Type.Null() },
    }),
    handler: async (request, reply) => {
      const { book } = sessionOf(request)
      const id = decodeId('lim', request.params.id)
      const removed = id && (await inTransaction(pool, (client) => removeLimit(client, book, id, actorOf(request))))
      if (!removed) throw new ApiError('not_found')
      // The one for everybody may count again.
      await onceCommitted(() => awaitOlderBatches(pool))
      return reply.code(204).send(null)
    },
  })
}

async function whomBy(
  { pool }: Pick<Gateway, 'pool'>,
  book: BookId,
  { per, user_id: user = null, account_id: account = null }: Wanted,
  currency: Currency,
): Promise<LimitFor> {
  if (per === 'user') {
    if (account !== null) throw fieldError('account_id', 'invalid_value', 'is for limits per account')
    const userId = user === null ? null : decodeId('usr', user)
    if (user !== null && !(userId && (await findUser(pool, book, userId))))
      throw fieldError('user_id', 'not_found', 'is no user here')
    return { per, userId: userId ?? null, accountId: null }
  }
  if (user !== null) throw fieldError('user_id', 'invalid_value', 'is for limits per user')
  if (account === null) return { per, userId: null, accountId: null }
  const found = await readAccount(pool, book, accountId(account, 'account_id'))
  if (!found?.userId) throw fieldError('account_id', 'not_found', 'is no account of a user here')
  if (found.currency.code !== currency.code) throw fieldError('currency', 'invalid_value', 'is not that of the account')
  return { per, userId: null, accountId: found.id }
}

function capBy(
  { window, user_id: user, account_id: account, count = null, sum: text }: Wanted,
  currency: Currency,
): Cap {
  const sum = text == null ? null : amountOf(text, currency, 'sum')
  if (window === 'payment' && count !== null) throw fieldError('count', 'invalid_value', 'is for a day or a month')
  const isForEverybody = user == null && account == null
  if (isForEverybody && count === null && sum === null)
    throw fieldError('sum', 'missing_field', 'or count must be there in a limit for everybody')
  return { count: count === null ? null : BigInt(count), sum }
}

function presentLimit({ currency, cap, ...limit }: Limit): Static<typeof LimitBody> {
  return {
    id: encodeId('lim', limit.id),
    per: limit.per,
    user_id: limit.userId && encodeId('usr', limit.userId),
    account_id: limit.accountId && encodeId('acc', limit.accountId),
    kind: limit.kind,
    currency: currency.code,
    window: limit.span,
    count: cap.count === null ? null : Number(cap.count),
    sum: cap.sum === null ? null : formatAmount(cap.sum, currency),
    made_by: limit.madeBy && encodeId('usr', limit.madeBy),
    created_at: limit.createdAt,
    updated_at: limit.updatedAt,
  }
}
