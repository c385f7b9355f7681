import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aGateway, anEmail, anOperator, aUser, PASSWORD, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertProblem } from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
  await writeRate(operator, 'EUR', 'USD', '1.25')
  await writeRate(operator, 'EUR', 'JPY', '160')
})

async function writeRate(by: TestUser, from: string, to: string, rate: string, more: object = {}): Promise<void> {
  const { status } = await by.post('/v1/admin/rates', { from_currency: from, to_currency: to, rate, ...more })
  assert.equal(status, 201)
}

function quote(user: TestUser, from: string, to: string, amount: object) {
  return user.post('/v1/quotes', { from_currency: from, to_currency: to, ...amount })
}

describe('A quote', () => {
  it('says what an amount gives, by the mid rate less the spread, for 30 seconds', async () => {
    const { status, body } = await quote(ada, 'USD', 'EUR', { from_amount: '100.00' })
    assert.equal(status, 201)
    const { id, created_at, expires_at, rate_valid_from, ...shown } = body
    assert.deepEqual(shown, {
      from_currency: 'USD',
      to_currency: 'EUR',
      from_amount: '100.00',
      to_amount: '79.60',
      rate: '0.796',
      mid_rate: '0.8',
      source: 'operator',
      used: false,
    })
    assert.match(id, /^qte_/)
    assert.equal(Date.parse(expires_at) - Date.parse(created_at), 30_000)
    assert.ok(rate_valid_from < created_at)
    assert.deepEqual((await ada.get(`/v1/quotes/${id}`)).body, body)
  })

  it('says what an amount needs, so that it is given exactly and no cent more is asked', async () => {
    const { body } = await quote(ada, 'USD', 'EUR', { to_amount: '79.60' })
    assert.deepEqual([body.from_amount, body.to_amount], ['100.00', '79.60'])
    const odd = (await quote(ada, 'USD', 'EUR', { to_amount: '0.01' })).body
    assert.deepEqual([odd.from_amount, odd.to_amount], ['0.02', '0.01'])
    // 128 yen are a dollar; less half a per cent, 12864 come to 99.9975, and one less to 99.9897.
    const yen = (await quote(ada, 'JPY', 'USD', { to_amount: '100.00' })).body
    assert.deepEqual([yen.from_amount, yen.to_amount], ['12864', '100.00'])
  })

  it('never gives more than the mid rate, however it is rounded', async () => {
    // A cent is 0.8 of a cent: it rounds up to one, and is not worth it.
    const refused = await quote(ada, 'USD', 'EUR', { from_amount: '0.01' })
    assertProblem(refused, 'invalid_amount')
    assert.deepEqual(refused.body.errors[0].field, 'from_amount')
    assert.equal((await quote(ada, 'USD', 'EUR', { from_amount: '0.02' })).body.to_amount, '0.01')
    assert.equal((await quote(ada, 'JPY', 'USD', { from_amount: '1' })).status, 400)
    assert.equal((await quote(ada, 'USD', 'JPY', { from_amount: '0.01' })).body.to_amount, '1')
  })

  it('is by the spread that the settings say', async () => {
    const free = await aGateway({ BGW_QUOTE_SPREAD_PERCENT: '0', BGW_QUOTE_SECONDS: '5' })
    const [by, user] = await Promise.all([anOperator(free), aUser(free)])
    await writeRate(by, 'EUR', 'USD', '1.25')
    const { body } = await quote(user, 'EUR', 'USD', { from_amount: '1.00' })
    assert.deepEqual([body.to_amount, body.rate], ['1.25', body.mid_rate])
    assert.equal(Date.parse(body.expires_at) - Date.parse(body.created_at), 5_000)
    await free.stop()
  })

  it('gives no more there and back than was brought, where a rate was put right by one written the other way', async () => {
    const free = await aGateway({ BGW_QUOTE_SPREAD_PERCENT: '0' })
    const [by, user] = await Promise.all([anOperator(free), aUser(free)])
    const sameTime = { valid_from: '2026-06-01T00:00:00Z' }
    await writeRate(by, 'USD', 'CNY', '70', sameTime)
    await writeRate(by, 'CNY', 'USD', '0.125', sameTime)
    const there = (await quote(user, 'USD', 'CNY', { from_amount: '10.00' })).body
    const back = (await quote(user, 'CNY', 'USD', { from_amount: there.to_amount })).body
    assert.deepEqual([there.to_amount, back.to_amount], ['80.00', '10.00'])
    await free.stop()
  })

  it('is refused where no rate is known, or only one that is too old', async () => {
    assertProblem(await quote(ada, 'USD', 'CNY', { from_amount: '1.00' }), 'no_rate')
    const strict = await aGateway({ BGW_RATE_MAX_AGE_DAYS: '7' })
    const [by, user] = await Promise.all([anOperator(strict), aUser(strict)])
    const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString()
    await writeRate(by, 'EUR', 'USD', '1.25', { valid_from: day(8) })
    assertProblem(await quote(user, 'USD', 'EUR', { from_amount: '1.00' }), 'no_rate')
    assert.equal((await user.get('/v1/rates?from=USD&to=EUR')).body.data.length, 1)
    await writeRate(by, 'EUR', 'USD', '1.25', { valid_from: day(6) })
    assert.equal((await quote(user, 'USD', 'EUR', { from_amount: '1.00' })).status, 201)
    await strict.stop()
  })

  it('names one amount, of two currencies of the book', async () => {
    const right = { from_amount: '1.00' }
    assertProblem(await quote(ada, 'USD', 'EUR', {}), 'missing_field')
    assertProblem(await quote(ada, 'USD', 'EUR', { ...right, to_amount: '1.00' }), 'invalid_value')
    assertProblem(await quote(ada, 'USD', 'USD', right), 'invalid_value')
    assertProblem(await quote(ada, 'USD', 'ZZZ', right), 'unknown_currency')
    assertProblem(await quote(ada, 'ZZZ', 'USD', right), 'unknown_currency')
    for (const amount of ['0', '0.00', '-1', '1.001', '1e3', '', 'x', '9'.repeat(32)]) {
      assertProblem(await quote(ada, 'USD', 'EUR', { from_amount: amount }), 'invalid_amount')
      assertProblem(await quote(ada, 'USD', 'EUR', { to_amount: amount }), 'invalid_amount')
    }
    assertProblem(await quote(ada, 'USD', 'JPY', { to_amount: '1.0' }), 'invalid_amount')
    // 10^30 cents are worth more yen than there can be, and need more than there can be.
    const most = `1${'0'.repeat(28)}.00`
    assertProblem(await quote(ada, 'EUR', 'USD', { from_amount: most }), 'invalid_amount')
    assertProblem(await quote(ada, 'USD', 'EUR', { to_amount: most }), 'invalid_amount')
    assertProblem(await quote(ada, 'USD', 'EUR', { from_amount: 1 }), 'invalid_amount')
    assertProblem(await quote(ada, 'USD', 'EUR', { ...right, rate: '2' }), 'unknown_field')
  })

  it('is one’s own: nobody else sees it, an operator neither', async () => {
    const { body } = await quote(ada, 'USD', 'EUR', { from_amount: '1.00' })
    assertProblem(await bob.get(`/v1/quotes/${body.id}`), 'not_found')
    assertProblem(await operator.get(`/v1/quotes/${body.id}`), 'not_found')
    assertProblem(await ada.get('/v1/quotes/qte_01k3v5f3m7h2c9w4x8z5r6t1q0'), 'not_found')
    assertProblem(await ada.get('/v1/quotes/x'), 'not_found')
    assertProblem(await gateway.anybody.get(`/v1/quotes/${body.id}`), 'unauthenticated')
  })

  it('is made once for one idempotency key', async () => {
    const wish = { from_currency: 'USD', to_currency: 'EUR', from_amount: '1.00' }
    const make = (body: object) => ada.post('/v1/quotes', body, { 'idempotency-key': 'quote' })
    const [first, second] = await Promise.all([make(wish), make(wish)])
    assert.deepEqual([first.status, first.body], [201, second.body])
    assertProblem(await make({ ...wish, from_amount: '2.00' }), 'idempotency_key_reused')
  })

  it('is for who confirmed their address, with a token that may pay', async () => {
    const email = anEmail()
    await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
    const { body } = await gateway.anybody.post('/v1/login', { email, password: PASSWORD })
    const wish = { from_currency: 'USD', to_currency: 'EUR', from_amount: '1.00' }
    const send = (token: string) => gateway.anybody.post('/v1/quotes', wish, { authorization: `Bearer ${token}` })
    assertProblem(await send(body.token), 'email_unconfirmed')
    const token = await ada.post('/v1/tokens', { name: 'reader', scopes: ['payments:read'] })
    assertProblem(await send(token.body.token), 'forbidden')
  })
})
