import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { before, describe, it } from 'node:test'
import { aBriefToken, aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { anAccount, assertProblem, fund, noneHeldBack, transfer } from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
  await fund(operator, await ada.account('USD'), '100000.00')
})

/** What a handshake needs beside its first lines. */
const STANDARD = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='] as const

/** What a handshake with these headers is answered, up to where it comes in pieces. */
function opened(headers: readonly string[], path = '/v1/ws'): Promise<string> {
  const { port, host } = new URL(gateway.url)
  const socket = createConnection(Number(port), '127.0.0.1')
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket', ...headers]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  return new Promise((resolve) => {
    let answer = ''
    socket.on('close', () => resolve(answer))
    socket.on('data', (chunk) => {
      answer += chunk
      if (answer.startsWith('HTTP/1.1 101')) socket.destroy()
    })
  })
}

/** A WebSocket as a browser opens it. */
async function aSocket(url: string, token?: string) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, token === undefined ? [] : ['bearer', token])
  const messages: any[] = []
  let closed: { code: number; reason: string } | undefined
  socket.addEventListener('message', ({ data }) => messages.push(JSON.parse(data)))
  socket.addEventListener('close', ({ code, reason }) => {
    closed = { code, reason }
  })
  await new Promise<void>((resolve) => {
    socket.addEventListener('open', () => resolve())
    socket.addEventListener('close', () => resolve())
  })
  const say = (message: unknown) => socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  const heard = (count: number) => until(async () => messages.length >= count && messages.slice(0, count))
  const events = () => messages.flatMap(({ event }) => (event ? [event] : []))
  const end = () => until(async () => closed)
  return { socket, messages, say, heard, events, end, close: () => socket.close() }
}

/** One that is subscribed, and has heard so. */
async function subscribed(user: TestUser, subscribe: string[], after?: string) {
  if (!after) await noneHeldBack(gateway)
  const line = await aSocket(gateway.url, user.token)
  line.say({ subscribe, ...(after ? { after } : {}) })
  await until(async () => line.messages.some((message) => message.subscribed))
  return line
}

async function pay(from: TestUser, to: TestUser, amount = '1.00', more: object = {}): Promise<any> {
  const wish = transfer(await from.account('USD'), await to.account('USD'), amount, more)
  const { status, body } = await from.post('/v1/payments', wish)
  assert.equal(status, 201)
  return body
}

