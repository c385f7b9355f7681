import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createIds, type Instant } from '../../ledger/id.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { type BankLine, type Expected, matchEntries, paymentsNamed, wireReference } from './matching.ts'

const newId = createIds(1_764_000_000_000_000n as Instant, Buffer.alloc(6))
const ids = Array.from({ length: 12 }, () => newId<'payment'>())
const [one, two, three] = ids as [(typeof ids)[0], (typeof ids)[0], (typeof ids)[0]]

const aLine = (changes: Partial<BankLine> = {}): BankLine => ({
  ...{ key: 'a', direction: 'in', currency: 'EUR', amount: 100n, date: '2026-11-24', reversal: false, texts: [] },
  ...changes,
})
const expects = (id: Expected['id'], changes: Partial<Expected> = {}): Expected => ({
  ...{ id, direction: 'in', currency: 'EUR', amount: 100n, since: '2026-11-23' },
  ...changes,
})

describe('a movement at the bank', () => {
  it('is matched by a reference, in whatever form it comes back', () => {
    const reference = wireReference(one)
    assert.match(reference, /^[A-Z0-9]{29}$/)
    for (const text of [
      reference,
      reference.toLowerCase(),
      encodeId('pay', one),
      `Inv 1 ${reference.slice(0, 20)}\n${reference.slice(20)} x`,
      // Without its spaces, what stands before it may begin like another one.
      `Payment ${reference}`,
      `Payer 7 ${reference}`,
      `Pay 2 ${reference}`,
    ]) {
      assert.deepEqual([...paymentsNamed([text])], [one], text)
      const { matches } = matchEntries([aLine({ texts: ['x', text] })], [expects(two), expects(one)])
      assert.deepEqual([...matches], [['a', { payment: one, by: 'reference', days: 1 }]])
    }
  })

  it('with a reference and another amount is a suggestion, and taken for nothing else', () => {
    const texts = [encodeId('pay', one)]
    const { matches, suggestions } = matchEntries([aLine({ texts })], [expects(one, { amount: 99n }), expects(two)])
    assert.equal(matches.size, 0)
    assert.deepEqual(suggestions.get('a'), [
      { payment: one, reference: true, amount: false, days: 1 },
      { payment: two, reference: false, amount: true, days: 1 },
    ])
    assert.equal(matchEntries([aLine({ texts: [encodeId('pay', three)] })], [expects(two)]).matches.size, 0)
  })

  it('without one is matched by amount and date, where there is no choice', () => {
    assert.deepEqual(
      [...matchEntries([aLine()], [expects(one)]).matches],
      [['a', { payment: one, by: 'amount', days: 1 }]],
    )
    assert.equal(matchEntries([aLine()], [expects(one), expects(two)]).matches.size, 0)
    assert.equal(matchEntries([aLine(), aLine({ key: 'b' })], [expects(one)]).matches.size, 0)
    for (const line of [
      aLine({ date: '2026-12-08' }),
      aLine({ date: '2026-11-21' }),
      aLine({ date: null }),
      aLine({ direction: 'out' }),
      aLine({ currency: 'CZK' }),
      aLine({ reversal: true }),
    ]) {
      assert.equal(matchEntries([line], [expects(one)]).matches.size, 0)
    }
  })

  it('has at most five suggestions, the nearest first', () => {
    const expected = ids.map((id, day) => expects(id, { since: `2026-11-${10 + day}` }))
    const { suggestions } = matchEntries([aLine()], expected)
    assert.deepEqual(
      suggestions.get('a')?.map(({ days }) => days),
      [3, 4, 5, 6, 7],
    )
  })

  it('never takes a payment twice, nor one that does not fit, and is the same each time', () => {
    const direction = fc.constantFrom('in' as const, 'out' as const)
    const money = { direction, currency: fc.constantFrom('EUR', 'CZK'), amount: fc.bigInt(1n, 3n) }
    const day = fc.integer({ min: 10, max: 28 }).map((of) => `2026-11-${of}`)
    const texts = fc.array(fc.constantFrom(...ids.map(wireReference), 'rent'), { maxLength: 2 })
    const lines = fc
      .array(fc.record({ ...money, date: fc.option(day), reversal: fc.boolean(), texts }), { maxLength: 12 })
      .map((made) => made.map((line, index): BankLine => ({ ...line, key: String(index) })))
    const expected = fc
      .array(fc.record({ ...money, since: day }), { maxLength: ids.length })
      .map((made) => made.map((each, index): Expected => ({ ...each, id: ids[index] ?? one })))
    fc.assert(
      fc.property(lines, expected, (lines, expected) => {
        const matching = matchEntries(lines, expected)
        const taken = [...matching.matches.values()].map(({ payment }) => payment)
        assert.equal(new Set(taken).size, taken.length)
        for (const line of lines) {
          const match = matching.matches.get(line.key)
          const payment = expected.find(({ id }) => id === match?.payment)
          if (match) {
            assert.ok(payment && !line.reversal && payment.amount === line.amount)
            assert.deepEqual([payment.direction, payment.currency], [line.direction, line.currency])
          }
          assert.equal(match === undefined, matching.suggestions.has(line.key))
          for (const each of matching.suggestions.get(line.key) ?? []) assert.ok(!taken.includes(each.payment))
        }
        assert.deepEqual(matchEntries(lines, expected), matching)
      }),
    )
  })
})
