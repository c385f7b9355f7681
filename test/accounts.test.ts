import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { decodeId } from '../src/ledger/typeid.ts'
import { aClient } from './harness/client.ts'
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
import { anAccount, assertBooksAreRight, assertProblem, fund, rowsOf, transfer } from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
})

describe('a new user', () => {
  it('has an account in each default currency, and a welcome bonus of 100.00 USD', async () => {
    const user = await aUser(gateway)
    const { body } = await user.get('/v1/accounts?sort=created_at')
    const shown = body.data.map(({ currency, balance, held, available, status }: any) => [
      currency,
      balance,
      held,
      available,
      status,
    ])
    assert.deepEqual(shown, [
      ['USD', '100.00', '0.00', '100.00', 'active'],
      ['EUR', '0.00', '0.00', '0.00', 'active'],
      ['CNY', '0.00', '0.00', '0.00', 'active'],
    ])
    const [bonus] = (await user.get('/v1/payments')).body.data
    assert.deepEqual([bonus.kind, bonus.status, bonus.amount, bonus.fee], ['bonus', 'completed', '100.00', '0.00'])
    assert.deepEqual([bonus.sender, bonus.receiver], ['internal', user.email])
  })

  it('gets what the settings say: other currencies, another bonus', async () => {
    const other = await aGateway({ BGW_DEFAULT_CURRENCIES: 'JPY,BTC', BGW_WELCOME_BONUS: '0.001 BTC' })
    const { body } = await (await aUser(other)).get('/v1/accounts?sort=created_at')
    assert.deepEqual(
      body.data.map(({ currency, balance }: any) => [currency, balance]),
      [
        ['JPY', '0'],
        ['BTC', '0.00100000'],
      ],
    )
    await other.stop()
  })
})

