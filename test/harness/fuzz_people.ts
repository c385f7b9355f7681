import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Client } from './client.ts'
import { aStrangeText, type Random } from './fuzz_input.ts'
import { anEmail, anOperator, aUser, PASSWORD, type TestGateway, type TestUser } from './gateway.ts'
import { rowsOf } from './paying.ts'

/** Somebody whom the fuzzer calls as. `mark` stands in everything of theirs that nobody else may see. */
export type Person = {
  readonly role: 'user' | 'operator' | 'nobody'
  readonly mark: string
  client: Client
  email: string
  /** Ids and cursors that answers gave, by prefix: the newest are the last. */
  readonly seen: Map<string, string[]>
  /** What of the bystander they have sent themselves. */
  readonly named: Set<string>
}

/** One more, whom nobody calls as: what is theirs may neither be seen nor changed by the others. */
export type Bystander = {
  readonly user: TestUser
  readonly mark: string
  readonly ids: ReadonlySet<string>
  /** All that is theirs, as text. */
  readonly everything: () => Promise<string>
}

export const ID = /\b(?:acc|aud|bke|bkf|dlv|evt|pay|pst|qte|rat|sus|tok|usr|whk)_[0-9a-hjkmnp-tv-z]{26}\b/g

const MOST_KEPT = 30

/** What else is worth keeping of an answer. */
const ALSO = {
  cursor: /"next_cursor":"([^"]+)"/,
  pending: /"id":"(pay_\w+)","kind":"\w+","status":"pending"/,
}

/** Keeps the ids of an answer for later requests of the same person. */
export function remember({ seen }: Person, text: string, but: ReadonlySet<string>): void {
  for (const id of (text.match(ID) ?? []).slice(0, 40)) {
    if (but.has(id)) continue
    const prefix = id.slice(0, 3)
    const known = seen.get(prefix) ?? []
    if (known.includes(id)) continue
    seen.set(prefix, [...known, id].slice(-MOST_KEPT))
  }
  for (const [name, pattern] of Object.entries(ALSO)) {
    const found = pattern.exec(text)?.[1]
    if (found) seen.set(name, [...(seen.get(name) ?? []), found].slice(-MOST_KEPT))
  }
}

export function idOf(random: Random, { seen }: Person, prefix: string): string | undefined {
  const known = seen.get(prefix)
  return known && known.length > 0 ? random.pick(known) : undefined
}

export const aMark = (name: string) => `${name}-only-${randomBytes(6).toString('hex')}`

/** A user with something of each sort, all of it marked. */
export async function aMarkedUser(gateway: TestGateway, mark: string): Promise<TestUser> {
  // The fuzzer is an operator, too, and may have closed what a new user has accounts in.
  await rowsOf(gateway, 'update currencies set closed_at = null where closed_at is not null')
  const user = await aUser(gateway)
  const account = await user.account('USD')
  await Promise.all([
    user.patch(`/v1/accounts/${account}`, { name: mark, metadata: { mark } }),
    user.post('/v1/webhooks', { url: `https://example.com/${mark}`, events: ['payment.expired'], description: mark }),
    user.post('/v1/tokens', { name: mark, scopes: ['payments:read'] }),
    user.post('/v1/quotes', { from_currency: 'USD', to_currency: 'EUR', from_amount: '1.00' }),
  ])
  const opened = await user.post('/v1/accounts', { currency: 'USD', name: mark })
  assert.equal(opened.status, 201, JSON.stringify(opened.body))
  const second = opened.body
  for (const capture of ['automatic', 'manual']) {
    const wish = { from_account: account, to_account: second.id, amount: '2.00', description: mark, capture }
    const { status, body } = await user.post('/v1/payments', { ...wish, metadata: { mark } })
    assert.equal(status, 201, JSON.stringify(body))
  }
  return user
}

export async function aPerson(gateway: TestGateway, role: Person['role'], name: string): Promise<Person> {
  const mark = aMark(name)
  const unknown = { client: gateway.anybody, email: anEmail('nobody') }
  const person: Person = { role, mark, ...unknown, seen: new Map(), named: new Set() }
  if (role === 'nobody') return person
  await revive(gateway, person)
  return person
}

/** Gives a person a new user or operator, where the fuzzer has closed the one before or changed the password. */
export async function revive(gateway: TestGateway, person: Person): Promise<void> {
  const user = await (person.role === 'operator'
    ? anOperator(gateway, { allBooks: true })
    : aMarkedUser(gateway, person.mark))
  person.client = user
  person.email = user.email
  if (person.role === 'operator') return
  for (const list of LISTS) remember(person, JSON.stringify((await user.get(list)).body), new Set())
}

const LISTS = ['/v1/accounts', '/v1/payments', '/v1/tokens', '/v1/webhooks', '/v1/operations']

export async function aBystander(gateway: TestGateway): Promise<Bystander> {
  const mark = aMark('carol')
  const user = await aMarkedUser(gateway, mark)
  // Nobody else knows it: the fuzzer tries the password of all other users.
  const change = { current_password: PASSWORD, new_password: 'known to nobody but carol' }
  assert.equal((await user.post('/v1/password/change', change)).status, 204)
  const everything = async () => {
    const lists = [...LISTS, '/v1/me', '/v1/events']
    const texts = await Promise.all(lists.map(async (list) => JSON.stringify((await user.get(list)).body)))
    return texts.join('\n').replace(/"last_used_at":"[^"]*"/g, '"last_used_at":null')
  }
  const { body: accounts } = await user.get('/v1/accounts')
  const own = new Set(accounts.data.map(({ id }: { id: string }) => id))
  // The other side of a bonus is the house's account, which everybody sees.
  const found = (await everything()).match(ID) ?? []
  const ids = new Set(found.filter((id) => !id.startsWith('acc_') || own.has(id)))
  return { user, mark, ids, everything }
}

/** An id of the bystander, or one that is nobody's. An operator, who may change what is theirs, gets the latter. */
export function aForeignId(random: Random, { role }: Person, { ids }: Bystander, prefix: string): string {
  const theirs = role === 'operator' ? [] : [...ids].filter((id) => id.startsWith(prefix))
  return theirs.length > 0 && random.chance(0.7) ? random.pick(theirs) : `${prefix}_01k3v5f2q8e8pv0z3m0c6b7d1e`
}

/** A text for a path: what is no id at all. */
export const aStrangeSegment = (random: Random) => encodeURIComponent(aStrangeText(random).toWellFormed()) || '%00'
