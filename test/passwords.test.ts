import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aClient } from './harness/client.ts'
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
import { assertProblem, rowsOf, tamper } from './harness/paying.ts'

const NEW = 'another horse, another staple'
let gateway: TestGateway
let ada: TestUser
before(async () => {
  gateway = await aGateway()
})

const logIn = (email: string, password: string) => gateway.anybody.post('/v1/login', { email, password })
const reset = (body: object) => gateway.anybody.post('/v1/password/reset', body)

/** The token of a new mail to set a password. */
async function resetToken(email: string): Promise<string> {
  const before = (await mailsTo(gateway, email)).filter((mail) => mail.includes('?token=')).length
  assert.equal((await gateway.anybody.post('/v1/password/forgot', { email })).status, 202)
  return mailedToken(gateway, email, before)
}

async function subjectsTo(email: string): Promise<string[]> {
  return (await mailsTo(gateway, email)).map((mail) => /^Subject: (.*)$/m.exec(mail)?.[1] ?? '')
}

describe('a password', () => {
  for (const [what, password, code] of [
    ['of fourteen characters', 'fourteen chars', 'invalid_value'],
    ['of seven', '1234567', 'invalid_value'],
    ['that everybody tries', 'qwerty123456789', 'weak_password'],
    ['that everybody tries, in capitals', 'QWERTY123456789', 'weak_password'],
    ['of one character', 'a'.repeat(80), 'weak_password'],
    ['longer than is read', 'a b c '.repeat(200), 'invalid_value'],
  ] as const) {
    it(`${what} is refused at sign-up`, async () => {
      const answer = await gateway.anybody.post('/v1/signup', { email: anEmail(), password })
      assertProblem(answer, code)
      assert.deepEqual([answer.body.errors[0].field, answer.body.errors[0].code], ['password', code])
    })
  }

  it('that is the address is refused', async () => {
    const email = anEmail('somebody-with-a-long-name')
    assertProblem(await gateway.anybody.post('/v1/signup', { email, password: email.toUpperCase() }), 'weak_password')
  })

  it('of a thousand characters is compared whole, to its last one', async () => {
    const [email, password] = [anEmail(), `${'abcdefghi '.repeat(99)}the end`]
    await gateway.anybody.post('/v1/signup', { email, password })
    assert.equal((await logIn(email, password)).status, 201)
    assertProblem(await logIn(email, password.slice(0, -1)), 'invalid_credentials')
    assertProblem(await logIn(email, `${password} `), 'invalid_credentials')
  })

  it('is the same in every Unicode form', async () => {
    const email = anEmail()
    await gateway.anybody.post('/v1/signup', { email, password: 'Zürich, Genève, Köln'.normalize('NFD') })
    assert.equal((await logIn(email, 'Zürich, Genève, Köln'.normalize('NFC'))).status, 201)
  })

  it('is as long as the gateway is set to ask', async () => {
    const lax = await aGateway({ BGW_PASSWORD_MIN_LENGTH: '8' })
    const signUp = (password: string) => lax.anybody.post('/v1/signup', { email: anEmail(), password })
    assert.equal((await signUp('eight chars'.slice(0, 8))).status, 201)
    assertProblem(await signUp('password'), 'weak_password')
    await lax.stop()
  })
})

describe('an address', () => {
  it('is the same in any case and Unicode form', async () => {
    const name = `zoë-${Date.now()}`
    await gateway.anybody.post('/v1/signup', { email: `${name.normalize('NFD')}@example.com`, password: PASSWORD })
    await gateway.anybody.post('/v1/signup', { email: `${name.toUpperCase()}@EXAMPLE.com`, password: NEW })
    assert.equal((await logIn(`${name.normalize('NFC')}@Example.COM`, PASSWORD)).status, 201)
    assertProblem(await logIn(`${name}@example.com`, NEW), 'invalid_credentials')
  })
})

