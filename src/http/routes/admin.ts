import type { TSchema } from 'typebox'
import { Type } from 'typebox'
import { changeAccount } from '../../accounts/change.ts'
import { accounts, inBook as accountsIn } from '../../accounts/list.ts'
import { auditIn, auditLog } from '../../audit/list.ts'
import { makeBook } from '../../books/books.ts'
import type { ListSpec, Scope } from '../../database/list.ts'
import type { Gateway } from '../../gateway.ts'
import { users, usersIn } from '../../identity/list.ts'
import type { AccountStatus } from '../../ledger/account.ts'
import type { BookId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { parseAmount } from '../../money/amount.ts'
import { idempotencyKey } from '../../payments/intake.ts'
import { bookPayments, inBook as paymentsIn } from '../../payments/list.ts'
import { operations, inBook as operationsIn } from '../../payments/operations.ts'
import { schedules, schedulesIn } from '../../schedules/list.ts'
import { webhooks, webhooksIn } from '../../webhooks/list.ts'
import { presentWebhook } from '../../webhooks/present.ts'
import type { OperationId } from '../access.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError, type ErrorCode, fieldError } from '../errors.ts'
import { OPERATION_EXPANSIONS, operationExpansions, PAYMENT_EXPANSIONS, paymentExpansions } from '../expand.ts'
import { answerOnce, keyHeader } from '../idempotency.ts'
import { type Expansion, sendList } from '../list.ts'
import {
  presentAccount,
  presentAuditLine,
  presentOperation,
  presentPayment,
  presentSchedule,
  presentUser,
} from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import {
  Account,
  Amount,
  AuditLine,
  BookName,
  CurrencyCode,
  IdOf,
  ListedUser,
  OneOf,
  Operation,
  PageOf,
  Payment,
  Schedule,
} from '../schemas.ts'
import { accountId } from '../transfer.ts'
import { Webhook } from '../webhook_schemas.ts'
import { madeOf, sendPayment } from './payments.ts'

const tag = 'Operators'
const Reason = Type.String({ minLength: 1, maxLength: 500, examples: ['Cash deposit, receipt 1815'] })

/** What operators see and do, in their book or the one that the header `Book` names (api.md, Operators). */
export function adminRoutes(app: App, gateway: Gateway): void {
  listRoute(app, gateway, 'users', 'listUsersOfBook', 'Users', users, usersIn, ListedUser, presentUser)
  booksRoutes(app, gateway)
  listRoute(
    app,
    gateway,
    'audit',
    'listAuditOfBook',
    'Who did what, when and from where',
    auditLog,
    auditIn,
    AuditLine,
    presentAuditLine,
  )
  listRoute(
    app,
    gateway,
    'webhooks',
    'listWebhooksOfBook',
    'The webhooks of every user',
    webhooks,
    webhooksIn,
    Webhook,
    presentWebhook,
  )
  adjustmentRoute(app, gateway)
  bookRoute(app, gateway)
  statusRoute(app, gateway, 'freeze', 'frozen', 'Freeze an account: no money leaves it')
  statusRoute(app, gateway, 'unfreeze', 'active', 'Let money leave an account again')
}

/** What is in the books. */
function booksRoutes(app: App, gateway: Gateway): void {
  listRoute(
    app,
    gateway,
    'accounts',
    'listAccountsOfBook',
    'Accounts, technical ones too',
    accounts,
    accountsIn,
    Account,
    presentAccount,
  )
  listRoute(
    app,
    gateway,
    'payments',
    'listPaymentsOfBook',
    'All payments',
    bookPayments,
    paymentsIn,
    Payment,
    presentPayment,
    {
      names: PAYMENT_EXPANSIONS,
      of: (book) => paymentExpansions(gateway.pool, book, null),
    },
  )
  listRoute(
    app,
    gateway,
    'schedules',
    'listSchedulesOfBook',
    'All schedules',
    schedules,
    schedulesIn,
    Schedule,
    presentSchedule,
  )
  listRoute(
    app,
    gateway,
    'operations',
    'listOperationsOfBook',
    'All operations',
    operations,
    operationsIn,
    Operation,
    presentOperation,
    {
      names: OPERATION_EXPANSIONS,
      of: (book) => operationExpansions(gateway.pool, book),
    },
  )
}

/** What a list of operators can expand, and how it is read. */
type Expansions<Item> = {
  readonly names: readonly string[]
  readonly of: (book: BookId) => Readonly<Record<string, Expansion<Item>>>
}

function listRoute<Row extends object, Item>(
  app: App,
  { pool }: Gateway,
  name: string,
  operationId: OperationId,
  summary: string,
  spec: ListSpec<Row, Item>,
  scope: (book: BookId) => Scope,
  schema: TSchema,
  present: (item: Item) => object,
  expansions: Expansions<Item> = { names: [], of: () => ({}) },
): void {
  app.get(`/v1/admin/${name}`, {
    schema: describe({
      operationId,
      summary,
      tag,
      errors: ['not_found'],
      querystring: listQuery(spec.fields, expansions.names),
      response: { 200: PageOf(schema) },
    }),
    handler: (request, reply) => {
      const { book } = sessionOf(request)
      const expand = expansions.of(book)
      return sendList(pool, request, reply, { spec, scope: scope(book), present, expand })
    },
  })
}

function adjustmentRoute(app: App, { intake, directory, poster }: Gateway): void {
  app.post('/v1/admin/adjustments', {
    schema: describe({
      operationId: 'createAdjustment',
      summary: 'Put money into an account, or take it out',
      description: 'debit: from `internal` into the account; credit: out of it. Audited, with the reason.',
      tag,
      errors: ['not_found', 'invalid_amount', 'invalid_id', 'idempotency_key_reused', 'overloaded', 'outcome_unknown'],
      body: Type.Object(
        { account: IdOf('acc'), amount: Amount, direction: OneOf(['debit', 'credit']), reason: Reason },
        { additionalProperties: false },
      ),
      response: { 201: Payment },
    }),
    handler: async (request, reply) => {
      const { book, userId } = sessionOf(request)
      const { account: text, amount: written, direction, reason } = request.body
      const header = keyHeader(request)
      const account = await directory.find(book, accountId(text, 'account'))
      if (!account?.userId) throw fieldError('account', 'not_found', 'is no account here')
      const amount = parseAmount(written, account.currency)
      if (!amount) throw fieldError('amount', 'invalid_amount', 'is no positive amount of the currency')
      const internal = await intake.technicalAccount(book, 'internal', account.currency.code)
      const [from, to] = direction === 'debit' ? [internal, account] : [account, internal]
      const terms = { fee: 0n, feePayer: 'receiver', description: reason, metadata: {} } as const
      const payment = await intake.complete({ kind: 'adjustment', from, to, amount, ...terms })
      const detail = { account: text, amount: written, direction, reason }
      const submitted = await poster.submit({
        ...payment,
        madeBy: userId,
        key: header === undefined ? null : idempotencyKey(userId, 'adjustment', header, request.body),
        audit: { actor: actorOf(request), action: 'adjustment.create', objectId: null, detail },
      })
      return sendPayment(reply, madeOf(submitted))
    },
  })
}

function bookRoute(app: App, { pool, config }: Gateway): void {
  app.post('/v1/admin/books', {
    schema: describe({
      operationId: 'createBook',
      summary: 'Make a book: a world of its own',
      description: 'For operators of all books. Without `currencies` it has every one that the gateway knows.',
      tag,
      errors: ['book_exists', 'unknown_currency', 'idempotency_key_reused'],
      body: Type.Object(
        {
          name: BookName,
          currencies: Type.Optional(
            Type.Array(CurrencyCode, { minItems: 1, uniqueItems: true, examples: [['EUR', 'USD']] }),
          ),
        },
        { additionalProperties: false },
      ),
      response: { 201: Type.Object({ name: BookName, currencies: Type.Array(CurrencyCode) }) },
    }),
    handler: async (request, reply) => {
      const { name, currencies: codes = [...config.currencies.keys()] } = request.body
      const currencies = codes.map((code) => {
        const currency = config.currencies.get(code)
        if (!currency) throw fieldError('currencies', 'unknown_currency', `names ${code}, which is not known here`)
        return currency
      })
      return answerOnce(pool, request, reply, async (client) => {
        if (!(await makeBook(client, name, currencies, actorOf(request)))) throw new ApiError('book_exists')
        return { status: 201, body: { name, currencies: codes } }
      })
    },
  })
}

function statusRoute(
  app: App,
  { pool }: Gateway,
  verb: 'freeze' | 'unfreeze',
  status: AccountStatus,
  summary: string,
): void {
  const errors: ErrorCode[] = ['not_found', 'account_closed']
  app.post(`/v1/admin/accounts/:id/${verb}`, {
    schema: describe({
      operationId: `${verb}Account`,
      summary,
      tag,
      errors,
      params: Type.Object({ id: Type.String({ examples: ['acc_01k3v5f2q8e8pv0z3m0c6b7d1e'] }) }),
      body: Type.Object({ reason: Reason }, { additionalProperties: false }),
      response: { 200: Account },
    }),
    handler: async (request) => {
      const { id: text } = request.params as { id: string }
      const id = decodeId('acc', text)
      const detail = { reason: (request.body as { reason: string }).reason }
      const audit = { actor: actorOf(request), action: `account.${verb}`, objectId: id ?? null, detail }
      const changed = id && (await changeAccount(pool, sessionOf(request).book, id, { status }, audit))
      if (!changed) throw new ApiError('not_found')
      if (!changed.ok) throw new ApiError(changed.refusal)
      return presentAccount(changed.account)
    },
  })
}
