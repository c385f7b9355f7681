import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { makeOperator } from '../src/identity/operators.ts'
import { aClient } from './harness/client.ts'
import { exampleOf, readOperations } from './harness/document.ts'
import {
  aGateway,
  anEmail,
  anOperator,
  aUser,
  PASSWORD,
  type TestGateway,
  type TestUser,
  until,
} from './harness/gateway.ts'
import {
  allBalances,
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  rowsOf,
  transfer,
} from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
let adaUsd: string
let bobUsd: string
before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway, { allBooks: true }), aUser(gateway), aUser(gateway)])
  ;[adaUsd, bobUsd] = await Promise.all([ada.account('USD'), bob.account('USD')])
})

const auditOf = (query: string) => everyPage(operator, `/v1/admin/audit?${query}`)

describe('everything under /v1/admin', () => {
  it('is forbidden to whoever is no operator, and nothing comes of it', async () => {
    const earlier = await allBalances(gateway)
    const audited = (await auditOf('action[ne]=access.refuse')).length
    const calls = (await readOperations(gateway)).filter(({ isAdmin }) => isAdmin)
    assert.ok(calls.length >= 10)
    for (const { method, path, body } of calls) {
      const known = { account: adaUsd, from_account: adaUsd, to_account: bobUsd }
      const text = body && JSON.stringify(exampleOf(body.schema, known))
      const url = path.replace('{id}', adaUsd)
      const headers: Record<string, string> = body ? { 'content-type': body.type } : {}
      assertProblem(await ada.send(method, url, text, headers), 'forbidden')
      assertProblem(await ada.send(method, url, text, { ...headers, book: 'main' }), 'forbidden')
      assertProblem(await gateway.anybody.send(method, url, text, headers), 'unauthenticated')
    }
    assert.deepEqual(await allBalances(gateway), earlier)
    assert.equal((await auditOf('action[ne]=access.refuse')).length, audited)
    assert.equal((await ada.get(`/v1/accounts/${adaUsd}`)).body.status, 'active')
  })

  it('is forbidden to an operator whose token has not the scope', async () => {
    const scopes = ['accounts:read', 'payments:read', 'payments:write']
    const { body } = await operator.post('/v1/tokens', { name: 'narrow', scopes })
    const narrow = aClient(gateway.url, body.token)
    assertProblem(await narrow.get('/v1/admin/users'), 'forbidden')
    assertProblem(await narrow.get(`/v1/accounts/${adaUsd}`), 'not_found')
    assertProblem(await narrow.post('/v1/payments', transfer(adaUsd, bobUsd, '1.00')), 'not_found')
  })
})

