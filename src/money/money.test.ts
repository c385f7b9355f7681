import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatAmount, MAX_UNITS, parseAmount } from './amount.ts'
import { isoCurrenciesByCode, parseDigitalCurrencies } from './currency.ts'
import { formatPercent, parsePercent, percentOf } from './percent.ts'
import { divideHalfEven } from './rounding.ts'

const USD = { code: 'USD', digits: 2 }
const JPY = { code: 'JPY', digits: 0 }
const KWD = { code: 'KWD', digits: 3 }
const ETH = { code: 'ETH', digits: 18 }

describe('an amount', () => {
  it('is a decimal string with at most the digits of its currency', () => {
    assert.equal(parseAmount('12.3', USD), 1_230n)
    assert.equal(parseAmount('12', USD), 1_200n)
    assert.equal(parseAmount('12', JPY), 12n)
    assert.equal(parseAmount('0.001', KWD), 1n)
    assert.equal(parseAmount('0.000000000000000001', ETH), 1n)
    assert.equal(parseAmount('0', USD), 0n)
  })

  it('is written with exactly the digits of its currency', () => {
    assert.deepEqual(
      [formatAmount(1_230n, USD), formatAmount(5n, USD), formatAmount(-5n, USD), formatAmount(12n, JPY)],
      ['12.30', '0.05', '-0.05', '12'],
    )
  })

  const refused = [
    '',
    ' ',
    '1 ',
    ' 1',
    '+1',
    '-1',
    '1e3',
    '1E3',
    '.5',
    '5.',
    '01',
    '00',
    '1,5',
    '1_000',
    '0x10',
    '１２',
    'NaN',
    '1.2.3',
    '1\n',
  ]
  for (const text of refused) {
    it(`is not ${JSON.stringify(text)}`, () => assert.equal(parseAmount(text, USD), undefined))
  }

  it('has no more digits than its currency, and is never rounded', () => {
    assert.equal(parseAmount('1.234', USD), undefined)
    assert.equal(parseAmount('1.200', USD), undefined)
    assert.equal(parseAmount('1.0', JPY), undefined)
  })

  it('is at most 10^30 minor units', () => {
    assert.equal(parseAmount(formatAmount(MAX_UNITS, USD), USD), MAX_UNITS)
    assert.equal(parseAmount(formatAmount(MAX_UNITS + 1n, USD), USD), undefined)
    assert.equal(parseAmount('1'.repeat(10_000), USD), undefined)
  })

  it('comes back as it was written, in every currency', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, MAX_UNITS), fc.nat(18), (units, digits) => {
        const currency = { code: 'XYZ', digits }
        assert.equal(parseAmount(formatAmount(units, currency), currency), units)
      }),
    )
  })
})

describe('rounding', () => {
  it('goes to the nearest whole number, and a tie to the even one', () => {
    const cases = [
      [5n, 2n, 2n],
      [7n, 2n, 4n],
      [-5n, 2n, -2n],
      [-7n, 2n, -4n],
      [1n, 3n, 0n],
      [2n, 3n, 1n],
      [-2n, 3n, -1n],
    ] as const
    for (const [numerator, denominator, expected] of cases) {
      assert.equal(divideHalfEven(numerator, denominator), expected)
    }
  })

  it('is off by at most a half, exactly a half only towards an even number', () => {
    fc.assert(
      fc.property(fc.bigInt(-(10n ** 40n), 10n ** 40n), fc.bigInt(1n, 10n ** 20n), (numerator, denominator) => {
        const rounded = divideHalfEven(numerator, denominator)
        const twiceOff = 2n * (numerator - rounded * denominator)
        const distance = twiceOff < 0n ? -twiceOff : twiceOff
        assert.ok(distance < denominator || (distance === denominator && rounded % 2n === 0n))
      }),
    )
  })

  it('refuses to divide by nothing or less', () => {
    assert.throws(() => divideHalfEven(1n, 0n), RangeError)
  })
})

describe('a percentage', () => {
  it('of an amount is rounded once, to a minor unit', () => {
    const two = parsePercent('2')
    assert.ok(two)
    assert.deepEqual(
      [percentOf(two, 1_000n), percentOf(two, 25n), percentOf(two, 75n), percentOf(two, 24n)],
      [20n, 0n, 2n, 0n],
    )
  })

  it('has at most six decimals', () => {
    assert.equal(parsePercent('0.000001'), 1n)
    for (const text of ['0.0000001', '-1', '2%', '', '1e1', '.5']) assert.equal(parsePercent(text), undefined)
  })

  it('comes back as it was written', () => {
    for (const text of ['0', '2', '0.125', '100', '0.000001', '12.5']) {
      assert.equal(formatPercent(parsePercent(text) ?? assert.fail()), text)
    }
  })

  it('up to 50 never takes the whole of an amount', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, MAX_UNITS), fc.bigInt(0n, 50_000_000n), (units, percent) => {
        assert.ok(percentOf(percent as NonNullable<ReturnType<typeof parsePercent>>, units) < units)
      }),
    )
  })
})

describe('currencies', () => {
  it('have the digits of ISO 4217', () => {
    const iso = isoCurrenciesByCode()
    const digits = (code: string) => iso.get(code)?.digits
    assert.deepEqual([digits('USD'), digits('JPY'), digits('KWD'), digits('CLF'), digits('CZK')], [2, 0, 3, 4, 2])
    for (const code of ['XAU', 'XXX', 'XTS', 'XDR']) assert.equal(iso.has(code), false)
  })

  it('agree with the table of the runtime where that says how many digits are legal tender’s', () => {
    // The runtime follows CLDR, which gives these no digits in use though ISO 4217 has two (or three) for them.
    const customary = new Set([
      'AFN',
      'ALL',
      'COP',
      'IDR',
      'IQD',
      'IRR',
      'KPW',
      'LAK',
      'LBP',
      'MGA',
      'MMK',
      'PKR',
      'RSD',
      'SLE',
      'SLL',
      'SOS',
      'SYP',
      'UYI',
      'YER',
      'HUF',
      'TWD',
    ])
    for (const { code, digits } of isoCurrenciesByCode().values()) {
      const { maximumFractionDigits } = new Intl.NumberFormat('en', {
        style: 'currency',
        currency: code,
      }).resolvedOptions()
      if (!customary.has(code)) assert.equal(maximumFractionDigits, digits, code)
    }
  })

  it('may be added, but not redefined', () => {
    assert.deepEqual(parseDigitalCurrencies('BTC:8, ETH:18'), [
      { code: 'BTC', digits: 8 },
      { code: 'ETH', digits: 18 },
    ])
    for (const text of ['BTC', 'btc:8', 'BTC:19', 'BTC:-1', 'USD:2', 'B:1'])
      assert.ok('wrong' in parseDigitalCurrencies(text), text)
  })
})
