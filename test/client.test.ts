import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { before, describe, it } from 'node:test'
import { Webhook } from 'standardwebhooks'
import {
  type Client,
  type ClientOptions,
  createClient,
  type GatewayEvent,
  NoAnswerError,
  ProblemError,
  type Told,
  verifyWebhook,
  WebhookError,
} from '../packages/client/src/index.ts'
import { aDatabase, urlOf } from './harness/cluster.ts'
import {
  aGateway,
  anEmail,
  anOperator,
  aUser,
  GENEROUS,
  mailedToken,
  PASSWORD,
  type TestGateway,
  until,
} from './harness/gateway.ts'
import { aLine } from './harness/line.ts'
import { noneHeldBack } from './harness/paying.ts'
import { aReceiver } from './harness/receiver.ts'
import { aServer } from './harness/server.ts'

const QUICK = { firstMs: 10, longestMs: 5_000 }

let gateway: TestGateway
before(async () => {
  gateway = await aGateway({
    BGW_RATE_LIMITS: `${GENEROUS},getMe=1/1s,listSealKeys=1/1h`,
    BGW_WEBHOOK_ALLOW_PRIVATE: 'true',
  })
})

/** Somebody with accounts and a bonus, and the client of their token. */
async function aCaller(more: Partial<ClientOptions> = {}, at = gateway) {
  const { token = '' } = await aUser(at)
  const client = createClient({ url: at.url, token, retry: QUICK, ...more })
  const { data } = await client.listAccounts({ query: { currency: 'USD' } })
  return { client, token, usd: data[0]?.id ?? '' }
}

/** A fetch whose requests are noted, and that does to an answer what the test says. */
function aFetch(meddle: (answer: Response, count: number, init: RequestInit) => Response | Promise<Response>) {
  const sent: { url: string; headers: Record<string, string> }[] = []
  const meddling: typeof fetch = async (url, init = {}) => {
    sent.push({ url: String(url), headers: init.headers as Record<string, string> })
    return meddle(await fetch(url, init), sent.length, init)
  }
  return { fetch: meddling, sent }
}

const lost = () => {
  throw new TypeError('the answer was lost')
}

/** Something between here and the gateway that answers everything so, and what it was asked. */
async function aProxy(status: number, type: string, body: string) {
  const asked: string[] = []
  const proxy = createServer((request, response) => {
    asked.push(request.method ?? '')
    response.writeHead(status, { 'content-type': type }).end(body)
  })
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
  const close = () => {
    proxy.close()
    proxy.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, asked, close }
}

describe('a call of the client', () => {
  it('goes from sign-up to a payment, typed by the API’s own document', async () => {
    const anybody = createClient({ url: `${gateway.url}/` })
    const email = anEmail()
    await anybody.signUp({ body: { email, password: PASSWORD } })
    await anybody.confirmEmail({ body: { token: await mailedToken(gateway, email) } })
    const { token } = await anybody.logIn({ body: { email, password: PASSWORD } })
    const client = createClient({ url: gateway.url, token })
    const friend = await aCaller()
    const { data } = await client.listAccounts({
      query: { 'currency[in]': ['USD', 'EUR'], sort: '-currency', limit: 1 },
    })
    const [account] = data
    assert.equal(account?.currency, 'USD')
    const payment = await client.createPayment({
      body: { from_account: account.id, to_account: friend.usd, amount: '12.30', metadata: { order: '7' } },
    })
    assert.deepEqual([payment.status, payment.amount, payment.net_amount], ['completed', '12.30', '12.05'])
    assert.deepEqual(await client.getPayment({ path: { id: payment.id } }), payment)
    const found = await client.listPayments({ query: { 'metadata[order]': '7', 'amount[gte]': '12' } })
    assert.deepEqual(found, { data: [payment], next_cursor: null })
    assert.equal(await client.revokeToken({ path: { id: (await client.listTokens()).data[0]?.id ?? '' } }), undefined)
  })

  it('throws what the gateway refuses, with its code, its fields and the request id', async () => {
    const { client, usd } = await aCaller()
    const wrong = client.createPayment({ body: { from_account: usd, to_account: usd, amount: '1.001' } })
    const error: unknown = await wrong.catch((caught: unknown) => caught)
    assert.ok(error instanceof ProblemError)
    assert.deepEqual([error.code, error.status], ['invalid_amount', 400])
    assert.deepEqual(
      error.errors.map(({ field }) => field),
      ['amount'],
    )
    assert.match(error.requestId ?? '', /^req_/)
    await assert.rejects(createClient({ url: gateway.url }).getMe(), { name: 'ProblemError', code: 'unauthenticated' })
  })

  it('gives an answer as it comes where that has another form', async () => {
    const { client, usd } = await aCaller()
    const statement = await client.request('getStatement', { path: { id: usd }, query: { format: 'csv' } })
    assert.match(statement.headers.get('content-type') ?? '', /^text\/csv/)
    assert.match(await statement.text(), /100\.00/)
    const picked = await client.request('listAccounts', { query: { fields: 'id', currency: 'USD' } })
    assert.deepEqual(await picked.json(), { data: [{ id: usd }], next_cursor: null })
  })

  it('has the headers that its caller names, in any case, and the key among them is its key', async () => {
    const { fetch, sent } = aFetch((answer) => answer)
    const { token, usd } = await aCaller()
    const friend = await aCaller()
    const client = createClient({ url: gateway.url, token: 'bgw_none', fetch, retry: QUICK })
    const headers = { 'Idempotency-Key': 'order-17', Authorization: `Bearer ${token}` }
    const body = { from_account: usd, to_account: friend.usd, amount: '1.00' }
    const made = async () => (await client.request('createPayment', { body, headers })).json()
    assert.deepEqual(await made(), await made())
    assert.deepEqual(
      sent.map((each) => new Headers(each.headers).get('idempotency-key')),
      ['order-17', 'order-17'],
    )
    const wrong = client.request('createPayment', { body: { ...body, amount: '0' }, headers })
    await assert.rejects(wrong, { name: 'ProblemError', idempotencyKey: 'order-17' })
  })

  it('acts in the book that an operator of all books names', async () => {
    const { token = '' } = await anOperator(gateway, { allBooks: true })
    await createClient({ url: gateway.url, token }).createBook({ body: { name: 'aside', currencies: ['USD'] } })
    const there = createClient({ url: gateway.url, token, book: 'aside' })
    const { data } = await there.listAccountsOfBook({ query: { code: 'internal' } })
    assert.deepEqual(
      data.map(({ currency }) => currency),
      ['USD'],
    )
  })
})