describe('an operator', () => {
  it('sees all users, accounts, payments and operations of the book', async () => {
    const emails = (await everyPage(operator, '/v1/admin/users')).map(({ email }) => email)
    for (const { email } of [ada, bob, operator]) assert.ok(emails.includes(email))
    const [own] = await everyPage(operator, `/v1/admin/accounts?id=${adaUsd}`)
    assert.deepEqual(own, (await ada.get(`/v1/accounts/${adaUsd}`)).body)
    assert.deepEqual((await operator.get(`/v1/accounts/${adaUsd}`)).body, own)
    const { body: paid } = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, '10.00'))
    assert.deepEqual((await operator.get(`/v1/payments/${paid.id}`)).body, paid)
    assert.deepEqual(await everyPage(operator, `/v1/admin/payments?id=${paid.id}`), [paid])
    const sides = await everyPage(operator, `/v1/admin/operations?payment_id=${paid.id}`)
    assert.deepEqual(sides.map(({ kind, direction, amount }) => `${kind} ${direction} ${amount}`).sort(), [
      'fee credit 0.20',
      'fee debit 0.20',
      'transfer credit 9.80',
      'transfer debit 9.80',
    ])
  })

  it('sees technical accounts for every code in every currency, whose balances with those of users make zero', async () => {
    const codes = (await everyPage(operator, '/v1/admin/accounts?currency=USD')).map(({ code }) => code).filter(Boolean)
    assert.deepEqual(codes.sort(), ['crypto_currency', 'exchange', 'internal', 'suspense', 'wallet', 'wire'])
    for (const currency of ['USD', 'JPY', 'ETH']) {
      const accounts = await everyPage(operator, `/v1/admin/accounts?currency=${currency}`)
      const sum = accounts.reduce((total, { balance }) => total + BigInt(balance.replace('.', '')), 0n)
      assert.equal(sum, 0n)
    }
  })

  it('is told the balance of a technical account at any time', async () => {
    const [internal] = await everyPage(operator, '/v1/admin/accounts?currency=USD&code=internal')
    const balance = async (at: string) =>
      (await operator.get(`/v1/accounts/${internal.id}/balance?at=${at}`)).body.balance
    const { body: payment } = await ada.post('/v1/payments', transfer(adaUsd, bobUsd, '10.00'))
    const behind = await balance(payment.completed_at)
    await fund(operator, adaUsd, '7.00')
    assert.equal(await balance(payment.completed_at), behind)
    assert.equal(Number(behind) - Number((await operator.get(`/v1/accounts/${internal.id}`)).body.balance), 7)
    assert.equal(await balance('2001-01-01T00:00:00Z'), '0.00')
    assertProblem(await ada.get(`/v1/accounts/${internal.id}`), 'not_found')
  })

  it('pays on behalf of a user, which is audited with who, what and by which request', async () => {
    const wish = transfer(adaUsd, bobUsd, '1.00')
    const { status, body } = await operator.post('/v1/payments', wish, { 'x-request-id': 'on-behalf-1' })
    assert.deepEqual([status, body.status, body.sender, body.fee], [201, 'completed', ada.email, '0.02'])
    const [line] = await auditOf('request_id=on-behalf-1')
    assert.deepEqual([line.action, line.actor, line.object_id], ['payment.on_behalf', operator.email, body.id])
    assert.match(line.token_id, /^tok_/)
    assert.equal(line.address, '127.0.0.1')
    const many = await operator.post('/v1/payments/bulk', { payments: [wish, wish] }, { 'x-request-id': 'on-behalf-2' })
    assert.deepEqual(
      many.body.data.map(({ status }: any) => status),
      [201, 201],
    )
    assert.equal((await auditOf('request_id=on-behalf-2')).length, 2)
    const later = await operator.post('/v1/payments', wish, { 'x-request-id': 'on-behalf-3', prefer: 'wait=30' })
    assert.equal(later.status, 201)
    assert.equal((await auditOf('request_id=on-behalf-3')).length, 1)
    await ada.post('/v1/payments', wish, { 'x-request-id': 'own' })
    assert.deepEqual(await auditOf('request_id=own'), [])
  })
})

