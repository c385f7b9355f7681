import type { Queryable } from '../database/connection.ts'
import type { BookId, Instant } from '../ledger/id.ts'
import type { Order } from '../ledger/payment.ts'
import { type Context, type Posted, post } from '../ledger/post.ts'
import type { RuleKeeper, Rules } from '../rules/rules.ts'
import { lockContext, toOrder } from './context.ts'
import { readMetering } from './metering.ts'
import type { PaymentRequest, PricedRequest } from './payment.ts'

/** What requests are posted against, with the rules that operators set for them. */
export type Ruled = {
  readonly context: Context
  readonly rules: Rules
  /** A request as the posting core sees it, with the limits that it counts against. */
  readonly toOrder: (request: PricedRequest) => Order
}

/** Locks and reads all that the requests of one book name, and what counts for them. `since` is the time of the earliest. */
export async function lockRuled(
  client: Queryable,
  keeper: RuleKeeper,
  book: BookId,
  requests: readonly PaymentRequest[],
  since?: Instant,
): Promise<Ruled> {
  const locked = await lockContext(client, book, requests)
  const rules = await keeper.at(client, book, locked)
  const reading = { at: locked.at, ...(since === undefined ? {} : { since }), toPost: true }
  const { meters, of } = await readMetering(client, book, rules.limits, requests, reading)
  if (meters.size === 0) return { context: locked, rules, toOrder }
  return { context: { ...locked, meters }, rules, toOrder: (request) => meteredOrder(request, of(request)) }
}

/** A request as the posting core sees it, with what it counts against. */
export function meteredOrder(request: PricedRequest, meters: Order['meters']): Order {
  return meters ? { ...toOrder(request), meters } : toOrder(request)
}

/** Posts requests against what was locked for them. Pure. */
export function postRuled(requests: readonly PricedRequest[], { context, toOrder: orderOf }: Ruled): Posted {
  return post(requests.map(orderOf), context)
}
