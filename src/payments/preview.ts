import { readAccount } from '../accounts/account.ts'
import { readClosedCurrencies } from '../books/currencies.ts'
import type { Queryable } from '../database/connection.ts'
import { parseInstant } from '../database/instant.ts'
import type { Account } from '../ledger/account.ts'
import type { AccountId, BookId, QuoteId } from '../ledger/id.ts'
import type { DeclineReason } from '../ledger/payment.ts'
import { post, type QuoteState } from '../ledger/post.ts'
import { type RuleKeeper, readRulesMoment } from '../rules/rules.ts'
import { priceRequest } from './fees.ts'
import { readMetering } from './metering.ts'
import type { PaymentRequest, PricedRequest } from './payment.ts'
import { readQuote } from './quotes.ts'
import { meteredOrder } from './ruled.ts'

/** What would become of a request: its price, and why it would be declined, or null. */
export type Preview = { readonly priced: PricedRequest; readonly reason: DeclineReason | null }

/** What would become of the request if it were posted now. Moves and locks nothing. */
export async function previewRequest(client: Queryable, rules: RuleKeeper, request: PaymentRequest): Promise<Preview> {
  const { book, from, to, feeAccount, terms } = request
  const accounts = new Map<AccountId, Account>()
  for (const { id, code, currency } of [feeAccount, ...between(request)]) {
    if (code) accounts.set(id, { id, currency: currency.code, code })
  }
  for (const { id } of [from, to]) accounts.set(id, await currentState(client, book, id))
  const quotes = new Map<QuoteId, QuoteState>()
  if (terms.type === 'exchange') quotes.set(terms.quote, await quoteState(client, book, terms.quote))
  const closed = await readClosedCurrencies(client, book)
  const moment = await readRulesMoment(client, book)
  const { at } = moment
  const known = await rules.at(client, book, moment)
  const priced = priceRequest(request, known, at)
  const { meters, of } = await readMetering(client, book, known.limits, [request], { at, toPost: false })
  const context = { accounts, quotes, originals: new Map(), closed, meters, at }
  const [outcome] = post([meteredOrder(priced, of(priced))], context).outcomes
  return { priced, reason: outcome?.status === 'declined' ? outcome.reason : null }
}

function between({ terms }: PaymentRequest) {
  return terms.type === 'exchange' ? [terms.exchange.outOf, terms.exchange.into] : []
}

async function currentState(client: Queryable, book: BookId, id: AccountId): Promise<Account> {
  const account = await readAccount(client, book, id)
  if (!account) throw new Error(`account ${id} has gone`)
  const { status, refuseIncoming, balance, held, overdraftLimit, currency } = account
  return { id, currency: currency.code, status, refuseIncoming, balance, held, overdraftLimit }
}

async function quoteState(client: Queryable, book: BookId, id: QuoteId): Promise<QuoteState> {
  const quote = await readQuote(client, book, id)
  const expiresAt = quote && parseInstant(quote.expiresAt)
  if (!quote || expiresAt === undefined) throw new Error(`quote ${id} has gone`)
  return { expiresAt, used: quote.usedBy !== null }
}