describe('a call that fails', () => {
  it('is made again with the same key where its answer was lost, and moves money once', async () => {
    const { fetch, sent } = aFetch((answer, count) => (count <= 2 ? lost() : answer))
    const { client, token, usd } = await aCaller()
    const friend = await aCaller()
    const unlucky = createClient({ url: gateway.url, token, fetch, retry: QUICK })
    const payment = await unlucky.createPayment({ body: { from_account: usd, to_account: friend.usd, amount: '1.00' } })
    assert.equal(sent.length, 3)
    assert.equal(new Set(sent.map(({ headers }) => headers['idempotency-key'])).size, 1)
    const { data } = await client.listPayments({ query: { kind: 'transfer' } })
    assert.deepEqual(data, [payment])
  })

  it('is not made again where it might be done twice', async () => {
    const { fetch, sent } = aFetch(lost)
    const { token, usd } = await aCaller()
    const unlucky = createClient({ url: gateway.url, token, fetch, retry: QUICK })
    const renamed = unlucky.updateAccount({ path: { id: usd }, body: { name: 'Renamed' } })
    await assert.rejects(renamed, { name: 'NoAnswerError', message: /the answer was lost/, idempotencyKey: undefined })
    assert.equal(sent.length, 1)
  })

  it('waits as long as the gateway asks for where that is too often, and not where it is too long', async () => {
    const { client } = await aCaller()
    const me = await Promise.all([client.getMe(), client.getMe()])
    assert.deepEqual(me[0], me[1])
    await client.listSealKeys()
    const error: unknown = await client.listSealKeys().catch((caught: unknown) => caught)
    assert.ok(error instanceof ProblemError)
    assert.equal(error.code, 'rate_limited')
    assert.ok((error.retryAfterSeconds ?? 0) > 5)
  })

  it('waits as long as something in front of the gateway asks for, in seconds or until a time, and not where it is too long', async () => {
    const { token } = await aCaller()
    for (const asked of ['60', new Date(Date.now() + 60_000).toUTCString()]) {
      const { fetch, sent } = aFetch(() => new Response('Down', { status: 503, headers: { 'retry-after': asked } }))
      const error: unknown = await createClient({ url: gateway.url, token, fetch, retry: QUICK })
        .getMe()
        .catch((caught: unknown) => caught)
      assert.ok(error instanceof NoAnswerError)
      assert.deepEqual([error.status, sent.length], [503, 1], asked)
      assert.ok((error.retryAfterSeconds ?? 0) > 30, asked)
    }
    const { fetch, sent } = aFetch((answer, count) =>
      count === 1 ? new Response('Down', { status: 503, headers: { 'retry-after': '0' } }) : answer,
    )
    await createClient({ url: gateway.url, token, fetch, retry: QUICK }).listAccounts()
    assert.equal(sent.length, 2)
  })

  it('asks again with the same key where the outcome is unknown', async () => {
    const line = await aLine()
    const fragile = await aGateway({}, line.database)
    const { fetch, sent } = aFetch((answer) => answer)
    const { client } = await aCaller({ fetch }, fragile)
    const before = sent.length
    const cut = line.cutAtCommit('answer', 'billing-gateway')
    const account = await client.openAccount({ body: { currency: 'USD', name: 'Once' } })
    await cut
    assert.ok(sent.length - before >= 2)
    const { data } = await client.listAccounts({ query: { name: 'Once' } })
    assert.deepEqual(data, [account])
  })

  it('gives up at last, with the key to ask again', async () => {
    const { token, usd } = await aCaller()
    const { fetch, sent } = aFetch(lost)
    const options = { url: gateway.url, token, fetch, retry: { ...QUICK, attempts: 3 } }
    const body = { from_account: usd, to_account: usd, amount: '1.00' }
    const error: unknown = await createClient(options)
      .createPayment({ body })
      .catch((caught: unknown) => caught)
    assert.ok(error instanceof NoAnswerError)
    assert.deepEqual([sent.length, error.idempotencyKey], [3, sent[0]?.headers['idempotency-key']])
    const client = createClient({ url: gateway.url, token })
    const again = await client.createPayment({ body, idempotencyKey: error.idempotencyKey ?? '' })
    assert.deepEqual((await client.listPayments({ query: { kind: 'transfer' } })).data, [again])
  })

  it('by something in between is no answer of the gateway, and is made again only where that is safe', async () => {
    const problem = { type: 'about:blank', title: 'Gateway Timeout', status: 504, detail: 'upstream request timeout' }
    const answers = [
      { status: 502, type: 'text/html', body: '<h1>Bad Gateway</h1>' },
      { status: 504, type: 'application/problem+json', body: JSON.stringify(problem) },
      { status: 503, type: 'application/problem+json', body: 'null' },
    ]
    for (const { status, type, body } of answers) {
      const { url, asked, close } = await aProxy(status, type, body)
      const client = createClient({ url, token: 'bgw_none', retry: { ...QUICK, attempts: 2 } })
      await assert.rejects(client.listAccounts(), { name: 'NoAnswerError', status }, body)
      await assert.rejects(client.logIn({ body: { email: anEmail(), password: PASSWORD } }), { name: 'NoAnswerError' })
      assert.deepEqual(asked, ['GET', 'GET', 'POST'])
      close()
    }
  })

  it('is no payment where a page came in its place: whether it was made is not known', async () => {
    const answers = [
      { status: 200, type: 'text/html', body: '<h1>Sign in to the hotel’s network</h1>' },
      { status: 200, type: 'text/plain', body: '' },
    ]
    for (const { status, type, body } of answers) {
      const { url, asked, close } = await aProxy(status, type, body)
      const misled = createClient({ url, token: 'bgw_none', retry: { ...QUICK, attempts: 2 } })
      const payment = { from_account: 'acc_1', to_account: 'acc_2', amount: '1.00' }
      const error = await misled.createPayment({ body: payment }).catch((why: unknown) => why)
      assert.ok(error instanceof NoAnswerError, body)
      assert.deepEqual([typeof error.idempotencyKey, asked], ['string', ['POST', 'POST']])
      await assert.rejects(misled.each('listPayments').next(), { name: 'NoAnswerError' })
      await assert.rejects(misled.deleteWebhook({ path: { id: 'whk_1' } }), { name: 'NoAnswerError' })
      close()
    }
    assert.match(await createClient({ url: gateway.url }).getMetrics(), /^# HELP/)
  })

  it('that cannot be sent at all is no call whose outcome nobody knows', async () => {
    const { fetch, sent } = aFetch((answer) => answer)
    const { client, usd } = await aCaller({ fetch })
    const before = sent.length
    const input = { body: { from_account: usd, to_account: usd, amount: '1.00' }, idempotencyKey: 'účet č. 1' }
    await assert.rejects(client.createPayment(input), TypeError)
    await assert.rejects(take(client.lines('createPayments', [input.body], input), 1), TypeError)
    assert.equal(sent.length, before)
  })

  it('ends with its signal, also while it waits', async () => {
    const { client } = await aCaller()
    const reason = new Error('enough')
    await assert.rejects(client.listAccounts({ signal: AbortSignal.abort(reason) }), reason)
    const ending = new AbortController()
    const { fetch } = aFetch(lost)
    const patient = createClient({
      url: gateway.url,
      fetch,
      retry: { firstMs: 60_000, longestMs: 60_000, attempts: 1_000 },
    })
    const call = patient.isLive({ signal: ending.signal })
    setImmediate(() => ending.abort(reason))
    await assert.rejects(call, reason)
  })
})

describe('a list', () => {
  it('is read to its end page by page, each page when it is wanted', async () => {
    const { fetch, sent } = aFetch((answer) => answer)
    const { client } = await aCaller({ fetch })
    const opened = []
    for (let count = 0; count < 5; count += 1)
      opened.push((await client.openAccount({ body: { currency: 'EUR', name: 'Mine' } })).id)
    sent.length = 0
    const query = { name: 'Mine', sort: 'id', limit: 2 }
    const all = []
    for await (const { id } of client.each('listAccounts', { query })) all.push(id)
    assert.deepEqual(all, opened)
    assert.equal(sent.length, 3)
    for await (const { id } of client.each('listAccounts', { query })) {
      assert.equal(id, opened[0])
      break
    }
    assert.equal(sent.length, 4)
  })
})

describe('records, one a line', () => {
  /** One more than a request takes. */
  const MANY = Array.from({ length: 10_001 }, () => ({ from_account: '', to_account: '', amount: '1.00' }))

  /** What makes all payments, and the keys that it was asked with; the answer to one of its requests may be lost. */
  function aGatewayOfKeys({ loses }: { loses?: number } = {}) {
    const keys: (string | null)[] = []
    const fetch = async (_url: unknown, init: RequestInit = {}) => {
      keys.push(new Headers(init.headers).get('idempotency-key'))
      if (keys.length === loses) throw new TypeError('fetch failed')
      return new Response(String(init.body).replaceAll(/.+/g, '{"status":201}'))
    }
    return { keys, fetch }
  }

  it('are all answered once and in order, also where the line breaks in the middle', async () => {
    const { token, usd } = await aCaller()
    const friend = await aCaller()
    let broken = 0
    const { fetch, sent } = aFetch((answer) => {
      broken += 1
      return broken === 1 ? cutAfterLine(answer, 3) : answer
    })
    const client = createClient({ url: gateway.url, token, fetch, retry: QUICK })
    const records = ['1.00', '2.00', 'three', '4.00', '5.00', '6.00'].map((amount) => ({
      from_account: usd,
      to_account: friend.usd,
      amount,
    }))
    const told: unknown[] = []
    for await (const { payment, error } of client.lines('createPayments', records))
      told.push(payment?.amount ?? error?.code)
    assert.deepEqual(told, ['1.00', '2.00', 'invalid_amount', '4.00', '5.00', '6.00'])
    assert.equal(sent.length, 2)
    const made = await createClient({ url: gateway.url, token }).listPayments({
      query: { kind: 'transfer', sort: 'id' },
    })
    assert.deepEqual(
      made.data.map(({ amount }) => amount),
      ['1.00', '2.00', '4.00', '5.00', '6.00'],
    )
  })

  it('have the key that is named among the headers, each request one of its own', async () => {
    const { keys, fetch } = aGatewayOfKeys()
    const client = createClient({ url: gateway.url, fetch, retry: QUICK })
    const input = { headers: { 'Idempotency-Key': 'salaries' } }
    let answered = 0
    for await (const { status } of client.lines('createPayments', MANY, input)) answered += status === 201 ? 1 : 0
    assert.deepEqual([answered, keys], [10_001, ['salaries', 'salaries 10000']])
  })

  it('of which a later request is lost are told with the key of them all, which makes none of them twice', async () => {
    const { keys, fetch } = aGatewayOfKeys({ loses: 2 })
    const client = createClient({ url: gateway.url, fetch, retry: { ...QUICK, attempts: 1 } })
    const send = (idempotencyKey?: string) =>
      Array.fromAsync(client.lines('createPayments', MANY, idempotencyKey ? { idempotencyKey } : {}))
    const lost = await send().then(
      () => assert.fail('the second request was answered'),
      (error: NoAnswerError) => error,
    )
    assert.equal((await send(lost.idempotencyKey)).length, 10_001)
    assert.deepEqual(keys.slice(2), keys.slice(0, 2))
  })

  it('whose key leaves no room for the place of a later request are refused before any is sent', async () => {
    const { keys, fetch } = aGatewayOfKeys()
    const client = createClient({ url: gateway.url, fetch, retry: QUICK })
    const send = (length: number, count: number) =>
      Array.fromAsync(client.lines('createPayments', MANY.slice(0, count), { idempotencyKey: 'k'.repeat(length) }))
    await assert.rejects(send(250, 10_001), { name: 'RangeError', message: /at most 249 characters/ })
    assert.equal(keys.length, 0)
    await send(249, 10_001)
    await send(255, 10_000)
    assert.deepEqual(
      keys.map((key) => key?.length),
      [249, 255, 255],
    )
  })

  it('of which all or none are to be made stay one request, also where it is refused as too many', async () => {
    const { client, usd } = await aCaller()
    const friend = await aCaller()
    const records = Array.from({ length: 10_001 }, () => ({
      from_account: usd,
      to_account: friend.usd,
      amount: '0.01',
    }))
    const told = client.lines('createPayments', records, { query: { atomic: 'true' } })
    await assert.rejects(told.next(), { name: 'ProblemError', code: 'too_many_payments' })
    assert.deepEqual((await client.listPayments({ query: { kind: 'transfer' } })).data, [])
  })

  it('that are long are in as many requests as hold them, each of at most 32 MiB', async () => {
    const sizes: number[] = []
    const fetch = async (_url: unknown, init: RequestInit = {}) => {
      const body = String(init.body)
      sizes.push(Buffer.byteLength(body))
      return new Response(body.replaceAll(/.+/g, '{"status":201}'))
    }
    const client = createClient({ url: gateway.url, fetch, retry: QUICK })
    const metadata = Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`note ${index}`, 'é'.repeat(500)]))
    const record = { from_account: '', to_account: '', amount: '1.00', metadata }
    let answered = 0
    for await (const _ of client.lines('createPayments', Array(3_000).fill(record))) answered += 1
    assert.deepEqual([answered, sizes.length], [3_000, 2])
    for (const size of sizes) assert.ok(size <= 32 * 1024 * 1024)
  })

  describe('of which some fail for a moment', () => {
    const paid = (id: string) => ({ status: 201, payment: { id } })
    const failed = (status: number, code: string) => ({ status, error: { status, code, detail: code, errors: [] } })
    const [one, two, three] = [paid('pay_1'), paid('pay_2'), paid('pay_3')]
    const [unavailable, unknown] = [failed(503, 'unavailable'), failed(503, 'outcome_unknown')]
    const [wrong, late, broken] = [
      failed(400, 'invalid_amount'),
      failed(401, 'unauthenticated'),
      failed(500, 'internal'),
    ]
    const cut = 'the line is gone'
    const all = ['pay_1', 'pay_2', 'pay_3']
    type Row = readonly [what: string, answers: readonly (readonly (object | string)[])[], told: readonly string[]]
    const rows: readonly Row[] = [
      [
        'the body as a whole',
        [
          [one, unavailable],
          [one, two, three],
        ],
        all,
      ],
      [
        'the body as a whole, behind all answers',
        [
          [one, two, three, unavailable],
          [one, two, three],
        ],
        all,
      ],
      [
        'a record, and then the line breaks',
        [
          [one, unavailable, three, cut],
          [one, two, three],
        ],
        all,
      ],
      [
        'a record, and then the body',
        [
          [unknown, unavailable],
          [one, wrong, three],
        ],
        ['pay_1', 'invalid_amount', 'pay_3'],
      ],
      [
        'a record by a fault, and then the line breaks',
        [
          [broken, two, cut],
          [one, two, three],
        ],
        all,
      ],
      [
        'a record that was made before',
        [
          [one, two, cut],
          [unavailable, two, three],
        ],
        all,
      ],
      [
        'each time another',
        [
          [unavailable, cut],
          [one, unavailable, cut],
          [one, two, unavailable, unavailable],
          [one, two, three],
        ],
        all,
      ],
      ['a record, and it is told at the end', [[one, unavailable, three]], ['pay_1', 'unavailable', 'pay_3']],
      [
        'the last record, and it is told at the end',
        [[one, wrong, unknown]],
        ['pay_1', 'invalid_amount', 'outcome_unknown'],
      ],
      ['the body, for good', [[one, late]], ['pay_1', 'throws unauthenticated']],
      [
        'the body, for good, behind a mistake',
        [
          [wrong, cut],
          [wrong, late],
        ],
        ['invalid_amount', 'throws unauthenticated'],
      ],
      [
        'the body, again and again',
        [
          [one, unavailable],
          [one, unavailable],
          [one, unavailable],
          [one, unavailable],
        ],
        ['pay_1', 'throws unavailable'],
      ],
    ]
    for (const [what, answers, expected] of rows) {
      it(`tell of none that is made after all: ${what}`, async () => {
        const left = answers.map((lines) => aBody(lines))
        const fetch = async () => new Response(left.shift() ?? null)
        const client = createClient({ url: gateway.url, fetch, retry: { firstMs: 1, longestMs: 5, attempts: 4 } })
        const record = { from_account: '', to_account: '', amount: '1.00' }
        const told: string[] = []
        try {
          for await (const { payment, error } of client.lines('createPayments', [record, record, record]))
            told.push(payment?.id ?? error?.code ?? '')
        } catch (error) {
          told.push(`throws ${(error as ProblemError).code}`)
        }
        assert.deepEqual([told, left.length], [expected, 0])
      })
    }

    /** Lines, each as it is wanted, and then the end, or a text that breaks it. */
    function aBody(lines: readonly (object | string)[]): ReadableStream<Uint8Array> {
      const left = [...lines]
      return new ReadableStream({
        pull: (controller) => {
          const line = left.shift()
          if (line === undefined) controller.close()
          else if (typeof line === 'string') controller.error(new Error(line))
          else controller.enqueue(new TextEncoder().encode(`${JSON.stringify(line)}\n`))
        },
      })
    }
  })

  it('are told as they come, also behind a mistake', async () => {
    let lines = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          lines += 1
          const answer = lines === 1 ? { status: 400, error: { code: 'invalid_amount', status: 400 } } : { status: 201 }
          controller.enqueue(new TextEncoder().encode(`${JSON.stringify(answer)}\n`))
        },
      },
      { highWaterMark: 0 },
    )
    const client = createClient({ url: gateway.url, fetch: async () => new Response(body), retry: QUICK })
    const records = Array.from({ length: 10 }, () => ({ from_account: '', to_account: '', amount: '1.00' }))
    const told = client.lines('createPayments', records)
    const read: [number | undefined, number][] = []
    for (let count = 0; count < 3; count += 1) read.push([(await told.next()).value?.status, lines])
    assert.deepEqual(read, [
      [400, 2],
      [201, 2],
      [201, 3],
    ])
    await told.return(undefined)
  })

  it('are not sent again where they have no key', async () => {
    const { token = '' } = await anOperator(gateway)
    const { fetch, sent } = aFetch((answer) => cutAfterLine(answer, 1))
    const client = createClient({ url: gateway.url, token, fetch, retry: QUICK })
    const users = [{ email: anEmail() }, { email: anEmail() }]
    const read = async () => {
      for await (const answer of client.lines('importUsers', users)) assert.equal(answer.status, 201)
    }
    await assert.rejects(read(), { name: 'NoAnswerError', message: 'the line broke after 1 of 2 answers' })
    assert.equal(sent.length, 1)
  })

  /** An answer whose line breaks after so many lines. */
  async function cutAfterLine(answer: Response, count: number): Promise<Response> {
    const lines = (await answer.text()).split('\n').slice(0, count)
    let sent = false
    const body = new ReadableStream({
      pull: (controller) => {
        if (sent) return controller.error(new Error('the line is gone'))
        sent = true
        controller.enqueue(new TextEncoder().encode(`${lines.join('\n')}\n{"half`))
      },
    })
    return new Response(body, { status: answer.status, headers: answer.headers })
  }
})

