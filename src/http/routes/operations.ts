import { equalTo, type ListQuery } from '../../database/list_query.ts'
import type { Gateway } from '../../gateway.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { ofUser, operations } from '../../payments/operations.ts'
import { sessionOf } from '../authentication.ts'
import { expansionsOf, OPERATION_POINTERS } from '../expand.ts'
import { sendList } from '../list.ts'
import { presentOperation } from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import { Operation, PageOf } from '../schemas.ts'

/** Operations: every movement on the caller's accounts (api.md, Operations). */
export function operationRoutes(app: App, { pool }: Gateway): void {
  app.get('/v1/operations', {
    schema: describe({
      operationId: 'listOperations',
      summary: 'Money in and out of your accounts',
      description: 'Postings of fees are left out unless `kind` asks for them: the payment’s `fee` shows them already.',
      tag: 'Operations',
      querystring: listQuery(operations.fields, Object.keys(OPERATION_POINTERS)),
      response: { 200: PageOf(Operation) },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      const scope = (query: ListQuery) => {
        const account = decodeId('acc', equalTo(query, 'account_id') ?? '') ?? null
        const withFees = (equalTo(query, 'kind') ?? '').split(',').includes('fee')
        return ofUser(home, userId, account, withFees)
      }
      const expand = expansionsOf(pool, home, sessionOf(request), OPERATION_POINTERS)
      return sendList(pool, request, reply, { spec: operations, scope, present: presentOperation, expand })
    },
  })
}
