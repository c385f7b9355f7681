import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MAX_UNITS } from './amount.ts'
import { type Percent, parsePercent } from './percent.ts'
import { flatTariff, priceOf, type Tariff, type Tier } from './tariff.ts'

const percentage = (text: string) => parsePercent(text) ?? assert.fail(text)

const amount = fc.oneof(fc.bigInt(1n, 10_000n), fc.bigInt(1n, MAX_UNITS))
const parts = fc.record({
  percent: fc.bigInt(0n, 100_000_000n).map((millionths) => millionths as Percent),
  fixed: fc.bigInt(0n, 1_000n),
})

const tariff: fc.Arbitrary<Tariff> = fc
  .record({
    first: parts,
    others: fc.uniqueArray(fc.tuple(fc.bigInt(1n, 10_000n), parts), { maxLength: 5, selector: ([from]) => from }),
    minimum: fc.bigInt(0n, 500n),
    room: fc.option(fc.bigInt(0n, 5_000n)),
  })
  .map(({ first, others, minimum, room }) => {
    const above = others.map(([from, each]): Tier => ({ from, ...each }))
    above.sort((one, other) => (one.from < other.from ? -1 : 1))
    return { tiers: [{ from: 0n, ...first }, ...above], minimum, maximum: room === null ? null : minimum + room }
  })

/** The same as slowly as can be: in whole hundred-millionths of a minor unit, to the nearest, of two to the even one. */
function dumbestPrice({ tiers, minimum, maximum }: Tariff, units: bigint): bigint {
  const reached = tiers.filter(({ from }) => from <= units)
  const highest = reached.sort((one, other) => (one.from < other.from ? 1 : -1))[0] ?? assert.fail()
  const exact = highest.percent * units
  const below = exact / 100_000_000n
  const distances = [below, below + 1n].map((whole) => ({ whole, off: abs(exact - whole * 100_000_000n) }))
  const nearest = distances.sort((one, other) =>
    one.off === other.off ? Number(one.whole % 2n) - Number(other.whole % 2n) : one.off < other.off ? -1 : 1,
  )
  let price = (nearest[0]?.whole ?? 0n) + highest.fixed
  if (price < minimum) price = minimum
  if (maximum !== null && price > maximum) price = maximum
  return price
}

const abs = (number: bigint) => (number < 0n ? -number : number)

describe('a tariff', () => {
  const cards: Tariff = {
    tiers: [
      { from: 0n, percent: percentage('2.9'), fixed: 30n },
      { from: 100_000n, percent: percentage('1.5'), fixed: 0n },
    ],
    minimum: 50n,
    maximum: 5_000n,
  }
  const cases = [
    ['a share and a fixed part', 10_000n, 320n],
    ['at least the minimum', 100n, 50n],
    ['the higher tier from its first unit on, for the whole amount', 100_000n, 1_500n],
    ['the lower one just below it', 99_999n, 2_930n],
    ['at most the maximum', 10_000_000n, 5_000n],
  ] as const
  for (const [what, units, price] of cases) it(`takes ${what}`, () => assert.equal(priceOf(cards, units), price))

  it('takes a share of six decimals exactly', () => {
    assert.equal(priceOf(flatTariff(percentage('0.000001')), 10n ** 30n), 10n ** 22n)
    assert.equal(priceOf(flatTariff(percentage('0.123456')), 1_000_000n), 1_235n)
  })

  it('prices every amount as the dumbest model does', () => {
    fc.assert(fc.property(tariff, amount, (any, units) => assert.equal(priceOf(any, units), dumbestPrice(any, units))))
  })

  it('stays within its bounds, and costs no less for more within a tier', () => {
    fc.assert(
      fc.property(tariff, amount, amount, (any, one, other) => {
        const [less, more] = one < other ? [one, other] : [other, one]
        const price = priceOf(any, less)
        assert.ok(price >= any.minimum && (any.maximum === null || price <= any.maximum))
        const tierOf = (units: bigint) => any.tiers.filter(({ from }) => from <= units).length
        if (tierOf(less) === tierOf(more)) assert.ok(price <= priceOf(any, more))
      }),
    )
  })
})
