import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { before, describe, it } from 'node:test'
import { aClient, type Reply } from './harness/client.ts'
import { exampleOf, readOperations } from './harness/document.ts'
import { aGateway, anEmail, anOperator, aUser, PASSWORD, type TestGateway, type TestUser } from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  fund,
  locking,
  rowsOf,
  transfer,
  untilLocked,
} from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway, { allBooks: true }), aUser(gateway), aUser(gateway)])
})

describe('a refusal', () => {
  it('is problem+json with a stable code, a request id and the fields that are wrong', async () => {
    const answer = await ada.post('/v1/accounts', { currency: 5, colour: 'red' })
    assertProblem(answer, 'invalid_request')
    const { errors } = answer.body
    assert.deepEqual(errors.map(({ field, code }: any) => [field, code]).sort(), [
      ['colour', 'unknown_field'],
      ['currency', 'invalid_value'],
    ])
    assert.ok(errors.every(({ detail }: any) => typeof detail === 'string' && detail !== ''))
  })

  it('has the code of its mistakes where they share one', async () => {
    const answer = await ada.post('/v1/payments', {})
    assertProblem(answer, 'missing_field')
    assert.deepEqual(
      answer.body.errors.map(({ field }: any) => field),
      ['from_account', 'to_account', 'amount'],
    )
  })

  it('meets a path or a method that is not there', async () => {
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/v1/nothing'],
      ['GET', '/v1/accounts/'],
      ['GET', '/v1//accounts'],
      ['GET', '/v1/accounts/%zz'],
      ['PUT', '/v1/me'],
      ['DELETE', '/v1/accounts'],
    ] as const) {
      assertProblem(await ada.send(method, path), 'not_found')
    }
    // Whatever is sent there: nobody reads it.
    const json = { 'content-type': 'application/json' }
    for (const [method, path] of [
      ['POST', '/v1/nothing'],
      ['PUT', '/v1/me'],
      ['QUERY', '/v1/payments'],
    ] as const) {
      assertProblem(await ada.send(method, path, '{', json), 'not_found')
    }
  })

  it('can be read by pages of the origins that may, however the address is misspelled', async () => {
    const origin = 'https://app.example.com'
    const own = await aGateway({ BGW_ALLOWED_ORIGINS: origin }, gateway.database)
    for (const path of ['/v1/nothing', '/v1/accounts/%zz', `/v1/accounts/${'x'.repeat(300)}`]) {
      const answer = await own.anybody.get(path, { origin })
      assertProblem(answer, 'not_found')
      assert.equal(answer.headers.get('access-control-allow-origin'), origin, path)
      // Such as the name of a statement's file, and when to come back.
      assert.match(answer.headers.get('access-control-expose-headers') ?? '', /content-disposition, .*retry-after/)
      const { headers } = await own.anybody.get(path, { origin: 'https://other.example.com' })
      assert.deepEqual([headers.get('access-control-allow-origin'), headers.get('vary')], [null, 'Origin'], path)
    }
    await own.stop()
  })

  it('meets a field of the query that a call does not know, on every call', async () => {
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    const known = { from_account: from, to_account: to, account: from, book: 'main' }
    for (const { id, method, path, body, isAdmin, query } of await readOperations(gateway)) {
      const caller = isAdmin ? operator : ada
      const right = body && JSON.stringify(exampleOf(body.schema, known))
      const headers: Record<string, string> = body ? { 'content-type': body.type } : {}
      const url = `${path.replace('{id}', from)}?surprise=1${id === 'findRecipients' ? '&email=x' : ''}`
      const answer = await caller.send(method, url, right, headers)
      // To a list it is a filter that it does not understand, to any other call a field like one of a body.
      assertProblem(answer, query.includes('cursor') ? 'invalid_query' : 'unknown_field')
      assert.equal(answer.body.errors[0].field, 'surprise', id)
    }
  })

  it('meets a body where a call takes none', async () => {
    const id = await anAccount(ada)
    assertProblem(await ada.post(`/v1/accounts/${id}/close`, { force: true }), 'unknown_field')
    assert.equal((await ada.get(`/v1/accounts/${id}`)).body.status, 'active')
    assert.equal((await ada.post(`/v1/accounts/${id}/close`, {})).body.status, 'closed')
  })
})

