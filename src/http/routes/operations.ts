import { readPage } from '../../database/list.ts'
import type { ListQuery } from '../../database/list_query.ts'
import { parseListQuery } from '../../database/list_query.ts'
import type { Gateway } from '../../gateway.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { ofUser, operations } from '../../payments/operations.ts'
import { sessionOf } from '../authentication.ts'
import { presentOperation } from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import { Operation, PageOf } from '../schemas.ts'

const reads = { scope: 'payments:read' } as const

/** Operations: every movement on the caller's accounts (api.md, Operations). */
export function operationRoutes(app: App, { pool }: Gateway): void {
  app.get('/v1/operations', {
    config: { access: reads },
    schema: describe({
      operationId: 'listOperations',
      summary: 'Money in and out of your accounts',
      description: 'Postings of fees are left out unless `kind` asks for them: the payment’s `fee` shows them already.',
      tag: 'Operations',
      access: reads,
      querystring: listQuery(operations.fields),
      response: { 200: PageOf(Operation) },
    }),
    handler: async (request) => {
      const { home, userId } = sessionOf(request)
      const query = parseListQuery(operations.fields, request.query)
      const account = decodeId('acc', equalTo(query, 'account_id') ?? '') ?? null
      const withFees = (equalTo(query, 'kind') ?? '').split(',').includes('fee')
      const page = await readPage(pool, operations, ofUser(home, userId, account, withFees), query)
      return { ...page, data: page.data.map(presentOperation) }
    },
  })
}

/** The value of a filter that asks for equality, where there is one. */
export function equalTo({ filters }: ListQuery, field: string): string | undefined {
  for (const filter of filters) {
    if ('field' in filter && filter.field === field && (filter.operator === 'eq' || filter.operator === 'in')) {
      return filter.value
    }
  }
  return undefined
}
