import { JSON_TYPE, NDJSON, type Operation } from './document.ts'
import { aStrangeText, aValueOf, brokenText, brokenValue, type Random } from './fuzz_input.ts'
import { aForeignId, aStrangeSegment, type Bystander, idOf, type Person } from './fuzz_people.ts'
import { PASSWORD } from './gateway.ts'

export type Sent = {
  readonly operation: Operation
  readonly person: Person
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string | Uint8Array | undefined
}
/** A request of that person, right or wrong in some way. Nobody pays the bystander, so nobody may see them. */
export function aRequest(
  random: Random,
  operation: Operation,
  person: Person,
  bystander: Bystander,
  everybody: readonly Person[],
): Sent {
  const known = (name: string, format: string | undefined) =>
    valueKnown(random, name, format, person, bystander, everybody)
  const segments = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
    const prefix = prefixOfPath(operation, name)
    const pending = prefix === 'pay' && operation.method === 'POST' && random.chance(0.4)
    if (random.chance(0.1)) return aStrangeSegment(random)
    if (name === 'rail') return random.pick(['wire', 'wallet', 'crypto_currency'])
    return (
      (random.chance(0.8) && idOf(random, person, pending ? 'pending' : prefix)) ||
      aForeignId(random, person, bystander, prefix)
    )
  })
  const body = aBody(random, operation, known)
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': typeOf(random, operation) }
  if (random.chance(0.2)) headers['idempotency-key'] = random.chance(0.8) ? `key-${random.below(40)}` : ' ~'.repeat(200)
  if (random.chance(0.1))
    headers.prefer = random.pick(['respond-async', 'wait=0', 'wait=1', 'wait=x', 'return=minimal'])
  if (random.chance(0.05)) headers.book = random.pick(['main', 'fuzz', 'no-such-book', '../x', ''])
  if (random.chance(0.05)) headers['if-none-match'] = random.pick(['*', '"x"', 'W/"', ',,,'])
  if (random.chance(0.03)) headers['last-event-id'] = random.pick(['0', '1-x', '99999999999999999999', '-1'])
  if (random.chance(0.03))
    headers.authorization = random.pick(['Bearer x', 'Basic eA==', 'Bearer bgw_main_x', 'Bearer'])
  if (random.chance(0.03)) headers['x-forwarded-for'] = random.pick(['1.2.3.4', 'x', '::1, 10.0.0.1'])
  return { operation, person, path: `${segments}${aQuery(random, operation, person, known)}`, headers, body }
}

function prefixOfPath({ path }: Operation, name: string): string {
  if (name === 'delivery_id') return 'dlv'
  const resource = /\/(\w+)\/\{id\}/.exec(path)?.[1] ?? ''
  return (
    { tokens: 'tok', accounts: 'acc', payments: 'pay', webhooks: 'whk', quotes: 'qte', suspense: 'sus', users: 'usr' }[
      resource
    ] ?? 'pay'
  )
}

function typeOf(random: Random, { raw }: Operation): string {
  return random.chance(0.95)
    ? random.pick(Object.keys(raw.requestBody.content))
    : random.pick(['text/plain', 'x', JSON_TYPE])
}

type Values = (name: string, format: string | undefined) => unknown

function aBody(random: Random, { body, raw }: Operation, known: Values): string | Uint8Array | undefined {
  if (!body) return undefined
  if (!raw.requestBody.required && random.chance(0.3)) return undefined
  if (body.schema.type === 'string') {
    const text = String(body.schema.examples?.[0] ?? 'x')
    return random.chance(0.3) ? text : brokenText(random, text)
  }
  const one = () => {
    const value = aValueOf(random, body.schema, known)
    return random.chance(0.35) ? brokenValue(random, value) : value
  }
  const ofLines = body.type === NDJSON || (raw.requestBody.content[NDJSON] && random.chance(0.3))
  const text = ofLines
    ? [one(), one()].map((line) => JSON.stringify(line?.payments?.[0] ?? line)).join('\n')
    : JSON.stringify(one())
  return random.chance(0.1) ? brokenText(random, text ?? '') : (text ?? '')
}

