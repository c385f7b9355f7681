import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { json } from 'node:stream/consumers'
import { before, describe, it } from 'node:test'
import { makeOperator } from '../src/identity/operators.ts'
import { aClient } from './harness/client.ts'
import {
  aGateway,
  anEmail,
  anOperator,
  aUser,
  loggedIn,
  mailedToken,
  PASSWORD,
  type TestGateway,
  type TestUser,
  until,
} from './harness/gateway.ts'
import { anAccount, assertBooksAreRight, assertProblem, everyPage, fund, transfer } from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let bob: TestUser
let bobUsd: string
before(async () => {
  gateway = await aGateway()
  operator = await anOperator(gateway)
  bob = await aUser(gateway)
  bobUsd = await bob.account('USD')
})

const reason = 'A court order'
const idOf = async ({ email }: TestUser) => (await everyPage(operator, `/v1/admin/users?email=${email}`))[0].id
const auditOf = (query: string) => everyPage(operator, `/v1/admin/audit?${query}`)

/** Closes all accounts of a user who has nothing but the welcome bonus. */
async function emptied(user: TestUser): Promise<void> {
  await user.post('/v1/payments', transfer(await user.account('USD'), bobUsd, '100.00'))
  for (const { id } of await everyPage(user, '/v1/accounts')) await user.post(`/v1/accounts/${id}/close`)
}

/** A call whose head is read and whose body has begun. */
async function begunCall(user: TestUser, path: string) {
  const headers = { authorization: `Bearer ${user.token}`, 'content-type': 'application/json', expect: '100-continue' }
  const call = request(gateway.url + path, { method: 'POST', headers: { ...headers, 'transfer-encoding': 'chunked' } })
  const answer = once(call, 'response') as Promise<[IncomingMessage]>
  call.flushHeaders()
  await once(call, 'continue')
  call.write(' ')
  const end = async (body: object) => {
    call.end(JSON.stringify(body))
    const [message] = await answer
    return { status: message.statusCode, code: ((await json(message)) as { code?: string }).code }
  }
  return { end }
}

