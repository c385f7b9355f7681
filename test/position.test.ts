import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { assertProblem, locking, sessionsWhere, transfer, untilLocked } from './harness/paying.ts'

// What conversions leave with the house: its open position (docs/conversion.md).

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let beforeAll: string
let afterFirst: string
before(async () => {
  gateway = await aGateway()
  ;[operator, ada] = await Promise.all([anOperator(gateway), aUser(gateway)])
  await writeRate('1.25')
  beforeAll = (await position()).at
  await convert('10.00')
  afterFirst = (await position()).at
  await convert('10.00')
})

async function writeRate(rate: string): Promise<void> {
  const wish = { from_currency: 'EUR', to_currency: 'USD', rate }
  assert.equal((await operator.post('/v1/admin/rates', wish)).status, 201)
}

async function position(query = ''): Promise<any> {
  const { status, body } = await operator.get(`/v1/admin/reports/position?${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

async function convert(amount: string): Promise<void> {
  const quote = await ada.post('/v1/quotes', { from_currency: 'USD', to_currency: 'EUR', from_amount: amount })
  const wish = transfer(await ada.account('USD'), await ada.account('EUR'), amount, { quote_id: quote.body.id })
  assert.equal((await ada.post('/v1/payments', wish)).body.status, 'completed')
}

describe('The open position', () => {
  it('is what conversions left in each currency; its worth is what they earned', async () => {
    const { data, gain, currency } = await position()
    const shown = data.map(({ rate_valid_from: _, ...line }: any) => line)
    assert.deepEqual(shown, [
      { currency: 'EUR', balance: '-15.92', rate: '1', value: '-15.92' },
      { currency: 'USD', balance: '20.00', rate: '0.8', value: '16.00' },
    ])
    assert.deepEqual([gain, currency], ['0.08', 'EUR'])
  })

  it('is as it was at any time', async () => {
    assert.deepEqual((await position(`at=${beforeAll}`)).data, [])
    assert.equal((await position(`at=${beforeAll}`)).gain, '0.00')
    const first = await position(`at=${afterFirst}`)
    assert.deepEqual([first.data[0].balance, first.gain], ['-7.96', '0.04'])
  })

  it('is valued in any currency of the book, and as CSV', async () => {
    const { gain, data } = await position('currency=USD')
    assert.deepEqual([gain, data[0].rate, data[0].value], ['0.10', '1.25', '-19.90'])
    const { headers, body } = await operator.get('/v1/admin/reports/position?format=csv')
    assert.match(headers.get('content-type') ?? '', /^text\/csv/)
    const lines = body.split('\r\n')
    assert.equal(lines[0], 'currency,balance,rate,rate_valid_from,value_EUR')
    assert.match(lines[2], /^USD,20\.00,0\.8,\d{4}-.*Z,16\.00$/)
    assert.match(lines[3], /^gain,,,.*Z,0\.08$/)
  })

  it('of now stays so: it waits for conversions that are under way', async () => {
    const [payer, wish] = [await aUser(gateway), { from_currency: 'USD', to_currency: 'EUR', from_amount: '10.00' }]
    const [usd, eur] = [await payer.account('USD'), await payer.account('EUR')]
    const { body: quote } = await payer.post('/v1/quotes', wish)
    // A conversion adds to `exchange` last: with its postings written it waits here for its commit.
    const open = `select from accounts where code = 'exchange' and currency = 'USD' for update`
    const [converting, asking] = await locking(gateway, open, async () => {
      const converted = payer.post('/v1/payments', transfer(usd, eur, '10.00', { quote_id: quote.id }))
      await untilLocked(gateway, 1)
      const asked = operator.get('/v1/admin/reports/position')
      const begun = `query like 'select pg_snapshot_xmin(pg_current_snapshot())%' and application_name = 'billing-gateway'`
      await Promise.race([asked, until(async () => (await sessionsWhere(gateway, begun)).length > 0)])
      return [converted, asked]
    })
    assert.equal((await converting).body.status, 'completed')
    const { body: told } = await asking
    assert.deepEqual(await position(`at=${told.at}`), told)
    // As before, for the examples that follow.
    assert.equal((await operator.post(`/v1/payments/${(await converting).body.id}/refund`)).body.status, 'completed')
  })

  it('without a rate has no worth, and says which', async () => {
    const { gain, data } = await position('currency=CNY')
    assert.equal(gain, null)
    assert.deepEqual(
      data.map(({ value }: any) => value),
      [null, null],
    )
  })

  it('loses where the rate goes against it', async () => {
    const before = (await position()).at
    await writeRate('1.60')
    const { gain, data } = await position()
    assert.deepEqual([data[1].rate, data[1].value, gain], ['0.625', '12.50', '-3.42'])
    assert.equal((await position(`at=${before}`)).gain, '0.08')
  })

  it('is for operators, and of no time to come', async () => {
    assertProblem(await ada.get('/v1/admin/reports/position'), 'forbidden')
    assertProblem(await operator.get('/v1/admin/reports/position?at=9999-01-01T00:00:00Z'), 'invalid_query')
    assertProblem(await operator.get('/v1/admin/reports/position?at=then'), 'invalid_query')
    assertProblem(await operator.get('/v1/admin/reports/position?currency=ZZZ'), 'unknown_currency')
    assertProblem(await operator.get('/v1/admin/reports/position?format=pdf'), 'invalid_query')
    assertProblem(await operator.get('/v1/admin/reports/position?to=EUR'), 'unknown_field')
  })
})
