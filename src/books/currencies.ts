import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import type { Client, Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { TECHNICAL_CODES } from '../ledger/account.ts'
import type { BookId } from '../ledger/id.ts'
import type { Currency } from '../money/currency.ts'

// The currencies of a book, which it adds and closes while it runs. Whoever needs to know reads them: what one node
// changes, all nodes go by at once.

/** A currency of a book. In one that is closed nothing begins any more (docs/ledger.md, Money). */
export type BookCurrency = Currency & { readonly closed: boolean }

/** The book's currencies by code, closed ones too. */
export async function readCurrencies(client: Queryable, book: BookId): Promise<Map<string, BookCurrency>> {
  const { rows } = await client.query<BookCurrency>(
    'select code, digits, closed_at is not null as closed from currencies where book = $1',
    [book],
  )
  return new Map(rows.map((currency) => [currency.code, currency]))
}

/**
 * The codes of a book's closed currencies as a column of any statement whose `$1` is the book; null where all are open.
 * Index: currencies_closed.
 */
export const CLOSED_CURRENCIES =
  '(select array_agg(code) from currencies where book = $1 and closed_at is not null) as closed_currencies'

/** The codes of the book's closed currencies. */
export async function readClosedCurrencies(client: Queryable, book: BookId): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ closed_currencies: string[] | null }>({
    name: 'read-closed-currencies',
    text: `select ${CLOSED_CURRENCIES}`,
    values: [book],
  })
  return new Set(rows[0]?.closed_currencies)
}

/** Gives the book these currencies and, in each, a technical account of every code. Returns the codes of those it had not. */
export async function addCurrencies(client: Client, book: BookId, currencies: readonly Currency[]): Promise<string[]> {
  const at = await readClock(client)
  const newId = idsAt(at)
  const accounts = currencies.flatMap(({ code: currency }) => TECHNICAL_CODES.map((code) => ({ currency, code })))
  const { rows } = await client.query<{ code: string }>(
    `insert into currencies (book, code, digits)
     select $1, v.* from unnest($2::text[], $3::smallint[]) as v on conflict do nothing
     returning code`,
    [book, currencies.map(({ code }) => code), currencies.map(({ digits }) => digits)],
  )
  await client.query(
    `insert into accounts (book, id, code, currency, name, created_at, updated_at)
     select $1, v.id, v.code, v.currency, stored_text($1, null, v.code), $2, $2
       from unnest($3::uuid[], $4::text[], $5::text[]) as v (id, code, currency)
         on conflict do nothing`,
    [
      book,
      formatInstant(at),
      accounts.map(() => newId<'account'>()),
      accounts.map(({ code }) => code),
      accounts.map(({ currency }) => currency),
    ],
  )
  return rows.map(({ code }) => code)
}

/** A currency as it is listed. */
export type ListedCurrency = Currency & { readonly status: 'open' | 'closed'; readonly closed_at: string | null }

/** Adds a currency with its technical accounts, in the caller's transaction. Undefined where the book has it already. */
export async function addCurrency(
  client: Client,
  book: BookId,
  currency: Currency,
  actor: Actor,
): Promise<ListedCurrency | undefined> {
  const { code, digits } = currency
  // Of two who add it at once the second waits here, and then finds it.
  if (!(await addCurrencies(client, book, [currency])).includes(code)) return undefined
  const at = await readClock(client)
  await writeAudit(client, book, at, idsAt(at), [
    { actor, action: 'currency.add', objectId: null, detail: { currency: code, digits } },
  ])
  return { code, digits, status: 'open', closed_at: null }
}

/**
 * Closes a currency or opens it again, in the caller's transaction; one that is so already stays as it is. Undefined
 * where the book does not have it.
 */
export async function changeCurrency(
  client: Client,
  book: BookId,
  code: string,
  status: ListedCurrency['status'],
  actor: Actor,
  reason: string,
): Promise<ListedCurrency | undefined> {
  const { rows: before } = await client.query<ListedCurrency>(
    `select ${COLUMNS} from currencies c where c.book = $1 and c.code = $2 for no key update`,
    [book, code],
  )
  const [current] = before
  if (!current || current.status === status) return current
  const at = await readClock(client)
  const closedAt = status === 'closed' ? formatInstant(at) : null
  await client.query('update currencies set closed_at = $3 where book = $1 and code = $2', [book, code, closedAt])
  const action = status === 'closed' ? 'currency.close' : 'currency.reopen'
  await writeAudit(client, book, at, idsAt(at), [{ actor, action, objectId: null, detail: { currency: code, reason } }])
  return { ...current, status, closed_at: closedAt }
}

const STATUS = `(case when c.closed_at is null then 'open' else 'closed' end)`
const COLUMNS = `c.code, c.digits, ${STATUS} as status, c.closed_at`

/** The currencies of a book. Index: the primary key. */
export const currencies: ListSpec<ListedCurrency, ListedCurrency> = {
  fields: {
    code: { sql: 'c.code', kind: fields.currency },
    digits: { sql: fields.amountSql('c.digits', '0'), kind: fields.amount },
    status: { sql: STATUS, kind: fields.choice(['open', 'closed']) },
    closed_at: { sql: 'c.closed_at', kind: fields.time, nullable: true },
  },
  table: 'currencies c',
  key: [{ sql: 'c.code', cast: 'text' }],
  show: 'join currencies c on c.book = $1 and c.code = page.key0',
  columns: COLUMNS,
  toItem: (row) => row,
}

export function currenciesIn(book: BookId): Scope {
  return { where: 'c.book = $1', values: [book] }
}
