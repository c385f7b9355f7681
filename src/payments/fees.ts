import type { AccountFacts } from '../accounts/directory.ts'
import { type Percent, percentOf } from '../money/percent.ts'

/** What a transfer costs (ledger.md, Payments). */
export type FeeSchedule = { readonly transferPercent: Percent }

/**
 * The fee of a transfer, in minor units of the sender's currency: a share of the amount rounded half-even once, and
 * nothing between two accounts of one user. At most half of the amount, so that something always arrives.
 */
export function transferFee(schedule: FeeSchedule, from: AccountFacts, to: AccountFacts, amount: bigint): bigint {
  if (from.userId !== null && from.userId === to.userId) return 0n
  return percentOf(schedule.transferPercent, amount)
}
