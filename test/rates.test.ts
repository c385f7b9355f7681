import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import type { Client } from './harness/client.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertProblem, everyPage } from './harness/paying.ts'

const SAMPLE = readFileSync(join(import.meta.dirname, '../examples/rates/eurofxref-hist.csv'), 'utf8')
const CSV = { 'content-type': 'text/csv' }

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
before(async () => {
  gateway = await aGateway()
  ;[operator, ada] = await Promise.all([anOperator(gateway, { allBooks: true }), aUser(gateway)])
})

let books = 0
/** A book without rates, and its operator as a client. */
async function aBook(): Promise<Client> {
  books += 1
  const name = `rates-${books}`
  assert.equal((await operator.post('/v1/admin/books', { name })).status, 201)
  const inBook = (headers = {}) => ({ book: name, ...headers })
  return {
    ...operator,
    get: (path, headers) => operator.get(path, inBook(headers)),
    post: (path, body, headers) => operator.post(path, body, inBook(headers)),
  }
}

function imported(client: Client, file: string, type = 'text/csv') {
  return client.post('/v1/admin/rates/import', file, { 'content-type': type })
}

const daily = (rate: string) => `<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <Cube><Cube time='2026-04-14'><Cube currency='USD' rate='${rate}'/></Cube></Cube>
</gesmes:Envelope>`

describe('A file of reference rates', () => {
  it('is taken once, however often and at once it is sent', async () => {
    const book = await aBook()
    const answers = await Promise.all([imported(book, SAMPLE), imported(book, SAMPLE)])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    )
    const counts = { first_day: '2026-02-27', last_day: '2026-04-13', days: 30, rates: 870, different: 0 }
    const sorted = answers.map(({ body }) => body).sort((left, right) => right.added - left.added)
    assert.deepEqual(sorted, [
      { ...counts, added: 870, known: 0 },
      { ...counts, added: 0, known: 870 },
    ])
    assert.equal((await everyPage(book, '/v1/admin/rates')).length, 870)
  })

  it('of one day is taken as XML too, and says where it differs from what was known', async () => {
    const book = await aBook()
    assert.equal((await imported(book, daily('1.1700'), 'application/xml')).body.added, 1)
    assert.equal((await imported(book, daily('1.17'), 'text/xml')).body.different, 0)
    const { body } = await imported(book, daily('1.1701'), 'application/xml; charset=utf-8')
    assert.deepEqual([body.added, body.known, body.different], [0, 1, 1])
    const { data } = (await book.get('/v1/admin/rates')).body
    assert.deepEqual([data.length, data[0].rate, data[0].valid_from], [1, '1.17', '2026-04-14T15:00:00.000000Z'])
  })

  it('that is broken anywhere is refused whole', async () => {
    const book = await aBook()
    const header = 'Date,USD,JPY\n'
    for (const file of [
      '',
      header,
      `${header}2026-04-13,1.1684,186.75\n2026-04-10,1.1711,x\n`,
      SAMPLE.slice(0, -150),
      // Within the last number: what is left of it is one, too.
      SAMPLE.trimEnd().slice(0, -3),
    ]) {
      const reply = await imported(book, file)
      if (file === '') assert.equal(reply.status, 400)
      else assertProblem(reply, 'invalid_file')
    }
    assertProblem(await imported(book, `${header}9999-12-31,1,2\n`), 'invalid_file')
    assertProblem(await imported(book, daily('x'), 'application/xml'), 'invalid_file')
    assertProblem(await imported(book, `<!DOCTYPE a>${daily('1')}`, 'application/xml'), 'invalid_file')
    const bytes = Buffer.from([0x44, 0x61, 0x74, 0x65, 0xff])
    assertProblem(await operator.send('POST', '/v1/admin/rates/import', bytes, CSV), 'invalid_file')
    assert.deepEqual((await book.get('/v1/admin/rates')).body.data, [])
  })

  it('is at most 5 MiB, of a known type, and an operator’s to send', async () => {
    assertProblem(await imported(operator, ' '.repeat(5 * 1024 * 1024 + 1)), 'too_large')
    assertProblem(await imported(operator, '{}', 'application/json'), 'unsupported_media_type')
    assertProblem(await imported(operator, SAMPLE, 'text/plain'), 'unsupported_media_type')
    assertProblem(await operator.post('/v1/admin/rates/import'), 'unsupported_media_type')
    assertProblem(await imported(ada, SAMPLE), 'forbidden')
    assertProblem(await gateway.anybody.post('/v1/admin/rates/import', SAMPLE, CSV), 'unauthenticated')
  })

  it('is answered again by its idempotency key', async () => {
    const book = await aBook()
    const key = { ...CSV, 'idempotency-key': 'april' }
    const [first, second] = [
      await book.post('/v1/admin/rates/import', SAMPLE, key),
      await book.post('/v1/admin/rates/import', SAMPLE, key),
    ]
    assert.deepEqual(second.body, first.body)
    assert.equal(second.headers.get('idempotent-replayed'), 'true')
    assertProblem(await book.post('/v1/admin/rates/import', `${SAMPLE}\n`, key), 'idempotency_key_reused')
  })

  it('is in the audit log', async () => {
    const book = await aBook()
    await imported(book, SAMPLE)
    const { data } = (await book.get('/v1/admin/audit?action=rate.import')).body
    assert.deepEqual(
      [data.length, data[0].actor_id, data[0].detail.added],
      [1, (await operator.get('/v1/me')).body.id, 870],
    )
  })
})