describe('an address that was taken when it needed not be one in the form in which it is compared', () => {
  // As signs that stand for a space and an accent, here before the name and within it.
  for (const sign of ['\u00a8ada', 'ada\u00a8b', 'ada\uff20b']) {
    it(`is still its owner’s, to log in and to be mailed to, and nobody’s to sign up with: ${sign}`, async () => {
      const email = `${sign}-${Date.now()}@example.com`
      const user = await aUser(gateway)
      await rowsOf(
        gateway,
        `update users set email = encrypted(book, id, $2), email_key = address_hash($3)
          where email_key = address_hash($1)`,
        [user.email, email, email.normalize('NFKC').toLowerCase()],
      )
      assertProblem(await gateway.anybody.post('/v1/signup', { email, password: NEW }), 'invalid_value')
      assertProblem(await user.post('/v1/email/change', { email, password: PASSWORD }), 'invalid_value')
      assertProblem(await logIn(email, NEW), 'invalid_credentials')
      assert.equal((await logIn(`  ${email} `, PASSWORD)).status, 201)
      const { body } = await user.get(`/v1/recipients?email=${encodeURIComponent(email)}`)
      assert.notEqual(body.data.length, 0)
      assert.equal((await gateway.anybody.post('/v1/password/forgot', { email })).status, 202)
      const job = `select from graphile_worker._private_jobs where payload->>'email' = $1`
      await until(async () => (await rowsOf(gateway, job, [email])).length === 0)
      const tokens = `select from mail_tokens m join users u on u.book = m.book and u.id = m.user_id
                       where u.email_key = address_hash($1) and m.purpose = 'reset_password'`
      assert.equal((await rowsOf(gateway, tokens, [email.normalize('NFKC').toLowerCase()])).length, 1)
    })
  }
})

describe('a forgotten password', () => {
  before(async () => {
    ada = await aUser(gateway)
  })

  it('is answered the same for an address that nobody has', async () => {
    const answers = []
    for (const email of [ada.email, anEmail()]) {
      const { status, body } = await gateway.anybody.post('/v1/password/forgot', { email })
      answers.push({ status, body })
    }
    assert.deepEqual(answers, Array(2).fill({ status: 202, body: {} }))
  })

  it('is reset by the mailed token, once; every token and the old password are dead, and a mail tells', async () => {
    const user = await aUser(gateway)
    const { body: made } = await user.post('/v1/tokens', { name: 'program', scopes: ['payments:read'] })
    const token = await resetToken(user.email)
    assert.equal((await reset({ token, password: NEW })).status, 204)
    assertProblem(await user.get('/v1/me'), 'unauthenticated')
    assertProblem(await aClient(gateway.url, made.token).get('/v1/me'), 'unauthenticated')
    assertProblem(await logIn(user.email, PASSWORD), 'invalid_credentials')
    assert.equal((await logIn(user.email, NEW)).status, 201)
    assertProblem(await reset({ token, password: PASSWORD }), 'invalid_token')
    await until(async () => (await subjectsTo(user.email)).includes('Your password was changed'))
  })

  it('is reset by one of several at the same time', async () => {
    const user = await aUser(gateway)
    const second = await aGateway({}, gateway.database)
    const token = await resetToken(user.email)
    const wishes = Array.from({ length: 6 }, (_, index) => `${NEW} ${index}`)
    const answers = await Promise.all(
      wishes.map((password, index) =>
        (index % 2 ? gateway : second).anybody.post('/v1/password/reset', { token, password }),
      ),
    )
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, ...Array(5).fill(400)])
    const winner = wishes[answers.findIndex(({ status }) => status === 204)] ?? ''
    assert.equal((await logIn(user.email, winner)).status, 201)
    await second.stop()
  })

  it('makes the links mailed before useless when one is used', async () => {
    const user = await aUser(gateway)
    const [older, newer] = [await resetToken(user.email), await resetToken(user.email)]
    assert.equal((await reset({ token: newer, password: NEW })).status, 204)
    assertProblem(await reset({ token: older, password: PASSWORD }), 'invalid_token')
  })

  it('is not reset by a token that is old, unknown, of another book or for something else', async () => {
    const email = anEmail()
    await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
    const confirmation = await mailedToken(gateway, email)
    assertProblem(await reset({ token: confirmation, password: NEW }), 'invalid_token')
    const token = await resetToken(email)
    assertProblem(await gateway.anybody.post('/v1/email/confirm', { token }), 'invalid_token')
    assertProblem(await gateway.anybody.post('/v1/email/change/confirm', { token }), 'invalid_token')
    for (const wrong of ['', 'x', `other.${token.split('.')[1]}`, `${token}0`, `main.${'0'.repeat(64)}`]) {
      assertProblem(await reset({ token: wrong, password: NEW }), 'invalid_token')
    }
    await rowsOf(gateway, `update mail_tokens set expires_at = now() where purpose = 'reset_password'`)
    assertProblem(await reset({ token, password: NEW }), 'invalid_token')
    assert.equal((await logIn(email, PASSWORD)).status, 201)
  })

  it('is not used up by a password that is refused', async () => {
    const token = await resetToken(ada.email)
    assertProblem(await reset({ token, password: 'short one' }), 'invalid_value')
    assertProblem(await reset({ token, password: 'passwordpassword' }), 'weak_password')
    assert.equal((await reset({ token, password: PASSWORD })).status, 204)
    ada = await loggedIn(gateway, ada.email)
  })

  it('confirms the address, and gives an imported user the first password', async () => {
    const email = anEmail()
    await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
    await mailedToken(gateway, email)
    await reset({ token: await resetToken(email), password: NEW })
    const { body } = await logIn(email, NEW)
    assert.equal((await aClient(gateway.url, body.token).get('/v1/me')).body.email_confirmed, true)

    const operator = await anOperator(gateway)
    const imported = anEmail('imported')
    const line = JSON.stringify({ email: imported, accounts: [{ currency: 'USD', opening_balance: '5.00' }] })
    const type = { 'content-type': 'application/x-ndjson' }
    assert.equal((await operator.send('POST', '/v1/admin/users/import', line, type)).status, 200)
    assertProblem(await logIn(imported, NEW), 'invalid_credentials')
    assert.equal((await reset({ token: await resetToken(imported), password: NEW })).status, 204)
    const { body: first } = await logIn(imported, NEW)
    const accounts = await aClient(gateway.url, first.token).get('/v1/accounts')
    assert.equal(accounts.body.data[0].balance, '5.00')
  })

  it('is mailed five times an hour and no more, as is a confirmation', async () => {
    const email = anEmail()
    await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
    await mailedToken(gateway, email)
    for (let time = 0; time < 7; time += 1) {
      await gateway.anybody.post('/v1/email/resend', { email })
      await gateway.anybody.post('/v1/password/forgot', { email })
    }
    await until(async () => (await rowsOf(gateway, 'select from graphile_worker.jobs')).length === 0)
    const subjects = await subjectsTo(email)
    const counted = Map.groupBy(subjects, (subject) => subject)
    assert.ok((counted.get('Set a new password')?.length ?? 0) >= 5)
    // Two jobs may look at the same moment and both go through.
    assert.ok((counted.get('Set a new password')?.length ?? 0) <= 6)
    assert.ok((counted.get('Confirm your e-mail address')?.length ?? 0) <= 6)
  })

  it('is set on the page of the link, which asks for it twice', async () => {
    const user = await aUser(gateway)
    const token = await resetToken(user.email)
    const link = `${gateway.url}/reset-password?token=${token}`
    assert.ok((await mailsTo(gateway, user.email)).some((mail) => mail.includes(link)))
    const form = await fetch(link)
    assert.ok((await form.text()).includes(`name="token" value="${token}"`))
    const send = (fields: Record<string, string>) =>
      fetch(`${gateway.url}/reset-password`, { method: 'POST', body: new URLSearchParams({ token, ...fields }) })
    assert.equal((await send({ password: NEW, again: `${NEW}.` })).status, 400)
    assert.match(await (await send({ password: 'short one', again: 'short one' })).text(), /at least 15 characters/)
    assert.equal((await send({ password: NEW, again: NEW })).status, 200)
    assert.equal((await send({ password: NEW, again: NEW })).status, 400)
    assert.equal((await logIn(user.email, NEW)).status, 201)
  })
})

