import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { createRoom } from './room.ts'

describe('room for what came in bulk', () => {
  test('is waited for in turn, by what would fit as well', async () => {
    const room = createRoom(10)
    const entered: string[] = []
    const enter = (name: string, count: number) => void room.enter(count).then(() => entered.push(name))
    enter('first', 6)
    enter('second', 6)
    enter('third', 2)
    await setImmediate()
    assert.deepEqual(entered, ['first'])
    room.leave(6)
    await setImmediate()
    assert.deepEqual(entered, ['first', 'second', 'third'])
  })

  test('is there for more than it holds, once nobody is in it', async () => {
    const room = createRoom(10)
    await room.enter(1)
    const large = room.enter(11)
    room.leave(1)
    await large
  })

  test('is never overfull, and everybody gets in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 30 }), async (groups) => {
        const room = createRoom(10)
        let inside: number[] = []
        const all = groups.map(async (count, index) => {
          await room.enter(count)
          inside.push(count)
          const sum = inside.reduce((before, each) => before + each, 0)
          assert.ok(sum <= 10 || inside.length === 1, `${inside} are inside`)
          if (index % 3 > 0) await setImmediate()
          inside = inside.toSpliced(inside.indexOf(count), 1)
          room.leave(count)
        })
        await Promise.all(all)
        assert.equal(inside.length, 0)
      }),
    )
  })
})
