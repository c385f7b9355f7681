import type { AccountId } from './id.ts'

export const ACCOUNT_STATUSES = ['active', 'frozen', 'closed'] as const
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number]

/** What a freeze refuses: money that leaves, or all that moves. */
export type Freeze = 'out' | 'all'

/** What a technical account stands for (docs/ledger.md, Terms). One each per book and currency. */
export const TECHNICAL_CODES = ['internal', 'wire', 'wallet', 'crypto_currency', 'exchange', 'suspense'] as const
/** The ways in and out of the books; the technical account of the code is the world behind it. */
export const RAIL_CODES = ['wire', 'wallet', 'crypto_currency'] as const
export type RailCode = (typeof RAIL_CODES)[number]

export type TechnicalCode = (typeof TECHNICAL_CODES)[number]

/** A user's account as the posting core sees it; amounts in minor units of its currency. */
export type UserAccount = {
  readonly id: AccountId
  readonly currency: string
  readonly status: AccountStatus
  /** Whether, frozen, it takes no money in either. */
  readonly refuseIncoming: boolean
  readonly balance: bigint
  readonly held: bigint
  readonly overdraftLimit: bigint
}

/** A technical account: no floor, so its balance need not be known to post to it. */
export type TechnicalAccount = { readonly id: AccountId; readonly currency: string; readonly code: TechnicalCode }

export type Account = UserAccount | TechnicalAccount

export function isTechnical(account: Account): account is TechnicalAccount {
  return 'code' in account
}

/** What its holder can spend: `available = balance - held + overdraft_limit` (ledger.md, Terms). */
export function available(account: Pick<UserAccount, 'balance' | 'held' | 'overdraftLimit'>): bigint {
  return account.balance - account.held + account.overdraftLimit
}
