import type { ListSpec, Scope } from '../../database/list.ts'
import * as fields from '../../database/list_fields.ts'
import type { BankEntryId, BankFileId, BookId, PaymentId, SuspenseId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import type { Currency } from '../../money/currency.ts'
import type { Direction } from './bank_file.ts'
import type { MatchedBy } from './matching.ts'

export const ENTRY_STATUSES = ['due', 'unmatched', 'matched', 'ignored', 'suspense'] as const

/** A movement at the bank, and what it is in the books. */
export type BankEntry = {
  readonly id: BankEntryId
  readonly fileId: BankFileId
  readonly account: string
  readonly currency: Currency
  readonly direction: Direction
  readonly amount: bigint
  readonly reversal: boolean
  readonly returnReason: string | null
  readonly bookingDate: string | null
  readonly valueDate: string | null
  readonly endToEndId: string | null
  readonly servicerReference: string | null
  readonly counterpartyName: string | null
  readonly counterpartyAccount: string | null
  readonly remittance: string | null
  readonly status: (typeof ENTRY_STATUSES)[number]
  readonly paymentId: PaymentId | null
  readonly matchedBy: MatchedBy | 'operator' | null
  readonly suspenseId: SuspenseId | null
  readonly suggestions: readonly ShownSuggestion[]
  readonly createdAt: string
}

/** As it is kept and shown. */
export type ShownSuggestion = {
  readonly payment_id: string
  readonly reference: boolean
  readonly amount: boolean
  readonly days: number | null
}

type Row = {
  id: BankEntryId
  file_id: BankFileId
  account: string
  currency: string
  digits: number
  direction: Direction
  amount: bigint
  reversal: boolean
  return_reason: string | null
  booking_date: string | null
  value_date: string | null
  end_to_end_id: string | null
  servicer_reference: string | null
  counterparty_name: string | null
  counterparty_account: string | null
  remittance: string | null
  status: BankEntry['status']
  payment_id: PaymentId | null
  matched_by: BankEntry['matchedBy']
  suspense_id: SuspenseId | null
  suggestions: ShownSuggestion[]
  created_at: string
}

const text = (column: string) => ({ sql: `e.${column}`, kind: fields.text, nullable: true }) as const

/** What banks moved, to reconcile. Index: the primary key; by status bank_entries_by_status. */
export const bankEntries: ListSpec<Row, BankEntry> = {
  fields: {
    id: { sql: 'e.id', kind: fields.id((value) => decodeId('bke', value), 'an id such as bke_…'), carried: 'id' },
    file_id: { sql: 'e.file_id', kind: fields.id((value) => decodeId('bkf', value), 'an id such as bkf_…') },
    account: { sql: 'e.account', kind: fields.text },
    currency: { sql: 'e.currency', kind: fields.currency },
    direction: { sql: 'e.direction', kind: fields.choice(['in', 'out']) },
    amount: { sql: fields.amountSql('e.amount', 'c.digits'), kind: fields.amount },
    reversal: { sql: 'e.reversal::text', kind: fields.choice(['true', 'false']) },
    return_reason: text('return_reason'),
    booking_date: { sql: `to_char(e.booking_date, 'YYYY-MM-DD')`, kind: fields.text, nullable: true },
    value_date: { sql: `to_char(e.value_date, 'YYYY-MM-DD')`, kind: fields.text, nullable: true },
    end_to_end_id: text('end_to_end_id'),
    servicer_reference: text('servicer_reference'),
    counterparty_name: text('counterparty_name'),
    counterparty_account: text('counterparty_account'),
    remittance: text('remittance'),
    status: { sql: 'e.status', kind: fields.choice(ENTRY_STATUSES) },
    payment_id: {
      sql: 'e.payment_id',
      kind: fields.id((value) => decodeId('pay', value), 'an id such as pay_…'),
      nullable: true,
    },
    suspense_id: {
      sql: 'e.suspense_id',
      kind: fields.id((value) => decodeId('sus', value), 'an id such as sus_…'),
      nullable: true,
    },
    matched_by: { ...text('matched_by'), kind: fields.choice(['reference', 'amount', 'operator']) },
    created_at: { sql: 'e.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'bank_entries e',
  joins: 'left join currencies c on c.book = e.book and c.code = e.currency',
  indexed: { inOrder: ['status'] },
  key: [{ sql: 'e.id', cast: 'uuid' }],
  show: `join bank_entries e on e.book = $1 and e.id = page.key0
         join currencies c on c.book = e.book and c.code = e.currency`,
  columns: `e.id, e.file_id, e.account, e.currency, c.digits, e.direction, e.amount, e.reversal,
            e.return_reason,
            to_char(e.booking_date, 'YYYY-MM-DD') as booking_date, to_char(e.value_date, 'YYYY-MM-DD') as value_date,
            e.end_to_end_id, e.servicer_reference, e.counterparty_name, e.counterparty_account, e.remittance, e.status,
            e.payment_id, e.matched_by, e.suspense_id, e.suggestions, e.created_at`,
  toItem: (row) => ({
    id: row.id,
    fileId: row.file_id,
    account: row.account,
    currency: { code: row.currency, digits: row.digits },
    direction: row.direction,
    amount: row.amount,
    reversal: row.reversal,
    returnReason: row.return_reason,
    bookingDate: row.booking_date,
    valueDate: row.value_date,
    endToEndId: row.end_to_end_id,
    servicerReference: row.servicer_reference,
    counterpartyName: row.counterparty_name,
    counterpartyAccount: row.counterparty_account,
    remittance: row.remittance,
    status: row.status,
    paymentId: row.payment_id,
    matchedBy: row.matched_by,
    suspenseId: row.suspense_id,
    suggestions: row.suggestions,
    createdAt: row.created_at,
  }),
}

export function bankEntriesIn(book: BookId): Scope {
  return { where: 'e.book = $1', values: [book] }
}