describe('an adjustment', () => {
  const adjust = (more: object, headers: Record<string, string> = {}) =>
    operator.post(
      '/v1/admin/adjustments',
      { account: adaUsd, amount: '5.00', direction: 'debit', reason: 'Cash', ...more },
      headers,
    )

  it('puts money into an account or takes it out, with a reason', async () => {
    const account = await anAccount(ada)
    const { status, body } = await adjust({ account, reason: 'Cash deposit, receipt 1815' })
    assert.deepEqual([status, body.kind, body.status, body.fee], [201, 'adjustment', 'completed', '0.00'])
    assert.deepEqual(
      [body.sender, body.receiver, body.description],
      ['internal', ada.email, 'Cash deposit, receipt 1815'],
    )
    assert.equal(await ada.balance(account), '5.00')
    const out = await adjust({ account, amount: '2.00', direction: 'credit' })
    assert.deepEqual([out.body.status, out.body.sender, out.body.receiver], ['completed', ada.email, 'internal'])
    assert.equal(await ada.balance(account), '3.00')
    const tooMuch = await adjust({ account, amount: '3.01', direction: 'credit' })
    assert.deepEqual([tooMuch.status, tooMuch.body.decline_reason], [201, 'insufficient_funds'])
  })

  it('is audited: who, what, why, from where and by which request', async () => {
    const { body } = await adjust({ reason: 'Audit me' }, { 'x-request-id': 'adjust-1' })
    const [line, ...more] = await auditOf('request_id=adjust-1')
    assert.deepEqual(more, [])
    assert.deepEqual(
      [line.actor, line.action, line.object_id, line.address],
      [operator.email, 'adjustment.create', body.id, '127.0.0.1'],
    )
    assert.deepEqual(line.detail, { account: adaUsd, amount: '5.00', direction: 'debit', reason: 'Audit me' })
    assert.deepEqual(await auditOf(`object_id=${body.id}`), [line])
  })

  it('is made once for one idempotency key', async () => {
    const account = await anAccount(ada)
    const key = { 'idempotency-key': 'adjust once' }
    const [first, second] = await Promise.all([adjust({ account }, key), adjust({ account }, key)])
    assert.equal(first.body.id, second.body.id)
    assert.equal(await ada.balance(account), '5.00')
    assertProblem(await adjust({ account, amount: '6.00' }, key), 'idempotency_key_reused')
  })

  it('needs a reason, a user’s account and an amount of its currency', async () => {
    const [wire] = await everyPage(operator, '/v1/admin/accounts?currency=USD&code=wire')
    assertProblem(await adjust({ reason: undefined }), 'missing_field')
    assertProblem(await adjust({ reason: '' }), 'invalid_value')
    assertProblem(await adjust({ account: wire.id }), 'not_found')
    assertProblem(await adjust({ amount: '1.001' }), 'invalid_amount')
    assertProblem(await adjust({ direction: 'up' }), 'invalid_value')
  })
})

describe('freezing an account', () => {
  const change = (verb: string, id: string, reason = 'A court order') =>
    operator.post(`/v1/admin/accounts/${id}/${verb}`, { reason }, { 'x-request-id': `${verb}-${id}` })

  it('keeps money from leaving until it is unfrozen, and both are audited', async () => {
    const account = await anAccount(ada)
    await fund(operator, account, '10.00')
    const pay = async () => (await ada.post('/v1/payments', transfer(account, bobUsd, '1.00'))).body
    assert.equal((await change('freeze', account)).body.status, 'frozen')
    assert.equal((await ada.get(`/v1/accounts/${account}`)).body.status, 'frozen')
    assert.equal((await pay()).decline_reason, 'account_frozen')
    assert.equal((await change('unfreeze', account, 'Order lifted')).body.status, 'active')
    assert.equal((await pay()).status, 'completed')
    const lines = await auditOf(`object_id=${account}&sort=created_at`)
    const as = (status: string) => ({ status, refuse_incoming: false, overdraft_limit: '0.00' })
    assert.deepEqual(
      lines.map(({ action, actor, request_id, detail }) => ({ action, actor, request_id, detail })),
      [
        {
          action: 'account.freeze',
          actor: operator.email,
          request_id: `freeze-${account}`,
          detail: { reason: 'A court order', before: as('active'), after: as('frozen') },
        },
        {
          action: 'account.unfreeze',
          actor: operator.email,
          request_id: `unfreeze-${account}`,
          detail: { reason: 'Order lifted', before: as('frozen'), after: as('active') },
        },
      ],
    )
  })

  it('again changes nothing', async () => {
    const account = await anAccount(ada)
    const first = await change('freeze', account)
    const second = await change('freeze', account)
    assert.deepEqual([second.status, second.body], [200, first.body])
    assert.equal((await auditOf(`object_id=${account}`)).length, 1)
  })

  it('is no more than a user’s account can have done to it', async () => {
    const [wire] = await everyPage(operator, '/v1/admin/accounts?currency=USD&code=wire')
    assertProblem(await change('freeze', wire.id), 'not_found')
    assertProblem(await change('freeze', 'acc_01k3v5f2q8e8pv0z3m0c6b7d1e'), 'not_found')
    const account = await anAccount(ada)
    await ada.post(`/v1/accounts/${account}/close`)
    assertProblem(await change('freeze', account), 'account_closed')
  })
})

