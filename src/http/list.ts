import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Queryable } from '../database/connection.ts'
import { type ListSpec, readPage, type Scope } from '../database/list.ts'
import { QueryError } from '../database/list_fields.ts'
import { isByKey, orderOf } from '../database/list_order.ts'
import { type ListQuery, MOST_A_PAGE, parseListQuery } from '../database/list_query.ts'
import { readPatiently } from '../database/patience.ts'
import { csvRecord, csvText } from '../reports/csv.ts'
import { VARIES_BY } from './etag.ts'
import { NDJSON } from './records.ts'

// Every list of the API is answered here: as a page in JSON, or whole as CSV or NDJSON, with the fields that are asked
// for and what they point to.

/** A list, whose rows, and how one is written. */
export type Listing<Row, Item> = {
  readonly spec: ListSpec<Row, Item>
  /** Whose rows; it may depend on what is asked for, and is looked for only where that is understood. */
  readonly scope: Scope | ((query: ListQuery) => Scope | Promise<Scope>)
  /** Rows that an index leads to where all that are asked for are among them: the same fields, from elsewhere. */
  readonly instead?: (query: ListQuery) => Instead<Row, Item> | undefined
  readonly present: ((item: Item) => object) | PresentAll<Item>
  /** What `expand` may name: gives for each item what it points to, or null where the caller may not see it. */
  readonly expand?: Readonly<Record<string, Expansion<Item>>>
}

/** Where else the rows of a list are. */
export type Instead<Row, Item> = Pick<Listing<Row, Item>, 'spec' | 'scope'>

/** Where a row is not all of what is shown: writes the items of a page after reading the rest of them all at once. */
export type PresentAll<Item> = { readonly all: (items: readonly Item[]) => Promise<readonly object[]> }

/** Reads what the items of a page point to, all at once and in their order. */
export type Expansion<Item> = (items: readonly Item[]) => Promise<readonly (object | null)[]>

const FORMATS = ['json', 'csv', 'ndjson'] as const
type Format = (typeof FORMATS)[number]

/** Rows of an export that are read at once. A page of each is kept for whoever reads slowly, and one row may have 27 KB of metadata. */
const EXPORT_PAGE = MOST_A_PAGE

type Asked = {
  readonly format: Format
  /** The fields to show, in their order; null for those of the schema, by which a page in JSON is written. */
  readonly fields: readonly string[] | null
  readonly expand: readonly string[]
  readonly query: ListQuery
}

/** Answers a list as the query of the request asks for it. Throws QueryError where it does not understand it. */
export async function sendList<Row extends object, Item>(
  client: Queryable,
  request: FastifyRequest,
  reply: FastifyReply,
  listing: Listing<Row, Item>,
): Promise<unknown> {
  const columns = columnsOf(request)
  const asked = parseAsked(listing, columns, request.query as Readonly<Record<string, unknown>>)
  const { spec, scope } = listing.instead?.(asked.query) ?? listing
  const rows = typeof scope === 'function' ? await scope(asked.query) : scope
  const read = async (query: ListQuery) => {
    const page = await readPage(client, spec, rows, query)
    return { data: await shown(listing, asked, page.data), next_cursor: page.next_cursor }
  }
  if (asked.format !== 'json') return sendExport(reply, asked, columns, read)
  const page = await read(asked.query)
  if (asked.fields === null) return page
  // The schema of the answer has every field, and none that is expanded.
  return reply.type('application/json; charset=utf-8').serializer(asIs).send(JSON.stringify(page))
}

const asIs = (payload: unknown) => payload as string

/** The schema of a list's answer, as `describe` makes it. */
type ListAnswer = {
  readonly content: {
    readonly 'application/json': {
      readonly schema: { readonly properties: { readonly data: { readonly items: { readonly properties: object } } } }
    }
  }
}

/** The fields of what the route lists, as its schema says them. */
function columnsOf({ routeOptions }: FastifyRequest): string[] {
  const { response } = routeOptions.schema as { readonly response: { readonly 200: ListAnswer } }
  return Object.keys(response[200].content['application/json'].schema.properties.data.items.properties)
}

function parseAsked<Row, Item>(
  { spec, expand = {} }: Listing<Row, Item>,
  columns: readonly string[],
  raw: Readonly<Record<string, unknown>>,
): Asked {
  const { format: wanted = 'json', fields: picked, expand: named, ...rest } = raw
  const format = FORMATS.find((name) => name === wanted)
  if (!format) throw new QueryError('format', `must be one of ${FORMATS.join(', ')}`)
  const expanded = named === undefined ? [] : namesOf('expand', named, Object.keys(expand))
  // What is not written by the schema would show whatever else a row has.
  const all = format === 'json' && expanded.length === 0 ? null : columns
  const fields = picked === undefined ? all : namesOf('fields', picked, columns)
  const query = parseListQuery(spec.fields, rest)
  if (format !== 'json') refuseForExport(spec, format, rest, query, expanded)
  return { format, fields, expand: expanded, query }
}