/** Reads on until `count` of what is told are there. */
async function take<T>(told: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const each of told) if (taken.push(each) === count) break
  return taken
}

const idOf = ({ data }: GatewayEvent) => data.object.id

/** A signal of something that a test waits for. */
function aMoment<T = void>() {
  let tell: (value: T) => void = () => {}
  const come = new Promise<T>((resolve) => {
    tell = resolve
  })
  return { come, tell }
}

describe('events', () => {
  it('come as they happen, each with its object, and end with the signal', async () => {
    const { client, usd } = await aCaller()
    await noneHeldBack(gateway)
    const ending = new AbortController()
    const connected = aMoment<string>()
    const told: GatewayEvent[] = []
    const reading = (async () => {
      for await (const event of client.events({ signal: ending.signal, onConnected: connected.tell })) {
        told.push(event)
        if (told.length === 2) ending.abort()
      }
    })()
    const position = await connected.come
    const account = await client.openAccount({ body: { currency: 'USD' } })
    // Not the end of a line, but a letter of which some programs think it is.
    const wish = { from_account: usd, to_account: account.id, amount: '5.00', description: 'Rent\u2028of May' }
    const payment = await client.createPayment({ body: wish })
    await reading
    assert.deepEqual(
      told.map(({ type }) => type),
      ['account.created', 'payment.completed'],
    )
    assert.deepEqual(
      told.map(({ data }) => data.object),
      [account, payment],
    )
    assert.deepEqual(await take(client.events({ after: position }), 2), told)
    assert.deepEqual(await take(client.events({ after: told[0]?.position ?? '' }), 1), [told[1]])
  })

  it('are told no more once their signal was aborted, those that came with the last one neither', async () => {
    const { token, usd } = await aCaller()
    const event = (place: number) =>
      `id: p${place}\nevent: account.frozen\ndata: ${JSON.stringify({ type: 'account.frozen', data: { object: { id: usd } } })}\n\n`
    const both = async () => new Response(event(1) + event(2))
    const leaving = new AbortController()
    let told = 0
    for await (const _event of createClient({ url: gateway.url, token, fetch: both }).events({
      signal: leaving.signal,
    })) {
      told += 1
      leaving.abort()
    }
    assert.equal(told, 1)
  })

  it('end with their signal where fetch forgot it while they were read', async () => {
    // As that of Node 20 does, once memory was cleared up.
    const forgetful: typeof fetch = (url, { signal, ...init } = {}) => fetch(url, init)
    const { client } = await aCaller({ fetch: forgetful })
    const leaving = new AbortController()
    const reading = take(client.events({ signal: leaving.signal, onConnected: () => leaving.abort() }), 1)
    assert.deepEqual(await reading, [])
  })

  it('come once there is room for their stream, where as many as there may be were open', async (test) => {
    const { client, token } = await aCaller()
    const [others, ending] = [new AbortController(), new AbortController()]
    test.after(() => others.abort())
    const how = { headers: { authorization: `Bearer ${token}` }, signal: others.signal }
    await Promise.all(Array.from({ length: 100 }, () => fetch(`${gateway.url}/v1/events/stream`, how)))
    const lost: string[] = []
    const onLost = (why: Error) => {
      lost.push(why.message)
      others.abort()
    }
    await take(client.events({ signal: ending.signal, onLost, onConnected: () => ending.abort() }), 1_000)
    assert.match(lost[0] ?? '', /at most 100 streams/)
  })

  it('that are too old, or not for this token, are refused', async () => {
    const { client } = await aCaller()
    const old = take(client.events({ after: '1-00000000000000000000000001' }), 1)
    await assert.rejects(old, { name: 'ProblemError', code: 'position_too_old' })
    const stranger = createClient({ url: gateway.url, token: 'bgw_main_none' })
    await assert.rejects(take(stranger.events(), 1), { name: 'ProblemError', code: 'unauthenticated' })
  })
})

