import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { before, describe, it } from 'node:test'
import { aClient } from './harness/client.ts'
import {
  aBriefToken,
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
import { anAccount, assertBooksAreRight, assertProblem, rowsOf, tamper, transfer } from './harness/paying.ts'

let gateway: TestGateway
let ada: TestUser
before(async () => {
  gateway = await aGateway()
  ada = await aUser(gateway)
})

async function signedUp(email = anEmail()): Promise<string> {
  const { status } = await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
  assert.equal(status, 201)
  return email
}

describe('signing up', () => {
  it('makes an unconfirmed user', async () => {
    const email = anEmail()
    const { status, body } = await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
    assert.equal(status, 201)
    assert.deepEqual(body, { user: { email, email_confirmed: false } })
    const me = await (await loggedIn(gateway, email)).get('/v1/me')
    assert.deepEqual(
      [me.body.email, me.body.email_confirmed, me.body.role, me.body.book],
      [email, false, 'user', 'main'],
    )
  })

  it('answers the same for an address that it knows, makes no second user and tells only the address', async () => {
    const email = await signedUp()
    const fresh = await gateway.anybody.post('/v1/signup', { email: anEmail(), password: PASSWORD })
    const again = await gateway.anybody.post('/v1/signup', { email, password: 'another password' })
    assert.equal(again.status, fresh.status)
    assert.deepEqual(again.body, { user: { email, email_confirmed: false } })
    const mails = await until(async () => {
      const mails = await mailsTo(gateway, email)
      return mails.length === 2 && mails
    })
    assert.equal(mails.filter((mail) => /\?token=/.test(mail)).length, 1)
    assert.equal(mails.filter((mail) => mail.includes('You already have an account')).length, 1)
    assert.equal((await rowsOf(gateway, 'select from users where decrypted(book, id, email) = $1', [email])).length, 1)
    assertProblem(
      await gateway.anybody.post('/v1/login', { email, password: 'another password' }),
      'invalid_credentials',
    )
  })

  it('makes one user where the same address signs up several times at once', async () => {
    const email = anEmail()
    await Promise.all([1, 2, 3].map(() => signedUp(email)))
    assert.equal((await rowsOf(gateway, 'select from users where decrypted(book, id, email) = $1', [email])).length, 1)
  })

  it('compares addresses without regard to case', async () => {
    const email = await signedUp(anEmail('Grace.HOPPER'))
    await signedUp(email.toUpperCase())
    assert.equal(
      (await rowsOf(gateway, 'select from users where lower(decrypted(book, id, email)) = lower($1)', [email])).length,
      1,
    )
    const login = await gateway.anybody.post('/v1/login', { email: email.toLowerCase(), password: PASSWORD })
    assert.equal(login.status, 201)
  })

  for (const [what, body, code] of [
    ['a password of seven characters', { email: 'a@example.com', password: '1234567' }, 'invalid_value'],
    ['what is no address', { email: 'a.example.com', password: PASSWORD }, 'invalid_value'],
    [
      'an address that would add a line to the mail',
      { email: 'a@example.com\nBcc: b@b.com', password: PASSWORD },
      'invalid_value',
    ],
    [
      'an address whose domain has a sign that nobody sees: its mails would go to another, past the limit of that one',
      { email: 'a@exam\u{fe00}ple.com', password: PASSWORD },
      'invalid_value',
    ],
    [
      'an address whose domain has a full stop of another script, for the same reason',
      { email: 'a@mail\u3002example.com', password: PASSWORD },
      'invalid_value',
    ],
    ['a book that is not there', { email: 'a@example.com', password: PASSWORD, book: 'nowhere' }, 'invalid_value'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      assertProblem(await gateway.anybody.post('/v1/signup', body), code)
    })
  }
})

describe('signing up with a domain beyond ASCII', () => {
  for (const domain of ['bücher.example', 'BÜCHER.example', 'xn--bcher-kva.example', '例え.テスト']) {
    it(`takes ${domain} as it is written`, async () => {
      const email = anEmail().replace('example.com', domain)
      assert.equal((await (await loggedIn(gateway, await signedUp(email))).get('/v1/me')).body.email, email)
    })
  }
})

describe('confirming an address', () => {
  it('takes the token of the mail, once', async () => {
    const email = await signedUp()
    const token = await mailedToken(gateway, email)
    const first = await gateway.anybody.post('/v1/email/confirm', { token })
    assert.deepEqual([first.status, first.body], [200, { email_confirmed: true }])
    assertProblem(await gateway.anybody.post('/v1/email/confirm', { token }), 'invalid_token')
  })

  it('refuses a token that is unknown, of another book or older than a day', async () => {
    const email = await signedUp()
    const token = await mailedToken(gateway, email)
    const secret = token.split('.')[1]
    for (const wrong of ['', 'main', `main.${'0'.repeat(64)}`, `other.${secret}`, `${token}0`, ` ${token}`]) {
      assertProblem(await gateway.anybody.post('/v1/email/confirm', { token: wrong }), 'invalid_token')
    }
    await rowsOf(gateway, `update mail_tokens set expires_at = now() where used_at is null`)
    assertProblem(await gateway.anybody.post('/v1/email/confirm', { token }), 'invalid_token')
  })

  it('lets an unconfirmed user read but not pay, and a confirmed one pay with the same token', async () => {
    const email = await signedUp()
    const user = await loggedIn(gateway, email)
    const [from, to] = [await user.account('USD'), await ada.account('USD')]
    assert.equal((await user.get('/v1/payments')).status, 200)
    assertProblem(await user.post('/v1/payments', transfer(from, to, '1.00')), 'email_unconfirmed')
    assertProblem(await user.post('/v1/payments/preview', transfer(from, to, '1.00')), 'email_unconfirmed')
    assertProblem(await user.post('/v1/payments/bulk', { payments: [transfer(from, to, '1.00')] }), 'email_unconfirmed')
    await gateway.anybody.post('/v1/email/confirm', { token: await mailedToken(gateway, email) })
    assert.equal((await user.get('/v1/me')).body.email_confirmed, true)
    assert.equal((await user.post('/v1/payments', transfer(from, to, '1.00'))).body.status, 'completed')
  })

  it('comes before any notice is mailed there: nobody fills the mailbox of somebody else', async () => {
    const email = await signedUp()
    const user = await loggedIn(gateway, email)
    await loggedIn(gateway, email)
    const aToken = () => user.post('/v1/tokens', { name: 'program', scopes: ['payments:read'] })
    assert.equal((await aToken()).status, 201)
    const passwords = { current_password: PASSWORD, new_password: 'another horse, another staple' }
    assert.equal((await user.post('/v1/password/change', passwords)).status, 204)
    await gateway.anybody.post('/v1/email/confirm', { token: await mailedToken(gateway, email) })
    assert.equal((await aToken()).status, 201)
    const mails = await until(async () => {
      const mails = await mailsTo(gateway, email)
      return mails.some((mail) => mail.includes('New API token')) && mails
    })
    assert.equal(mails.length, 2)
  })

  it('is for its owner alone: who signed up with it first holds nothing that stays', async () => {
    const email = await signedUp()
    const squatter = await loggedIn(gateway, email)
    assertProblem(await squatter.post('/v1/otp/enroll'), 'email_unconfirmed')
    assertProblem(await squatter.post('/v1/me/close', { password: PASSWORD }), 'email_unconfirmed')
    const webhook = { url: 'https://example.com/', events: ['*'] }
    assertProblem(await squatter.post('/v1/webhooks', webhook), 'email_unconfirmed')
    assert.equal((await gateway.anybody.post('/v1/password/forgot', { email })).status, 202)
    const token = await mailedToken(gateway, email, 1)
    const password = 'the words of the owner'
    assert.equal((await gateway.anybody.post('/v1/password/reset', { token, password })).status, 204)
    assertProblem(await squatter.get('/v1/me'), 'unauthenticated')
    assert.equal((await gateway.anybody.post('/v1/login', { email, password })).status, 201)
  })

  it('goes to its owner, also where somebody signed up with it first in another Unicode form', async () => {
    const email = anEmail()
    const wide = email.replace(/^u/, 'ｕ')
    assert.equal((await gateway.anybody.post('/v1/signup', { email: wide, password: PASSWORD })).status, 201)
    await mailedToken(gateway, email)
    assert.equal((await gateway.anybody.post('/v1/password/forgot', { email })).status, 202)
    await mailedToken(gateway, email, 1)
  })

  it('mails another link on request, and answers the same for an address that nobody has or that is confirmed', async () => {
    const email = await signedUp()
    await mailedToken(gateway, email)
    const answers = []
    for (const address of [email, anEmail(), ada.email]) {
      const { status, body } = await gateway.anybody.post('/v1/email/resend', { email: address })
      answers.push({ status, body })
    }
    assert.deepEqual(answers, Array(3).fill({ status: 202, body: {} }))
    const second = await mailedToken(gateway, email, 1)
    assert.equal((await gateway.anybody.post('/v1/email/confirm', { token: second })).status, 200)
    assert.equal((await mailsTo(gateway, ada.email)).length, 1)
  })

  it('works by the link of the mail: a page with a button, and only the button confirms', async () => {
    const email = await signedUp()
    const link = await until(async () => /http\S+/.exec((await mailsTo(gateway, email))[0] ?? '')?.[0])
    assert.ok(link.startsWith(`${gateway.url}/confirm?token=`))
    const page = await fetch(link)
    const token = new URL(link).searchParams.get('token') ?? ''
    assert.equal(page.status, 200)
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    assert.ok((await page.text()).includes(`name="token" value="${token}"`))
    assert.equal((await (await loggedIn(gateway, email)).get('/v1/me')).body.email_confirmed, false)

    const click = () => fetch(`${gateway.url}/confirm`, { method: 'POST', body: new URLSearchParams({ token }) })
    const clicked = await click()
    assert.equal(clicked.status, 200)
    assert.match(await clicked.text(), /Your address is confirmed/)
    // A second click, whose answer is the only one that a browser shows.
    const again = await click()
    assert.equal(again.status, 400)
    assert.match(await again.text(), /If you have used it already, it is done/)
  })

  it('works where a proxy has the gateway under a path, as the page that sets a password does', async () => {
    for (const page of ['confirm', 'reset-password']) {
      // What BGW_PUBLIC_URL=https://example.com/pay puts into mails.
      const link = `https://example.com/pay/${page}?token=main.1815`
      const text = await (await fetch(link.replace('https://example.com/pay', gateway.url))).text()
      const action = /<form method="post" action="([^"]*)"/.exec(text)?.[1] ?? ''
      assert.equal(new URL(action, link).href, `https://example.com/pay/${page}`)
    }
  })

  it('says in words for people, too, what was refused before it was looked at', async () => {
    const strict = await aGateway({ BGW_RATE_LIMITS: 'identity=1/1m' })
    const click = () => fetch(`${strict.url}/confirm`, { method: 'POST', body: new URLSearchParams({ token: 'x' }) })
    await click()
    const refused = await click()
    assert.equal(refused.status, 429)
    assert.match(refused.headers.get('content-type') ?? '', /^text\/html/)
    assert.match(refused.headers.get('content-security-policy') ?? '', /style-src/)
    const seconds = refused.headers.get('retry-after')
    const text = await refused.text()
    assert.ok(text.includes(`There were too many requests. Please go back, and try again in ${seconds} s.`), text)
  })

  it('shows a made-up link as text, never as markup', async () => {
    const page = await fetch(`${gateway.url}/confirm?token=${encodeURIComponent('"><script>alert(1)</script>')}`)
    assert.ok(!(await page.text()).includes('<script>'))
  })
})

