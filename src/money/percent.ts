import { divideHalfEven } from './rounding.ts'

/** A percentage in millionths of a per cent: 2 % is 2_000_000n. */
export type Percent = bigint & { readonly percent: true }

const MILLIONTHS = 1_000_000n

/** Reads `"2"` or `"0.125"`, at most six decimals. Undefined for anything else, a sign included. */
export function parsePercent(text: string): Percent | undefined {
  const match = /^(\d{1,3})(?:\.(\d{1,6}))?$/.exec(text)
  if (!match) return undefined
  return (BigInt(match[1] ?? '') * MILLIONTHS + BigInt((match[2] ?? '').padEnd(6, '0'))) as Percent
}

/** Writes it with the decimals that it has: 2_000_000n is `"2"`, 125_000n is `"0.125"`. */
export function formatPercent(percent: Percent): string {
  const fraction = (percent % MILLIONTHS).toString().padStart(6, '0').replace(/0+$/, '')
  return `${percent / MILLIONTHS}${fraction === '' ? '' : `.${fraction}`}`
}

/** That share of an amount, in minor units, rounded half-even once. */
export function percentOf(percent: Percent, units: bigint): bigint {
  return divideHalfEven(units * percent, 100n * MILLIONTHS)
}
