import type { Client } from '../../database/connection.ts'
import type { BookId, PaymentId } from '../../ledger/id.ts'
import { endPending } from '../../payments/pending.ts'
import type { BookingOptions } from '../settlement.ts'

/** A withdrawal that a bank rejected, its place in the order locked. */
export type DueRejection = { readonly payment_id: PaymentId; readonly reject_reason: string }

/** The first rejection that is due and that nobody else is busy with. Index: wire_batch_payments_rejected. */
export async function lockFirstRejection(client: Client, book: BookId): Promise<DueRejection | undefined> {
  const { rows } = await client.query<DueRejection>(
    `select w.payment_id, w.reject_reason
       from wire_batch_payments w
      where w.book = $1 and w.rejection = 'due'
      order by w.payment_id
      limit 1
        for update skip locked`,
    [book],
  )
  return rows[0]
}

/** The withdrawal fails, and its money is free again; one that was over, or paid, by then stays as it is. */
export async function carryOutRejection(
  client: Client,
  { directory }: Pick<BookingOptions, 'directory'>,
  book: BookId,
  { payment_id: id, reject_reason: reason }: DueRejection,
): Promise<void> {
  const ended = await endPending(client, directory, book, id, { event: 'fail', reason })
  await noteRejection(client, book, id, ended?.ok ? 'failed' : 'ignored')
}

/** Notes what became of a rejection that was due. */
export async function noteRejection(
  client: Pick<Client, 'query'>,
  book: BookId,
  id: PaymentId,
  rejection: 'failed' | 'ignored',
): Promise<void> {
  await client.query(
    `update wire_batch_payments set rejection = $3 where book = $1 and payment_id = $2 and rejection = 'due'`,
    [book, id, rejection],
  )
}
