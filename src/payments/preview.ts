import { readAccount } from '../accounts/account.ts'
import type { Queryable } from '../database/connection.ts'
import type { Account } from '../ledger/account.ts'
import type { AccountId, BookId } from '../ledger/id.ts'
import type { DeclineReason } from '../ledger/payment.ts'
import { post } from '../ledger/post.ts'
import { toOrder } from './batch.ts'
import type { PaymentRequest } from './payment.ts'

/** Why the request would be declined if it were posted now; null where it would complete. Moves and locks nothing. */
export async function previewRequest(client: Queryable, request: PaymentRequest): Promise<DeclineReason | null> {
  const { book, from, to, feeAccount } = request
  const accounts = new Map<AccountId, Account>([[feeAccount.id, technical(feeAccount.id, from.currency.code)]])
  for (const { id } of [from, to]) accounts.set(id, await currentState(client, book, id))
  const [outcome] = post([toOrder(request)], accounts).outcomes
  return outcome?.status === 'declined' ? outcome.reason : null
}

function technical(id: AccountId, currency: string): Account {
  return { id, currency, code: 'internal' }
}

async function currentState(client: Queryable, book: BookId, id: AccountId): Promise<Account> {
  const account = await readAccount(client, book, id)
  if (!account) throw new Error(`account ${id} has gone`)
  const { status, balance, held, overdraftLimit, currency } = account
  return { id, currency: currency.code, status, balance, held, overdraftLimit }
}