describe('a frozen user', () => {
  let ada: TestUser
  let adaId: string
  let adaUsd: string
  before(async () => {
    ada = await aUser(gateway)
    adaId = await idOf(ada)
    adaUsd = await ada.account('USD')
  })
  const freeze = (more: object = {}) => operator.post(`/v1/admin/users/${adaId}/freeze`, { reason, ...more })
  const unfreeze = () => operator.post(`/v1/admin/users/${adaId}/unfreeze`, { reason: 'Lifted' })
  const pay = async (from: string, to: string, user = ada) => {
    const { status, body } = await user.post('/v1/payments', transfer(from, to, '1.00'))
    assert.equal(status, 201, JSON.stringify(body))
    return body.decline_reason ?? body.status
  }

  it('reads and logs in, moves nothing out of any account, and is paid', async () => {
    const held = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, '2.00', { capture: 'manual' }))
    const frozen = await freeze()
    assert.deepEqual([frozen.status, frozen.body.status, frozen.body.refuse_incoming], [200, 'frozen', false])
    for (const { status } of await everyPage(ada, '/v1/accounts')) assert.equal(status, 'frozen')
    const again = await loggedIn(gateway, ada.email)
    assert.equal((await again.get('/v1/payments')).status, 200)
    assert.equal(await pay(adaUsd, bobUsd), 'account_frozen')
    assert.equal(await pay(adaUsd, bobUsd, operator), 'account_frozen')
    assertProblem(await ada.post(`/v1/payments/${held.body.id}/capture`), 'account_frozen')
    assert.equal(await pay(bobUsd, adaUsd, bob), 'completed')
    await unfreeze()
    assert.equal(await pay(adaUsd, bobUsd), 'completed')
    assert.equal((await ada.post(`/v1/payments/${held.body.id}/capture`)).body.status, 'completed')
  })

  it('opens no account that is not frozen, closes none, and stays who they are', async () => {
    await freeze()
    await until(async () => (await ada.post('/v1/accounts', { currency: 'USD' })).body.code === 'user_frozen')
    const empty = await ada.account('EUR')
    assertProblem(await ada.post(`/v1/accounts/${empty}/close`), 'account_frozen')
    assertProblem(await ada.post('/v1/me/close', { password: PASSWORD }), 'user_frozen')
    assertProblem(await ada.post('/v1/email/change', { email: anEmail(), password: PASSWORD }), 'user_frozen')
    assert.equal((await unfreeze()).body.status, 'active')
    assert.equal((await ada.post('/v1/accounts', { currency: 'USD' })).body.status, 'active')
  })

  it('stays who they are also by a call whose body is still coming, and without an account', async () => {
    for (const [path, more] of [
      ['/v1/email/change', { email: anEmail() }],
      ['/v1/me/close', {}],
      ['/v1/me/erase', {}],
    ] as const) {
      const user = await aUser(gateway)
      await emptied(user)
      const slow = await begunCall(user, path)
      const id = await idOf(user)
      assert.equal((await operator.post(`/v1/admin/users/${id}/freeze`, { reason })).status, 200)
      assert.deepEqual(await slow.end({ password: PASSWORD, ...more }), { status: 403, code: 'user_frozen' }, path)
      assert.equal((await user.get('/v1/me')).body.email, user.email)
    }
  })

  it('is paid nothing either where the freeze says so', async () => {
    await freeze({ refuse_incoming: true })
    assert.equal((await ada.get(`/v1/accounts/${adaUsd}`)).body.refuse_incoming, true)
    assert.equal(await pay(bobUsd, adaUsd, bob), 'account_frozen')
    await freeze()
    assert.equal(await pay(bobUsd, adaUsd, bob), 'completed')
    await unfreeze()
  })

  it('has an account that is frozen by itself left frozen when they are not any more', async () => {
    const account = await anAccount(ada)
    await operator.post(`/v1/admin/accounts/${account}/freeze`, { reason, refuse_incoming: true })
    await freeze()
    await unfreeze()
    const { body } = await ada.get(`/v1/accounts/${account}`)
    assert.deepEqual([body.status, body.refuse_incoming], ['frozen', true])
    assert.equal(await pay(bobUsd, account, bob), 'account_frozen')
    const lifted = await operator.post(`/v1/admin/accounts/${account}/unfreeze`, { reason })
    assert.deepEqual([lifted.body.status, lifted.body.refuse_incoming], ['active', false])
  })

  it('pays nothing from the moment on that the freeze is answered, however many payments are under way', async () => {
    await fund(operator, adaUsd, '100.00')
    const spending = Array.from({ length: 20 }, () => pay(adaUsd, bobUsd))
    const frozen = await freeze()
    const left = await ada.balance(adaUsd)
    assert.equal(frozen.body.status, 'frozen')
    assert.equal(await pay(adaUsd, bobUsd), 'account_frozen')
    for (const outcome of await Promise.all(spending)) assert.match(outcome, /^(completed|account_frozen)$/)
    assert.equal(await ada.balance(adaUsd), left)
    await unfreeze()
  })

  it('is told of in the audit log, with what was before and after and why', async () => {
    const lines = await auditOf(`object_id=${adaId}&action=user.freeze&sort=-created_at`)
    assert.equal(lines[0].actor, operator.email)
    assert.deepEqual([lines[0].detail.reason, lines[0].detail.before, lines[0].detail.after], [reason, null, 'out'])
  })
})

