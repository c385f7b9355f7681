import { createHash } from 'node:crypto'
import { type Actor, writeAudit } from '../../audit/audit.ts'
import { readBookName } from '../../books/books.ts'
import { readCurrencies } from '../../books/currencies.ts'
import { idsAt, readClock } from '../../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../../database/connection.ts'
import { takeTurn } from '../../database/turn.ts'
import type { BankFileId, BookId, Instant } from '../../ledger/id.ts'
import { encodeId } from '../../ledger/typeid.ts'
import type { Currency } from '../../money/currency.ts'
import type { BankFile, Statement } from './bank_file.ts'
import { readExpected } from './books_side.ts'
import { divideOrders } from './divide_orders.ts'
import type { FileReader } from './file_reader.ts'
import { recognize } from './known_lines.ts'
import { comesBack, type Line, linesOf } from './lines.ts'
import { matchEntries, paymentsNamed } from './matching.ts'
import { type OwnAccount, ownAccountOf } from './own_accounts.ts'
import { findDoubtful, tellApart } from './repeated_lines.ts'
import { takeAnswer } from './take_answer.ts'
import { findBySha256, readTakenFile, type TakenStatement, type Upload } from './taken_file.ts'
import {
  type KnownStatement,
  type LineToWrite,
  type OwnedStatement,
  writeFile,
  writeLines,
  writeStatements,
} from './write.ts'

type Options = { readonly pool: Pool; readonly reader: FileReader; readonly accounts: readonly OwnAccount[] }

/**
 * Takes a statement, a notice or an answer of a bank into the book: all of it, once. The same file again, or another form of
 * the same, changes nothing and gives what the first came to. What it tells is booked afterwards (settle.ts). Audited.
 */
export async function takeBankFile(
  { pool, reader, accounts }: Options,
  book: BookId,
  bytes: Buffer,
  actor: Actor,
): Promise<Upload> {
  const sha256 = createHash('sha256').update(bytes).digest()
  const before = await findBySha256(pool, book, sha256)
  if (before) return { ok: true, file: before, known: true }
  const parsed = await reader(bytes)
  if (!parsed.ok) return parsed
  const { file } = parsed
  if (file.kind === 'pain.002') {
    return inTurn(pool, book, sha256, (client) => takeAnswer(client, book, sha256, file, actor))
  }
  const currencies = await readCurrencies(pool, book)
  const name = await readBookName(pool, book)
  const owned: OwnedStatement[] = []
  for (const [number, statement] of file.statements.entries()) {
    const { id, account, currency } = statement
    const own = ownAccountOf(accounts, name, account)
    if (!own) return { ok: false, problem: `has a statement ${id} of an account that is none of the book's own` }
    if (own.currency !== currency.code || !currencies.has(currency.code)) {
      return { ok: false, problem: `has a statement ${id} in ${currency.code} of an account in ${own.currency}` }
    }
    owned.push({ number, iban: own.iban, statement, content: contentOf(own.iban, statement) })
  }
  return inTurn(pool, book, sha256, (client) => take(client, book, { sha256, ...file, statements: owned }, actor))
}

/** One file at a time: what is known depends on the ones before. */
function inTurn(pool: Pool, book: BookId, sha256: Buffer, work: (client: Client) => Promise<Upload>): Promise<Upload> {
  return inTransaction(pool, async (client) => {
    await takeTurn(client, `bank files ${book}`)
    const same = await findBySha256(client, book, sha256)
    return same ? { ok: true, file: same, known: true } : work(client)
  })
}

type FoundLines = {
  readonly number: number
  readonly iban: string
  readonly currency: Currency
  /** With those that an earlier statement of the file has told of. */
  readonly all: number
  readonly added: readonly Line[]
  /** What of the others is in the books, or is about to be. */
  readonly knownBooked: bigint
}
type OwnedFile = Omit<BankFile, 'statements'> & {
  readonly sha256: Buffer
  readonly statements: readonly OwnedStatement[]
}

async function take(client: Client, book: BookId, file: OwnedFile, actor: Actor): Promise<Upload> {
  const earlier = await findEarlier(client, book, file)
  if (!earlier.ok) return earlier
  const fresh = file.statements.filter(({ number }) => !earlier.files.has(number))
  const [first] = earlier.files.values()
  if (fresh.length === 0 && first !== undefined)
    return { ok: true, file: await readTakenFile(client, book, first), known: true }

  const at = await readClock(client)
  const newId = idsAt(at)
  const id = newId<'bank_file'>()
  const { kind, version, messageId } = file
  const lines = await freshLines(client, book, kind, fresh)
  const outcome = fresh.map((owned) => outcomeOf(owned, lines))
  const taken = { id, kind, version, messageId, sha256: file.sha256.toString('hex'), uploadedBy: actor.userId }
  await writeFile(client, book, at, taken, outcome, null)
  const known: KnownStatement[] = fresh.map((owned) => ({
    ...owned,
    knownBooked: foundOf(owned, lines)?.knownBooked ?? 0n,
  }))
  await writeStatements(client, book, id, kind, messageId, known)
  const planned = await withSuggestions(client, book, at, lines)
  // What came back is booked after what it came back from.
  const inOrder = [...planned.filter(({ line }) => !comesBack(line)), ...planned.filter(({ line }) => comesBack(line))]
  await writeLines(client, book, at, newId, id, inOrder)
  const detail = { file: encodeId('bkf', id), kind, message_id: messageId, sha256: taken.sha256, statements: outcome }
  await writeAudit(client, book, at, newId, [{ actor, action: 'bank_file.take', objectId: id, detail }])
  return { ok: true, known: false, file: await readTakenFile(client, book, id) }
}

