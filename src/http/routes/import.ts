import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type BookCurrency, readCurrencies } from '../../books/currencies.ts'
import type { Gateway } from '../../gateway.ts'
import { type Imported, type ImportedAccount, type ImportedUser, importUsers } from '../../identity/import.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { isAbove } from '../../money/sums.ts'
import { amountOf } from '../amount.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { emailOf } from '../book.ts'
import { openCurrencyOf } from '../currency.ts'
import { ApiError, fieldError } from '../errors.ts'
import { problemOf, toApiError } from '../problem.ts'
import { LARGEST_BODY, linesOfCaller, NDJSON, type ParsedRecord, writeRecords } from '../records.ts'
import { type App, describe } from '../route.ts'
import { Amount, CurrencyCode, Email, IdOf, Metadata, Name, Problem } from '../schemas.ts'
import { parserOf, validatorExceptBody } from '../validation.ts'

/** Users that are made in one transaction; the next group is read when it has committed. */
const GROUP = 500

const UserLine = Type.Object(
  {
    email: Email,
    accounts: Type.Optional(
      Type.Array(
        Type.Object(
          {
            currency: CurrencyCode,
            name: Type.Optional(Name),
            opening_balance: Type.Optional(Amount),
            metadata: Type.Optional(Metadata),
          },
          { additionalProperties: false },
        ),
        { maxItems: 10_000 },
      ),
    ),
  },
  { additionalProperties: false, title: 'ImportedUser' },
)
const parseLine = parserOf(UserLine)

const ImportOutcome = Type.Object(
  {
    status: Type.Integer({ description: '201: made; 200: was there, and is as it was.', examples: [201] }),
    user_id: Type.Optional(IdOf('usr')),
    email: Type.Optional(Email),
    accounts: Type.Optional(Type.Array(Type.Object({ id: IdOf('acc'), currency: CurrencyCode, name: Name }))),
    error: Type.Optional(Problem),
  },
  { title: 'ImportOutcome' },
)

/** Bringing users over from elsewhere (api.md, Operators). */
export function importRoutes(app: App, gateway: Gateway): void {
  app.addContentTypeParser(NDJSON, (_request, payload, done) => done(null, payload))

  app.post('/v1/admin/users/import', {
    bodyLimit: LARGEST_BODY,
    schema: describe({
      operationId: 'importUsers',
      summary: 'Bring users over, with their accounts and balances',
      description:
        'NDJSON, one user a line, read and answered as a stream. Users are confirmed and have no password. An address ' +
        'that the book knows is left as it is and answered with its accounts, so the import may be repeated.',
      tag: 'Operators',
      errors: ['approval_required', 'not_found', 'unknown_currency', 'currency_closed', 'invalid_amount'],
      consumes: [NDJSON],
      body: UserLine,
      onlyType: NDJSON,
      response: { 200: ImportOutcome },
    }),
    validatorCompiler: validatorExceptBody,
    handler: (request, reply) => {
      if (!(request.body instanceof Readable)) throw new ApiError('unsupported_media_type')
      const answers = importLines(gateway, request, linesOfCaller(gateway, request, request.body, GROUP))
      const asIs = (payload: unknown) => payload as string
      return reply
        .type(NDJSON)
        .serializer(asIs)
        .send(Readable.from(writeRecords(answers, true)))
    },
  })
}

async function* importLines(
  gateway: Gateway,
  request: FastifyRequest,
  groups: AsyncIterable<ParsedRecord[]>,
): AsyncGenerator<object[]> {
  try {
    for await (const group of groups) yield await importGroup(gateway, request, group)
  } catch (error) {
    // The stream of answers has begun: what goes wrong with the body now is its last line.
    yield [failed(error)]
  }
}

async function importGroup(
  gateway: Gateway,
  request: FastifyRequest,
  group: readonly ParsedRecord[],
): Promise<object[]> {
  const { book } = sessionOf(request)
  // Anew for each group: lines may come for hours, and currencies be closed meanwhile.
  const currencies = await readCurrencies(gateway.pool, book)
  const checked = await Promise.all(
    group.map((record) => checkLine(gateway, request, record, currencies).catch((error: unknown) => failed(error))),
  )
  const wanted = checked.filter((entry): entry is ImportedUser => 'accounts' in entry)
  const imported = await importUsers(gateway.pool, book, actorOf(request), wanted)
  const inOrder = imported[Symbol.iterator]()
  return checked.map((entry) => {
    if (!('accounts' in entry)) return entry
    const next = inOrder.next().value
    return next ? presentImported(next) : failed(undefined)
  })
}

async function checkLine(
  gateway: Gateway,
  request: FastifyRequest,
  record: ParsedRecord,
  currencies: ReadonlyMap<string, BookCurrency>,
): Promise<ImportedUser> {
  if (!record.ok) throw record.error
  const line = parseLine(record.value)
  const { book } = sessionOf(request)
  const accounts = await Promise.all(
    (line.accounts ?? []).map(async (account, index): Promise<ImportedAccount> => {
      const currency = openCurrencyOf(currencies, account.currency, `accounts.${index}.currency`)
      const field = `accounts.${index}.opening_balance`
      const openingBalance = amountOf(account.opening_balance ?? '0', currency, field)
      const { approvalAbove } = gateway.config
      if (openingBalance > 0n && approvalAbove && isAbove(approvalAbove, currency.code, openingBalance)) {
        throw fieldError(field, 'approval_required', 'is above what one operator may give')
      }
      const internal = await gateway.intake.technicalAccount(book, 'internal', currency.code)
      return {
        currency,
        name: account.name ?? currency.code,
        metadata: account.metadata ?? {},
        openingBalance,
        internal,
      }
    }),
  )
  return { email: emailOf(line.email), accounts }
}

function presentImported({ created, userId, email, accounts }: Imported): object {
  return {
    status: created ? 201 : 200,
    user_id: encodeId('usr', userId),
    email,
    accounts: accounts.map(({ id, currency, name }) => ({ id: encodeId('acc', id), currency, name })),
  }
}

function failed(error: unknown): object {
  const problem = problemOf(toApiError(error))
  return { status: problem.status, error: problem }
}
