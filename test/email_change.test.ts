import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import {
  aGateway,
  anEmail,
  anOperator,
  aUser,
  loggedIn,
  mailedToken,
  mailsTo,
  PASSWORD,
  type TestGateway,
  type TestUser,
  until,
} from './harness/gateway.ts'
import { assertBooksAreRight, assertProblem, rowsOf, transfer } from './harness/paying.ts'

let gateway: TestGateway
let bob: TestUser
before(async () => {
  gateway = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
  bob = await aUser(gateway)
})

const change = (user: TestUser, email: string, password = PASSWORD) =>
  user.post('/v1/email/change', { email, password })
const confirm = (token: string) => gateway.anybody.post('/v1/email/change/confirm', { token })
const emailOf = async (user: TestUser) => (await user.get('/v1/me')).body.email

/** The tokens that went to the old and the new address of a change that was just begun. */
async function begun(user: TestUser, email: string): Promise<readonly [string, string]> {
  const had = (await mailsTo(gateway, user.email)).filter((mail) => mail.includes('?token=')).length
  assert.equal((await change(user, email)).status, 202)
  return Promise.all([mailedToken(gateway, user.email, had), mailedToken(gateway, email)])
}

describe('another address', () => {
  it('takes effect when the old and the new one have confirmed it, in either order', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const user = await aUser(gateway)
      const email = anEmail('new')
      const tokens = await begun(user, email)
      assert.deepEqual((await confirm(tokens[order[0]])).body, { email_changed: false })
      assert.equal(await emailOf(user), user.email)
      assert.deepEqual((await confirm(tokens[order[1]])).body, { email_changed: true })
      assert.equal(await emailOf(user), email)
      for (const token of tokens) assertProblem(await confirm(token), 'invalid_token')
      assertProblem(
        await gateway.anybody.post('/v1/login', { email: user.email, password: PASSWORD }),
        'invalid_credentials',
      )
      assert.equal((await gateway.anybody.post('/v1/login', { email, password: PASSWORD })).status, 201)
      for (const address of [user.email, email]) {
        await until(async () => (await mailsTo(gateway, address)).some((mail) => mail.includes('address was changed')))
      }
    }
  })

  it('takes effect once where both confirm at the same time, on the page too', async () => {
    const user = await aUser(gateway)
    const email = anEmail('new')
    const [old, fresh] = await begun(user, email)
    const click = (token: string) =>
      fetch(`${gateway.url}/confirm`, { method: 'POST', body: new URLSearchParams({ token }) })
    const [clicked, confirmed] = await Promise.all([click(old), confirm(fresh)])
    assert.deepEqual([clicked.status, confirmed.status], [200, 200])
    assert.equal(await emailOf(user), email)
  })

  it('needs the password', async () => {
    assertProblem(await change(bob, anEmail(), 'not my password'), 'invalid_credentials')
    assertProblem(await bob.post('/v1/email/change', { email: anEmail() }), 'missing_field')
  })

  it('that is somebody’s is answered the same, tells only its owner, and never takes effect', async () => {
    const user = await aUser(gateway)
    const free = await change(user, anEmail())
    // Else the next change may come before that mail, which is then none any more.
    await mailedToken(gateway, user.email, 1)
    const taken = await change(user, bob.email.toUpperCase())
    assert.deepEqual([taken.status, taken.body], [free.status, free.body])
    await until(async () =>
      (await mailsTo(gateway, bob.email)).some((mail) => mail.includes('You already have an account')),
    )
    const old = await mailedToken(gateway, user.email, 2)
    assert.deepEqual((await confirm(old)).body, { email_changed: false })
    assert.equal(await emailOf(user), user.email)
    assert.equal(await emailOf(bob), bob.email)
  })

  it('that somebody signs up with in between stays theirs', async () => {
    const user = await aUser(gateway)
    const email = anEmail('contested')
    const [old, fresh] = await begun(user, email)
    await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
    await confirm(old)
    assertProblem(await confirm(fresh), 'invalid_token')
    assert.equal(await emailOf(user), user.email)
  })

  it('wanted by two users goes to one of them', async () => {
    const [first, second] = [await aUser(gateway), await aUser(gateway)]
    const email = anEmail('contested')
    const mine = await begun(first, email)
    assert.equal((await change(second, email)).status, 202)
    const theirs = [await mailedToken(gateway, second.email, 1), await mailedToken(gateway, email, 1)] as const
    await Promise.all([confirm(mine[0]), confirm(theirs[0])])
    const answers = await Promise.all([confirm(mine[1]), confirm(theirs[1])])
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400])
    assert.equal((await rowsOf(gateway, 'select from users where decrypted(book, id, email) = $1', [email])).length, 1)
  })

  it('is dropped by a later change, by a new password, and after a day', async () => {
    const user = await aUser(gateway)
    const dropped = await begun(user, anEmail('first'))
    const late = await begun(user, anEmail('second'))
    for (const token of dropped) assertProblem(await confirm(token), 'invalid_token')
    await rowsOf(gateway, 'update email_changes set expires_at = now()')
    assertProblem(await confirm(late[0]), 'invalid_token')
    const stopped = await begun(user, anEmail('third'))
    const words = { current_password: PASSWORD, new_password: 'another horse, another staple' }
    assert.equal((await user.post('/v1/password/change', words)).status, 204)
    for (const token of stopped) assertProblem(await confirm(token), 'invalid_token')
    assert.equal(await emailOf(user), user.email)
  })

  it('is dropped where an operator freezes the user, who gets no other one until that is over', async () => {
    const operator = await anOperator(gateway)
    const user = await aUser(gateway)
    const email = anEmail('new')
    const tokens = await begun(user, email)
    const [{ id }] = (await operator.get(`/v1/admin/users?email=${user.email}`)).body.data
    await operator.post(`/v1/admin/users/${id}/freeze`, { reason: 'Stolen, it seems' })
    for (const token of tokens) assertProblem(await confirm(token), 'invalid_token')
    assert.equal(await emailOf(user), user.email)
    assertProblem(await change(user, email), 'user_frozen')
    await operator.post(`/v1/admin/users/${id}/unfreeze`, { reason: 'It was them' })
    for (const token of tokens) assertProblem(await confirm(token), 'invalid_token')
    assert.equal((await change(user, email)).status, 202)
  })

  it('can be asked for five times an hour', async () => {
    const user = await aUser(gateway)
    for (let time = 0; time < 5; time += 1) assert.equal((await change(user, anEmail())).status, 202)
    const refused = await change(user, anEmail())
    assertProblem(refused, 'too_many_attempts')
    assert.equal(refused.headers.get('retry-after'), '3600')
  })

  it('is the sender’s in payments that follow', async () => {
    const user = await aUser(gateway)
    const [from, to] = [await user.account('USD'), await bob.account('USD')]
    await user.post('/v1/payments', transfer(from, to, '1.00'))
    const email = anEmail('sender')
    for (const token of await begun(user, email)) await confirm(token)
    const { body } = await user.post('/v1/payments', transfer(from, to, '1.00'))
    assert.deepEqual([body.status, body.sender], ['completed', email])
  })
})

