import { parseAmount } from './amount.ts'
import type { Currency } from './currency.ts'

/** An amount for each of some currencies, in minor units by code: from where on something more is asked for. */
export type Sums = ReadonlyMap<string, bigint>

/** Reads `1000.00 USD,900.00 EUR`; undefined where it is wrong, or names a currency twice or one that is not known. */
export function parseSums(text: string, known: ReadonlyMap<string, Currency>): Sums | undefined {
  const sums = new Map<string, bigint>()
  for (const part of text.split(',').filter(Boolean)) {
    const [amount = '', code = '', ...more] = part.trim().split(' ')
    const currency = known.get(code)
    const units = currency && parseAmount(amount, currency)
    if (units === undefined || more.length > 0 || sums.has(code)) return undefined
    sums.set(code, units)
  }
  return sums
}

/** Whether an amount is above what is set for its currency; any amount is, where nothing is set. */
export function isAbove(sums: Sums, code: string, units: bigint): boolean {
  const sum = sums.get(code)
  return sum === undefined || units > sum
}