describe('a WebSocket', () => {
  it('tells the state of what is subscribed to, and then each change', async () => {
    const payment = await pay(ada, bob, '10.00')
    const line = await subscribed(bob, [payment.id])
    const [authenticated, answer, state] = await line.heard(3)
    assert.deepEqual(authenticated, { authenticated: true })
    assert.deepEqual(answer.subscribed, [payment.id])
    assert.deepEqual(state, { state: payment })
    assert.equal(line.socket.protocol, 'bearer')
    await pay(ada, bob, '2.00')
    await bob.post(`/v1/payments/${payment.id}/refund`, { amount: '3.00' })
    const [, , , { event }] = await line.heard(4)
    assert.equal(event.type, 'payment.refunded')
    assert.deepEqual([event.data.object.id, event.data.object.refunded_amount], [payment.id, '3.00'])
    line.close()
  })

  it('tells an account its payments, and * everything of the user, and nobody what is not theirs', async () => {
    const usd = await ada.account('USD')
    const other = await aUser(gateway)
    const [ofAccount, ofEverything, ofOther] = await Promise.all([
      subscribed(ada, [usd]),
      subscribed(ada, ['*']),
      subscribed(other, ['*']),
    ])
    const { body: account } = await ada.get(`/v1/accounts/${usd}`)
    assert.deepEqual((await ofAccount.heard(3))[2], { state: account })
    const payment = await pay(ada, bob)
    const { body: opened } = await ada.post('/v1/accounts', { currency: 'EUR' })
    await until(async () => ofEverything.events().length === 2 && ofAccount.events().length === 1)
    assert.deepEqual(
      ofEverything.events().map(({ data }) => data.object.id),
      [payment.id, opened.id],
    )
    assert.deepEqual(ofAccount.events()[0].data.object, payment)
    const { body: foreign } = await other.post('/v1/accounts', { currency: 'EUR' })
    await until(async () => ofOther.events().length === 1)
    assert.deepEqual(ofOther.events()[0].data.object.id, foreign.id)
    ofAccount.say({ unsubscribe: [usd], ping: 'still there' })
    await until(async () => ofAccount.messages.some(({ pong }) => pong === 'still there'))
    await pay(ada, bob)
    await until(async () => ofEverything.events().length === 3)
    assert.equal(ofAccount.events().length, 1)
    for (const line of [ofAccount, ofEverything, ofOther]) line.close()
  })

  it('tells a schedule to its owner, and to nobody else', async () => {
    const accounts = { from_account: await ada.account('USD'), to_account: await bob.account('USD') }
    const { body: schedule } = await ada.post('/v1/schedules', {
      ...accounts,
      amount: '1.00',
      starts_at: '2031-01-31T08:00:00Z',
    })
    const line = await subscribed(ada, [schedule.id])
    assert.deepEqual((await line.heard(3))[2], { state: schedule })
    const { body: canceled } = await ada.post(`/v1/schedules/${schedule.id}/cancel`)
    const [, , , { event }] = await line.heard(4)
    assert.deepEqual([event.type, event.data.object], ['schedule.canceled', canceled])
    const other = await subscribed(bob, ['*'])
    other.say({ subscribe: [schedule.id] })
    assert.equal((await other.heard(3))[2].error.code, 'not_found')
    for (const each of [line, other]) each.close()
  })

  it('goes on behind a position', async () => {
    const line = await subscribed(bob, ['*'])
    const { position } = line.messages.find(({ subscribed: names }) => names)
    line.close()
    const made: string[] = []
    for (let count = 0; count < 5; count += 1) made.push((await pay(ada, bob)).id)
    const again = await subscribed(bob, ['*'], position)
    made.push((await pay(ada, bob)).id)
    await until(async () => again.events().length === 6)
    assert.deepEqual(
      again.events().map(({ data }) => data.object.id),
      made,
    )
    again.close()
    const last = await subscribed(bob, ['*'], again.events()[4].position)
    await until(async () => last.events().length === 1)
    assert.equal(last.events()[0].data.object.id, made[5])
    last.close()
  })

  it('tells whoever goes on no more at once than is read, however large its events are', async () => {
    const line = await subscribed(bob, ['*'])
    const { position } = line.messages.find(({ subscribed: names }) => names)
    line.close()
    const large = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`note ${index}`, '界'.repeat(500)]))
    const wish = transfer(await ada.account('USD'), await bob.account('USD'), '0.10', { metadata: large })
    // Of 75 kB each: together more than may wait for a reader who does not read, and than the system keeps.
    const { body } = await ada.post('/v1/payments/bulk', { payments: Array.from({ length: 150 }, () => wish) })
    await noneHeldBack(gateway)
    const again = await subscribed(bob, ['*'], position)
    await until(async () => again.events().length === 150 || again.socket.readyState !== WebSocket.OPEN)
    assert.deepEqual(
      again.events().map(({ data }) => data.object.id),
      body.data.map(({ payment }: any) => payment.id),
    )
    again.close()
  })

  it('tells each event once also where a wrong subscription comes while it is told what was before', async () => {
    const user = await aUser(gateway)
    const [usd, eur, own] = [await user.account('USD'), await user.account('EUR'), await anAccount(user)]
    const first = await subscribed(user, [usd])
    const { position } = first.messages.find(({ subscribed: names }) => names)
    first.close()
    const payments = Array.from({ length: 500 }, () => transfer(usd, own, '0.01'))
    await user.post('/v1/payments/bulk', { payments })
    const line = await aSocket(gateway.url, user.token)
    const more = Promise.all(Array.from({ length: 60 }, () => pay(user, bob, '0.05')))
    line.say({ subscribe: [usd], after: position })
    line.say({ subscribe: ['acc_01k3v5f2q8e8pv0z3m0c6b7d1e'] })
    line.say({ subscribe: [eur] })
    await more
    const last = await pay(user, bob, '0.06')
    await until(async () => line.events().some(({ data }) => data.object.id === last.id))
    const ids = line.events().map(({ id }) => id)
    assert.deepEqual([ids.length, new Set(ids).size], [561, 561])
    assert.equal(line.messages.find(({ error }) => error).error.code, 'not_found')
    line.close()
  })

  it('may say where it goes on when its first subscription was refused', async () => {
    const { position } = (await subscribed(ada, ['*'])).messages.find(({ subscribed: names }) => names)
    const payment = await pay(ada, bob)
    const line = await aSocket(gateway.url, ada.token)
    line.say({ subscribe: ['pay_01k3v5f4t1f6mb2x9k4w5r8h3n'] })
    line.say({ subscribe: ['*'], after: position })
    await until(async () => line.events().length === 1)
    assert.equal(line.events()[0].data.object.id, payment.id)
    line.close()
  })

  it('takes the token in the first message too', async () => {
    const line = await aSocket(gateway.url)
    line.say({ token: ada.token, ping: 'hello' })
    assert.deepEqual(await line.heard(2), [{ authenticated: true }, { pong: 'hello' }])
    line.close()
    for (const message of [{ token: 'bgw_main_nonsense' }, { subscribe: ['*'] }, { ping: 'hello' }]) {
      const other = await aSocket(gateway.url)
      other.say(message)
      assert.deepEqual(await other.end(), { code: 4401, reason: 'unauthenticated' })
    }
    const wrong = await aSocket(gateway.url, 'bgw_main_nonsense')
    assert.deepEqual(await wrong.end(), { code: 4401, reason: 'unauthenticated' })
    const { body } = await ada.post('/v1/tokens', { name: 'accounts', scopes: ['accounts:read'], expires_at: null })
    assert.deepEqual(await (await aSocket(gateway.url, body.token)).end(), { code: 4403, reason: 'forbidden' })
  })

  it('is closed when its token is revoked', async () => {
    const { body } = await ada.post('/v1/tokens', { name: 'socket', scopes: ['payments:read'], expires_at: null })
    const line = await aSocket(gateway.url, body.token)
    await line.heard(1)
    await ada.delete(`/v1/tokens/${body.id}`)
    assert.deepEqual(await line.end(), { code: 4401, reason: 'unauthenticated' })
  })

  it('is closed when its token expires', async () => {
    const { token } = await aBriefToken(ada, 2_000, 'socket', ['payments:read'])
    const line = await aSocket(gateway.url, token)
    await line.heard(1)
    assert.deepEqual(await line.end(), { code: 4401, reason: 'unauthenticated' })
  })

  it('answers what it does not understand, and goes on', async () => {
    const payment = await pay(ada, bob)
    const other = await aUser(gateway)
    const line = await aSocket(gateway.url, other.token)
    await line.heard(1)
    const cases: [unknown, string][] = [
      ['{', 'malformed_body'],
      ['[]', 'malformed_body'],
      ['{"ping":"a","ping":"b"}', 'malformed_body'],
      [{ shout: 'a' }, 'unknown_field'],
      ['{"__proto__":{}}', 'unknown_field'],
      [{ constructor: 'a' }, 'unknown_field'],
      [{ ping: 1 }, 'invalid_type'],
      [{ subscribe: '*' }, 'invalid_type'],
      [{ subscribe: [1] }, 'invalid_type'],
      [{ subscribe: ['usr_1'] }, 'invalid_id'],
      [{ subscribe: [payment.id] }, 'not_found'],
      [{ subscribe: [await ada.account('USD')] }, 'not_found'],
      [{ subscribe: ['pay_01k3v5f4t1f6mb2x9k4w5r8h3n'] }, 'not_found'],
      [{ subscribe: ['*'], after: 'nonsense' }, 'invalid_value'],
      [{ subscribe: ['*'], after: '1-00000000000000000000000001' }, 'position_too_old'],
      [{ after: '1-00000000000000000000000001' }, 'invalid_value'],
      [{ token: other.token }, 'invalid_value'],
    ]
    for (const [message] of cases) line.say(message)
    line.say({ ping: 'still there' })
    const heard = await line.heard(cases.length + 2)
    assert.deepEqual(
      heard.slice(1, -1).map(({ error }) => error?.code),
      cases.map(([, code]) => code),
    )
    assert.deepEqual(heard.at(-1), { pong: 'still there' })
    const own = await other.post('/v1/accounts', { currency: 'EUR' })
    line.say({ subscribe: [own.body.id] })
    assert.deepEqual((await line.heard(cases.length + 4)).at(-1), { state: own.body })
    line.say({ ping: 'x'.repeat(70_000) })
    assert.equal((await line.end()).code, 1009)
  })

  it('may ask again for what it is subscribed to, which counts once', async () => {
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    const payments = Array.from({ length: 501 }, () => transfer(from, to, '0.01'))
    const { body } = await ada.post('/v1/payments/bulk', { payments })
    const names = body.data.map((made: any) => made.payment.id)
    const line = await aSocket(gateway.url, ada.token)
    for (const message of [{ subscribe: names }, { subscribe: names }, { unsubscribe: [names[0], 'nonsense'] }]) {
      line.say(message)
    }
    const answers = () => line.messages.filter(({ subscribed: told, error }) => told ?? error)
    const [first, second, third] = await until(async () => answers().length === 3 && answers())
    assert.deepEqual([first.subscribed, second.subscribed], [names, names])
    assert.match(third.error.detail, /^unsubscribe has 'nonsense'/)
    line.close()
  })

  it('is one of a hundred that a user has on a node, streams among them, and leaves its place to the next', async () => {
    const other = await aUser(gateway)
    const lines = await Promise.all(Array.from({ length: 99 }, () => aSocket(gateway.url, other.token)))
    for (const line of lines) await line.heard(1)
    const headers = { authorization: `Bearer ${other.token}` }
    // It is held on to until the end: an answer that nobody has any more is collected, and its stream ended.
    const stream = await fetch(`${gateway.url}/v1/events/stream`, { headers })
    assert.equal(stream.status, 200)
    const over = await aSocket(gateway.url, other.token)
    assert.deepEqual(await over.end(), { code: 4409, reason: 'too_many_streams' })
    assertProblem(await other.get('/v1/events/stream'), 'too_many_streams')
    const ours = await aSocket(gateway.url, ada.token)
    await ours.heard(1)
    lines[0]?.close()
    await until(async () => {
      const next = await aSocket(gateway.url, other.token)
      lines.push(next)
      await until(async () => next.messages.length > 0 || next.socket.readyState === WebSocket.CLOSED)
      return next.messages.length > 0
    })
    await stream.body?.cancel()
    for (const line of [...lines, ours]) line.close()
  })

  it('is no page, and not for pages of other sites', async () => {
    assertProblem(await ada.get('/v1/ws'), 'upgrade_required')
    const handshake = async (origin: string) => (await opened([`Origin: ${origin}`, ...STANDARD])).split('\r\n')[0]
    assert.equal(await handshake(gateway.url), 'HTTP/1.1 101 Switching Protocols')
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1']) {
      assert.equal(await handshake(origin), 'HTTP/1.1 400 Bad Request')
    }
  })

  it('says what is wrong with a handshake: a version that is not spoken, and a key that is none', async () => {
    const [version, key] = STANDARD
    for (const [headers, status, code] of [
      [[key], '426 Upgrade Required', 'upgrade_required'],
      [['Sec-WebSocket-Version: 12', key], '426 Upgrade Required', 'upgrade_required'],
      [[version], '400 Bad Request', 'invalid_header'],
      [[version, 'Sec-WebSocket-Key: short'], '400 Bad Request', 'invalid_header'],
      [[version, key, key], '400 Bad Request', 'invalid_header'],
    ] as const) {
      const answer = await opened(headers)
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status}\r\n.*content-type: application/problem\\+json`, 's'))
      assert.match(answer, new RegExp(`"code":"${code}"`))
      assert.equal(/\r\nsec-websocket-version: 13\r\n/.test(answer), code === 'upgrade_required')
    }
    // Where there is no WebSocket, the connection ends too: nobody would read on it.
    assert.match(await opened(STANDARD, '/v1/nowhere'), /^HTTP\/1.1 404 /)
    const page = await ada.get('/v1/ws')
    assert.deepEqual([page.headers.get('upgrade'), page.headers.get('sec-websocket-version')], ['websocket', '13'])
  })

  it('sends a reader away who does not read, and says why behind all that waits; who comes back has missed nothing', async () => {
    const before = await followers()
    const [slow, stream] = [aRawLine(), aRawLine()]
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
    const key = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', `Sec-WebSocket-Protocol: bearer, ${bob.token}`]
    await slow.ask('/v1/ws', [...upgrade, ...key])
    slow.socket.write(masked(JSON.stringify({ subscribe: ['*'] })))
    await stream.ask('/v1/events/stream', [`Authorization: Bearer ${bob.token}`])
    await until(async () => (await followers()) === before + 2)
    for (const { socket } of [slow, stream]) socket.pause()
    const reader = await subscribed(bob, ['*'])
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    // Large ones: the system keeps some megabytes for a connection itself.
    const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`field${index}`, 'x'.repeat(500)]))
    let sent = 0
    while ((await followers()) > before + 1 && sent < 1_200) {
      const payments = Array.from({ length: 30 }, () => transfer(from, to, '0.10', { metadata }))
      const { status } = await ada.post('/v1/payments/bulk', { payments })
      assert.equal(status, 200)
      sent += 30
      await until(async () => reader.events().length >= sent)
    }
    assert.ok(sent < 1_200, 'nobody was sent away')
    assert.equal(reader.events().length, sent)
    for (const { socket } of [slow, stream]) socket.resume()
    // 4408, and the reason.
    await until(async () => slow.read().endsWith('\x11\x38slow_reader'))
    await until(async () => stream.read().includes('event: end\ndata: {"reason":"slow_reader"}\n\n'))
    const events = reader.events().map(({ position }) => position)
    const place = (line: typeof slow) => [...line.read().matchAll(/"position":"([^"]+)"/g)].at(-1)?.[1]
    for (const line of [slow, stream]) {
      line.socket.destroy()
      const missed = events.slice(events.indexOf(place(line)) + 1)
      assert.ok(missed.length > 0 && missed.length < events.length)
      const back = await subscribed(bob, ['*'], place(line))
      await until(async () => back.events().length >= missed.length)
      assert.deepEqual(
        back.events().map(({ position }) => position),
        missed,
      )
      back.close()
    }
    reader.close()
  })

  it('is told that a node stops, which does not wait', async () => {
    const other = await aGateway()
    const user = await aUser(other)
    const line = await aSocket(other.url, user.token)
    const stranger = await aSocket(other.url)
    line.say({ subscribe: ['*'] })
    await line.heard(2)
    const started = performance.now()
    await other.stop()
    assert.ok(performance.now() - started < 5_000)
    for (const { end } of [line, stranger]) assert.deepEqual(await end(), { code: 1001, reason: 'closing' })
  })
})

/** A connection that reads only when it is let. */
function aRawLine() {
  const { port, host } = new URL(gateway.url)
  const socket = createConnection(Number(port), '127.0.0.1')
  let read = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    read += chunk.toString('latin1')
  })
  async function ask(path: string, headers: readonly string[]): Promise<void> {
    socket.write(`GET ${path} HTTP/1.1\r\n${[`Host: ${host}`, ...headers].join('\r\n')}\r\n\r\n`)
    await until(async () => read.includes('\r\n\r\n'))
  }
  return { socket, ask, read: () => read }
}

/** How many are told events, as the metrics say. */
async function followers(): Promise<number> {
  const { body } = await gateway.anybody.get('/metrics')
  return Number(/^event_followers (\d+)$/m.exec(body)?.[1])
}

/** A short text frame of a client (RFC 6455 §5.2), masked with zeros. */
function masked(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
}
