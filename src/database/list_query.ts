import { firstIdAt, type Instant } from '../ledger/id.ts'
import { parseInstant } from './instant.ts'
import { type Field, QueryError, text } from './list_fields.ts'

export const OPERATORS = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'like'] as const
export type Operator = (typeof OPERATORS)[number]

export type Filter =
  | { readonly parameter: string; readonly field: string; readonly operator: Operator; readonly value: string }
  | { readonly parameter: string; readonly metadataKey: string; readonly operator: Operator; readonly value: string }

export type Sort = { readonly field: string; readonly descending: boolean }

/** What a caller asks of a list. */
export type ListQuery = {
  readonly filters: readonly Filter[]
  readonly sort: readonly Sort[]
  readonly limit: number
  readonly cursor: string | null
}

type Fields = Readonly<Record<string, Field>>

export const DEFAULT_LIMIT = 50
export const MOST_A_PAGE = 200
const MOST_SORTS = 5
/** Each is asked of up to 20 000 rows: so many of metadata, whose names are the caller's, that a page has its bound. */
const MOST_FILTERS = 30
/** As long as the longest text of a list; PostgreSQL folds it anew for each row. */
const LONGEST_LIKE = 500

/** Reads the query of a list's URL. Throws QueryError at the first parameter that the list does not know. */
export function parseListQuery(fields: Fields, raw: Readonly<Record<string, unknown>>): ListQuery {
  const filters: Filter[] = []
  let sort: Sort[] = []
  let limit = DEFAULT_LIMIT
  let cursor: string | null = null
  for (const [parameter, value] of Object.entries(raw)) {
    if (typeof value !== 'string') throw new QueryError(parameter, 'is given more than once')
    if (/\0/.test(parameter + value) || !(parameter + value).isWellFormed())
      throw new QueryError(parameter, 'is not valid Unicode text')
    if (parameter === 'limit') limit = parseLimit(value)
    else if (parameter === 'cursor') cursor = value
    else if (parameter === 'sort') sort = parseSort(fields, value)
    else filters.push(parseFilter(fields, parameter, value))
  }
  const tooMany = filters[MOST_FILTERS]
  if (tooMany)
    throw new QueryError(tooMany.parameter, `is one filter more than the ${MOST_FILTERS} that a list may have`)
  return { filters, sort, limit, cursor }
}

function parseLimit(value: string): number {
  const limit = /^\d{1,4}$/.test(value) ? Number(value) : 0
  if (limit < 1 || limit > MOST_A_PAGE) throw new QueryError('limit', `must be a whole number from 1 to ${MOST_A_PAGE}`)
  return limit
}

function parseSort(fields: Fields, value: string): Sort[] {
  const sort = value.split(',').map((part) => {
    const descending = part.startsWith('-')
    const field = descending ? part.slice(1) : part
    if (!Object.hasOwn(fields, field)) throw new QueryError('sort', `there is no field '${field}'; ${known(fields)}`)
    return { field, descending }
  })
  if (sort.length > MOST_SORTS) throw new QueryError('sort', `names more than ${MOST_SORTS} fields`)
  if (new Set(sort.map(({ field }) => field)).size < sort.length) throw new QueryError('sort', 'names a field twice')
  return sort
}

/** A key of metadata may hold anything, brackets too; only an operator behind it is none of it. */
const METADATA = new RegExp(`^metadata\\[(?<key>.*?)\\](?:\\[(?<operator>${OPERATORS.join('|')})\\])?$`, 's')

