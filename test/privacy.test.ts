import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { writeAudit, writeAuditOfSomebody } from '../src/audit/audit.ts'
import { ADDRESS_OWNER, SUBJECT } from '../src/audit/subject.ts'
import { MAIN_BOOK } from '../src/books/books.ts'
import { idsAt, readClock } from '../src/database/clock.ts'
import { inTransaction, type Pool, withOwner } from '../src/database/connection.ts'
import { createLookout } from '../src/database/lookout.ts'
import type { UserId } from '../src/ledger/id.ts'
import { decodeId, encodeId } from '../src/ledger/typeid.ts'
import { createLog } from '../src/log.ts'
import { idempotencyKey } from '../src/payments/intake.ts'
import { PAYMENT_JOINS } from '../src/payments/read.ts'
import { createEraser } from '../src/privacy/eraser.ts'
import { verifyBooks } from '../src/verify/verify.ts'
import { deliver } from '../src/webhooks/deliver.ts'
import type { Send } from '../src/webhooks/send.ts'
import { aBankFile, OWN_IBAN } from './harness/bank.ts'
import type { Reply } from './harness/client.ts'
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
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  locking,
  lockOf,
  rowsOf,
  sessionsWhere,
  tamper,
  transfer,
  untilLocked,
  untilSealed,
  WAITS_FOR_LOCK,
} from './harness/paying.ts'
import { aReceiver } from './harness/receiver.ts'

let gateway: TestGateway
let bob: TestUser
let root: TestUser
before(async () => {
  gateway = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0', BGW_WEBHOOK_ALLOW_PRIVATE: 'true' })
  ;[bob, root] = [await aUser(gateway), await anOperator(gateway)]
})

const WORDS = {
  name: 'Augusta King',
  description: 'for the analytical engine',
  metadata: 'a note of hers',
  account: 'engine savings',
  token: 'her program',
  webhook: 'https://hooks.example.com/of-hers',
}

type Traces = { readonly user: TestUser; readonly id: string; readonly payment: string; readonly words: string[] }

/** Somebody who left traces wherever a user can, and has nothing any more. */
async function withTraces(): Promise<Traces> {
  const first = await aUser(gateway)
  const email = anEmail('moved')
  const had = (await mailsTo(gateway, first.email)).filter((mail) => mail.includes('?token=')).length
  await first.post('/v1/email/change', { email, password: PASSWORD })
  for (const token of [await mailedToken(gateway, first.email, had), await mailedToken(gateway, email)]) {
    await gateway.anybody.post('/v1/email/change/confirm', { token })
  }
  const user = await loggedIn(gateway, email)
  const [own, his] = [await user.account('USD'), await bob.account('USD')]
  await user.patch('/v1/me', { display_name: WORDS.name })
  const texts = { description: WORDS.description, metadata: { note: WORDS.metadata } }
  const { body: payment } = await user.post('/v1/payments', transfer(own, his, '60.00', texts))
  assert.equal(payment.status, 'completed')
  const declined = await user.post('/v1/payments', transfer(own, his, '9000.00', texts))
  assert.equal(declined.body.status, 'declined')
  await anAccount(user, 'EUR', { name: WORDS.account, metadata: { note: WORDS.metadata } })
  await user.post('/v1/tokens', { name: WORDS.token, scopes: ['payments:read'] }, { 'idempotency-key': 'hers' })
  const hook = { url: WORDS.webhook, events: ['*'], description: WORDS.description }
  assert.equal((await user.post('/v1/webhooks', hook)).status, 201)
  const starts_at = new Date(Date.now() + 86_400_000).toISOString()
  const planned = await user.post('/v1/schedules', { ...transfer(own, his, '1.00', texts), starts_at })
  assert.equal(planned.status, 201)
  await bob.post(`/v1/payments/${payment.id}/refund`, { amount: '5.00' }, { 'idempotency-key': `refund-${email}` })
  const held = await user.post('/v1/payments', { ...transfer(own, his, '1.00', texts), capture: 'manual' })
  const canceled = await bob.post(`/v1/payments/${held.body.id}/cancel`, {}, { 'idempotency-key': `cancel-${email}` })
  assert.equal(canceled.body.description, WORDS.description)
  const wish = { account: own, amount: '5.00', direction: 'debit', reason: 'Goodwill' }
  await root.post('/v1/admin/adjustments', wish, { 'idempotency-key': `adjust-${email}` })
  const { body: me } = await user.get('/v1/me')
  await root.post(`/v1/admin/users/${me.id}/freeze`, { reason: `looked at ${email}` })
  await root.post(`/v1/admin/users/${me.id}/unfreeze`, { reason: 'all is well' })
  await user.post('/v1/payments', transfer(own, his, await user.balance(own)))
  assert.equal(await user.balance(own), '0.00')
  return { user, id: me.id, payment: payment.id, words: [first.email, email, ...Object.values(WORDS)] }
}

/** What the eraser asks for in each of its rounds. */
const ERASURES = 'from erasures'

