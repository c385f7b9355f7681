import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import fastify from 'fastify'
import { createAdmission, refuseOverload } from './admission.ts'
import { sendProblem } from './problem.ts'
import type { App } from './route.ts'

/** One that answers `each` ms after the one before, asked by so many as it lets in; how many were in at the end. */
function filled(each: number, rounds = 2_000) {
  let clock = 0
  const admission = createAdmission(() => clock)
  let under = 0
  const fill = () => {
    while (!admission.isFull()) {
      admission.enter()
      under += 1
    }
  }
  fill()
  for (let round = 0; round < rounds; round += 1) {
    clock += each
    admission.leave()
    under -= 1
    fill()
  }
  return under
}

describe('the admission of single payments', () => {
  it('lets a burst in that is soon done', () => {
    const admission = createAdmission(() => 0)
    for (let entered = 0; entered < 500; entered += 1) {
      assert.equal(admission.isFull(), false)
      admission.enter()
    }
  })

  it('holds as many as are answered in 200 ms, however fast that goes', () => {
    assert.equal(filled(0.25), 800)
    assert.equal(filled(0.5), 400)
    assert.equal(filled(1), 200)
  })

  it('is never too full for 200, however slow it is', () => assert.equal(filled(50), 200))

  it('learns nothing from requests that come one by one', () => {
    let clock = 0
    const admission = createAdmission(() => clock)
    for (let turn = 0; turn < 1_000; turn += 1) {
      admission.enter()
      clock += 100
      admission.leave()
    }
    for (let entered = 0; entered < 500; entered += 1) admission.enter()
    assert.equal(admission.isFull(), false)
  })

  it('lets everybody in again after it was full, whatever came and went', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(1_000)), { maxLength: 2_000 }), (steps) => {
        let clock = 0
        let under = 0
        const admission = createAdmission(() => clock)
        for (const [comes, ms] of steps) {
          clock += ms
          if (comes && !admission.isFull()) {
            admission.enter()
            under += 1
          } else if (!comes && under > 0) {
            admission.leave()
            under -= 1
          }
          if (under < 200) assert.equal(admission.isFull(), false)
        }
        for (; under > 0; under -= 1) admission.leave()
        assert.equal(admission.isFull(), false)
      }),
    )
  })
})

/** An app that pays when it is told to, and refuses what is too much. */
async function aPayer(t: TestContext) {
  const app = fastify() as unknown as App
  const counted: unknown[] = []
  app.setErrorHandler(sendProblem)
  refuseOverload(app, new Set(['https://shop.example']), (request) => counted.push(request))
  const met = new EventEmitter()
  app.addHook('onRequest', async ({ headers }, reply) => {
    if (headers['x-leaves'] === undefined) return
    const left = once(reply.raw, 'close')
    met.emit('one')
    await left
    setImmediate(() => met.emit('gone'))
  })
  const pay: (() => void)[] = []
  app.post('/v1/payments', () => {
    const paid = new Promise((resolve) => pay.push(() => resolve({})))
    met.emit('waits')
    return paid
  })
  app.get('/v1/payments', () => ({}))
  app.get('/v1/stream', (_request, reply) => void reply.hijack())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const post = (headers: Record<string, string> = {}, path = '/v1/payments') =>
    fetch(`${url}${path}`, { method: 'POST', headers })
  /** Asks for so many payments, and waits until all of them are under way. */
  async function underWay(count: number) {
    const answers = Array.from({ length: count }, () => post())
    while (pay.length < count) await once(met, 'waits')
    return answers
  }
  const payAll = () => pay.splice(0).map((each) => each())
  t.after(() => {
    payAll()
    return app.close()
  })
  return { app, url, met, counted, post, underWay, payAll }
}

describe('where too much is under way', () => {
  it('a payment is refused as anything is, and counted; all else is answered, and what was let in is paid', async (t) => {
    const { url, counted, post, underWay, payAll } = await aPayer(t)
    const letIn = await underWay(800)
    const refused = await post({ 'x-request-id': 'mine', origin: 'https://shop.example' })
    assert.equal(refused.status, 503)
    const { code, request_id: id } = (await refused.json()) as { code: string; request_id: string }
    assert.deepEqual([code, id], ['overloaded', 'mine'])
    const said = [
      'x-request-id',
      'retry-after',
      'content-type',
      'x-content-type-options',
      'access-control-allow-origin',
    ]
    assert.deepEqual(
      said.map((name) => refused.headers.get(name)),
      ['mine', '1', 'application/problem+json', 'nosniff', 'https://shop.example'],
    )
    assert.deepEqual(counted, [{ method: 'POST', route: '/v1/payments', status: '503' }])
    for (const path of ['/v1/payments?a=b', '/v1/p%61yments']) assert.equal((await post({}, path)).status, 503, path)
    assert.equal((await post({ prefer: 'respond-async' })).status, 503)
    assert.equal((await fetch(`${url}/v1/payments`)).status, 200)
    payAll()
    assert.deepEqual(new Set((await Promise.all(letIn)).map(({ status }) => status)), new Set([200]))
    await underWay(1)
  })
})

describe('a payment whose caller hangs up before it is begun', () => {
  it('keeps nobody out once it is made', async (t) => {
    const { app, url, met, payAll } = await aPayer(t)
    met.on('waits', payAll)
    for (let caller = 0; caller < 1_000; caller += 1) {
      const [here, gone] = [once(met, 'one'), once(met, 'gone')]
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.write('POST /v1/payments HTTP/1.1\r\nhost: gateway\r\nx-leaves: yes\r\ncontent-length: 0\r\n\r\n')
      await Promise.race([here, once(socket, 'data').then(([answer]) => assert.fail(String(answer)))])
      socket.destroy()
      await gone
    }
    assert.equal((await app.inject({ method: 'POST', url: '/v1/payments' })).statusCode, 200)
  })
})

describe('payments behind an answer that does not end', () => {
  it('keep nobody out once they are made, though they cannot be answered yet', { timeout: 30_000 }, async (t) => {
    const { url, met, post, payAll } = await aPayer(t)
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    try {
      socket.write('GET /v1/stream HTTP/1.1\r\nhost: gateway\r\n\r\n')
      for (let sent = 0; sent < 800; sent += 1) {
        const waits = once(met, 'waits')
        socket.write('POST /v1/payments HTTP/1.1\r\nhost: gateway\r\ncontent-length: 0\r\n\r\n')
        await waits
      }
      assert.equal((await post()).status, 503)
      payAll()
      met.once('waits', payAll)
      assert.equal((await post()).status, 200)
    } finally {
      socket.destroy()
    }
  })
})

describe('a payment whose caller hangs up while it waits', () => {
  it('is under way until it is made', { timeout: 30_000 }, async (t) => {
    const { url, met, post, payAll } = await aPayer(t)
    for (let caller = 0; caller < 800; caller += 1) {
      const waits = once(met, 'waits')
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.write('POST /v1/payments HTTP/1.1\r\nhost: gateway\r\ncontent-length: 0\r\n\r\n')
      await waits
      socket.destroy()
      await once(socket, 'close')
    }
    assert.equal((await post()).status, 503)
    payAll()
    met.once('waits', payAll)
    assert.equal((await post()).status, 200)
  })
})
