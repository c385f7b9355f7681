import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { before, describe, it } from 'node:test'
import { addressPrefix } from '../src/limits/key.ts'
import { parseRateLimits } from '../src/limits/settings.ts'
import type { Reply } from './harness/client.ts'
import { aDatabase, urlOf } from './harness/cluster.ts'
import { assertProblem as assertDocumented } from './harness/document.ts'
import { aGateway, anEmail, aUser, loggedIn, mailsTo, PASSWORD, type TestGateway, until } from './harness/gateway.ts'
import { assertProblem, locking, sessionsWhere, WAITS_FOR_LOCK } from './harness/paying.ts'
import { aFolder, ended } from './harness/server.ts'

const LOGGING_IN = `${WAITS_FOR_LOCK} and query like '%from users%email_key%'`

const PROXY = { BGW_TRUSTED_PROXIES: '127.0.0.0/8' }
/** Only what is named is limited. */
const only = (limits: string) => {
  const all = [
    'address',
    'user',
    'token',
    'signup',
    'login',
    'identity',
    'failures',
    'address_failures',
    'mail',
    'mailbox',
  ]
  const others = all.filter((name) => !limits.split(',').some((limit) => limit.startsWith(`${name}=`)))
  return { BGW_RATE_LIMITS: [...others.map((name) => `${name}=off`), limits].join(',') }
}
const from = (address: string) => ({ 'x-forwarded-for': address })

/** Two gateways on one database, so that what one lets through counts for the other. */
async function twoGateways(settings: Record<string, string>): Promise<[TestGateway, TestGateway]> {
  // Either may send a mail: both put it where the other does.
  const both = { ...settings, BGW_DATA_DIR: await aFolder() }
  const one = await aGateway(both)
  return [one, await aGateway(both, one.database)]
}

function assertLimited(reply: Reply): number {
  assertProblem(reply, 'rate_limited')
  assertDocumented(reply)
  assert.equal(reply.status, 429)
  assert.equal(reply.headers.get('ratelimit-remaining'), '0')
  const seconds = Number(reply.headers.get('retry-after'))
  assert.ok(Number.isInteger(seconds) && seconds >= 1, `retry-after ${seconds}`)
  return seconds
}

const wrongLogIn = (gateway: TestGateway, email: string, headers = {}) =>
  gateway.anybody.post('/v1/login', { email, password: 'not the password' }, headers)
const logIn = (gateway: TestGateway, email: string, headers = {}) =>
  gateway.anybody.post('/v1/login', { email, password: PASSWORD }, headers)

