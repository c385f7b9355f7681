import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { withOwner } from '../src/database/connection.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { aClient, type Reply } from './harness/client.ts'
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
import { assertProblem, locking, rowsOf, transfer, untilLocked } from './harness/paying.ts'

const NEW = 'another horse, another staple'
let gateway: TestGateway
before(async () => {
  gateway = await aGateway()
})

type Enrolled = TestUser & { readonly secret: string; readonly codes: readonly string[] }

/** The code of the secret, now or some steps of 30 s away. */
function codeOf(secret: string, steps = 0): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 })
}

async function begun(user: TestUser): Promise<string> {
  const { status, body } = await user.post('/v1/otp/enroll')
  assert.equal(status, 201)
  assert.match(body.uri, /^otpauth:\/\/totp\/billing-gateway:/)
  assert.ok(body.uri.includes(body.secret))
  return body.secret
}

/** A user with a second factor, whose enrolment is so long ago that the present code works. */
async function anEnrolled(at = gateway): Promise<Enrolled> {
  const user = await aUser(at)
  const secret = await begun(user)
  const { status, body } = await user.post('/v1/otp/verify', { otp: codeOf(secret) })
  assert.equal(status, 200)
  await rowsOf(at, 'update second_factors set last_step = 0')
  return { ...user, secret, codes: body.recovery_codes }
}

const logIn = (email: string, otp?: string, at = gateway) =>
  at.anybody.post('/v1/login', { email, password: PASSWORD, ...(otp === undefined ? {} : { otp }) })
const proofIsOld = () => rowsOf(gateway, 'update tokens set proven_until = now()')