describe('what is watched', () => {
  it('is told as it is, and then each change, also of what is added later', async () => {
    const { client, usd } = await aCaller()
    const eur = (await client.openAccount({ body: { currency: 'EUR' } })).id
    const held = await client.createPayment({ body: { from_account: usd, to_account: usd, amount: '1.00' } })
    assert.equal(held.decline_reason, 'same_account')
    await noneHeldBack(gateway)
    const watching = client.watch([usd])
    const told = watching[Symbol.asyncIterator]()
    const next = async (): Promise<Told | undefined> => (await told.next()).value
    assert.deepEqual(await next(), { state: await client.getAccount({ path: { id: usd } }) })
    watching.subscribe([eur])
    assert.deepEqual(await next(), { state: await client.getAccount({ path: { id: eur } }) })
    watching.unsubscribe([usd])
    await client.closeAccount({ path: { id: eur } })
    const last = await next()
    assert.ok(last && 'event' in last)
    assert.deepEqual([last.event.type, idOf(last.event)], ['account.closed', eur])
    watching.close()
    assert.equal(await next(), undefined)
  })

  it('is told no more once its signal was aborted, or it was closed, also what has come already', async () => {
    let states = 0
    let come = aMoment<void>()
    class Noted extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args)
        this.addEventListener('message', ({ data }) => {
          if (String(data).startsWith('{"state"')) states += 1
          if (states === 2) setImmediate(come.tell)
        })
      }
    }
    const { client, usd } = await aCaller({ WebSocket: Noted })
    const eur = (await client.openAccount({ body: { currency: 'EUR' } })).id
    for (const by of ['signal', 'close']) {
      states = 0
      come = aMoment()
      const leaving = new AbortController()
      const watching = client.watch([usd, eur], { signal: leaving.signal })
      const told: Told[] = []
      for await (const each of watching) {
        told.push(each)
        await come.come
        if (by === 'signal') leaving.abort()
        else watching.close()
      }
      assert.deepEqual(told, [{ state: await client.getAccount({ path: { id: usd } }) }], by)
    }
  })

  it('must be there, and for this token', async () => {
    const { client } = await aCaller()
    const { usd } = await aCaller()
    await assert.rejects(take(client.watch([usd]), 1), { name: 'WatchError', code: 'not_found' })
    const stranger = createClient({ url: gateway.url, token: 'bgw_main_none' })
    await assert.rejects(take(stranger.watch(['*']), 1), { name: 'WatchError', code: 'unauthenticated' })
    const { token } = await client.createToken({ body: { name: 'accounts', scopes: ['accounts:read'] } })
    const narrow = createClient({ url: gateway.url, token })
    await assert.rejects(take(narrow.watch(['*']), 1), { name: 'WatchError', code: 'forbidden' })
  })

  it('is asked for again where the gateway cannot answer for a while', async () => {
    const troubles = ['unavailable', 'overloaded']
    // In front of the gateway: the database is away, as it seems.
    class Troubled extends WebSocket {
      override send(text: string): void {
        const code = text.includes('subscribe') ? troubles.shift() : undefined
        if (code === undefined) return void super.send(text)
        const data = JSON.stringify({ error: { code, detail: 'Not now' } })
        this.dispatchEvent(new MessageEvent('message', { data }))
      }
    }
    const { client, usd } = await aCaller({ WebSocket: Troubled })
    const lost: string[] = []
    const [told] = await take(client.watch([usd], { onLost: (why) => lost.push(why.message) }), 1)
    assert.deepEqual(told, { state: await client.getAccount({ path: { id: usd } }) })
    assert.deepEqual([lost, troubles], [['Not now', 'Not now'], []])
  })

  it('goes on behind the position that was given also where nothing is named before the line is there', async (test) => {
    const { client, usd, token } = await aCaller()
    const { data } = await client.listEvents({ query: { sort: 'position', limit: 1 } })
    const body = { from_account: usd, to_account: usd, amount: '1.00' }
    const before = await client.createPayment({ body })
    await noneHeldBack(gateway)
    const [opened, connected] = [aMoment<unknown>(), aMoment<string>()]
    class Noted extends WebSocket {
      constructor(...given: ConstructorParameters<typeof WebSocket>) {
        super(...given)
        this.addEventListener('open', opened.tell)
      }
    }
    const watcher = createClient({ url: gateway.url, token, WebSocket: Noted })
    const watching = watcher.watch([], { after: data[0]?.position ?? '', onConnected: connected.tell })
    test.after(watching.close)
    await opened.come
    watching.subscribe(['*'])
    watching.subscribe([usd])
    await connected.come
    const behind = await client.createPayment({ body })
    const told: string[] = []
    for await (const each of watching) {
      if ('event' in each) told.push(idOf(each.event))
      if (told.includes(behind.id)) break
    }
    assert.ok(told.includes(before.id))
  })

  it('is asked for on another line where one is taken and its handshake never answered', async (test) => {
    const silent = createTcpServer()
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
    test.mock.timers.enable({ apis: ['setInterval'] })
    const lost: string[] = []
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const watching = createClient({ url, token: 'bgw_none' }).watch(['*'], { onLost: (why) => lost.push(why.message) })
    test.after(() => {
      watching.close()
      silent.close()
    })
    for (let beats = 0; beats < 2; beats += 1) test.mock.timers.tick(20_000)
    assert.deepEqual(lost, ['nothing is heard any more'])
  })

  it('is what was asked for last, also where that was said while the line was lost', async (test) => {
    const { client, usd, token } = await aCaller()
    const eur = (await client.openAccount({ body: { currency: 'EUR' } })).id
    await noneHeldBack(gateway)
    const said: { subscribe: string[] }[] = []
    const lines: Noting[] = []
    class Noting extends WebSocket {
      constructor(...given: ConstructorParameters<typeof WebSocket>) {
        super(...given)
        lines.push(this)
      }
      override send(text: string): void {
        if (text.includes('subscribe')) said.push(JSON.parse(text))
        super.send(text)
      }
    }
    const watcher = createClient({ url: gateway.url, token, retry: QUICK, WebSocket: Noting })
    const watching = watcher.watch([usd], {
      onLost: () => {
        watching.subscribe([eur])
        watching.unsubscribe([usd])
      },
    })
    test.after(watching.close)
    const told = watching[Symbol.asyncIterator]()
    const next = async (): Promise<Told | undefined> => (await told.next()).value
    assert.deepEqual(await next(), { state: await client.getAccount({ path: { id: usd } }) })
    lines[0]?.close()
    await until(async () => said.length === 2)
    assert.deepEqual(
      said.map(({ subscribe }) => subscribe),
      [[usd], [eur]],
    )
    assert.deepEqual(await next(), { state: await client.getAccount({ path: { id: eur } }) })
  })

  it('comes back on no other line where it was let go of before its state was told', async (test) => {
    const { client, usd, token } = await aCaller()
    const eur = (await client.openAccount({ body: { currency: 'EUR' } })).id
    await noneHeldBack(gateway)
    const said: string[][] = []
    const lines: WebSocket[] = []
    class Hasty extends WebSocket {
      constructor(...given: ConstructorParameters<typeof WebSocket>) {
        super(...given)
        lines.push(this)
      }
      override send(text: string): void {
        super.send(text)
        const { subscribe } = JSON.parse(text)
        if (!subscribe || said.push(subscribe) > 1) return
        watching.unsubscribe([usd, '*'])
        watching.subscribe([eur])
      }
    }
    const watcher = createClient({ url: gateway.url, token, retry: QUICK, WebSocket: Hasty })
    const watching = watcher.watch([usd, '*'])
    test.after(watching.close)
    const told = watching[Symbol.asyncIterator]()
    assert.deepEqual((await told.next()).value, { state: await client.getAccount({ path: { id: eur } }) })
    lines[0]?.close()
    await until(async () => said.length === 3)
    assert.deepEqual(said, [[usd, '*'], [eur], [eur]])
  })

  it('is told anew where it was let go of and taken up again before its state was told', async (test) => {
    const { client, usd, token } = await aCaller()
    const eur = (await client.openAccount({ body: { currency: 'EUR' } })).id
    await noneHeldBack(gateway)
    // The account is closed between the two, of which no event tells.
    class Hasty extends WebSocket {
      override send(text: string): void {
        if (!text.includes(`"subscribe":["${eur}"]`)) super.send(text)
        else
          this.addEventListener('message', ({ data }) => {
            if (!String(data).startsWith('{"unsubscribed"')) return
            void client.closeAccount({ path: { id: eur } }).then(() => super.send(text))
          })
        if (!text.includes(`"subscribe":["${usd}`)) return
        watching.unsubscribe([eur])
        watching.subscribe([eur])
      }
    }
    const watching = createClient({ url: gateway.url, token, WebSocket: Hasty }).watch([usd, eur])
    test.after(watching.close)
    const states = await take(watching, 3)
    assert.deepEqual(
      states.map((told) => 'state' in told && [told.state.id, told.state.status]),
      [
        [usd, 'active'],
        [eur, 'active'],
        [eur, 'closed'],
      ],
    )
  })

  it('waits for a slow reader without filling the memory, and goes on where it was', async () => {
    const { token = '' } = await anOperator(gateway)
    const operator = createClient({ url: gateway.url, token })
    const { client, usd } = await aCaller()
    const other = (await client.openAccount({ body: { currency: 'USD' } })).id
    await operator.createAdjustment({ body: { account: usd, amount: '100.00', direction: 'debit', reason: 'Funds' } })
    await noneHeldBack(gateway)
    const connected = aMoment<string>()
    const watching = client.watch(['*'], { onConnected: connected.tell })
    await connected.come
    const records = Array.from({ length: 1_100 }, () => ({ from_account: usd, to_account: other, amount: '0.01' }))
    const made: (string | undefined)[] = []
    for await (const { payment } of client.lines('createPayments', records)) made.push(payment?.id)
    const told = await take(watching, 1_100)
    assert.deepEqual(
      told.map((each) => 'event' in each && idOf(each.event)),
      made,
    )
  })
})

