import type { TSchema } from 'typebox'
import type { ListSpec, Scope } from '../../database/list.ts'
import type { ListQuery } from '../../database/list_query.ts'
import type { Gateway } from '../../gateway.ts'
import type { BookId } from '../../ledger/id.ts'
import type { OperationId } from '../access.ts'
import { sessionOf } from '../authentication.ts'
import { expansionsOf, type Pointers } from '../expand.ts'
import { type Instead, type Listing, sendList } from '../list.ts'
import { type App, describe, listQuery } from '../route.ts'
import { PageOf } from '../schemas.ts'

type BookListing<Row extends object, Item> = {
  readonly operationId: OperationId
  readonly summary: string
  readonly description?: string
  readonly spec: ListSpec<Row, Item>
  readonly scope: (book: BookId) => Scope
  readonly instead?: (book: BookId, query: ListQuery) => Instead<Row, Item> | undefined
  readonly schema: TSchema
  readonly present: Listing<Row, Item>['present']
  /** What its rows point to, to expand. */
  readonly points?: Pointers<Item>
}

/** A list of everything in the book, for operators, at `/v1/admin/name`. */
export function listRoute<Row extends object, Item>(
  app: App,
  { pool }: Pick<Gateway, 'pool'>,
  name: string,
  listing: BookListing<Row, Item>,
): void {
  const { operationId, summary, description, spec, scope, schema, present, points = {}, instead } = listing
  app.get(`/v1/admin/${name}`, {
    schema: describe({
      ...{ operationId, summary, tag: 'Operators', errors: ['not_found'] },
      ...(description === undefined ? {} : { description }),
      querystring: listQuery(spec.fields, Object.keys(points)),
      response: { 200: PageOf(schema) },
    }),
    handler: (request, reply) => {
      const { book } = sessionOf(request)
      const expand = expansionsOf(pool, book, null, points)
      const listed = { spec, scope: scope(book), present, expand }
      return sendList(pool, request, reply, { ...listed, instead: (query) => instead?.(book, query) })
    },
  })
}
