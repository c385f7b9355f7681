import { Type } from 'typebox'
import { readCurrencies } from '../../books/currencies.ts'
import { readClock } from '../../database/clock.ts'
import { formatInstant, parseInstant } from '../../database/instant.ts'
import { awaitSettled } from '../../database/settled.ts'
import type { Gateway } from '../../gateway.ts'
import { formatAmount } from '../../money/amount.ts'
import { BASE_CURRENCY } from '../../rates/rates.ts'
import { csvRecord } from '../../reports/csv.ts'
import { type PositionReport, readPosition } from '../../reports/position.ts'
import { sessionOf } from '../authentication.ts'
import { currencyOf } from '../currency.ts'
import { fieldError, notSettledError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, Money, Nullable, OneOf, Time } from '../schemas.ts'
import { RateText } from './rates.ts'

const Position = Type.Object({
  currency: CurrencyCode,
  balance: Type.String({ description: 'What `exchange` holds; negative: owes.', examples: ['10.00'] }),
  rate: Nullable(RateText),
  rate_valid_from: Nullable(Time),
  value: Nullable(Money),
})

const PositionBody = Type.Object(
  {
    at: Time,
    currency: CurrencyCode,
    gain: Nullable(Type.String({ description: 'Negative: a loss. Null where a rate is missing.', examples: ['0.04'] })),
    data: Type.Array(Position),
  },
  { title: 'Position' },
)

/** What conversions have left with the house, and what it is worth (api.md, Operators). */
export function positionRoutes(app: App, { pool }: Gateway): void {
  app.get('/v1/admin/reports/position', {
    schema: describe({
      operationId: 'getPosition',
      summary: 'The open currency position, and its gain or loss',
      description:
        'The balances of `exchange`, now or at a time, valued by the mid rates of then in one currency (EUR where none is ' +
        'named). Their sum is what conversions have earned or lost: the spreads, and what rates have done since.',
      tag: 'Operators',
      errors: ['not_found', 'unknown_currency'],
      querystring: Type.Object(
        {
          at: Type.Optional(Time),
          currency: Type.Optional(CurrencyCode),
          format: Type.Optional(OneOf(['json', 'csv'])),
        },
        { additionalProperties: false },
      ),
      response: { 200: PositionBody },
      otherTypes: ['text/csv'],
    }),
    handler: async (request, reply) => {
      const { at: asked, currency: code = BASE_CURRENCY, format = 'json' } = request.query
      const { book } = sessionOf(request)
      const currency = currencyOf(await readCurrencies(pool, book), code, 'currency')
      const now = await readClock(pool)
      const at = parseInstant(asked ?? '') ?? now
      if (at > now) throw fieldError('at', 'invalid_query', 'must not be in the future')
      if (!(await awaitSettled(pool, at, now))) throw notSettledError()
      const body = presentPosition(await readPosition(pool, book, currency, at))
      if (format === 'json') return body
      return reply
        .type('text/csv; charset=utf-8; header=present')
        .header('content-disposition', `attachment; filename="position_${body.at.slice(0, 10)}.csv"`)
        .serializer((text: unknown) => text as string)
        .send(toCsv(body) as never)
    },
  })
}

function presentPosition({ at, currency, positions, gain }: PositionReport) {
  return {
    at: formatInstant(at),
    currency: currency.code,
    gain: gain === null ? null : formatAmount(gain, currency),
    data: positions.map(({ currency: held, balance, rate, validFrom, value }) => ({
      currency: held.code,
      balance: formatAmount(balance, held),
      rate,
      rate_valid_from: validFrom,
      value: value === null ? null : formatAmount(value, currency),
    })),
  }
}

/** A line for each currency; the last is the sum. */
function toCsv({ at, currency, gain, data }: ReturnType<typeof presentPosition>): string {
  const lines = data.map((line) => [line.currency, line.balance, line.rate, line.rate_valid_from, line.value])
  const header = ['currency', 'balance', 'rate', 'rate_valid_from', `value_${currency}`]
  return [header, ...lines, ['gain', null, null, at, gain]].map(csvRecord).join('')
}