describe('a role', () => {
  const become = (id: string, role: string, by: TestUser = operator) =>
    by.patch(`/v1/admin/users/${id}`, { role, reason: 'A new post' })

  it('is given and taken by operators, and bounds what the tokens of its holder can do', async () => {
    const ada = await aUser(gateway)
    const id = await idOf(ada)
    assert.equal((await become(id, 'admin')).body.role, 'admin')
    const promoted = await loggedIn(gateway, ada.email)
    assert.equal((await promoted.get('/v1/admin/users')).status, 200)
    await become(id, 'auditor')
    await until(async () => (await promoted.post('/v1/payments', {})).body.code === 'forbidden')
    assert.equal((await promoted.get('/v1/admin/users')).status, 200)
    await become(id, 'user')
    await until(async () => (await promoted.get('/v1/admin/users')).status === 403)
    const lines = await auditOf(`object_id=${id}&action=user.change_role&sort=created_at`)
    assert.deepEqual(
      lines.map(({ detail }) => [detail.before, detail.after]),
      [
        ['user', 'admin'],
        ['admin', 'auditor'],
        ['auditor', 'user'],
      ],
    )
  })

  it('is given to nobody whose address is not confirmed: who signed up with it may be somebody else', async () => {
    const email = anEmail()
    await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
    const squatter = await loggedIn(gateway, email)
    const id = await idOf(squatter)
    for (const role of ['admin', 'auditor']) {
      assertProblem(await operator.patch(`/v1/admin/users/${id}`, { role, reason }), 'email_unconfirmed')
    }
    assertProblem(await (await loggedIn(gateway, email)).get('/v1/admin/users'), 'forbidden')
    await gateway.anybody.post('/v1/email/confirm', { token: await mailedToken(gateway, email) })
    assert.equal((await operator.patch(`/v1/admin/users/${id}`, { role: 'auditor', reason })).status, 200)
  })

  it('in all books is given by operators of all books alone', async () => {
    const [root, auditor] = await Promise.all([
      anOperator(gateway, { allBooks: true }),
      anOperator(gateway, { allBooks: true, role: 'auditor' }),
    ])
    const id = await idOf(auditor)
    const promote = { role: 'admin', reason }
    assertProblem(await operator.patch(`/v1/admin/users/${id}`, promote), 'forbidden')
    const promoted = await root.patch(`/v1/admin/users/${id}`, promote)
    assert.deepEqual([promoted.status, promoted.body.role, promoted.body.all_books], [200, 'admin', true])
  })

  it('in all books is touched by operators of all books alone: those of one book take nothing of it, and give nothing back', async () => {
    const root = await anOperator(gateway, { allBooks: true })
    for (const role of ['admin', 'auditor'] as const) {
      const holder = await anOperator(gateway, { allBooks: true, role })
      const id = await idOf(holder)
      const refuse = async () => {
        for (const role of ['user', 'auditor', 'admin']) assertProblem(await become(id, role), 'forbidden')
        for (const act of ['freeze', 'unfreeze', 'end-tokens', 'erase']) {
          assertProblem(await operator.post(`/v1/admin/users/${id}/${act}`, { reason }), 'forbidden')
        }
      }
      await refuse()
      const [still] = await everyPage(holder, `/v1/admin/users?email=${holder.email}`)
      assert.deepEqual([still.status, still.role, still.all_books], ['active', role, true])
      // Frozen by another of all books, who is asked to let them go again, too.
      assert.equal((await root.post(`/v1/admin/users/${id}/freeze`, { reason })).body.status, 'frozen')
      await refuse()
      assert.equal((await root.post(`/v1/admin/users/${id}/unfreeze`, { reason })).body.status, 'active')
      assert.equal((await root.post(`/v1/admin/users/${id}/end-tokens`, { reason })).body.ended, 1)
      assert.equal((await become(id, 'user', root)).body.all_books, false)
      assert.equal((await operator.post(`/v1/admin/users/${id}/freeze`, { reason })).body.status, 'frozen')
    }
  })

  it('is nobody’s own to change, nor is anything else about oneself', async () => {
    const own = await idOf(operator)
    assertProblem(await become(own, 'user'), 'not_yourself')
    assertProblem(await operator.post(`/v1/admin/users/${own}/freeze`, { reason }), 'not_yourself')
    assertProblem(await operator.post(`/v1/admin/users/${own}/end-tokens`, { reason }), 'not_yourself')
    assertProblem(await become('usr_01k3v5f2q8e8pv0z3m0c6b7d1e', 'admin'), 'not_found')
  })

  it('of operator is never taken from the last one, whoever takes it from whom at the same time', async () => {
    const root = await anOperator(gateway, { allBooks: true })
    await root.post('/v1/admin/books', { name: 'two', currencies: ['USD'] })
    const book = await gateway.inside.books.find('two')
    assert.ok(book)
    const operators = await Promise.all(
      ['one', 'two'].map(async (name) => {
        const email = anEmail(name)
        return aClient(gateway.url, await makeOperator(gateway.inside, book, email, PASSWORD, false, 1))
      }),
    )
    const ids = await Promise.all(operators.map(async (each) => (await each.get('/v1/me')).body.id))
    const demote = (by = operators[0], id = ids[1]) => by?.patch(`/v1/admin/users/${id}`, { role: 'user', reason })
    const answers = await Promise.all([demote(), demote(operators[1], ids[0])])
    assert.deepEqual(answers.map((answer) => answer?.status).sort(), [200, 403])
    const left = answers[0]?.status === 200 ? 0 : 1
    const inTwo = { book: 'two' }
    const last = await root.send('PATCH', `/v1/admin/users/${ids[left]}`, { role: 'user', reason }, inTwo)
    assertProblem(last, 'last_operator')
    assertProblem(await root.send('POST', `/v1/admin/users/${ids[left]}/freeze`, { reason }, inTwo), 'last_operator')
    assertProblem((await operators[left]?.post('/v1/me/close', { password: PASSWORD })) as never, 'last_operator')
  })
})

