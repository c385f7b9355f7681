import type { Queryable } from '../database/connection.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { shownDestinationOf } from '../payments/instructions.ts'

type Row = {
  payment_id: PaymentId
  destination: string | null
  counterparty_name: string | null
  counterparty_account: string | null
  remittance: string | null
}

/** What is kept of these payments for banks and other rails: where money went, as far as it is shown, and who paid in. */
export async function readRailDetails(client: Queryable, book: BookId, ids: readonly PaymentId[]) {
  const { rows } = await client.query<Row>(
    `select i.payment_id, ${shownDestinationOf('i')} as destination, e.counterparty_name, e.counterparty_account, e.remittance
       from rail_instructions i
       left join bank_entries e on e.book = i.book and e.payment_id = i.payment_id and e.status = 'matched'
      where i.book = $1 and i.payment_id = any($2)
      order by i.payment_id`,
    [book, ids],
  )
  return rows.map(({ payment_id: id, ...row }) => ({ payment_id: encodeId('pay', id), ...row }))
}
