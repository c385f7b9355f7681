import type { Queryable } from '../../database/connection.ts'
import type { ListSpec, Scope } from '../../database/list.ts'
import * as fields from '../../database/list_fields.ts'
import type { BankFileId, BookId, UserId, WireBatchId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import type { BalanceCheck } from './books_side.ts'

export const FILE_KINDS = ['camt.053', 'camt.054', 'pain.002'] as const

/** What taking a file came to. */
export type Upload =
  | { readonly ok: true; readonly file: TakenFile; readonly known: boolean }
  /** `problem` reads on from 'The file …'. */
  | { readonly ok: false; readonly problem: string }

/** A file as it was taken. */
export type TakenFile = {
  readonly id: BankFileId
  readonly kind: (typeof FILE_KINDS)[number]
  readonly version: string
  readonly messageId: string
  readonly sha256: string
  readonly uploadedBy: UserId | null
  readonly createdAt: string
  /** When all of its movements were booked or listed. */
  readonly settledAt: string | null
  readonly statements: readonly TakenStatement[]
  /** Where it answers an order. */
  readonly answer: TakenAnswer | null
}

/** What became of an answer, as it is shown. Those rejected are `failed`, `ignored` as they were over already, or still due. */
export type TakenAnswer = {
  readonly batch: WireBatchId
  readonly status: string | null
  readonly rejected: number
  readonly failed: number
  readonly ignored: number
}

/** What became of a statement, as it is kept and shown. */
export type TakenStatement = {
  readonly statement_id: string
  readonly account: string
  readonly currency: string
  /** Once the file is settled. */
  readonly opening: BalanceCheck | null
  readonly closing: BalanceCheck | null
  /** Lines that are booked at the bank: those not seen before, and those that were. */
  readonly added: number
  readonly known: number
  /** What became of those that were added, when the file was settled. */
  readonly matched: number
  readonly suspense: number
  readonly unmatched: number
}

type Row = {
  id: BankFileId
  kind: TakenFile['kind']
  version: string
  message_id: string
  sha256: string
  uploaded_by: UserId | null
  created_at: string
  settled_at: string | null
  outcome: TakenStatement[]
  answer: TakenAnswer | null
}

const COLUMNS = `
  f.id, f.kind, f.version, f.message_id, encode(f.sha256, 'hex') as sha256, f.uploaded_by, f.created_at, f.settled_at, f.outcome,
  case when f.batch_id is not null
       then (select json_build_object('batch', f.batch_id, 'status', f.status, 'rejected', count(*),
                                      'failed', count(*) filter (where w.rejection = 'failed'),
                                      'ignored', count(*) filter (where w.rejection = 'ignored'))
               from wire_batch_payments w
              where w.book = f.book and w.batch_id = f.batch_id and w.rejected_by = f.id) end as answer`

function toTakenFile(row: Row): TakenFile {
  return {
    id: row.id,
    kind: row.kind,
    version: row.version,
    messageId: row.message_id,
    sha256: row.sha256,
    uploadedBy: row.uploaded_by,
    createdAt: row.created_at,
    settledAt: row.settled_at,
    statements: row.outcome,
    answer: row.answer,
  }
}

/** The file with those bytes, where the book took it. */
export async function findBySha256(client: Queryable, book: BookId, sha256: Buffer): Promise<TakenFile | undefined> {
  const { rows } = await client.query<Row>(`select ${COLUMNS} from bank_files f where f.book = $1 and f.sha256 = $2`, [
    book,
    sha256,
  ])
  return rows[0] && toTakenFile(rows[0])
}

/** A file that the book took. */
export async function readTakenFile(client: Queryable, book: BookId, id: BankFileId): Promise<TakenFile> {
  const { rows } = await client.query<Row>(`select ${COLUMNS} from bank_files f where f.book = $1 and f.id = $2`, [
    book,
    id,
  ])
  if (!rows[0]) throw new Error('a bank file that was taken is there')
  return toTakenFile(rows[0])
}

/** How many payments an answer rejects, as far as `such` holds for them; null where a file is no answer. */
const rejected = (such = 'true') =>
  ({
    sql: fields.amountSql(
      `(case when f.batch_id is not null
             then (select count(*) from wire_batch_payments w
                    where w.book = f.book and w.batch_id = f.batch_id and w.rejected_by = f.id and ${such}) end)`,
      '0',
    ),
    kind: fields.amount,
    nullable: true,
  }) as const

/** The files of banks that a book took. Index: the primary key. */
export const bankFiles: ListSpec<Row, TakenFile> = {
  fields: {
    id: { sql: 'f.id', kind: fields.id((text) => decodeId('bkf', text), 'an id such as bkf_…'), carried: 'id' },
    kind: { sql: 'f.kind', kind: fields.choice(FILE_KINDS) },
    version: { sql: 'f.version', kind: fields.text },
    message_id: { sql: 'f.message_id', kind: fields.text },
    sha256: { sql: `encode(f.sha256, 'hex')`, kind: fields.text },
    uploaded_by: {
      sql: 'f.uploaded_by',
      kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…'),
      nullable: true,
    },
    created_at: { sql: 'f.created_at', kind: fields.time, carried: 'created_at' },
    settled_at: { sql: 'f.settled_at', kind: fields.time, nullable: true },
    'answer.batch_id': {
      sql: 'f.batch_id',
      kind: fields.id((text) => decodeId('wbt', text), 'an id such as wbt_…'),
      nullable: true,
    },
    'answer.status': { sql: 'f.status', kind: fields.text, nullable: true },
    'answer.rejected': rejected(),
    'answer.failed': rejected(`w.rejection = 'failed'`),
    'answer.ignored': rejected(`w.rejection = 'ignored'`),
  },
  table: 'bank_files f',
  key: [{ sql: 'f.id', cast: 'uuid' }],
  show: 'join bank_files f on f.book = $1 and f.id = page.key0',
  columns: COLUMNS,
  toItem: toTakenFile,
}

export function bankFilesIn(book: BookId): Scope {
  return { where: 'f.book = $1', values: [book] }
}
