import { type Percent, percentOf } from './percent.ts'

/** The parts of a price from an amount on: a share of the amount and a fixed part. Amounts in minor units. */
export type Tier = { readonly from: bigint; readonly percent: Percent; readonly fixed: bigint }

/**
 * A price by amount. The first tier begins at zero and each other one above the one before it; the price is at least
 * `minimum` and, where there is one, at most `maximum`, which is no less.
 */
export type Tariff = {
  readonly tiers: readonly [Tier, ...Tier[]]
  readonly minimum: bigint
  readonly maximum: bigint | null
}

/** A share of every amount, and nothing else. */
export function flatTariff(percent: Percent): Tariff {
  return { tiers: [{ from: 0n, percent, fixed: 0n }], minimum: 0n, maximum: null }
}

/**
 * The price of an amount, in minor units: the last tier that begins at or below it counts for the whole of it, and the
 * share is rounded half-even, once.
 */
export function priceOf({ tiers, minimum, maximum }: Tariff, amount: bigint): bigint {
  let [{ percent, fixed }] = tiers
  for (const tier of tiers) if (tier.from <= amount) ({ percent, fixed } = tier)
  const price = percentOf(percent, amount) + fixed
  if (price < minimum) return minimum
  return maximum !== null && price > maximum ? maximum : price
}
