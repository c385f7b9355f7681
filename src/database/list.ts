import { hash } from 'node:crypto'
import type { Queryable } from './connection.ts'
import { readCursor, signatureOf, writeCursor } from './list_cursor.ts'
import { type Field, QueryError } from './list_fields.ts'
import { behind, isByKey, orderBy, orderOf, type Term } from './list_order.ts'
import { conditionOf, DEFAULT_LIMIT, type Filter, type ListQuery, MOST_A_PAGE } from './list_query.ts'

// Filters, sorting and keyset pagination for every list of the API. A list is described once (ListSpec) and read by one
// statement in two steps: first the keys of the page, from as few tables as its filters and sorting need (PostgreSQL
// leaves out a left join that nobody asks), then what is shown of these rows.
//
// What a page costs is bounded, whatever is asked for: rows come from an index in the order of the key, as far as the
// filters that an index serves allow, and of these at most MOST_ROWS are looked at for the other filters. A page that
// ends there may be short, and says where to go on. Another order than the key's is for so many rows only.

/** What a list is made of. All SQL in it is ours; what callers send goes into parameters only. `$1` is the book. */
export type ListSpec<Row, Item> = {
  /** By their names; what is within another has both, such as `exchange.rate`. */
  readonly fields: Readonly<Record<string, Field>>
  /** The table or view that its rows are of, with its alias, such as `payments p`. */
  readonly table: string
  /** Left joins on whole keys, so that one row stays one row. */
  readonly joins?: string
  /** Columns of the table that together are unique; the first is a UUIDv7 or a transaction, so their order is the order of time. */
  readonly key: readonly KeyColumn[]
  /** What an index finds beside the key's own fields. */
  readonly indexed?: Indexed
  /** What joins the rows of a page, by `page.key0`, `page.key1`…, with all that is shown. */
  readonly show: string
  readonly columns: string
  readonly toItem: (row: Row) => Item
}

export type KeyColumn = { readonly sql: string; readonly cast: 'uuid' | 'text' | 'xid8' }

/** Fields whose equality an index serves; where several are asked for, the first of these. */
export type Indexed = {
  /** Only few rows have the same value; they come in whatever order. */
  readonly few?: readonly string[]
  /** Any number of rows may, and they come in the order of the key. */
  readonly inOrder?: readonly string[]
}

/** Whose rows: conditions with `$1` the book and `$2`… the other values. */
export type Scope = {
  /** Over the table alone, and served by the index that the key's order comes from. */
  readonly where: string
  /** What is hidden of these row by row, as far as it is not this; joins may be named. */
  readonly showing?: string
  readonly values: readonly unknown[]
  /** A subquery `(…) owned` of accounts to read one after the other and merge; `where` may name its columns. */
  readonly perAccount?: string
}

export type Page<Item> = { readonly data: Item[]; readonly next_cursor: string | null }

/** How many rows a page looks at, and how many may be put into another order than that of the key. */
export const MOST_ROWS = 20_000

type Plan = {
  readonly order: readonly Term[]
  /** Conditions that an index serves, and those for which rows are looked at one by one. */
  readonly bounds: readonly string[]
  /** How many values these conditions name. */
  readonly bound: number
  readonly others: readonly string[]
  /** How the rows within the bounds come: by an index in the order of the key, or few enough to be sorted. */
  readonly way: 'inOrder' | 'few' | 'sorted'
}

type Param = (value: unknown) => string

/**
 * One page, newest first where no order is asked for. Rows that arrive between two pages neither repeat nor hide others.
 * It looks at no more than `most` rows: a page may have fewer than its limit, or none, and yet a next one.
 * Throws QueryError where the query names what the list does not have, where its cursor comes from another query, and
 * where more than `most` rows would have to be sorted.
 */
