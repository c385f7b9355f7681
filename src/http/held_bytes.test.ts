import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import fastify from 'fastify'
import { boundHeldBytes, createHeldBytes, type HeldBytes } from './held_bytes.ts'
import type { App } from './route.ts'

const KIB = 1024

describe('What is kept in memory', () => {
  it('is so much of one caller, and beyond so much in all only of who has little', () => {
    const bytes = createHeldBytes({ mostOfOne: 10, mostInAll: 15, little: 2 })
    const ada = bytes.open('ada')
    ada.add(8)
    assert.deepEqual([bytes.hasRoom('ada', 2), bytes.hasRoom('ada', 3)], [true, false])
    const bob = bytes.open('bob')
    bob.add(7)
    assert.deepEqual([bytes.hasRoom('ada', 1), bytes.hasRoom('bob', 1), bytes.hasRoom('eve', 10)], [false, false, true])
    const eve = bytes.open('eve')
    eve.add(1)
    assert.deepEqual([bytes.hasRoom('eve', 1), bytes.hasRoom('eve', 2)], [true, false])
    eve.close()
    ada.close()
    ada.close()
    assert.equal(bytes.hasRoom('bob', 3), true)
    bob.close()
    assert.equal(bytes.isEmpty(), true)
  })
})

/** A server that keeps 100 KiB for anybody, reads bodies whole and has a long page. */
async function withServer(
  ask: (line: () => Promise<Line>, bytes: HeldBytes, lateAnswer: Promise<unknown>) => Promise<void>,
): Promise<void> {
  const bytes = createHeldBytes({ mostOfOne: 100 * KIB, mostInAll: 1_000 * KIB, little: 0 })
  const app = fastify()
  app.decorateRequest('session', null)
  boundHeldBytes(app as unknown as App, bytes)
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.addContentTypeParser('application/x-ndjson', (_request, payload, done) => done(null, payload))
  app.post('/', async ({ body }) => (typeof body === 'string' ? body.length : 'a stream'))
  app.get('/', () => 'x'.repeat(16 * KIB * KIB))
  // Answered once nobody is there any more.
  app.get('/late', async ({ raw }) => {
    await once(raw.socket, 'close')
    return 'x'.repeat(LONG)
  })
  const lateAnswer = new Promise<unknown>((resolve) => {
    app.addHook('onSend', async ({ url }, _reply, payload) => {
      if (url === '/late') resolve(payload)
    })
  })
  app.setErrorHandler((error, _request, reply) => reply.status(503).send((error as { code?: string }).code))
  await app.listen()
  const lines: Socket[] = []
  const line = async () => {
    const socket = connect((app.server.address() as AddressInfo).port)
    socket.on('error', () => undefined)
    lines.push(socket)
    await once(socket, 'connect')
    return aLine(socket)
  }
  try {
    await ask(line, bytes, lateAnswer)
  } finally {
    for (const socket of lines) socket.destroy()
    await app.close()
  }
}

type Line = ReturnType<typeof aLine>
function aLine(socket: Socket) {
  const post = (headers: string, body = '') => {
    socket.write(`POST / HTTP/1.1\r\nhost: gateway\r\ncontent-type: text/plain\r\n${headers}\r\n\r\n${body}`)
  }
  /** The next that comes, as far as it has come: a short answer comes in one piece. */
  const answer = async () => String((await once(socket, 'data'))[0])
  return { socket, post, answer }
}

const LONG = 60 * KIB
const chunkOf = (size: number) => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
/** Until what the other side of a connection does about its end is done. */
async function untilEmpty(bytes: HeldBytes): Promise<void> {
  while (!bytes.isEmpty()) await new Promise(setImmediate)
}

describe('A body', () => {
  it('that is long is refused where those that are coming leave no room, before it comes, and taken once they have', () =>
    withServer(async (line, bytes) => {
      const [slow, next] = [await line(), await line()]
      slow.post(`content-length: ${LONG}`, 'x')
      while (bytes.isEmpty()) await new Promise(setImmediate)
      next.post(`content-length: ${LONG}`)
      assert.match(await next.answer(), /^HTTP\/1.1 503 .*overloaded$/s)
      next.socket.destroy()
      const small = await line()
      small.post('content-length: 5', 'small')
      assert.match(await small.answer(), /^HTTP\/1.1 200 .*\r\n5$/s)
      slow.socket.write('x'.repeat(LONG - 1))
      assert.match(await slow.answer(), new RegExp(`^HTTP/1.1 200 .*\r\n${LONG}$`, 's'))
      await untilEmpty(bytes)
      small.post(`content-length: ${LONG}`, 'x'.repeat(LONG))
      assert.match(await small.answer(), /^HTTP\/1.1 200 /)
    }))

  it('in chunks counts as far as it has come', () =>
    withServer(async (line, bytes) => {
      const slow = await line()
      slow.post('transfer-encoding: chunked', chunkOf(LONG))
      while (bytes.isEmpty()) await new Promise(setImmediate)
      const next = await line()
      next.post('transfer-encoding: chunked', `${chunkOf(5)}0\r\n\r\n`)
      assert.match(await next.answer(), /^HTTP\/1.1 200 .*\r\n5$/s)
      next.post('transfer-encoding: chunked', chunkOf(LONG))
      assert.match(await next.answer(), /^HTTP\/1.1 503 .*overloaded$/s)
      slow.socket.destroy()
      await untilEmpty(bytes)
    }))

  it('that is read as a stream is not kept', () =>
    withServer(async (line, bytes) => {
      const streamed = await line()
      streamed.socket.write(
        `POST / HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/x-ndjson\r\ncontent-length: ${LONG}\r\n\r\n`,
      )
      assert.match(await streamed.answer(), /^HTTP\/1.1 200 .*a stream$/s)
      assert.equal(bytes.isEmpty(), true)
    }))
})

describe('A long answer', () => {
  it('that nobody takes leaves no room for others, until its connection is over', () =>
    withServer(async (line, bytes) => {
      const idle = await line()
      idle.socket.pause()
      // The second waits for the first on their connection.
      for (const _ of [1, 2]) idle.socket.write('GET / HTTP/1.1\r\nhost: gateway\r\n\r\n')
      while (bytes.hasRoom('address 127.0.0.1', 1) && bytes.hasRoom('address ::1', 1)) await new Promise(setImmediate)
      const next = await line()
      next.post('content-length: 5', 'small')
      assert.match(await next.answer(), /^HTTP\/1.1 503 .*overloaded$/s)
      idle.socket.destroy()
      await untilEmpty(bytes)
      next.post('content-length: 5', 'small')
      assert.match(await next.answer(), /^HTTP\/1.1 200 /)
    }))
  it('to who has left meanwhile is not kept', () =>
    withServer(async (line, bytes, lateAnswer) => {
      const leaving = await line()
      leaving.socket.write('GET /late HTTP/1.1\r\nhost: gateway\r\n\r\n', () => leaving.socket.destroy())
      assert.equal(await lateAnswer, 'x'.repeat(LONG))
      assert.equal(bytes.isEmpty(), true)
    }))
})