function namesOf(parameter: string, value: unknown, known: readonly string[]): string[] {
  if (typeof value !== 'string') throw new QueryError(parameter, 'is given more than once')
  const names = value.split(',')
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const there = known.length > 0 ? `there are ${known.join(', ')}` : 'there is nothing to expand here'
    throw new QueryError(parameter, `has '${unknown}'; ${there}`)
  }
  return [...new Set(names)]
}

/** An export goes through the whole list once, by its key: what would begin anew for each page is refused. */
function refuseForExport<Row, Item>(
  spec: ListSpec<Row, Item>,
  format: Format,
  raw: Readonly<Record<string, unknown>>,
  { sort }: ListQuery,
  expand: readonly string[],
): void {
  for (const parameter of ['limit', 'cursor']) {
    if (raw[parameter] !== undefined) throw new QueryError(parameter, `is for pages: ${format} is the whole list`)
  }
  if (!isByKey(spec, orderOf(spec, sort))) {
    const inOrder = Object.entries(spec.fields).flatMap(([name, { carried }]) => (carried ? [name] : []))
    throw new QueryError(
      'sort',
      `of ${format} is ${inOrder.join(' or ')} alone, either way: sort it by others where it arrives`,
    )
  }
  if (format === 'csv' && expand.length > 0) throw new QueryError('expand', 'is for json and ndjson')
}

async function shown<Row, Item>(
  { present, expand = {} }: Listing<Row, Item>,
  { fields, expand: names }: Pick<Asked, 'fields' | 'expand'>,
  items: readonly Item[],
): Promise<Record<string, unknown>[]> {
  const expansions: [string, readonly (object | null)[]][] = []
  for (const name of names) expansions.push([name, (await expand[name]?.(items)) ?? []])
  const wholes = typeof present === 'function' ? items.map(present) : await present.all(items)
  return wholes.map((object, index) => {
    const whole = object as Record<string, unknown>
    const picked = fields === null ? whole : Object.fromEntries(fields.map((name) => [name, whole[name]]))
    if (expansions.length === 0) return picked
    return { ...picked, expanded: Object.fromEntries(expansions.map(([name, found]) => [name, found[index] ?? null])) }
  })
}

type ShownPage = { readonly data: Record<string, unknown>[]; readonly next_cursor: string | null }
type Pages = AsyncIterable<Pick<ShownPage, 'data'>>

async function sendExport(
  reply: FastifyReply,
  { format, fields, query }: Asked,
  columns: readonly string[],
  read: (query: ListQuery) => Promise<ShownPage>,
): Promise<FastifyReply> {
  // Before anything is answered, so that what is wrong with the query is an error and no stump.
  const first = await read({ ...query, limit: EXPORT_PAGE })
  const pages = andFollowing(first, (cursor) => read({ ...query, limit: EXPORT_PAGE, cursor }))
  const text = format === 'csv' ? csvOf(pages, fields ?? columns) : linesOf(pages)
  return reply
    .type(format === 'csv' ? 'text/csv; charset=utf-8; header=present' : NDJSON)
    .header('content-disposition', `attachment; filename="export.${format}"`)
    .header('cache-control', 'private, no-cache')
    .header('vary', VARIES_BY)
    .send(Readable.from(text))
}

/** A page and all behind it, each read once a connection is to be had. */
async function* andFollowing<Page extends { readonly next_cursor: string | null }>(
  first: Page,
  read: (cursor: string) => Promise<Page>,
): AsyncGenerator<Page> {
  for (let page = first; ; ) {
    yield page
    const { next_cursor: cursor } = page
    if (cursor === null) return
    page = await readPatiently(() => read(cursor))
  }
}

type Shown<Item> = { readonly items: readonly Item[]; readonly shown: readonly Record<string, unknown>[] }

/** All that a listing lists, as it is shown, newest first and some at a time. */
export async function* everyShown<Row extends object, Item>(
  client: Queryable,
  listing: Listing<Row, Item> & { readonly scope: Scope },
): AsyncGenerator<Shown<Item>> {
  const { spec, scope } = listing
  const query = { filters: [], sort: [], limit: EXPORT_PAGE }
  const read = async (cursor: string | null) => {
    const { data: items, next_cursor } = await readPage(client, spec, scope, { ...query, cursor })
    return { items, shown: await shown(listing, { fields: null, expand: [] }, items), next_cursor }
  }
  yield* andFollowing(await readPatiently(() => read(null)), read)
}

async function* linesOf(pages: Pages): AsyncGenerator<string> {
  for await (const { data } of pages) yield data.map((item) => `${JSON.stringify(item)}\n`).join('')
}

async function* csvOf(pages: Pages, columns: readonly string[]): AsyncGenerator<string> {
  yield csvRecord(columns)
  for await (const { data } of pages) {
    yield data.map((item) => csvRecord(columns.map((column) => cellOf(item[column])))).join('')
  }
}

const NUMBER = /^-?\d+(\.\d+)?$/

/** Numbers and amounts as they are, texts guarded, objects such as metadata as JSON. */
function cellOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return NUMBER.test(value) ? value : csvText(value)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
