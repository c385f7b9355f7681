import { type Client, type Connection, createReadingPool } from '../database/connection.ts'
import type { BookId } from '../ledger/id.ts'
import { readHead } from '../seal/block.ts'
import { type Finding, type Offender, toFinding } from './finding.ts'
import { CHECKS, type Check, type Law } from './laws.ts'
import { type NotedBlock, verifySeals } from './seals.ts'

export type Report = {
  readonly findings: readonly Finding[]
  readonly books: number
  readonly accounts: bigint
  readonly payments: bigint
  readonly postings: bigint
  readonly blocks: bigint
  /** The last block of each book that has one, to be noted elsewhere. */
  readonly heads: readonly Noted[]
}

/** A block by the name of its book. */
export type Noted = NotedBlock & { readonly book: string }

/** Called before each query with how many were begun of how many, and which rule of which law comes next. */
export type OnProgress = (done: number, of: number, law: Law, rule: string) => void

/** Of each law so many offenders are named, shared among its rules; the others are counted. */
const MOST_NAMED = 20

/**
 * Checks all laws on one consistent snapshot of all books, so that it can run beside servers that post. It changes
 * nothing and holds up nobody. What was sealed is read in a second session beside the rest: each is half of the work.
 */
export async function verifyBooks(
  connection: Connection,
  onProgress: OnProgress = () => undefined,
  noted: readonly Noted[] = [],
): Promise<Report> {
  const pool = createReadingPool(connection, 2, 'billing-gateway verify')
  const clients: Client[] = []
  const session = async (snapshot?: string) => {
    const client = await pool.connect()
    clients.push(client)
    await beginSnapshot(client, snapshot)
    return client
  }
  try {
    const client = await session()
    const { rows } = await client.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot')
    const beside = await session(rows[0]?.snapshot)
    const books = await countBooks(client)
    const begin = progressOf(stepsOf(books), onProgress)
    const [offenders, { findings, ...seals }] = await Promise.all([
      findOffenders(client, books, begin),
      checkSeals(beside, books, noted, begin),
    ])
    return { findings: [...offenders, ...findings], ...seals, ...totalOf(books) }
  } finally {
    // With its connection ends whatever is still asked of it.
    for (const client of clients) client.release(true)
    await pool.end()
  }
}

async function beginSnapshot(client: Client, snapshot: string | undefined): Promise<void> {
  await client.query('set statement_timeout = 0')
  await client.query('set idle_in_transaction_session_timeout = 0')
  // A query without end goes with its client. Not every platform of a database can tell: there it runs to its end.
  await client.query(`set client_connection_check_interval = '1s'`).catch(() => undefined)
  await client.query('begin isolation level repeatable read read only')
  if (snapshot !== undefined) await client.query(`set transaction snapshot ${client.escapeLiteral(snapshot)}`)
}

type Begin = (law: Law, rule: string) => void

/** Counts what was begun, in whichever session. */
function progressOf(steps: number, onProgress: OnProgress): Begin {
  let begun = 0
  return (law, rule) => {
    onProgress(begun, steps, law, rule)
    begun += 1
  }
}

type CountedBook = {
  readonly book: BookId
  readonly name: string
  readonly accounts: bigint
  readonly payments: bigint
  readonly postings: bigint
}

/** Every book that has a row anywhere, also one that `books` does not know. */
async function countBooks(client: Client): Promise<CountedBook[]> {
  const { rows } = await client.query<CountedBook>(`
    select book, coalesce(b.name, 'number ' || book) as name,
           coalesce(a.total, 0) as accounts, coalesce(y.total, 0) as payments, coalesce(p.total, 0) as postings
      from (select book, name from books) b
      full join (select book, count(*) as total from accounts group by book) a using (book)
      full join (select book, count(*) as total from payments group by book) y using (book)
      full join (select book, count(*) as total from postings group by book) p using (book)
      full join (select distinct book from initiated) i using (book)
      full join (select distinct book from blocks union select book from seal_keys) s using (book)
     order by book`)
  return rows
}

function totalOf(books: readonly CountedBook[]): Omit<Report, 'findings' | 'blocks' | 'heads'> {
  const counted = { books: books.length, accounts: 0n, payments: 0n, postings: 0n }
  for (const { accounts, payments, postings } of books) {
    counted.accounts += accounts
    counted.payments += payments
    counted.postings += postings
  }
  return counted
}

async function findOffenders(client: Client, books: readonly CountedBook[], begin: Begin): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const check of CHECKS) {
    const { law, rule } = check
    const mostNamed = Math.floor(MOST_NAMED / CHECKS.filter((other) => other.law === law).length)
    let named = 0
    let more = 0n
    for (const place of placesOf(check, books)) {
      begin(law, place.name === null ? rule : `${place.name}: ${rule}`)
      const { offenders, total } = await readOffenders(client, check, place, mostNamed - named)
      findings.push(...offenders.map((offender) => toFinding(check, place.name, offender)))
      named += offenders.length
      more += total - BigInt(offenders.length)
    }
    if (more > 0n) findings.push({ book: null, law, text: `${rule}: and ${more} more` })
  }
  return findings
}

/** Law 6: the first findings, and how many more there are. */
async function checkSeals(client: Client, books: readonly CountedBook[], noted: readonly Noted[], begin: Begin) {
  const findings: Finding[] = noted
    .filter((block) => !books.some(({ name }) => name === block.book))
    .map(({ book, number }) => ({ book, law: 6, text: `block ${number} was noted, and there is no such book` }))
  const heads: Noted[] = []
  let more = 0
  let blocks = 0n
  for (const { book, name } of books) {
    begin(6, `${name}: every block holds what was sealed`)
    const ofBook = noted.filter((block) => block.book === name)
    blocks += await verifySeals(client, book, ofBook, (text) => {
      if (findings.length < MOST_NAMED) findings.push({ book: name, law: 6, text })
      else more += 1
    })
    const head = await readHead(client, book)
    if (head) heads.push({ book: name, number: head.number, hash: head.hash.toString('hex') })
  }
  if (more > 0) findings.push({ book: null, law: 6, text: `every block holds what was sealed: and ${more} more` })
  return { findings, blocks, heads }
}

/** Each rule at each of its places, and the blocks of each book. */
function stepsOf(books: readonly CountedBook[]): number {
  return CHECKS.reduce((total, check) => total + placesOf(check, books).length, books.length)
}

/** Where a rule is to be checked, and what its query is given for it. */
type Place = { readonly name: string | null; readonly values: readonly BookId[] }

function placesOf({ law }: Check, books: readonly CountedBook[]): readonly Place[] {
  return law === 5 ? [{ name: null, values: [] }] : books.map(({ book, name }) => ({ name, values: [book] }))
}

/** The first offenders, at most so many, and how many there are. */
async function readOffenders(client: Client, { sql }: Check, { values }: Place, most: number) {
  const { rows } = await client.query<Offender & { total: bigint }>(
    `select *, count(*) over () as total from (${sql}) offender limit ${Math.max(most, 1)}`,
    [...values],
  )
  return { offenders: rows.slice(0, most), total: rows[0]?.total ?? 0n }
}
