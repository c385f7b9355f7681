import { createHash } from 'node:crypto'
import type { Queryable } from './connection.ts'
import { type Field, type Kind, QueryError } from './list_fields.ts'
import { conditionOf, type ListQuery } from './list_query.ts'

// Filters, sorting and keyset pagination for every list of the API. A list is described once (ListSpec) and read by one
// statement in two steps: first the keys of the page, from as few tables as its filters and sorting need (PostgreSQL
// leaves out a left join that nobody asks), then what is shown of these rows.

/** What a list is made of. All SQL in it is ours; what callers send goes into parameters only. `$1` is the book. */
export type ListSpec<Row, Item> = {
  readonly fields: Readonly<Record<string, Field>>
  /** A table or view, and left joins on whole keys, so that one row stays one row. */
  readonly from: string
  /** Columns of `from` that together are unique; the first is a UUIDv7 or a transaction, so their order is the order of time. */
  readonly key: readonly KeyColumn[]
  /** What joins the rows of a page, by `page.key0`, `page.key1`…, with all that is shown. */
  readonly show: string
  readonly columns: string
  readonly toItem: (row: Row) => Item
}

export type KeyColumn = { readonly sql: string; readonly cast: 'uuid' | 'text' | 'xid8' }

/** Whose rows: a condition over `from`, with `$1` the book and `$2`… the other values. */
export type Scope = {
  readonly where: string
  readonly values: readonly unknown[]
  /** A subquery `(…) owned` of accounts to read one after the other and merge; `where` may name its columns. */
  readonly perAccount?: string
}

export type Page<Item> = { readonly data: Item[]; readonly next_cursor: string | null }

type Term = { readonly sql: string; readonly cast: string; readonly nullable: boolean; readonly descending: boolean }

/**
 * One page, newest first where no order is asked for. Rows that arrive between two pages neither repeat nor hide others.
 * Throws QueryError where the query names what the list does not have, or its cursor comes from another query.
 */
export async function readPage<Row extends object, Item>(
  client: Queryable,
  spec: ListSpec<Row, Item>,
  scope: Scope,
  query: ListQuery,
): Promise<Page<Item>> {
  const order = orderOf(spec, query)
  const signature = signatureOf(query)
  const values: unknown[] = [...scope.values]
  const keys = keysOf(spec, scope, query, order, signature, (value) => `$${values.push(value)}`)
  const cursorColumns = order.map((_, index) => `page.k${index}::text as "cursor${index}"`)
  const { rows } = await client.query<Row & Record<string, string | null>>(
    `with page as materialized (
       ${keys}
     )
     select ${spec.columns}, ${cursorColumns.join(', ')}
       from page
       ${spec.show}
      order by ${orderBy(order, (index) => `page.k${index}`)}`,
    values,
  )
  const more = rows.length > query.limit
  const shown = more ? rows.slice(0, query.limit) : rows
  const last = shown.at(-1)
  return {
    data: shown.map(spec.toItem),
    next_cursor:
      more && last
        ? writeCursor(
            signature,
            order.map((_, index) => last[`cursor${index}`] ?? null),
          )
        : null,
  }
}

/** The statement for the keys of one page, and one more row to know whether there is a next. */
function keysOf<Row, Item>(
  spec: ListSpec<Row, Item>,
  scope: Scope,
  query: ListQuery,
  order: readonly Term[],
  signature: string,
  param: (value: unknown) => string,
): string {
  const keyNames = spec.key.map(({ sql }) => sql)
  const conditions = [`(${scope.where})`]
  for (const filter of query.filters) conditions.push(conditionOf(spec.fields, keyNames, filter, param))
  if (query.cursor !== null) conditions.push(after(order, readCursor(query.cursor, signature, order), param))
  const columns = [
    ...keyNames.map((sql, index) => `${sql} as key${index}`),
    ...order.map(({ sql }, index) => `${sql} as k${index}`),
  ]
  const each = `
       select ${columns.join(', ')}
         from ${spec.from}
        where ${conditions.join('\n          and ')}
        order by ${orderBy(order, (index) => order[index]?.sql ?? '')}
        limit ${query.limit + 1}`
  if (!scope.perAccount) return each
  return `select each.* from ${scope.perAccount} cross join lateral (${each}) each
     order by ${orderBy(order, (index) => `each.k${index}`)} limit ${query.limit + 1}`
}

