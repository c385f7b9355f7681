import type { Queryable } from '../../database/connection.ts'
import type { BookId, PaymentId, WireBatchId } from '../../ledger/id.ts'
import { isFinal } from '../../ledger/lifecycle.ts'
import type { PaymentStatus } from '../../ledger/payment.ts'
import type { Line } from './lines.ts'
import { paymentsNamed, wireReference } from './matching.ts'

// One booking for a whole order is the bookings of its payments, where it has their sum.

/** A withdrawal in an order; `confirmed` by another movement. */
type Ordered = {
  readonly batch_id: WireBatchId
  readonly payment_id: PaymentId
  readonly amount: bigint
  readonly status: PaymentStatus
  readonly confirmed: boolean
}

/**
 * The lines of each statement of an account, with those that book an order divided into its payments. One that names an
 * order and has not the sum of what it can be of it stays whole: `orders` says so.
 */
export async function divideOrders(
  client: Queryable,
  book: BookId,
  account: string,
  statements: readonly (readonly Line[])[],
): Promise<Line[][]> {
  const orderOf = (line: Line) => {
    const names = paymentsNamed([line.endToEndId ?? '', line.remittance ?? '']).size
    return line.orders.length === 1 && names !== 1 ? line.orders[0] : undefined
  }
  const wanted = statements.flat().flatMap((line) => orderOf(line) ?? [])
  const orders =
    wanted.length === 0 ? new Map<WireBatchId, Ordered[]>() : await readOrders(client, book, account, wanted)
  return statements.map((lines) =>
    numbered(
      lines.flatMap((line) => {
        const ordered = orders.get(orderOf(line) ?? ('' as WireBatchId))
        return ordered ? divided(line, ordered) : [{ ...line, orders: [] }]
      }),
    ),
  )
}

/** The lines of each entry, counted anew. */
function numbered(lines: readonly Line[]): Line[] {
  const counts = new Map<string, number>()
  return lines.map((line) => {
    const entry = line.entryKey.toString('hex')
    const number = counts.get(entry) ?? 0
    counts.set(entry, number + 1)
    return { ...line, number }
  })
}

/** What is still to be paid, or else all that no movement has confirmed: the bank may have paid what was given up. */
function divided(line: Line, ordered: readonly Ordered[]): Line[] {
  const unconfirmed = ordered.filter(({ confirmed }) => !confirmed)
  const open = unconfirmed.filter(({ status }) => status === 'completed' || !isFinal(status))
  const booked = [open, unconfirmed].find((some) => sumOf(some) === line.amount)
  const goesOut = line.direction === 'out' && !line.reversal && line.returnReason === null && line.amount > 0n
  if (!goesOut || !booked) return [line]
  return booked.map(({ payment_id: id, amount }) => ({
    ...{ ...line, amount, endToEndId: wireReference(id), remittance: null, orders: [] },
    counterparty: { name: null, account: null },
  }))
}

function sumOf(ordered: readonly Ordered[]): bigint {
  return ordered.reduce((sum, { amount }) => sum + amount, 0n)
}

/** The orders of an account among these, with their payments. Index: wire_batch_payments_by_batch. */
async function readOrders(
  client: Queryable,
  book: BookId,
  account: string,
  ids: readonly WireBatchId[],
): Promise<Map<WireBatchId, Ordered[]>> {
  const { rows } = await client.query<Ordered>(
    `select w.batch_id, w.payment_id, w.amount, p.status,
            exists (select from bank_entries e
                     where e.book = w.book and e.payment_id = w.payment_id and e.status = 'matched') as confirmed
       from wire_batches b
       join wire_batch_payments w on w.book = b.book and w.batch_id = b.id
       join payments p on p.book = w.book and p.id = w.payment_id
      where b.book = $1 and b.account = $2 and b.id = any($3::uuid[])
      order by w.payment_id`,
    [book, account, ids],
  )
  return Map.groupBy(rows, ({ batch_id: id }) => id)
}