export async function readPage<Row extends object, Item>(
  client: Queryable,
  spec: ListSpec<Row, Item>,
  scope: Scope,
  query: ListQuery,
  most = MOST_ROWS,
): Promise<Page<Item>> {
  const values: unknown[] = [...scope.values]
  const plan = planOf(spec, scope, query, values)
  if (plan.way === 'sorted') await refuseMore(client, spec, scope, plan, values.slice(0, plan.bound), most)
  const signature = signatureOf(spec.table, query)
  const after =
    query.cursor === null
      ? null
      : behind(plan.order, readCursor(query.cursor, signature, plan.order), (value) => `$${values.push(value)}`)
  const cursorColumns = plan.order.map((_, index) => `page.k${index}::text as "cursor${index}"`)
  const text = `with page as materialized (
       ${keysOf(spec, scope, plan, after, query.limit + 1, most)}
     )
     select ${spec.columns}, page.is_found, page.is_end, ${cursorColumns.join(', ')}
       from page
       ${spec.show}
      order by ${orderBy(plan.order, (index) => `page.k${index}`)}`
  const name = isCommon(spec, plan, query) ? `list ${hash('sha256', text).slice(0, 32)}` : undefined
  const { rows } = await client.query<Row & Found>(name === undefined ? { text, values } : { name, text, values })
  return pageOf(rows, query.limit, spec.toItem, (row) =>
    writeCursor(
      signature,
      plan.order.map((_, index) => row[`cursor${index}`] ?? null),
    ),
  )
}

const COMMON_LIMITS = [DEFAULT_LIMIT, MOST_A_PAGE]

/**
 * Whether PostgreSQL is to keep its plan, as making one takes most of what a page costs: of some forms of each list, so that
 * it keeps no more than these, whatever callers ask for.
 */
function isCommon<Row, Item>({ indexed }: ListSpec<Row, Item>, { way }: Plan, { filters, limit }: ListQuery): boolean {
  const [filter, ...more] = filters
  const served = [...(indexed?.few ?? []), ...(indexed?.inOrder ?? [])]
  const isServed = filter === undefined || served.some((name) => isEquality(filter, name))
  return way !== 'sorted' && isServed && more.length === 0 && COMMON_LIMITS.includes(limit)
}

/** A row of the page, or where looking at rows ended. */
type Found = { is_found: boolean; is_end: boolean; [cursor: `cursor${number}`]: string | null }

function pageOf<Row extends Found, Item>(
  rows: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
  cursorAt: (row: Row) => string,
): Page<Item> {
  const end = rows.findIndex((row) => row.is_end)
  const found = (end < 0 ? rows : rows.slice(0, end + 1)).filter((row) => row.is_found)
  const last = found.length > limit ? found[limit - 1] : rows[end]
  return { data: found.slice(0, limit).map(toItem), next_cursor: last ? cursorAt(last) : null }
}

function planOf<Row, Item>(spec: ListSpec<Row, Item>, scope: Scope, query: ListQuery, values: unknown[]): Plan {
  const { fields, indexed: { few = [], inOrder = [] } = {} } = spec
  const param: Param = (value) => `$${values.push(value)}`
  const keys = spec.key.map(({ sql }) => sql)
  const equal = [...few, ...inOrder].find((name) => query.filters.some((filter) => isEquality(filter, name)))
  const bounds: string[] = []
  const left: Filter[] = []
  for (const filter of query.filters) {
    const bound = boundOf(fields, keys, filter, equal, param)
    if (bound) bounds.push(bound.sql)
    if (!bound?.isAll) left.push(filter)
  }
  const bound = values.length
  const others = left.map((filter) => conditionOf(fields, keys, filter, param))
  if (scope.showing) others.push(`(${scope.showing})`)
  const order = orderOf(spec, query.sort)
  const isFew = equal !== undefined && few.includes(equal)
  return { order, bounds, bound, others, way: isFew ? 'few' : isByKey(spec, order) ? 'inOrder' : 'sorted' }
}

/** What an index can say of a filter, and whether that is all of it; undefined where there is none for it. */
function boundOf(
  fields: Readonly<Record<string, Field>>,
  keys: readonly string[],
  filter: Filter,
  equal: string | undefined,
  param: Param,
): { readonly sql: string; readonly isAll: boolean } | undefined {
  if (!('field' in filter)) return undefined
  const field = fields[filter.field]
  if (equal !== undefined && isEquality(filter, equal)) {
    if (!field?.lookup) return { sql: conditionOf(fields, keys, filter, param), isAll: true }
    return { sql: field.lookup(filter.value, param), isAll: false }
  }
  if (!field?.carried || filter.operator === 'ne' || filter.operator === 'like') return undefined
  if (filter.operator !== 'in') return { sql: conditionOf(fields, keys, filter, param), isAll: true }
  if (field.carried !== 'id') return undefined
  // Ids of several columns are found by the first of them.
  const firsts = filter.value.split(',').map((value) => [field.kind.parse(value) ?? []].flat()[0])
  if (firsts.includes(undefined)) return undefined
  return { sql: `${keys[0]} = any(${param(firsts)}::uuid[])`, isAll: false }
}

