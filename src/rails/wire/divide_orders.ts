import type { Queryable } from '../../database/connection.ts'
import type { BookId, PaymentId, WireBatchId } from '../../ledger/id.ts'
import { isFinal } from '../../ledger/lifecycle.ts'
import type { PaymentStatus } from '../../ledger/payment.ts'
import type { BankFile } from './bank_file.ts'
import { comesBack, type Line } from './lines.ts'
import { paymentsNamed, wireReference } from './matching.ts'

// One booking for a whole order is the bookings of its payments, where it has their sum.

/** A withdrawal in an order. */
type Ordered = {
  readonly batch_id: WireBatchId
  readonly payment_id: PaymentId
  readonly amount: bigint
  readonly status: PaymentStatus
  /** Another movement is it. */
  readonly confirmed: boolean
  /** Where that was told by a file of another kind: the bank's day and reference. */
  readonly told_elsewhere: boolean
  readonly told_date: string | null
  readonly told_reference: string | null
  /** It was given up, and the bank paid it all the same. */
  readonly late: boolean
  readonly came_back: boolean
}

/**
 * The lines of each statement of an account, with those that book an order divided into its payments. One that names an
 * order and has not the sum of what it can be of it stays whole: `orders` says so.
 */
export async function divideOrders(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  statements: readonly (readonly Line[])[],
): Promise<Line[][]> {
  const orderOf = (line: Line) => {
    const names = paymentsNamed([line.endToEndId ?? '', line.remittance ?? '']).size
    return line.orders.length === 1 && names !== 1 ? line.orders[0] : undefined
  }
  const wanted = statements.flat().flatMap((line) => orderOf(line) ?? [])
  const orders =
    wanted.length === 0 ? new Map<WireBatchId, Ordered[]>() : await readOrders(client, book, kind, account, wanted)
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

/** The payments that the line is, if what it may be has its sum in one way only. */
function divided(line: Line, ordered: readonly Ordered[]): Line[] {
  const fitting = candidatesFor(line, ordered).filter((some) => some.length > 0 && sumOf(some) === line.amount)
  const ways = new Map(fitting.map((some) => [some.map(({ payment_id: id }) => id).join(), some]))
  const [booked, ...others] = [...ways.values()]
  if (!booked || others.length > 0) return [line]
  return booked.map(({ batch_id: batch, payment_id: id, amount }) => ({
    ...{ ...line, amount, endToEndId: wireReference(id), remittance: null, orders: [], batch },
    ...{ counterparty: { name: null, account: null }, undivided: false },
  }))
}

/** What a booking of a whole order may be: all of it that may still go out, or come back, and nothing less. */
function candidatesFor(line: Line, ordered: readonly Ordered[]): Ordered[][] {
  const isOpen = ({ status }: Ordered) => status === 'completed' || !isFinal(status)
  const returned = comesBack(line)
  if (line.direction === 'in') {
    const outside = returned ? ordered.filter((each) => !each.came_back) : []
    return [outside.filter((each) => isOpen(each) || each.late), outside]
  }
  if (returned) return []
  // The bank may have paid what was given up.
  const unconfirmed = ordered.filter(({ confirmed }) => !confirmed)
  const told = ordered.filter(
    (each) =>
      each.told_elsewhere &&
      each.told_date === line.bookingDate &&
      (each.told_reference === null || line.servicerReference === null),
  )
  return [unconfirmed.filter(isOpen), unconfirmed, told]
}

function sumOf(ordered: readonly Ordered[]): bigint {
  return ordered.reduce((sum, { amount }) => sum + amount, 0n)
}

/** The orders of an account among these, with their payments. Index: wire_batch_payments_by_batch. */
async function readOrders(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  ids: readonly WireBatchId[],
): Promise<Map<WireBatchId, Ordered[]>> {
  // Indexes: bank_entries_of_payment, suspense_items_by_payment.
  const { rows } = await client.query<Ordered>(
    `select w.batch_id, w.payment_id, w.amount, p.status, e.id is not null as confirmed,
            coalesce(e.kind <> $4 and e.account = b.account and e.amount = w.amount, false) as told_elsewhere,
            e.booking_date::text as told_date, e.servicer_reference as told_reference,
            exists (select from suspense_items s
                     where s.book = w.book and s.related_id = w.payment_id and s.reason = 'late') as late,
            exists (select from suspense_items s
                     where s.book = w.book and s.related_id = w.payment_id and s.reason = 'returned') as came_back
       from wire_batches b
       join wire_batch_payments w on w.book = b.book and w.batch_id = b.id
       join payments p on p.book = w.book and p.id = w.payment_id
       left join (select e.*, f.kind
                    from bank_entries e
                    join bank_files f on f.book = e.book and f.id = e.file_id) e
         on e.book = w.book and e.payment_id = w.payment_id and e.status = 'matched'
      where b.book = $1 and b.account = $2 and b.id = any($3::uuid[])
      order by w.payment_id`,
    [book, account, ids, kind],
  )
  return Map.groupBy(rows, ({ batch_id: id }) => id)
}
