import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { before, describe, it } from 'node:test'
import { aClient } from './harness/client.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { anAccount, assertBooksAreRight, assertProblem, everyPage, fund, transfer } from './harness/paying.ts'

const NDJSON = 'application/x-ndjson'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
let purse: string
let till: string
before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
})

/** Ada's account with so much in it and an empty one of bob's, as `purse` and `till`. */
async function freshAccounts(amount: string): Promise<void> {
  ;[purse, till] = await Promise.all([anAccount(ada), anAccount(bob)])
  await fund(operator, purse, amount)
}

const payment = (amount: string, more: object = {}) => transfer(purse, till, amount, more)

/** Sends a bulk request in either form and gives the outcomes. */
async function bulk(form: 'JSON' | 'NDJSON', payments: readonly unknown[], headers: Record<string, string> = {}) {
  const body =
    form === 'JSON' ? JSON.stringify({ payments }) : payments.map((line) => `${JSON.stringify(line)}\n`).join('')
  const type = form === 'JSON' ? 'application/json' : NDJSON
  const reply = await ada.send('POST', '/v1/payments/bulk', body, { 'content-type': type, ...headers })
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
  if (form === 'JSON') return { reply, outcomes: reply.body.data as any[] }
  assert.equal(reply.headers.get('content-type'), NDJSON)
  return { reply, outcomes: linesOf(reply.body) }
}

