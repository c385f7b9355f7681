import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { readClock } from '../../database/clock.ts'
import { formatInstant } from '../../database/instant.ts'
import type { Gateway } from '../../gateway.ts'
import { parsePeriod } from '../../reports/period.ts'
import { readStatement, type Statement } from '../../reports/statement.ts'
import { statementCamt053 } from '../../reports/statement_camt053.ts'
import { statementCsv } from '../../reports/statement_csv.ts'
import { statementJson } from '../../reports/statement_json.ts'
import { sessionOf } from '../authentication.ts'
import { ApiError, notSettledError } from '../errors.ts'
import { VARIES_BY } from '../etag.ts'
import type { HoldPlace } from '../places.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, IdOf, Moment, Money, Nullable, OneOf, Operation, Time } from '../schemas.ts'
import { visibleAccount } from './accounts.ts'

/** What makes pages is heavy, and few starts need it: it is loaded for the first of them. */
async function* inPages(statement: Statement) {
  const { statementPdf } = await import('../../reports/statement_pdf.ts')
  yield* statementPdf(statement)
}

type Pieces = AsyncIterable<string | Buffer>
type Writer = (statement: Statement) => Pieces | Promise<Pieces>

const FORMATS = {
  json: { type: 'application/json; charset=utf-8', write: statementJson },
  csv: { type: 'text/csv; charset=utf-8; header=present', write: statementCsv },
  pdf: { type: 'application/pdf', write: inPages },
  camt053: {
    type: 'application/xml; charset=utf-8',
    write: (statement: Statement) => statementCamt053(statement, randomUUID().replaceAll('-', '')),
  },
} as const satisfies Record<string, { type: string; write: Writer }>
type Format = keyof typeof FORMATS

const shown = Operation.properties
const Line = Type.Object({
  id: shown.id,
  posting_id: shown.posting_id,
  payment_id: shown.payment_id,
  kind: shown.kind,
  direction: shown.direction,
  amount: Money,
  balance_after: Money,
  counterparty: Type.String({ examples: ['bob@example.com'] }),
  description: Nullable(Type.String()),
  created_at: Time,
})

const StatementBody = Type.Object(
  {
    account_id: IdOf('acc'),
    account_name: Type.String(),
    holder: Type.String({ examples: ['ada@example.com'] }),
    currency: CurrencyCode,
    from: Time,
    to: Time,
    created_at: Time,
    opening_balance: Money,
    closing_balance: Money,
    operations: Type.Array(Line),
    count: Type.Integer(),
    money_in: Money,
    money_out: Money,
  },
  { title: 'Statement' },
)

/** Statements: an account over a period, for people, spreadsheets and banks' software (api.md, Accounts). */
export function statementRoutes(app: App, gateway: Gateway, holdPlace: HoldPlace): void {
  app.get('/v1/accounts/:id/statement', {
    schema: describe({
      operationId: 'getStatement',
      summary: 'A statement: opening balance, operations, closing balance',
      description:
        'Of the period from `from` (included) to `to` (not included), UTC; without them, of this month until now. Fees ' +
        'are lines of their own, so that opening balance and operations add up to the closing balance. `camt053` is ' +
        'ISO 20022 camt.053.001.08, where CRDT is money in. Needs the scope `payments:read` too.',
      tag: 'Accounts',
      errors: ['not_found'],
      params: Type.Object({ id: Type.String({ examples: ['acc_01k3v5f2q8e8pv0z3m0c6b7d1e'] }) }),
      querystring: Type.Object(
        { from: Moment, to: Moment, format: Type.Optional(OneOf(Object.keys(FORMATS) as Format[])) },
        { additionalProperties: false },
      ),
      response: { 200: StatementBody },
      otherTypes: ['text/csv', 'application/pdf', 'application/xml'],
      unkept: true,
    }),
    handler: (request, reply) => {
      holdPlace(request, reply)
      return sendStatement(gateway, request, reply, request.params.id, request.query)
    },
  })
}

type Asked = { readonly from?: string; readonly to?: string; readonly format?: Format }

async function sendStatement(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  { format = 'json', ...asked }: Asked,
): Promise<FastifyReply> {
  const { pool, directory } = gateway
  const { book } = sessionOf(request)
  const account = await visibleAccount(gateway, request, id)
  const facts = await directory.find(book, account.id)
  if (!facts) throw new ApiError('not_found')
  const now = await readClock(pool)
  const statement = await readStatement(pool, book, account, facts.label, parsePeriod(asked, now), now)
  if (!statement) throw notSettledError()
  const { type, write } = FORMATS[format]
  const pieces = await write(statement)
  const day = (at: typeof now) => formatInstant(at).slice(0, 10)
  const name = `statement_${id}_${day(statement.period.from)}_${day(statement.period.to)}.${EXTENSIONS[format]}`
  if (format !== 'json') reply.header('content-disposition', `attachment; filename="${name}"`)
  return reply
    .type(type)
    .header('cache-control', 'private, no-cache')
    .header('vary', VARIES_BY)
    .send(Readable.from(pieces))
}

const EXTENSIONS: Record<Format, string> = { json: 'json', csv: 'csv', pdf: 'pdf', camt053: 'xml' }
