import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { before, describe, it } from 'node:test'
import { withOwner } from '../src/database/connection.ts'
import { aClient } from './harness/client.ts'
import { parseCsv } from './harness/csv.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { anAccount, assertProblem, everyPage, fund, locking, rowsOf, transfer } from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
let from: string
let to: string

const PAYMENTS = 2_300
const FORMULA = '=1+1,"x"'

before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
  ;[from, to] = [await anAccount(ada, 'USD', { metadata: { goal: 'boat' } }), await bob.account('USD')]
  await fund(operator, from, '10000.00')
  const payments = Array.from({ length: PAYMENTS }, (_, index) =>
    transfer(from, to, '1.00', {
      metadata: { n: String(index % 10) },
      ...(index === 7 ? { description: FORMULA } : {}),
    }),
  )
  await ada.post('/v1/payments/bulk', { payments })
})

const MANY_RATES = `
  insert into rates (book, id, from_currency, to_currency, numerator, denominator, source, valid_from, created_at)
  select 1, gen_random_uuid(), 'USD', 'EUR', 9, 10, 'operator', now(), now() from generate_series(1, 100000)`

const parsedLines = (body: unknown) =>
  String(typeof body === 'string' ? body : JSON.stringify(body))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

/** What ada is answered, in the pieces in which it was sent: the chunks of RFC 9112 §7.1. */
async function piecesOf(path: string): Promise<string[]> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${ada.token}\r\nconnection: close\r\n\r\n`,
  )
  const answer = Buffer.concat(await Array.fromAsync(socket))
  const pieces: string[] = []
  for (let at = answer.indexOf('\r\n\r\n') + 4; ; ) {
    const begin = answer.indexOf('\r\n', at) + 2
    const size = Number.parseInt(answer.subarray(at, begin).toString(), 16)
    if (size === 0) return pieces
    assert.ok(size > 0, answer.toString().slice(0, 500))
    pieces.push(answer.subarray(begin, begin + size).toString())
    at = begin + size + 2
  }
}

/** Every list of a user and of an operator. */
const OF_USER = ['accounts', 'payments', 'operations', 'tokens', 'webhooks']
const OF_OPERATOR = ['users', 'accounts', 'payments', 'operations', 'audit', 'webhooks', 'rates']

describe('an export', () => {
  it('comes in pieces as small as pages, so that little is kept for whoever reads slowly', async () => {
    const lines = (await piecesOf('/v1/payments?format=ndjson')).map((piece) => piece.split('\n').length - 1)
    assert.equal(Math.max(...lines), 200)
    assert.ok(lines.length > PAYMENTS / 200)
  })

  it('of any list holds what its pages hold, as NDJSON and as CSV', async () => {
    const paths = [
      ...OF_USER.map((name) => [ada, `/v1/${name}`] as const),
      ...OF_OPERATOR.map((name) => [operator, `/v1/admin/${name}`] as const),
    ]
    // A token's is written down now and then, between two calls too.
    const whenever = (items: readonly object[]) => items.map((item) => ({ ...item, last_used_at: null }))
    for (const [client, path] of paths) {
      const pages = await everyPage(client, path)
      const lines = await client.get(`${path}?format=ndjson`)
      assert.match(lines.headers.get('content-type') ?? '', /^application\/x-ndjson/, path)
      assert.deepEqual(whenever(lines.body === '' ? [] : parsedLines(lines.body)), whenever(pages), path)
      const csv = await client.get(`${path}?format=csv`)
      assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/)
      const records = parseCsv(csv.body)
      assert.equal(records.length, pages.length + 1, path)
      if (pages[0]) assert.deepEqual(records[0], Object.keys(pages[0]))
      assert.equal(records[1]?.[0], pages[0]?.id)
    }
  })

  it('takes filters, an order by time and the fields that are asked for', async () => {
    const { body } = await ada.get('/v1/payments?format=ndjson&metadata[n]=3&sort=created_at&fields=metadata,id')
    const lines = parsedLines(body)
    assert.equal(lines.length, PAYMENTS / 10)
    assert.deepEqual(Object.keys(lines[0]), ['metadata', 'id'])
    const ids = lines.map(({ id }) => id)
    assert.deepEqual(ids, [...ids].sort())
    const { body: csv } = await ada.get('/v1/payments?format=csv&metadata[n]=3&sort=created_at&fields=metadata,id')
    assert.deepEqual(parseCsv(csv)[1], ['{"n":"3"}', lines[0].id])
  })

  it('as CSV has no cell that a spreadsheet would run, and amounts as numbers', async () => {
    const { body } = await ada.get('/v1/payments?format=csv&fields=description,amount&description[like]=1%2B1')
    assert.deepEqual(parseCsv(body), [
      ['description', 'amount'],
      [`'${FORMULA}`, '1.00'],
    ])
    const { body: internal } = await operator.get(
      '/v1/admin/accounts?format=csv&code=internal&currency=USD&fields=balance',
    )
    assert.match(parseCsv(internal)[1]?.[0] ?? '', /^-?\d+\.\d\d$/)
  })

  it('of an empty list is empty: no line, or the names of the fields', async () => {
    const { body: csv } = await bob.get('/v1/payments?format=csv&kind=conversion&fields=id,status')
    assert.equal(csv, 'id,status\r\n')
    assert.equal((await bob.get('/v1/payments?format=ndjson&kind=conversion')).body, '')
  })

  it('is of the caller’s own things', async () => {
    const carol = await aUser(gateway)
    const { body } = await carol.get(`/v1/payments?format=ndjson&from_account=${from}`)
    assert.equal(body, '')
    assertProblem(await carol.get('/v1/admin/payments?format=ndjson'), 'forbidden')
  })

  it('may be left in the middle', async () => {
    const leaving = new AbortController()
    const response = await fetch(`${gateway.url}/v1/admin/operations?format=ndjson`, {
      headers: { authorization: `Bearer ${operator.token}` },
      signal: leaving.signal,
    })
    await response.body?.getReader().read()
    leaving.abort()
    assert.equal((await operator.get('/v1/accounts')).status, 200)
  })

  it('that has begun waits for a connection, however long others have all of them', async () => {
    const busy = await aGateway({ BGW_DATABASE_CONNECTIONS: '3' }, gateway.database)
    const { pool } = busy.inside
    await withOwner(gateway.database, (client) => client.query(MANY_RATES))
    const response = await fetch(`${busy.url}/v1/admin/rates?format=ndjson`, {
      headers: { authorization: `Bearer ${operator.token}` },
    })
    const others = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
    const text = response.text()
    // The gateway's own rounds wait there as well, so that it is seldom one alone.
    await until(async () => pool.waitingCount > 0)
    // Whoever comes behind it waits in vain, so that it has, too; twice, as the first may have come before it.
    for (let times = 0; times < 2; times += 1) await assert.rejects(pool.connect(), /timeout/)
    for (const client of others) client.release()
    const lines = (await text).trimEnd().split('\n')
    const [count] = await rowsOf(busy, 'select count(*)::int as rates from rates where book = 1')
    assert.equal(lines.length, count?.rates)
    await busy.stop()
  })

  for (const format of ['ndjson', 'csv']) {
    it(`as ${format} that breaks off in the middle does not look whole`, async () => {
      // More than fits into all buffers between the database and whoever reads.
      await withOwner(gateway.database, (client) => client.query(MANY_RATES))
      const response = await fetch(`${gateway.url}/v1/admin/rates?format=${format}`, {
        headers: { authorization: `Bearer ${operator.token}` },
      })
      assert.equal(response.status, 200)
      const reader = response.body?.getReader()
      assert.equal((await reader?.read())?.done, false)
      await withOwner(gateway.database, (client) => client.query('alter table rates rename to rates_away'))
      await assert.rejects(async () => {
        while ((await reader?.read())?.done === false);
      })
      await withOwner(gateway.database, (client) => client.query('alter table rates_away rename to rates'))
      assert.equal((await operator.get('/v1/admin/rates')).status, 200)
    })
  }

  it('that breaks off in the middle does not look whole by HTTP/1.0 either, which a proxy may speak', async () => {
    await withOwner(gateway.database, (client) => client.query(MANY_RATES))
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
    socket.write(`GET /v1/admin/rates?format=csv HTTP/1.0\r\nauthorization: Bearer ${operator.token}\r\n\r\n`)
    await once(socket, 'readable')
    await withOwner(gateway.database, (client) => client.query('alter table rates rename to rates_away'))
    await assert.rejects(text(socket), { code: 'ECONNRESET' })
    await withOwner(gateway.database, (client) => client.query('alter table rates_away rename to rates'))
  })

  it('that only its head is asked for is not read behind it', async () => {
    await withOwner(gateway.database, (client) => client.query(MANY_RATES))
    const { status, headers } = await fetch(`${gateway.url}/v1/admin/rates?format=csv`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${operator.token}` },
    })
    assert.deepEqual([status, headers.get('content-type')], [200, 'text/csv; charset=utf-8; header=present'])
    // Whoever read on would have to wait here.
    await locking(gateway, 'lock table rates in access exclusive mode', async () => {
      for (let request = 0; request < 10; request += 1) await operator.get('/v1/me')
      assert.deepEqual(
        await rowsOf(gateway, "select from pg_locks where relation = 'rates'::regclass and not granted"),
        [],
      )
      return []
    })
  })

  for (const [what, query] of [
    ['a format that there is not', 'format=xlsx'],
    ['a format twice', 'format=csv&format=csv'],
    ['a limit', 'format=csv&limit=10'],
    ['a cursor', 'format=ndjson&cursor=x'],
    ['an order that no index has', 'format=csv&sort=amount'],
    ['what CSV cannot hold', 'format=csv&expand=from_account'],
    ['a filter that the list does not have', 'format=csv&nonsense=1'],
    ['a value that is none', 'format=ndjson&amount=lots'],
  ]) {
    it(`is refused for ${what}`, async () => {
      assertProblem(await ada.get(`/v1/payments?${query}`), 'invalid_query')
    })
  }

  it('of events goes by their position, which whoever asks for another order is told', async () => {
    const refused = await ada.get('/v1/events?format=ndjson&sort=created_at')
    assertProblem(refused, 'invalid_query')
    assert.match(refused.body.detail, /of ndjson is position alone/)
    const { body } = await ada.get('/v1/events?format=ndjson&sort=position')
    const lines = body
      .trimEnd()
      .split('\n')
      .map((line: string) => JSON.parse(line))
    assert.deepEqual(lines, (await everyPage(ada, '/v1/events?sort=position')).slice(0, lines.length))
    assert.ok(lines.length > 1)
  })
})

describe('fields', () => {
  it('picks what a page shows, in the order asked for', async () => {
    const { body, headers } = await ada.get('/v1/payments?fields=amount,id&limit=2')
    assert.deepEqual(Object.keys(body.data[0]), ['amount', 'id'])
    assert.equal(body.data.length, 2)
    assert.ok(body.next_cursor)
    assert.match(headers.get('etag') ?? '', /^"/)
    const next = await ada.get(`/v1/payments?fields=id&limit=2&cursor=${body.next_cursor}`)
    assert.equal(next.status, 200)
  })

  it('shows no account to a token that opens none, and payments to it as ever', async () => {
    const made = await ada.post('/v1/tokens', { name: 'payments alone', scopes: ['payments:read'] })
    const reader = aClient(gateway.url, made.body.token)
    assertProblem(await reader.get(`/v1/accounts/${from}`), 'forbidden')
    for (const path of [
      'payments?expand=from_account',
      'payments?format=ndjson&expand=to_account',
      'operations?expand=payment,account',
      'schedules?expand=from_account',
    ]) {
      assertProblem(await reader.get(`/v1/${path}`), 'forbidden')
    }
    const { body } = await reader.get('/v1/operations?limit=1&expand=payment')
    assert.equal(body.data[0].expanded.payment.id, body.data[0].payment_id)
  })

  it('is refused where it names what there is not', async () => {
    for (const query of ['fields=nonsense', 'fields=', 'fields=id,', 'fields=id&fields=id', 'fields=constructor']) {
      assertProblem(await ada.get(`/v1/payments?${query}`), 'invalid_query')
    }
  })
})

describe('expand', () => {
  it('shows the payment and the account of an operation as their own calls do', async () => {
    const { body } = await ada.get(`/v1/operations?account_id=${from}&limit=3&expand=payment,account`)
    for (const operation of body.data) {
      const { body: payment } = await ada.get(`/v1/payments/${operation.payment_id}`)
      const { body: account } = await ada.get(`/v1/accounts/${operation.account_id}`)
      assert.deepEqual(operation.expanded, { payment, account })
    }
  })

  it('shows the accounts of a payment to whom they belong, and all to an operator', async () => {
    const query = 'limit=1&kind=transfer&expand=from_account,to_account&fields=id'
    const [own] = (await ada.get(`/v1/payments?${query}`)).body.data
    assert.deepEqual([own.expanded.from_account.id, own.expanded.to_account], [from, null])
    assert.deepEqual(Object.keys(own), ['id', 'expanded'])
    const [others] = (await bob.get(`/v1/payments?${query}`)).body.data
    assert.deepEqual([others.expanded.from_account, others.expanded.to_account.id], [null, to])
    const [all] = (await operator.get(`/v1/admin/payments?${query}`)).body.data
    assert.deepEqual([all.expanded.from_account.id, all.expanded.to_account.id], [from, to])
    const { body } = await ada.get('/v1/payments?format=ndjson&kind=transfer&expand=from_account')
    assert.ok(parsedLines(body).every(({ expanded }) => expanded.from_account.id === from))
  })

  it('is refused where it names what there is not', async () => {
    for (const path of ['payments?expand=payment', 'operations?expand=x', 'accounts?expand=user', 'payments?expand=']) {
      assertProblem(await ada.get(`/v1/${path}`), 'invalid_query')
    }
  })
})