describe('a server that is killed in the middle of streams', () => {
  it('is found again by them, with nothing missed, nothing twice and all in order', async () => {
    const database = await aDatabase()
    const elsewhere = await aGateway({}, database)
    const { token, usd, client: payer } = await aCaller({}, elsewhere)
    const { usd: to } = await aCaller({}, elsewhere)
    const settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: elsewhere.inside.config.dataFolder }
    const server = await aServer(settings)
    const client = createClient({ url: server.url, token, retry: QUICK })
    await noneHeldBack(elsewhere)
    const [streamed, watched] = [[] as string[], [] as string[]]
    const [first, second, third] = [aMoment<string>(), aMoment<string>(), aMoment<Error>()]
    const ending = new AbortController()
    const { signal } = ending
    const reading = (async () => {
      for await (const event of client.events({ signal, onConnected: first.tell, onLost: third.tell }))
        streamed.push(idOf(event))
    })()
    const watching = (async () => {
      for await (const told of client.watch(['*'], { signal, onConnected: second.tell })) {
        if ('event' in told) watched.push(idOf(told.event))
      }
    })()
    await Promise.all([first.come, second.come])
    const made: string[] = []
    const pay = async (by: Client) => {
      made.push((await by.createPayment({ body: { from_account: usd, to_account: to, amount: '0.10' } })).id)
    }
    for (let count = 0; count < 3; count += 1) await pay(client)
    await until(async () => streamed.length === 3 && watched.length === 3)
    await server.end('SIGKILL')
    await third.come
    for (let count = 0; count < 3; count += 1) await pay(payer)
    await aServer({ ...settings, PORT: new URL(server.url).port })
    for (let count = 0; count < 3; count += 1) await pay(client)
    await until(async () => streamed.length >= made.length && watched.length >= made.length)
    ending.abort()
    await Promise.all([reading, watching])
    assert.deepEqual([streamed, watched], [made, made])
  })
})

