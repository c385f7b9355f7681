import { uuids } from '../database/binary_arrays.ts'
import type { Queryable } from '../database/connection.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import type { Payment } from './payment.ts'

// The table of what is pending until a time, by which holds are found that have run out, and those of an account.

type Held = Pick<Payment, 'id' | 'status' | 'expiresAt' | 'from' | 'to'>

/** Notes those of the payments that are pending until a time. */
export async function writeHolds(client: Queryable, book: BookId, payments: readonly Held[]): Promise<void> {
  const held = payments.filter(({ status, expiresAt }) => status === 'pending' && expiresAt !== null)
  if (held.length === 0) return
  await client.query({
    name: 'write-holds',
    text: `
      insert into holds (book, payment_id, expires_at, from_account, to_account)
      select $1, v.* from unnest($2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[]) as v`,
    values: [
      book,
      held.map(({ id }) => id),
      held.map(({ expiresAt }) => expiresAt),
      held.map(({ from }) => from),
      held.map(({ to }) => to),
    ],
  })
}

/** Forgets the holds of payments that are pending no more. */
export async function deleteHolds(client: Queryable, book: BookId, ids: readonly PaymentId[]): Promise<void> {
  await client.query({
    name: 'delete-holds',
    text: `
      delete from holds h
       using (select $1::int as book, unnest($2::uuid[]) as id) as ended
       where h.book = ended.book and h.payment_id = ended.id`,
    values: [book, uuids(ids)],
  })
}

/** A payment whose time is up, and whether a rail was told of it. */
export type Overdue = { readonly id: PaymentId; readonly ofRail: boolean }

/** Payments of a book whose time is up, the oldest first, without those that are to be left alone. Index: holds_by_expiry. */
export async function readOverdue(
  client: Queryable,
  book: BookId,
  most: number,
  leftAlone: readonly PaymentId[],
): Promise<Overdue[]> {
  const { rows } = await client.query<Overdue>({
    name: 'overdue-holds',
    text: `
      select h.payment_id as id, p.rail is not null as "ofRail"
        from holds h
        join payments p on p.book = h.book and p.id = h.payment_id
       where h.book = $1 and h.expires_at <= now() and h.payment_id <> all($3)
       order by h.expires_at, h.payment_id
       limit $2`,
    values: [book, most, leftAlone],
  })
  return rows
}