describe('changing the password', () => {
  const change = (user: TestUser, current: string, next: string) =>
    user.post('/v1/password/change', { current_password: current, new_password: next })

  it('ends the other sessions, keeps this one and tokens for programs, and makes mailed links useless', async () => {
    const user = await aUser(gateway)
    const other = await loggedIn(gateway, user.email)
    const { body: made } = await user.post('/v1/tokens', { name: 'program', scopes: ['payments:read'] })
    const token = await resetToken(user.email)
    assert.equal((await change(user, PASSWORD, NEW)).status, 204)
    assert.equal((await user.get('/v1/me')).status, 200)
    assert.equal((await aClient(gateway.url, made.token).get('/v1/me')).status, 200)
    assertProblem(await other.get('/v1/me'), 'unauthenticated')
    assertProblem(await reset({ token, password: PASSWORD }), 'invalid_token')
    assertProblem(await logIn(user.email, PASSWORD), 'invalid_credentials')
    assert.equal((await logIn(user.email, NEW)).status, 201)
  })

  it('needs the present one and a good new one', async () => {
    assertProblem(await change(ada, 'not my password', NEW), 'invalid_credentials')
    assertProblem(await change(ada, PASSWORD, 'fourteen chars'), 'invalid_value')
    assertProblem(await change(ada, PASSWORD, 'passwordpassword'), 'weak_password')
    assertProblem(await gateway.anybody.post('/v1/password/change', {}), 'unauthenticated')
    assert.equal((await ada.get('/v1/me')).status, 200)
  })

  it('at the same time on two sessions leaves one password and one session', async () => {
    const user = await aUser(gateway)
    const other = await loggedIn(gateway, user.email)
    const answers = await Promise.all([change(user, PASSWORD, `${NEW} 1`), change(other, PASSWORD, `${NEW} 2`)])
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401])
    const alive = await Promise.all([user, other].map(async (one) => (await one.get('/v1/me')).status))
    assert.deepEqual(alive.sort(), [200, 401])
  })
})

