import type { Queryable } from '../../database/connection.ts'
import type { BookId, PaymentId } from '../../ledger/id.ts'
import type { BankFile, Direction } from './bank_file.ts'
import type { Line } from './lines.ts'
import { paymentsNamed, wireReference } from './matching.ts'

// Which movements earlier files told of: each counts once.

/** What of a movement, or of the entry that it is in, is in the books. Minor units, negative where money went out. */
export type KnownLine = { readonly id: string; readonly booked: bigint }

type KnownEntry = KnownLine & {
  readonly entry_key: Buffer
  readonly told_key: Buffer | null
  readonly servicer_reference: string | null
  readonly same_kind: boolean
}

/** The known ones of these lines of one account. */
export async function readKnown(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  lines: readonly Line[],
): Promise<ReadonlyMap<Line, KnownLine>> {
  const byEntry = await knownByEntry(client, book, kind, account, lines)
  const known = new Map<Line, KnownLine>()
  for (const line of lines) {
    const one = byEntry(line)
    if (one) known.set(line, one)
  }
  // An entry that is told of as a whole is not told of by its payments besides.
  const taken = new Set([...known.values()].map(({ id }) => id))
  const others = lines.filter((line) => !known.has(line))
  const byPayment = await knownByPayment(client, book, kind, account, others, taken)
  return new Map([...known, ...byPayment])
}

const BOOKED = `case when e.status in ('unmatched', 'ignored') then 0 when e.direction = 'in' then e.amount else -e.amount end`

/**
 * By the key of the entry or, where a statement and a notice tell of it and one gives no reference of the bank, by the
 * references of its payments.
 */
async function knownByEntry(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  lines: readonly Line[],
): Promise<(line: Line) => KnownLine | undefined> {
  const { rows } = await client.query<KnownEntry>(
    `select encode(e.entry_key, 'hex') as id, e.entry_key, e.told_key, e.servicer_reference, f.kind = $3 as same_kind,
            sum(${BOOKED}) as booked
       from bank_entries e
       join bank_files f on f.book = e.book and f.id = e.file_id
      where e.book = $1 and e.account = $2
        and (e.entry_key = any($4::bytea[]) or e.told_key = any($5::bytea[]))
      group by e.entry_key, e.told_key, e.servicer_reference, f.kind`,
    [book, account, kind, lines.map(({ entryKey }) => entryKey), lines.flatMap(({ toldKey }) => toldKey ?? [])],
  )
  const byEntry = new Map(rows.map((row) => [row.id, row]))
  const byTold = new Map(
    rows.flatMap((row) =>
      row.told_key === null || row.same_kind ? [] : [[row.told_key.toString('hex'), row] as const],
    ),
  )
  return ({ entryKey, toldKey, servicerReference }) => {
    const same = byEntry.get(entryKey.toString('hex'))
    if (same) return same
    const told = toldKey ? byTold.get(toldKey.toString('hex')) : undefined
    return told && isOneOf(told.servicer_reference, servicerReference) ? told : undefined
  }
}

/** Two references of the bank make two movements. */
function isOneOf(told: string | null, tells: string | null): boolean {
  return told === null || tells === null
}

type KnownPayment = KnownLine & {
  /** That it is a part of. */
  readonly entry: string
  readonly payment_id: PaymentId | null
  readonly end_to_end_id: string | null
  readonly direction: Direction
  readonly amount: bigint
  readonly reversal: boolean
  readonly booking_date: string | null
  readonly servicer_reference: string | null
  /** Part of an order that its file told of in one. */
  readonly of_order: boolean
}

/**
 * By the payment, where of a statement and a notice the one tells of a whole order and the other of its payments: each
 * movement of the one for one of the other, of the same day.
 */
async function knownByPayment(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  lines: readonly Line[],
  takenEntries: ReadonlySet<string>,
): Promise<ReadonlyMap<Line, KnownLine>> {
  const naming = lines.flatMap((line) => {
    const [only, ...others] = paymentsNamed([line.endToEndId ?? '', line.remittance ?? ''])
    return only && others.length === 0 ? [{ line, payment: only }] : []
  })
  // Indexes: bank_entries_of_order, bank_entries_of_payment.
  const { rows } = await client.query<KnownPayment>(
    `select e.id, encode(e.entry_key, 'hex') as entry, ${BOOKED} as booked, e.payment_id, e.end_to_end_id, e.direction,
            e.amount, e.reversal, e.booking_date::text, e.servicer_reference, e.batch_id is not null as of_order
       from bank_entries e
       join bank_files f on f.book = e.book and f.id = e.file_id
      where e.book = $1 and e.account = $2 and f.kind <> $3
        and (   (e.batch_id is not null and e.end_to_end_id = any($4))
             or (e.status = 'matched' and e.payment_id = any($5)))
      order by e.id`,
    [
      ...[book, account, kind, naming.map(({ payment }) => wireReference(payment))],
      naming.filter(({ line }) => line.batch !== null).map(({ payment }) => payment),
    ],
  )
  const told = Map.groupBy(
    rows.filter(({ entry }) => !takenEntries.has(entry)),
    (row) => (row.payment_id === null ? row.end_to_end_id : wireReference(row.payment_id)),
  )
  const known = new Map<Line, KnownLine>()
  const taken = new Set<KnownPayment>()
  for (const { line, payment } of naming) {
    const one = told.get(wireReference(payment))?.find((row) => !taken.has(row) && isSame(row, line))
    if (!one) continue
    taken.add(one)
    known.set(line, one)
  }
  return known
}

function isSame(row: KnownPayment, line: Line): boolean {
  return (
    (row.of_order || line.batch !== null) &&
    row.direction === line.direction &&
    row.amount === line.amount &&
    row.reversal === line.reversal &&
    row.booking_date === line.bookingDate &&
    isOneOf(row.servicer_reference, line.servicerReference)
  )
}