/** The client has parsed a body of a single line already. */
function linesOf(body: any): any[] {
  if (typeof body !== 'string') return [body]
  return body
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

const shortly = (outcomes: readonly any[]) =>
  outcomes.map(({ status, payment, error }) => [status, payment ? `${payment.amount} ${payment.status}` : error.code])

for (const form of ['JSON', 'NDJSON'] as const) {
  describe(`a bulk request in ${form}`, () => {
    it('pays each payment, with one outcome each, in order', async () => {
      await freshAccounts('10.00')
      const { outcomes } = await bulk(
        form,
        ['1.00', '2.00', '3.00'].map((amount) => payment(amount)),
      )
      assert.deepEqual(shortly(outcomes), [
        [201, '1.00 completed'],
        [201, '2.00 completed'],
        [201, '3.00 completed'],
      ])
      assert.deepEqual(outcomes[0].payment, (await ada.get(`/v1/payments/${outcomes[0].payment.id}`)).body)
      assert.deepEqual([await ada.balance(purse), await bob.balance(till)], ['4.00', '5.88'])
    })

    it('lets no payment that is wrong or declined stop the others', async () => {
      await freshAccounts('10.00')
      const stranger = await bob.account('USD')
      const { outcomes } = await bulk(form, [
        payment('1.00'),
        payment('1.001'),
        payment('50.00'),
        transfer(stranger, till, '1.00'),
        { ...payment('1.00'), surprise: 1 },
        { from_account: purse },
        'no payment',
        null,
        [],
        payment('2.00', { idempotency_key: '' }),
        payment('2.00', { metadata: { a: 5 } }),
        payment('2.00', { description: 'x'.repeat(501) }),
        payment('3.00'),
      ])
      assert.deepEqual(shortly(outcomes), [
        [201, '1.00 completed'],
        [400, 'invalid_amount'],
        [201, '50.00 declined'],
        [404, 'not_found'],
        [400, 'unknown_field'],
        [400, 'missing_field'],
        [400, 'invalid_type'],
        [400, 'invalid_type'],
        [400, 'invalid_type'],
        [400, 'invalid_value'],
        [400, 'invalid_type'],
        [400, 'invalid_value'],
        [201, '3.00 completed'],
      ])
      assert.deepEqual(outcomes[1].error.errors[0].field, 'amount')
      assert.equal(await ada.balance(purse), '6.00')
    })

    it('sees in each payment the money that the ones before it moved', async () => {
      await freshAccounts('10.00')
      const back = await ada.account('EUR')
      const second = await anAccount(ada)
      const { outcomes } = await bulk(form, [
        transfer(purse, second, '10.00'),
        transfer(purse, second, '0.01'),
        transfer(second, purse, '4.00'),
        transfer(purse, back, '1.00'),
        transfer(purse, second, '4.00'),
      ])
      assert.deepEqual(
        shortly(outcomes).map(([, text]) => text),
        ['10.00 completed', '0.01 declined', '4.00 completed', '1.00 declined', '4.00 completed'],
      )
      assert.deepEqual([await ada.balance(purse), await ada.balance(second)], ['0.00', '10.00'])
    })

    it('may be repeated: by the keys of its payments', async () => {
      await freshAccounts('10.00')
      const keys = [`${form} 1`, `${form} 2`]
      const payments = keys.map((idempotency_key) => payment('1.00', { idempotency_key }))
      const first = await bulk(form, payments)
      const again = await bulk(form, [...payments, payment('2.00'), payment('1.50', { idempotency_key: keys[0] })])
      assert.deepEqual(
        again.outcomes.slice(0, 2).map(({ payment }) => payment),
        first.outcomes.map(({ payment }) => payment),
      )
      assert.deepEqual(
        again.outcomes.map(({ idempotent_replayed }) => idempotent_replayed),
        [true, true, undefined, undefined],
      )
      assert.deepEqual(shortly(again.outcomes).slice(2), [
        [201, '2.00 completed'],
        [422, 'idempotency_key_reused'],
      ])
      assert.equal(await ada.balance(purse), '6.00')
      // It is the same key that a single payment has.
      const single = await ada.post('/v1/payments', payment('1.00'), { 'idempotency-key': keys[0] ?? '' })
      assert.equal(single.body.id, first.outcomes[0].payment.id)
    })

    it('may be repeated: by a key of the whole, which stands for each line that has none', async () => {
      await freshAccounts('10.00')
      const headers = { 'idempotency-key': `whole ${form}` }
      const payments = [payment('1.00'), payment('1.00'), payment('1.00', { idempotency_key: `own ${form}` })]
      const first = await bulk(form, payments, headers)
      const again = await bulk(form, payments, headers)
      assert.deepEqual(
        again.outcomes.map(({ payment }) => payment.id),
        first.outcomes.map(({ payment }) => payment.id),
      )
      assert.ok(again.outcomes.every(({ idempotent_replayed }) => idempotent_replayed))
      assert.equal(await ada.balance(purse), '7.00')
      const other = await bulk(form, [payment('9.00')], headers)
      assert.deepEqual(shortly(other.outcomes), [[422, 'idempotency_key_reused']])
    })

    it('makes one payment of a key that it holds twice', async () => {
      await freshAccounts('10.00')
      const twice = payment('1.00', { idempotency_key: `twice ${form}` })
      const { outcomes } = await bulk(form, [twice, twice, { ...twice, amount: '2.00' }])
      assert.equal(outcomes[0].payment.id, outcomes[1].payment.id)
      assert.deepEqual(shortly(outcomes)[2], [422, 'idempotency_key_reused'])
      assert.equal(await ada.balance(purse), '9.00')
    })

    it('stores its payments as initiated where the caller prefers that, and posts them in the background', async () => {
      await freshAccounts('10.00')
      const headers = { prefer: 'respond-async' }
      const { reply, outcomes } = await bulk(form, [payment('1.00'), payment('0'), payment('2.00')], headers)
      assert.equal(reply.headers.get('preference-applied'), 'respond-async')
      assert.deepEqual(shortly(outcomes), [
        [202, '1.00 initiated'],
        [400, 'invalid_amount'],
        [202, '2.00 initiated'],
      ])
      for (const { payment } of [outcomes[0], outcomes[2]]) {
        assert.equal((await ada.get(`/v1/payments/${payment.id}?wait=30`)).body.status, 'completed')
      }
      assert.equal(await ada.balance(purse), '7.00')
    })

    it('knows no wait: it is answered as ever, and says of no preference that it was heeded', async () => {
      await freshAccounts('10.00')
      const { reply, outcomes } = await bulk(form, [payment('1.00')], { prefer: 'wait=30' })
      assert.deepEqual(shortly(outcomes), [[201, '1.00 completed']])
      assert.equal(reply.headers.get('preference-applied'), null)
      const both = await bulk(form, [payment('2.00')], { prefer: 'wait=30, respond-async' })
      assert.deepEqual(shortly(both.outcomes), [[202, '2.00 initiated']])
      assert.equal(both.reply.headers.get('preference-applied'), 'respond-async')
    })

    it('takes none as well', async () => {
      assert.deepEqual(
        (await bulk(form, [])).outcomes.filter((outcome) => outcome !== ''),
        [],
      )
    })
  })
}

describe('ten thousand payments', () => {
  it('are one request, each with its outcome', async () => {
    await freshAccounts('200.00')
    const payments = Array.from({ length: 10_000 }, (_, index) =>
      payment('0.01', { metadata: { line: String(index) } }),
    )
    const { outcomes } = await bulk('NDJSON', payments)
    assert.deepEqual(
      outcomes.map(({ payment }) => payment.metadata.line),
      payments.map(({ metadata }: any) => metadata.line),
    )
    assert.ok(outcomes.every(({ status, payment }) => status === 201 && payment.status === 'completed'))
    assert.equal(new Set(outcomes.map(({ payment }) => payment.id)).size, 10_000)
    assert.deepEqual([await ada.balance(purse), await bob.balance(till)], ['100.00', '100.00'])
  })

  it('and one more are refused: as JSON all of them', async () => {
    await freshAccounts('200.00')
    const payments = Array(10_001).fill(payment('0.01'))
    assertProblem(await ada.post('/v1/payments/bulk', { payments }), 'too_many_payments')
    assert.equal(await ada.balance(purse), '200.00')
  })

  it('and one more are refused: as a stream the last, which the last line says', async () => {
    await freshAccounts('0.05')
    const { outcomes } = await bulk('NDJSON', Array(10_001).fill(payment('0.01')))
    assert.equal(outcomes.length, 10_001)
    assert.deepEqual(outcomes.at(-1).error.code, 'too_many_payments')
    assert.equal(outcomes.filter(({ payment }) => payment?.status === 'completed').length, 5)
    assert.equal(await ada.balance(purse), '0.00')
  })
})

describe('many bulk requests at once', () => {
  it('wait for each other, where together they are more than may wait to be posted', async () => {
    await freshAccounts('40.00')
    const narrow = await aGateway({ BGW_MOST_WAITING: '1000' }, gateway.database)
    const lines = Array.from({ length: 1_000 }, () => `${JSON.stringify(payment('0.01'))}\n`).join('')
    const send = () =>
      aClient(narrow.url, ada.token).send('POST', '/v1/payments/bulk', lines, { 'content-type': NDJSON })
    const replies = await Promise.all([send(), send(), send(), send()])
    const outcomes = replies.flatMap(({ body }) => shortly(linesOf(body)))
    assert.deepEqual(
      outcomes,
      Array.from({ length: 4_000 }, () => [201, '0.01 completed']),
    )
    assert.equal(await ada.balance(purse), '0.00')
    await narrow.stop()
  })
})

describe('a stream of payments', () => {
  /** An open NDJSON request, its body still to be written. */
  function aStream(token = ada.token): { readonly call: ClientRequest; readonly answer: Promise<IncomingMessage> } {
    const headers = { authorization: `Bearer ${token}`, 'content-type': NDJSON, 'transfer-encoding': 'chunked' }
    const call = request(`${gateway.url}/v1/payments/bulk`, { method: 'POST', headers })
    call.on('error', () => undefined)
    return { call, answer: once(call, 'response').then(([response]) => response) }
  }

  const line = (body: object) => `${JSON.stringify(body)}\n`

  it('is answered line by line while it is still being sent', async () => {
    await freshAccounts('10.00')
    const { call, answer } = aStream()
    call.write(line(payment('1.00')))
    const outcomes = createInterface({ input: await answer })[Symbol.asyncIterator]()
    const next = async () => JSON.parse((await outcomes.next()).value ?? '')
    assert.equal((await next()).payment.amount, '1.00')
    assert.equal(await ada.balance(purse), '9.00')
    call.write(`\n  \r\n${line({ nonsense: 1 })}`)
    assert.equal((await next()).status, 400)
    // A line in two pieces, cut within a character.
    const bytes = Buffer.from(line(payment('2.00', { description: '🍜' })))
    const middle = bytes.indexOf(0x9f)
    call.write(bytes.subarray(0, middle))
    call.write(bytes.subarray(middle))
    assert.equal((await next()).payment.description, '🍜')
    call.end(JSON.stringify(payment('3.00')))
    assert.equal((await next()).payment.amount, '3.00')
    assert.equal((await outcomes.next()).done, true)
    assert.equal(await ada.balance(purse), '4.00')
  })

  it('that is cut posts no half line, and its repeat with keys pays what is missing and nothing twice', async () => {
    await freshAccounts('10.00')
    const payments = [1, 2, 3, 4].map((number) => payment('1.00', { idempotency_key: `cut ${number}` }))
    const { call, answer } = aStream()
    call.write(payments.slice(0, 2).map(line).join(''))
    const outcomes = createInterface({ input: await answer })[Symbol.asyncIterator]()
    await outcomes.next()
    await outcomes.next()
    // Whole as JSON, but nobody knows without its end of line.
    call.write(line(payments[2] ?? {}).trimEnd())
    await cut(call)
    await until(async () => (await waiting()) === 0)
    assert.equal(await ada.balance(purse), '8.00')

    const again = await bulk('NDJSON', payments)
    assert.deepEqual(
      again.outcomes.map(({ idempotent_replayed }) => idempotent_replayed ?? false),
      [true, true, false, false],
    )
    assert.equal(await ada.balance(purse), '6.00')
    assert.equal((await everyPage(ada, `/v1/payments?from_account=${purse}`)).length, 4)
  })

  it('that is cut without anybody reading posts whole lines or none', async () => {
    await freshAccounts('100.00')
    const payments = Array.from({ length: 50 }, (_, index) => payment('1.00', { idempotency_key: `blind ${index}` }))
    const { call, answer } = aStream()
    answer.catch(() => undefined)
    call.write(payments.map(line).join('').slice(0, -20))
    await cut(call)
    await until(async () => (await waiting()) === 0)
    const posted = (await everyPage(ada, `/v1/payments?from_account=${purse}`)).length
    assert.ok(posted <= 49, String(posted))
    const again = await bulk('NDJSON', payments)
    assert.ok(again.outcomes.every(({ payment }) => payment.status === 'completed'))
    assert.equal(await ada.balance(purse), '50.00')
  })

  it('ends with its token: what comes when that is revoked is not paid', async () => {
    await freshAccounts('10.00')
    const { body: made } = await ada.post('/v1/tokens', { name: 'stream', scopes: ['payments:write'] })
    const { call, answer } = aStream(made.token)
    call.write(line(payment('1.00')))
    const outcomes = createInterface({ input: await answer })[Symbol.asyncIterator]()
    const next = async () => JSON.parse((await outcomes.next()).value ?? '')
    assert.equal((await next()).payment.amount, '1.00')
    assert.equal((await ada.delete(`/v1/tokens/${made.id}`)).status, 204)
    call.end(line(payment('2.00')))
    assert.equal((await next()).error.code, 'unauthenticated')
    assert.equal((await outcomes.next()).done, true)
    assert.equal(await ada.balance(purse), '9.00')
  })

  it('says in its last line what is wrong with the body, and keeps what was answered before', async () => {
    await freshAccounts('10.00')
    const { call, answer } = aStream()
    call.end(`${line(payment('1.00'))}${'x'.repeat(70_000)}`)
    const lines: string[] = []
    for await (const text of createInterface({ input: await answer })) lines.push(text)
    assert.deepEqual(shortly(lines.map((text) => JSON.parse(text))), [
      [201, '1.00 completed'],
      [413, 'too_large'],
    ])
    assert.equal(await ada.balance(purse), '9.00')
  })

  /** Cuts the connection once what was written is on its way. */
  async function cut(call: ClientRequest): Promise<void> {
    const closed = new Promise((resolve) => call.once('close', resolve))
    call.write('', () => call.destroy())
    await closed
  }

  /** Payments that wait at the poster, as the metrics have it. */
  async function waiting(): Promise<number> {
    const { body } = await gateway.anybody.get('/metrics')
    return Number(/^payments_waiting (\d+)$/m.exec(body)?.[1])
  }
})

it('bulk requests leave the books right, and no payment initiated', async () => {
  await until(async () => (await operator.get('/v1/admin/payments?status=initiated')).body.data.length === 0)
  await assertBooksAreRight(gateway)
})
