import { Type } from 'typebox'
import { addCurrency, changeCurrency, currencies, currenciesIn, type ListedCurrency } from '../../books/currencies.ts'
import type { Gateway } from '../../gateway.ts'
import { type Currency, isoCurrenciesByCode, MAX_DIGITS } from '../../money/currency.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError, fieldError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, formats, Nullable, OneOf, Time } from '../schemas.ts'
import { listRoute } from './admin_list.ts'

const tag = 'Operators'
const iso = isoCurrenciesByCode()

const BookCurrency = Type.Object(
  {
    code: CurrencyCode,
    digits: Type.Integer({ description: 'Decimal digits of its minor unit.', examples: [2] }),
    status: OneOf(['open', 'closed']),
    closed_at: Nullable(Time),
  },
  { title: 'Currency' },
)

/** The currencies of a book, which operators add and close while it runs (docs/ledger.md, Money). */
export function adminCurrencyRoutes(app: App, { pool }: Gateway): void {
  listRoute(app, { pool }, 'currencies', {
    ...{ operationId: 'listCurrencies', summary: 'The currencies of the book' },
    ...{ spec: currencies, scope: currenciesIn, schema: BookCurrency, present: (currency: ListedCurrency) => currency },
  })

  app.post('/v1/admin/currencies', {
    schema: describe({
      operationId: 'addCurrency',
      summary: 'Add a currency',
      description:
        'One of ISO 4217 has the digits that the standard gives it; for a digital one `digits` says them, for good. It can ' +
        'be used at once, on every node. Audited.',
      tag,
      errors: ['not_found', 'currency_exists', 'idempotency_key_reused'],
      body: Type.Object(
        {
          code: Type.String({ format: 'currency', examples: ['DOGE'] }),
          digits: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_DIGITS, examples: [8] })),
        },
        { additionalProperties: false },
      ),
      response: { 201: BookCurrency },
    }),
    handler: (request, reply) => {
      const currency = currencyToAdd(request.body)
      return answerOnce(pool, request, reply, async (client) => {
        const added = await addCurrency(client, sessionOf(request).book, currency, actorOf(request))
        if (!added) throw new ApiError('currency_exists')
        return { status: 201, body: added }
      })
    },
  })

  statusRoute(app, pool, 'close', 'closed', 'Close a currency: nothing begins in it any more')
  statusRoute(app, pool, 'reopen', 'open', 'Open a closed currency again')
}

/** What is to be added. Throws where its digits are missing, or are not those of ISO 4217. */
function currencyToAdd({ code, digits }: { readonly code: string; readonly digits?: number }): Currency {
  const known = iso.get(code)
  if (known && digits !== undefined && digits !== known.digits) {
    throw fieldError('digits', 'invalid_value', `is ${known.digits} for ${code} by ISO 4217`)
  }
  const own = known?.digits ?? digits
  if (own === undefined) throw fieldError('digits', 'missing_field', `is required: ${code} is not of ISO 4217`)
  return { code, digits: own }
}

function statusRoute(
  app: App,
  pool: Gateway['pool'],
  verb: 'close' | 'reopen',
  status: ListedCurrency['status'],
  summary: string,
): void {
  app.post(`/v1/admin/currencies/:code/${verb}`, {
    schema: describe({
      operationId: `${verb}Currency`,
      summary,
      description:
        'In a closed currency no account is opened, nothing is quoted or scheduled, and payments, deposits and conversions ' +
        'are declined (`currency_closed`). What is pending ends as ever; withdrawals, refunds and adjustments go on, so ' +
        'that what is left can be paid out. One that is so already is answered as it is. Audited, with the reason.',
      tag,
      errors: ['not_found', 'idempotency_key_reused'],
      params: Type.Object({ code: Type.String({ examples: ['DOGE'] }) }),
      body: Type.Object(
        { reason: Type.String({ minLength: 1, maxLength: 500, examples: ['Replaced by the euro'] }) },
        { additionalProperties: false },
      ),
      response: { 200: BookCurrency },
    }),
    handler: (request, reply) =>
      answerOnce(pool, request, reply, async (client) => {
        const { code } = request.params as { code: string }
        if (!formats.currency?.(code)) throw new ApiError('not_found')
        const { reason } = request.body as { reason: string }
        const { book } = sessionOf(request)
        const currency = await changeCurrency(client, book, code, status, actorOf(request), reason)
        if (!currency) throw new ApiError('not_found')
        return { status: 200, body: currency }
      }),
  })
}
