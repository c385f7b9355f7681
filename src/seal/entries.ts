import type { CustomTypesConfig } from 'pg'
import { uuids } from '../database/binary_arrays.ts'
import { type Queryable, together, toWireTime } from '../database/connection.ts'
import { readStoredText } from '../database/personal_fields.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { auditLeaf, paymentLeaf, type RawRow, withheldLine } from './leaves.ts'
import { leafHash, nonceOf } from './merkle.ts'
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
  const [payments, postings, lines] = await readRows(client, book, ids, range)
  const byPayment = Map.groupBy(postings, (row) => row.payment_id ?? '')
  const texts = await readTexts(client, book, await withTexts(), toSeal)
  const textsOf = ({ id }: RawRow) => texts.get(id ?? '') ?? NO_TEXTS
  return [
    ...payments.map((row) => entryOfPayment(row, byPayment.get(row.id ?? '') ?? [], textsOf(row))),
    ...lines.map((row) => entryOfLine(row, textsOf(row))),
  ]

  /** Nearly all payments have no text, and need not be read again. */
  async function withTexts() {
    const erased = await readErased(client, book, ids)
    const written = payments.filter(({ id, description, metadata }) => {
      return typeof description === 'string' || typeof metadata === 'string' || erased.has(id ?? '')
    })
    const about = lines.filter((line) => subjectOf(line) !== null)
    return { payments: written.map(({ id }) => id ?? ''), lines: about.map(({ id }) => id ?? '') }
  }
}

async function readRows(client: Queryable, book: BookId, ids: readonly PaymentId[], { after, upTo }: Range) {
  const read = async (name: string, text: string, values: unknown[]) => {
    const { rows } = await client.query<Record<string, string | null>>({ name, text, values, types: raw })
    return rows
  }
  const statements = [
    read(
      'seal-payments',
      `select p.*
         from (select $1::int as book, id, place from unnest($2::uuid[]) with ordinality as ids (id, place) offset 0) as wanted
         join payments p on p.book = wanted.book and p.id = wanted.id
        order by wanted.place`,
      [book, uuids(ids)],
    ),
    read(
      'seal-postings',
      `select s.*
         from (select $1::int as book, id from unnest($2::uuid[]) as ids (id) offset 0) as wanted
         join postings s on s.book = wanted.book and s.payment_id = wanted.id
        order by s.id
        limit $3`,
      [book, uuids(ids), MOST_ROWS],
    ),
    read(
      'seal-audit',
      `select * from audit_log
        where book = $1 and txid > $2::xid8 and txid <= $3::xid8
        order by txid, id
        limit $4`,
      [book, String(after), String(upTo), MOST_ROWS],
    ),
  ] as const
  await together(statements)
  return Promise.all(statements)
}

function entryOfPayment(row: RawRow, postings: readonly RawRow[], texts: HashedTexts): Entry {
  return {
    payment: row.id as PaymentId,
    txid: null,
    at: toWireTime(row.completed_at ?? row.updated_at ?? ''),
    text: paymentLeaf(withTextsOfHouse(row, ['description', 'metadata']), postings, texts.hashes),
    withheld: withheldLine(row, postings),
    openings: texts.openings,
  }
}

function entryOfLine(row: RawRow, texts: HashedTexts): Entry {
  const line = withTextsOfHouse(row, ['detail', 'address'])
  return {
    payment: null,
    txid: BigInt(row.txid ?? 0),
    at: toWireTime(row.created_at ?? ''),
    text: auditLeaf({ ...line, detail: line.detail ?? '{}' }, texts.hashes),
    withheld: null,
    openings: texts.openings,
  }
}

/** The row with those of its texts as they read that are nobody's own: of the others only hashes are sealed. */
function withTextsOfHouse(row: RawRow, fields: readonly string[]): RawRow {
  const texts = fields.map((field) => {
    const stored = row[field]
    const text = stored && readStoredText(Buffer.from(stored.slice('\\x'.length), 'hex'), null)
    return [field, text ?? stored] as const
  })
  return { ...row, ...Object.fromEntries(texts) }
}

/** The hashed leaves of a block: one for each entry, and a last one for what is withheld of them, where there is any. */
export function leavesOf(entries: readonly Entry[], salt: Buffer): Buffer[] {
  const texts = entries.map(({ text }) => text)
  const withheld = entries.flatMap((entry) => (entry.withheld === null ? [] : [entry.withheld]))
  if (withheld.length > 0) texts.push(withheld.join('\n'))
  return texts.map((text, index) => leafHash(nonceOf(salt, index), text))
}
