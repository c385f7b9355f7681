import type { Pool, Queryable } from '../database/connection.ts'
import { shownName } from '../database/personal_fields.ts'
import type { TechnicalCode } from '../ledger/account.ts'
import type { AccountId, BookId, UserId } from '../ledger/id.ts'
import type { Currency } from '../money/currency.ts'

/** What never changes about an account, and what the other side of a payment may know of its holder now. */
export type AccountFacts = {
  readonly id: AccountId
  readonly book: BookId
  /** The owner; null for a technical account. */
  readonly userId: UserId | null
  readonly code: TechnicalCode | null
  readonly currency: Currency
  /** The owner's display name or e-mail, or the technical account's code. */
  readonly label: string
}

/**
 * Looks accounts up by id without asking the database twice: facts are kept until their user changes. Who looks within a
 * transaction does so by its client: as many as there are connections could else wait for another one, each with its own.
 */
export type Directory = ReturnType<typeof createDirectory>

type Row = {
  id: AccountId
  user_id: UserId | null
  code: TechnicalCode | null
  currency: string
  digits: number
  label: string
}

const FACTS = `a.id, a.user_id, a.code, a.currency, c.digits, coalesce(${shownName('u')}, a.code) as label`
const FACTS_JOINS = `
    join currencies c on c.book = a.book and c.code = a.currency
    left join users u on u.book = a.book and u.id = a.user_id`

const MOST_KEPT = 100_000

export function createDirectory(pool: Pool) {
  const kept = createKept()

  /** The facts of those of the ids that are accounts of the book. */
  async function load(book: BookId, ids: Iterable<AccountId>, client: Queryable = pool) {
    const found = new Map<AccountId, AccountFacts>()
    const missing: AccountId[] = []
    for (const id of ids) {
      const facts = kept.get(book, id)
      if (facts) found.set(id, facts)
      else missing.push(id)
    }
    if (missing.length === 0) return found
    const before = kept.forgotten()
    const { rows } = await client.query<Row>({
      name: 'account-facts',
      text: `
        select ${FACTS}
          from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
          join accounts a on a.book = wanted.book and a.id = wanted.id ${FACTS_JOINS}`,
      values: [book, missing],
    })
    for (const row of rows) {
      const facts = toFacts(book, row)
      // What was read while a user was forgotten may be older than the reason: use it once.
      if (kept.forgotten() === before) kept.keep(facts)
      found.set(row.id, facts)
    }
    return found
  }

  const wanted = new Map<
    BookId,
    { readonly ids: Set<AccountId>; readonly found: Promise<Map<AccountId, AccountFacts>> }
  >()

  /** Asks for all accounts that are looked for in one turn of the event loop with one query. */
  function loadTogether(book: BookId, id: AccountId): Promise<Map<AccountId, AccountFacts>> {
    const group = wanted.get(book)
    if (group) {
      group.ids.add(id)
      return group.found
    }
    const ids = new Set([id])
    const found = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      wanted.delete(book)
      return load(book, ids)
    })
    wanted.set(book, { ids, found })
    return found
  }

  /** One account of the book, at once where it is known. */
  function find(book: BookId, id: AccountId, client?: Queryable): AccountFacts | Promise<AccountFacts | undefined> {
    const known = kept.get(book, id)
    if (known) return known
    const loaded = client ? load(book, [id], client) : loadTogether(book, id)
    return loaded.then((found) => found.get(id))
  }

  // By book, currency and code: to put a key together of them costs more than to look it up.
  const technical = new Map<BookId, Map<string, Map<TechnicalCode, AccountFacts>>>()

  /** The book's technical account of that code and currency; undefined where the book has no such currency. */
  async function findTechnical(
    book: BookId,
    code: TechnicalCode,
    currency: string,
    client: Queryable = pool,
  ): Promise<AccountFacts | undefined> {
    const known = technical.get(book)?.get(currency)?.get(code)
    if (known) return known
    const { rows } = await client.query<Row>(
      `select ${FACTS}
         from accounts a ${FACTS_JOINS}
        where a.book = $1 and a.code = $2 and a.currency = $3`,
      [book, code, currency],
    )
    const row = rows[0]
    if (!row) return undefined
    const facts = toFacts(book, row)
    const ofBook = technical.get(book) ?? new Map<string, Map<TechnicalCode, AccountFacts>>()
    const ofCurrency = ofBook.get(currency) ?? new Map<TechnicalCode, AccountFacts>()
    technical.set(book, ofBook.set(currency, ofCurrency.set(code, facts)))
    return facts
  }

  /** The same, of a currency that the book must have: its lack is a fault. */
  async function technicalAccount(
    book: BookId,
    code: TechnicalCode,
    currency: string,
    client?: Queryable,
  ): Promise<AccountFacts> {
    const account = await findTechnical(book, code, currency, client)
    if (!account) throw new Error(`book ${book} has no account ${code} in ${currency}`)
    return account
  }

  return { load, find, findTechnical, technicalAccount, forgetUser: kept.forgetUser, forgetAll: kept.forgetAll }
}

