import { Type } from 'typebox'
import { accounts, inBook as accountsIn } from '../../accounts/list.ts'
import { auditIn, auditLog } from '../../audit/list.ts'
import { makeBook } from '../../books/books.ts'
import type { Gateway } from '../../gateway.ts'
import { users, usersIn } from '../../identity/list.ts'
import { asksForOpen, bookPayments, openIn, openPayments, inBook as paymentsIn } from '../../payments/list.ts'
import { operations, inBook as operationsIn } from '../../payments/operations.ts'
import { schedules, schedulesIn } from '../../schedules/list.ts'
import { webhooks, webhooksIn } from '../../webhooks/list.ts'
import { presentWebhook } from '../../webhooks/present.ts'
import { actorOf } from '../authentication.ts'
import { ApiError, fieldError } from '../errors.ts'
import { OPERATION_POINTERS, PAYMENT_POINTERS, SCHEDULE_POINTERS } from '../expand.ts'
import { answerOnce } from '../idempotency.ts'
import {
  presentAccount,
  presentAuditLine,
  presentOperation,
  presentPayment,
  presentSchedule,
  presentUser,
} from '../present.ts'
import { type App, describe } from '../route.ts'
import { Account, AuditLine, BookName, CurrencyCode, ListedUser, Operation, Payment, Schedule } from '../schemas.ts'
import { Webhook } from '../webhook_schemas.ts'
import { listRoute } from './admin_list.ts'

const tag = 'Operators'

/** What operators see and do, in their book or the one that the header `Book` names (api.md, Operators). */
export function adminRoutes(app: App, gateway: Gateway): void {
  listRoutes(app, gateway)
  bookRoute(app, gateway)
}

function listRoutes(app: App, gateway: Gateway): void {
  listRoute(app, gateway, 'users', {
    ...{ operationId: 'listUsersOfBook', summary: 'Users' },
    ...{ spec: users, scope: usersIn, schema: ListedUser, present: presentUser },
  })
  listRoute(app, gateway, 'accounts', {
    ...{ operationId: 'listAccountsOfBook', summary: 'Accounts, technical ones too' },
    ...{ spec: accounts, scope: accountsIn, schema: Account, present: presentAccount },
  })
  listRoute(app, gateway, 'payments', {
    ...{ operationId: 'listPaymentsOfBook', summary: 'All payments' },
    ...{ spec: bookPayments, scope: paymentsIn, schema: Payment, present: presentPayment },
    points: PAYMENT_POINTERS,
    instead: (book, query) => (asksForOpen(query) ? { spec: openPayments, scope: openIn(book) } : undefined),
  })
  listRoute(app, gateway, 'operations', {
    ...{ operationId: 'listOperationsOfBook', summary: 'All operations' },
    ...{ spec: operations, scope: operationsIn, schema: Operation, present: presentOperation },
    points: OPERATION_POINTERS,
  })
  listRoute(app, gateway, 'schedules', {
    ...{ operationId: 'listSchedulesOfBook', summary: 'All schedules' },
    ...{ spec: schedules, scope: schedulesIn, schema: Schedule, present: presentSchedule, points: SCHEDULE_POINTERS },
  })
  listRoute(app, gateway, 'audit', {
    ...{ operationId: 'listAuditOfBook', summary: 'Who did what, when and from where' },
    ...{ spec: auditLog, scope: auditIn, schema: AuditLine, present: presentAuditLine },
  })
  listRoute(app, gateway, 'webhooks', {
    ...{ operationId: 'listWebhooksOfBook', summary: 'The webhooks of every user' },
    ...{ spec: webhooks, scope: webhooksIn, schema: Webhook, present: presentWebhook },
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
