import type { KeyColumn } from './list.ts'
import { type Field, QueryError, text } from './list_fields.ts'
import type { Sort } from './list_query.ts'

/** One column that a list is sorted by. */
export type Term = {
  readonly sql: string
  readonly cast: string
  readonly nullable: boolean
  readonly descending: boolean
}

type Sorted = {
  readonly fields: Readonly<Record<string, Field>>
  readonly key: readonly KeyColumn[]
}

/**
 * So much of a text is sorted by: a cursor has it for each of five fields, and must fit into the 16 KiB that Node reads
 * of a request's head. All that lists have is shorter, but metadata and what banks, receivers and the audit log tell.
 */
const LONGEST_SORTED = 500

/** What to sort by: the fields asked for, ended by the key, so that no two rows are equal. */
export function orderOf({ fields, key }: Sorted, sort: readonly Sort[]): Term[] {
  const terms: Term[] = []
  const end = (descending: boolean): Term[] => [
    ...terms,
    ...key.map(({ sql, cast }) => ({ sql, cast, nullable: false, descending })),
  ]
  for (const [index, { field: name, descending }] of sort.entries()) {
    const field = fields[name]
    if (!field) throw new QueryError('sort', `there is no field '${name}'`)
    if (isKey(fields, field, descending, sort[index + 1])) return end(descending)
    const { cast } = field.kind
    // Cast as the cursor's values will be: metadata is sorted as its text.
    const value = `${field.sql}::${cast}`
    const sql = field.kind === text ? `left(${value}, ${LONGEST_SORTED})` : value
    terms.push({ sql, cast, nullable: field.nullable === true, descending })
  }
  return end(terms[0]?.descending ?? true)
}

/**
 * Whether the rest of an order is that of the key, behind which nothing can be equal any more. Rows of one moment are: what
 * is asked for behind a time orders them, unless it is the key the same way.
 */
function isKey(fields: Sorted['fields'], { carried }: Field, descending: boolean, next: Sort | undefined): boolean {
  if (carried !== 'created_at' || !next) return carried !== undefined
  return fields[next.field]?.carried === 'id' && next.descending === descending
}

/** Whether that is the order of the key, in which an index gives the rows. */
export function isByKey({ key }: Sorted, order: readonly Term[]): boolean {
  return order.length === key.length
}

export function orderBy(order: readonly Term[], name: (index: number) => string): string {
  return order
    .map((term, index) => `${name(index)}${term.descending ? ' desc' : ''}${term.nullable ? ' nulls last' : ''}`)
    .join(', ')
}

/** The rows behind the last one of the page before: nulls are last in either direction. */
export function behind(
  order: readonly Term[],
  last: readonly (string | null)[],
  param: (value: unknown) => string,
): string {
  const values = order.map((term, index) => (last[index] === null ? null : `${param(last[index])}::${term.cast}`))
  const uniform = order.every((term) => !term.nullable && term.descending === order[0]?.descending)
  if (uniform) {
    const comparison = order[0]?.descending ? '<' : '>'
    return `(${order.map(({ sql }) => sql).join(', ')}) ${comparison} (${values.join(', ')})`
  }
  const alternatives = order.flatMap((term, index) => {
    const value = values[index]
    if (value === null || value === undefined) return []
    const beyond = `${term.sql} ${term.descending ? '<' : '>'} ${value}`
    const equal = order
      .slice(0, index)
      .map(({ sql }, before) => (values[before] === null ? `${sql} is null` : `${sql} = ${values[before]}`))
    return [[...equal, term.nullable ? `(${beyond} or ${term.sql} is null)` : beyond].join(' and ')]
  })
  return `(${alternatives.join(' or ')})`
}