describe('an account', () => {
  it('is opened with a name and metadata of its own, several in one currency', async () => {
    const wish = { currency: 'USD', name: 'Savings', metadata: { goal: 'boat ⛵', ['__proto__']: 'kept' } }
    const { status, body } = await ada.post('/v1/accounts', wish)
    assert.equal(status, 201)
    assert.deepEqual([body.name, body.currency, body.balance, body.overdraft_limit], ['Savings', 'USD', '0.00', '0.00'])
    assert.deepEqual(body.metadata, wish.metadata)
    assert.equal(body.code, null)
    assert.equal(body.user_id, (await ada.get('/v1/me')).body.id)
    const found = await ada.get(`/v1/accounts/${body.id}`)
    assert.deepEqual(found.body, body)
    assert.equal((await ada.get('/v1/accounts?currency=USD')).body.data.length, 2)
  })

  it('shows exactly the digits of its currency', async () => {
    const user = await aUser(gateway)
    for (const [currency, balance] of [
      ['JPY', '0'],
      ['KWD', '0.000'],
      ['USDC', '0.000000'],
      ['BTC', '0.00000000'],
      ['ETH', '0.000000000000000000'],
    ]) {
      assert.equal((await user.post('/v1/accounts', { currency })).body.balance, balance)
    }
  })

  it('is opened in no currency that the book does not have', async () => {
    assertProblem(await ada.post('/v1/accounts', { currency: 'ZZZ' }), 'unknown_currency')
    assertProblem(await ada.post('/v1/accounts', { currency: 'usd' }), 'invalid_value')
  })

  it('is opened once for one idempotency key', async () => {
    const open = (body: object) => ada.post('/v1/accounts', body, { 'idempotency-key': 'savings' })
    const [first, second] = await Promise.all([open({ currency: 'EUR' }), open({ currency: 'EUR' })])
    assert.deepEqual([first.status, first.body], [second.status, second.body])
    const third = await open({ currency: 'EUR' })
    assert.deepEqual([third.body.id, third.headers.get('idempotent-replayed')], [first.body.id, 'true'])
    assertProblem(await open({ currency: 'CNY' }), 'idempotency_key_reused')
    // One user's key is nothing to another's.
    const others = await bob.post('/v1/accounts', { currency: 'CNY' }, { 'idempotency-key': 'savings' })
    assert.equal(others.headers.get('idempotent-replayed'), null)
  })

  it('has a key that is forgotten after a week, as it moves no money', async () => {
    const open = () => ada.post('/v1/accounts', { currency: 'EUR', name: 'Old' }, { 'idempotency-key': 'old' })
    const { body: first } = await open()
    const wish = { account: first.id, amount: '1.00', direction: 'debit', reason: 'A gift' }
    const give = () => operator.post('/v1/admin/adjustments', wish, { 'idempotency-key': 'gift' })
    const { body: gift } = await give()
    await rowsOf(gateway, `update idempotency_keys set expires_at = now() where expires_at > now() + interval '6 days'`)
    // It looks when it starts.
    await aGateway({}, gateway.database)
    await until(
      async () => (await rowsOf(gateway, 'select from idempotency_keys where expires_at < now()')).length === 0,
    )
    const { body: second } = await open()
    assert.notEqual(second.id, first.id)
    assert.equal((await give()).body.id, gift.id)
  })

  it('takes keys of metadata of 1 to 40 characters, and tells of others that the key has a value that is not allowed', async () => {
    const opened = (key: string) => ada.post('/v1/accounts', { currency: 'USD', metadata: { [key]: 'x' } })
    for (const key of ['k', '⛵'.repeat(40)]) assert.equal((await opened(key)).status, 201)
    for (const key of ['', 'k'.repeat(41), 'a\nb']) {
      const answer = await opened(key)
      assertProblem(answer, 'invalid_value')
      assert.equal(answer.body.errors[0].field, `metadata.${key}`)
      assert.match(answer.body.errors[0].detail, /key/)
    }
  })

  it('takes another name or other metadata, and keeps what is not named', async () => {
    const id = await anAccount(ada, 'CNY', { name: 'Old', metadata: { a: '1' } })
    const renamed = await ada.patch(`/v1/accounts/${id}`, { name: 'New' })
    assert.deepEqual([renamed.status, renamed.body.name, renamed.body.metadata], [200, 'New', { a: '1' }])
    const changed = await ada.patch(`/v1/accounts/${id}`, { metadata: { b: '2' } })
    assert.deepEqual([changed.body.name, changed.body.metadata], ['New', { b: '2' }])
    assert.deepEqual((await ada.get(`/v1/accounts/${id}`)).body, changed.body)
    assertProblem(await ada.patch(`/v1/accounts/${id}`, {}), 'invalid_value')
    assertProblem(await ada.patch(`/v1/accounts/${id}`, { balance: '5.00' }), 'unknown_field')
  })

  it('is not there for anybody else', async () => {
    const id = await ada.account('USD')
    const unknown = await bob.get('/v1/accounts/acc_01k3v5f2q8e8pv0z3m0c6b7d1e')
    const others = await bob.get(`/v1/accounts/${id}`)
    assertProblem(others, 'not_found')
    assert.equal(others.body.detail, unknown.body.detail)
    assertProblem(await bob.get(`/v1/accounts/${id}/balance`), 'not_found')
    assertProblem(await bob.patch(`/v1/accounts/${id}`, { name: 'Mine' }), 'not_found')
    assertProblem(await bob.post(`/v1/accounts/${id}/close`), 'not_found')
    assert.deepEqual((await bob.get(`/v1/accounts?id=${id}`)).body.data, [])
  })
})

describe('closing an account', () => {
  it('needs a balance of zero', async () => {
    const id = await anAccount(ada)
    await fund(operator, id, '0.01')
    assertProblem(await ada.post(`/v1/accounts/${id}/close`), 'balance_not_zero')
    assert.equal((await ada.get(`/v1/accounts/${id}`)).body.status, 'active')
    await ada.post('/v1/payments', transfer(id, await ada.account('USD'), '0.01'))
    const closed = await ada.post(`/v1/accounts/${id}/close`)
    assert.deepEqual([closed.status, closed.body.status], [200, 'closed'])
  })

  it('is for good: no payment goes in or out, nothing of it changes', async () => {
    const id = await anAccount(ada)
    await ada.post(`/v1/accounts/${id}/close`)
    const usd = await ada.account('USD')
    for (const wish of [transfer(usd, id, '1.00'), transfer(id, usd, '1.00')]) {
      const { status, body } = await ada.post('/v1/payments', wish)
      assert.deepEqual([status, body.status, body.decline_reason], [201, 'declined', 'account_closed'])
    }
    assertProblem(await ada.patch(`/v1/accounts/${id}`, { name: 'Again' }), 'account_closed')
    assertProblem(await operator.post(`/v1/admin/accounts/${id}/unfreeze`, { reason: 'Again' }), 'account_closed')
    const again = await ada.post(`/v1/accounts/${id}/close`)
    assert.deepEqual([again.status, again.body.status], [200, 'closed'])
  })

  it('and a payment into it at the same moment leave no money behind', async () => {
    const usd = await bob.account('USD')
    for (let round = 0; round < 5; round += 1) {
      const id = await anAccount(bob)
      const [close, payment] = await Promise.all([
        bob.post(`/v1/accounts/${id}/close`),
        bob.post('/v1/payments', transfer(usd, id, '1.00')),
      ])
      const { balance, status } = (await bob.get(`/v1/accounts/${id}`)).body
      const outcome = [close.status, payment.body.status, status, balance].join(' ')
      assert.ok(['200 declined closed 0.00', '409 completed active 1.00'].includes(outcome), outcome)
    }
  })
})

