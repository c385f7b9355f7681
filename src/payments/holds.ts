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

/** Forgets the hold of a payment that is pending no more. */
export async function deleteHold(client: Queryable, book: BookId, id: PaymentId): Promise<void> {
  await client.query({
    name: 'delete-hold',
    text: 'delete from holds where book = $1 and payment_id = $2',
    values: [book, id],
  })
}

/** Payments of a book whose time is up, the oldest first. Index: holds_by_expiry. */
export async function readExpired(client: Queryable, book: BookId, most: number): Promise<PaymentId[]> {
  const { rows } = await client.query<{ payment_id: PaymentId }>({
    name: 'expired-holds',
    text: `
      select payment_id
        from holds
       where book = $1 and expires_at <= now()
       order by expires_at, payment_id
       limit $2`,
    values: [book, most],
  })
  return rows.map(({ payment_id }) => payment_id)
}
