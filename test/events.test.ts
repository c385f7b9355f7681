import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { BookEvent } from '../src/events/read.ts'
import type { BookId } from '../src/ledger/id.ts'
import { aGateway, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'

let first: TestGateway
let second: TestGateway
let ada: TestUser
let bob: TestUser
let book: BookId
before(async () => {
  first = await aGateway()
  ;[ada, bob] = await Promise.all([aUser(first), aUser(first)])
  second = await aGateway({}, first.database)
  book = (await first.inside.books.find('main'))?.id as BookId
})

const shortOf = ({ id, type }: BookEvent) => `${type} ${id}`

describe('the feed of events', () => {
  it('tells everything once and in the same order on two nodes that post at once', async () => {
    const told: BookEvent[][] = [[], []]
    const begun = await Promise.all(
      [first, second].map(({ inside }, index) => inside.feed.listen(book, (events) => told[index]?.push(...events))),
    )
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    const made = await Promise.all(
      Array.from({ length: 120 }, async (_, index) => {
        const gateway = index % 2 === 0 ? first : second
        const prefer: Record<string, string> = index % 3 === 0 ? { prefer: 'respond-async' } : {}
        const response = await fetch(`${gateway.url}/v1/payments`, {
          method: 'POST',
          headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json', ...prefer },
          body: JSON.stringify({ from_account: from, to_account: to, amount: '0.50' }),
        })
        return (await response.json()) as { id: string }
      }),
    )
    const expected = made.length + made.length / 3
    await until(async () => told.every((events) => events.length >= expected))
    for (const { end } of begun) end()
    assert.deepEqual(told[0]?.map(shortOf), told[1]?.map(shortOf))
    assert.equal(told[0]?.length, expected)
    assert.equal(new Set(told[0]?.map(({ id }) => id)).size, expected)
    const positions = told[0]?.map(({ position }) => [position.txid, position.id] as const) ?? []
    const sorted = positions.toSorted((a, b) => (a[0] === b[0] ? (a[1] < b[1] ? -1 : 1) : a[0] < b[0] ? -1 : 1))
    assert.deepEqual(positions, sorted)
  })
})
