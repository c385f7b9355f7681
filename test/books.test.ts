import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { makeOperator } from '../src/identity/operators.ts'
import { aClient, type Client, type Reply } from './harness/client.ts'
import { exampleOf, JSON_TYPE, type Operation, problemsOf, readOperations, recordsOf } from './harness/document.ts'
import {
  aGateway,
  anEmail,
  anOperator,
  aUser,
  loggedIn,
  PASSWORD,
  type TestGateway,
  type TestUser,
  until,
} from './harness/gateway.ts'
import { locking, lockOf, sessionsWhere, WAITS_FOR_LOCK } from './harness/paying.ts'

const OTHER = 'other'

/** A book with two users, a payment between them and an operator; and the names of all that no other book may see. */
type World = {
  readonly book: string
  readonly user: TestUser
  readonly friend: TestUser
  readonly operator: Client
  readonly userId: string
  readonly account: string
  readonly friendAccount: string
  readonly payment: string
  readonly token: string
  /** All ids of the book that its operator sees, and the e-mail addresses. */
  readonly secrets: ReadonlySet<string>
}

/** Whether an answer of the call has an end: that of a stream has not. */
function ends({ id }: Operation): boolean {
  return id !== 'streamEvents'
}

describe('a book', () => {
  let gateway: TestGateway
  let root: TestUser
  let main: World
  let other: World
  let operations: Operation[]

  before(async () => {
    gateway = await aGateway()
    root = await anOperator(gateway, { allBooks: true })
    const { status } = await root.post('/v1/admin/books', { name: OTHER })
    assert.equal(status, 201)
    main = await aWorld('main')
    other = await aWorld(OTHER)
    operations = await readOperations(gateway)
  })

  async function aWorld(book: string): Promise<World> {
    const [user, friend] = await Promise.all([
      aUser(gateway, anEmail(`${book}-user`), book),
      aUser(gateway, anEmail(`${book}-friend`), book),
    ])
    const found = await gateway.inside.books.find(book)
    assert.ok(found)
    const email = anEmail(`${book}-operator`)
    const operator = aClient(gateway.url, await makeOperator(gateway.inside, found, email, PASSWORD, false, 1))
    const [account, friendAccount] = await Promise.all([user.account('USD'), friend.account('USD')])
    const paid = await user.post('/v1/payments', { from_account: account, to_account: friendAccount, amount: '1.00' })
    assert.equal(paid.body.status, 'completed')
    const made = await user.post('/v1/tokens', { name: 'second', scopes: ['payments:read'] })
    const me = await user.get('/v1/me')
    const lists = await Promise.all(
      ['users', 'accounts', 'payments', 'operations', 'audit'].map((list) =>
        operator.get(`/v1/admin/${list}?limit=200`),
      ),
    )
    // Of `main`, the operator of all books is known in each book that it made.
    assert.ok(lists.every(({ body }) => body.data.length > 0))
    const known = new Set([root.email, (await root.get('/v1/me')).body.id])
    const secrets = new Set([made.body.id, ...lists.flatMap(({ body }) => namesIn(body))])
    return {
      ...{ book, user, friend, operator, userId: me.body.id, account, friendAccount },
      ...{ payment: paid.body.id, token: made.body.id, secrets: secrets.difference(known) },
    }
  }

  /** Pairs of a world and the one that it must not reach, both ways. */
  const bothWays = () => [
    { from: main, to: other },
    { from: other, to: main },
  ]

  /** Both who may do little and who may do all in a book: the first token may not call what operators call. */
  const callers = (world: World) => [world.user, world.operator]

  /** That an answer holds nothing of the other world, besides what the caller has said itself. */
  function assertNothingOf(world: World, reply: Reply, said: string, about: string): void {
    const text = JSON.stringify(reply.body) + JSON.stringify([...reply.headers])
    for (const secret of world.secrets) {
      if (!said.includes(secret)) assert.ok(!text.includes(secret), `${about} tells ${secret}: ${text}`)
    }
  }

  function assertUnreached(reply: Reply, about: string): void {
    const outcomes = reply.status === 200 ? recordsOf(reply) : []
    const statuses = outcomes.length > 0 ? outcomes.map(({ status }) => status) : [reply.status]
    problemsOf(reply)
    for (const status of statuses) {
      assert.ok([400, 401, 403, 404].includes(status), `${about}: ${reply.status} ${JSON.stringify(reply.body)}`)
    }
  }

  function send(caller: Client, operation: Operation, path: string, body?: unknown, headers = {}): Promise<Reply> {
    const type = operation.body && { 'content-type': operation.body.type ?? JSON_TYPE }
    const text = body === undefined ? undefined : JSON.stringify(body)
    return caller.send(operation.method, path, text, { ...type, ...headers })
  }

  async function stateOf({ operator, user }: World): Promise<string> {
    const paths = ['/v1/admin/accounts?limit=200&sort=id', '/v1/admin/payments?limit=200&sort=id']
    const replies = await Promise.all(paths.map((path) => operator.get(path)))
    const tokens = await user.get('/v1/tokens?limit=200&sort=id')
    const ids = tokens.body.data.map(({ id }: any) => id)
    return JSON.stringify([...replies.map(({ body }) => body), ids])
  }

  it('is out of reach by the ids in a path, of every call', async () => {
    for (const { from, to } of bothWays()) {
      const untouched = await stateOf(to)
      for (const operation of operations.filter(({ inPath }) => inPath.length > 0)) {
        for (const caller of callers(from)) {
          for (const id of [to.account, to.friendAccount, to.payment, to.token, to.userId]) {
            const body = operation.body && exampleOf(operation.body.schema)
            const path = operation.path.replace('{id}', id)
            const reply = await send(caller, operation, path, body)
            assertUnreached(reply, `${operation.id} ${id}`)
            if (caller === from.operator || !operation.isAdmin) assert.equal(reply.status, 404, operation.id)
            assertNothingOf(to, reply, id, operation.id)
          }
        }
      }
      assert.equal(await stateOf(to), untouched)
    }
  })

  it('is out of reach by the filters and cursors of every list', async () => {
    let turn = 0
    for (const { from, to } of bothWays()) {
      const values = [to.account, to.payment, to.token, to.userId, to.user.email, to.book]
      for (const operation of operations.filter(({ query }) => query.length > 0)) {
        const path = operation.path.replace('{id}', from.account)
        for (const caller of callers(from)) {
          for (const name of operation.query) {
            // What may name somebody meets all that names somebody; any other field, which refuses it, one of them.
            const mayName = /id$|account|email|sender|receiver|actor|book|object|cursor|user/.test(name)
            turn += 1
            for (const value of mayName ? values : [values[turn % values.length] ?? '']) {
              const query = `${name}=${encodeURIComponent(value)}`
              const reply = await send(caller, operation, `${path}?${query}`)
              assertNothingOf(to, reply, value, `${operation.id} ${query}`)
              if (reply.status !== 200) assertUnreached(reply, `${operation.id} ${query}`)
              else if (value !== to.book) assert.deepEqual(reply.body.data, [], `${operation.id} ${query}`)
            }
          }
          if (!operation.query.includes('cursor')) continue
          const { body } = await to.operator.get(`/v1/admin/${operation.path.split('/').at(-1)}?limit=1`)
          if (!body.next_cursor) continue
          const cursor = encodeURIComponent(body.next_cursor)
          assertNothingOf(to, await send(caller, operation, `${path}?cursor=${cursor}&limit=200`), '', operation.id)
        }
      }
    }
  })

  it('shows nothing of itself in the lists of another, and all of it in its own', async () => {
    for (const { from, to } of bothWays()) {
      for (const operation of operations.filter(
        (each) => each.method === 'GET' && each.inPath.length === 0 && ends(each),
      )) {
        for (const caller of callers(from)) {
          const query = operation.query.includes('limit') ? '?limit=200' : ''
          assertNothingOf(to, await send(caller, operation, operation.path + query), '', operation.id)
        }
      }
      const { body } = await from.operator.get('/v1/admin/users?limit=200')
      const emails = body.data.map(({ email }: any) => email)
      assert.ok([from.user.email, from.friend.email].every((email) => emails.includes(email)))
    }
  })

  it('is out of reach by the ids in a body, of every call', async () => {
    for (const { from, to } of bothWays()) {
      const [untouched, own] = [await stateOf(to), await stateOf(from)]
      let calls = 0
      for (const operation of operations.filter(({ body }) => body && /"acc_id"/.test(JSON.stringify(body.schema)))) {
        for (const caller of callers(from)) {
          for (const ids of [
            { from_account: to.account, to_account: to.friendAccount, account: to.account, account_id: to.account },
            { from_account: from.account, to_account: to.account, account: to.account, account_id: to.account },
            { from_account: to.account, to_account: from.account, account: to.account, account_id: to.account },
          ]) {
            const reply = await send(caller, operation, operation.path, exampleOf(operation.body?.schema, ids))
            assertUnreached(reply, operation.id)
            assertNothingOf(to, reply, JSON.stringify(ids), operation.id)
            calls += 1
          }
        }
      }
      assert.ok(calls >= 24, String(calls))
      assert.deepEqual([await stateOf(to), await stateOf(from)], [untouched, own])
    }
  })

  it('is out of reach by the header Book, but for operators of all books', async () => {
    for (const { from, to } of bothWays()) {
      for (const operation of operations.filter(({ isPublic }) => !isPublic)) {
        for (const caller of callers(from)) {
          const path = operation.path.replace('{id}', to.account)
          const ids = { from_account: to.account, to_account: to.friendAccount, account: to.account }
          const body = operation.body && exampleOf(operation.body.schema, ids)
          for (const book of [to.book, 'nowhere', 'Main', '', `${from.book},${to.book}`]) {
            const reply = await send(caller, operation, path, body, { book })
            assert.equal(reply.status, 403, `${operation.id} ${book} ${JSON.stringify(reply.body)}`)
            assertNothingOf(to, reply, JSON.stringify(ids), operation.id)
          }
        }
      }
    }
  })

  it('is where an operator of all books is whose header Book names it, and nowhere else', async () => {
    for (const { from, to } of bothWays()) {
      const account = await root.get(`/v1/accounts/${to.account}`, { book: to.book })
      assert.equal(account.body.id, to.account)
      const elsewhere = await root.get(`/v1/accounts/${to.account}`, { book: from.book })
      assert.equal(elsewhere.status, 404)
      for (const operation of operations.filter(
        ({ isAdmin, method, inPath }) => isAdmin && method === 'GET' && inPath.length === 0,
      )) {
        const all = operation.query.includes('limit') ? '?limit=200' : ''
        const reply = await root.get(`${operation.path}${all}`, { book: from.book })
        assert.equal(reply.status, 200)
        assertNothingOf(to, reply, '', operation.id)
      }
      const nowhere = await root.get('/v1/admin/accounts', { book: 'nowhere' })
      assert.equal(nowhere.status, 404)
    }
    const home = await root.get('/v1/admin/users?limit=200')
    assertNothingOf(other, home, '', 'without the header')
  })

  it('keeps its money where an operator of all books adjusts an account of it', async () => {
    const body = { account: other.friendAccount, amount: '5.00', direction: 'debit', reason: 'across' }
    const untouched = await stateOf(main)
    const wrong = await root.post('/v1/admin/adjustments', body)
    assert.equal(wrong.status, 404)
    const right = await root.post('/v1/admin/adjustments', body, { book: OTHER })
    assert.equal(right.body.status, 'completed')
    assert.equal(await stateOf(main), untouched)
    const { body: lines } = await other.operator.get('/v1/admin/audit?action=adjustment.create')
    assert.equal(lines.data.length, 1)
  })

  it('is made only by operators of all books', async () => {
    for (const caller of [main.user, main.operator, other.operator]) {
      const { status } = await caller.post('/v1/admin/books', { name: 'third' })
      assert.equal(status, 403)
    }
    const { status, body } = await root.post('/v1/admin/books', { name: OTHER })
    assert.deepEqual([status, body.code], [409, 'book_exists'])
  })

  it('knows its users by their own address and password, whoever has the same address elsewhere', async () => {
    const email = anEmail('twin')
    const here = await aUser(gateway, email, 'main')
    assert.equal((await logIn(email, OTHER)).status, 401)
    const there = await aUser(gateway, email, OTHER)
    const [one, two] = await Promise.all([here.get('/v1/me'), there.get('/v1/me')])
    assert.deepEqual([one.body.email, two.body.email], [email, email])
    assert.deepEqual([one.body.book, two.body.book], ['main', OTHER])
    assert.notEqual(one.body.id, two.body.id)
    const again = await loggedIn(gateway, email, OTHER)
    assert.equal((await again.get('/v1/me')).body.id, two.body.id)
    const { body } = await main.user.get(`/v1/recipients?email=${email}`)
    const own = (await here.get('/v1/accounts')).body.data.map(({ id }: any) => id)
    assert.deepEqual(body.data.map(({ id }: any) => id).sort(), own.sort())
  })

  it('is the only one in which its users log in, confirm and are known', async () => {
    for (const { from, to } of bothWays()) {
      assert.equal((await logIn(to.user.email, from.book)).status, 401)
      assert.equal((await logIn(to.user.email, 'nowhere')).status, 401)
      assert.equal((await logIn(to.user.email, to.book)).status, 201)
      const token = (to.user.token ?? '').replace(`bgw_${to.book}_`, `bgw_${from.book}_`)
      assert.notEqual(token, to.user.token)
      assert.equal((await aClient(gateway.url, token).get('/v1/me')).status, 401)
    }
  })

  function logIn(email: string, book: string): Promise<Reply> {
    return gateway.anybody.post('/v1/login', { email, password: PASSWORD, book })
  }

  it('waits for no other: where what is due in one cannot be done, the next has its turn', async () => {
    const soon = () => new Date(Date.now() + 2_000).toISOString()
    const later = { prefer: 'respond-async' }
    const payment = ({ account, friendAccount }: World) =>
      ({ from_account: account, to_account: friendAccount, amount: '1.00' }) as const
    const hold = (world: World) =>
      world.user.post('/v1/payments', { ...payment(world), capture: 'manual', expires_at: soon() })
    const plan = (world: World) => world.user.post('/v1/schedules', { ...payment(world), starts_at: soon() })
    await Promise.all([hold(main), plan(main)])

    await locking(gateway, lockOf(main.account), async () => {
      const first = await main.user.post('/v1/payments', payment(main), later)
      const calls = [other.user.post('/v1/payments', payment(other), later), hold(other), plan(other)]
      const [paid, held, planned] = await Promise.all(calls)
      const isDone = async (path: string, status: string) => (await other.user.get(path)).body.status === status
      await until(async () => {
        // As where the lock is kept for longer than a statement may take, again and again.
        await sessionsWhere(gateway, `case when ${WAITS_FOR_LOCK} then pg_cancel_backend(pid) end`)
        return (
          (await isDone(`/v1/payments/${paid?.body.id}`, 'completed')) &&
          (await isDone(`/v1/payments/${held?.body.id}`, 'expired')) &&
          (await isDone(`/v1/schedules/${planned?.body.id}`, 'ended'))
        )
      })
      const { body } = await main.user.get(`/v1/payments/${first.body.id}`)
      assert.equal(body.status, 'initiated')
      return []
    })
  })

  it('has idempotency keys of its own', async () => {
    const ids = []
    for (const { user, account, friendAccount } of [main, other]) {
      const body = { from_account: account, to_account: friendAccount, amount: '2.00' }
      const reply = await user.post('/v1/payments', body, { 'idempotency-key': 'the-same' })
      assert.equal(reply.status, 201)
      assert.equal(reply.headers.get('idempotent-replayed'), null)
      ids.push(reply.body.id)
    }
    assert.notEqual(ids[0], ids[1])
  })
})

/** Every id and address in an answer. */
function namesIn(body: unknown): string[] {
  return JSON.stringify(body).match(/\b[a-z]{3}_[0-9a-z]{26}\b|[\w.-]+@example\.com/g) ?? []
}
