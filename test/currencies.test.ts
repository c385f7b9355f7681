import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { parseInstant } from '../src/database/instant.ts'
import type { Instant } from '../src/ledger/id.ts'
import type { Reply } from './harness/client.ts'
import { aGateway, anEmail, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  paidBehind,
  transfer,
} from './harness/paying.ts'

let gateway: TestGateway
/** Another node on the same database. */
let other: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
before(async () => {
  gateway = await aGateway()
  other = await aGateway({}, gateway.database)
  operator = await anOperator(gateway, { allBooks: true })
  ;[ada, bob] = await Promise.all([aUser(gateway), aUser(gateway)])
})

let added = 0
/** A fresh digital currency of two digits. */
async function aCurrency(): Promise<string> {
  added += 1
  const code = `NEW${added}`
  assert.equal((await operator.post('/v1/admin/currencies', { code, digits: 2 })).status, 201)
  return code
}

/** Ada with so much of it, and Bob with an account. */
async function purses(code: string, amount = '100.00') {
  const [adas, bobs] = await Promise.all([anAccount(ada, code), anAccount(bob, code)])
  await fund(operator, adas, amount)
  return { adas, bobs }
}

const change = (code: string, verb: 'close' | 'reopen') =>
  operator.post(`/v1/admin/currencies/${code}/${verb}`, { reason: 'A test of it' })

