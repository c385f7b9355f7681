import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import fastify from 'fastify'
import { createAdmission, refuseOverload } from './admission.ts'
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

  it('holds as many as are answered in 175 ms, however fast that goes', () => {
    assert.equal(filled(0.25), 700)
    assert.equal(filled(0.5), 350)
    assert.equal(filled(1), 175)
  })

  it('is never too full for 150, however slow it is', () => assert.equal(filled(50), 150))

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
          if (under < 150) assert.equal(admission.isFull(), false)
        }
        for (; under > 0; under -= 1) admission.leave()
        assert.equal(admission.isFull(), false)
      }),
    )
  })
})

describe('a payment whose caller hangs up before it is begun', () => {
  it('keeps nobody out', async () => {
    const app = fastify() as unknown as App
    refuseOverload(app)
    const met = new EventEmitter()
    app.addHook('onRequest', async ({ headers }, reply) => {
      if (headers['x-leaves'] === undefined) return
      const left = once(reply.raw, 'close')
      met.emit('one')
      await left
      setImmediate(() => met.emit('gone'))
    })
    app.post('/', { config: { operationId: 'createPayment' }, handler: () => ({}) })
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
    try {
      for (let caller = 0; caller < 1_000; caller += 1) {
        const [here, gone] = [once(met, 'one'), once(met, 'gone')]
        const socket = connect(Number(port), '127.0.0.1')
        socket.write('POST / HTTP/1.1\r\nhost: gateway\r\nx-leaves: yes\r\ncontent-length: 0\r\n\r\n')
        await Promise.race([here, once(socket, 'data').then(([answer]) => assert.fail(String(answer)))])
        socket.destroy()
        await gone
      }
      assert.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 200)
    } finally {
      await app.close()
    }
  })
})
