import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { AccountId } from '../ledger/id.ts'
import { createTurns } from './turns.ts'

type Payment = { readonly name: string; readonly accounts: readonly AccountId[] }
const pay = (name: string, ...accounts: string[]): Payment => ({ name, accounts: accounts as AccountId[] })
/** As they come in bulk. */
const turnsOf = (...payments: Payment[]) => {
  const turns = createTurns<Payment>(({ accounts }) => accounts)
  for (const payment of payments) turns.add(payment, false)
  return turns
}
const all = Number.POSITIVE_INFINITY
const names = (payments: readonly Payment[]) => payments.map(({ name }) => name).join(' ')

describe('turns: what waits for a batch under way', () => {
  test('is only what names one of its accounts, and others go ahead', () => {
    const turns = turnsOf(pay('first', 'ada', 'bob'))
    const under = turns.begin(all)
    turns.add(pay('second', 'bob', 'cleo'), false)
    turns.add(pay('third', 'dan', 'eve'), false)
    assert.equal(names(turns.begin(all)), 'third')
    assert.equal(turns.ready(), 0)
    turns.end(under)
    assert.equal(names(turns.begin(all)), 'second')
  })

  test('and what names an account of one that waits: payments of an account keep their order', () => {
    const turns = turnsOf(pay('first', 'ada', 'bob'))
    turns.begin(all)
    turns.add(pay('second', 'bob', 'cleo'), false)
    turns.add(pay('third', 'cleo', 'dan'), false)
    assert.equal(turns.ready(), 0)
  })

  test('is nothing within one batch, in which each sees those before it', () => {
    const turns = turnsOf(pay('first', 'ada', 'bob'), pay('second', 'bob', 'ada'))
    assert.equal(names(turns.begin(all)), 'first second')
  })

  test('and what no longer fits into it stays behind it', () => {
    const turns = turnsOf(pay('first', 'ada', 'bob'), pay('second', 'bob', 'cleo'), pay('third', 'dan', 'eve'))
    const under = turns.begin(1)
    assert.equal(names(under), 'first')
    assert.equal(names(turns.begin(all)), 'third')
    turns.end(under)
    assert.equal(names(turns.begin(all)), 'second')
  })

  test('is what came in bulk before what is alone, which goes ahead of it', () => {
    const turns = turnsOf(pay('bulk', 'ada', 'bob'), pay('more bulk', 'cleo', 'dan'))
    turns.add(pay('alone', 'eve', 'bob'), true)
    assert.equal(names(turns.begin(2)), 'alone bulk')
  })

  test('is also what is alone and names one of its accounts, and then goes ahead', () => {
    const turns = turnsOf(pay('bulk', 'ada', 'bob'), pay('more bulk', 'cleo', 'dan'))
    const under = turns.begin(1)
    turns.add(pay('alone', 'bob', 'eve'), true)
    assert.equal(turns.ready(), 1)
    turns.end(under)
    assert.equal(names(turns.begin(all)), 'alone more bulk')
  })

  test('comes to its turn, whatever is added, begun and ended: nothing is lost, twice, or before its time', () => {
    const account = fc.constantFrom('ada', 'bob', 'cleo', 'dan', 'eve', 'fay', 'gus')
    const step = fc.oneof(
      fc.record({ add: fc.uniqueArray(account, { maxLength: 2 }), alone: fc.boolean() }),
      fc.record({ begin: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ end: fc.nat(3) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const turns = turnsOf()
        const alone = new Set<string>()
        const under: Payment[][] = []
        const begun: Payment[] = []
        let added = 0
        const begin = (room: number) => {
          const batch = turns.begin(room)
          for (const payment of batch) {
            for (const other of under.flat()) assert.ok(!shares(payment, other), 'two batches name one account')
          }
          if (batch.length > 0) under.push(batch)
          begun.push(...batch)
        }
        for (const step of steps) {
          if ('add' in step) {
            const payment = pay(`${added++}`, ...step.add)
            if (step.alone) alone.add(payment.name)
            turns.add(payment, step.alone)
          } else if ('begin' in step) begin(step.begin)
          else turns.end(under.splice(step.end, 1)[0] ?? [])
        }
        while (begun.length < added) {
          begin(4)
          turns.end(under.shift() ?? [])
        }
        assert.equal(new Set(begun).size, added)
        for (const [place, payment] of begun.entries()) {
          for (const later of begun.slice(place + 1)) {
            if (alone.has(payment.name) !== alone.has(later.name)) continue
            assert.ok(!shares(payment, later) || Number(payment.name) < Number(later.name), 'an account lost its order')
          }
        }
      }),
    )
  })
})

function shares({ accounts }: Payment, other: Payment): boolean {
  return accounts.some((id) => other.accounts.includes(id))
}
