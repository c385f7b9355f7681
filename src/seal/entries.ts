import type { CustomTypesConfig } from 'pg'
import { uuids } from '../database/binary_arrays.ts'
import { type Queryable, together, toWireTime } from '../database/connection.ts'
import { readStoredText } from '../database/personal_fields.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { auditLeaf, leavesOfPayments, type NamedRow, type Row } from './leaves.ts'
import { type Digest, leafHash, nonceOf } from './merkle.ts'
import { type HashedTexts, NO_TEXTS, type Openings, readErased, readTexts, subjectOf } from './texts.ts'

/** Something of a block: a final payment with its postings, or a line of the audit log. */
export type Entry = {
  readonly payment: PaymentId | null
  /** Of the transaction that wrote a line of the audit log; null for a payment. */
  readonly txid: bigint | null
  /** When it was written, by its own account. */
  readonly at: string
  readonly text: string
  readonly withheld: string | null
  /** What the hashes of texts in `text` are of, as far as it was not erased. */
  readonly openings: Openings
}

/** The events that make a payment final; each payment has one of them, in the transaction that did it. */
export const FINAL_EVENTS = [
  ...['payment.completed', 'payment.declined', 'payment.canceled', 'payment.failed', 'payment.expired'],
]

/** Transactions above `after`, up to `upTo`. */
export type Range = { readonly after: bigint; readonly upTo: bigint }

/** More are of no block that a node has sealed: somebody added them, and they need not all be read to see it. */
const MOST_ROWS = 100_000

// Values as PostgreSQL writes them: what was tampered with may be anything, and the text is what is sealed.
const raw = { getTypeParser: () => (text: string) => text } as unknown as CustomTypesConfig

/** The payments that became final in these transactions, in commit order: by (txid, event). */
export async function readFinals(client: Queryable, book: BookId, { after, upTo }: Range): Promise<PaymentId[]> {
  const { rows } = await client.query<{ object_id: PaymentId }>({
    name: 'seal-finals',
    text: `
      select e.object_id
        from events e
       where e.book = $1 and e.txid > $2::xid8 and e.txid <= $3::xid8 and e.type = any($4)
       order by e.txid, e.id`,
    values: [book, String(after), String(upTo), FINAL_EVENTS],
  })
  return rows.map(({ object_id: id }) => id)
}

/**
 * These payments as they stand, in this order, and then the audit lines of the transactions, by (txid, id). `toSeal`
 * makes what keys of texts there are not.
 */
export async function readEntries(
  client: Queryable,
  book: BookId,
  ids: readonly PaymentId[],
  range: Range,
  toSeal = false,
): Promise<Entry[]> {
  const wanted = uuids(ids)
  const [payments, postings, lines, erased] = await readRows(client, book, wanted, range)
  const { paymentLeaf, withheldLine } = leavesOfPayments(payments.columns, postings.columns)
  const cell = (name: string) => cellOf(payments.columns, name)
  const [placeOf, idOf, completedAt, updatedAt] = [cell('place'), cell('id'), cell('completed_at'), cell('updated_at')]
  const textsAt = ['description', 'metadata'].map((name) => payments.columns.indexOf(name))
  const placeOfPosting = cellOf(postings.columns, 'place')
  let nextPosting = 0
  const texts = await readTexts(client, book, withTexts(), toSeal)
  // V8 takes its time to look up a text that is new to it, and there are hardly ever any.
  const textsOf = (id: string | null | undefined) => (texts.size > 0 && texts.get(id ?? '')) || NO_TEXTS
  return [...payments.rows.map(entryOfPayment), ...lines.map((row) => entryOfLine(row, textsOf(row.id)))]

  function entryOfPayment(row: Row): Entry {
    const id = idOf(row)
    const { hashes, openings } = textsOf(id)
    const own = postingsOf(Number(placeOf(row)))
    return {
      payment: id as PaymentId,
      txid: null,
      at: toWireTime(completedAt(row) ?? updatedAt(row) ?? ''),
      text: paymentLeaf(withTextsOfHouse(row, textsAt), own, hashes),
      withheld: withheldLine(row, own),
      openings,
    }
  }

  /** Of the payment at that place: both come in the same order, and a payment that is gone leaves its postings out. */
  function postingsOf(place: number): Row[] {
    const own: Row[] = []
    for (let row = postings.rows[nextPosting]; row; row = postings.rows[nextPosting]) {
      const at = Number(placeOfPosting(row))
      if (at > place) break
      if (at === place) own.push(row)
      nextPosting += 1
    }
    return own
  }

  /** Nearly all payments have no text, and need not be read again. */
  function withTexts() {
    const isErased = (row: Row) => erased.size > 0 && erased.has(idOf(row) ?? '')
    const written = payments.rows.filter((row) => textsAt.some((place) => row[place]) || isErased(row))
    const about = lines.filter((line) => subjectOf(line) !== null)
    return { payments: written.map((row) => idOf(row) ?? ''), lines: about.map(({ id }) => id ?? '') }
  }
}

