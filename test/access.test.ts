import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { MAIN_BOOK } from '../src/books/books.ts'
import { ACCESS, type Access, accessOf, scopesFor } from '../src/http/access.ts'
import { SCOPES, type Scope, scopesIn } from '../src/identity/roles.ts'
import { newToken } from '../src/identity/secrets.ts'
import { insertToken } from '../src/identity/tokens.ts'
import { findUserByEmail } from '../src/identity/users.ts'
import { call } from './harness/call.ts'
import { JSON_TYPE, type Operation, readOperations } from './harness/document.ts'
import { aGateway, anEmail, anOperator, aUser, PASSWORD, type TestGateway } from './harness/gateway.ts'

/** Somebody who may call, with a token that names these scopes, whether their role can have them or not. */
type Caller = {
  readonly name: string
  readonly token: string | undefined
  /** What the token is good for. */
  readonly scopes: ReadonlySet<Scope>
  readonly confirmed: boolean
  readonly allBooks: boolean
}

const NOBODY: Caller = { name: 'nobody', token: undefined, scopes: new Set(), confirmed: false, allBooks: false }
/** Of the right form, and nobody's. */
const ID = '01k3v5f2q8e8pv0z3m0c6b7d1e'

let gateway: TestGateway
let operations: Operation[]
let callers: Caller[]

before(async () => {
  gateway = await aGateway()
  operations = await readOperations(gateway)
  const unconfirmed = anEmail('unconfirmed')
  const [user, auditor, admin, adminOfAll] = await Promise.all([
    aUser(gateway),
    anOperator(gateway, { role: 'auditor' }),
    anOperator(gateway),
    anOperator(gateway, { allBooks: true }),
    gateway.anybody.post('/v1/signup', { email: unconfirmed, password: PASSWORD }),
  ])
  const made = await adminOfAll.post('/v1/admin/books', { name: 'other', currencies: ['USD'] })
  assert.equal(made.status, 201)
  const each = [user, auditor, adminOfAll].flatMap(({ email }) => SCOPES.map((scope) => aCaller(email, [scope])))
  const whole = [user.email, auditor.email, admin.email, adminOfAll.email, unconfirmed]
  callers = [NOBODY, ...(await Promise.all([...each, ...whole.map((email) => aCaller(email, SCOPES))]))]
})

async function aCaller(email: string, scopes: readonly Scope[]): Promise<Caller> {
  const { pool, books } = gateway.inside
  const book = await books.find(MAIN_BOOK)
  const user = book && (await findUserByEmail(pool, book.id, email))
  if (!user) throw new Error('the user is there')
  const secret = newToken(MAIN_BOOK)
  await insertToken(pool, book.id, user.id, { secret, name: 'test', scopes, expiresAt: null })
  const confirmed = user.confirmedAt !== null
  const name = `${email} with ${scopes.join(' ')}`
  return { name, token: secret, scopes: scopesIn(user.role, scopes, false), confirmed, allBooks: user.allBooks }
}

type Refusal = 'unauthenticated' | 'forbidden' | 'email_unconfirmed' | undefined

function refusalOf(access: Access, caller: Caller): Refusal {
  if (access === 'public') return undefined
  if (!caller.token) return 'unauthenticated'
  if (scopesFor(access).some((scope) => !caller.scopes.has(scope))) return 'forbidden'
  if (access.allBooks && !caller.allBooks) return 'forbidden'
  return access.confirmed && !caller.confirmed ? 'email_unconfirmed' : undefined
}

/** Makes the call so that it comes to nothing where it is let through, and gives the refusal, if it was one of these. */
async function callAs(caller: Caller, { method, path, body, query }: Operation, book?: string): Promise<Refusal> {
  const url = gateway.url + path.replaceAll(/\{\w+\}/g, (name) => (name === '{id}' ? `acc_${ID}` : ID))
  const needed = query.includes('email') && !query.includes('limit') ? '?email=nobody@example.com' : ''
  const { status, text } = await call(url + needed, {
    method,
    headers: {
      ...(caller.token ? { authorization: `Bearer ${caller.token}` } : {}),
      ...(method === 'GET' ? {} : { 'content-type': body?.type ?? JSON_TYPE }),
      ...(book ? { book } : {}),
    },
    body: method === 'GET' ? undefined : '{"surprise":1}',
  })
  const code = [401, 403].includes(status) ? JSON.parse(text).code : ''
  const refusals = ['unauthenticated', 'forbidden', 'email_unconfirmed'] as const
  return operationIsPublic(path, method) ? undefined : refusals.find((refusal) => refusal === code)
}