describe('a request id', () => {
  it('is the caller’s, in the answer, in the error and in the audit log', async () => {
    const mine = { 'x-request-id': 'order:1815.a-b_c' }
    const answer = await ada.get('/v1/accounts/nothing', mine)
    assert.equal(answer.headers.get('x-request-id'), mine['x-request-id'])
    assertProblem(answer, 'not_found')
    const wish = { account: await ada.account('USD'), amount: '1.00', direction: 'debit', reason: 'Cash' }
    await operator.post('/v1/admin/adjustments', wish, mine)
    const { body } = await operator.get(`/v1/admin/audit?request_id=${mine['x-request-id']}`)
    assert.deepEqual(
      body.data.map(({ action }: any) => action),
      ['adjustment.create'],
    )
  })

  it('is made, a new one each time, where there is none or one that could break a log', async () => {
    const ids = new Set<string>()
    for (const header of [{}, {}, { 'x-request-id': 'a b' }, { 'x-request-id': 'x'.repeat(101) }]) {
      const { headers } = await gateway.anybody.get('/health/live', header as Record<string, string>)
      assert.match(headers.get('x-request-id') ?? '', /^req_[0-9a-f-]{36}$/)
      ids.add(headers.get('x-request-id') ?? '')
    }
    assert.equal(ids.size, 4)
  })
})

describe('an idempotency key', () => {
  const keyed = (key: string) => ({ 'idempotency-key': key })
  const at2090 = '2090-01-01T00:00:00Z'

  /** Every POST that moves or creates: what to send first, and what else. */
  async function creations(): Promise<[string, TestUser, string, object, object][]> {
    const [usd, eur, bobs] = [await ada.account('USD'), await ada.account('EUR'), await bob.account('USD')]
    const adjust = (amount: string) => ({ account: usd, amount, direction: 'debit', reason: 'Cash' })
    const token = (name: string) => ({ name, scopes: ['payments:read'], expires_at: at2090 })
    return [
      ['a payment', ada, '/v1/payments', transfer(usd, bobs, '1.00'), transfer(usd, bobs, '1.01')],
      ['a declined payment', ada, '/v1/payments', transfer(eur, bobs, '1.00'), transfer(eur, bobs, '1.01')],
      ['an account', ada, '/v1/accounts', { currency: 'USD' }, { currency: 'EUR' }],
      ['a token', ada, '/v1/tokens', token('a'), token('b')],
      ['an adjustment', operator, '/v1/admin/adjustments', adjust('1.00'), adjust('1.01')],
      [
        'a book',
        operator,
        '/v1/admin/books',
        { name: 'once', currencies: ['USD'] },
        { name: 'twice', currencies: ['USD'] },
      ],
    ]
  }

  it('makes anything that moves or creates safe to repeat, one after the other or at once', async () => {
    for (const [what, user, path, body, other] of await creations()) {
      const key = keyed(`key of ${what}`)
      const both = await Promise.all([user.post(path, body, key), user.post(path, body, key)])
      const third = await user.post(path, reversed(body), key)
      const answers: Reply[] = [...both, third]
      for (const answer of answers) {
        assert.deepEqual([answer.status, answer.body], [201, both[0].body], `${what}: ${JSON.stringify(answer.body)}`)
      }
      assert.deepEqual(both.map(({ headers }) => headers.get('idempotent-replayed')).sort(), [null, 'true'], what)
      assert.equal(third.headers.get('idempotent-replayed'), 'true', what)
      assertProblem(await user.post(path, other, key), 'idempotency_key_reused')
    }
  })

  it('is not used up by a request that was refused', async () => {
    const [usd, bobs] = [await ada.account('USD'), await bob.account('USD')]
    assertProblem(await ada.post('/v1/payments', transfer(usd, bobs, '1.001'), keyed('refused')), 'invalid_amount')
    const { headers, body } = await ada.post('/v1/payments', transfer(usd, bobs, '1.00'), keyed('refused'))
    assert.deepEqual([body.status, headers.get('idempotent-replayed')], ['completed', null])
    assertProblem(await ada.post('/v1/accounts', { currency: 'ZZZ' }, keyed('none')), 'unknown_currency')
    assert.equal((await ada.post('/v1/accounts', { currency: 'USD' }, keyed('none'))).status, 201)
  })

  it('belongs to its user', async () => {
    const [usd, bobs] = [await ada.account('USD'), await bob.account('USD')]
    const mine = await ada.post('/v1/payments', transfer(usd, bobs, '1.00'), keyed('shared'))
    const yours = await bob.post('/v1/payments', transfer(bobs, usd, '2.00'), keyed('shared'))
    assert.deepEqual([mine.body.amount, yours.body.amount], ['1.00', '2.00'])
    assert.equal(yours.headers.get('idempotent-replayed'), null)
  })

  it('may have 255 printable characters and no more', async () => {
    const [usd, bobs] = [await ada.account('USD'), await bob.account('USD')]
    const pay = (key: string) => ada.post('/v1/payments', transfer(usd, bobs, '0.50'), keyed(key))
    assert.equal((await pay(`~ ${'k'.repeat(252)}!`)).status, 201)
    for (const key of ['', 'k'.repeat(256), 'ключ'.normalize().replace(/./gu, 'é')]) {
      assertProblem(await pay(key), 'invalid_header')
    }
  })

  function reversed(body: object): object {
    return Object.fromEntries(Object.entries(body).reverse())
  }
})

