import type { Client } from '../../database/connection.ts'
import type { BankEntryId, BookId, UserId } from '../../ledger/id.ts'
import type { Direction } from './bank_file.ts'

/** A movement at the bank that is to be booked, its row locked. Amounts in minor units. */
export type DueEntry = {
  readonly id: BankEntryId
  readonly currency: string
  readonly digits: number
  readonly direction: Direction
  readonly amount: bigint
  readonly reversal: boolean
  readonly return_reason: string | null
  readonly end_to_end_id: string | null
  readonly remittance: string | null
  readonly suggested: boolean
  readonly status: string
  readonly uploaded_by: UserId | null
}

const SELECT = `
  select e.id, e.currency, c.digits, e.direction, e.amount, e.reversal, e.return_reason, e.end_to_end_id, e.remittance,
         e.suggestions <> '[]' as suggested, e.status, f.uploaded_by
    from bank_entries e
    join bank_files f on f.book = e.book and f.id = e.file_id
    join currencies c on c.book = e.book and c.code = e.currency`

/** In their order, one after the other: what came back is booked after what it came back from. Index: bank_entries_by_status. */
export async function lockFirstDue(client: Client, book: BookId): Promise<DueEntry | undefined> {
  const { rows } = await client.query<DueEntry>(
    `${SELECT} where e.book = $1 and e.status = 'due' order by e.id limit 1 for update of e`,
    [book],
  )
  return rows[0]
}

/** A movement of the book, locked. */
export async function lockEntry(client: Client, book: BookId, id: BankEntryId): Promise<DueEntry | undefined> {
  const { rows } = await client.query<DueEntry>(`${SELECT} where e.book = $1 and e.id = $2 for update of e`, [book, id])
  return rows[0]
}