describe('the balance of an account', () => {
  it('is told as it is, and as it was at any time', async () => {
    const id = await anAccount(ada)
    const opened = (await ada.get(`/v1/accounts/${id}`)).body.created_at
    const payments = []
    for (const amount of ['5.00', '7.50']) {
      const wish = { account: id, amount, direction: 'debit', reason: 'Cash' }
      payments.push((await operator.post('/v1/admin/adjustments', wish)).body)
    }
    const at = async (time: string) => (await ada.get(`/v1/accounts/${id}/balance?at=${time}`)).body.balance
    assert.equal(await at(opened), '0.00')
    assert.equal(await at(payments[0].completed_at), '5.00')
    assert.equal(await at(payments[1].completed_at), '12.50')
    assert.equal(await at('1999-01-01T00:00:00Z'), '0.00')
    assert.equal(await at('2999-01-01T00:00:00Z'), '12.50')
    const now = await ada.get(`/v1/accounts/${id}/balance`)
    assert.deepEqual([now.body.balance, now.body.currency], ['12.50', 'USD'])
    assert.ok(now.body.at >= payments[1].completed_at)
  })

  it('refuses what is no time', async () => {
    const id = await ada.account('USD')
    for (const at of ['yesterday', '2026-02-30T00:00:00Z', '2026-01-01', '', '2026-01-01T00:00:00%00Z']) {
      assertProblem(await ada.get(`/v1/accounts/${id}/balance?at=${at}`), 'invalid_query')
    }
    const detailOf = async (query: string) => (await ada.get(`/v1/accounts/${query}`)).body.detail
    assert.equal(await detailOf(`${id}/balance?at=2026-01-01`), 'at must be a time such as 2026-01-31T12:00:00Z')
    const twice = 'at=2026-01-01T00:00:00Z&at=2026-01-02T00:00:00Z'
    assert.equal(await detailOf(`${id}/balance?${twice}`), 'at is given more than once')
  })
})

describe('recipients', () => {
  const find = async (email: string) => (await ada.get(`/v1/recipients?email=${encodeURIComponent(email)}`)).body.data

  it('are the active accounts of a user: id and currency, nothing else', async () => {
    const { body } = await bob.get('/v1/accounts?sort=created_at&status=active&limit=200')
    const expected = body.data.map(({ id, currency }: any) => ({ id, currency }))
    assert.deepEqual(await find(bob.email), expected)
    assert.deepEqual(await find(bob.email.toUpperCase()), expected)
  })

  it('are those of one currency where it is named, however many older ones there are: 200 of the oldest in each', async () => {
    const merchant = await aUser(gateway)
    await rowsOf(
      gateway,
      `insert into accounts (book, id, user_id, currency, name, status, created_at, updated_at)
       select a.book, overlay(gen_random_uuid()::text placing '00' from 1 for 2)::uuid, a.user_id,
              case when n % 2 = 0 then 'USD' else 'JPY' end, a.name, case when n % 2 = 0 then 'active' else 'closed' end, now(), now()
         from accounts a, generate_series(1, 24000) n where a.id = $1`,
      [decodeId('acc', await merchant.account('USD'))],
    )
    const { body: yen } = await merchant.post('/v1/accounts', { currency: 'JPY' })
    const path = `/v1/recipients?email=${merchant.email}`
    assert.deepEqual((await ada.get(`${path}&currency=JPY`)).body, { data: [{ id: yen.id, currency: 'JPY' }] })
    for (const all of [path, `${path}&currency=USD`]) assert.equal((await ada.get(all)).body.data.length, 200)
    assert.deepEqual((await ada.get(`${path}&currency=CHF`)).body, { data: [] })
    assertProblem(await ada.get(`${path}&currency=francs`), 'invalid_query')
  })

  it('are not told of an address that is unknown, unconfirmed or none', async () => {
    const unconfirmed = anEmail()
    await gateway.anybody.post('/v1/signup', { email: unconfirmed, password: PASSWORD })
    for (const email of [unconfirmed, anEmail(), 'x', '']) assert.deepEqual(await find(email), [])
    assertProblem(await ada.get('/v1/recipients'), 'missing_field')
  })
})

