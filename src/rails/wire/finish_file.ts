import { inTransaction, type Pool, type Queryable } from '../../database/connection.ts'
import type { BankFileId, BookId } from '../../ledger/id.ts'
import { checkBalance, readBooksBalance } from './books_side.ts'
import type { TakenStatement } from './taken_file.ts'

type Row = {
  number: number
  account: string
  currency: string
  digits: number
  opening: bigint | null
  closing: bigint | null
  /** The day of the closing balance; null in a notice. */
  closing_date: string | null
  /** Which of the file's statements it is, from nought on. */
  place: number
  known_booked: bigint
  booked: bigint
  matched: number
  suspense: number
  unmatched: number
}

/** Once all movements and rejections of a file are booked or listed, notes what became of them, and how its balances stand to the books. */
export async function finishFile(pool: Pool, book: BookId, file: BankFileId): Promise<void> {
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ outcome: TakenStatement[] }>(
      `select f.outcome
         from bank_files f
        where f.book = $1 and f.id = $2 and f.settled_at is null
          and not exists (select from bank_entries e
                           where e.book = f.book and e.file_id = f.id and e.status = 'due')
          and not exists (select from wire_batch_payments w
                           where w.book = f.book and w.batch_id = f.batch_id and w.rejected_by = f.id
                             and w.rejection = 'due')
          for update of f`,
      [book, file],
    )
    const outcome = rows[0]?.outcome
    if (!outcome) return
    const settled = await settledOutcome(client, book, file, outcome)
    await client.query(
      'update bank_files set outcome = $3, settled_at = clock_timestamp() where book = $1 and id = $2',
      [...[book, file, JSON.stringify(settled)]],
    )
  })
}

/**
 * The closing balance of an account's last statement, in the order of time, is held against the books of now. From there
 * each movement that is in the books is taken back, so that every opening and closing balance meets the books as they were
 * at that place.
 */
async function settledOutcome(
  client: Queryable,
  book: BookId,
  file: BankFileId,
  outcome: readonly TakenStatement[],
): Promise<TakenStatement[]> {
  const { rows } = await client.query<Row>(
    `select s.number, s.account, s.currency, c.digits, s.opening, s.closing, s.closing_date::text, s.known_booked,
            (row_number() over (order by s.number))::int - 1 as place,
            coalesce(sum(case e.direction when 'in' then e.amount else -e.amount end)
                       filter (where e.status in ('matched', 'suspense')), 0) as booked,
            count(*) filter (where e.status = 'matched')::int as matched,
            count(*) filter (where e.status = 'suspense')::int as suspense,
            count(*) filter (where e.status = 'unmatched')::int as unmatched
       from bank_statements s
       join currencies c on c.book = s.book and c.code = s.currency
       left join bank_entries e on e.book = s.book and e.file_id = s.file_id and e.statement = s.number
      where s.book = $1 and s.file_id = $2
      group by s.book, s.file_id, s.number, c.digits
      order by s.closing_date nulls first, s.number`,
    [book, file],
  )
  const balances = new Map<string, bigint>()
  const settled: TakenStatement[] = []
  for (const row of inOrderOfTime(rows).reverse()) {
    // The outcome is in the order of the statements.
    const said = outcome[row.place]
    if (!said) throw new Error('a file has an outcome for each statement that it took')
    const currency = { code: row.currency, digits: row.digits }
    const after = balances.get(row.account) ?? (await readBooksBalance(client, book, row.currency))
    const before = after - row.known_booked - row.booked
    balances.set(row.account, before)
    settled[row.place] = {
      ...said,
      opening: row.opening === null ? null : checkBalance(currency, row.opening, before),
      closing: row.closing === null ? null : checkBalance(currency, row.closing, after),
      matched: row.matched,
      suspense: row.suspense,
      unmatched: row.unmatched,
    }
  }
  return settled
}

/** These are by the day; of one day as they go on from one another, which the file may tell newest first. */
function inOrderOfTime(rows: readonly Row[]): Row[] {
  const ofOne = Map.groupBy(rows, ({ account, closing_date: day }) => JSON.stringify([day, account]))
  return [...ofOne.values()].flatMap((day) => {
    const isBackwards = (row: Row, index: number) => index === 0 || day[index - 1]?.opening === row.closing
    const goesOn = (row: Row, index: number) => index === 0 || day[index - 1]?.closing === row.opening
    return day.every(isBackwards) && !day.every(goesOn) ? day.toReversed() : day
  })
}
