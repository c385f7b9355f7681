import type { Currency } from './currency.ts'

/** The largest amount of one payment, in minor units (ledger.md, Money). */
export const MAX_UNITS = 10n ** 30n

const DECIMAL = /^(0|[1-9]\d{0,30})(?:\.(\d{1,18}))?$/

/**
 * Reads an amount as it stands on the wire, `"12.30"`, into minor units of the currency. Undefined where it is not
 * exactly that: a sign, an exponent, more digits than the currency has, or more than 10^30 minor units. Zero is read;
 * whether it may stand is the caller's rule.
 */
export function parseAmount(text: string, currency: Currency): bigint | undefined {
  const match = DECIMAL.exec(text)
  if (!match) return undefined
  const fraction = match[2] ?? ''
  if (fraction.length > currency.digits) return undefined
  const units = BigInt(match[1] + fraction.padEnd(currency.digits, '0'))
  return units <= MAX_UNITS ? units : undefined
}

/** Writes minor units as a decimal string with exactly the currency's digits: 1230n in USD is `"12.30"`. */
export function formatAmount(units: bigint, currency: Currency): string {
  const sign = units < 0n ? '-' : ''
  const digits = (units < 0n ? -units : units).toString().padStart(currency.digits + 1, '0')
  if (currency.digits === 0) return sign + digits
  const point = digits.length - currency.digits
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}
