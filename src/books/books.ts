import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { TECHNICAL_CODES } from '../ledger/account.ts'
import type { BookId } from '../ledger/id.ts'
import type { Currency } from '../money/currency.ts'
import { StartError } from '../start_error.ts'
import { addCurrencies, readCurrencies } from './currencies.ts'

export type Book = { readonly id: BookId; readonly name: string }

/** The book that is there from the start. */
export const MAIN_BOOK = 'main'

export const BOOK_NAME = /^[a-z][a-z0-9-]{0,31}$/

/** Knows the books by name; a book never changes its name, so a known one is not asked for again. */
export function createBooks(pool: Pool) {
  const byName = new Map<string, Book>()

  async function find(name: string): Promise<Book | undefined> {
    const known = byName.get(name)
    if (known || !BOOK_NAME.test(name)) return known
    const { rows } = await pool.query<{ book: BookId }>('select book from books where name = $1', [name])
    const row = rows[0]
    if (!row) return undefined
    const book = { id: row.book, name }
    byName.set(name, book)
    return book
  }
  return { find }
}
export type Books = ReturnType<typeof createBooks>

/** The name of a book that is there. */
export async function readBookName(client: Queryable, book: BookId): Promise<string> {
  const { rows } = await client.query<{ name: string }>('select name from books where book = $1', [book])
  if (!rows[0]) throw new Error('the book of a session is there')
  return rows[0].name
}

/**
 * Makes a book with these currencies and, in each, a technical account of every code, in the caller's transaction.
 * Undefined where the name is taken.
 */
export async function makeBook(
  client: Client,
  name: string,
  currencies: readonly Currency[],
  actor: Actor,
): Promise<Book | undefined> {
  const { rows } = await client.query<{ book: BookId }>(
    `insert into books (name, created_at) values ($1, clock_timestamp())
         on conflict (name) do nothing
     returning book`,
    [name],
  )
  const id = rows[0]?.book
  if (id === undefined) return undefined
  await addCurrencies(client, id, currencies)
  const at = await readClock(client)
  const detail = { name, currencies: currencies.map(({ code }) => code) }
  await writeAudit(client, id, at, idsAt(at), [{ actor, action: 'book.create', objectId: null, detail }])
  return { id, name }
}

/**
 * Makes `main` at the first start, and gives it the currencies that were configured since. Throws StartError where the
 * configuration says of one that it has other digits than it was made with: amounts would mean something else.
 */
export async function ensureMainBook(pool: Pool, currencies: readonly Currency[], actor: Actor): Promise<void> {
  const { rows } = await pool.query<{ book: BookId }>('select book from books where name = $1', [MAIN_BOOK])
  const book = rows[0]?.book
  if (book === undefined) {
    await inTransaction(pool, (client) => makeBook(client, MAIN_BOOK, currencies, actor))
    return
  }
  const known = await readCurrencies(pool, book)
  const other = currencies.find(({ code, digits }) => (known.get(code)?.digits ?? digits) !== digits)
  if (other) {
    const { code, digits } = other
    throw new StartError(
      `${code} is to have ${digits} digits, and the book ${MAIN_BOOK} has it with ${known.get(code)?.digits}`,
    )
  }
  const missing = currencies.filter(({ code }) => !known.has(code))
  if (missing.length > 0) await inTransaction(pool, (client) => addCurrencies(client, book, missing))
}

/** Gives every book the technical accounts that came up since it was made. */
export async function ensureTechnicalAccounts(pool: Pool): Promise<void> {
  const { rows } = await pool.query<Currency & { book: BookId }>(
    `select c.book, c.code, c.digits
       from currencies c
      where (select count(*) from accounts a where a.book = c.book and a.currency = c.code and a.code is not null) < $1
      order by c.book`,
    [TECHNICAL_CODES.length],
  )
  for (const book of new Set(rows.map((row) => row.book))) {
    const lacking = rows.filter((row) => row.book === book)
    await inTransaction(pool, (client) => addCurrencies(client, book, lacking))
  }
}