/** An eraser for one gateway in place of its own, which begins when it is told to; how often it asked the pool for what. */
function aCountedEraser({ inside: { pool } }: TestGateway) {
  const log = createLog('error', { write: () => undefined })
  const lookout = createLookout(pool, log)
  const texts: string[] = []
  const query = (asked: any, values?: unknown[]) => {
    texts.push(asked.text ?? asked)
    return pool.query(asked, values)
  }
  const eraser = createEraser({ query, connect: () => pool.connect() } as unknown as Pool, lookout, log)
  return {
    begin: lookout.begin,
    asked: (part: string) => texts.filter((text) => text.includes(part)).length,
    stop: () => Promise.all([eraser.stop(), lookout.stop()]),
  }
}

const erase = (user: TestUser, password = PASSWORD) => user.post('/v1/me/erase', { password })
const erased = () => until(async () => (await rowsOf(gateway, 'select from erasures')).length === 0)

/** What comes of the erasure of a user that waits for a lock, and of what is asked for behind it. */
async function behindErasure(own: TestGateway, user: TestUser, lock: string, ask: () => Promise<Reply>) {
  return locking(own, lock, async () => {
    const erasing = erase(user)
    await untilLocked(own, 1)
    const asked = ask()
    await untilLocked(own, 2)
    return [erasing, asked] as const
  })
}

/** What comes of a call with a key that waits for the turn of its key, as behind an earlier one, while its user is erased. */
async function erasedMeanwhile(
  own: TestGateway,
  user: TestUser,
  route: string,
  call: (headers: { readonly 'idempotency-key': string }) => Promise<Reply>,
): Promise<Reply> {
  const [book, { body: me }] = [await own.inside.books.find(MAIN_BOOK), await user.get('/v1/me')]
  const { key } = idempotencyKey(decodeId('usr', me.id) as UserId, route, 'hers', null)
  const turn = `select pg_advisory_xact_lock(hashtextextended('idempotency ${book?.id}/${key}', 0))`
  const [calling] = await locking(own, turn, async () => {
    const calling = call({ 'idempotency-key': 'hers' })
    await untilLocked(own, 1)
    assert.equal((await erase(user)).status, 202)
    await until(async () => (await rowsOf(own, 'select from erasures')).length === 0)
    return [calling]
  })
  return calling
}

/** Every table with a row in which one of the words stands, as text or as bytes. */
const tablesWith = (words: readonly string[]) =>
  tablesWhereStands(words.flatMap((word) => [word, Buffer.from(word).toString('hex')]))

/** Every table with something that was encrypted under this key. */
const tablesUnder = (key: Buffer) => tablesWhereStands([keyId(key).toString('hex')])
const keyId = (key: Buffer) => createHash('sha256').update(key).update('id').digest().subarray(0, 4)

async function keyOf(id: string): Promise<Buffer> {
  const [row] = await rowsOf(gateway, 'select key from user_keys where user_id = $1', [decodeId('usr', id)])
  return row.key
}

/** Every table with a row that has one of these in it, as a dump of the database would have it. */
async function tablesWhereStands(texts: readonly string[]): Promise<string[]> {
  const tables = await rowsOf(
    gateway,
    `select format('%I.%I', n.nspname, c.relname) as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and n.nspname in ('public', 'graphile_worker')`,
  )
  const found: string[] = []
  for (const { name } of tables) {
    const rows = await rowsOf(
      gateway,
      `select from ${name} t where exists (select from unnest($1::text[]) w where position(w in t::text) > 0)`,
      [texts],
    )
    if (rows.length > 0) found.push(name)
  }
  return found
}