describe('a display name', () => {
  it('is what the other side sees in place of the address, in payments of before too, until it is removed', async () => {
    const [eve, usd] = [await aUser(gateway), await bob.account('USD')]
    const wish = transfer(await eve.account('USD'), usd, '1.00')
    const { body: before } = await eve.post('/v1/payments', wish)
    assert.equal(before.sender, eve.email)
    const named = await eve.patch('/v1/me', { display_name: 'Eve Söhne' })
    assert.deepEqual([named.status, named.body.display_name, named.body.email], [200, 'Eve Söhne', eve.email])
    const { body: behind } = await eve.post('/v1/payments', wish)
    assert.deepEqual([behind.sender, behind.receiver], ['Eve Söhne', bob.email])
    assert.equal((await bob.get(`/v1/payments/${before.id}`)).body.sender, 'Eve Söhne')
    const shown = async (path: string, name: string) =>
      (await bob.get(`${path}?sender=${encodeURIComponent(name)}`)).body.data.map(({ sender }: any) => sender)
    assert.deepEqual(await shown('/v1/payments', 'Eve Söhne'), ['Eve Söhne', 'Eve Söhne'])
    assert.deepEqual(await shown('/v1/operations', 'Eve Söhne'), ['Eve Söhne', 'Eve Söhne'])
    const { body: statement } = await bob.get(`/v1/accounts/${usd}/statement`)
    assert.equal(statement.operations.filter(({ counterparty }: any) => counterparty === 'Eve Söhne').length, 2)
    const own = await eve.get(`/v1/accounts/${wish.from_account}/statement`)
    assert.equal(own.body.holder, 'Eve Söhne')
    const { body: users } = await operator.get('/v1/admin/users?display_name=Eve Söhne')
    assert.deepEqual(
      users.data.map(({ email }: any) => email),
      [eve.email],
    )
    assert.equal((await eve.patch('/v1/me', { display_name: null })).body.display_name, null)
    assert.equal((await bob.get(`/v1/payments/${behind.id}`)).body.sender, eve.email)
    assert.equal((await eve.post('/v1/payments', wish)).body.sender, eve.email)
    const { body: audit } = await operator.get('/v1/admin/audit?action=user.rename&sort=id')
    assert.deepEqual(
      audit.data.map(({ actor, detail }: any) => [actor, detail]),
      [
        [eve.email, { from: null, to: 'Eve Söhne' }],
        [eve.email, { from: 'Eve Söhne', to: null }],
      ],
    )
  })

  it('that passes for something else is refused, and so is a token for payments', async () => {
    for (const display_name of ['bob@example.com', 'Internal', 'Ada\u202E', '']) {
      assertProblem(await ada.patch('/v1/me', { display_name }), 'invalid_value')
    }
    assertProblem(await ada.patch('/v1/me', {}), 'missing_field')
    const { body } = await ada.post('/v1/tokens', { name: 'shop', scopes: ['payments:write'] })
    assertProblem(await aClient(gateway.url, body.token).patch('/v1/me', { display_name: 'Shop' }), 'forbidden')
  })
})

describe('an ETag', () => {
  it('comes with an account, a payment and every list, and saves sending again what has not changed', async () => {
    const user = await loggedIn(gateway, ada.email)
    const payment = (await user.get('/v1/payments?limit=1')).body.data[0].id
    for (const path of [
      `/v1/accounts/${await user.account('EUR')}`,
      `/v1/payments/${payment}`,
      '/v1/accounts',
      '/v1/operations',
    ]) {
      const first = await user.get(path)
      const tag = first.headers.get('etag') ?? ''
      assert.match(tag, /^"[^"]+"$/)
      for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
        const again = await user.get(path, { 'if-none-match': known })
        assert.deepEqual([again.status, again.body, again.headers.get('etag')], [304, '', tag], path)
      }
      assert.equal((await user.get(path, { 'if-none-match': '"other"' })).status, 200)
    }
  })

  it('changes with what it stands for', async () => {
    const id = await anAccount(ada)
    const tag = (await ada.get(`/v1/accounts/${id}`)).headers.get('etag') ?? ''
    await fund(operator, id, '1.00')
    const changed = await ada.get(`/v1/accounts/${id}`, { 'if-none-match': tag })
    assert.deepEqual([changed.status, changed.body.balance], [200, '1.00'])
  })
})

it('accounts leave the books right', () => assertBooksAreRight(gateway))
