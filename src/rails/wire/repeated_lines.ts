import { createHash } from 'node:crypto'
import type { Queryable } from '../../database/connection.ts'
import type { BookId } from '../../ledger/id.ts'
import type { Statement } from './bank_file.ts'
import type { Line } from './lines.ts'

// A bank that gives no reference may say the same of two movements of one day. Where an earlier statement said it and the
// balances say that this one goes on from it, nobody can tell but an operator: the second is neither dropped nor booked.

/** The lines of statements of one account, with those that may be other movements than the ones of before told apart. */
export async function tellApart(
  client: Queryable,
  book: BookId,
  account: string,
  statements: readonly Statement[],
  written: readonly (readonly Line[])[],
): Promise<Line[][]> {
  const continuing = await readContinuing(client, book, account, statements)
  const nameless = written.flatMap((lines, index) => (continuing.has(index) ? lines.filter(isNameless) : []))
  const said = nameless.length === 0 ? new Set<string>() : await readSaid(client, book, account, nameless)
  return written.map((lines, index) => {
    const { opening, closing } = statements[index] ?? {}
    return lines.map((line) => {
      if (!continuing.has(index) || !isNameless(line) || !said.has(line.entryKey.toString('hex'))) return line
      const from = `${opening?.date} ${opening?.amount} ${closing?.amount}`
      return { ...line, entryKey: createHash('sha256').update(line.entryKey).update(from).digest(), repeated: true }
    })
  })
}

function isNameless({ servicerReference, toldKey, orders }: Line): boolean {
  return servicerReference === null && toldKey === null && orders.length === 0
}

/** Which statements begin with the balance that an earlier one ended with, and are no other form of one. */
async function readContinuing(
  client: Queryable,
  book: BookId,
  account: string,
  statements: readonly Statement[],
): Promise<ReadonlySet<number>> {
  const openings = statements.flatMap(({ opening }, index) => (opening ? [{ index, ...opening }] : []))
  const { rows } = await client.query<{ index: number }>(
    `select w.index
       from unnest($3::int[], $4::numeric[], $5::date[]) as w (index, opening, day)
      where exists (select from bank_statements s
                     where s.book = $1 and s.account = $2 and s.closing = w.opening and s.closing_date <= w.day)
        and not exists (select from bank_statements s
                         where s.book = $1 and s.account = $2 and s.opening = w.opening)`,
    [
      ...[book, account, openings.map(({ index }) => index), openings.map(({ amount }) => amount)],
      openings.map(({ date }) => date),
    ],
  )
  return new Set(rows.map(({ index }) => index))
}

/** The keys of those of which earlier statements, and not only notices, said the same. */
async function readSaid(
  client: Queryable,
  book: BookId,
  account: string,
  lines: readonly Line[],
): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ key: string }>(
    `select encode(e.entry_key, 'hex') as key
       from bank_entries e
       join bank_files f on f.book = e.book and f.id = e.file_id
      where e.book = $1 and e.account = $2 and f.kind = 'camt.053' and e.entry_key = any($3::bytea[])`,
    [book, account, lines.map(({ entryKey }) => entryKey)],
  )
  return new Set(rows.map(({ key }) => key))
}
