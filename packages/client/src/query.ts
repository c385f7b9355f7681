/** What a parameter of a query may be; written as text. */
export type Value = string | number | boolean

/** A page of a list. `next_cursor` is null on the last one. */
export type Page<Row> = { readonly data: readonly Row[]; readonly next_cursor: string | null }

type Operator = 'ne' | 'gt' | 'gte' | 'lt' | 'lte'

/** What a list may be asked of its fields: `status`, `amount[gte]`, `status[in]`, and of texts `name[like]`. */
export type Filters<Field extends string, Text extends string> = {
  readonly [Name in Field | `${Field}[${Operator}]` | `${Text}[like]`]?: Value
} & { readonly [Name in `${Field}[in]`]?: Value | readonly Value[] }

/** Finds rows by a key of your metadata: `metadata[order]`. */
export type ByMetadata = { readonly [Name in `metadata[${string}]`]?: Value }

export type Query = Readonly<Record<string, Value | readonly Value[] | undefined>>

/** The query of an address, with its question mark; nothing where there is none. Several values have commas between. */
export function queryText(query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text === '' ? '' : `?${text}`
}