function isEquality(filter: Filter, field: string): boolean {
  return 'field' in filter && filter.field === field && filter.operator === 'eq'
}

/** The statement for the keys of one page, and one more row to know whether there is a next. */
function keysOf<Row, Item>(
  spec: ListSpec<Row, Item>,
  scope: Scope,
  { order, bounds, others, way }: Plan,
  after: string | null,
  limit: number,
  most: number,
): string {
  const columns = [
    ...spec.key.map(({ sql }, index) => `${sql} as key${index}`),
    ...order.map(({ sql }, index) => `${sql} as k${index}`),
  ]
  const { table, joins = '' } = spec
  const alias = aliasOf(table)
  const within = [`(${scope.where})`, ...bounds]
  const byTerms = orderBy(order, (index) => order[index]?.sql ?? '')
  const behindLast = after === null ? [] : [after]
  const rows = `select ${alias}.* from ${table} where`
  // Rows that are not wanted in the order of an index are taken first: none that leads to it may be walked instead. So are
  // those that are: PostgreSQL 15 sees no order in an index by a column that is joined by, and would walk the whole book.
  const source =
    way === 'inOrder'
      ? `(${rows} ${all([...within, ...behindLast])} order by ${byTerms} limit ${limit}) ${alias}`
      : `(${rows} ${all(within)} offset 0) ${alias}`
  const each =
    way === 'inOrder' && others.length > 0
      ? `
       select ${columns.join(', ')}, coalesce(${all(others)}, false) as is_found, ${alias}.walked = ${most} as is_end
         from (select ${alias}.*, row_number() over () as walked
                 from (${rows} ${all([...within, ...behindLast])}
                        order by ${byTerms} limit ${most}) ${alias}
                order by ${byTerms}) ${alias} ${joins}
        where ${all(others)} or ${alias}.walked = ${most}
        order by ${byTerms}
        limit ${limit}`
      : `
       select ${columns.join(', ')}, true as is_found, false as is_end
         from ${source} ${joins}
        where ${all(way === 'inOrder' ? [] : [...others, ...behindLast])}
        order by ${byTerms}
        limit ${limit}`
  if (!scope.perAccount) return each
  return `select each.* from ${scope.perAccount} cross join lateral (${each}) each
     order by ${orderBy(order, (index) => `each.k${index}`)} limit ${limit}`
}

function all(conditions: readonly string[]): string {
  return conditions.length === 0 ? 'true' : `(${conditions.join('\n          and ')})`
}

function aliasOf(table: string): string {
  return table.split(' ').at(-1) ?? table
}

/** Another order than the key's means to read all rows within the bounds for each page. */
async function refuseMore<Row, Item>(
  client: Queryable,
  { table, key, indexed: { few = [], inOrder = [] } = {} }: ListSpec<Row, Item>,
  scope: Scope,
  { bounds, order }: Plan,
  values: unknown[],
  most: number,
): Promise<void> {
  const descending = order.at(-1)?.descending ? ' desc' : ''
  const each = `select from ${table} where ${all([`(${scope.where})`, ...bounds])}
                order by ${key.map(({ sql }) => sql + descending).join(', ')} limit ${most + 1}`
  const { rows } = await client.query<{ count: bigint }>(
    scope.perAccount
      ? `select count(*) as count from ${scope.perAccount} cross join lateral (${each}) each`
      : `select count(*) as count from (${each}) each`,
    values,
  )
  if ((rows[0]?.count ?? 0n) <= BigInt(most)) return
  const narrowing = [...few, ...inOrder].map((name) => `${name}=…`).join(', ')
  throw new QueryError(
    'sort',
    `would sort more than ${most} rows: ask for less by created_at[gte]=…&created_at[lt]=…${narrowing ? ` or ${narrowing}` : ''}, or sort by created_at`,
  )
}
