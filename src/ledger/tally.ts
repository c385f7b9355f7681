import { type Account, isTechnical, type UserAccount } from './account.ts'
import type { AccountId } from './id.ts'

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

/** The accounts of a batch while it is posted: what each holds behind the movements before. */
export type Tally = ReturnType<typeof createTally>

/** Begins with the accounts as they stand. One that is not among them is a fault of the caller and throws. */
export function createTally(accounts: ReadonlyMap<AccountId, Account>) {
  const changed = new Map<AccountId, UserAccount>()
  const deltas = new Map<AccountId, bigint>()
  let holdsChanged = false

  function current(id: AccountId): Account {
    const account = changed.get(id) ?? accounts.get(id)
    if (!account) throw new Error(`the batch names account ${id}, which was not loaded`)
    return account
  }

  function add(id: AccountId, amount: bigint): bigint | null {
    const account = current(id)
    if (isTechnical(account)) {
      deltas.set(id, (deltas.get(id) ?? 0n) + amount)
      return null
    }
    const balance = account.balance + amount
    changed.set(id, { ...account, balance })
    return balance
  }

  /** Moves an amount out of `credit` into `debit`. */
  function move(kind: Posting['kind'], credit: AccountId, debit: AccountId, currency: string, amount: bigint): Posting {
    const creditBalance = add(credit, -amount)
    const debitBalance = add(debit, amount)
    return { kind, debit, credit, currency, amount, debitBalance, creditBalance }
  }

  /** Holds so much more of an account, or less. Nothing is held of a technical account, which has no floor. */
  function hold(id: AccountId, amount: bigint): void {
    const account = current(id)
    if (isTechnical(account)) return
    changed.set(id, { ...account, held: account.held + amount })
    holdsChanged = true
  }

  /** What to write: the users' accounts that changed, and what to add to each technical account. */
  function changes() {
    return {
      changed: changed as ReadonlyMap<AccountId, UserAccount>,
      holdsChanged,
      deltas: deltas as ReadonlyMap<AccountId, bigint>,
    }
  }

  return { current, move, hold, changes }
}