describe('money', () => {
  it('has the digits of its currency, whatever they are', async () => {
    for (const [currency, funds, amount, fee, net] of [
      ['JPY', '1000', '100', '2', '98'],
      ['JPY', '1000', '25', '0', '25'], // 0.5 is rounded half-even
      ['JPY', '1000', '75', '2', '73'], // 1.5 is rounded half-even
      ['KWD', '1.000', '0.100', '0.002', '0.098'],
      ['ETH', '1.000000000000000000', '0.000000000000000100', '0.000000000000000002', '0.000000000000000098'],
    ] as const) {
      const [from, to] = [await anAccount(ada, currency), await anAccount(bob, currency)]
      await fund(operator, from, funds)
      const { body } = await ada.post('/v1/payments', transfer(from, to, amount))
      assert.deepEqual([body.status, body.amount, body.fee, body.net_amount], ['completed', amount, fee, net], currency)
      assert.equal(await bob.balance(to), net)
    }
  })

  it('may be written with fewer digits, and is answered with all of them', async () => {
    const [usd, bobs] = [await ada.account('USD'), await bob.account('USD')]
    for (const [written, shown] of [
      ['1', '1.00'],
      ['1.5', '1.50'],
    ] as const) {
      assert.equal((await ada.post('/v1/payments', transfer(usd, bobs, written))).body.amount, shown)
    }
  })

  it('may be as much as 10^30 minor units and no more', async () => {
    const [from, to] = [await anAccount(ada), await anAccount(ada)]
    const most = `1${'0'.repeat(28)}.00`
    await fund(operator, from, most)
    await fund(operator, from, '0.01')
    const { body } = await ada.post('/v1/payments', transfer(from, to, `1${'0'.repeat(28)}.01`))
    assert.deepEqual(
      [body.errors[0].field, body.errors[0].code, body.errors[0].detail],
      ['amount', 'invalid_amount', 'is 0, has more decimals than its currency, or is above 10^30 minor units'],
    )
    assert.equal((await ada.post('/v1/payments', transfer(from, to, most))).body.status, 'completed')
    assert.deepEqual([await ada.balance(from), await ada.balance(to)], ['0.01', most])
  })
})

describe('sign-up under load', () => {
  it('answers everybody, or says that it is overloaded', async () => {
    const answers = await Promise.all(
      Array.from({ length: 130 }, () => gateway.anybody.post('/v1/login', { email: anEmail(), password: PASSWORD })),
    )
    for (const answer of answers) assertProblem(answer, answer.status === 503 ? 'overloaded' : 'invalid_credentials')
    for (const { status, headers } of answers) if (status === 503) assert.ok(headers.get('retry-after'))
    assert.ok(answers.some(({ status }) => status === 401))
  })
})

describe('payments under load', () => {
  it('are made, or refused as overloaded at once, and then repeated', async () => {
    const [from, to] = [await anAccount(ada), await anAccount(bob)]
    await fund(operator, from, '100.00')
    const pay = (key: string) => ada.post('/v1/payments', transfer(from, to, '0.01'), { 'idempotency-key': key })
    const keys = Array.from({ length: 1_200 }, (_, index) => `load-${index}`)
    const answers = await Promise.all(keys.map(pay))
    const refused = answers.filter(({ status }) => status !== 201)
    for (const answer of refused) {
      assertProblem(answer, 'overloaded')
      assert.equal(answer.headers.get('retry-after'), '1')
      assert.match(answer.headers.get('x-request-id') ?? '', /^req_/)
    }
    const made = keys.length - refused.length
    assert.equal(await bob.balance(to), (made / 100).toFixed(2))
    const { body: metrics } = await gateway.anybody.get('/metrics')
    const counted = /_count\{method="POST",route="\/v1\/payments",status="503"\} (\d+)/.exec(metrics)?.[1]
    assert.equal(Number(counted ?? 0), refused.length)
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 503) assert.equal((await pay(`load-${index}`)).status, 201)
    }
    assert.equal(await bob.balance(to), '12.00')
  })

  it('do not wait for lists, however many are read', async () => {
    const [from, to] = [await anAccount(ada), await anAccount(bob)]
    await fund(operator, from, '1.00')
    const busy = await aGateway({ BGW_DATABASE_CONNECTIONS: '3' }, gateway.database)
    const [reader, payer] = [aClient(busy.url, operator.token), aClient(busy.url, ada.token)]
    const lists = await locking(gateway, 'lock table rates in access exclusive mode', async () => {
      const reading = Array.from({ length: 3 }, () => reader.get('/v1/admin/rates'))
      await untilLocked(gateway, 3)
      // The first that this node hears of the payer and of both accounts.
      assert.equal((await payer.post('/v1/payments', transfer(from, to, '1.00'))).body.status, 'completed')
      return reading
    })
    for (const list of lists) assert.equal((await list).status, 200)
    await busy.stop()
  })
})