/** What the accounts of a user have in common, and which of them are kept. */
type Owner = { readonly userId: UserId; readonly label: string; readonly accounts: AccountId[] }
type OfBook = { readonly facts: Map<AccountId, AccountFacts>; readonly owners: Map<UserId, Owner> }

/** Facts by account, at most so many; and by user what is kept of them all once, which is a quarter of it. */
function createKept() {
  // A Map keeps the order of insertion: the first entries are the ones that were not asked for in the longest time.
  const books = new Map<BookId, OfBook>()
  let size = 0
  let forgotten = 0

  function ofBook(book: BookId): OfBook {
    const known = books.get(book) ?? { facts: new Map(), owners: new Map() }
    books.set(book, known)
    return known
  }

  function keep(kept: AccountFacts): void {
    const { facts, owners } = ofBook(kept.book)
    const { id, book, code, currency } = kept
    const owner = kept.userId === null ? undefined : ownerOf(owners, kept.userId, kept.label)
    if (!facts.delete(id)) {
      size += 1
      owner?.accounts.push(id)
    }
    facts.set(id, owner ? { id, book, userId: owner.userId, code, currency, label: owner.label } : kept)
    if (size > MOST_KEPT) for (const oldest of largest().values()) return void drop(oldest)
  }

  /** Of the book that has most, so that a large one leaves room for the accounts of all others. */
  function largest(): Map<AccountId, AccountFacts> {
    return [...books.values()].reduce((most, each) => (each.facts.size > most.facts.size ? each : most)).facts
  }

  function drop({ id, book, userId, label }: AccountFacts): void {
    const { facts, owners } = ofBook(book)
    if (facts.delete(id)) size -= 1
    if (userId === null) return
    const left = (owners.get(userId)?.accounts ?? []).filter((other) => other !== id)
    if (left.length > 0) owners.set(userId, { userId, label, accounts: left })
    else owners.delete(userId)
  }

  /** Lets go of what is kept of a user’s accounts, as the name or address may be another. */
  function forgetUser(book: BookId, userId: UserId): void {
    forgotten += 1
    const { facts, owners } = ofBook(book)
    for (const id of owners.get(userId)?.accounts ?? []) if (facts.delete(id)) size -= 1
    owners.delete(userId)
  }

  function forgetAll(): void {
    forgotten += 1
    books.clear()
    size = 0
  }

  const get = (book: BookId, id: AccountId) => books.get(book)?.facts.get(id)
  return { get, keep, forgetUser, forgetAll, forgotten: () => forgotten }
}

function ownerOf(owners: Map<UserId, Owner>, userId: UserId, label: string): Owner {
  const known = owners.get(userId)
  if (known?.label === label) return known
  const owner = { userId, label, accounts: known?.accounts ?? [] }
  owners.set(userId, owner)
  return owner
}

/** One object for each currency, however many accounts have it. */
const currencies = new Map<string, Currency>()

function currencyOf(code: string, digits: number): Currency {
  const known = currencies.get(code)
  if (known?.digits === digits) return known
  const currency = { code, digits }
  currencies.set(code, currency)
  return currency
}

function toFacts(book: BookId, row: Row): AccountFacts {
  const { id, user_id: userId, code, currency, digits, label } = row
  return { id, book, userId, code, currency: currencyOf(currency, digits), label }
}
