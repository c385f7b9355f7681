import { type Static, Type } from 'typebox'
import { readCurrencies } from '../../books/currencies.ts'
import { parseInstant } from '../../database/instant.ts'
import type { Gateway } from '../../gateway.ts'
import { RAIL_CODES } from '../../ledger/account.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import type { Currency } from '../../money/currency.ts'
import { formatPercent, type Percent, parsePercent } from '../../money/percent.ts'
import type { Tariff, Tier } from '../../money/tariff.ts'
import { feeSchedules, schedulesIn } from '../../rules/fee_schedule_list.ts'
import { type FeeSchedule, PRICED_KINDS, type Priced, writeSchedule } from '../../rules/fee_schedules.ts'
import { amountOf } from '../amount.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { currencyOf } from '../currency.ts'
import { fieldError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { type App, describe } from '../route.ts'
import { Amount, CurrencyCode, FutureTime, IdOf, Money, Nullable, OneOf, Time } from '../schemas.ts'
import { listRoute } from './admin_list.ts'

const tag = 'Operators'

const PercentText = Type.String({ description: '0 to 100, at most six decimals.', examples: ['1.5'] })
const MOST_TIERS = 20

const FeeScheduleBody = Type.Object(
  {
    id: IdOf('fee'),
    kind: OneOf(PRICED_KINDS),
    currency: CurrencyCode,
    rail: Nullable(OneOf(RAIL_CODES)),
    ends: Type.Boolean({ description: 'From then on there is no schedule.' }),
    percent: Nullable(PercentText),
    fixed: Nullable(Money),
    minimum: Nullable(Money),
    maximum: Nullable(Money),
    tiers: Type.Array(Type.Object({ from: Money, percent: PercentText, fixed: Money })),
    valid_from: Time,
    made_by: Nullable(IdOf('usr')),
    created_at: Time,
  },
  { title: 'FeeSchedule' },
)

const parts = { percent: Type.Optional(PercentText), fixed: Type.Optional(Amount) }
const Wanted = Type.Object(
  {
    kind: OneOf(PRICED_KINDS),
    currency: CurrencyCode,
    rail: Type.Optional(
      Nullable(
        OneOf(RAIL_CODES, { description: 'Of deposits and withdrawals; transfers have none.', examples: [null] }),
      ),
    ),
    percent: Type.Optional(Nullable(PercentText)),
    fixed: Type.Optional(Nullable(Amount)),
    minimum: Type.Optional(Nullable(Amount)),
    maximum: Type.Optional(Nullable(Amount)),
    tiers: Type.Optional(
      Type.Array(Type.Object({ from: Amount, ...parts }, { additionalProperties: false }), {
        maxItems: MOST_TIERS,
        description:
          'Other parts from some amounts on, ascending: the last that begins at or below counts for all of it.',
      }),
    ),
    ends: Type.Optional(
      Type.Boolean({ description: 'From then on there is no schedule: it has no price.', examples: [false] }),
    ),
    valid_from: Type.Optional(FutureTime),
  },
  {
    additionalProperties: false,
    examples: [{ kind: 'transfer', currency: 'USD', percent: '1.5', fixed: '0.30', minimum: '0.50' }],
  },
)
type Wanted = Static<typeof Wanted>

/** What operators do with fee schedules: see what was written down, and write down more (docs/fees-and-limits.md). */
export function adminFeeRoutes(app: App, { pool }: Gateway): void {
  listRoute(app, { pool }, 'fee-schedules', {
    ...{ operationId: 'listFeeSchedules', summary: 'Fee schedules as they were written down' },
    ...{ spec: feeSchedules, scope: schedulesIn, schema: FeeScheduleBody, present: presentSchedule },
  })

  app.post('/v1/admin/fee-schedules', {
    schema: describe({
      operationId: 'createFeeSchedule',
      summary: 'Say what payments of a kind cost from now on, or from a time to come',
      description:
        'It takes the place of the schedule before it of the same kind, currency and rail, for payments that are made ' +
        'from then on; payments keep the fee that they were made with. Audited.',
      tag,
      errors: ['not_found', 'unknown_currency', 'invalid_amount', 'idempotency_key_reused'],
      body: Wanted,
      response: { 201: FeeScheduleBody },
    }),
    handler: async (request, reply) => {
      const { book } = sessionOf(request)
      const { body } = request
      const currency = currencyOf(await readCurrencies(pool, book), body.currency, 'currency')
      const priced = pricedBy(body, currency)
      const tariff = body.ends ? noTariff(body) : tariffBy(body, currency)
      const validFrom = body.valid_from === undefined ? undefined : parseInstant(body.valid_from)
      return answerOnce(pool, request, reply, async (client) => {
        const written = await writeSchedule(client, book, priced, tariff, validFrom, actorOf(request))
        if (!written.ok) throw fieldError('valid_from', 'invalid_value', 'must not be over')
        return { status: 201, body: presentSchedule(written.schedule) }
      })
    },
  })
}

function pricedBy({ kind, rail = null }: Wanted, currency: Currency): Priced {
  if (kind === 'transfer') {
    if (rail !== null) throw fieldError('rail', 'invalid_value', 'is for deposits and withdrawals')
    return { kind, rail, currency }
  }
  if (rail === null) throw fieldError('rail', 'missing_field', 'must be there for deposits and withdrawals')
  return { kind, rail, currency }
}

/** Where a schedule ends there is nothing to say of its price. */
function noTariff(body: Wanted): null {
  for (const field of ['percent', 'fixed', 'minimum', 'maximum', 'tiers'] as const) {
    if (body[field] != null) throw fieldError(field, 'invalid_value', 'does not go together with ends')
  }
  return null
}

function tariffBy(body: Wanted, currency: Currency): Tariff {
  const first: Tier = { from: 0n, ...partsBy(body, currency, '') }
  const tiers = (body.tiers ?? []).map((tier, index): Tier => {
    const name = `tiers[${index}].`
    return { from: amountOf(tier.from, currency, `${name}from`), ...partsBy(tier, currency, name) }
  })
  for (const [index, { from }] of tiers.entries()) {
    const before = tiers[index - 1]?.from ?? 0n
    if (from <= before) throw fieldError(`tiers[${index}].from`, 'invalid_value', 'must be above the one before')
  }
  const minimum = amountOf(body.minimum ?? '0', currency, 'minimum')
  const maximum = body.maximum == null ? null : amountOf(body.maximum, currency, 'maximum')
  if (maximum !== null && maximum < minimum) throw fieldError('maximum', 'invalid_value', 'must not be below minimum')
  return { tiers: [first, ...tiers], minimum, maximum }
}

type Parts = { readonly percent?: string | null; readonly fixed?: string | null }

function partsBy({ percent, fixed }: Parts, currency: Currency, name: string) {
  return {
    percent: percentBy(percent ?? '0', `${name}percent`),
    fixed: amountOf(fixed ?? '0', currency, `${name}fixed`),
  }
}

const HUNDRED = 100_000_000n

function percentBy(text: string, field: string): Percent {
  const percent = parsePercent(text)
  if (percent === undefined || percent > HUNDRED) {
    throw fieldError(field, 'invalid_value', 'must be a decimal string from 0 to 100 with at most six decimals')
  }
  return percent
}

function presentSchedule({ tariff, currency, ...schedule }: FeeSchedule): Static<typeof FeeScheduleBody> {
  const money = (units: bigint) => formatAmount(units, currency)
  const partsOf = ({ percent, fixed }: Tier) => ({ percent: formatPercent(percent), fixed: money(fixed) })
  const [first, ...tiers] = tariff?.tiers ?? []
  return {
    id: encodeId('fee', schedule.id),
    kind: schedule.kind,
    currency: currency.code,
    rail: schedule.rail,
    ends: tariff === null,
    ...(first ? partsOf(first) : { percent: null, fixed: null }),
    minimum: tariff && money(tariff.minimum),
    maximum: tariff?.maximum == null ? null : money(tariff.maximum),
    tiers: tiers.map((tier) => ({ from: money(tier.from), ...partsOf(tier) })),
    valid_from: schedule.validFrom,
    made_by: schedule.madeBy && encodeId('usr', schedule.madeBy),
    created_at: schedule.createdAt,
  }
}
