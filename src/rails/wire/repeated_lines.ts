import { createHash } from 'node:crypto'
import type { Queryable } from '../../database/connection.ts'
import type { BookId } from '../../ledger/id.ts'
import type { BankFile, Statement } from './bank_file.ts'
import { hasReference } from './known_lines.ts'
import { entryKeyOf, type Line } from './lines.ts'

// A bank that gives no reference of its own may say the same of two movements of one day. Where an earlier statement said
// it and the balances say that this one is beside it, or an earlier notice said it and it names nothing at all, nobody can
// tell but an operator: the second is neither dropped nor booked.

/** The lines of statements of one account, with those that may be other movements than the ones of before told apart. */
export async function tellApart(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  statements: readonly Statement[],
  written: readonly (readonly Line[])[],
): Promise<Line[][]> {
  const isNotice = kind === 'camt.054'
  const adjoining = await readAdjoining(client, book, account, statements)
  const inQuestion = written.flatMap((lines, index) => {
    if (isNotice) return lines.filter(isNameless)
    return adjoining.has(index) ? lines.filter(isUnnumbered) : []
  })
  const before = await readBefore(client, book, account, inQuestion.map(keyOf))
  const isRepeated = (line: Line) => {
    const found = before.get(hex(line.entryKey))
    return isNotice ? found?.noticed : found?.stated
  }
  const repeated = new Set(inQuestion.filter(isRepeated))
  if (repeated.size === 0) return written.map((lines) => [...lines])
  const places = await readPlaces(client, book, account, written.flat(), [...repeated])
  const wanted = (found: Before | undefined) => (isNotice ? found === undefined : found?.stated === false)
  return written.map((lines, index) => {
    const { opening, closing } = statements[index] ?? {}
    return lines.map((line) => {
      if (!repeated.has(line)) return line
      const next = places.next(line, wanted)
      if (next) return { ...line, entryKey: next, repeated: isNotice }
      const from = `${opening?.date} ${opening?.amount} ${closing?.amount}`
      const entryKey = createHash('sha256').update(line.entryKey).update(from).digest()
      return { ...line, entryKey, repeated: true }
    })
  })
}

function isUnnumbered(line: Line): boolean {
  return !hasReference(line) && line.orders.length === 0
}

function isNameless(line: Line): boolean {
  return isUnnumbered(line) && line.told === null
}

/**
 * Which statements begin with the balance that another one ended with, or end with the one that it began with, and are no
 * other form of one: nothing else begins, or ends, where they do, but one in which nothing moved.
 */
async function readAdjoining(
  client: Queryable,
  book: BookId,
  account: string,
  statements: readonly Statement[],
): Promise<ReadonlySet<number>> {
  const ends = statements.flatMap(({ opening, closing }, index) =>
    opening && closing ? [{ index, opening, closing }] : [],
  )
  if (ends.length === 0) return new Set()
  const { rows } = await client.query<{ index: number }>(
    `with wanted as (
       select v.* from unnest($3::int[], $4::numeric[], $5::date[], $6::numeric[], $7::date[])
                    as v (index, opening, opening_date, closing, closing_date)
     ), other as (
       select s.opening, s.closing, s.closing_date
         from bank_statements s
        where s.book = $1 and s.account = $2 and s.kind = 'camt.053'
     )
     select w.index
       from wanted w
      where not exists (select from other o
                         where o.opening = w.opening and (o.closing <> o.opening or o.closing = w.closing))
        and (   exists (select from other o where o.closing = w.opening and o.closing_date <= w.opening_date)
             or (    exists (select from other o where o.opening = w.closing and o.closing_date >= w.closing_date)
                 and not exists (select from other o where o.closing = w.closing and o.closing <> o.opening)))`,
    [
      ...[book, account, ends.map(({ index }) => index)],
      ...[ends.map(({ opening }) => opening.amount), ends.map(({ opening }) => opening.date)],
      ...[ends.map(({ closing }) => closing.amount), ends.map(({ closing }) => closing.date)],
    ],
  )
  return new Set(rows.map(({ index }) => index))
}

/** Whether notices, and whether statements, told of an entry before. */
type Before = { readonly noticed: boolean; readonly stated: boolean }

/**
 * Which of the lines that are no known ones an earlier file may have told of all the same: in the same words where only they
 * have the bank's reference, or in a file of their kind by the references of their payments where only that had one.
 */
