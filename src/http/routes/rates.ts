import type { FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { readCurrencies } from '../../books/currencies.ts'
import { readClock } from '../../database/clock.ts'
import type { Client } from '../../database/connection.ts'
import { parseInstant } from '../../database/instant.ts'
import type { Gateway } from '../../gateway.ts'
import type { BookId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { formatRate } from '../../money/rate.ts'
import { createQuote, type QuoteWish, readQuote } from '../../payments/quotes.ts'
import { BASE_CURRENCY, readRates } from '../../rates/rates.ts'
import { positiveAmountOf } from '../amount.ts'
import { sessionOf } from '../authentication.ts'
import { currencyOf, openCurrencyOf } from '../currency.ts'
import { ApiError, fieldError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { presentQuote } from '../present.ts'
import { type App, describe } from '../route.ts'
import { Amount, CurrencyCode, IdOf, Money, Time } from '../schemas.ts'

const tag = 'Payments'

export const RateText = Type.String({
  description: 'Units of the second currency for one of the first, as a decimal string.',
  examples: ['20.8644299897'],
})
const Source = Type.String({ description: '`ecb`, `operator`, or both.', examples: ['ecb'] })

const RateBody = Type.Object(
  { from_currency: CurrencyCode, to_currency: CurrencyCode, rate: RateText, source: Source, valid_from: Time },
  { title: 'Rate' },
)

const QuoteBody = Type.Object(
  {
    id: IdOf('qte'),
    from_currency: CurrencyCode,
    to_currency: CurrencyCode,
    from_amount: Money,
    to_amount: Money,
    rate: RateText,
    mid_rate: RateText,
    source: Source,
    rate_valid_from: Time,
    expires_at: Time,
    used: Type.Boolean({ description: 'Whether a payment has used it.' }),
    created_at: Time,
  },
  { title: 'Quote' },
)

const QuoteAsked = Type.Object(
  {
    from_currency: CurrencyCode,
    to_currency: Type.String({ format: 'currency', examples: ['EUR'] }),
    from_amount: Type.Optional(Amount),
    to_amount: Type.Optional(Type.String({ format: 'amount', examples: ['10.00'] })),
  },
  { additionalProperties: false, examples: [{ from_currency: 'USD', to_currency: 'EUR', from_amount: '12.30' }] },
)

/** Exchange rates, and quotes: a rate that holds for a while, for one payment (api.md, Payments). */
export function rateRoutes(app: App, gateway: Gateway): void {
  app.get('/v1/rates', {
    schema: describe({
      operationId: 'listRates',
      summary: 'The rates that hold, without the spread of a quote',
      description:
        'From one currency (EUR where none is named) to another, or to each of the book for which there is one: the ' +
        'newest of what is known of the two, turned round or crossed through EUR where need be. Now, or at a time.',
      tag,
      errors: ['unknown_currency'],
      querystring: Type.Object(
        { from: Type.Optional(CurrencyCode), to: Type.Optional(CurrencyCode), at: Type.Optional(Time) },
        { additionalProperties: false },
      ),
      response: { 200: Type.Object({ data: Type.Array(RateBody) }) },
    }),
    handler: (request) => currentRates(gateway, sessionOf(request).book, request.query),
  })

  app.post('/v1/quotes', {
    schema: describe({
      operationId: 'createQuote',
      summary: 'A rate that holds for a while, for one payment',
      description:
        'Names one of the amounts: what is given, or what is to arrive. `rate` is the mid rate less the spread; what ' +
        'counts is the amounts. A payment uses it by `quote_id`.',
      tag,
      errors: ['unknown_currency', 'currency_closed', 'invalid_amount', 'no_rate', 'idempotency_key_reused'],
      body: QuoteAsked,
      response: { 201: QuoteBody },
    }),
    handler: (request, reply) => {
      const { pool, config } = gateway
      return answerOnce(
        pool,
        request,
        reply,
        async (client) => {
          const quoted = await createQuote(client, config.quotes, await checkedWish(client, request, request.body))
          if (quoted.ok) return { status: 201, body: presentQuote(quoted.quote) }
          if (quoted.refusal === 'no_rate') throw new ApiError('no_rate')
          const sum = quoted.refusal === 'comes_to_nothing' ? 'nothing' : 'more than 10^30 minor units'
          throw fieldError(namedAmount(request.body), 'invalid_amount', `comes to ${sum} in the other currency`)
        },
        { expires: true },
      )
    },
  })

  app.get('/v1/quotes/:id', {
    schema: describe({
      operationId: 'getQuote',
      summary: 'A quote of one’s own',
      tag,
      errors: ['not_found'],
      params: Type.Object({ id: Type.String({ examples: ['qte_01k3v5f3m7h2c9w4x8z5r6t1q0'] }) }),
      response: { 200: QuoteBody },
    }),
    handler: async (request) => {
      const { book, userId } = sessionOf(request)
      const id = decodeId('qte', request.params.id)
      const quote = id && (await readQuote(gateway.pool, book, id))
      if (quote?.userId !== userId) throw new ApiError('not_found')
      return presentQuote(quote)
    },
  })
}

type Asked = { readonly from?: string; readonly to?: string; readonly at?: string }

async function currentRates({ pool }: Gateway, book: BookId, { from = BASE_CURRENCY, to, at }: Asked) {
  const currencies = await readCurrencies(pool, book)
  if (from !== BASE_CURRENCY) currencyOf(currencies, from, 'from')
  if (to !== undefined && to !== BASE_CURRENCY) currencyOf(currencies, to, 'to')
  const wanted = to === undefined ? [...currencies.keys()].sort() : [to]
  const rates = await readRates(pool, book, from, wanted, parseInstant(at ?? '') ?? (await readClock(pool)))
  return {
    data: rates.map((rate) => ({
      from_currency: rate.from,
      to_currency: rate.to,
      rate: formatRate(rate.rate),
      source: rate.source,
      valid_from: rate.validFrom,
    })),
  }
}

type QuoteAsked = Static<typeof QuoteAsked>

/** What is asked for, checked against the book's currencies. */
async function checkedWish(client: Client, request: FastifyRequest, asked: QuoteAsked): Promise<QuoteWish> {
  const { book, userId } = sessionOf(request)
  const { from_amount: fromAmount, to_amount: toAmount } = asked
  if (fromAmount === undefined && toAmount === undefined) {
    throw fieldError('from_amount', 'missing_field', 'or to_amount is required')
  }
  if (fromAmount !== undefined && toAmount !== undefined) {
    throw fieldError('to_amount', 'invalid_value', 'cannot be there beside from_amount')
  }
  const currencies = await readCurrencies(client, book)
  const from = openCurrencyOf(currencies, asked.from_currency, 'from_currency')
  const to = openCurrencyOf(currencies, asked.to_currency, 'to_currency')
  if (from.code === to.code) throw fieldError('to_currency', 'invalid_value', 'must be another currency')
  const side =
    fromAmount === undefined
      ? { toAmount: positiveAmountOf(toAmount ?? '', to, 'to_amount') }
      : { fromAmount: positiveAmountOf(fromAmount, from, 'from_amount') }
  return { book, userId, from, to, ...side }
}

function namedAmount({ from_amount: fromAmount }: QuoteAsked): string {
  return fromAmount === undefined ? 'to_amount' : 'from_amount'
}