describe('a second factor', () => {
  it('is there from the first code on, and not before', async () => {
    const user = await aUser(gateway)
    const first = await begun(user)
    const secret = await begun(user)
    assert.equal((await logIn(user.email)).status, 201)
    assertProblem(await user.post('/v1/otp/verify', { otp: codeOf(first) }), 'otp_invalid')
    assert.equal((await user.get('/v1/me')).body.otp_enrolled, false)
    const { body } = await user.post('/v1/otp/verify', { otp: codeOf(secret) })
    assert.equal(new Set(body.recovery_codes).size, 10)
    assert.equal((await user.get('/v1/me')).body.otp_enrolled, true)
    assertProblem(await user.post('/v1/otp/enroll'), 'otp_enrolled')
    assertProblem(await user.post('/v1/otp/verify', { otp: codeOf(secret, 1) }), 'otp_not_enrolled')
    await until(async () => (await mailsTo(gateway, user.email)).some((mail) => mail.includes('Second factor added')))
  })

  it('is asked for anew before money is paid out', async () => {
    const user = await anEnrolled()
    const destination = { wallet: 'mine' }
    const wish = { account: await user.account('USD'), rail: 'wallet', amount: '10.00', destination }
    await proofIsOld()
    assertProblem(await user.post('/v1/withdrawals', wish), 'fresh_proof_required')
    assert.equal((await user.get(`/v1/accounts/${wish.account}`)).body.held, '0.00')
    await user.post('/v1/step-up', { password: PASSWORD, otp: codeOf(user.secret) })
    const key = { 'idempotency-key': 'pay-out' }
    const first = await user.post('/v1/withdrawals', wish, key)
    assert.equal(first.status, 202)
    // Whoever asks what became of it pays nothing out.
    await proofIsOld()
    const again = await user.post('/v1/withdrawals', wish, key)
    assert.deepEqual(
      [again.status, again.body.id, again.headers.get('idempotent-replayed')],
      [202, first.body.id, 'true'],
    )
    assertProblem(await user.post('/v1/withdrawals', { ...wish, amount: '9.00' }, key), 'idempotency_key_reused')
  })

  it('is asked for anew above the sum that the gateway is set to, in each currency, and not up to it', async () => {
    const own = await aGateway({ BGW_WITHDRAWAL_PROOF_ABOVE: '20.00 USD' })
    const user = await anEnrolled(own)
    const destination = { wallet: 'mine' }
    const withdraw = async (amount: string) =>
      user.post('/v1/withdrawals', { account: await user.account('USD'), rail: 'wallet', amount, destination })
    await rowsOf(own, 'update tokens set proven_until = now()')
    assert.equal((await withdraw('20.00')).status, 202)
    assertProblem(await withdraw('20.01'), 'fresh_proof_required')
    await user.post('/v1/step-up', { password: PASSWORD, otp: codeOf(user.secret) })
    assert.equal((await withdraw('20.01')).status, 202)
  })

  it('is asked for at log-in, behind the right password only', async () => {
    const user = await anEnrolled()
    assertProblem(await logIn(user.email), 'otp_required')
    assertProblem(await logIn(user.email, '000000'), 'otp_invalid')
    const wrong = { email: user.email, password: 'not my password', otp: codeOf(user.secret) }
    assertProblem(await gateway.anybody.post('/v1/login', wrong), 'invalid_credentials')
    assert.equal((await logIn(user.email, codeOf(user.secret))).status, 201)
  })

  it('takes a code once, on whichever of two nodes, also at the same time', async () => {
    const user = await anEnrolled()
    const second = await aGateway(
      { BGW_SECRET_KEY_FILE: `${gateway.inside.config.dataFolder}/secret.key` },
      gateway.database,
    )
    const otp = codeOf(user.secret)
    const answers = await Promise.all([gateway, second, gateway, second].map((at) => logIn(user.email, otp, at)))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 401, 401, 401])
    assertProblem(await logIn(user.email, otp), 'otp_invalid')
    await second.stop()
  })

  it('takes the codes of one step before and after, never one older than the last', async () => {
    const user = await anEnrolled()
    for (const steps of [-3, 3]) assertProblem(await logIn(user.email, codeOf(user.secret, steps)), 'otp_invalid')
    assert.equal((await logIn(user.email, codeOf(user.secret, 1))).status, 201)
    assertProblem(await logIn(user.email, codeOf(user.secret, 0)), 'otp_invalid')
  })

  it('lets five codes be tried, then none for 15 minutes, not even the right one', async () => {
    const user = await anEnrolled()
    const answers = await Promise.all(Array.from({ length: 8 }, () => logIn(user.email, '000000')))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(5).fill(401), ...Array(3).fill(429)])
    const refused = await logIn(user.email, codeOf(user.secret))
    assertProblem(refused, 'too_many_attempts')
    assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/)
    assertProblem(await logIn(user.email, user.codes[0]), 'too_many_attempts')
    await rowsOf(gateway, `update second_factors set window_from = now() - interval '16 minutes'`)
    assert.equal((await logIn(user.email, codeOf(user.secret))).status, 201)
  })

  it('takes a code as apps show it and people type it, with blanks', async () => {
    const { email, secret } = await anEnrolled()
    const code = codeOf(secret)
    assert.equal((await logIn(email, ` ${code.slice(0, 3)} ${code.slice(3)} `)).status, 201)
    assertProblem(await logIn(email, code), 'otp_invalid')
  })

  it('has recovery codes that work once each, also at the same time, in any case', async () => {
    const user = await anEnrolled()
    const [first = '', second = ''] = user.codes
    const answers = await Promise.all([1, 2, 3].map(() => logIn(user.email, first)))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 401, 401])
    assertProblem(await logIn(user.email, first), 'otp_invalid')
    assert.equal((await logIn(user.email, second.toUpperCase().replaceAll('-', ' '))).status, 201)
    const other = await anEnrolled()
    assertProblem(await logIn(other.email, user.codes[2]), 'otp_invalid')
  })

  it('lets a recovery code in also where the key file that it was sealed with is lost, and may then be set up anew', async () => {
    const { email, secret, codes } = await anEnrolled()
    // With a key file of its own, as one that was lost is made anew.
    const keyless = await aGateway({}, gateway.database)
    assertProblem(await logIn(email, codeOf(secret), keyless), 'otp_invalid')
    const { status, body } = await logIn(email, codes[0], keyless)
    assert.equal(status, 201)
    const user = aClient(keyless.url, body.token)
    assert.equal((await user.delete('/v1/otp')).status, 204)
    const { body: anew } = await user.post('/v1/otp/enroll')
    assertProblem(
      await aClient(gateway.url, body.token).post('/v1/otp/verify', { otp: codeOf(anew.secret) }),
      'otp_invalid',
    )
    assert.equal((await user.post('/v1/otp/verify', { otp: codeOf(anew.secret) })).status, 200)
  })

  it('gets new recovery codes in the place of the old ones', async () => {
    const user = await anEnrolled()
    const { status, body } = await user.post('/v1/otp/recovery-codes')
    assert.equal(status, 201)
    assertProblem(await logIn(user.email, user.codes[0]), 'otp_invalid')
    assert.equal((await logIn(user.email, body.recovery_codes[0])).status, 201)
    const plain = await aUser(gateway)
    assertProblem(await plain.post('/v1/otp/recovery-codes'), 'otp_not_enrolled')
  })

  it('gets new codes also where its user is erased at the same moment, and none of the two calls is turned away', async () => {
    const user = await anEnrolled()
    const other = await aUser(gateway)
    const all = transfer(await user.account('USD'), await other.account('USD'), '100.00')
    assert.equal((await user.post('/v1/payments', all)).body.status, 'completed')
    const { id } = (await user.get('/v1/me')).body
    const operator = await anOperator(gateway)
    const codes = `select from recovery_codes where user_id = '${decodeId('usr', id)}' for update`
    const [renewing, erasing] = await locking(gateway, codes, async () => {
      const renewing = user.post('/v1/otp/recovery-codes')
      await untilLocked(gateway, 1)
      const erasing = operator.post(`/v1/admin/users/${id}/erase`, { reason: 'asked for it' })
      await untilLocked(gateway, 2)
      return [renewing, erasing]
    })
    assert.deepEqual([(await renewing).status, (await erasing).status], [201, 202])
  })

  it('survives a reset of the password, which asks for it', async () => {
    const user = await anEnrolled()
    await gateway.anybody.post('/v1/password/forgot', { email: user.email })
    const token = await mailedToken(gateway, user.email, 1)
    const reset = (more: object) => gateway.anybody.post('/v1/password/reset', { token, password: NEW, ...more })
    assertProblem(await reset({}), 'otp_required')
    assertProblem(await reset({ otp: '000000' }), 'otp_invalid')
    assert.equal((await reset({ otp: codeOf(user.secret) })).status, 204)
    const again = { email: user.email, password: NEW }
    assertProblem(await gateway.anybody.post('/v1/login', again), 'otp_required')
    assert.equal((await gateway.anybody.post('/v1/login', { ...again, otp: user.codes[0] })).status, 201)
  })

  it('makes a password of eight characters long enough', async () => {
    const user = await anEnrolled()
    const change = (next: string) =>
      user.post('/v1/password/change', { current_password: PASSWORD, new_password: next })
    assertProblem(await change('seven77'), 'invalid_value')
    assertProblem(await change('superman1'.slice(0, 8)), 'weak_password')
    assert.equal((await change('8 of, us')).status, 204)
  })

  it('is removed with a fresh proof, and then not asked for', async () => {
    const user = await anEnrolled()
    await proofIsOld()
    assertProblem(await user.delete('/v1/otp'), 'fresh_proof_required')
    assertProblem(await user.post('/v1/step-up', { password: PASSWORD }), 'otp_required')
    assert.equal((await user.post('/v1/step-up', { password: PASSWORD, otp: codeOf(user.secret) })).status, 200)
    assert.equal((await user.delete('/v1/otp')).status, 204)
    assertProblem(await user.delete('/v1/otp'), 'otp_not_enrolled')
    assert.equal((await logIn(user.email)).status, 201)
    await until(async () => (await mailsTo(gateway, user.email)).some((mail) => mail.includes('Second factor removed')))
  })

  it('is in the database only sealed and hashed', async () => {
    const user = await anEnrolled()
    const rows = [
      ...(await rowsOf(gateway, `select encode(secret, 'escape') as text from second_factors`)),
      ...(await rowsOf(gateway, `select encode(hash, 'escape') as text from recovery_codes`)),
    ]
    for (const secret of [user.secret, ...user.codes]) {
      assert.ok(rows.every(({ text }) => !text.toLowerCase().includes(secret.toLowerCase())))
    }
  })
})

