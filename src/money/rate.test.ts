import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Percent, parsePercent } from './percent.ts'
import { convert, cross, formatRate, given, inverse, lessSpread, neededFor, parseRate, rateOf } from './rate.ts'

const USD = { code: 'USD', digits: 2 }
const JPY = { code: 'JPY', digits: 0 }
const KWD = { code: 'KWD', digits: 3 }

const rate = fc
  .tuple(fc.bigInt(1n, 10n ** 18n), fc.bigInt(1n, 10n ** 18n))
  .map(([numerator, denominator]) => rateOf(numerator, denominator))
const currency = fc.nat(18).map((digits) => ({ code: 'XYZ', digits }))
const amount = fc.bigInt(1n, 10n ** 30n)
const spread = fc.bigInt(0n, 50_000_000n).map((millionths) => millionths as Percent)

function read(text: string) {
  const parsed = parseRate(text)
  assert.ok(parsed, text)
  return parsed
}

describe('a rate', () => {
  it('is a positive decimal string', () => {
    assert.deepEqual(read('1.1684'), { numerator: 2_921n, denominator: 2_500n })
    assert.deepEqual(read('186'), { numerator: 186n, denominator: 1n })
    for (const text of [
      '',
      '0',
      '0.000',
      '-1',
      '+1',
      '1e3',
      '.5',
      '5.',
      '01',
      '1,5',
      'N/A',
      'NaN',
      ' 1',
      '1\n',
      '1/3',
    ]) {
      assert.equal(parseRate(text), undefined, JSON.stringify(text))
    }
    assert.equal(parseRate('1'.repeat(19)), undefined)
    assert.equal(parseRate(`0.${'1'.repeat(19)}`), undefined)
  })

  it('is positive', () => {
    for (const [numerator, denominator] of [
      [0n, 1n],
      [1n, 0n],
      [-1n, 1n],
      [1n, -1n],
    ] as const) {
      assert.throws(() => rateOf(numerator, denominator), RangeError)
    }
  })

  it('is shown with twelve digits that count', () => {
    const shown = [
      ['1.1684', '1.1684'],
      ['186', '186'],
      ['0.5', '0.5'],
      ['1234567890123456', '1234567890123456'],
      ['1.2345678901251', '1.23456789013'],
      ['0.00001234567890123', '0.0000123456789012'],
    ] as const
    for (const [text, expected] of shown) assert.equal(formatRate(read(text)), expected)
    assert.equal(formatRate(rateOf(1n, 3n)), '0.333333333333')
    assert.equal(formatRate(rateOf(2n, 3n)), '0.666666666667')
  })

  it('comes back as it was written, where it has few digits', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 10n ** 12n - 1n), fc.nat(6), (digits, decimals) => {
        const written = rateOf(digits, 10n ** BigInt(decimals))
        assert.deepEqual(parseRate(formatRate(written)), written)
      }),
    )
  })

  it('turned round twice is itself, and crossed with itself turned round is one', () => {
    fc.assert(
      fc.property(rate, (any) => {
        assert.deepEqual(inverse(inverse(any)), any)
        assert.deepEqual(cross(any, inverse(any)), { numerator: 1n, denominator: 1n })
      }),
    )
  })

  it('is crossed exactly', () => {
    // 1 USD in CZK, from what EUR is worth in each.
    const usdToCzk = cross(inverse(read('1.1684')), read('24.378'))
    assert.deepEqual(usdToCzk, rateOf(24_378n * 10n, 11_684n))
    assert.equal(formatRate(usdToCzk), '20.8644299897')
  })

  it('less a spread is lower, and without one the same', () => {
    assert.deepEqual(lessSpread(read('2'), parsePercent('0.5') ?? assert.fail()), read('1.99'))
    fc.assert(
      fc.property(rate, (any) => {
        assert.deepEqual(lessSpread(any, 0n as Percent), any)
      }),
    )
  })
})

describe('converting', () => {
  it('knows the digits of both currencies, and rounds half-even once', () => {
    assert.equal(convert(100n, read('186.75'), USD, JPY), 187n)
    assert.equal(convert(100n, read('186.5'), USD, JPY), 186n)
    assert.equal(convert(187n, inverse(read('186.75')), JPY, USD), 100n)
    assert.equal(convert(1n, read('0.3'), USD, KWD), 3n)
  })

  it('gives what is exact where it comes out even', () => {
    fc.assert(
      fc.property(amount, fc.bigInt(1n, 10n ** 9n), currency, (units, factor, money) => {
        assert.equal(convert(units, rateOf(factor, 1n), money, money), units * factor)
      }),
    )
  })

  it('never gives more than the house’s rate is worth, and more for more', () => {
    fc.assert(
      fc.property(amount, amount, rate, spread, currency, currency, (one, other, house, kept, from, to) => {
        const customers = lessSpread(house, kept)
        const [less, more] = one < other ? [one, other] : [other, one]
        const got = given(more, customers, house, from, to)
        // got / 10^to <= more / 10^from * house, without dividing
        const left = got * 10n ** BigInt(from.digits) * house.denominator
        assert.ok(left <= more * 10n ** BigInt(to.digits) * house.numerator)
        assert.ok(given(less, customers, house, from, to) <= got)
      }),
    )
  })

  it('there and back never makes money', () => {
    fc.assert(
      fc.property(amount, rate, spread, currency, currency, (units, house, kept, from, to) => {
        const there = given(units, lessSpread(house, kept), house, from, to)
        const turned = inverse(house)
        assert.ok(given(there, lessSpread(turned, kept), turned, to, from) <= units)
      }),
    )
  })

  it('to an odd amount needs more than gives half a unit less, which is rounded down to the even one', () => {
    const [half, one] = [read('0.5'), read('1')]
    const needed = [1n, 2n, 3n, 4n].map((wanted) => neededFor(wanted, half, one, USD, USD))
    assert.deepEqual(needed, [2n, 3n, 6n, 7n])
  })

  it('to an amount needs the smallest one that gives it', () => {
    const digits = fc.nat(4).map((few) => ({ code: 'XYZ', digits: few }))
    const near = fc
      .tuple(fc.bigInt(1n, 10_000n), fc.bigInt(1n, 10_000n))
      .map(([numerator, denominator]) => rateOf(numerator, denominator))
    const wish = fc.oneof(fc.bigInt(1n, 1_000n), amount)
    fc.assert(
      fc.property(wish, near, spread, digits, digits, (wanted, house, kept, from, to) => {
        const customers = lessSpread(house, kept)
        const needed = neededFor(wanted, customers, house, from, to)
        assert.ok(needed > 0n)
        assert.ok(given(needed, customers, house, from, to) >= wanted)
        assert.ok(given(needed - 1n, customers, house, from, to) < wanted)
      }),
      { numRuns: 1_000 },
    )
  })
})
