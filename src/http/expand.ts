import { type AccountState, readAccounts } from '../accounts/account.ts'
import type { Queryable } from '../database/connection.ts'
import type { AccountId, BookId, UserId } from '../ledger/id.ts'
import type { Operation } from '../payments/operations.ts'
import { readPayments, type StoredPayment } from '../payments/read.ts'
import type { Expansion } from './list.ts'
import { presentAccount, presentPayment } from './present.ts'

// What lists of movements point to, read for a whole page at once.

export const OPERATION_EXPANSIONS = ['payment', 'account'] as const
export const PAYMENT_EXPANSIONS = ['from_account', 'to_account'] as const

/** The payment and the account of each operation that the caller may see. */
export function operationExpansions(
  client: Queryable,
  book: BookId,
): Record<(typeof OPERATION_EXPANSIONS)[number], Expansion<Operation>> {
  return {
    payment: async (items) => {
      const ids = [...new Set(items.map(({ paymentId }) => paymentId))]
      const found = await readPayments(client, book, ids)
      return items.map(({ paymentId }) => shownWith(found.get(paymentId), presentPayment))
    },
    account: accountExpansion(
      client,
      book,
      ({ accountId }) => accountId,
      () => true,
    ),
  }
}

/** The accounts of each payment, as far as they are the user's; all of them for an operator, who is null here. */
export function paymentExpansions(
  client: Queryable,
  book: BookId,
  userId: UserId | null,
): Record<(typeof PAYMENT_EXPANSIONS)[number], Expansion<StoredPayment>> {
  const visible = (account: AccountState) => userId === null || account.userId === userId
  return {
    from_account: accountExpansion(client, book, ({ from }) => from, visible),
    to_account: accountExpansion(client, book, ({ to }) => to, visible),
  }
}

function accountExpansion<Item>(
  client: Queryable,
  book: BookId,
  idOf: (item: Item) => AccountId,
  visible: (account: AccountState) => boolean,
): Expansion<Item> {
  return async (items) => {
    const found = await readAccounts(client, book, items.map(idOf))
    return items.map((item) => {
      const account = found.get(idOf(item))
      return shownWith(account && visible(account) ? account : undefined, presentAccount)
    })
  }
}

function shownWith<Thing>(thing: Thing | undefined, present: (thing: Thing) => object): object | null {
  return thing === undefined ? null : present(thing)
}
