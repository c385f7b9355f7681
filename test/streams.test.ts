import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aClient } from './harness/client.ts'
import {
  aBriefToken,
  aGateway,
  anEmail,
  aUser,
  loggedIn,
  type TestGateway,
  type TestUser,
  until,
} from './harness/gateway.ts'
import { assertProblem, noneHeldBack, transfer } from './harness/paying.ts'

let gateway: TestGateway
let ada: TestUser
let bob: TestUser
before(async () => {
  gateway = await aGateway()
  ;[ada, bob] = await Promise.all([aUser(gateway), aUser(gateway)])
})

type Frame = { readonly id?: string; readonly event?: string; readonly data?: any }

/** Reads a stream of Server-Sent Events as a browser would. */
async function aStream(url: string, token: string, lastEventId?: string) {
  if (!lastEventId) await noneHeldBack(gateway)
  const leaving = new AbortController()
  const response = await fetch(`${url}/v1/events/stream`, {
    headers: { authorization: `Bearer ${token}`, ...(lastEventId ? { 'last-event-id': lastEventId } : {}) },
    signal: leaving.signal,
  })
  const frames: Frame[] = []
  let ended = false
  const reading = (async () => {
    let text = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      const parts = text.split('\n\n')
      text = parts.pop() ?? ''
      frames.push(...parts.map(frameOf))
    }
  })()
    .catch(() => undefined)
    .finally(() => {
      ended = true
    })
  const events = () => frames.filter(({ event }) => event !== undefined && event !== 'end')
  const lastId = () => frames.findLast(({ id }) => id !== undefined)?.id
  const open = () => until(async () => lastId() !== undefined)
  const leave = async () => {
    leaving.abort()
    await reading
  }
  return { response, frames, events, lastId, open, leave, isOver: () => ended }
}

function frameOf(text: string): Frame {
  const frame: Record<string, any> = {}
  for (const line of text.split('\n')) {
    const [, name = '', value = ''] = /^(\w*): ?(.*)$/.exec(line) ?? []
    if (name) frame[name] = name === 'data' ? JSON.parse(value) : value
  }
  return frame
}

async function pay(from: TestUser, to: TestUser, amount = '1.00', more: object = {}): Promise<any> {
  const wish = transfer(await from.account('USD'), await to.account('USD'), amount, more)
  const { status, body } = await from.post('/v1/payments', wish)
  assert.equal(status, 201)
  return body
}

const idOf = ({ data }: Frame) => data.data.object.id