describe('importing users', () => {
  async function imported(lines: readonly unknown[], headers: Record<string, string> = {}): Promise<any[]> {
    const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')
    const type = { 'content-type': 'application/x-ndjson' }
    const {
      status,
      headers: got,
      body,
    } = await operator.send('POST', '/v1/admin/users/import', text, { ...type, ...headers })
    assert.deepEqual([status, got.get('content-type')], [200, 'application/x-ndjson'])
    if (typeof body !== 'string') return [body]
    return body
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  }

  it('makes confirmed users with accounts, names and opening balances', async () => {
    const email = anEmail('imported')
    const accounts = [
      { currency: 'CZK', name: 'Běžný účet', opening_balance: '1234.50', metadata: { old: '1787' } },
      { currency: 'CZK' },
      { currency: 'JPY', opening_balance: '0' },
    ]
    const [outcome] = await imported([{ email, accounts }], { 'x-request-id': 'import-1' })
    assert.deepEqual([outcome.status, outcome.email], [201, email])
    assert.deepEqual(
      outcome.accounts.map(({ currency, name }: any) => [currency, name]),
      [
        ['CZK', 'Běžný účet'],
        ['CZK', 'CZK'],
        ['JPY', 'JPY'],
      ],
    )
    const [first] = await everyPage(operator, `/v1/admin/accounts?id=${outcome.accounts[0].id}`)
    assert.deepEqual([first.balance, first.metadata, first.user_id], ['1234.50', { old: '1787' }, outcome.user_id])
    const [user] = await everyPage(operator, `/v1/admin/users?email=${email}`)
    assert.equal(user.id, outcome.user_id)
    assert.notEqual(user.confirmed_at, null)
    const openings = await everyPage(operator, `/v1/admin/payments?to_account=${first.id}`)
    assert.deepEqual(
      openings.map(({ kind, amount, status }) => [kind, amount, status]),
      [['adjustment', '1234.50', 'completed']],
    )
    const [line] = await auditOf('request_id=import-1')
    assert.deepEqual([line.action, line.actor], ['user.import', operator.email])
    assert.deepEqual(line.detail, { users: 1, accounts: 3, opening_balances: 1 })
  })

  it('can be paid to, and has no password that anybody could know', async () => {
    const email = anEmail('imported')
    const [outcome] = await imported([{ email, accounts: [{ currency: 'USD' }] }])
    const [account] = outcome.accounts
    assert.deepEqual((await ada.get(`/v1/recipients?email=${email}`)).body.data, [{ id: account.id, currency: 'USD' }])
    assert.equal((await ada.post('/v1/payments', transfer(adaUsd, account.id, '1.00'))).body.status, 'completed')
    for (const password of ['', PASSWORD, 'null']) {
      assertProblem(await gateway.anybody.post('/v1/login', { email, password }), 'invalid_credentials')
    }
  })

  it('may be repeated: who is there already is left as they are', async () => {
    const emails = [anEmail('imported'), anEmail('imported')]
    const lines = emails.map((email) => ({ email, accounts: [{ currency: 'USD', opening_balance: '5.00' }] }))
    const first = await imported(lines.slice(0, 1))
    const again = await imported([...lines, { email: emails[0]?.toUpperCase(), accounts: [{ currency: 'EUR' }] }])
    assert.deepEqual(
      again.map(({ status }) => status),
      [200, 201, 200],
    )
    assert.deepEqual(again[0].accounts, first[0].accounts)
    assert.deepEqual(again[2].accounts, first[0].accounts)
    assert.equal((await everyPage(operator, `/v1/admin/accounts?id=${first[0].accounts[0].id}`))[0].balance, '5.00')
    // Also somebody who signed up.
    const [known] = await imported([{ email: bob.email, accounts: [{ currency: 'USD', opening_balance: '1000.00' }] }])
    assert.equal(known.status, 200)
    assert.equal(known.accounts.length, 3)
    assert.ok(known.accounts.some(({ id }: any) => id === bobUsd))
  })

  it('keeps the address as the first of two lines has it, which is the one that makes the user', async () => {
    const [email, other] = [anEmail('Imported'), anEmail('imported')]
    const outcomes = await imported([{ email }, { email: email.toUpperCase() }, { email: other }])
    assert.deepEqual(
      outcomes.map((outcome) => [outcome.status, outcome.email]),
      [
        [201, email],
        [200, email],
        [201, other],
      ],
    )
  })

  it('made twice at once makes each user once', async () => {
    const lines = Array.from({ length: 50 }, () => ({
      email: anEmail('twin'),
      accounts: [{ currency: 'USD', opening_balance: '1.00' }],
    }))
    const [one, two] = await Promise.all([imported(lines), imported([...lines].reverse())])
    const statuses = [...one, ...two].map(({ status }) => status)
    assert.deepEqual([statuses.filter((status) => status === 201).length, statuses.length], [50, 100])
    assert.deepEqual(
      one.map(({ user_id }) => user_id),
      two.map(({ user_id }) => user_id).reverse(),
    )
    const [{ total }] = await rowsOf(
      gateway,
      `select sum(balance)::text as total from accounts a join users u on u.id = a.user_id where decrypted(u.book, u.id, u.email) like 'twin-%'`,
    )
    assert.equal(total, '5000')
  })

  it('answers each line in order, and lets no wrong line stop the others', async () => {
    const [good, last] = [anEmail('imported'), anEmail('imported')]
    const outcomes = await imported([
      { email: good },
      '{"email": "x@example.com"',
      { email: 'no address' },
      { email: anEmail(), accounts: [{ currency: 'ZZZ' }] },
      { email: anEmail(), accounts: [{ currency: 'USD', opening_balance: '1.001' }] },
      { email: anEmail(), accounts: [{ currency: 'USD', opening_balance: '-1' }] },
      { email: anEmail(), password: 'x' },
      '[]',
      { email: last, accounts: [] },
    ])
    assert.deepEqual(
      outcomes.map(({ status, error }) => error?.code ?? status),
      [
        201,
        'malformed_body',
        'invalid_value',
        'unknown_currency',
        'invalid_amount',
        'invalid_amount',
        'unknown_field',
        'invalid_type',
        201,
      ],
    )
  })

  it('takes NDJSON and nothing else', async () => {
    assertProblem(await operator.post('/v1/admin/users/import', { email: anEmail() }), 'unsupported_media_type')
  })
})