describe('a webhook', () => {
  it('is verified as it comes from the gateway, by the old secret and by the new one', async () => {
    const receiver = await aReceiver()
    const { client, usd } = await aCaller()
    const { id, secret } = await client.createWebhook({ body: { url: receiver.url, events: ['*'] } })
    const rotated = await client.rotateWebhookSecret({ path: { id } })
    const payment = await client.createPayment({ body: { from_account: usd, to_account: usd, amount: '1.00' } })
    await until(async () => receiver.received.length === 1)
    const [message] = receiver.received
    assert.ok(message)
    for (const secrets of [secret, rotated.secret, [rotated.secret, secret]]) {
      const event = await verifyWebhook(secrets, message.headers, message.text)
      assert.equal(event.type, 'payment.declined')
      assert.deepEqual(event.data, { object: payment })
    }
    await client.pingWebhook({ path: { id } })
    await until(async () => receiver.received.length === 2)
    const ping = await verifyWebhook(secret, receiver.received[1]?.headers ?? {}, receiver.received[1]?.text ?? '')
    assert.equal(ping.type, 'webhook.ping')
  })

  it('is refused where it is changed, of another secret, too old, from the future, or not signed at all', async () => {
    const [secret, other] = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw']
    const now = new Date('2026-11-26T12:00:00Z')
    const body = '{"type":"webhook.ping","data":{"name":"Jožin"}}'
    const headers = {
      'webhook-id': 'evt_1',
      'webhook-timestamp': String(now.getTime() / 1_000),
      'webhook-signature': new Webhook(secret).sign('evt_1', now, body),
    }
    const verified = await verifyWebhook([other, secret], new Headers(headers), new TextEncoder().encode(body), { now })
    assert.deepEqual(verified, JSON.parse(body))
    const later = (seconds: number) => new Date(now.getTime() + seconds * 1_000)
    const signature = headers['webhook-signature']
    const several = { ...headers, 'webhook-signature': `v1a,AAAA v1,!!! v1,AAAA ${signature}` }
    assert.deepEqual(await verifyWebhook(secret, several, body, { now: later(300) }), JSON.parse(body))
    const refused: [string, string, object, string, Date][] = [
      ['another secret', other, headers, body, now],
      ['another body', secret, headers, `${body} `, now],
      ['another id', secret, { ...headers, 'webhook-id': 'evt_2' }, body, now],
      ['too old', secret, headers, body, later(301)],
      ['from the future', secret, headers, body, later(-301)],
      ['no time', secret, { ...headers, 'webhook-timestamp': '1e9' }, body, now],
      ['no signature', secret, { ...headers, 'webhook-signature': 'v1' }, body, now],
      ['another version', secret, { ...headers, 'webhook-signature': signature.replace('v1', 'v2') }, body, now],
      ['no headers', secret, {}, body, now],
    ]
    for (const [what, by, given, text, at] of refused) {
      await assert.rejects(verifyWebhook(by, given as Record<string, string>, text, { now: at }), WebhookError, what)
    }
    await assert.rejects(verifyWebhook('whsec_', headers, body, { now }), TypeError)
  })
})
