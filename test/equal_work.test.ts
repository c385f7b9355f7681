import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { aGateway, anEmail, PASSWORD, type TestGateway } from './harness/gateway.ts'
import { assertBooksAreRight, rowsOf } from './harness/paying.ts'
import { type Work, watchWork } from './harness/work_done.ts'

// Nothing tells whether an address has an account: the answers are the same (identity.test.ts, passwords.test.ts), and so
// is what is done before they are given, by which their time would tell.

let gateway: TestGateway
let work: ReturnType<typeof watchWork>
/** Addresses that have an account, by what is special about it. */
const known: Record<string, string> = {}

before(async () => {
  gateway = await aGateway()
  for (const kind of ['confirmed', 'unconfirmed', 'with a second factor', 'without a password', 'frozen', 'closed']) {
    const email = anEmail()
    assert.equal((await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })).status, 201)
    known[kind] = email
  }
  const change = (set: string, kind: string) =>
    rowsOf(gateway, `update users set ${set} where decrypted(book, id, email) = $1`, [known[kind]])
  await rowsOf(gateway, 'update users set confirmed_at = now() where decrypted(book, id, email) <> $1', [
    known.unconfirmed,
  ])
  await change('password_hash = null', 'without a password')
  await change(`frozen = 'all'`, 'frozen')
  await change('closed_at = now()', 'closed')
  await rowsOf(
    gateway,
    `insert into second_factors (book, user_id, secret, enrolled_at, window_from, created_at)
     select book, id, '', now(), now(), now() from users where decrypted(book, id, email) = $1`,
    [known['with a second factor']],
  )
  work = watchWork(gateway.inside.pool)
})
after(() => work.stop())

/** Makes the call for an address that nobody has, and for those that somebody has; gives what it did for the first. */
async function assertEqual(path: string, password: string | undefined, status: number): Promise<Work> {
  const of = async (email: string) => {
    const done = await work.of(() => gateway.anybody.post(path, { email, password }))
    await gateway.inside.aside.stop()
    // A sign-up that made a user keeps it, and another undoes it; so does a line about somebody, and one about nobody.
    return {
      ...done,
      statements: done.statements.map((text) => text.replace('release savepoint', 'rollback to savepoint')),
    }
  }
  // What a node looks up once and keeps is not looked up again.
  await of(anEmail())
  const ofNobody = await of(anEmail())
  assert.equal(ofNobody.status, status)
  for (const [kind, email] of Object.entries(known)) assert.deepEqual(await of(email), ofNobody, kind)
  return ofNobody
}

describe('as much is done for an address that is known as for one that is not', () => {
  it('when it signs up', async () => {
    const { passwordHashes, statements } = await assertEqual('/v1/signup', PASSWORD, 201)
    assert.equal(passwordHashes, 1)
    assert.ok(statements.length > 10)
    await assertBooksAreRight(gateway)
  })

  it('when it logs in with a wrong password', async () => {
    const { passwordHashes, statements } = await assertEqual('/v1/login', 'not the password', 401)
    assert.equal(passwordHashes, 1)
    assert.equal(statements.filter((text) => text.includes('insert into audit_log')).length, 1)
  })

  it('when it has forgotten its password', async () => {
    const { passwordHashes, statements } = await assertEqual('/v1/password/forgot', undefined, 202)
    assert.deepEqual([passwordHashes, statements.length], [0, 1])
  })

  it('when it asks for another confirmation', async () => {
    const { passwordHashes, statements } = await assertEqual('/v1/email/resend', undefined, 202)
    assert.deepEqual([passwordHashes, statements.length], [0, 1])
  })
})