const outcome = ({ status, body }: Reply) => [status, body.status, body.decline_reason]
const DECLINED = [201, 'declined', 'currency_closed']
const at = (user: TestUser, node: TestGateway) => ({
  pay: (body: object) =>
    fetch(`${node.url}/v1/payments`, {
      method: 'POST',
      headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then((response) => response.json() as any),
})

describe('A currency', () => {
  it('that an operator adds is there at once, on every node, with its technical accounts', async () => {
    const { status, body } = await operator.post('/v1/admin/currencies', { code: 'DOGE', digits: 8 })
    assert.deepEqual([status, body], [201, { code: 'DOGE', digits: 8, status: 'open', closed_at: null }])
    const { adas, bobs } = await purses('DOGE', '3.00000001')
    const paid = await at(ada, other).pay(transfer(adas, bobs, '0.00000001'))
    assert.deepEqual([paid.status, paid.amount], ['completed', '0.00000001'])
    const technical = await everyPage(operator, '/v1/admin/accounts?currency=DOGE')
    assert.deepEqual(technical.flatMap(({ code }) => code ?? []).sort(), [
      'crypto_currency',
      'exchange',
      'internal',
      'suspense',
      'wallet',
      'wire',
    ])
    const { body: audit } = await operator.get('/v1/admin/audit?action=currency.add&limit=1')
    assert.deepEqual([audit.data[0].actor, audit.data[0].detail], [operator.email, { currency: 'DOGE', digits: 8 }])
  })

  it('of ISO 4217 has the digits of the standard, and a digital one those that it is given', async () => {
    const book = { book: 'small' }
    const made = await operator.post('/v1/admin/books', { name: 'small', currencies: ['EUR'] })
    assert.equal(made.status, 201)
    const kuwait = await operator.post('/v1/admin/currencies', { code: 'KWD' }, book)
    assert.deepEqual([kuwait.status, kuwait.body.digits], [201, 3])
    const wrong = await operator.post('/v1/admin/currencies', { code: 'JPY', digits: 2 }, book)
    assertProblem(wrong, 'invalid_value')
    assert.equal(wrong.body.errors[0].field, 'digits')
    assertProblem(await operator.post('/v1/admin/currencies', { code: 'GOLD' }, book), 'missing_field')
    assertProblem(await operator.post('/v1/admin/currencies', { code: 'GOLD', digits: 19 }, book), 'invalid_value')
    assertProblem(await operator.post('/v1/admin/currencies', { code: 'eur' }, book), 'invalid_value')
    const { body } = await operator.get('/v1/admin/currencies?sort=code', book)
    assert.deepEqual(
      body.data.map(({ code, digits }: any) => [code, digits]),
      [
        ['EUR', 2],
        ['KWD', 3],
      ],
    )
  })

  it('is added once, however many add it, and by operators only', async () => {
    const wish = { code: 'ONCE', digits: 4 }
    const replies = await Promise.all(Array.from({ length: 4 }, () => operator.post('/v1/admin/currencies', wish)))
    assert.deepEqual(replies.map(({ status }) => status).sort(), [201, 409, 409, 409])
    assertProblem(await operator.post('/v1/admin/currencies', { code: 'USD' }), 'currency_exists')
    const key = { 'idempotency-key': 'add-1' }
    const twice = [1, 2].map(() => operator.post('/v1/admin/currencies', { code: 'TWICE', digits: 0 }, key))
    assert.deepEqual(
      (await Promise.all(twice)).map(({ status }) => status),
      [201, 201],
    )
    assertProblem(await ada.post('/v1/admin/currencies', wish), 'forbidden')
    assertProblem(await ada.post('/v1/admin/currencies/USD/close', { reason: 'Mine' }), 'forbidden')
    for (const code of ['NONE', 'usd', '%00', 'x'.repeat(90)]) {
      assertProblem(await operator.post(`/v1/admin/currencies/${code}/close`, { reason: 'What is it' }), 'not_found')
    }
  })

  it('keeps its digits: a start that says otherwise is refused', async () => {
    await aCurrency()
    await assert.rejects(
      aGateway({ BGW_DIGITAL_CURRENCIES: 'NEW1:6' }, gateway.database),
      /NEW1 is to have 6 digits, and the book main has it with 2/,
    )
  })
})

describe('In a closed currency', () => {
  it('nothing begins, on any node, until it is opened again', async () => {
    const code = await aCurrency()
    const { adas, bobs } = await purses(code)
    const pay = (more?: object, headers?: Record<string, string>) =>
      ada.post('/v1/payments', transfer(adas, bobs, '1.00', more), headers)
    const key = { 'idempotency-key': `before-${code}` }
    const first = await pay({}, key)
    const closed = await change(code, 'close')
    assert.deepEqual([closed.status, closed.body.status], [200, 'closed'])
    assert.deepEqual((await change(code, 'close')).body, closed.body)

    assertProblem(await ada.post('/v1/accounts', { currency: code }), 'currency_closed')
    const quote = { from_amount: '1.00' }
    for (const [from_currency, to_currency] of [
      [code, 'USD'],
      ['USD', code],
    ]) {
      assertProblem(await ada.post('/v1/quotes', { from_currency, to_currency, ...quote }), 'currency_closed')
    }
    const preview = await ada.post('/v1/payments/preview', transfer(adas, bobs, '1.00'))
    assert.equal(preview.body.decline_reason, 'currency_closed')
    for (const more of [{}, { capture: 'manual' }]) assert.deepEqual(outcome(await pay(more)), DECLINED)
    assert.deepEqual(outcome(await pay({}, { prefer: 'wait=30' })), DECLINED)
    assert.equal((await at(ada, other).pay(transfer(adas, bobs, '1.00'))).decline_reason, 'currency_closed')
    assert.deepEqual(outcome(await ada.post('/v1/deposits', { account: adas, rail: 'wire', amount: '1.00' })), DECLINED)
    const line = { email: anEmail(), accounts: [{ currency: code }] }
    const imported = await operator.post('/v1/admin/users/import', JSON.stringify(line), {
      'content-type': 'application/x-ndjson',
    })
    assert.equal(imported.body.error.code, 'currency_closed')
    // What was answered before it was closed is answered as then.
    assert.deepEqual((await pay({}, key)).body, first.body)
    assert.equal(await ada.balance(adas), '99.00')

    assert.equal((await change(code, 'reopen')).body.status, 'open')
    assert.deepEqual(outcome(await pay()), [201, 'completed', null])
    assert.equal((await at(ada, other).pay(transfer(adas, bobs, '1.00'))).status, 'completed')
    const audit = await everyPage(operator, '/v1/admin/audit?action[like]=currency')
    const own = audit.filter(({ detail }) => detail.currency === code).map(({ action }) => action)
    assert.deepEqual(own.sort(), ['currency.add', 'currency.close', 'currency.reopen'])
  })

  it('no schedule is made, while one from before is declined as long as it is closed, and pays once it is open again', async () => {
    const code = await aCurrency()
    const { adas, bobs } = await purses(code)
    const wish = { ...transfer(adas, bobs, '1.00'), starts_at: '2031-01-31T08:00:00Z', every: 'month' }
    const key = { 'idempotency-key': `rent-${code}` }
    const rent = await ada.post('/v1/schedules', wish, key)
    assert.equal(rent.status, 201)
    await change(code, 'close')
    const refused = await ada.post('/v1/schedules', wish)
    assertProblem(refused, 'currency_closed')
    assert.deepEqual([refused.body.errors[0].field, refused.body.errors[0].code], ['from_account', 'currency_closed'])
    // What was answered before it was closed is answered as then.
    assert.deepEqual((await ada.post('/v1/schedules', wish, key)).body, rent.body)
    const makeDue = (time: string) => gateway.inside.scheduler.makeDue(parseInstant(time) as Instant)
    await makeDue('2031-01-31T08:00:00Z')
    await change(code, 'reopen')
    await makeDue('2031-02-28T08:00:00Z')
    const made = await everyPage(ada, `/v1/payments?schedule_id=${rent.body.id}&sort=created_at`)
    assert.deepEqual(
      made.map(({ status, decline_reason }) => decline_reason ?? status),
      ['currency_closed', 'completed'],
    )
  })

  it('that is closed while an import goes on gets no accounts by its later lines', async () => {
    const code = await aCurrency()
    const lines = new TransformStream<Uint8Array, Uint8Array>()
    const writer = lines.writable.getWriter()
    const line = () =>
      new TextEncoder().encode(`${JSON.stringify({ email: anEmail(), accounts: [{ currency: code }] })}\n`)
    const answering = fetch(`${gateway.url}/v1/admin/users/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${operator.token}`, 'content-type': 'application/x-ndjson' },
      body: lines.readable,
      duplex: 'half',
    } as RequestInit)
    await writer.write(line())
    const reader = (await answering).body?.pipeThrough(new TextDecoderStream()).getReader()
    assert.equal(JSON.parse((await reader?.read())?.value ?? '').status, 201)
    assert.equal((await change(code, 'close')).body.status, 'closed')
    await writer.write(line())
    assert.equal(JSON.parse((await reader?.read())?.value ?? '').error.code, 'currency_closed')
    await writer.close()
  })

  it('nothing begins that waited while it was closed', async () => {
    const code = await aCurrency()
    const { adas, bobs } = await purses(code)
    const paid = await paidBehind(
      gateway,
      adas,
      () => ada.post('/v1/payments', transfer(adas, bobs, '1.00')),
      () => change(code, 'close'),
    )
    assert.deepEqual(outcome(paid), DECLINED)
  })

  it('what is pending still ends, and what is left is paid out', async () => {
    const code = await aCurrency()
    const { adas, bobs } = await purses(code)
    const paid = await ada.post('/v1/payments', transfer(adas, bobs, '10.00'))
    const hold = await ada.post('/v1/payments', transfer(adas, bobs, '20.00', { capture: 'manual' }))
    const deposit = await ada.post('/v1/deposits', { account: adas, rail: 'wallet', amount: '5.00' })
    await change(code, 'close')
    assert.equal((await ada.post(`/v1/payments/${hold.body.id}/capture`)).body.status, 'completed')
    const settled = await operator.post(`/v1/admin/payments/${deposit.body.id}/settle`, { reason: 'It came' })
    assert.equal(settled.body.status, 'completed')
    assert.equal((await bob.post(`/v1/payments/${paid.body.id}/refund`)).body.status, 'completed')
    assert.equal(await ada.balance(adas), '85.00')
    const wish = { account: adas, rail: 'wallet', amount: '80.00', destination: { wallet: 'ada' } }
    const out = await ada.post('/v1/withdrawals', wish)
    assert.deepEqual([out.status, out.body.status], [202, 'pending'])
    await operator.post(`/v1/admin/payments/${out.body.id}/settle`, { reason: 'Paid' })
    const rest = { account: adas, amount: '5.00', direction: 'credit', reason: 'Paid in cash' }
    assert.deepEqual(outcome(await operator.post('/v1/admin/adjustments', rest)), [201, 'completed', null])
    assert.equal((await ada.post(`/v1/accounts/${adas}/close`)).body.status, 'closed')
  })

  it('a new user gets no account, and no bonus, but is welcome', async () => {
    const book = { book: 'frugal' }
    await operator.post('/v1/admin/books', { name: 'frugal', currencies: ['USD', 'EUR'] })
    const reply = await operator.post('/v1/admin/currencies/USD/close', { reason: 'Euros only' }, book)
    assert.equal(reply.status, 200)
    const eve = await aUser(gateway, anEmail(), 'frugal')
    const { body } = await eve.get('/v1/accounts')
    assert.deepEqual(
      body.data.map(({ currency, balance }: any) => [currency, balance]),
      [['EUR', '0.00']],
    )
  })

  it('whatever is tried in whatever order, exactly what may be is done', async () => {
    const step = fc.constantFrom('close', 'reopen', 'pay', 'hold', 'capture', 'withdraw', 'adjust')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
        const code = await aCurrency()
        const { adas, bobs } = await purses(code)
        const held: string[] = []
        let open = true
        for (const each of steps) {
          if (each === 'close' || each === 'reopen') {
            await change(code, each)
            open = each === 'reopen'
          } else if (each === 'pay') {
            const reply = await ada.post('/v1/payments', transfer(adas, bobs, '1.00'))
            assert.deepEqual(outcome(reply), open ? [201, 'completed', null] : DECLINED)
          } else if (each === 'hold') {
            const reply = await ada.post('/v1/payments', transfer(adas, bobs, '1.00', { capture: 'manual' }))
            assert.deepEqual(outcome(reply), open ? [201, 'pending', null] : DECLINED)
            if (open) held.push(reply.body.id)
          } else if (each === 'capture') {
            const id = held.pop()
            if (id) assert.equal((await ada.post(`/v1/payments/${id}/capture`)).body.status, 'completed')
          } else if (each === 'withdraw') {
            const wish = { account: adas, rail: 'wallet', amount: '1.00', destination: { wallet: 'ada' } }
            assert.equal((await ada.post('/v1/withdrawals', wish)).body.status, 'pending')
          } else await fund(operator, adas, '1.00')
        }
      }),
      { numRuns: 4 },
    )
    await assertBooksAreRight(gateway)
  })
})
