import type { FastifyReply, FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { readCurrencies } from '../../books/currencies.ts'
import { readClock } from '../../database/clock.ts'
import type { Pool, Queryable } from '../../database/connection.ts'
import { formatInstant } from '../../database/instant.ts'
import { QueryError } from '../../database/list_fields.ts'
import { awaitSettled } from '../../database/settled.ts'
import type { Gateway } from '../../gateway.ts'
import { TECHNICAL_CODES } from '../../ledger/account.ts'
import type { BookId, Instant } from '../../ledger/id.ts'
import { PAYMENT_KINDS } from '../../ledger/payment.ts'
import { formatAmount } from '../../money/amount.ts'
import { csvRecord } from '../../reports/csv.ts'
import { GROUPS, momentOf, parsePeriod } from '../../reports/period.ts'
import { type Asked, readFees, readFlows, readTrialBalance, readVolumes } from '../../reports/reports.ts'
import type { OperationId } from '../access.ts'
import { sessionOf } from '../authentication.ts'
import { notSettledError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, Moment, Money, Nullable, OneOf, Time } from '../schemas.ts'

const Count = Type.Integer({ minimum: 0, examples: [12] })
const PeriodLabel = Nullable(
  Type.String({ description: 'The day or month; null where the report is not grouped.', examples: ['2026-11-24'] }),
)
const Side = OneOf(['user', ...TECHNICAL_CODES])

type Line = { readonly currency: string } & Readonly<Record<string, string | bigint | null>>

type Report = {
  readonly name: string
  readonly operationId: OperationId
  readonly summary: string
  readonly description: string
  /** The columns of a line, in order; those of Money are written in the currency's unit. */
  readonly columns: Readonly<Record<string, TSchema>>
  /** It is of balances: of the whole past where nothing is said, and may be asked for as of a moment. */
  readonly ofBalances: boolean
  readonly byDefault: Asked['group']
  readonly read: (client: Queryable, book: BookId, asked: Asked) => Promise<readonly object[]>
}

const REPORTS: readonly Report[] = [
  {
    name: 'fees',
    operationId: 'reportFees',
    summary: 'What was earned in fees',
    description: 'Fees that `internal` got, and what of them went back with refunds. `count` is of fees got.',
    columns: { period: PeriodLabel, currency: CurrencyCode, count: Count, earned: Money, returned: Money },
    ofBalances: false,
    byDefault: null,
    read: readFees,
  },
  {
    name: 'flows',
    operationId: 'reportFlows',
    summary: 'What came in and what went out, by rail',
    description: 'Postings between the accounts of the rails and the others of the book.',
    columns: {
      period: PeriodLabel,
      currency: CurrencyCode,
      rail: Side,
      count_in: Count,
      money_in: Money,
      count_out: Count,
      money_out: Money,
    },
    ofBalances: false,
    byDefault: null,
    read: readFlows,
  },
  {
    name: 'daily',
    operationId: 'reportDaily',
    summary: 'How much was moved, by kind',
    description: 'Postings of each kind of payment, and of fees, by day where nothing else is asked for.',
    columns: {
      period: PeriodLabel,
      currency: CurrencyCode,
      kind: OneOf([...PAYMENT_KINDS, 'fee']),
      count: Count,
      amount: Money,
    },
    ofBalances: false,
    byDefault: 'day',
    read: readVolumes,
  },
  {
    name: 'trial-balance',
    operationId: 'reportTrialBalance',
    summary: 'All balances of the book, which sum to zero',
    description:
      'Each technical account, and all accounts of users together (`user`): opening balance, what it gained (`debits`) ' +
      'and lost (`credits`), closing balance. Without `from` from the beginning of the book; `at` is the same as a `to` ' +
      'just behind that moment.',
    columns: {
      period: PeriodLabel,
      currency: CurrencyCode,
      account: Side,
      opening: Money,
      debits: Money,
      credits: Money,
      closing: Money,
    },
    ofBalances: true,
    byDefault: null,
    read: readTrialBalance,
  },
]

/** Reports on the books as a whole: each is one statement over kept totals, exact at the moment that it is asked for. */
export function reportRoutes(app: App, gateway: Gateway): void {
  for (const report of REPORTS) reportRoute(app, gateway, report)
}

function reportRoute(app: App, { pool }: Gateway, report: Report): void {
  const { name, operationId, summary, description, columns } = report
  app.get(`/v1/admin/reports/${name}`, {
    schema: describe({
      operationId,
      summary,
      description,
      tag: 'Operators',
      errors: ['not_found'],
      querystring: Type.Object(
        {
          from: Moment,
          to: Moment,
          currency: Type.Optional(CurrencyCode),
          format: Type.Optional(OneOf(['json', 'csv'])),
          group_by: Type.Optional(OneOf(GROUPS)),
          ...(report.ofBalances ? { at: Moment } : {}),
        },
        { additionalProperties: false },
      ),
      response: { 200: Type.Object({ from: Time, to: Time, data: Type.Array(Type.Object(columns)) }) },
      otherTypes: ['text/csv'],
    }),
    handler: (request, reply) => sendReport(pool, report, request, reply),
  })
}

type Query = {
  readonly from?: string
  readonly to?: string
  readonly at?: string
  readonly currency?: string
  readonly format?: 'json' | 'csv'
  readonly group_by?: Asked['group']
}

async function sendReport(pool: Pool, report: Report, request: FastifyRequest, reply: FastifyReply) {
  const query = request.query as Query
  const { book } = sessionOf(request)
  const [now, currencies] = await Promise.all([readClock(pool), readCurrencies(pool, book)])
  if (query.currency !== undefined && !currencies.has(query.currency)) {
    throw new QueryError('currency', 'is no currency of this book')
  }
  const period = periodOf(report, query, now)
  if (!(await awaitSettled(pool, period.to, now))) throw notSettledError()
  const group = query.group_by ?? report.byDefault
  const lines = (await report.read(pool, book, { period, group, currency: query.currency ?? null })) as Line[]
  const columns = Object.entries(report.columns).map(([column, schema]) => ({
    column,
    key: camelCase(column),
    isMoney: schema === Money,
  }))
  const data = lines.map((line) => {
    const currency = currencies.get(line.currency)
    if (!currency) throw new Error(`the book has postings in ${line.currency} and no such currency`)
    const shown: Record<string, string | number | null> = {}
    for (const { column, key, isMoney } of columns) {
      const value = line[key] ?? null
      if (typeof value !== 'bigint') shown[column] = value
      else shown[column] = isMoney ? formatAmount(value, currency) : Number(value)
    }
    return shown
  })
  if (query.format !== 'csv') return { from: formatInstant(period.from), to: formatInstant(period.to), data }
  const header = csvRecord(Object.keys(report.columns))
  const records = data.map((line) =>
    csvRecord(Object.values(line).map((value) => (value === null ? null : String(value)))),
  )
  return reply
    .type('text/csv; charset=utf-8; header=present')
    .header('content-disposition', `attachment; filename="${report.name}.csv"`)
    .serializer((text: unknown) => text as string)
    .send(header + records.join(''))
}

/** A trial balance is of the whole past where nothing is said; `at` includes its moment, as that of a balance does. */
function periodOf(report: Report, { from, to, at }: Query, now: Instant) {
  if (!report.ofBalances) return parsePeriod({ from, to }, now)
  if (at !== undefined && to !== undefined) throw new QueryError('at', 'stands for to: only one of them')
  const moment = at === undefined ? undefined : momentOf('at', at)
  const end = moment !== undefined && moment < now ? formatInstant((moment + 1n) as Instant) : to
  return parsePeriod({ from: from ?? BEGINNING, to: end }, now)
}

const BEGINNING = '1970-01-01'

/** `money_in` as `moneyIn`. */
function camelCase(column: string): string {
  return column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}
