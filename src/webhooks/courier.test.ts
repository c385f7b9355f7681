import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { PLACES, placesFor } from './courier.ts'
import type { Due } from './deliver.ts'

const endpoints = fc
  .array(fc.record({ id: fc.nat(40), user: fc.nat(8), failing: fc.boolean() }), { maxLength: 60 })
  .map((found) => {
    const byId = new Map(found.map((one) => [one.id, one]))
    return [...byId.values()].map(({ id, user, failing }) => ({ id: `w${id}`, userId: `u${user}`, failing }) as Due)
  })

const count = <T>(values: readonly T[], of: (value: T) => boolean) => values.filter(of).length

describe('the places for requests', () => {
  it('are never more than there are: in all, of an endpoint, of a user, of those that fail', () => {
    fc.assert(
      fc.property(endpoints, fc.nat(5), (due, rounds) => {
        let underWay: Due[] = []
        for (let round = 0; round <= rounds; round += 1) {
          const given = placesFor(due, underWay).flatMap(({ webhookId, most }) =>
            Array.from({ length: most }, () => due.find(({ id }) => id === webhookId) as Due),
          )
          underWay = [...underWay, ...given]
        }
        assert.ok(underWay.length <= PLACES.all)
        assert.ok(count(underWay, ({ failing }) => failing) <= PLACES.failing)
        for (const { id, userId, failing } of due) {
          assert.ok(count(underWay, (one) => one.id === id) <= (failing ? PLACES.eachFailing : PLACES.each))
          assert.ok(count(underWay, (one) => one.userId === userId) <= PLACES.user)
        }
      }),
    )
  })

  it('are left for others, however many endpoints a user has that hang', () => {
    const hanging = Array.from(
      { length: 16 },
      (_, index) => ({ id: `w${index}`, userId: 'eve', failing: false }) as Due,
    )
    const underWay = placesFor(hanging, []).flatMap(({ webhookId, most }) =>
      Array.from({ length: most }, () => hanging.find(({ id }) => id === webhookId) as Due),
    )
    assert.equal(underWay.length, PLACES.user)
    const [given] = placesFor([{ id: 'good', userId: 'ada', failing: false } as Due], underWay)
    assert.equal(given?.most, PLACES.each)
  })
})