describe('logging in', () => {
  it('gives a new token each time, and each of them works', async () => {
    const logins = [1, 2].map(() =>
      gateway.anybody.post('/v1/login', { email: ada.email, password: PASSWORD, name: 'laptop' }),
    )
    const [first, second] = await Promise.all(logins)
    assert.ok(first && second)
    assert.notEqual(first.body.token, second.body.token)
    for (const { status, body } of [first, second]) {
      assert.equal(status, 201)
      assert.match(body.token, /^bgw_/)
      assert.ok(body.scopes.includes('payments:write') && !body.scopes.includes('admin'))
      assert.ok(Date.parse(body.expires_at) > Date.now())
      assert.equal((await aClient(gateway.url, body.token).get('/v1/me')).body.email, ada.email)
    }
  })

  it('says the same of a wrong password, an unknown address and an unknown book', async () => {
    const attempts = [
      { email: ada.email, password: 'wrong password' },
      { email: anEmail(), password: PASSWORD },
      { email: ada.email, password: PASSWORD, book: 'nowhere' },
      { email: 'no address', password: PASSWORD },
    ]
    const answers = await Promise.all(attempts.map((attempt) => gateway.anybody.post('/v1/login', attempt)))
    for (const answer of answers) assertProblem(answer, 'invalid_credentials')
    const bodies = answers.map(({ body: { request_id: _, ...body } }) => JSON.stringify(body))
    assert.equal(new Set(bodies).size, 1)
  })
})