/** What to sort by: the fields asked for, ended by the key, so that no two rows are equal. */
function orderOf<Row, Item>(spec: ListSpec<Row, Item>, query: ListQuery): Term[] {
  const terms: Term[] = []
  const end = (descending: boolean): Term[] => [
    ...terms,
    ...spec.key.map(({ sql, cast }) => ({ sql, cast, nullable: false, descending })),
  ]
  for (const { field: name, descending } of query.sort) {
    const field = spec.fields[name]
    if (!field) throw new QueryError('sort', `there is no field '${name}'`)
    // Behind the key nothing can be equal any more.
    if (field.carried) return end(descending)
    const { cast } = field.kind
    // Cast as the cursor's values will be: metadata is sorted as its text.
    terms.push({ sql: `${field.sql}::${cast}`, cast, nullable: field.nullable === true, descending })
  }
  return end(terms[0]?.descending ?? true)
}

function orderBy(order: readonly Term[], name: (index: number) => string): string {
  return order
    .map((term, index) => `${name(index)}${term.descending ? ' desc' : ''}${term.nullable ? ' nulls last' : ''}`)
    .join(', ')
}

/** The rows behind the last one of the page before: nulls are last in either direction. */
function after(order: readonly Term[], last: readonly (string | null)[], param: (value: unknown) => string): string {
  const values = order.map((term, index) => (last[index] === null ? null : `${param(last[index])}::${term.cast}`))
  const uniform = order.every((term) => !term.nullable && term.descending === order[0]?.descending)
  if (uniform) {
    const comparison = order[0]?.descending ? '<' : '>'
    return `(${order.map(({ sql }) => sql).join(', ')}) ${comparison} (${values.join(', ')})`
  }
  const alternatives = order.flatMap((term, index) => {
    const value = values[index]
    if (value === null || value === undefined) return []
    const behind = `${term.sql} ${term.descending ? '<' : '>'} ${value}`
    const equal = order
      .slice(0, index)
      .map(({ sql }, before) => (values[before] === null ? `${sql} is null` : `${sql} = ${values[before]}`))
    return [[...equal, term.nullable ? `(${behind} or ${term.sql} is null)` : behind].join(' and ')]
  })
  return `(${alternatives.join(' or ')})`
}

/** A cursor goes with the filters and the order that it was made with, and with no others. */
function signatureOf({ filters, sort }: ListQuery): string {
  return createHash('sha256').update(JSON.stringify({ filters, sort })).digest('base64url').slice(0, 12)
}

function writeCursor(signature: string, values: readonly (string | null)[]): string {
  return Buffer.from(JSON.stringify([signature, ...values])).toString('base64url')
}

/** What each type looks like as PostgreSQL writes it: a cursor that somebody made up must not reach a cast. */
const WRITTEN: Record<Kind['cast'], RegExp> = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  numeric: /^-?\d{1,60}(\.\d{1,40})?$/,
  timestamptz: /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?\+00$/,
  text: /^[^\0]*$/,
  xid8: /^\d{1,19}$/,
}

function readCursor(cursor: string, signature: string, order: readonly Term[]): (string | null)[] {
  const refuse = (message: string): never => {
    throw new QueryError('cursor', message)
  }
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return refuse('is not a cursor of this list')
  }
  if (!Array.isArray(parts) || typeof parts[0] !== 'string') return refuse('is not a cursor of this list')
  if (parts[0] !== signature) return refuse('belongs to a query with other filters or another order')
  const values: unknown[] = parts.slice(1)
  const fit = (value: unknown, { cast, nullable }: Term) =>
    value === null ? nullable : typeof value === 'string' && value.isWellFormed() && WRITTEN[cast]?.test(value) === true
  if (values.length !== order.length || !order.every((term, index) => fit(values[index], term))) {
    return refuse('is not a cursor of this list')
  }
  return values as (string | null)[]
}
