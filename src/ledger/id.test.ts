import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createIds, firstIdAt, type Instant, instantOf } from './id.ts'

const someInstant = fc.bigInt(0n, 2n ** 48n * 1000n - 1n).map((at) => at as Instant)
const someBytes = fc.uint8Array({ minLength: 6, maxLength: 6 })
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('ids', () => {
  it('are UUIDv7 by RFC 9562, each greater than the one before, and tell when they were made', () => {
    fc.assert(
      fc.property(someInstant, someBytes, (at, random) => {
        const next = createIds(at, random)
        const ids = Array.from({ length: 70 }, () => next())
        for (const [index, id] of ids.entries()) {
          assert.match(id, UUID_V7)
          assert.equal(instantOf(id), at)
          assert.ok(index === 0 || id > (ids[index - 1] ?? ''))
        }
      }),
    )
  })

  it('are in the order of time, whatever is random in them', () => {
    fc.assert(
      fc.property(someInstant, someInstant, someBytes, someBytes, (one, other, random, otherRandom) => {
        fc.pre(one < other)
        const [earlier, later] = [createIds(one, random)(), createIds(other, otherRandom)()]
        assert.ok(earlier < firstIdAt(other) && firstIdAt(other) <= later)
      }),
    )
  })

  it('keep counting in order over the whole of a batch, and no further', () => {
    const next = createIds(0n as Instant, new Uint8Array(6).fill(255))
    let last: string = next()
    for (let count = 1; count < 2 ** 20; count += 1) {
      const id = next()
      if (id <= last) assert.fail(`${id} follows ${last}`)
      last = id
    }
    assert.match(last, /-bfff-ffffffffffff$/)
    assert.throws(() => next(), RangeError)
  })
})