const exported = async (user: TestUser, path = '/v1/me/export') => {
  const { status, body } = await user.get(path)
  assert.equal(status, 200, JSON.stringify(body))
  const text = String(body)
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('the data of a user', () => {
  it('are erased from every table at their wish, and the books stay whole, to the last block', async () => {
    const { user, id, payment, words } = await withTraces()
    await untilSealed(gateway)
    const key = await keyOf(id)
    assert.ok((await tablesUnder(key)).length > 8)
    assertProblem(await erase(user, 'not my password'), 'invalid_credentials')
    assert.equal((await erase(user)).status, 202)
    await erased()
    await untilSealed(gateway)
    await until(async () => (await tablesWith(words)).length === 0)
    assert.deepEqual(await tablesUnder(key), [])
    await assertBooksAreRight(gateway)

    assertProblem(await user.get('/v1/me'), 'unauthenticated')
    const [, email = ''] = words
    assertProblem(await gateway.anybody.post('/v1/login', { email, password: PASSWORD }), 'invalid_credentials')
    assert.ok((await mailsTo(gateway, email)).some((mail) => mail.includes('Your data are erased')))
    const { body: seen } = await bob.get(`/v1/payments/${payment}`)
    assert.deepEqual([seen.sender, seen.description, seen.metadata, seen.amount], ['erased user', null, {}, '60.00'])
    const statement = await bob.get(`/v1/accounts/${await bob.account('USD')}/statement?format=csv`)
    assert.ok(String(statement.body).includes('erased user'))
    for (const word of words) assert.ok(!String(statement.body).includes(word), word)
    const { body: users } = await root.get(`/v1/admin/users?id=${id}`)
    const [listed] = users.data
    assert.deepEqual(
      [listed.email, listed.display_name, listed.status],
      [`${id}@erased.invalid`, 'erased user', 'closed'],
    )
    assert.ok(listed.erased_at)
    // Found and sorted by what is shown, between the pages too.
    const isFound = async (query: string) => {
      const found = await everyPage(root, `/v1/admin/users?${query}`, 1)
      assert.equal(found.filter((each) => each.id === id).length, 1, query)
      return found
    }
    assert.equal((await isFound(`email=${listed.email}`)).length, 1)
    await isFound('display_name=erased%20user')
    await isFound('email[like]=@ERASED.')
    const [sorted, backward] = [await isFound('sort=email'), await isFound('sort=-email')]
    assert.deepEqual(
      sorted.map(({ email }) => email),
      sorted.map(({ email }) => email).sort(),
    )
    assert.deepEqual(backward, sorted.toReversed())
    await isFound('sort=-display_name')
    // The address is anybody's again, and who has it now is somebody else.
    const again = await aUser(gateway, email)
    assert.notEqual((await again.get('/v1/me')).body.id, id)
    assert.deepEqual((await again.get('/v1/payments?kind=transfer')).body.data, [])
  })

  it('leave a proof that still holds, with the hash of a text in place of it, and verify finds what is put there', async () => {
    const { user, id, payment } = await withTraces()
    await untilSealed(gateway)
    const { body: before } = await bob.get(`/v1/payments/${payment}/proof`)
    assert.equal(before.texts.description.text, WORDS.description)
    assert.equal((await erase(user)).status, 202)
    await erased()
    const { body: proof } = await bob.get(`/v1/payments/${payment}/proof`)
    assert.deepEqual({ ...proof, texts: before.texts }, before)
    assert.deepEqual(proof.texts, {})
    assert.ok(!proof.leaf.includes(WORDS.description))
    const findings = async (sql: string) => {
      await withOwner(gateway.database, (client) => client.query(sql))
      return (await verifyBooks(gateway.database)).findings.map(({ law }) => law)
    }
    const restored = `update payments set description = stored_text(book, null, $$${WORDS.description}$$) where amount = 6000 and description is null`
    assert.deepEqual([...new Set(await findings(restored))], [6])
    assert.deepEqual(await findings(`update payments set description = null where amount = 6000`), [])
    const [line] = await rowsOf(
      gateway,
      `select user_id from user_keys k join users u on u.book = k.book and u.id = k.user_id where u.erased_at is not null`,
    )
    assert.equal(line, undefined, id)
  })

  it('are erased by an operator as well, with a reason in the audit log, of whoever is closed or at zero', async () => {
    const [closed, rich] = [await aUser(gateway), await aUser(gateway)]
    const { body: me } = await closed.get('/v1/me')
    const usd = await closed.account('USD')
    await closed.post('/v1/payments', transfer(usd, await bob.account('USD'), '100.00', { description: 'all of it' }))
    assert.equal((await closed.post('/v1/me/close', { password: PASSWORD })).status, 204)
    const path = `/v1/admin/users/${me.id}/erase`
    assertProblem(await bob.post(path, { reason: 'x' }), 'forbidden')
    assert.equal((await root.post(path, { reason: 'asked for by letter' })).status, 202)
    assert.equal((await root.post(path, { reason: 'and again' })).status, 202)
    await erased()
    assert.deepEqual(await tablesWith([closed.email, 'all of it']), [])
    const { body: audit } = await root.get(`/v1/admin/audit?object_id=${me.id}&action=erasure.begin&sort=created_at`)
    assert.deepEqual(
      audit.data.map(({ actor, detail }: any) => [actor, detail.reason]),
      [
        [root.email, 'asked for by letter'],
        [root.email, 'and again'],
      ],
    )
    const { body: other } = await rich.get('/v1/me')
    assertProblem(await root.post(`/v1/admin/users/${other.id}/erase`, { reason: 'x' }), 'balance_not_zero')
    const { body: self } = await root.get('/v1/me')
    assertProblem(await root.post(`/v1/admin/users/${self.id}/erase`, { reason: 'x' }), 'not_yourself')
    const nobody = encodeId('usr', randomUUID() as never)
    assertProblem(await root.post(`/v1/admin/users/${nobody}/erase`, { reason: 'x' }), 'not_found')
    assertProblem(await erase(rich), 'balance_not_zero')
    await assertBooksAreRight(gateway)
  })

  it('cannot be read where a copy of the database was brought back without their key, and are erased there once more', async () => {
    const { id, payment, words, user } = await withTraces()
    await untilSealed(gateway)
    // As it was before the erasure, but for the keys and the hashes of erased texts, which are as they were after it.
    const hashes = `
      insert into erased_texts
      select t.book, t.id, t.field, text_hash(k.key, t.id, t.field, shown_text(k.book, k.user_id, t.content))
        from user_keys k
        join (select p.book, p.id, text_owner(p.kind, s.user_id, r.user_id) as owner, f.field, f.content
                from payments p ${PAYMENT_JOINS}
               cross join lateral (values ('description', p.description), ('metadata', p.metadata)) f (field, content)
               union all
              select l.book, l.id, ${SUBJECT}, f.field, f.content
                from audit_log l
               cross join lateral (values ('detail', l.detail),
                                          ('address', case when ${ADDRESS_OWNER} is not null then l.address end)) f (field, content)
             ) t on t.book = k.book and t.owner = k.user_id and t.content is not null
       where k.user_id = $1`
    await withOwner(gateway.database, async (client) => {
      await client.query(hashes, [decodeId('usr', id)])
      await client.query('delete from user_keys where user_id = $1', [decodeId('usr', id)])
    })
    const { body: seen } = await bob.get(`/v1/payments/${payment}`)
    assert.deepEqual([seen.sender, seen.description, seen.metadata, seen.amount], ['erased user', null, {}, '60.00'])
    for (const path of ['users', 'audit', 'accounts', 'payments', 'schedules', 'webhooks']) {
      const { status, body } = await root.get(`/v1/admin/${path}?limit=200`)
      assert.equal(status, 200, path)
      for (const word of words) assert.ok(!JSON.stringify(body).includes(word), `${path} has ${word}`)
    }
    assert.equal((await root.post(`/v1/admin/users/${id}/erase`, { reason: 'once more' })).status, 202)
    await erased()
    assertProblem(await user.get('/v1/me'), 'unauthenticated')
    await untilSealed(gateway)
    await assertBooksAreRight(gateway)
  })

  it('are erased once, whoever asks at the same moment', async () => {
    const user = await aUser(gateway)
    await user.post('/v1/payments', transfer(await user.account('USD'), await bob.account('USD'), '100.00'))
    const answers = await Promise.all([erase(user), erase(user), user.post('/v1/me/close', { password: PASSWORD })])
    assert.ok(answers.some(({ status }) => status < 300))
    await erased()
    await assertBooksAreRight(gateway)
  })

  for (const name of ['id', 'completed', 'Grace']) {
    it(`leave what others were answered, but for who paid or was paid: of somebody who is called ${name}`, async () => {
      const [user, namesake, other] = [await aUser(gateway), await aUser(gateway), await aUser(gateway)]
      for (const each of [user, namesake]) await each.patch('/v1/me', { display_name: name })
      const [hers, theirs, own] = [await user.account('USD'), await namesake.account('USD'), await other.account('USD')]
      const starts_at = new Date(Date.now() + 86_400_000).toISOString()
      const held = async (from: TestUser, wish: object) => {
        const { body } = await from.post('/v1/payments', { ...wish, capture: 'manual' })
        return `/v1/payments/${body.id}`
      }
      const texts = { description: name, metadata: { name } }
      const paid = await held(other, transfer(own, hers, '2.00', texts))
      const called = await held(user, transfer(hers, own, '1.00', { description: 'what she wrote' }))
      const elsewhere = await held(other, transfer(own, theirs, '3.00', texts))
      const asked: [string, object][] = [
        ['/v1/tokens', { name, scopes: ['payments:read'] }],
        ['/v1/accounts', { currency: 'USD', name, metadata: { name } }],
        ['/v1/schedules', { ...transfer(own, hers, '1.00', texts), starts_at }],
        ['/v1/webhooks', { url: 'https://hooks.example.com/x', events: ['*'], description: name }],
        [`${elsewhere}/capture`, {}],
        [`${paid}/capture`, {}],
        [`${called}/cancel`, {}],
      ]
      const answers = async () => {
        const all: { status: number; body: any }[] = []
        for (const [index, [path, wish]] of asked.entries()) {
          const { status, body } = await other.post(path, wish, { 'idempotency-key': `kept ${index}` })
          all.push({ status, body })
        }
        return all
      }
      const before = await answers()
      assert.deepEqual(await answers(), before)
      const [captured, canceled] = before.splice(-2)
      assert.deepEqual([captured?.body.receiver, canceled?.body.sender], [name, name])
      assert.deepEqual(new Set(before.map(({ status }) => status)), new Set([200, 201]))

      await user.post('/v1/payments', transfer(hers, await bob.account('USD'), await user.balance(hers)))
      assert.equal((await erase(user)).status, 202)
      await erased()

      const gone = { sender: 'erased user', description: null, metadata: {} }
      assert.deepEqual(await answers(), [
        ...before,
        { ...captured, body: { ...captured?.body, receiver: 'erased user' } },
        { ...canceled, body: { ...canceled?.body, ...gone } },
      ])
    })
  }

  it('are in no answer that is kept of an adjustment, its approval or suspense which waited behind their erasure', async () => {
    const own = await aGateway({
      ...{ BGW_APPROVAL_ABOVE: '50.00 EUR', BGW_WIRE_NAME: 'Gateway' },
      BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN}:RABONL2U`,
    })
    const [user, friend] = [await aUser(own), await aUser(own)]
    const [operator, other] = [await anOperator(own), await anOperator(own)]
    const hers = await user.account('EUR')
    const adjustment = { account: hers, direction: 'debit', reason: 'Cash' }
    const { body: approval } = await operator.post('/v1/admin/adjustments', { ...adjustment, amount: '60.00' })
    const statement = aBankFile([{ amount: '27.18', text: 'whose?' }])
    await operator.send('POST', '/v1/admin/wire/statements', statement, { 'content-type': 'application/xml' })
    const { body: suspense } = await operator.get('/v1/admin/suspense')
    await user.post('/v1/payments', transfer(await user.account('USD'), await friend.account('USD'), '100.00'))
    const asked: [TestUser, string, object?][] = [
      [operator, '/v1/admin/adjustments', { ...adjustment, amount: '1.00' }],
      [other, `/v1/admin/approvals/${approval.id}/approve`],
      [operator, `/v1/admin/suspense/${suspense.data[0].id}/resolve`, { account: hers, reason: 'Hers' }],
    ]
    const ask = () => asked.map(([who, path, wish]) => who.post(path, wish, { 'idempotency-key': 'kept' }))
    const [erasing, ...first] = await locking(own, lockOf(hers), async () => {
      const erasing = erase(user)
      await untilLocked(own, 1)
      const asking = ask()
      await untilLocked(own, 1 + asking.length)
      return [erasing, ...asking]
    })
    assert.equal((await erasing)?.status, 202)
    for (const { body } of await Promise.all([...first, ...ask()])) {
      assert.deepEqual([body.decline_reason, body.receiver], ['account_closed', 'erased user'])
    }
  })

  it('are in no answer that is kept of a deposit of theirs which was canceled while they were erased', async () => {
    const own = await aGateway({
      ...{ BGW_WELCOME_BONUS: '0', BGW_WIRE_NAME: 'Gateway', BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN}:RABONL2U` },
    })
    const [user, operator] = [await aUser(own), await anOperator(own)]
    const wish = { account: await user.account('EUR'), rail: 'wire', amount: '5.00' }
    const { body: deposit } = await user.post('/v1/deposits', wish)
    await own.inside.eraser.stop()
    const eraser = aCountedEraser(own)
    const key = { 'idempotency-key': 'cancel' }
    const cancel = () => operator.post(`/v1/payments/${deposit.id}/cancel`, undefined, key)
    // The answer is read, and waits to be kept. Where that is not waited for, all that is kept is gone through by then.
    const [canceling] = await locking(own, 'lock table idempotency_keys in exclusive mode', async () => {
      const canceling = cancel()
      await untilLocked(own, 1)
      assert.equal((await erase(user)).status, 202)
      eraser.begin()
      await until(async () => eraser.asked(ERASURES) > 1 || (await sessionsWhere(own, WAITS_FOR_LOCK)).length > 1)
      return [canceling]
    })
    const first = await canceling
    assert.deepEqual([first.status, first.body.status, first.body.receiver], [200, 'canceled', user.email])
    await until(async () => (await rowsOf(own, 'select from erasures')).length === 0)
    await eraser.stop()
    assert.equal((await cancel()).body.receiver, 'erased user')
  })

  it('keep no import from going on that found their address taken: it makes the next user of it', async () => {
    const own = await aGateway({ BGW_WELCOME_BONUS: '0' })
    const [user, operator] = [await aUser(own), await anOperator(own)]
    const { body: me } = await user.get('/v1/me')
    const other = { email: anEmail(), accounts: [{ currency: 'USD', opening_balance: '1.00' }] }
    const text = [{ email: user.email }, other].map((line) => `${JSON.stringify(line)}\n`).join('')
    const internal = `select from accounts where code = 'internal' and currency = 'USD' for no key update`
    const [importing] = await locking(own, internal, async () => {
      const type = { 'content-type': 'application/x-ndjson' }
      const importing = operator.send('POST', '/v1/admin/users/import', text, type)
      await untilLocked(own, 1)
      assert.equal((await erase(user)).status, 202)
      return [importing]
    })
    const { body } = await importing
    assert.equal(typeof body, 'string', JSON.stringify(body))
    const [again, fresh] = body
      .trim()
      .split('\n')
      .map((line: string) => JSON.parse(line))
    assert.deepEqual([again.status, again.email, fresh.status], [201, user.email, 201])
    assert.notEqual(again.user_id, me.id)
    await assertBooksAreRight(own)
  })

  it('are in no payment that waited behind their erasure, and the books are right', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
    const user = await aUser(own)
    const hers = await user.account('USD')
    const friend = await aUser(own)
    const his = await friend.account('USD')
    await user.post('/v1/payments', transfer(hers, his, '100.00'))
    const texts = { description: WORDS.description, metadata: { note: WORDS.metadata } }
    const [erasing, paying] = await behindErasure(own, user, lockOf(hers), () =>
      user.post('/v1/payments', transfer(hers, his, '1.00', texts)),
    )
    assert.equal((await erasing)?.status, 202)
    const answer = (await paying)?.body
    assert.equal(answer.decline_reason, 'account_closed')
    await untilSealed(own)
    await until(async () => (await rowsOf(own, 'select from erasures')).length === 0)
    const { body: kept } = await friend.get(`/v1/payments/${answer.id}`)
    assert.deepEqual([kept.sender, kept.description, kept.metadata], ['erased user', null, {}])
    await assertBooksAreRight(own)
  })

  it('are in no line of a log-in that is refused while they are erased, and the books are right', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
    const user = await aUser(own)
    const [book, { body: me }] = [await own.inside.books.find(MAIN_BOOK), await user.get('/v1/me')]
    assert.ok(book)
    await user.post(
      '/v1/payments',
      transfer(await user.account('USD'), await (await aUser(own)).account('USD'), '100.00'),
    )
    const actor = { userId: null, tokenId: null, address: '203.0.113.9', requestId: null }
    const refusal = { actor, action: 'user.refuse_log_in', detail: { why: 'invalid_credentials' } }
    // Her lines are gone through before what was sent to webhooks; the log-in had found her before that began.
    await locking(own, 'lock table webhook_deliveries in share mode', async () => {
      assert.equal((await erase(user)).status, 202)
      await untilLocked(own, 1)
      await writeAuditOfSomebody(own.inside.pool, book.id, refusal, decodeId('usr', me.id))
      await untilSealed(own)
      return []
    })
    await until(async () => (await rowsOf(own, 'select from erasures')).length === 0)
    await assertBooksAreRight(own)
    const lines = await rowsOf(own, `select detail, address from audit_log where action = 'user.refuse_log_in'`)
    assert.deepEqual(lines, [{ detail: null, address: null }])
  })

  it('are erased once all that was written before their erasure was seen is there, and the books are right', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
    const [user, friend] = [await aUser(own), await aUser(own)]
    const [book, { body: me }] = [await own.inside.books.find(MAIN_BOOK), await user.get('/v1/me')]
    assert.ok(book)
    const hers = await user.account('USD')
    await user.post('/v1/payments', transfer(hers, await friend.account('USD'), '100.00'))
    await own.inside.eraser.stop()
    const actor = { userId: null, tokenId: null, address: '203.0.113.9', requestId: null }
    const line = { actor, action: 'user.refuse_log_in', objectId: decodeId('usr', me.id) ?? null, detail: { why: 'x' } }
    const [written, looked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let writing: Promise<void> | undefined
    // The line is written while the erasure waits for her account, and committed behind it.
    const [erasing] = await locking(own, lockOf(hers), async () => {
      const erasing = erase(user)
      await untilLocked(own, 1)
      writing = inTransaction(own.inside.pool, async (client) => {
        const at = await readClock(client)
        await writeAudit(client, book.id, at, idsAt(at), [line])
        written.resolve()
        await looked.promise
      })
      await written.promise
      return [erasing]
    })
    assert.equal((await erasing).status, 202)
    const eraser = aCountedEraser(own)
    // Where it is not waited for, her lines have been gone through by then, and only the rest is to be erased.
    await locking(own, 'lock table webhook_deliveries in share mode', async () => {
      eraser.begin()
      await until(async () => eraser.asked(ERASURES) > 1 || (await sessionsWhere(own, WAITS_FOR_LOCK)).length > 0)
      looked.resolve()
      await writing
      await untilSealed(own)
      return []
    })
    await until(async () => (await rowsOf(own, 'select from erasures')).length === 0)
    await eraser.stop()
    await assertBooksAreRight(own)
    const lines = await rowsOf(own, `select detail, address from audit_log where action = 'user.refuse_log_in'`)
    assert.deepEqual(lines, [{ detail: null, address: null }])
  })

  it('wait for older transactions by one look at these in a round, however many users there are', async () => {
    const own = await aGateway({ BGW_WELCOME_BONUS: '0' })
    const users = [await aUser(own), await aUser(own), await aUser(own)]
    await own.inside.eraser.stop()
    const eraser = aCountedEraser(own)
    await locking(own, 'select pg_current_xact_id()', async () => {
      for (const user of users) assert.equal((await erase(user)).status, 202)
      eraser.begin()
      await until(async () => eraser.asked(ERASURES) > 1)
      return []
    })
    await until(async () => (await rowsOf(own, 'select from erasures')).length === 0)
    await eraser.stop()
    const [looks, rounds] = [eraser.asked('pg_snapshot_xmin'), eraser.asked(ERASURES)]
    assert.ok(looks <= rounds, `${looks} looks in ${rounds} rounds`)
  })

  it('wait for nobody else: where those of one cannot be erased, the log says so, and the next have their turn', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
    const [first, second, friend] = [await aUser(own), await aUser(own), await aUser(own)]
    const [{ body: stuck }, hers] = [await first.get('/v1/me'), await first.account('USD')]
    for (const user of [first, second]) {
      await user.post('/v1/payments', transfer(await user.account('USD'), await friend.account('USD'), '100.00'))
    }
    await own.inside.eraser.stop()
    for (const user of [first, second]) assert.equal((await erase(user)).status, 202)
    const lines: any[] = []
    const log = createLog('error', { write: (line) => lines.push(JSON.parse(line)) })
    const lookout = createLookout(own.inside.pool, log)
    const under = async () => (await rowsOf(own, 'select user_id from erasures')).map(({ user_id }) => user_id)
    // As where somebody keeps her account locked, which its last step needs, for longer than a statement may take.
    await tamper(
      own,
      `create function kept() returns trigger language plpgsql
         as $$ begin raise exception 'locked' using errcode = 'query_canceled'; end $$;
       create trigger kept before update on accounts for each row
         when (old.id = '${decodeId('acc', hers)}') execute function kept()`,
    )
    const eraser = createEraser(own.inside.pool, lookout, log)
    lookout.begin()
    await until(async () => (await under()).length === 1 && lines.length > 0)
    await Promise.all([eraser.stop(), lookout.stop()])
    assert.deepEqual(await under(), [decodeId('usr', stuck.id)])
    const [{ msg, user, err }] = lines
    assert.deepEqual([msg, user, err.code], ['could not erase the data of a user', stuck.id, '57014'])
    await tamper(own, 'drop trigger kept on accounts')
    await aGateway({}, own.database)
    await until(async () => (await under()).length === 0)
  })

  it('are in no webhook of theirs that was waiting while they were erased, and none is made', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0', BGW_WEBHOOK_ALLOW_PRIVATE: 'true' })
    const [user, friend] = [await aUser(own), await aUser(own)]
    await user.post('/v1/payments', transfer(await user.account('USD'), await friend.account('USD'), '100.00'))
    const hook = { url: WORDS.webhook, events: ['*'], description: WORDS.description }
    const made = await erasedMeanwhile(own, user, 'POST /v1/webhooks', (headers) =>
      user.post('/v1/webhooks', hook, headers),
    )
    assertProblem(made, 'unauthenticated')
    assert.deepEqual(await rowsOf(own, 'select from webhooks'), [])
  })

  it('are in no answer that is kept for a key of theirs which was waiting while they were erased', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
    const [user, friend] = [await aUser(own), await aUser(own)]
    const [hers, his] = [await user.account('USD'), await friend.account('USD')]
    await user.post('/v1/payments', transfer(hers, his, '100.00'))
    const { body: held } = await friend.post('/v1/payments', { ...transfer(his, hers, '1.00'), capture: 'manual' })
    const canceled = await erasedMeanwhile(own, user, 'POST /v1/payments/:id/cancel', (headers) =>
      user.post(`/v1/payments/${held.id}/cancel`, {}, headers),
    )
    assert.deepEqual([canceled.status, canceled.body.status], [200, 'canceled'])
    assert.deepEqual(await rowsOf(own, 'select from idempotency_keys'), [])
    await assertBooksAreRight(own)
  })

  it('are in no second factor whose enrolment waited behind their erasure, and none is begun', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
    const [user, friend] = [await aUser(own), await aUser(own)]
    await user.post('/v1/payments', transfer(await user.account('USD'), await friend.account('USD'), '100.00'))
    const [erasing, enrolling] = await behindErasure(own, user, 'lock table second_factors in exclusive mode', () =>
      user.post('/v1/otp/enroll'),
    )
    assert.equal((await erasing).status, 202)
    assertProblem(await enrolling, 'unauthenticated')
    assert.deepEqual(await rowsOf(own, 'select from second_factors'), [])
  })

  it('are in no mail that waited behind their erasure, and to nobody none is sent', async () => {
    const own = await aGateway({ BGW_WELCOME_BONUS: '0', BGW_WEBHOOK_ALLOW_PRIVATE: 'true' })
    const [user, root] = [await aUser(own), await anOperator(own)]
    const { url } = await aReceiver(410)
    const { body: hook } = await user.post('/v1/webhooks', { url, events: ['*'] })
    await tamper(
      own,
      `create function later() returns trigger language plpgsql
         as $$ begin new.run_at = now() + interval '1 day'; return new; end $$;
       create trigger later before insert on graphile_worker._private_jobs for each row execute function later()`,
    )
    const waiting = async () => (await rowsOf(own, 'select from graphile_worker._private_jobs')).length
    await user.post(`/v1/webhooks/${hook.id}/ping`)
    await until(async () => (await waiting()) === 1)
    const newcomer = anEmail()
    for (const email of [user.email, newcomer]) {
      assert.equal((await own.anybody.post('/v1/signup', { email, password: PASSWORD })).status, 201)
    }
    assert.equal(await waiting(), 3)
    const { body: users } = await root.get('/v1/admin/users?role=user')
    for (const { id } of users.data) {
      assert.equal((await root.post(`/v1/admin/users/${id}/erase`, { reason: 'x' })).status, 202)
    }
    await tamper(
      own,
      'drop trigger later on graphile_worker._private_jobs; update graphile_worker._private_jobs set run_at = now()',
    )
    await until(async () => (await waiting()) === 0)
    assert.ok((await mailsTo(own, user.email)).some((mail) => mail.includes('Your data are erased')))
    assert.equal(users.data.length, 2)
    for (const { id } of users.data) assert.deepEqual(await mailsTo(own, `${id}@erased.invalid`), [])
  })

  it('are in no attempt of a webhook that was under way while they were erased', async () => {
    const own = await aGateway({ BGW_WELCOME_BONUS: '0', BGW_WEBHOOK_ALLOW_PRIVATE: 'true' })
    const [user, { url }] = [await aUser(own), await aReceiver(204)]
    const { body: hook } = await user.post('/v1/webhooks', { url, events: ['*'] })
    const { body: ping } = await user.post(`/v1/webhooks/${hook.id}/ping`)
    const sent = `select d.*, d.book as of, now()::text as claimed_until from webhook_deliveries d where d.status = 'succeeded'`
    const [delivery] = await until(async () => {
      const rows = await rowsOf(own, sent)
      return rows.length === 1 && rows
    })
    assert.equal(encodeId('dlv', delivery.id), ping.id)
    const send: Send = async () => {
      assert.equal((await erase(user)).status, 202)
      await until(async () => (await rowsOf(own, 'select from erasures')).length === 0)
      return { status: 204, headers: {}, body: WORDS.webhook, address: null, milliseconds: 1 }
    }
    const claimed = { ...delivery, url: WORDS.webhook, body: '{}' }
    await deliver({ ...own.inside, send, retriesMs: [1] }, delivery.of, claimed, new AbortController().signal)
    assert.deepEqual(await rowsOf(own, 'select from webhook_attempts'), [])
  })

  it('are in no schedule that is made behind their erasure, as its account is closed then', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
    const [user, friend] = [await aUser(own), await aUser(own)]
    const [hers, his] = [await user.account('USD'), await friend.account('USD')]
    await user.post('/v1/payments', transfer(hers, his, '100.00'))
    const starts_at = new Date(Date.now() + 86_400_000).toISOString()
    const wish = { ...transfer(hers, his, '1.00', { description: WORDS.description }), starts_at }
    const [erasing, planning] = await behindErasure(own, user, lockOf(hers), () => user.post('/v1/schedules', wish))
    assert.equal((await erasing).status, 202)
    assertProblem(await planning, 'account_closed')
    assert.deepEqual(await rowsOf(own, 'select from schedules'), [])
  })

  it('are in no schedule that is changed behind their erasure', async () => {
    const own = await aGateway({ BGW_TRANSFER_FEE_PERCENT: '0' })
    const [user, friend] = [await aUser(own), await aUser(own)]
    const [hers, his] = [await user.account('USD'), await friend.account('USD')]
    const starts_at = new Date(Date.now() + 86_400_000).toISOString()
    const { body: planned } = await user.post('/v1/schedules', { ...transfer(hers, his, '1.00'), starts_at })
    await user.post('/v1/payments', transfer(hers, his, '100.00'))
    assert.equal((await erase(user)).status, 202)
    await until(async () => (await rowsOf(own, 'select from erasures')).length === 0)
    const root = await anOperator(own)
    const texts = { description: WORDS.description, metadata: { note: WORDS.metadata } }
    const changed = await root.patch(`/v1/schedules/${planned.id}`, { amount: '2.00', ...texts })
    assert.deepEqual([changed.status, changed.body.amount], [200, '2.00'])
    assert.deepEqual([changed.body.description, changed.body.metadata], [null, {}])
    assert.deepEqual(await rowsOf(own, 'select description, metadata from schedules'), [
      { description: null, metadata: null },
    ])
  })

  it('are erased step by step, so that a node that ends leaves the rest to another', async () => {
    const first = await aGateway()
    const user = await aUser(first)
    const [hers, his] = [await user.account('USD'), await (await aUser(first)).account('USD')]
    await user.post('/v1/payments', transfer(hers, his, '100.00'))
    const under = () => rowsOf(first, 'select from erasures')
    let stopped: Promise<void> | undefined
    await locking(first, 'lock table idempotency_keys', async () => {
      assert.equal((await erase(user)).status, 202)
      await untilLocked(first, 1)
      stopped = first.inside.eraser.stop()
      return []
    })
    await stopped
    assert.equal((await under()).length, 1)
    await aGateway({}, first.database)
    await until(async () => (await under()).length === 0)
  })

  it('stand in no table in the clear', async () => {
    const { words } = await withTraces()
    await until(async () => (await tablesWith(words)).length === 0)
    assert.deepEqual(await tablesWith([bob.email]), [])
  })
})