describe('A rate by hand', () => {
  it('is written down exactly, audited, and shown with who made it', async () => {
    const book = await aBook()
    const wish = { from_currency: 'USD', to_currency: 'CZK', rate: '20.123456789012345678' }
    const { status, body } = await book.post('/v1/admin/rates', wish)
    assert.equal(status, 201)
    assert.deepEqual(
      [body.from_currency, body.to_currency, body.rate, body.source],
      ['USD', 'CZK', wish.rate, 'operator'],
    )
    assert.equal(body.valid_from, body.created_at)
    assert.deepEqual((await book.get('/v1/admin/rates')).body.data, [body])
    const { data } = (await book.get(`/v1/admin/audit?object_id=${body.id}`)).body
    assert.deepEqual([data[0].action, data[0].object_id, data[0].detail.rate], ['rate.create', body.id, wish.rate])
  })

  it('is written down once for one idempotency key', async () => {
    const book = await aBook()
    const write = () =>
      book.post(
        '/v1/admin/rates',
        { from_currency: 'EUR', to_currency: 'USD', rate: '1.1' },
        { 'idempotency-key': 'r' },
      )
    const [first, second] = await Promise.all([write(), write()])
    assert.deepEqual(first.body, second.body)
    assert.equal((await book.get('/v1/admin/rates')).body.data.length, 1)
  })

  it('is refused where it is no rate of two currencies of the book', async () => {
    const right = { from_currency: 'USD', to_currency: 'EUR', rate: '0.9' }
    for (const rate of ['0', '-1', '1e3', '', 'x', '1,5', '0.0', '1'.repeat(19), `0.${'1'.repeat(19)}`]) {
      assertProblem(await operator.post('/v1/admin/rates', { ...right, rate }), 'invalid_value')
    }
    assertProblem(await operator.post('/v1/admin/rates', { ...right, rate: 0.9 }), 'invalid_type')
    assertProblem(await operator.post('/v1/admin/rates', { ...right, to_currency: 'USD' }), 'invalid_value')
    assertProblem(await operator.post('/v1/admin/rates', { ...right, to_currency: 'ZZZ' }), 'unknown_currency')
    assertProblem(await operator.post('/v1/admin/rates', { ...right, valid_from: 'soon' }), 'invalid_value')
    assertProblem(await operator.post('/v1/admin/rates', { ...right, source: 'ecb' }), 'unknown_field')
    assertProblem(await ada.post('/v1/admin/rates', right), 'forbidden')
  })

  it('is found by every field of the list', async () => {
    const book = await aBook()
    await imported(book, SAMPLE)
    const at = '2026-04-13T15:00:00Z'
    await book.post('/v1/admin/rates', { from_currency: 'EUR', to_currency: 'USD', rate: '1.2', valid_from: at })
    const count = async (query: string) => (await book.get(`/v1/admin/rates?${query}`)).body.data.length
    assert.equal(await count(`to_currency=USD&valid_from=${at}`), 2)
    assert.equal(await count(`to_currency=USD&valid_from=${at}&source=operator`), 1)
    assert.equal(await count('to_currency=USD&rate=1.1684'), 1)
    assert.equal(
      await count('to_currency=USD&rate[gt]=1.1684&source=ecb&limit=200'),
      (await everyPage(book, '/v1/admin/rates?to_currency=USD&source=ecb')).filter(({ rate }) => Number(rate) > 1.1684)
        .length,
    )
    assert.equal(await count('from_currency=USD'), 0)
    assert.equal(await count('made_by=usr_01k3v5ezz9e2qsf8h7g6f5d4c3'), 0)
    assertProblem(await book.get('/v1/admin/rates?source=mine'), 'invalid_query')
    const sorted = (await everyPage(book, '/v1/admin/rates?sort=-rate', 100)).map(({ rate }) => Number(rate))
    assert.deepEqual(
      sorted,
      [...sorted].sort((left, right) => right - left),
    )
    assert.equal(sorted.length, 871)
  })
})