export async function findDoubtful(
  client: Queryable,
  book: BookId,
  kind: BankFile['kind'],
  account: string,
  added: readonly Line[],
): Promise<ReadonlySet<Line>> {
  if (added.length === 0) return new Set()
  const [numbered, others] = [added.filter(hasReference), added.filter((line) => !hasReference(line))]
  const counts = new Map<string, number>()
  for (const [line] of Map.groupBy(numbered, ({ entryKey }) => hex(entryKey)).values())
    if (line) counts.set(line.words, (counts.get(line.words) ?? 0) + 1)
  const wordKeys = new Map([...counts].map(([words, count]) => [words, keysBehind(words, 0, count + 1)]))
  const toldKeys = new Map(others.flatMap(({ told }) => (told === null ? [] : [[told, entryKeyOf(told, 0)]])))
  // What a file of the other kind told of by another reference of the bank is another movement.
  // Indexes: the one of the entry's key, bank_entries_by_other_key, bank_entries_told.
  const { rows } = await client.query<{ key: string }>(
    `select encode(e.entry_key, 'hex') as key
       from bank_entries e
      where e.book = $1 and e.account = $2 and e.entry_key = any($4::bytea[])
        and (e.other_key is null or e.other_key = any($4::bytea[]))
      union
     select encode(e.other_key, 'hex')
       from bank_entries e
      where e.book = $1 and e.account = $2 and e.other_key = any($4::bytea[]) and e.servicer_reference is null
      union
     select encode(e.told_key, 'hex')
       from bank_entries e
       join bank_files f on f.book = e.book and f.id = e.file_id
      where e.book = $1 and e.account = $2 and e.told_key = any($5::bytea[]) and f.kind = $3
        and e.servicer_reference is not null`,
    [book, account, kind, [...wordKeys.values()].flat(), [...toldKeys.values()]],
  )
  const found = new Set(rows.map(({ key }) => key))
  const isFound = (key: Buffer | undefined) => key !== undefined && found.has(hex(key))
  return new Set([
    ...numbered.filter(({ words }) => wordKeys.get(words)?.some(isFound)),
    ...others.filter(({ told }) => told !== null && isFound(toldKeys.get(told))),
  ])
}

/** The places behind those that a file takes with what says the same. */
type Places = {
  /** The key of the first one that is as wanted; each is given to one entry. */
  readonly next: (line: Line, wanted: (before: Before | undefined) => boolean) => Buffer | undefined
}

const ROOM = 8

/** Reads as many places that as many are free as the file may need. */
async function readPlaces(
  client: Queryable,
  book: BookId,
  account: string,
  all: readonly Line[],
  repeated: readonly Line[],
): Promise<Places> {
  const counts = new Map(repeated.map(({ said }) => [said, 0]))
  for (const { said, place } of all) if ((counts.get(said) ?? place) <= place) counts.set(said, place + 1)
  for (let room = ROOM; ; room *= 2) {
    const keys = new Map([...counts].map(([said, count]) => [said, keysBehind(said, count, count + room)]))
    const before = await readBefore(client, book, account, [...keys.values()].flat())
    const freeOf = (said: string) => (keys.get(said) ?? []).filter((key) => !before.has(hex(key)))
    if ([...counts].every(([said, count]) => freeOf(said).length >= count)) return placesOf(keys, before)
  }
}

function keysBehind(said: string, from: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => entryKeyOf(said, from + index))
}

function placesOf(keys: ReadonlyMap<string, readonly Buffer[]>, before: ReadonlyMap<string, Before>): Places {
  const given = new Map<string, Buffer>()
  const taken = new Set<Buffer>()
  return {
    next: ({ said, entryKey }, wanted) => {
      // All lines of an entry go together.
      const entry = hex(entryKey)
      const key = given.get(entry) ?? keys.get(said)?.find((each) => !taken.has(each) && wanted(before.get(hex(each))))
      if (!key) return undefined
      given.set(entry, key)
      taken.add(key)
      return key
    },
  }
}

function keyOf({ entryKey }: Line): Buffer {
  return entryKey
}

function hex(key: Buffer): string {
  return key.toString('hex')
}

async function readBefore(
  client: Queryable,
  book: BookId,
  account: string,
  keys: readonly Buffer[],
): Promise<ReadonlyMap<string, Before>> {
  if (keys.length === 0) return new Map()
  // Indexes: the one of the entry's key, and bank_entries_by_other_key.
  const { rows } = await client.query<Before & { key: string }>(
    `select encode(b.key, 'hex') as key, bool_or(b.noticed) as noticed, bool_or(b.stated) as stated
       from (select e.entry_key as key, f.kind = 'camt.054' or e.other_key is not null as noticed,
                    f.kind = 'camt.053' or e.stated or e.other_key is not null as stated
               from bank_entries e
               join bank_files f on f.book = e.book and f.id = e.file_id
              where e.book = $1 and e.account = $2 and e.entry_key = any($3::bytea[])
              union all
             select e.other_key, true, true
               from bank_entries e
               join bank_files f on f.book = e.book and f.id = e.file_id
              where e.book = $1 and e.account = $2 and e.other_key = any($3::bytea[]) and f.kind = 'camt.054') b
      group by b.key`,
    [book, account, keys],
  )
  return new Map(rows.map(({ key, ...before }) => [key, before]))
}