describe('tokens', () => {
  async function aToken(name: string, scopes: string[], more: object = {}) {
    const { status, body } = await ada.post('/v1/tokens', { name, scopes, ...more })
    assert.equal(status, 201)
    return { id: body.id as string, body, client: aClient(gateway.url, body.token) }
  }

  it('are listed with name, scopes and expiry, and never shown again', async () => {
    const expires = '2090-01-31T12:00:00+02:00'
    const { id, body } = await aToken('reporting', ['payments:read', 'accounts:read'], { expires_at: expires })
    const { body: list } = await ada.get('/v1/tokens?name=reporting')
    const { token: secret, ...made } = body
    assert.deepEqual(list.data, [made])
    assert.deepEqual([made.id, made.expires_at, made.last_used_at], [id, '2090-01-31T10:00:00.000000Z', null])
    assert.ok(!JSON.stringify((await ada.get('/v1/tokens')).body).includes(secret))
  })

  it('are found by each of their scopes, whatever others they have', async () => {
    const user = await aUser(gateway)
    for (const scopes of [['accounts:read', 'payments:read'], ['payments:read'], ['accounts:read']]) {
      await user.post('/v1/tokens', { name: scopes.join(' and '), scopes })
    }
    const found = async (query: string) =>
      (await user.get(`/v1/tokens?kind=token&sort=created_at&${query}`)).body.data.map(({ name }: any) => name)
    const [both, payments, accounts] = await found('')
    assert.deepEqual(await found('scopes=payments:read'), [both, payments])
    assert.deepEqual(await found('scopes[ne]=payments:read'), [accounts])
    assert.deepEqual(await found('scopes[in]=tokens:write,accounts:read'), [both, accounts])
    assert.deepEqual(await found('scopes=payments'), [])
    assert.deepEqual(await found('scopes[like]=payments'), [both, payments])
  })

  it('do what their scopes say and nothing else', async () => {
    const [from, to] = [await ada.account('USD'), await ada.account('EUR')]
    const { client: reader } = await aToken('reader', ['payments:read'])
    assert.equal((await reader.get('/v1/payments')).status, 200)
    assert.equal((await reader.get('/v1/me')).status, 200)
    assertProblem(await reader.get('/v1/accounts'), 'forbidden')
    assertProblem(await reader.post('/v1/payments', transfer(from, to, '1.00')), 'forbidden')
    assertProblem(await reader.post('/v1/tokens', { name: 'x', scopes: ['payments:read'] }), 'forbidden')
    assertProblem(await ada.get('/v1/admin/users'), 'forbidden')
  })

  it('give no more than they have themselves', async () => {
    const { client: maker } = await aToken('maker', ['tokens:write', 'payments:read'])
    assertProblem(
      await maker.post('/v1/tokens', { name: 'wider', scopes: ['payments:read', 'payments:write'] }),
      'forbidden',
    )
    assertProblem(await ada.post('/v1/tokens', { name: 'operator', scopes: ['admin'] }), 'forbidden')
    assert.equal((await maker.post('/v1/tokens', { name: 'as wide', scopes: ['payments:read'] })).status, 201)
  })

  it('do not follow from the token and the idempotency key that they were made with', async () => {
    const make = () =>
      ada.post('/v1/tokens', { name: 'deploy', scopes: ['payments:read'] }, { 'idempotency-key': 'deploy' })
    const first = await make()
    assert.equal((await make()).body.token, first.body.token)
    const forgotten =
      'delete from idempotency_keys where user_id = (select user_id from tokens where decrypted(book, user_id, name) = $1)'
    await rowsOf(gateway, forgotten, ['deploy'])
    const second = await make()
    assert.deepEqual([first.status, second.status], [201, 201])
    assert.notEqual(second.body.token, first.body.token)
  })

  it('are told again by their idempotency key to the token that asked for them, and to no other', async () => {
    const wish = { name: 'once', scopes: ['payments:read'] }
    const key = { 'idempotency-key': 'once' }
    assert.equal((await ada.post('/v1/tokens', wish, key)).status, 201)
    const elsewhere = await (await loggedIn(gateway, ada.email)).post('/v1/tokens', wish, key)
    assertProblem(elsewhere, 'idempotency_key_reused')
    assert.equal(elsewhere.headers.get('idempotent-replayed'), null)
  })

  it('that have expired since are told again by their idempotency key, and not refused as too late to make', async () => {
    const key = { 'idempotency-key': 'brief' }
    const { wish, body, token } = await aBriefToken(ada, 2_000, 'brief', ['payments:read'], key)
    await until(async () => (await aClient(gateway.url, token).get('/v1/me')).status === 401)
    const again = await ada.post('/v1/tokens', wish, key)
    assert.deepEqual([again.status, again.body], [201, body])
    assertProblem(await ada.post('/v1/tokens', wish), 'invalid_value')
  })

  it('stop working when they are revoked, and are no longer listed', async () => {
    const { id, client } = await aToken('lost', ['payments:read'])
    assert.equal((await client.get('/v1/payments')).status, 200)
    assert.equal((await ada.delete(`/v1/tokens/${id}`)).status, 204)
    assertProblem(await client.get('/v1/payments'), 'unauthenticated')
    assert.deepEqual((await ada.get('/v1/tokens?name=lost')).body.data, [])
    assertProblem(await ada.delete(`/v1/tokens/${id}`), 'not_found')
  })

  it('are all revoked where their user revokes many at once, in one tick of the database’s clock', async () => {
    const own = await aGateway()
    await tamper(
      own,
      `alter table session_changes
         alter column changed_at set default date_bin('100 milliseconds', clock_timestamp(), 'epoch')`,
    )
    const user = await aUser(own)
    const made = await Promise.all(
      Array.from({ length: 8 }, () => user.post('/v1/tokens', { name: 'bot', scopes: ['accounts:read'] })),
    )
    const revoked = await Promise.all(made.map(({ body }) => user.delete(`/v1/tokens/${body.id}`)))
    assert.deepEqual(
      revoked.map(({ status }) => status),
      made.map(() => 204),
    )
  })

  it('are revoked by nobody but their user', async () => {
    const stranger = await aUser(gateway)
    const { id, client } = await aToken('mine', ['payments:read'])
    assertProblem(await stranger.delete(`/v1/tokens/${id}`), 'not_found')
    assert.equal((await client.get('/v1/payments')).status, 200)
  })

  it('stop working within a second on every other node', async () => {
    const { id, client } = await aToken('everywhere', ['payments:read'])
    const second = await aGateway({}, gateway.database)
    const there = aClient(second.url, client.token)
    assert.equal((await there.get('/v1/payments')).status, 200)
    await ada.delete(`/v1/tokens/${id}`)
    await until(async () => (await there.get('/v1/payments')).status === 401, 1)
    await second.stop()
  })

  for (const [title, path, beginning, end] of [
    [
      'stop working for a call that is being made, too, however slowly its body comes',
      ...['accounts', '{"currency":', '"USD"}'],
    ],
    ['do so, however slowly a body comes that nobody asked for', 'payments/HELD/cancel', 'nul', 'l'],
    ['do so, however slowly the end of a body comes that has nothing in it', 'payments/HELD/cancel', '', ''],
  ] as const) {
    it(title, async () => {
      const { id, client } = await aToken('slow', ['payments:write', 'accounts:read', 'payments:read'])
      const wish = transfer(await ada.account('USD'), await anAccount(ada), '1.00', { capture: 'manual' })
      const { body: held } = await ada.post('/v1/payments', wish)
      const { length } = (await client.get('/v1/accounts')).body.data
      const headers = { authorization: `Bearer ${client.token}`, 'content-type': 'application/json' }
      const { length: bytes } = beginning + end
      const framing = bytes === 0 ? { 'transfer-encoding': 'chunked' } : { 'content-length': bytes }
      const call = request(`${gateway.url}/v1/${path.replace('HELD', held.id)}`, {
        method: 'POST',
        headers: { ...headers, ...framing, expect: '100-continue' },
      })
      const answer = once(call, 'response') as Promise<[IncomingMessage]>
      call.flushHeaders()
      await once(call, 'continue')
      if (beginning !== '') call.write(beginning)
      assert.equal((await ada.delete(`/v1/tokens/${id}`)).status, 204)
      call.end(end)
      const [message] = await answer
      message.resume()
      assert.equal(message.statusCode, 401)
      assert.equal((await ada.get('/v1/accounts')).body.data.length, length)
      assert.equal((await ada.get(`/v1/payments/${held.id}`)).body.status, 'pending')
    })
  }

  it('tell nothing more of a payment that is waited for when they are revoked', async () => {
    const ada = await aUser(gateway)
    const wish = transfer(await ada.account('USD'), await anAccount(ada), '1.00', { capture: 'manual' })
    const { body: payment } = await ada.post('/v1/payments', wish)
    const { body: made } = await ada.post('/v1/tokens', { name: 'shop', scopes: ['payments:read'] })
    const shop = aClient(gateway.url, made.token)
    assert.equal((await shop.get(`/v1/payments/${payment.id}`)).status, 200)
    const waiting = shop.get(`/v1/payments/${payment.id}?wait=30`)
    await ada.delete(`/v1/tokens/${made.id}`)
    await until(async () => (await shop.get('/v1/me')).status === 401)
    assert.equal((await ada.post(`/v1/payments/${payment.id}/capture`)).body.status, 'completed')
    assertProblem(await waiting, 'unauthenticated')
  })

  it('break off the export that is being read when they are revoked', async () => {
    const user = await aUser(gateway)
    // More than waits between a writer and a reader who does not read.
    await rowsOf(
      gateway,
      `insert into tokens (book, id, user_id, hash, name, scopes, created_at)
       select u.book, gen_random_uuid(), u.id, sha256(i::text::bytea), encrypted(u.book, u.id, repeat('n', 3000)), '{}', now()
         from users u, generate_series(1, 14000) i where decrypted(u.book, u.id, u.email) = $1`,
      [user.email],
    )
    const call = request(`${gateway.url}/v1/tokens?format=ndjson`, {
      headers: { authorization: `Bearer ${user.token}` },
    })
    call.end()
    const [response] = (await once(call, 'response')) as [IncomingMessage]
    assert.equal(response.statusCode, 200)
    const { body } = await user.get('/v1/tokens?kind=session')
    assert.equal((await user.delete(`/v1/tokens/${body.data[0].id}`)).status, 204)
    response.resume()
    await assert.rejects(once(response, 'end'), /aborted/)
  })

  it('stop working when they expire, and cannot be made expired', async () => {
    const { token } = await aBriefToken(ada, 1_000, 'short', ['payments:read'])
    await until(async () => (await aClient(gateway.url, token).get('/v1/payments')).status === 401)
    const { body } = await ada.get('/v1/tokens?name=short')
    assert.deepEqual(body.data, [])
    const past = { name: 'past', scopes: ['payments:read'], expires_at: '2020-01-01T00:00:00Z' }
    assertProblem(await ada.post('/v1/tokens', past), 'invalid_value')
  })

  it('know when they were last used', async () => {
    const { client } = await aToken('used', ['payments:read'])
    await client.get('/v1/payments')
    await until(async () => (await ada.get('/v1/tokens?name=used')).body.data[0].last_used_at !== null)
  })

  for (const [what, authorization] of [
    ['no header', undefined],
    ['another scheme', 'Basic YTpi'],
    ['no token', 'Bearer'],
    ['a token of nobody', `Bearer bgw_main_${'0'.repeat(64)}`],
    ['a token of a book that is not there', `Bearer bgw_nowhere_${'0'.repeat(64)}`],
    ['no token of ours', 'Bearer x'],
  ] as const) {
    it(`are needed: ${what} is unauthenticated`, async () => {
      const answer = await gateway.anybody.get('/v1/me', authorization === undefined ? {} : { authorization })
      assertProblem(answer, 'unauthenticated')
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
    })
  }

  it('and passwords stand in no table as they are', async () => {
    const operator = await anOperator(gateway)
    const email = await signedUp()
    const secrets = [ada.token, operator.token, PASSWORD, await mailedToken(gateway, email)]
    const tables = await rowsOf(
      gateway,
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema')`,
    )
    assert.ok(tables.length > 10)
    for (const { name } of tables) {
      for (const secret of secrets) {
        assert.ok(secret)
        const found = await rowsOf(gateway, `select from ${name} t where position($1 in t::text) > 0`, [secret])
        assert.equal(found.length, 0, `${name} holds a secret`)
        const asBytes = Buffer.from(secret).toString('hex')
        const hidden = await rowsOf(gateway, `select from ${name} t where position($1 in t::text) > 0`, [asBytes])
        assert.equal(hidden.length, 0, `${name} holds a secret as bytes`)
      }
    }
    const [stored] = await rowsOf(gateway, 'select password_hash from users where decrypted(book, id, email) = $1', [
      email,
    ])
    assert.match(stored.password_hash, /^\$argon2id\$v=19\$/)
  })
})

it('identity leaves the books right', () => assertBooksAreRight(gateway))