describe('closing one’s user', () => {
  const close = (user: TestUser, password = PASSWORD) => user.post('/v1/me/close', { password })

  async function emptied(): Promise<TestUser> {
    const user = await aUser(gateway)
    const { body } = await user.post(
      '/v1/payments',
      transfer(await user.account('USD'), await bob.account('USD'), '100.00'),
    )
    assert.equal(body.status, 'completed')
    return user
  }

  it('needs the password and every account at zero', async () => {
    const user = await aUser(gateway)
    assertProblem(await close(user, 'not my password'), 'invalid_credentials')
    assertProblem(await close(user), 'balance_not_zero')
    assert.equal((await user.get('/v1/me')).status, 200)
  })

  it('is told by a mail, which asks for nothing that is not possible any more', async () => {
    const user = await emptied()
    assert.equal((await close(user)).status, 204)
    const told = await until(async () => (await mailsTo(gateway, user.email)).find((mail) => mail.includes('for good')))
    assert.match(told, /If this was not you, tell whoever runs this gateway at once/)
    assert.ok(!told.includes('set a new password'), told)
  })

  it('closes the accounts and ends every token; the address neither logs in, resets nor signs up again', async () => {
    const user = await emptied()
    const other = await loggedIn(gateway, user.email)
    const account = await user.account('USD')
    assert.equal((await close(user)).status, 204)
    for (const one of [user, other]) assertProblem(await one.get('/v1/me'), 'unauthenticated')
    assertProblem(
      await gateway.anybody.post('/v1/login', { email: user.email, password: PASSWORD }),
      'invalid_credentials',
    )
    const paid = await bob.post('/v1/payments', transfer(await bob.account('USD'), account, '1.00'))
    assert.equal(paid.body.decline_reason, 'account_closed')
    await gateway.anybody.post('/v1/password/forgot', { email: user.email })
    await gateway.anybody.post('/v1/signup', { email: user.email, password: PASSWORD })
    await until(async () =>
      (await mailsTo(gateway, user.email)).some((mail) => mail.includes('whose account was closed')),
    )
    assert.ok(!(await mailsTo(gateway, user.email)).some((mail) => mail.includes('Set a new password')))
    assert.equal(
      (await rowsOf(gateway, 'select from users where decrypted(book, id, email) = $1', [user.email])).length,
      1,
    )
    const operator = await anOperator(gateway)
    const { body } = await operator.get('/v1/admin/audit?action=user.close')
    assert.equal(body.data[0].actor, user.email)
  })

  it('at the same time as opening an account leaves no account open', async () => {
    const user = await emptied()
    const open = () => user.post('/v1/accounts', { currency: 'USD' })
    const answers = await Promise.all([open(), close(user), open(), open()])
    assert.equal(answers[1]?.status, 204)
    const open_ = await rowsOf(
      gateway,
      `select a.id from accounts a join users u on u.id = a.user_id where decrypted(u.book, u.id, u.email) = $1 and a.status <> 'closed'`,
      [user.email],
    )
    assert.deepEqual(open_, [])
  })

  it('at the same time as being paid loses no money', async () => {
    const user = await emptied()
    const [from, to] = [await bob.account('USD'), await user.account('USD')]
    const pay = () => bob.post('/v1/payments', transfer(from, to, '0.10'))
    const [, closed] = await Promise.all([pay(), close(user), pay(), pay()])
    assert.ok([204, 409].includes(closed?.status ?? 0))
    await assertBooksAreRight(gateway)
  })
})
