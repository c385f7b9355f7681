import { MAX_DIGITS } from '../money/currency.ts'
import { formatInstant, parseInstant } from './instant.ts'

/** What callers may filter and sort a list by. */
export type Field = {
  /** The SQL that stands for it; ours, never a caller's. */
  readonly sql: string
  readonly kind: Kind
  readonly nullable?: true
  /**
   * `id` is the list's key itself, `created_at` the time that the key's UUIDv7 carries: both are read through the index
   * of the key instead of one of their own. `order` is the order of a key that carries no time.
   */
  readonly carried?: 'id' | 'created_at' | 'order'
  /** Of a field that holds several words, their array: it is equal to each of them. */
  readonly words?: string
  /** Where an index has the value in another form: what holds there of every row that has an equal one, and of few others. */
  readonly lookup?: (value: string, param: (value: unknown) => string) => string
}

/** How a field's values are written by callers, and compared in SQL. */
export type Kind = {
  readonly cast: string
  /** What to compare with, as a parameter (or several, where the field is a row of columns); undefined where the text is no such value. */
  readonly parse: (text: string) => string | readonly string[] | undefined
  readonly like: boolean
  /** For the message: what a value looks like. */
  readonly shape: string
}

export const text: Kind = { cast: 'text', parse: (value) => value, like: true, shape: 'text' }

/** Several words, such as scopes, of a column that holds an array: sorted and looked into as one text. */
export function words(column: string): Field {
  return { sql: `array_to_string(${column}, ' ')`, kind: { ...text, shape: 'one of its words' }, words: column }
}

export const currency: Kind = {
  cast: 'text',
  parse: (value) => (/^[A-Z][A-Z0-9]{2,7}$/.test(value) ? value : undefined),
  like: true,
  shape: 'a currency such as USD',
}

export const time: Kind = {
  cast: 'timestamptz',
  // Written anew: PostgreSQL does not read every offset that RFC 3339 has.
  parse: (value) => {
    const at = parseInstant(value)
    return at === undefined ? undefined : formatInstant(at)
  },
  like: false,
  shape: 'a time such as 2026-01-31T12:00:00Z',
}

export function choice(values: readonly string[]): Kind {
  const parse = (value: string) => (values.includes(value) ? value : undefined)
  return { cast: 'text', parse, like: false, shape: `one of ${values.join(', ')}` }
}

export function id(decode: (value: string) => string | undefined, shape: string): Kind {
  return { cast: 'uuid', parse: decode, like: false, shape }
}

/** An id that stands for a whole key of several columns: what it decodes to compares with `(a, b)`. */
export function compositeId(
  decode: (value: string) => readonly string[] | undefined,
  shape: string,
  cast = 'uuid',
): Kind {
  return { cast, parse: decode, like: false, shape }
}

/** Amounts of all currencies compare as decimals: both sides as whole numbers of 10^-18 of the currency's unit. */
export const amount: Kind = {
  cast: 'numeric',
  parse: (value) => {
    const match = /^(-?)(\d{1,38})(?:\.(\d{1,18}))?$/.exec(value)
    return match ? `${match[1]}${match[2]}${(match[3] ?? '').padEnd(MAX_DIGITS, '0')}` : undefined
  },
  like: false,
  shape: 'a decimal number such as 12.30',
}

/** A number of no currency, such as a rate: as it is. */
export const decimal: Kind = {
  cast: 'numeric',
  parse: (value) => (/^-?\d{1,40}(\.\d{1,40})?$/.test(value) ? value : undefined),
  like: false,
  shape: 'a decimal number such as 0.92',
}

/** The SQL of an amount field, from its column of minor units and its currency's digits. */
export function amountSql(column: string, digits: string): string {
  return `(${column} * power(10::numeric, ${MAX_DIGITS} - ${digits}))`
}

/** A query that a list does not understand: the caller's mistake, with the parameter that it is in. */
export class QueryError extends Error {
  override readonly name = 'QueryError'
  readonly parameter: string

  constructor(parameter: string, message: string) {
    super(message)
    this.parameter = parameter
  }
}