describe('making an operator', () => {
  it('promotes a user, who logs in with the new password: their older sessions and tokens have ended; audited', async () => {
    const book = await gateway.inside.books.find('main')
    assert.ok(book)
    const user = await aUser(gateway)
    assertProblem(await user.get('/v1/admin/users'), 'forbidden')
    const token = await makeOperator(gateway.inside, book, user.email, 'another password', false, 1)
    const promoted = aClient(gateway.url, token)
    assert.equal((await promoted.get('/v1/admin/users')).status, 200)
    assert.equal((await promoted.get('/v1/me')).body.role, 'admin')
    await until(async () => (await user.get('/v1/me')).status === 401)
    const login = await gateway.anybody.post('/v1/login', { email: user.email, password: 'another password' })
    assert.ok(login.body.scopes.includes('admin'))
    const [line] = await auditOf('action=user.make_operator&sort=-created_at')
    assert.deepEqual([line.actor, line.detail.email, line.detail.made], [null, user.email, false])
  })

  it('of one book gives no book to make', async () => {
    const local = await anOperator(gateway)
    assertProblem(await local.post('/v1/admin/books', { name: 'mine' }), 'forbidden')
    const { status, body } = await operator.post('/v1/admin/books', { name: 'ours', currencies: ['USD', 'JPY'] })
    assert.deepEqual([status, body], [201, { name: 'ours', currencies: ['USD', 'JPY'] }])
    assertProblem(await operator.post('/v1/admin/books', { name: 'ours' }), 'book_exists')
    assertProblem(await operator.post('/v1/admin/books', { name: 'theirs', currencies: ['ZZZ'] }), 'unknown_currency')
    const lines = await everyPage(aClient(gateway.url, operator.token), '/v1/admin/audit?action=book.create')
    assert.ok(
      lines.every(({ detail }) => detail.name !== 'ours'),
      'the line stands in the book that it is about',
    )
  })
})

it('operators leave the books right', () => assertBooksAreRight(gateway))
