import { type Static, Type } from 'typebox'
import { type AccountState, readAccount } from '../../accounts/account.ts'
import type { Gateway } from '../../gateway.ts'
import type { BookId, UserId } from '../../ledger/id.ts'
import { decodeId, encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import { type MeteredLimit, readMeters, type Subject } from '../../payments/metering.ts'
import { LIMITED_KINDS, PER, SPANS } from '../../rules/payment_limits.ts'
import { readRulesMoment } from '../../rules/rules.ts'
import { sessionOf } from '../authentication.ts'
import { ApiError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, IdOf, Money, Nullable, OneOf } from '../schemas.ts'

const MeteredBody = Type.Object(
  {
    per: OneOf(PER),
    kind: OneOf(LIMITED_KINDS),
    currency: CurrencyCode,
    window: OneOf(SPANS),
    count: Nullable(Type.Integer({ description: 'So many payments at most; null: any number.' })),
    count_used: Type.Integer(),
    count_left: Nullable(Type.Integer()),
    sum: Nullable(Money),
    sum_used: Money,
    sum_left: Nullable(Money),
  },
  { title: 'OwnLimit' },
)

/** What users see of the limits that hold for them. */
export function limitRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.get('/v1/accounts/:id/limits', {
    schema: describe({
      operationId: 'getLimits',
      summary: 'The limits for an account of yours, and what is left of them',
      description: 'Those of the account, and those of all your accounts in its currency together.',
      tag: 'Accounts',
      errors: ['not_found'],
      params: Type.Object({ id: Type.String({ examples: ['acc_01k3v5f2q8e8pv0z3m0c6b7d1e'] }) }),
      response: { 200: Type.Object({ account_id: IdOf('acc'), data: Type.Array(MeteredBody) }) },
    }),
    handler: async (request) => {
      const { home: book, userId } = sessionOf(request)
      const id = decodeId('acc', request.params.id)
      const account = id && (await readAccount(pool, book, id))
      if (!account || account.userId !== userId) throw new ApiError('not_found')
      return presentLimitsOf(gateway, book, userId, account)
    },
  })
}

/** The limits for an account and for its user, with what is left of them now. */
export async function presentLimitsOf(
  { pool, rules }: Gateway,
  book: BookId,
  userId: UserId,
  account: Pick<AccountState, 'id' | 'currency'>,
) {
  const moment = await readRulesMoment(pool, book)
  const { limits } = await rules.at(pool, book, moment)
  const subjects = LIMITED_KINDS.map((kind): Subject => {
    return { accountId: account.id, userId, kind, currency: account.currency.code }
  })
  const found = await readMeters(pool, book, limits, subjects, { at: moment.at, toPost: false })
  return { account_id: encodeId('acc', account.id), data: [...found.values()].flat().map(presentMetered) }
}

function presentMetered({ limit, cap, used }: MeteredLimit): Static<typeof MeteredBody> {
  const money = (units: bigint) => formatAmount(units, limit.currency)
  return {
    per: limit.per,
    kind: limit.kind,
    currency: limit.currency.code,
    window: limit.span,
    count: cap.count === null ? null : Number(cap.count),
    count_used: Number(used.count),
    count_left: cap.count === null ? null : Number(leftOf(cap.count, used.count)),
    sum: cap.sum === null ? null : money(cap.sum),
    sum_used: money(used.sum),
    sum_left: cap.sum === null ? null : money(leftOf(cap.sum, used.sum)),
  }
}

/** A limit may have been lowered below what was used. */
function leftOf(cap: bigint, used: bigint): bigint {
  return cap > used ? cap - used : 0n
}