/** Rows that are many, without an object of each. */
type Rows = { readonly columns: readonly string[]; readonly rows: readonly Row[] }

function cellOf(columns: readonly string[], name: string): (row: Row) => string | null {
  const place = columns.indexOf(name)
  return (row) => row[place] ?? null
}

/** The payments that are asked for, and at which place of the block each is. */
const WANTED =
  '(select $1::int as book, unnest($2::uuid[]) as id, generate_subscripts($2::uuid[], 1) as place) as wanted'

async function readRows(client: Queryable, book: BookId, wanted: Buffer, { after, upTo }: Range) {
  const payments = readMany(
    client,
    'seal-payments',
    `select p.*, wanted.place
       from ${WANTED}
       join payments p on p.book = wanted.book and p.id = wanted.id
      order by wanted.place`,
    [book, wanted],
  )
  const postings = readMany(
    client,
    'seal-postings',
    `select s.*, wanted.place
       from ${WANTED}
       join postings s on s.book = wanted.book and s.payment_id = wanted.id
      order by wanted.place, s.id
      limit $3`,
    [book, wanted, MOST_ROWS],
  )
  const lines = client.query<NamedRow>({
    name: 'seal-audit',
    text: `
      select * from audit_log
       where book = $1 and txid > $2::xid8 and txid <= $3::xid8
       order by txid, id
       limit $4`,
    values: [book, String(after), String(upTo), MOST_ROWS],
    types: raw,
  })
  const erased = readErased(client, book, wanted)
  await together([payments, postings, lines, erased])
  return [await payments, await postings, (await lines).rows, await erased] as const
}

async function readMany(client: Queryable, name: string, text: string, values: unknown[]): Promise<Rows> {
  const { fields, rows } = await client.query<(string | null)[]>({ name, text, values, types: raw, rowMode: 'array' })
  return { columns: fields.map(({ name }) => name), rows }
}

function entryOfLine(row: NamedRow, { hashes, openings }: HashedTexts): Entry {
  const [detail, address] = [textOfHouse(row.detail), textOfHouse(row.address)]
  return {
    payment: null,
    txid: BigInt(row.txid ?? 0),
    at: toWireTime(row.created_at ?? ''),
    text: auditLeaf({ ...row, address, detail: detail ?? '{}' }, hashes),
    withheld: null,
    openings,
  }
}

/** The row with those of its texts as they read that are the house's. */
function withTextsOfHouse(row: Row, places: readonly number[]): Row {
  if (!places.some((place) => row[place])) return row
  return row.map((cell, place) => (places.includes(place) ? textOfHouse(cell) : cell))
}

/** A text as it reads that is nobody's own; any other as it is stored: of those only hashes are sealed. */
function textOfHouse(stored: string | null | undefined): string | null {
  const text = stored ? readStoredText(Buffer.from(stored.slice('\\x'.length), 'hex'), null) : null
  return text ?? stored ?? null
}

/** The hashed leaves of a block: one for each entry, and a last one for what is withheld of them, where there is any. */
export function leavesOf(entries: readonly Entry[], salt: Buffer): Digest[] {
  const texts = entries.map(({ text }) => text)
  const withheld = entries.flatMap((entry) => (entry.withheld === null ? [] : [entry.withheld]))
  if (withheld.length > 0) texts.push(withheld.join('\n'))
  return texts.map((text, index) => leafHash(nonceOf(salt, index), text))
}