describe('the stream of events', () => {
  it('tells both sides of a payment as it happens, and nobody else', async () => {
    const other = await aUser(gateway)
    const streams = await Promise.all([ada, bob, other].map(({ token }) => aStream(gateway.url, token ?? '')))
    await Promise.all(streams.map(({ open }) => open()))
    const [toAda, toBob, toOther] = streams
    assert.match(toAda?.response.headers.get('content-type') ?? '', /^text\/event-stream/)
    const payment = await pay(ada, bob)
    for (const stream of [toAda, toBob]) {
      await until(async () => stream?.events().length === 1)
      const [frame] = stream?.events() ?? []
      assert.equal(frame?.event, 'payment.completed')
      assert.deepEqual(frame?.data.data.object, payment)
      assert.equal(frame?.id, frame?.data.position)
    }
    const own = await pay(other, other.email === ada.email ? bob : ada, '2.00')
    await until(async () => toOther?.events().length === 1)
    assert.deepEqual(toOther?.events().map(idOf), [own.id])
    await Promise.all(streams.map(({ leave }) => leave()))
  })

  it('goes on where it was, also on another node and after a restart, with nothing left out', async () => {
    const [payer, payee] = await Promise.all([aUser(gateway), aUser(gateway)])
    const stream = await aStream(gateway.url, payer.token ?? '')
    await stream.open()
    const made = [await pay(payer, payee)]
    await until(async () => stream.events().length === 1)
    await stream.leave()
    for (let count = 0; count < 5; count += 1) made.push(await pay(payer, payee))
    const again = await aStream(gateway.url, payer.token ?? '', stream.lastId())
    made.push(await pay(payer, payee))
    await until(async () => again.events().length === 6)
    await again.leave()
    for (let count = 0; count < 5; count += 1) made.push(await pay(payer, payee))
    const second = await aGateway({}, gateway.database)
    const elsewhere = await aStream(second.url, payer.token ?? '', again.lastId())
    await until(async () => elsewhere.events().length === 5)
    const told = [stream, again, elsewhere].flatMap(({ events }) => events())
    assert.deepEqual(
      told.map(idOf),
      made.map(({ id }) => id),
    )
    // A node that stops ends its streams and does not wait for their readers.
    const before = performance.now()
    await second.stop()
    assert.ok(performance.now() - before < 5_000)
    assert.deepEqual(elsewhere.frames.at(-1), { event: 'end', data: { reason: 'closing' } })
  })

  it('misses nothing while payments are made, however often its reader comes back', async () => {
    const [payer, payee] = await Promise.all([aUser(gateway), aUser(gateway)])
    const first = await aStream(gateway.url, payee.token ?? '')
    await first.open()
    let last = first.lastId()
    await first.leave()
    const paying = Promise.all(Array.from({ length: 60 }, () => pay(payer, payee, '0.10')))
    const told: string[] = []
    while (told.length < 60) {
      const stream = await aStream(gateway.url, payee.token ?? '', last)
      await until(async () => stream.events().length > 0 || told.length >= 60)
      await stream.leave()
      told.push(...stream.events().map(idOf))
      last = stream.lastId()
    }
    const made = (await paying).map(({ id }) => id)
    assert.equal(new Set(told).size, 60)
    assert.deepEqual(told.toSorted(), made.toSorted())
  })

  it('tells a reader who comes back no more at once than is read, however large its events are', async () => {
    const [payer, payee] = await Promise.all([aUser(gateway), aUser(gateway)])
    const first = await aStream(gateway.url, payee.token ?? '')
    await first.open()
    const after = first.lastId()
    await first.leave()
    const large = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`note ${index}`, 'x'.repeat(500)]))
    const wish = transfer(await payer.account('USD'), await payee.account('USD'), '0.10', { metadata: large })
    // Of 25 kB each: together more than may wait for a reader who does not read.
    const payments = Array.from({ length: 100 }, (_, index) => ({ ...wish, idempotency_key: `${index}` }))
    const { body } = await payer.post('/v1/payments/bulk', { payments })
    await noneHeldBack(gateway)
    const stream = await aStream(gateway.url, payee.token ?? '', after)
    await until(async () => stream.events().length === 100 || stream.isOver())
    assert.deepEqual(
      stream.events().map(idOf),
      body.data.map(({ payment }: any) => payment.id),
    )
    assert.equal(stream.isOver(), false)
    await stream.leave()
  })

  it('ends when its token is revoked', async () => {
    const email = anEmail()
    const user = await aUser(gateway, email)
    const { body: token } = await user.post('/v1/login', { email, password: 'correct horse battery' })
    const again = await loggedIn(gateway, email)
    const stream = await aStream(gateway.url, again.token ?? '')
    await stream.open()
    const { body: tokens } = await user.get('/v1/tokens')
    for (const { id } of tokens.data.filter(({ id }: any) => id !== token.id)) await user.delete(`/v1/tokens/${id}`)
    await until(async () => stream.isOver(), 5)
    assert.deepEqual(stream.frames.at(-1), { event: 'end', data: { reason: 'unauthenticated' } })
  })

  it('ends when its token expires', async () => {
    const user = await aUser(gateway)
    const { token } = await aBriefToken(user, 2_000, 'stream', ['payments:read'])
    const stream = await aStream(gateway.url, token)
    await stream.open()
    await until(async () => stream.isOver())
    assert.deepEqual(stream.frames.at(-1), { event: 'end', data: { reason: 'unauthenticated' } })
  })

  it('refuses what is no position, or one that is too old', async () => {
    const read = (id: string) => ada.get('/v1/events/stream', { 'last-event-id': id })
    for (const id of ['nonsense', '1', 'evt_01k3v5f4t1f6mb2x9k4w5r8h3q', `${'z'.repeat(13)}-${'7'.repeat(26)}`]) {
      assertProblem(await read(id), 'invalid_header')
    }
    assertProblem(await read('1-00000000000000000000000001'), 'position_too_old')
    assertProblem(await ada.get('/v1/events/stream?after=nonsense'), 'invalid_query')
  })

  it('answers a HEAD as its GET begins, and opens no stream', async () => {
    const head = (query = '', headers = {}) => ada.send('HEAD', `/v1/events/stream${query}`, undefined, headers)
    const stream = await aStream(gateway.url, ada.token ?? '')
    const { status, headers } = await head()
    await stream.leave()
    assert.equal(status, 200)
    // What a stream will come to is not known.
    assert.equal(headers.get('content-length'), null)
    const told = (of: Headers) => ['content-type', 'cache-control', 'x-accel-buffering'].map((name) => of.get(name))
    assert.deepEqual(told(headers), told(stream.response.headers))
    // More than a user may have open.
    for (let count = 0; count < 101; count++) assert.equal((await head()).status, 200)
    assert.equal((await head('', { 'last-event-id': 'nonsense' })).status, 400)
    assert.equal((await head('?after=1-00000000000000000000000001')).status, 410)
    assert.equal((await aClient(gateway.url).send('HEAD', '/v1/events/stream')).status, 401)
  })
})
