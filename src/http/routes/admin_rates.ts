import { isUtf8 } from 'node:buffer'
import { Type } from 'typebox'
import { readCurrencies } from '../../books/currencies.ts'
import { parseInstant } from '../../database/instant.ts'
import type { Gateway } from '../../gateway.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { formatRate, parseRate, WRITTEN_DIGITS } from '../../money/rate.ts'
import type { FileFormat, SentFile } from '../../rates/ecb.ts'
import { rates, ratesIn } from '../../rates/list.ts'
import { BASE_CURRENCY, RATE_SOURCES } from '../../rates/rates.ts'
import { type ImportedRates, importRates, type WrittenRate, writeRate } from '../../rates/write.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { currencyOf } from '../currency.ts'
import { ApiError, fieldError } from '../errors.ts'
import { answerOnce, wasAnswered } from '../idempotency.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, IdOf, Nullable, OneOf, Time } from '../schemas.ts'
import { validatorExceptBody } from '../validation.ts'
import { listRoute } from './admin_list.ts'
import { RateText } from './rates.ts'

const tag = 'Operators'

const WrittenRateBody = Type.Object(
  {
    id: IdOf('rat'),
    from_currency: CurrencyCode,
    to_currency: CurrencyCode,
    rate: RateText,
    source: OneOf(RATE_SOURCES),
    valid_from: Time,
    made_by: Nullable(IdOf('usr')),
    created_at: Time,
  },
  { title: 'WrittenRate' },
)

/** What operators do with exchange rates: see what was written down, and write down more. */
export function adminRateRoutes(app: App, { pool }: Gateway): void {
  listRoute(app, { pool }, 'rates', {
    ...{ operationId: 'listRatesOfBook', summary: 'Rates as they were written down' },
    ...{ spec: rates, scope: ratesIn, schema: WrittenRateBody, present: presentRate },
  })

  app.post('/v1/admin/rates', {
    schema: describe({
      operationId: 'createRate',
      summary: 'Write down a rate',
      description: 'Valid from now, or from another time; it counts until a newer one is valid. Audited.',
      tag,
      errors: ['not_found', 'unknown_currency', 'idempotency_key_reused'],
      body: Type.Object(
        {
          from_currency: CurrencyCode,
          to_currency: Type.String({ format: 'currency', examples: ['CZK'] }),
          rate: Type.String({
            description: 'Units of `to_currency` for one of `from_currency`: at most 18 digits on either side.',
            examples: ['20.85'],
          }),
          valid_from: Type.Optional(Time),
        },
        { additionalProperties: false },
      ),
      response: { 201: WrittenRateBody },
    }),
    handler: async (request, reply) => {
      const { from_currency: from, to_currency: to, rate: text, valid_from: since } = request.body
      const { book } = sessionOf(request)
      const currencies = await readCurrencies(pool, book)
      if (from !== BASE_CURRENCY) currencyOf(currencies, from, 'from_currency')
      if (to !== BASE_CURRENCY) currencyOf(currencies, to, 'to_currency')
      if (from === to) throw fieldError('to_currency', 'invalid_value', 'must be another currency')
      const rate = parseRate(text)
      if (!rate) throw fieldError('rate', 'invalid_value', 'must be a positive decimal string such as "20.85"')
      const validFrom = since === undefined ? undefined : parseInstant(since)
      return answerOnce(pool, request, reply, async (client) => {
        const written = await writeRate(client, book, { from, to, rate, validFrom }, actorOf(request))
        return { status: 201, body: presentRate(written) }
      })
    },
  })
}

/** The largest file of rates: the whole history of the European Central Bank has two of them. */
const LARGEST_FILE = 5 * 1024 * 1024

const FORMATS: Readonly<Record<string, FileFormat>> = { 'text/csv': 'csv', 'application/xml': 'xml', 'text/xml': 'xml' }

/** Files of rates; in a scope of its own, where bodies of these types are read and no others. */
export function rateImportRoutes(app: App, { pool, rateFileReader }: Gateway): void {
  app.removeAllContentTypeParsers()
  for (const [type, format] of Object.entries(FORMATS)) {
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
      if (isUtf8(body)) done(null, { format, text: body.toString() } satisfies SentFile)
      else done(new ApiError('invalid_file', 'The file is not in UTF-8'))
    })
  }

  app.post('/v1/admin/rates/import', {
    bodyLimit: LARGEST_FILE,
    schema: describe({
      operationId: 'importRates',
      summary: 'Take up reference rates of the European Central Bank',
      description:
        'A file as the bank publishes it: `eurofxref-hist.csv`, or the XML of a day, 90 days or all. All of it is taken, ' +
        'or where anything in it is broken nothing. What is there already stays as it is, so a file may be sent again. ' +
        'The rates of a day are valid from 15:00 UTC. Audited.',
      tag,
      errors: ['not_found', 'invalid_file', 'idempotency_key_reused'],
      consumes: Object.keys(FORMATS),
      body: Type.String({ examples: ['Date,USD,JPY\n2026-04-13,1.1684,186.75\n'] }),
      response: {
        200: Type.Object(
          {
            first_day: Type.String({ examples: ['2023-01-02'] }),
            last_day: Type.String({ examples: ['2026-04-13'] }),
            days: Type.Integer(),
            rates: Type.Integer({ description: 'In the file.' }),
            added: Type.Integer(),
            known: Type.Integer({ description: 'Were there already, and stay as they are.' }),
            different: Type.Integer({ description: 'Of the known ones, those that had another rate.' }),
          },
          { title: 'ImportedRates' },
        ),
      },
    }),
    validatorCompiler: validatorExceptBody,
    handler: async (request, reply) => {
      const sent = request.body as unknown as SentFile | undefined
      if (!sent) throw new ApiError('unsupported_media_type')
      // Who asks again is answered without its being read, and who uses a key again for another file is told that, also of
      // a broken one.
      const file = (await wasAnswered(pool, request)) ? undefined : await rateFileReader(sent)
      if (file && !file.ok) throw new ApiError('invalid_file', `The file ${file.problem}`)
      return answerOnce(pool, request, reply, async (client) => {
        if (!file) throw new Error('an answer that was kept is gone')
        const imported = await importRates(client, sessionOf(request).book, file.days, actorOf(request))
        if (!imported) throw new ApiError('invalid_file', 'The file has a day that has not come yet')
        return { status: 200, body: presentImport(imported) }
      })
    },
  })
}

function presentImport({ firstDay, lastDay, ...counts }: ImportedRates) {
  return { first_day: firstDay, last_day: lastDay, ...counts }
}

function presentRate(rate: WrittenRate) {
  return {
    id: encodeId('rat', rate.id),
    from_currency: rate.from,
    to_currency: rate.to,
    rate: formatRate(rate.rate, WRITTEN_DIGITS),
    source: rate.source,
    valid_from: rate.validFrom,
    made_by: rate.madeBy && encodeId('usr', rate.madeBy),
    created_at: rate.createdAt,
  }
}