describe('a fresh proof', () => {
  it('is a log-in of the last minutes, and what needs one is refused without', async () => {
    const user = await aUser(gateway)
    const { body: made } = await user.post('/v1/tokens', { name: 'program', scopes: ['payments:read'] })
    const program = aClient(gateway.url, made.token)
    assertProblem(await program.post('/v1/otp/enroll'), 'fresh_proof_required')
    await begun(user)
    await proofIsOld()
    for (const path of ['/v1/otp/enroll', '/v1/otp/recovery-codes']) {
      assertProblem(await user.post(path), 'fresh_proof_required')
    }
    assertProblem(await user.post('/v1/otp/verify', { otp: '123456' }), 'fresh_proof_required')
    assertProblem(await user.delete('/v1/otp'), 'fresh_proof_required')
  })

  it('is needed to pay out, of whoever has no second factor as well, and a token for a program has none', async () => {
    const user = await aUser(gateway)
    const scopes = ['accounts:read', 'payments:read', 'payments:write']
    const { body: made } = await user.post('/v1/tokens', { name: 'program', scopes })
    const program = aClient(gateway.url, made.token)
    const destination = { wallet: 'mine' }
    const wish = { account: await user.account('USD'), rail: 'wallet', amount: '10.00', destination }
    assertProblem(await program.post('/v1/withdrawals', wish), 'fresh_proof_required')
    assert.equal((await program.post('/v1/step-up', { password: PASSWORD })).status, 200)
    assert.equal((await program.post('/v1/withdrawals', wish)).status, 202)
  })

  it('is given again by step-up, for that token and no other', async () => {
    const user = await aUser(gateway)
    const other = await loggedIn(gateway, user.email)
    await proofIsOld()
    assertProblem(await user.post('/v1/step-up', { password: 'not my password' }), 'invalid_credentials')
    assertProblem(await user.post('/v1/otp/enroll'), 'fresh_proof_required')
    const { status, body } = await user.post('/v1/step-up', { password: PASSWORD })
    assert.equal(status, 200)
    assert.ok(Date.parse(body.proven_until) > Date.now() + 9 * 60_000)
    await begun(user)
    assertProblem(await other.post('/v1/otp/enroll'), 'fresh_proof_required')
  })

  it('that was given without a code counts no more when there is a second factor', async () => {
    const user = await aUser(gateway)
    const other = await loggedIn(gateway, user.email)
    await user.post('/v1/otp/verify', { otp: codeOf(await begun(user)) })
    assertProblem(await other.delete('/v1/otp'), 'fresh_proof_required')
    assert.equal((await user.get('/v1/me')).body.otp_enrolled, true)
  })

  it('is of the password and second factor of that moment: who sets others meanwhile is safe from the old ones', async () => {
    const [robbed, careful] = [await aUser(gateway), await aUser(gateway)]
    const { body: made } = await robbed.post('/v1/tokens', { name: 'stolen', scopes: ['payments:read'] })
    const stolen = aClient(gateway.url, made.token)
    const of = 'from users where decrypted(book, id, email) = $1'
    const stepUp = () => stolen.post('/v1/step-up', { password: PASSWORD })
    const another = `update users set password_hash = (select password_hash ${of.replace('$1', '$2')}) where decrypted(book, id, email) = $1`
    assertProblem(await meanwhile(robbed, stepUp, another, [careful.email]), 'invalid_credentials')
    assertProblem(await stolen.post('/v1/otp/enroll'), 'fresh_proof_required')

    const factor = `insert into second_factors (book, user_id, secret, enrolled_at, window_from, created_at)
                    select book, id, 'sealed', now(), now(), now() ${of}`
    assertProblem(await meanwhile(careful, () => logIn(careful.email), factor), 'otp_required')

    const { email } = await aUser(gateway)
    for (const [path, more] of [
      ['/v1/me/close', {}],
      ['/v1/me/erase', {}],
      ['/v1/email/change', { email: anEmail('thief') }],
    ] as const) {
      const user = await aUser(gateway)
      const call = () => user.post(path, { password: PASSWORD, ...more })
      assertProblem(await meanwhile(user, call, another, [email]), 'invalid_credentials')
      assert.equal((await user.get('/v1/me')).status, 200)
    }
  })
})

/** What a call is answered that had to wait for a change of its user, and began before it. */
async function meanwhile(
  { email }: TestUser,
  call: () => Promise<Reply>,
  change: string,
  more: readonly string[] = [],
): Promise<Reply> {
  const waiting = `select from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock' and query like '%from users%'`
  return withOwner(gateway.database, async (client) => {
    await client.query('begin')
    await client.query('select from users where decrypted(book, id, email) = $1 for update', [email])
    const answer = call()
    await until(async () => (await rowsOf(gateway, waiting)).length > 0, 20)
    await client.query(change, [email, ...more])
    await client.query('commit')
    return answer
  })
}
