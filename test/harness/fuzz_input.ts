// Input for the fuzzer: values that a schema of the OpenAPI document allows, and ways to break them. All of it comes from
// one seed, so that a run can be had again.

export type Random = {
  /** A whole number from 0 on, below `most`. */
  readonly below: (most: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <T>(values: readonly T[]) => T
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (most: number) => Math.floor(next() * most)
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (values) => values[below(values.length)] as (typeof values)[number],
  }
}

/** What is nearly anything but what is wanted. */
const STRANGE: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 1.5, 1e308, -0, 2 ** 53, [], {}, [[]], { a: { b: [null] } }],
  ...['', ' ', '0', '-1', '1e3', '0.001', '1.00', '9'.repeat(40), 'NaN', 'Infinity', '-infinity', 'null', '__proto__'],
  ...[
    "'",
    '"',
    '`',
    "'; drop table users; --",
    '%',
    '_',
    '\\',
    '%s%n',
    '{{7*7}}',
    '<script>alert(1)</script>',
    '../..',
  ],
  ...['\u0000', '\u0001', '\ud800', '😀', '٣', 'ﬀ', 'i\u0307', '\u202e', 'a\u0308', '\r\n', '\t', 'x'.repeat(5_000)],
  ...['x'.repeat(101), 'é'.repeat(500), '0000-00-00', '2026-02-30', '9999-12-31T23:59:59.999999Z', '294277-01-01'],
  ...[
    '0001-01-01T00:00:00Z',
    '-infinity',
    'epoch',
    'now',
    'acc_',
    'acc_00000000000000000000000000',
    'usr_7zzzzzzzzzzz',
  ],
  ...['a@b', 'a@b.c', '@', 'USD', 'XXX', 'usd', 'main', 'no-such-book', 'admin', '*', '127.0.0.1', 'http://127.0.0.1/'],
  ...[
    'http://169.254.169.254/latest/meta-data/',
    'file:///etc/passwd',
    'https://[::1]/',
    'https://user:pw@example.com/',
  ],
]

export const aStrangeValue = (random: Random): unknown => random.pick(STRANGE)

/** A strange text, for where only text can be sent. */
export const aStrangeText = (random: Random): string =>
  random.pick(STRANGE.filter((value) => typeof value === 'string'))

const TEXTS = ['Lunch', 'x', 'Ünïcødé 😀', 'two words', 'a,b;"c"', '=1+1']
const BY_FORMAT: Readonly<Record<string, readonly unknown[]>> = {
  amount: ['0.01', '1.00', '2', '3.5', '12.30', '1000000.00', '0.1', '7'],
  currency: ['USD', 'EUR', 'CNY', 'CZK', 'JPY', 'BTC'],
  email: ['nobody@example.com'],
  'date-time': ['2099-12-31T12:00:00Z', '2026-01-01T00:00:00+02:00', '9999-01-01T00:00:00.123456Z'],
}

/** What the fuzzer knows of a field by its name, or by the format of its value; undefined for nothing. */
export type Known = (name: string, format: string | undefined) => unknown

/** A value that the schema allows, as far as it says so. */
export function aValueOf(random: Random, schema: any, known: Known, name = ''): any {
  const choice = schema.anyOf ?? schema.oneOf
  if (choice) return aValueOf(random, random.pick(choice), known, name)
  const own = known(name, schema.format)
  if (own !== undefined) return own
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return random.pick(schema.enum)
  const type = Array.isArray(schema.type) ? random.pick(schema.type as string[]) : schema.type
  switch (type) {
    case 'object':
      return anObjectOf(random, schema, known)
    case 'array': {
      const least = schema.minItems ?? 0
      return Array.from({ length: Math.max(least, 1 + random.below(2)) }, () =>
        aValueOf(random, schema.items ?? {}, known, name),
      )
    }
    case 'integer':
    case 'number':
      return (
        (schema.minimum ?? 0) + random.below(Math.min(1_000, (schema.maximum ?? 1_000) - (schema.minimum ?? 0)) + 1)
      )
    case 'boolean':
      return random.chance(0.5)
    case 'null':
      return null
    default:
      return aTextOf(random, schema)
  }
}

function anObjectOf(random: Random, schema: any, known: Known): any {
  const required = new Set(schema.required ?? [])
  const fields = Object.entries<any>(schema.properties ?? {}).filter(
    ([name]) => required.has(name) || random.chance(0.35),
  )
  const object: any = Object.fromEntries(fields.map(([name, field]) => [name, aValueOf(random, field, known, name)]))
  // A map of texts, such as metadata.
  if (!schema.properties && random.chance(0.5)) object[random.pick(TEXTS)] = random.pick(TEXTS)
  return object
}

function aTextOf(random: Random, schema: any): string {
  const ofFormat = BY_FORMAT[schema.format ?? '']
  if (ofFormat) return String(random.pick(ofFormat))
  if (schema.examples && (schema.pattern || schema.format || random.chance(0.5))) return random.pick(schema.examples)
  const text = random.pick(TEXTS)
  return text.padEnd(schema.minLength ?? 0, '.').slice(0, schema.maxLength ?? 100)
}

/** A copy that is wrong somewhere: a field of another type, one less, one more, or something else altogether. */
export function brokenValue(random: Random, value: any): any {
  if (value === null || typeof value !== 'object' || random.chance(0.05)) return aStrangeValue(random)
  const copy: any = Array.isArray(value) ? [...value] : { ...value }
  const names = Object.keys(copy)
  const name = names.length > 0 ? random.pick(names) : ''
  const way = random.below(10)
  if (way === 0) copy[random.pick(['surprise', '__proto__x', 'constructor', 'id', 'status', 'user_id', 'book'])] = 'x'
  else if (name === '') return aStrangeValue(random)
  else if (way === 1) delete copy[name]
  else if (way < 5) copy[name] = brokenValue(random, copy[name])
  else copy[name] = aStrangeValue(random)
  return copy
}

/** The text of a body, now and then broken as text: cut, with a byte that is none, deep, or with a field twice. */
export function brokenText(random: Random, text: string): string | Uint8Array {
  switch (random.below(6)) {
    case 0:
      return text.slice(0, random.below(text.length + 1))
    case 1: {
      const bytes = Buffer.from(text)
      if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256)
      return bytes
    }
    case 2:
      return `${text}${text}`
    case 3:
      return text.replace('{', `{"x":${'['.repeat(200)}${']'.repeat(200)},`)
    case 4:
      return text.replace(/"(\w+)":/, '"$1":1,"$1":')
    default:
      return text.replace(/"[^"]*"/g, (found) => (random.chance(0.2) ? `"\\u00${random.below(90) + 10}"` : found))
  }
}