describe('sessions', () => {
  it('are listed as such, and ended all but the present one', async () => {
    const user = await aUser(gateway)
    const others = [await loggedIn(gateway, user.email), await loggedIn(gateway, user.email)]
    const { body: made } = await user.post('/v1/tokens', { name: 'program', scopes: ['payments:read'] })
    const { body: list } = await user.get('/v1/tokens?kind=session')
    assert.equal(list.data.length, 3)
    assert.ok(list.data.every((token: any) => token.kind === 'session' && token.address === '127.0.0.1'))
    assert.deepEqual((await user.delete('/v1/sessions')).body, { ended: 2 })
    for (const other of others) assertProblem(await other.get('/v1/me'), 'unauthenticated')
    assert.equal((await user.get('/v1/me')).status, 200)
    assert.equal((await aClient(gateway.url, made.token).get('/v1/me')).status, 200)
    assertProblem(await aClient(gateway.url, made.token).delete('/v1/sessions'), 'forbidden')
    assert.deepEqual((await user.delete('/v1/sessions')).body, { ended: 0 })
  })

  it('that are new, and new tokens, are told by mail, but for a user’s first log-in', async () => {
    const user = await aUser(gateway)
    await user.post('/v1/tokens', { name: 'program', scopes: ['payments:read'] })
    await until(async () => (await subjectsTo(user.email)).includes('New API token'))
    assert.ok(!(await subjectsTo(user.email)).includes('New log-in'))
    await loggedIn(gateway, user.email)
    await until(async () => (await subjectsTo(user.email)).includes('New log-in'))
    await gateway.anybody.post('/v1/login', { email: user.email, password: PASSWORD, name: 'a\n\nb' })
    await until(async () => (await mailsTo(gateway, user.email)).some((mail) => mail.includes(", as 'a b').")))
  })

  it('from an address that is new may alone be told: one that none of the last thousand came from, however many there were', async () => {
    const own = await aGateway({ BGW_LOGIN_NOTICE: 'new_address', BGW_TRUSTED_PROXIES: '127.0.0.0/8' })
    const user = await aUser(own)
    const fromElsewhere = async (name: string) => {
      const body = { email: user.email, password: PASSWORD, name }
      const reply = await own.anybody.post('/v1/login', body, { 'x-forwarded-for': '203.0.113.7' })
      assert.equal(reply.status, 201)
    }
    await fromElsewhere('the first')
    await fromElsewhere('the second')
    await tamper(
      own,
      `insert into tokens (book, id, user_id, hash, name, scopes, expires_at, created_at, kind, address)
       select t.book, ('ffffffff-ffff-7fff-8fff-' || lpad(n::text, 12, '0'))::uuid, t.user_id,
              sha256(n::text::bytea), t.name, t.scopes, t.expires_at, t.created_at, t.kind, t.address
         from (select * from tokens order by id limit 1) t, generate_series(1, 1000) n`,
    )
    await fromElsewhere('the third')
    const told = async () => (await mailsTo(own, user.email)).flatMap((mail) => /as '(.*)'/.exec(mail)?.[1] ?? [])
    await until(async () => (await told()).includes('the third'))
    assert.deepEqual(await told(), ['the first', 'the third'])
  })

  it('of a reset user cannot make a token on a node that has not heard of it', async () => {
    const user = await aUser(gateway)
    const second = await aGateway({}, gateway.database)
    const there = aClient(second.url, user.token)
    assert.equal((await there.get('/v1/me')).status, 200)
    await reset({ token: await resetToken(user.email), password: NEW })
    assertProblem(await there.post('/v1/tokens', { name: 'kept', scopes: ['payments:read'] }), 'unauthenticated')
    await second.stop()
  })
})
