import { readAccount } from '../accounts/account.ts'
import { readClosedCurrencies } from '../books/currencies.ts'
import { readClock } from '../database/clock.ts'
import type { Queryable } from '../database/connection.ts'
import { parseInstant } from '../database/instant.ts'
import type { Account } from '../ledger/account.ts'
import type { AccountId, BookId, QuoteId } from '../ledger/id.ts'
import type { DeclineReason } from '../ledger/payment.ts'
import { post, type QuoteState } from '../ledger/post.ts'
import { toOrder } from './context.ts'
import type { PaymentRequest } from './payment.ts'
import { readQuote } from './quotes.ts'

/** Why the request would be declined if it were posted now; null where it would not. Moves and locks nothing. */
export async function previewRequest(client: Queryable, request: PaymentRequest): Promise<DeclineReason | null> {
  const { book, from, to, feeAccount, terms } = request
  const accounts = new Map<AccountId, Account>()
  for (const { id, code, currency } of [feeAccount, ...between(request)]) {
    if (code) accounts.set(id, { id, currency: currency.code, code })
  }
  for (const { id } of [from, to]) accounts.set(id, await currentState(client, book, id))
  const quotes = new Map<QuoteId, QuoteState>()
  if (terms.type === 'exchange') quotes.set(terms.quote, await quoteState(client, book, terms.quote))
  const closed = await readClosedCurrencies(client, book)
  const context = { accounts, quotes, originals: new Map(), closed, at: await readClock(client) }
  const [outcome] = post([toOrder(request)], context).outcomes
  return outcome?.status === 'declined' ? outcome.reason : null
}

function between({ terms }: PaymentRequest) {
  return terms.type === 'exchange' ? [terms.exchange.outOf, terms.exchange.into] : []
}

async function currentState(client: Queryable, book: BookId, id: AccountId): Promise<Account> {
  const account = await readAccount(client, book, id)
  if (!account) throw new Error(`account ${id} has gone`)
  const { status, balance, held, overdraftLimit, currency } = account
  return { id, currency: currency.code, status, balance, held, overdraftLimit }
}

async function quoteState(client: Queryable, book: BookId, id: QuoteId): Promise<QuoteState> {
  const quote = await readQuote(client, book, id)
  const expiresAt = quote && parseInstant(quote.expiresAt)
  if (!quote || expiresAt === undefined) throw new Error(`quote ${id} has gone`)
  return { expiresAt, used: quote.usedBy !== null }
}