function operationIsPublic(path: string, method: string): boolean {
  return operations.some((operation) => operation.path === path && operation.method === method && operation.isPublic)
}

/** A file with the details that are sealed elsewhere, which a bank would carry out. */
const ORDER_TO_BANK = 'downloadWireBatch'

describe('the table of who may call what', () => {
  it('has every operation of the OpenAPI document, and no other', () => {
    assert.deepEqual(operations.map(({ id }) => id).sort(), Object.keys(ACCESS).sort())
  })

  it('is what the document says of each', () => {
    for (const { id, raw } of operations) {
      const access = accessOf(id)
      assert.ok(access, id)
      assert.deepEqual(raw.security, access === 'public' ? [] : [{ bearer: scopesFor(access) }], id)
    }
  })

  it('lets nobody but operators change anything under /v1/admin or take an order to a bank, and auditors see all else', () => {
    for (const { id, method, isAdmin } of operations) {
      const access = accessOf(id)
      const scope = access !== 'public' && access?.scope
      assert.equal(scope === 'admin' || scope === 'admin:read', isAdmin, id)
      const onlyReads = method === 'GET' && id !== ORDER_TO_BANK
      if (isAdmin) assert.equal(scope, onlyReads ? 'admin:read' : 'admin', id)
    }
  })

  it('is kept: every operation, called with every scope in every role, is refused or let through as it says', async () => {
    for (const operation of operations) {
      const access = accessOf(operation.id)
      assert.ok(access, `${operation.id} is not in ACCESS (src/http/access.ts): say there who may call it`)
      await Promise.all(
        callers.map(async (caller) => {
          const refusal = await callAs(caller, operation)
          assert.equal(refusal, refusalOf(access, caller), `${operation.id}, called by ${caller.name}`)
        }),
      )
    }
  })

  it('lets only operators of all books act in another book, and only where it says so', async () => {
    const whole = callers.filter(({ name, confirmed }) => name.endsWith(SCOPES.join(' ')) && confirmed)
    assert.equal(whole.length, 4)
    for (const operation of operations.filter(({ isPublic }) => !isPublic)) {
      const access = accessOf(operation.id)
      if (!access || access === 'public') continue
      for (const caller of whole) {
        const refusal = await callAs(caller, operation, 'other')
        const may: boolean = refusalOf(access, caller) === undefined && access.anyBook === true && caller.allBooks
        assert.equal(refusal, may ? undefined : 'forbidden', `${operation.id} in another book, by ${caller.name}`)
      }
    }
  })
})

describe('an auditor', () => {
  it('sees what operators see, everybody’s accounts and payments one by one, too, and can give no token more', async () => {
    const auditor = await anOperator(gateway, { role: 'auditor' })
    const ada = await aUser(gateway)
    const account = await ada.account('USD')
    assert.equal((await auditor.get('/v1/me')).body.role, 'auditor')
    for (const list of ['users', 'accounts', 'payments', 'operations', 'audit', 'webhooks', 'events']) {
      assert.equal((await auditor.get(`/v1/admin/${list}`)).status, 200, list)
    }
    assert.deepEqual(
      (await auditor.get(`/v1/accounts/${account}`)).body,
      (await ada.get(`/v1/accounts/${account}`)).body,
    )
    const { body } = await ada.get('/v1/payments?limit=1')
    assert.deepEqual((await auditor.get(`/v1/payments/${body.data[0].id}`)).body, body.data[0])
    const wider = await auditor.post('/v1/tokens', { name: 'wider', scopes: ['admin'] })
    assert.deepEqual([wider.status, wider.body.code], [403, 'forbidden'])
  })
})
