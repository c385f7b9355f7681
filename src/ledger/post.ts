import { type Account, available, isTechnical, type TechnicalAccount, type UserAccount } from './account.ts'
import type { AccountId } from './id.ts'
import { type DeclineReason, netAmount, type Order } from './payment.ts'

/** One balanced movement: `amount` leaves the credit account and enters the debit account. */
export type Posting = {
  readonly kind: 'main' | 'fee'
  readonly debit: AccountId
  readonly credit: AccountId
  readonly currency: string
  readonly amount: bigint
  /** The balance behind this posting; null for a technical account, which is summed up only when the batch is written. */
  readonly debitBalance: bigint | null
  readonly creditBalance: bigint | null
}

/** What posting an order came to. A refusal is an answer, not an exception. */
export type Outcome =
  | { readonly status: 'completed'; readonly postings: readonly Posting[] }
  | { readonly status: 'declined'; readonly reason: DeclineReason }

/** What a batch came to: outcomes in the order of the batch, and what to write to which account. */
export type Posted = {
  readonly outcomes: readonly Outcome[]
  /** New balances of the users' accounts that moved. */
  readonly balances: ReadonlyMap<AccountId, bigint>
  /** What to add to each technical account that moved. */
  readonly deltas: ReadonlyMap<AccountId, bigint>
}

/** No account can come to hold more: with it every sum that the database forms fits `numeric(38,0)`. */
export const MAX_BALANCE = 10n ** 36n

type Accounts = ReadonlyMap<AccountId, Account>

/**
 * The heart of the program: posts a batch of orders, in order, each seeing the ones before it. Pure. Needs every
 * account that an order names in `accounts`; a missing one is a fault of the caller and throws, as is a fee that an
 * account would pay to itself. Amounts in minor units.
 */
export function post(orders: readonly Order[], accounts: Accounts): Posted {
  const state = new Map<AccountId, UserAccount>()
  const deltas = new Map<AccountId, bigint>()
  const current = (id: AccountId): Account => state.get(id) ?? known(accounts, id)

  const move = (id: AccountId, amount: bigint): bigint | null => {
    const account = current(id)
    if (isTechnical(account)) {
      deltas.set(id, (deltas.get(id) ?? 0n) + amount)
      return null
    }
    const balance = account.balance + amount
    state.set(id, { ...account, balance })
    return balance
  }

  const outcomes = orders.map((order): Outcome => {
    if (order.fee > 0n && order.from === order.feeAccount) throw new Error('an account pays no fee to itself')
    const reason = refuse(order, current(order.from), current(order.to))
    if (reason) return { status: 'declined', reason }
    // From here the payment must post.
    const { currency, from, to, fee, feeAccount } = order
    const postings: Posting[] = []
    const transfer = (kind: Posting['kind'], debit: AccountId, amount: bigint) => {
      const creditBalance = move(from, -amount)
      const debitBalance = move(debit, amount)
      postings.push({ kind, debit, credit: from, currency, amount, debitBalance, creditBalance })
    }
    // The fee first, so that the balance behind the main posting is the balance behind the payment.
    if (fee > 0n) transfer('fee', feeAccount, fee)
    transfer('main', to, netAmount(order))
    return { status: 'completed', postings }
  })

  const balances = new Map<AccountId, bigint>()
  for (const [id, account] of state) balances.set(id, account.balance)
  return { outcomes, balances, deltas }
}

/** The first reason of ledger.md's list that holds against an order, or undefined where it may post. */
function refuse(order: Order, from: Account, to: Account): DeclineReason | undefined {
  if (order.from === order.to) return 'same_account'
  if (hasStatus(from, 'closed') || hasStatus(to, 'closed')) return 'account_closed'
  if (hasStatus(from, 'frozen')) return 'account_frozen'
  if (from.currency !== order.currency || to.currency !== order.currency) return 'currency_mismatch'
  if (!isTechnical(to) && to.balance + netAmount(order) > MAX_BALANCE) return 'limit_exceeded'
  if (!isTechnical(from) && available(from) < netAmount(order) + order.fee) return 'insufficient_funds'
  return undefined
}

function hasStatus(account: UserAccount | TechnicalAccount, status: UserAccount['status']): boolean {
  return !isTechnical(account) && account.status === status
}

function known(accounts: Accounts, id: AccountId): Account {
  const account = accounts.get(id)
  if (!account) throw new Error(`the batch names account ${id}, which was not loaded`)
  return account
}
