import { numerics, texts, uuids } from '../database/binary_arrays.ts'
import type { Queryable } from '../database/connection.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import type { PaymentEvent } from '../ledger/lifecycle.ts'
import type { PaymentStatus } from '../ledger/payment.ts'

/** A step of a stored payment along its life (ledger/lifecycle.ts). */
export type Move = {
  readonly id: PaymentId
  readonly event: PaymentEvent
  readonly status: PaymentStatus
  /** Why, of one that is declined or failed. */
  readonly reason: string | null
  /** What a settled one came to, in minor units; null where that is what it was. */
  readonly amount: bigint | null
  readonly fee: bigint | null
}

/**
 * Changes the status of stored payments, by the database's own list of what may follow what. Throws where one of them
 * cannot go that way: whoever calls holds its lock and has looked.
 */
export async function movePayments(
  client: Queryable,
  book: BookId,
  stamp: string,
  moves: readonly Move[],
): Promise<void> {
  const { rows } = await client.query<{ moved: number }>({
    name: 'move-payments',
    text: `select move_payments($1, $2, $3::uuid[], $4::text[], $5::text[], $6::text[], $7::numeric[], $8::numeric[]) as moved`,
    values: [
      book,
      stamp,
      uuids(moves.map(({ id }) => id)),
      texts(moves.map(({ event }) => event)),
      texts(moves.map(({ status }) => status)),
      texts(moves.map(({ reason }) => reason)),
      numerics(moves.map(({ amount }) => amount)),
      numerics(moves.map(({ fee }) => fee)),
    ],
  })
  if (rows[0]?.moved !== moves.length)
    throw new Error('a payment cannot go from its status to the one that it was to have')
}