type Earlier =
  | { readonly ok: true; readonly files: ReadonlyMap<number, BankFileId> }
  | { readonly ok: false; readonly problem: string }

/** Which statements were taken before, and in which files. Not ok where one of them said something else then. */
async function findEarlier(client: Client, book: BookId, { kind, messageId, statements }: OwnedFile): Promise<Earlier> {
  const { rows } = await client.query<{ number: number; file_id: BankFileId; same: boolean }>(
    `select wanted.number, s.file_id, s.content = wanted.content as same
       from unnest($4::int[], $5::text[], $6::text[], $7::bytea[]) as wanted (number, account, statement_id, content)
       join bank_statements s on s.book = $1 and s.kind = $2 and s.message_id = $3
                             and s.account = wanted.account and s.statement_id = wanted.statement_id`,
    [
      ...[book, kind, messageId, statements.map(({ number }) => number), statements.map(({ iban }) => iban)],
      ...[statements.map(({ statement }) => statement.id), statements.map(({ content }) => content)],
    ],
  )
  const other = rows.find(({ same }) => !same)
  if (other)
    return { ok: false, problem: `has a statement of the message ${messageId} that said something else before` }
  return { ok: true, files: new Map(rows.map(({ number, file_id }) => [number, file_id])) }
}

/** The lines of each statement, and of these the ones that no file had before. */
async function freshLines(
  client: Client,
  book: BookId,
  kind: BankFile['kind'],
  statements: readonly OwnedStatement[],
): Promise<FoundLines[]> {
  const found: FoundLines[] = []
  for (const [iban, owned] of Map.groupBy(statements, (each) => each.iban)) {
    const told = owned.map(({ statement }) => statement)
    const read = linesOf(told)
    const own = read.map(({ lines }) => lines)
    const written = await tellApart(client, book, kind, iban, told, own)
    const lines = await divideOrders(client, book, kind, iban, written)
    const known = await recognize(client, book, kind, iban, lines.flat())
    const unknown = lines.flat().filter((line) => !known.has(line))
    const doubtful = await findDoubtful(client, book, kind, iban, unknown)
    for (const [index, { number, statement }] of owned.entries()) {
      const all = lines[index] ?? []
      const added = all.filter((line) => !known.has(line))
      const toWrite = added.map((line) => (doubtful.has(line) ? { ...line, repeated: true } : line))
      const booked = new Map(all.flatMap((line) => known.get(line) ?? []).map((row) => [row.id, row.booked]))
      const knownBooked = [...booked.values()].reduce((sum, each) => sum + each, 0n)
      const again = read[index]?.again ?? 0
      found.push({ number, iban, currency: statement.currency, all: all.length + again, added: toWrite, knownBooked })
    }
  }
  return found
}

function foundOf({ number }: OwnedStatement, lines: readonly FoundLines[]): FoundLines | undefined {
  return lines.find((each) => each.number === number)
}

/** What became of a statement until now: its balances are held against the books once it is settled. */
function outcomeOf(owned: OwnedStatement, lines: readonly FoundLines[]): TakenStatement {
  const found = foundOf(owned, lines)
  const added = found?.added.length ?? 0
  return {
    statement_id: owned.statement.id,
    account: owned.iban,
    currency: owned.statement.currency.code,
    opening: null,
    closing: null,
    added,
    known: (found?.all ?? 0) - added,
    matched: 0,
    suspense: 0,
    unmatched: 0,
  }
}

/** Lines with what they may be. Those that name a payment, or that nothing speaks for, are due to be booked. */
async function withSuggestions(
  client: Client,
  book: BookId,
  at: Instant,
  found: readonly FoundLines[],
): Promise<LineToWrite[]> {
  const lines = found.flatMap(({ number, iban, currency, added }) =>
    added.map((line) => ({ number, iban, currency: currency.code, line })),
  )
  const expected = await readExpected(client, book, at, [...new Set(lines.map(({ currency }) => currency))])
  const { matches, suggestions } = matchEntries(
    lines.map(({ currency, line }, index) => ({
      key: String(index),
      currency,
      date: line.bookingDate ?? line.valueDate,
      texts: [line.endToEndId ?? '', line.remittance ?? ''],
      direction: line.direction,
      amount: line.amount,
      reversal: line.reversal,
    })),
    expected,
  )
  return lines.map((each, index) => {
    const match = matches.get(String(index))
    const only = match && {
      payment: match.payment,
      reference: match.by === 'reference',
      amount: true,
      days: match.days,
    }
    const may = only ? [only] : (suggestions.get(String(index)) ?? [])
    const named = paymentsNamed([each.line.endToEndId ?? '', each.line.remittance ?? '']).size
    const { orders, repeated, undivided } = each.line
    // Where nothing moved there is nothing to say of it.
    const isDue =
      each.line.amount === 0n || (!repeated && !undivided && orders.length === 0 && (named === 1 || may.length === 0))
    return { ...each, suggestions: may, status: isDue ? 'due' : 'unmatched' }
  })
}

/** A digest of what a statement says, in whatever form it says it. */
function contentOf(iban: string, { id, currency, opening, closing, entries }: Statement): Buffer {
  const text = JSON.stringify([iban, id, currency.code, opening, closing, entries], (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  return createHash('sha256').update(text).digest()
}
