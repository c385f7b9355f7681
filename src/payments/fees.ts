import type { Instant } from '../ledger/id.ts'
import { netAmount } from '../ledger/payment.ts'
import { divideHalfEven } from '../money/rounding.ts'
import { flatTariff, priceOf, type Tariff } from '../money/tariff.ts'
import { PRICED_KINDS, tariffAt } from '../rules/fee_schedules.ts'
import type { Rules } from '../rules/rules.ts'
import type { PaymentRequest, PricedRequest } from './payment.ts'

/** Requests with their fees, by the rules of that moment; one that came with its fee keeps it. */
export function priceRequests(requests: readonly PaymentRequest[], rules: Rules, at: Instant): PricedRequest[] {
  return requests.map((request) => (isPriced(request) ? request : priceRequest(request, rules, at)))
}

function isPriced(request: PaymentRequest): request is PricedRequest {
  return request.fee !== null
}

/** The request with its fee, in minor units of its currency, and what its receiver gets of a quote once that is paid. */
export function priceRequest(request: PaymentRequest, rules: Rules, at: Instant): PricedRequest {
  const fee = feeOf(request, rules, at)
  const { amount, feePayer, terms } = request
  if (terms.type !== 'exchange') return { ...request, fee }
  const net = netAmount({ amount, fee, feePayer })
  const toAmount = exchangedPart(terms.exchange.toAmount, net, amount)
  return { ...request, fee, terms: { ...terms, exchange: { ...terms.exchange, toAmount } } }
}

/**
 * Nothing between two accounts of one user, whatever any schedule says. Where the fee is inside the amount it leaves at
 * least so much of it that the receiver gets one minor unit.
 */
function feeOf(request: PaymentRequest, rules: Rules, at: Instant): bigint {
  const { from, to, amount, feePayer, terms } = request
  if (from.userId !== null && from.userId === to.userId) return 0n
  const tariff = tariffOf(request, rules, at)
  if (!tariff) return 0n
  const price = priceOf(tariff, amount)
  if (feePayer === 'sender') return price
  const most = amount - (terms.type === 'exchange' ? leastFor(terms.exchange.toAmount, amount) : 1n)
  return price < most ? price : most
}

function tariffOf(
  { kind: ofAny, currency, terms }: PaymentRequest,
  { transferPercent, schedules }: Rules,
  at: Instant,
): Tariff | null {
  const kind = PRICED_KINDS.find((priced) => priced === ofAny)
  if (!kind) return null
  const rail = terms.type === 'rail' ? terms.rail : null
  const scheduled = schedules.size > 0 ? tariffAt(schedules, at, kind, currency.code, rail) : null
  return scheduled ?? (kind === 'transfer' ? flatTariff(transferPercent) : null)
}

/** What a part of an amount comes to that is exchanged for `whole`: in proportion, half-even once; the whole exactly. */
function exchangedPart(whole: bigint, part: bigint, amount: bigint): bigint {
  return divideHalfEven(whole * part, amount)
}

/** The smallest part of an amount that comes to anything, as its whole does: more than half a unit is rounded to one. */
function leastFor(whole: bigint, amount: bigint): bigint {
  return amount / (2n * whole) + 1n
}
