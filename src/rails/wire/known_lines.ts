import type { Queryable } from '../../database/connection.ts'
import type { BookId, PaymentId } from '../../ledger/id.ts'
import type { BankFile, Direction } from './bank_file.ts'
import { entryKeyOf, type Line } from './lines.ts'
import { paymentsNamed, wireReference } from './matching.ts'

// Which movements earlier files told of: each counts once.

/** What of a movement, or of the entry that it is in, is in the books. Minor units, negative where money went out. */
export type KnownLine = { readonly id: string; readonly booked: bigint }

type KnownEntry = KnownLine & {
  readonly told_key: string | null
  readonly servicer_reference: string | null
  readonly same_kind: boolean
  /** By which a file of the other kind told of it. */
  readonly other_key: string | null
  /** A file of the other kind told of it. */
  readonly told_by_both: boolean
}

/** The known ones of these lines of one account; notes of each that a file of the other kind told of it, too. */
export async function recognize(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  lines: readonly Line[],
): Promise<ReadonlyMap<Line, KnownLine>> {
  const entries = [...Map.groupBy(lines, ({ entryKey }) => entryKey.toString('hex')).values()]
  const byEntry = await knownByEntry(client, book, kind, account, entries)
  await noteToldByBoth(client, book, account, byEntry)
  const known = new Map<Line, KnownLine>()
  for (const [entry, one] of byEntry) for (const line of entry) known.set(line, one)
  // An entry that is told of as a whole is not told of by its payments besides.
  const taken = new Set([...known.values()].map(({ id }) => id))
  const others = lines.filter((line) => !known.has(line))
  const byPayment = await knownByPayment(client, book, kind, account, others, taken)
  return new Map([...known, ...byPayment])
}

const BOOKED = `case when e.status in ('unmatched', 'ignored') then 0 when e.direction = 'in' then e.amount else -e.amount end`

/** The lines of one entry: they have its keys. */
type LinesOfEntry = readonly Line[]

/**
 * By the key of the entry or, where a statement and a notice tell of it and one gives no reference of the bank, by the
 * references of its payments: each movement of the one for one of the other.
 */
async function knownByEntry(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  entries: readonly LinesOfEntry[],
): Promise<ReadonlyMap<LinesOfEntry, KnownEntry>> {
  const tolds = toldKeysOf(entries)
  // Indexes: the one of the entry's key, bank_entries_by_other_key, bank_entries_told.
  const { rows } = await client.query<KnownEntry>(
    `select encode(e.entry_key, 'hex') as id, encode(e.told_key, 'hex') as told_key, e.servicer_reference, f.kind = $3 as same_kind,
            encode(e.other_key, 'hex') as other_key,
            e.other_key is not null or (e.stated and f.kind = 'camt.054') as told_by_both, sum(${BOOKED}) as booked
       from bank_entries e
       join bank_files f on f.book = e.book and f.id = e.file_id
      where e.book = $1 and e.account = $2
        and (e.entry_key = any($4::bytea[]) or e.other_key = any($4::bytea[]) or e.told_key = any($5::bytea[]))
      group by e.entry_key, e.told_key, e.servicer_reference, e.other_key, e.stated, f.kind
      order by min(e.id::text) desc`,
    [
      ...[book, account, kind, entries.flatMap(([line]) => line?.entryKey ?? [])],
      [...tolds.keys()].map((key) => Buffer.from(key, 'hex')),
    ],
  )
  const known = new Map<LinesOfEntry, KnownEntry>()
  const taken = new Set<KnownEntry>()
  const take = (entry: LinesOfEntry, row: KnownEntry | undefined) => {
    if (!row) return
    known.set(entry, row)
    taken.add(row)
  }
  const byOtherKey = new Map(rows.flatMap((row) => (row.other_key ? [[row.other_key, row]] : [])))
  const byKey = new Map(rows.map((row) => [row.id, row]))
  for (const entry of entries) {
    const other = byOtherKey.get(keyOf(entry))
    // The bank's reference is the same in files of all kinds, what an entry says is not.
    const isIt = other && (!other.same_kind || entry.every(hasReference))
    take(entry, isIt ? other : byKey.get(keyOf(entry)))
  }
  const open = rows.filter((row) => !row.same_kind && !row.told_by_both && !taken.has(row))
  const saying = (row: KnownEntry) => tolds.get(row.told_key ?? '')
  const numbered = Map.groupBy(open.filter(hasReference), saying)
  const others = Map.groupBy(
    open.filter((row) => !hasReference(row)),
    saying,
  )
  const unknown = entries.flatMap((entry) => (known.has(entry) || !entry[0] ? [] : [{ entry, line: entry[0] }]))
  // Two references of the bank make two movements: what has one can be none that has, and so it chooses first.
  for (const { entry, line } of unknown) if (hasReference(line)) take(entry, others.get(line.told ?? '')?.pop())
  for (const { entry, line } of unknown) {
    const told = line.told ?? ''
    if (!hasReference(line)) take(entry, numbered.get(told)?.pop() ?? others.get(told)?.pop())
  }
  return known
}

/** Whether the bank gave it a reference of its own. */
export function hasReference(one: KnownEntry | Line): boolean {
  return ('servicerReference' in one ? one.servicerReference : one.servicer_reference) !== null
}

function keyOf([line]: LinesOfEntry): string {
  return line?.entryKey.toString('hex') ?? ''
}

/** By each key that an entry may have been told under, what it says: the older ones have keys by their place in the file. */
function toldKeysOf(entries: readonly LinesOfEntry[]): Map<string, string> {
  const counts = new Map<string, number>()
  for (const [line] of entries) if (line && line.told !== null) counts.set(line.told, (counts.get(line.told) ?? 0) + 1)
  return new Map(
    [...counts].flatMap(([told, count]) =>
      Array.from({ length: count + 1 }, (_, place) => [entryKeyOf(told, place).toString('hex'), told] as const),
    ),
  )
}

/** Notes by which key a file of the other kind told of an entry: what either tells besides is another movement. */
async function noteToldByBoth(
  client: Queryable,
  book: BookId,
  account: string,
  known: ReadonlyMap<LinesOfEntry, KnownEntry>,
): Promise<void> {
  const told = [...known].filter(([, { same_kind, other_key }]) => !same_kind && other_key === null)
  if (told.length === 0) return
  await client.query(
    `update bank_entries e set other_key = decode(v.other_key, 'hex')
       from unnest($3::text[], $4::text[]) as v (entry_key, other_key)
      where e.book = $1 and e.account = $2 and e.entry_key = decode(v.entry_key, 'hex')`,
    [book, account, told.map(([, { id }]) => id), told.map(([entry]) => keyOf(entry))],
  )
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