function aQuery(random: Random, { query }: Operation, person: Person, known: Values): string {
  const parts = query
    .filter((name) => random.chance(['email', 'from', 'to'].includes(name) ? 0.7 : 0.05))
    .map((name) => {
      const suffix = random.chance(0.25)
        ? random.pick(['[gt]', '[gte]', '[lt]', '[ne]', '[in]', '[like]', '[x]', '['])
        : ''
      const value = random.chance(0.25)
        ? aStrangeText(random).slice(0, 2_000)
        : valueOfQuery(random, name, person, known, query)
      return `${name}${suffix}=${encodeURIComponent(value.toWellFormed())}`
    })
  if (random.chance(0.05))
    parts.push(random.pick(['surprise=1', 'metadata[mark]=x', 'metadata[]=', '=', '&&', '%', 'id=%ff', '__proto__=1']))
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

function valueOfQuery(random: Random, name: string, person: Person, known: Values, query: readonly string[]): string {
  const fields = query.filter((field) => !['limit', 'cursor', 'sort', 'format', 'fields', 'expand'].includes(field))
  switch (name) {
    case 'limit':
      return String(1 + random.below(200))
    case 'cursor':
      return idOf(random, person, 'cursor') ?? 'eyJ9'
    case 'sort':
    case 'fields':
      return [random.pick(fields), random.pick(fields)].join(random.pick([',', ',-']))
    case 'format':
      return random.pick(['json', 'csv', 'ndjson', 'pdf', 'camt053'])
    case 'wait':
      return random.pick(['0', '1'])
    case 'expand':
      return random.pick(['payment', 'account', 'from_account', 'to_account', 'account,payment', 'user'])
    case 'from':
    case 'to':
    case 'at':
      if (query.includes('format')) return random.pick(['2026-01-01', '2026-11-01T00:00:00Z', '2099-01-01'])
      return random.pick(['USD', '2026-01-01', '2099-01-01', '2026-01-01T00:00:00Z', 'CZK', 'EUR'])
    default: {
      const format = name.endsWith('_at') ? 'date-time' : undefined
      return String(
        known(name, format) ?? random.pick(['1.00', 'USD', 'completed', 'transfer', 'true', '2026-01-01T00:00:00Z']),
      )
    }
  }
}

/** Nobody pays the bystander, who would rightly be seen then; but their ids are tried everywhere else. */
function valueKnown(
  random: Random,
  name: string,
  format: string | undefined,
  person: Person,
  bystander: Bystander,
  everybody: readonly Person[],
): unknown {
  if (/password/.test(name)) return random.chance(0.3) ? PASSWORD : random.pick(['wrong', 'a long password of fuzz'])
  if (name === 'email')
    return random.pick([
      bystander.user.email,
      ...everybody.map(({ email }) => email),
      `fuzz${random.below(1e6)}@example.com`,
    ])
  if (name === 'book') return random.chance(0.9) ? 'main' : 'no-such-book'
  const prefix = /^(\w{3})_id$/.exec(format ?? '')?.[1] ?? PREFIX_OF[name]
  if (!prefix) return undefined
  if (name === 'destination' && random.chance(0.7)) return random.pick(DESTINATIONS)
  if (name === 'to_account') return idOf(random, random.pick(everybody), 'acc')
  if (random.chance(0.15)) return aForeignId(random, person, bystander, prefix)
  return idOf(random, random.chance(0.8) ? person : random.pick(everybody), prefix)
}

const DESTINATIONS = [{ name: 'Ada', iban: 'DE89370400440532013000' }, { wallet: 'w-1' }, { address: '0x0' }]

const PREFIX_OF: Readonly<Record<string, string>> = {
  account_id: 'acc',
  from_account: 'acc',
  payment_id: 'pay',
  posting_id: 'pst',
  user_id: 'usr',
  object_id: 'pay',
}