describe('an export', () => {
  it('has all that is kept about a user, and no secret', async () => {
    const { user, id, words } = await withTraces()
    await fund(root, await user.account('USD'), '1.00')
    const lines = await until(async () => {
      const all = await exported(user)
      return all.some(({ kind }) => kind === 'event') && all
    })
    const kinds = new Set(lines.map(({ kind }) => kind))
    for (const kind of ['user', 'account', 'limits', 'payment', 'operation', 'schedule', 'token', 'webhook', 'audit']) {
      assert.ok(kinds.has(kind), kind)
    }
    assert.deepEqual(lines.at(-1), { kind: 'end', data: { records: lines.length - 1 } })
    assert.equal(lines[0].data.id, id)
    const text = JSON.stringify(lines)
    for (const word of words) assert.ok(text.includes(word), word)
    for (const secret of [user.token ?? '', 'bgw_main_', 'argon2', 'whsec_', PASSWORD, root.email]) {
      assert.ok(!text.includes(secret), secret)
    }
    const done = lines.find(({ kind, data }) => kind === 'audit' && data.detail.reason === 'Goodwill')
    assert.deepEqual([done?.data.action, done?.data.actor_id], ['adjustment.create', null])
    const byOperator = await exported(root, `/v1/admin/users/${id}/export`)
    assert.deepEqual(byOperator[0], lines[0])
    const { body: audit } = await root.get(`/v1/admin/audit?object_id=${id}&action=user.export`)
    assert.deepEqual(new Set(audit.data.map(({ actor_id }: any) => actor_id === id)), new Set([true, false]))
  })

  it('is for a fresh proof, of nobody else, and for operators and auditors', async () => {
    const user = await aUser(gateway)
    const scopes = ['accounts:read', 'payments:read']
    const { body: made } = await user.post('/v1/tokens', { name: 'old', scopes })
    const { body: me } = await user.get('/v1/me')
    const old = await fetch(`${gateway.url}/v1/me/export`, { headers: { authorization: `Bearer ${made.token}` } })
    assert.equal(((await old.json()) as { code: string }).code, 'fresh_proof_required')
    assertProblem(await bob.get(`/v1/admin/users/${me.id}/export`), 'forbidden')
    assertProblem(await root.get('/v1/admin/users/usr_1/export'), 'not_found')
    const ids = (await exported(user)).flatMap(({ kind, data }) => (kind === 'account' ? [data.user_id] : []))
    assert.deepEqual([...new Set(ids)], [me.id])
  })
})