/** Of a key that no operator follows: it is rather one that there is none of than part of the key. */
const ENDS_AS_OPERATOR = /\]\[[^[\]]*$/

function unknownOperator(parameter: string): QueryError {
  return new QueryError(parameter, `has an unknown operator; there are ${OPERATORS.join(', ')}`)
}

function parseFilter(fields: Fields, parameter: string, value: string): Filter {
  const ofMetadata = Object.hasOwn(fields, 'metadata') && METADATA.exec(parameter)?.groups
  if (ofMetadata) {
    const { key = '', operator: name } = ofMetadata
    if (name === undefined && ENDS_AS_OPERATOR.test(key)) throw unknownOperator(parameter)
    return { parameter, metadataKey: key, operator: (name ?? 'eq') as Operator, value }
  }
  const match = /^([a-z\d_.]+)(?:\[(.*)\])?$/s.exec(parameter)
  const [, field = '', bracket] = match ?? []
  if (!Object.hasOwn(fields, field) || field === 'metadata')
    throw new QueryError(parameter, `is no field; ${known(fields)}`)
  const operator = OPERATORS.find((name) => name === (bracket ?? 'eq'))
  if (!operator) throw unknownOperator(parameter)
  return { parameter, field, operator, value }
}

function known(fields: Fields): string {
  return `fields are ${Object.keys(fields).join(', ')}`
}

/** The value that a filter asks a field to be equal to, where there is one. */
export function equalTo({ filters }: ListQuery, field: string): string | undefined {
  for (const filter of filters) {
    if ('field' in filter && filter.field === field && (filter.operator === 'eq' || filter.operator === 'in')) {
      return filter.value
    }
  }
  return undefined
}

const COMPARISONS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

/** A filter as SQL; values become parameters. Throws QueryError where the value does not fit the field. */
export function conditionOf(
  fields: Fields,
  key: readonly string[],
  filter: Filter,
  param: (value: unknown) => string,
): string {
  const { operator, parameter } = filter
  const field: Field | undefined =
    'field' in filter
      ? fields[filter.field]
      : { sql: `(${fields.metadata?.sql} ->> ${param(filter.metadataKey)})`, kind: text }
  if (!field) throw new QueryError(parameter, 'is no field')
  const { sql, kind, words } = field
  if (field.carried === 'created_at') return timeCondition(key[0] ?? '', filter, param)
  const parse = (text: string) => {
    const value = kind.parse(text)
    if (value === undefined) throw new QueryError(parameter, `must be ${kind.shape}`)
    if (typeof value === 'string') return `${param(value)}::${kind.cast}`
    return `(${value.map((part, index) => `${param(part)}::${index === 0 ? kind.cast : 'text'}`).join(', ')})`
  }
  const isAnyOf = (values: readonly string[]) => {
    const wanted = values.map(parse).join(', ')
    return words === undefined ? `${sql} in (${wanted})` : `${words} && array[${wanted}]`
  }
  switch (operator) {
    case 'in':
      return isAnyOf(filter.value.split(','))
    case 'like':
      if (!kind.like) throw new QueryError(parameter, 'has the operator like, which is for text fields')
      if (filter.value.length > LONGEST_LIKE)
        throw new QueryError(parameter, `is longer than ${LONGEST_LIKE} characters`)
      return `in_any_case(${sql}) like in_any_case(${param(`%${filter.value.replace(/[\\%_]/g, '\\$&')}%`)})`
    case 'ne':
      return words === undefined ? `${sql} is distinct from ${parse(filter.value)}` : `not ${isAnyOf([filter.value])}`
    case 'eq':
      return words === undefined ? `${sql} = ${parse(filter.value)}` : isAnyOf([filter.value])
    default:
      return `${sql} ${COMPARISONS[operator]} ${parse(filter.value)}`
  }
}

/** A condition on the time that an id carries, as one on the id, so that the index of the key serves it. */
function timeCondition(
  idColumn: string,
  { operator, parameter, value }: { operator: Operator; parameter: string; value: string },
  param: (value: unknown) => string,
): string {
  const instant = (text: string): Instant => {
    const at = parseInstant(text)
    if (at === undefined) throw new QueryError(parameter, 'must be a time such as 2026-01-31T12:00:00Z')
    return at
  }
  const from = (at: Instant) => `${param(firstIdAt(at))}::uuid`
  const after = (at: Instant) => from((at + 1n) as Instant)
  const within = (at: Instant) => `(${idColumn} >= ${from(at)} and ${idColumn} < ${after(at)})`
  switch (operator) {
    case 'eq':
      return within(instant(value))
    case 'ne':
      return `not ${within(instant(value))}`
    case 'gt':
      return `${idColumn} >= ${after(instant(value))}`
    case 'gte':
      return `${idColumn} >= ${from(instant(value))}`
    case 'lt':
      return `${idColumn} < ${from(instant(value))}`
    case 'lte':
      return `${idColumn} < ${after(instant(value))}`
    case 'in':
      return `(${value
        .split(',')
        .map((text) => within(instant(text)))
        .join(' or ')})`
    case 'like':
      throw new QueryError(parameter, 'has the operator like, which is for text fields')
  }
}