describe('an operator', () => {
  it('ends all sessions and tokens of a user', async () => {
    const ada = await aUser(gateway)
    const made = await ada.post('/v1/tokens', { name: 'program', scopes: ['payments:read'] })
    const { body } = await operator.post(`/v1/admin/users/${await idOf(ada)}/end-tokens`, { reason: 'A lost phone' })
    assert.deepEqual(body, { ended: 2 })
    for (const token of [ada.token, made.body.token]) {
      assertProblem(await aClient(gateway.url, token).get('/v1/me'), 'unauthenticated')
    }
    assert.equal((await (await loggedIn(gateway, ada.email)).get('/v1/me')).status, 200)
  })

  it('lets an account go below zero, down to a limit', async () => {
    const ada = await aUser(gateway)
    const account = await anAccount(ada)
    const limit = (written: unknown) =>
      operator.patch(`/v1/admin/accounts/${account}`, { overdraft_limit: written, reason: 'A good customer' })
    const { body } = await limit('50.00')
    assert.deepEqual([body.overdraft_limit, body.available, body.balance], ['50.00', '50.00', '0.00'])
    assert.equal((await ada.post('/v1/payments', transfer(account, bobUsd, '30.00'))).body.status, 'completed')
    assertProblem(await limit('29.99'), 'overdraft_in_use')
    assert.equal((await limit('30.00')).body.available, '0.00')
    const more = await ada.post('/v1/payments', transfer(account, bobUsd, '0.01'))
    assert.equal(more.body.decline_reason, 'insufficient_funds')
    for (const wrong of ['-1', '1.001', 'x', 1, null]) assertProblem(await limit(wrong), 'invalid_amount')
    const [line] = await auditOf(`object_id=acc_${account.slice(4)}&action=account.overdraft&sort=-created_at`)
    assert.deepEqual([line.detail.before.overdraft_limit, line.detail.after.overdraft_limit], ['50.00', '30.00'])
  })
})

it('what operators do to users leaves the books right', () => assertBooksAreRight(gateway))
