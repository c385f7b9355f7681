import { type AccountState, readAccounts } from '../accounts/account.ts'
import type { Queryable } from '../database/connection.ts'
import type { Session } from '../identity/sessions.ts'
import type { AccountId, BookId, PaymentId } from '../ledger/id.ts'
import type { Operation } from '../payments/operations.ts'
import { readPayments, type StoredPayment } from '../payments/read.ts'
import type { Schedule } from '../schedules/schedule.ts'
import { ApiError } from './errors.ts'
import type { Expansion } from './list.ts'
import { presentAccount, presentPayment } from './present.ts'

// What the rows of lists point to, read for a whole page at once: every field that holds the id of a payment or an
// account can be expanded, by its name without `_id`.

/** What an item points to, by the name that `expand` has for it. */
export type Pointers<Item> = Readonly<Record<string, Pointer<Item>>>
type Pointer<Item> =
  | { readonly payment: (item: Item) => PaymentId | null }
  | { readonly account: (item: Item) => AccountId | null }

export const OPERATION_POINTERS: Pointers<Operation> = {
  payment: { payment: ({ paymentId }) => paymentId },
  account: { account: ({ accountId }) => accountId },
}

export const PAYMENT_POINTERS: Pointers<StoredPayment> = {
  from_account: { account: ({ from }) => from },
  to_account: { account: ({ to }) => to },
  refund_of: { payment: ({ refundOf }) => refundOf },
}

export const SCHEDULE_POINTERS: Pointers<Schedule> = {
  from_account: { account: ({ from }) => from },
  to_account: { account: ({ to }) => to },
  last_payment: { payment: ({ lastPaymentId }) => lastPaymentId },
}

/** Whoever sees a list of their own; null for operators, who see all of the book. */
type Viewer = Pick<Session, 'userId' | 'scopes'> | null

/**
 * How a list expands what its items point to: each as its own call shows it, or null where there is nothing, or nothing
 * that the viewer may see. Refused as `forbidden` where the viewer's token would not be let into that call.
 */
export function expansionsOf<Item>(
  client: Queryable,
  book: BookId,
  viewer: Viewer,
  pointers: Pointers<Item>,
): Readonly<Record<string, Expansion<Item>>> {
  const readTheirAccounts = async (ids: AccountId[]) => {
    // Lists that point to accounts are of payments, and their scope opens no account.
    if (viewer && !viewer.scopes.has('accounts:read')) {
      throw new ApiError('forbidden', 'To expand an account needs the scope accounts:read')
    }
    return readAccounts(client, book, ids)
  }
  const expansionOf = (pointer: Pointer<Item>): Expansion<Item> =>
    'payment' in pointer
      ? expansion(pointer.payment, (ids) => readPayments(client, book, ids), seesPayment(viewer), presentPayment)
      : expansion(pointer.account, readTheirAccounts, seesAccount(viewer), presentAccount)
  return Object.fromEntries(Object.entries(pointers).map(([name, pointer]) => [name, expansionOf(pointer)]))
}

function expansion<Item, ThingId, Thing>(
  idOf: (item: Item) => ThingId | null,
  read: (ids: ThingId[]) => Promise<ReadonlyMap<ThingId, Thing>>,
  isVisible: (thing: Thing) => boolean,
  present: (thing: Thing) => object,
): Expansion<Item> {
  return async (items) => {
    const ids = items.map(idOf)
    const found = await read([...new Set(ids.filter((id) => id !== null))])
    return ids.map((id) => {
      const thing = id === null ? undefined : found.get(id)
      return thing !== undefined && isVisible(thing) ? present(thing) : null
    })
  }
}

const seesAccount =
  (viewer: Viewer) =>
  ({ userId }: AccountState) =>
    viewer === null || userId === viewer.userId

const seesPayment =
  (viewer: Viewer) =>
  ({ senderUser, receiverUser }: StoredPayment) =>
    viewer === null || senderUser === viewer.userId || receiverUser === viewer.userId
