import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inTurn } from './records.ts'

/** Groups that come when the test says so, and what of them was begun. */
function aBody() {
  const { promise: second, resolve: sendSecond } = Promise.withResolvers<string>()
  async function* groups() {
    yield 'first'
    yield await second
  }
  const begun: string[] = []
  const results = new Map(['first', 'second'].map((name) => [name, Promise.withResolvers<string>()]))
  const begin = async (group: string) => {
    begun.push(group)
    return { result: results.get(group)?.promise ?? Promise.resolve(group) }
  }
  return { groups, begin, begun, sendSecond, finish: (name: string) => results.get(name)?.resolve(`${name} done`) }
}

describe('groups of a body, in turn', () => {
  test('are answered each as soon as it is done, while the next has not come', async () => {
    const { groups, begin, finish } = aBody()
    const answers = inTurn(groups(), begin)
    const first = answers.next()
    finish('first')
    assert.deepEqual(await first, { value: 'first done', done: false })
    await answers.return(undefined)
  })

  test('are begun while the one before is under way, and answered in their order', async () => {
    const { groups, begin, begun, sendSecond, finish } = aBody()
    const answers = inTurn(groups(), begin)
    const first = answers.next()
    sendSecond('second')
    finish('second')
    while (begun.length < 2) await new Promise(setImmediate)
    finish('first')
    assert.equal((await first).value, 'first done')
    assert.equal((await answers.next()).value, 'second done')
    assert.equal((await answers.next()).done, true)
  })

  test('that break off are answered as far as they came, and then the error is thrown', async () => {
    async function* groups() {
      yield 'first'
      throw new Error('cut off')
    }
    const answers: string[] = []
    await assert.rejects(async () => {
      for await (const answer of inTurn(groups(), async (name) => ({ result: Promise.resolve(name) })))
        answers.push(answer)
    }, /cut off/)
    assert.deepEqual(answers, ['first'])
  })

  test('are at most three at a time: no more is read ahead', async () => {
    let read = 0
    async function* groups() {
      for (;;) {
        read += 1
        yield read
      }
    }
    const answers = inTurn(groups(), async () => ({ result: new Promise<never>(() => {}) }))
    void answers.next()
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
    assert.equal(read, 3)
  })
})