describe('The rates that hold', () => {
  // The users of these tests are in the book main.
  const rate = async (query: string) => {
    const { status, body } = await ada.get(`/v1/rates?${query}`)
    assert.equal(status, 200, JSON.stringify(body))
    return body.data
  }
  before(async () => {
    assert.equal((await imported(operator, SAMPLE)).status, 200)
  })

  it('are there as they came, turned round, and crossed through the euro', async () => {
    const common = { source: 'ecb', valid_from: '2026-04-13T15:00:00.000000Z' }
    assert.deepEqual(await rate('from=EUR&to=USD'), [
      { from_currency: 'EUR', to_currency: 'USD', rate: '1.1684', ...common },
    ])
    assert.deepEqual(await rate('from=USD&to=EUR'), [
      { from_currency: 'USD', to_currency: 'EUR', rate: '0.85587127696', ...common },
    ])
    assert.deepEqual(await rate('from=USD&to=CZK'), [
      { from_currency: 'USD', to_currency: 'CZK', rate: '20.8644299897', ...common },
    ])
  })

  it('are those of the time that is asked for', async () => {
    const [before] = await rate('from=EUR&to=USD&at=2026-04-13T14:59:59.999999Z')
    assert.deepEqual([before.rate, before.valid_from], ['1.1711', '2026-04-10T15:00:00.000000Z'])
    assert.equal((await rate('from=EUR&to=USD&at=2026-04-13T15:00:00Z'))[0].rate, '1.1684')
    assert.deepEqual(await rate('from=EUR&to=USD&at=2020-01-01T00:00:00Z'), [])
  })

  it('of one currency are all that are known', async () => {
    const all = await rate('')
    assert.equal(all.length, 29)
    assert.ok(all.every(({ from_currency }: any) => from_currency === 'EUR'))
    const dollars = await rate('from=USD')
    assert.equal(dollars.length, 29)
    assert.ok(!dollars.some(({ to_currency }: any) => to_currency === 'USD'))
    assert.deepEqual(await rate('from=USD&to=USD'), [])
    assert.deepEqual(await rate('from=BTC&to=USD'), [])
  })

  it('are refused for what the book does not have', async () => {
    assertProblem(await ada.get('/v1/rates?from=ZZZ'), 'unknown_currency')
    assertProblem(await ada.get('/v1/rates?to=ZZZ'), 'unknown_currency')
    assertProblem(await ada.get('/v1/rates?from=usd'), 'invalid_query')
    assertProblem(await ada.get('/v1/rates?at=now'), 'invalid_query')
    assertProblem(await ada.get('/v1/rates?form=USD'), 'unknown_field')
    assertProblem(await gateway.anybody.get('/v1/rates'), 'unauthenticated')
  })

  it('are the newest: what an operator writes down counts from its time on, until a newer one', async () => {
    const write = (body: object) =>
      operator.post('/v1/admin/rates', { from_currency: 'USD', to_currency: 'CZK', ...body })
    assert.equal((await write({ rate: '21', valid_from: '2026-05-01T00:00:00Z' })).status, 201)
    assert.equal((await write({ rate: '22', valid_from: '2026-05-02T00:00:00Z' })).status, 201)
    assert.equal((await write({ rate: '99', valid_from: '9999-01-01T00:00:00Z' })).status, 201)
    const [now] = await rate('from=USD&to=CZK')
    assert.deepEqual([now.rate, now.source], ['22', 'operator'])
    assert.equal((await rate('from=CZK&to=USD'))[0].rate, '0.0454545454545')
    assert.equal((await rate('from=USD&to=CZK&at=2026-05-01T12:00:00Z'))[0].rate, '21')
    assert.equal((await rate('from=USD&to=CZK&at=2026-04-20T00:00:00Z'))[0].rate, '20.8644299897')
    // Of the same time the later word counts.
    assert.equal((await write({ rate: '22.5', valid_from: '2026-05-02T00:00:00Z' })).status, 201)
    assert.equal((await rate('from=USD&to=CZK'))[0].rate, '22.5')
    // What is crossed is as old as the older part, and of both sources.
    await operator.post('/v1/admin/rates', { from_currency: 'BTC', to_currency: 'EUR', rate: '80000' })
    const [crossed] = await rate('from=BTC&to=JPY')
    assert.deepEqual([crossed.rate, crossed.source], ['14940000', 'operator, ecb'])
    assert.equal(crossed.valid_from, '2026-04-13T15:00:00.000000Z')
  })

  it('are the same both ways, so that of two for one pair and time the later written counts, whichever way it was', async () => {
    const write = (from_currency: string, to_currency: string, rate: string, valid_from: string) =>
      operator.post('/v1/admin/rates', { from_currency, to_currency, rate, valid_from })
    const bothWays = async (from: string, to: string) =>
      (await Promise.all([rate(`from=${from}&to=${to}`), rate(`from=${to}&to=${from}`)])).map(([{ rate }]) => rate)
    const at = '2026-06-01T00:00:00Z'
    assert.equal((await write('USD', 'CNY', '70', at)).status, 201)
    assert.equal((await write('CNY', 'USD', '0.125', at)).status, 201)
    assert.deepEqual(await bothWays('USD', 'CNY'), ['8', '0.125'])
    assert.equal((await write('USD', 'CNY', '10', at)).status, 201)
    assert.deepEqual(await bothWays('USD', 'CNY'), ['10', '0.1'])
    // What was valid earlier stays behind, however late it is written down.
    assert.equal((await write('CNY', 'USD', '0.5', '2026-05-31T00:00:00Z')).status, 201)
    assert.deepEqual(await bothWays('USD', 'CNY'), ['10', '0.1'])
    // Both parts of what is crossed are chosen in the same way.
    for (const [code, wrong, right] of [
      ['SEK', '100', '0.1'],
      ['NOK', '500', '0.05'],
    ] as const) {
      assert.equal((await write('EUR', code, wrong, at)).status, 201)
      assert.equal((await write(code, 'EUR', right, at)).status, 201)
    }
    assert.deepEqual(await bothWays('SEK', 'NOK'), ['2', '0.5'])
  })

  it('of one book are nothing to another', async () => {
    const book = await aBook()
    assert.deepEqual((await book.get('/v1/admin/rates')).body.data, [])
  })
})