describe('a whole address in place of a path, as programs send it that take this for a proxy,', () => {
  const OTHER = 'HTTP://other.example:80'

  it('is its path and query, whatever host it names', async () => {
    const { status, headers } = await sent('GET', '/v1/me')
    assert.equal(status, 200)
    const again = await sent('GET', `${OTHER}/v1/me`, { 'if-none-match': headers.etag })
    assert.deepEqual([again.status, again.headers.etag], [304, headers.etag])
    assert.equal((await sent('GET', `${OTHER}/v1/payments?limit=0`)).status, 400)
    for (const nowhere of [OTHER, `${OTHER}?next=/v1/me`]) assert.equal((await sent('GET', nowhere)).status, 404)
  })

  it('repeats what was asked with the same key by its path', async () => {
    const open = (path: string) => sent('POST', path, { 'idempotency-key': 'by-another-way' }, { currency: 'USD' })
    const first = await open('/v1/accounts')
    const second = await open(`${OTHER}/v1/accounts`)
    assert.deepEqual([first.status, second.status, second.body], [201, 201, first.body])
    assert.equal(second.headers['idempotent-replayed'], 'true')
  })

  /** What ada is answered, asking for exactly this target. */
  async function sent(method: string, target: string, more: Record<string, string | undefined> = {}, body?: object) {
    const { hostname, port } = new URL(gateway.url)
    const given = Object.entries(more).filter(([, value]) => value !== undefined)
    const call = request({
      ...{ hostname, port, method, path: target },
      headers: {
        ...{ authorization: `Bearer ${ada.token}`, ...Object.fromEntries(given) },
        ...(body && { 'content-type': 'application/json' }),
      },
    })
    call.end(body && JSON.stringify(body))
    const [answer] = await once(call, 'response')
    return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
  }
})

