import type { Currency } from './currency.ts'
import type { Percent } from './percent.ts'
import { divideHalfEven, divideUp } from './rounding.ts'

/**
 * An exchange rate, exact: so many units of one currency for one unit of another (dollars, not cents). Both parts are
 * positive and have no common factor.
 */
export type Rate = { readonly numerator: bigint; readonly denominator: bigint }

const DECIMAL = /^(0|[1-9]\d{0,17})(?:\.(\d{1,18}))?$/

/** Digits of a rate as it is shown; it is never shown with fewer than its whole part has. */
export const SHOWN_DIGITS = 12

/** Digits that show a rate that parseRate has read exactly. */
export const WRITTEN_DIGITS = 36

const WHOLE_PERCENT = 100_000_000n

/** The rate of two whole numbers. Throws RangeError where one is not positive. */
export function rateOf(numerator: bigint, denominator: bigint): Rate {
  if (numerator <= 0n || denominator <= 0n) throw new RangeError('a rate is positive')
  const factor = greatestCommonFactor(numerator, denominator)
  return { numerator: numerator / factor, denominator: denominator / factor }
}

/** Reads `"1.1684"`: at most 18 digits before and behind the point. Undefined for anything else, zero included. */
export function parseRate(text: string): Rate | undefined {
  const match = DECIMAL.exec(text)
  if (!match) return undefined
  const fraction = match[2] ?? ''
  const numerator = BigInt(match[1] + fraction)
  return numerator === 0n ? undefined : rateOf(numerator, 10n ** BigInt(fraction.length))
}

/** The rate as a decimal of so many significant digits, or as its whole part has, rounded half-even; no zeros at its end. */
export function formatRate({ numerator, denominator }: Rate, most = SHOWN_DIGITS): string {
  // The number of decimals that leaves so many digits: more where the rate is below one.
  let decimals = most - (numerator / denominator).toString().length
  if (numerator < denominator) decimals = most + (denominator / numerator).toString().length - 1
  decimals = Math.max(decimals, 0)
  const digits = divideHalfEven(numerator * 10n ** BigInt(decimals), denominator)
    .toString()
    .padStart(decimals + 1, '0')
  const point = digits.length - decimals
  const fraction = digits.slice(point).replace(/0+$/, '')
  return fraction === '' ? digits.slice(0, point) : `${digits.slice(0, point)}.${fraction}`
}

/** The rate the other way round. */
export function inverse({ numerator, denominator }: Rate): Rate {
  return { numerator: denominator, denominator: numerator }
}

/** From A to C, where `first` is the rate from A to B and `second` the one from B to C. */
export function cross(first: Rate, second: Rate): Rate {
  return rateOf(first.numerator * second.numerator, first.denominator * second.denominator)
}

/** The rate less that share of it: what a customer gets where the house keeps the spread. Below 100 %. */
export function lessSpread(rate: Rate, spread: Percent): Rate {
  return rateOf(rate.numerator * (WHOLE_PERCENT - spread), rate.denominator * WHOLE_PERCENT)
}

/** An amount in minor units of `from`, in minor units of `to`: rounded half-even once. */
export function convert(amount: bigint, rate: Rate, from: Currency, to: Currency): bigint {
  const { numerator, denominator } = inMinorUnits(rate, from, to)
  return divideHalfEven(amount * numerator, denominator)
}

/**
 * What a customer gets for `amount`: by the customer's rate, rounded half-even once, and never more than it is worth by
 * the rate that the house itself goes by. Minor units; zero where it is worth less than one.
 */
export function given(amount: bigint, customers: Rate, house: Rate, from: Currency, to: Currency): bigint {
  const { numerator, denominator } = inMinorUnits(house, from, to)
  const worth = (amount * numerator) / denominator
  const rounded = convert(amount, customers, from, to)
  return rounded < worth ? rounded : worth
}

/** The smallest amount for which `given` gives at least `wanted`, which is positive. */
export function neededFor(wanted: bigint, customers: Rate, house: Rate, from: Currency, to: Currency): bigint {
  const byHouse = inMinorUnits(house, from, to)
  const byCustomers = inMinorUnits(customers, from, to)
  const worth = divideUp(wanted * byHouse.denominator, byHouse.numerator)
  // Half a unit less is enough, as it is rounded up; exactly half only where `wanted` is even.
  const half = divideUp((2n * wanted - 1n) * byCustomers.denominator, 2n * byCustomers.numerator)
  const rounded = convert(half, customers, from, to) < wanted ? half + 1n : half
  return rounded > worth ? rounded : worth
}

/** Minor units of `to` for one minor unit of `from`. */
function inMinorUnits({ numerator, denominator }: Rate, from: Currency, to: Currency): Rate {
  return { numerator: numerator * 10n ** BigInt(to.digits), denominator: denominator * 10n ** BigInt(from.digits) }
}

function greatestCommonFactor(first: bigint, second: bigint): bigint {
  let [large, small] = [first, second]
  while (small > 0n) [large, small] = [small, large % small]
  return large
}