describe('failed log-ins', () => {
  let nodes: [TestGateway, TestGateway]
  before(async () => {
    nodes = await twoGateways({ ...PROXY, ...only('failures=4/1m') })
  })

  it('of one address on one account must wait after the free ones, longer with each, on every node', async () => {
    const { email } = await aUser(nodes[0])
    for (let count = 0; count < 4; count += 1) {
      assertProblem(await wrongLogIn(nodes[count % 2] ?? nodes[0], email, from('192.0.2.1')), 'invalid_credentials')
    }
    for (const node of nodes) assert.equal(assertLimited(await wrongLogIn(node, email, from('192.0.2.1'))), 1)
    // Not with the right password either: an answer would tell that it is the right one.
    assertLimited(await logIn(nodes[0], email, from('192.0.2.1')))
    const refused = await until(async () => {
      const reply = await wrongLogIn(nodes[1], email, from('192.0.2.1'))
      return reply.status === 401
    })
    assert.ok(refused)
    assert.equal(assertLimited(await wrongLogIn(nodes[0], email, from('192.0.2.1'))), 2)
  })

  it('lock nobody out elsewhere: the owner logs in from another address', async () => {
    const { email } = await aUser(nodes[0])
    // So often that the wait outlasts what follows, on a busy machine too.
    await until(async () => {
      const reply = await wrongLogIn(nodes[0], email, from('192.0.2.2'))
      return reply.status === 429 && assertLimited(reply) >= 4
    })
    assert.equal((await logIn(nodes[0], email, from('192.0.2.3'))).status, 201)
    assert.equal((await logIn(nodes[1], email, from('2001:db8::1'))).status, 201)
    assertLimited(await logIn(nodes[1], email, from('192.0.2.2')))
  })

  it('count as well for an account that does not exist, so that nothing tells', async () => {
    const email = anEmail()
    for (let count = 0; count < 4; count += 1) {
      assertProblem(await wrongLogIn(nodes[0], email, from('192.0.2.4')), 'invalid_credentials')
    }
    assertLimited(await wrongLogIn(nodes[0], email.toUpperCase(), from('192.0.2.4')))
  })

  it('gain nothing by another way to write the address, with blanks around it or in wide letters', async () => {
    const { email } = await aUser(nodes[0])
    const wide = email.replace(/^u/, 'ｕ')
    for (const written of [email, ` ${email}`, `${email}\n`, wide]) {
      assertProblem(await wrongLogIn(nodes[0], written, from('192.0.2.7')), 'invalid_credentials')
    }
    for (const written of [`\t${email}  `, `\u00a0${email}`]) {
      assertLimited(await wrongLogIn(nodes[1], written, from('192.0.2.7')))
    }
  })

  it('gain nothing by being sent at once', async () => {
    const { email } = await aUser(nodes[0])
    const tries = Array.from({ length: 24 }, (_, index) =>
      wrongLogIn(nodes[index % 2] ?? nodes[0], email, from('192.0.2.5')),
    )
    const checked = (await Promise.all(tries)).filter(({ status }) => status === 401)
    assert.ok(checked.length >= 1 && checked.length <= 5, `${checked.length} passwords were checked`)
  })

  it('are forgotten by a log-in, and many log-ins at once are none', async () => {
    const { email } = await aUser(nodes[0])
    for (let round = 0; round < 3; round += 1) {
      for (let count = 0; count < 3; count += 1) await wrongLogIn(nodes[0], email, from('192.0.2.6'))
      assert.equal((await logIn(nodes[0], email, from('192.0.2.6'))).status, 201)
    }
    const many = await Promise.all(Array.from({ length: 12 }, () => logIn(nodes[0], email, from('192.0.2.6'))))
    assert.deepEqual([...new Set(many.map(({ status }) => status))], [201])
  })

  for (const [what, stream] of [
    ['hung up on', false],
    ['hung up on behind a stream', true],
  ] as const) {
    it(`that are ${what} keep nobody waiting, nor the gateway from ending`, { timeout: 60_000 }, async () => {
      const gateway = await aGateway(only('failures=4/1m'))
      const ada = await aUser(gateway)
      const { hostname, port } = new URL(gateway.url)
      const socket = connect(Number(port), hostname)
      await once(socket, 'connect')
      const body = JSON.stringify({ email: ada.email, password: PASSWORD })
      const head = `host: gateway\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
      if (stream) {
        socket.write(`GET /v1/events/stream HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${ada.token}\r\n\r\n`)
        await once(socket, 'data')
      }
      await locking(gateway, 'lock table users in access exclusive mode', async () => {
        socket.write(`POST /v1/login HTTP/1.1\r\n${head}\r\n\r\n${body}`)
        // What else the gateway asks of users may wait for them, too.
        await until(async () => (await sessionsWhere(gateway, LOGGING_IN)).length > 0)
        socket.destroy()
        await once(socket, 'close')
        assert.equal((await gateway.anybody.get('/health/live')).status, 200)
        return []
      })
      assert.equal((await logIn(gateway, ada.email)).status, 201)
      await gateway.stop()
    })
  }

  it('of a /64 of IPv6 are of one address', async () => {
    const { email } = await aUser(nodes[0])
    for (let count = 0; count < 4; count += 1) await wrongLogIn(nodes[0], email, from(`2001:db8:0:1::${count}`))
    assertLimited(await wrongLogIn(nodes[1], email, from('2001:db8:0:1:ffff::9')))
    assertProblem(await wrongLogIn(nodes[1], email, from('2001:db8:0:2::1')), 'invalid_credentials')
  })

  it('count as well where a token is asked for its password', async () => {
    const ada = await aUser(nodes[0])
    for (let count = 0; count < 4; count += 1) {
      assertProblem(await ada.post('/v1/step-up', { password: 'not the password' }), 'invalid_credentials')
    }
    assertLimited(await ada.post('/v1/step-up', { password: PASSWORD }))
    assert.equal((await ada.get('/v1/me')).status, 200)
  })

  it('on many accounts make their address wait', async () => {
    const gateway = await aGateway({ ...PROXY, ...only('address_failures=5/1m') })
    const { email } = await aUser(gateway)
    for (let count = 0; count < 5; count += 1) {
      assert.equal((await logIn(gateway, email, from('192.0.2.1'))).status, 201)
      assertProblem(await wrongLogIn(gateway, anEmail(), from('192.0.2.1')), 'invalid_credentials')
    }
    assertLimited(await wrongLogIn(gateway, anEmail(), from('192.0.2.1')))
    assert.equal((await logIn(gateway, email, from('192.0.2.2'))).status, 201)
  })
})

describe('X-Forwarded-For', () => {
  it('changes nothing where no proxy is trusted', async () => {
    const gateway = await aGateway(only('signup=3/1h'))
    const signUp = (index: number) =>
      gateway.anybody.post(
        '/v1/signup',
        { email: anEmail(), password: PASSWORD },
        { ...from(`192.0.2.${index}`), forwarded: `for=192.0.2.${index}`, 'x-real-ip': `192.0.2.${index}` },
      )
    for (let index = 0; index < 3; index += 1) assert.equal((await signUp(index)).status, 201)
    assertLimited(await signUp(9))
  })

  it('of a trusted proxy counts by its last address, and what a caller put before it does not', async () => {
    const gateway = await aGateway({ ...PROXY, ...only('signup=3/1h') })
    const signUp = (forwarded: string) =>
      gateway.anybody.post('/v1/signup', { email: anEmail(), password: PASSWORD }, from(forwarded))
    for (let index = 0; index < 3; index += 1) {
      assert.equal((await signUp(`203.0.113.${index}, 192.0.2.1`)).status, 201)
    }
    assertLimited(await signUp('203.0.113.9, 192.0.2.1'))
    assertLimited(await signUp('203.0.113.9, ::ffff:192.0.2.1, 127.0.0.5'))
    assert.equal((await signUp('192.0.2.2')).status, 201)
    for (let index = 0; index < 3; index += 1) assert.equal((await signUp(`nonsense-${index}`)).status, 201)
    assertLimited(await signUp('other nonsense'))
  })
})

describe('sign-up and mails', () => {
  it('are limited by address exactly, over both nodes and all at once', async () => {
    const nodes = await twoGateways({ ...PROXY, ...only('signup=7/1h') })
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (nodes[index % 2] ?? nodes[0]).anybody.post('/v1/signup', { email: anEmail(), password: PASSWORD }),
      ),
    )
    assert.equal(replies.filter(({ status }) => status === 201).length, 7)
    for (const reply of replies.filter(({ status }) => status !== 201)) assert.ok(assertLimited(reply) > 60)
  })

  it('by default let a few hundred users sign up and log in from one address', async () => {
    const gateway = await aGateway({ BGW_RATE_LIMITS: '' })
    const emails = Array.from({ length: 300 }, () => anEmail())
    for (let index = 0; index < emails.length; index += 50) {
      const some = emails.slice(index, index + 50)
      const made = await Promise.all(
        some.map((email) => gateway.anybody.post('/v1/signup', { email, password: PASSWORD })),
      )
      for (const reply of made) assert.equal(reply.status, 201, JSON.stringify(reply.body))
      for (const reply of await Promise.all(some.map((email) => logIn(gateway, email)))) assert.equal(reply.status, 201)
    }
  })

  it('do not fill a mailbox, whether the address is known or not', async () => {
    const gateway = await aGateway({ ...PROXY, ...only('mail=2/1h,mailbox=5/1h') })
    const [known, unknown] = [(await aUser(gateway)).email, anEmail()]
    await gateway.anybody.post('/v1/email/resend', { email: unknown })
    for (const mailbox of [known, unknown]) {
      const resend = (address: string) => gateway.anybody.post('/v1/email/resend', { email: mailbox }, from(address))
      for (let count = 0; count < 2; count += 1) assert.equal((await resend('192.0.2.1')).status, 202)
      assertLimited(await resend('192.0.2.1'))
      for (let count = 0; count < 2; count += 1) assert.equal((await resend('192.0.2.2')).status, 202)
      assertLimited(await resend('192.0.2.3'))
      assertLimited(await gateway.anybody.post('/v1/email/resend', { email: ` ${mailbox} ` }, from('192.0.2.4')))
    }
  })

  it('that others ask for leave whoever forgot the password a way in, and that has limits of its own', async () => {
    const gateway = await aGateway({ ...PROXY, ...only('mail=2/1h,mailbox=3/1h') })
    const [known, unknown] = [(await aUser(gateway)).email, anEmail()]
    for (const email of [known, unknown]) {
      const ask = (path: string, address: string, more = {}) =>
        gateway.anybody.post(path, { email, ...more }, from(address))
      for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
        await ask('/v1/email/resend', address)
        await ask('/v1/signup', address, { password: PASSWORD })
      }
      assertLimited(await ask('/v1/email/resend', '192.0.2.4'))
      const forgotten = (address: string) => ask('/v1/password/forgot', address)
      for (let count = 0; count < 2; count += 1) assert.equal((await forgotten('192.0.2.1')).status, 202)
      assertLimited(await forgotten('192.0.2.1'))
      assert.equal((await forgotten('192.0.2.5')).status, 202)
      assertLimited(await forgotten('192.0.2.6'))
    }
    await until(async () => (await mailsTo(gateway, known)).some((mail) => mail.includes('/reset-password?token=')))
  })

  it('of a change of address count for the mailbox that they go to, whoever asks', async () => {
    const gateway = await aGateway(only('mailbox=2/1h'))
    const email = anEmail()
    const change = async () => (await aUser(gateway)).post('/v1/email/change', { email, password: PASSWORD })
    for (let count = 0; count < 2; count += 1) assert.equal((await change()).status, 202)
    assertLimited(await change())
  })

  it('mail nothing to an address that was freed, when it had enough', async () => {
    const gateway = await aGateway({ ...only('mail=1/1h'), BGW_WELCOME_BONUS: '0' })
    const [email, other] = [anEmail(), anEmail()]
    const signUp = async (address: string) =>
      assert.equal((await gateway.anybody.post('/v1/signup', { email: address, password: PASSWORD })).status, 201)
    await signUp(email)
    await until(async () => (await mailsTo(gateway, email)).length === 1)
    const user = await loggedIn(gateway, email)
    assert.equal((await user.post('/v1/me/erase', { password: PASSWORD })).status, 202)
    await signUp(email)
    await signUp(other)
    await until(async () => (await mailsTo(gateway, other)).length === 1)
    assert.equal((await mailsTo(gateway, email)).length, 1)
  })

  it('of a known address answer as ever, and stop mailing', async () => {
    const gateway = await aGateway(only('mail=3/1h'))
    const { email } = await aUser(gateway)
    const other = anEmail()
    for (let count = 0; count < 6; count += 1) {
      assert.equal((await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })).status, 201)
    }
    await gateway.anybody.post('/v1/signup', { email: other, password: PASSWORD })
    await until(async () => (await mailsTo(gateway, other)).length === 1)
    await until(async () => (await mailsTo(gateway, email)).length === 3)
  })
})

describe('requests of a user', () => {
  it('are limited over all tokens, routes and nodes, and say how much is left', async () => {
    const nodes = await twoGateways(only('user=40/1h'))
    const ada = await aUser(nodes[0])
    const bob = await aUser(nodes[0])
    const first = await ada.get('/v1/me')
    assert.equal(first.headers.get('ratelimit-limit'), '40')
    assert.equal(first.headers.get('ratelimit-policy'), '40;w=3600')
    const left = Number(first.headers.get('ratelimit-remaining'))
    assert.ok(left > 30 && left < 40, `${left} left`)
    const there = { authorization: `Bearer ${ada.token}` }
    // The other node hears of it within a moment.
    const refused = await until(async () => {
      await ada.get('/v1/accounts')
      const reply = await nodes[1].anybody.get('/v1/me', there)
      return reply.status === 429 && reply
    })
    assertLimited(refused)
    const { body } = await nodes[1].anybody.post('/v1/login', { email: ada.email, password: PASSWORD })
    await until(async () => {
      const reply = await nodes[0].anybody.get('/v1/me', { authorization: `Bearer ${body.token}` })
      return reply.status === 429
    })
    assert.equal((await bob.get('/v1/me')).status, 200)
  })

  it('are limited by call where the operator says so', async () => {
    const gateway = await aGateway(only('listAccounts=2/1h'))
    const ada = await aUser(gateway)
    for (let count = 0; count < 2; count += 1) assert.equal((await ada.get('/v1/accounts')).status, 200)
    assertLimited(await ada.get('/v1/accounts'))
    assert.equal((await ada.get('/v1/payments')).status, 200)
    assert.equal((await (await aUser(gateway)).get('/v1/accounts')).status, 200)
  })

  it('are limited by address before anything is read, but for the machines around the gateway', async () => {
    const gateway = await aGateway({ ...PROXY, ...only('address=5/1h') })
    for (let count = 0; count < 5; count += 1) await gateway.anybody.get('/v1/me', from('192.0.2.1'))
    assertLimited(await gateway.anybody.get('/v1/me', from('192.0.2.1')))
    assertLimited(await gateway.anybody.get('/nowhere', from('192.0.2.1')))
    assert.equal((await gateway.anybody.get('/health/ready', from('192.0.2.1'))).status, 200)
    assertProblem(await gateway.anybody.get('/v1/me', from('192.0.2.2')), 'unauthenticated')
  })
})

describe('the settings of limits', () => {
  for (const [settings, says] of [
    [{ BGW_RATE_LIMITS: 'signup=many' }, /BGW_RATE_LIMITS is wrong: 'signup=many'/],
    [{ BGW_RATE_LIMITS: 'sign-up=1/1m' }, /BGW_RATE_LIMITS is wrong: 'sign-up' is none of address/],
    [{ BGW_TRUSTED_PROXIES: '10.0.0.0/33' }, /BGW_TRUSTED_PROXIES names '10.0.0.0\/33'/],
    [{ BGW_TRUSTED_PROXIES: 'proxy' }, /BGW_TRUSTED_PROXIES names 'proxy'/],
  ] as [Record<string, string>, RegExp][]) {
    it(`are refused where they are wrong: ${Object.values(settings)}`, async () => {
      const { code, stderr } = await ended('main.ts', settings)
      assert.equal(code, 1)
      assert.match(stderr, says)
    })
  }

  it('name a call that there is, or the gateway does not start', async () => {
    const settings = { DATABASE_URL: urlOf(await aDatabase()), BGW_DATA_DIR: await aFolder() }
    const { code, stderr } = await ended('main.ts', { ...settings, BGW_RATE_LIMITS: 'listNothing=1/1s' })
    assert.equal(code, 1)
    assert.match(stderr, /BGW_RATE_LIMITS is wrong: there is no operation 'listNothing'/)
  })

  it('can be off', () => {
    const off = parseRateLimits('off')
    assert.ok(!('wrong' in off) && Object.values(off.named).every((limit) => limit === undefined))
  })
})

describe('an address', () => {
  for (const [text, prefix] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8:0:0:1:2:3:4', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['nonsense', undefined],
    ['', undefined],
  ] as const) {
    it(`${text || '(nothing)'} counts as ${prefix}`, () => assert.equal(addressPrefix(text), prefix))
  }
})