describe('a header that says one thing', () => {
  it('is refused where it is said twice: which of two keys, books or tokens was meant, is not guessed', async () => {
    const [from, to] = [await anAccount(ada), await anAccount(bob)]
    await fund(operator, from, '10.00')
    const body = JSON.stringify(transfer(from, to, '1.00'))
    const once = { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' }
    for (const [name, one, other] of [
      ['idempotency-key', 'order-1', 'order-2'],
      ['Idempotency-Key', 'order-1', 'order-1'],
      ['authorization', `Bearer ${ada.token}`, `Bearer ${bob.token}`],
      ['book', 'main', 'main'],
      ['content-type', 'application/json', 'text/plain'],
    ] as const) {
      const { hostname, port } = new URL(gateway.url)
      const headers = { host: 'gateway', 'content-length': body.length, ...once, [name]: [one, other] }
      const call = request({ hostname, port, method: 'POST', path: '/v1/payments', headers })
      call.end(body)
      const answer = await new Promise<IncomingMessage>((answered) => call.on('response', answered))
      const { code, errors } = JSON.parse(await text(answer))
      assert.deepEqual([answer.statusCode, code, errors?.[0]?.field], [400, 'invalid_header', name.toLowerCase()])
    }
    assert.equal(await ada.balance(from), '10.00')
  })
})

describe('a request that offers another protocol, as programs do that would rather speak HTTP/2,', () => {
  it('is answered over HTTP/1.1, its body read as ever (RFC 9110 §7.8)', async () => {
    const [from, to] = [await anAccount(ada), await anAccount(bob)]
    await fund(operator, from, '10.00')
    const offer = 'connection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n'
    const head = `HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${ada.token}\r\n${offer}`
    const wish = JSON.stringify(transfer(from, to, '1.00'))
    const typed = `content-type: application/json\r\ncontent-length: ${wish.length}\r\n`
    const paid = await answersTo(`POST /v1/payments ${head}${typed}\r\n${wish}`)
    assert.match(paid, /^HTTP\/1.1 201 .*"status":"completed"/s)
    assert.match(await answersTo(`GET /v1/me ${head}\r\n`), /^HTTP\/1.1 200 /)
  })
})

describe('a connection on which something comes that is no HTTP', () => {
  it('first has the answers to what was asked before, so that nobody is told of a payment that it was not made', async () => {
    const [from, to] = [await anAccount(ada), await anAccount(bob)]
    await fund(operator, from, '10.00')
    const wish = JSON.stringify(transfer(from, to, '1.00'))
    const pay =
      `POST /v1/payments HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${ada.token}\r\n` +
      `content-type: application/json\r\ncontent-length: ${wish.length}\r\n\r\n${wish}`
    for (const [before, text] of [
      [1, `${pay}nonsense\r\n\r\n`],
      [2, `${pay}${pay}nonsense\r\n\r\nand more of it\r\n`],
    ] as const) {
      const earlier = Number(await bob.balance(to))
      const answer = await answersTo(text)
      assert.deepEqual(answer.match(/HTTP\/1.1 \d+/g), [...Array(before).fill('HTTP/1.1 201'), 'HTTP/1.1 400'])
      assert.equal(answer.match(/"status":"completed"/g)?.length, before)
      assert.match(answer, /"code":"malformed_request"[^}]*\}$/)
      // Two cents of each are the fee.
      assert.equal(Number(await bob.balance(to)), earlier + before * 0.98)
    }
  })

  it('has an answer that is begun cut off, and nothing else within it', async () => {
    const { socket, whole } = aConnection()
    socket.write(`GET /v1/events/stream HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${ada.token}\r\n\r\n`)
    await once(socket, 'data')
    socket.write('nonsense\r\n\r\n')
    assert.deepEqual((await whole()).match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 200'])
  })

  it('is told in problem+json, of a request that names no host, too', async () => {
    const answer = await answersTo('GET /v1/me HTTP/1.1\r\n\r\n')
    assert.match(answer, /^HTTP\/1.1 400 .*content-type: application\/problem\+json.*"code":"malformed_request"/s)
    // HTTP/1.0 does not know of it.
    assert.match(await answersTo('GET /health/live HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 /)
  })

  it('is told that this is no proxy, who asks for a tunnel, behind the answers to what was asked before', async () => {
    const connectTo = 'CONNECT other.example:443 HTTP/1.1\r\nhost: other.example:443\r\n\r\n'
    const live = 'GET /health/live HTTP/1.1\r\nhost: gateway\r\n\r\n'
    for (const [text, statuses] of [
      [connectTo, ['400']],
      [`${live}${live}${connectTo}${live}`, ['200', '200', '400']],
    ] as const) {
      const answer = await answersTo(text)
      assert.deepEqual(
        [...answer.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status),
        statuses,
      )
      assert.match(answer, /content-type: application\/problem\+json.*no proxy.*"code":"malformed_request"[^}]*\}$/s)
    }
  })
})

describe('a connection that is cut', () => {
  it('in the middle of a body leaves nothing half done', async () => {
    const wish = JSON.stringify(transfer(await ada.account('USD'), await bob.account('USD'), '1.00'))
    const count = async () => (await rowsOf(gateway, 'select from payments')).length
    const earlier = await count()
    for (const length of [1, wish.length - 1]) {
      const { hostname, port } = new URL(gateway.url)
      const socket = connect(Number(port), hostname)
      await once(socket, 'connect')
      socket.write(
        `POST /v1/payments HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${ada.token}\r\n` +
          `content-type: application/json\r\ncontent-length: ${wish.length}\r\n\r\n${wish.slice(0, length)}`,
        () => socket.destroy(),
      )
      await once(socket, 'close')
    }
    assert.equal((await gateway.anybody.get('/health/ready')).status, 200)
    assert.equal(await count(), earlier)
  })
})

it('everything here leaves the books right', () => assertBooksAreRight(gateway))

/** A connection to the gateway; `whole` is what came of it, once the gateway hangs up. */
function aConnection() {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  const closed = once(socket, 'close')
  return { socket, whole: () => closed.then(() => answer) }
}

async function answersTo(text: string): Promise<string> {
  const { socket, whole } = aConnection()
  socket.write(text)
  return whole()
}
