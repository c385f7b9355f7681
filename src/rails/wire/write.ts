import type { NewId } from '../../database/clock.ts'
import type { Client } from '../../database/connection.ts'
import { formatInstant } from '../../database/instant.ts'
import type { BankFileId, BookId, Instant, WireBatchId } from '../../ledger/id.ts'
import { encodeId } from '../../ledger/typeid.ts'
import type { BankFile, Statement } from './bank_file.ts'
import { entryKeyOf, type Line } from './lines.ts'
import type { Suggestion } from './matching.ts'
import type { TakenFile, TakenStatement } from './taken_file.ts'

/** A statement of one of the book's own accounts; `content` is a digest of all that it says. */
export type OwnedStatement = {
  readonly number: number
  readonly iban: string
  readonly statement: Statement
  readonly content: Buffer
}

/** The same, with what of its movements is in the books by earlier files. */
export type KnownStatement = OwnedStatement & { readonly knownBooked: bigint }

/** A line that no file had before. */
export type LineToWrite = {
  /** The number of its statement in the file. */
  readonly number: number
  readonly status: 'due' | 'unmatched'
  readonly iban: string
  readonly currency: string
  readonly line: Line
  readonly suggestions: readonly Suggestion[]
}

/** Which order a file answers, a digest of what it says, and what that is of all of it. */
export type AnswerToWrite = { readonly batch: WireBatchId; readonly content: Buffer; readonly status: string | null }

/** Writes down a file and what became of it. */
export async function writeFile(
  client: Client,
  book: BookId,
  at: Instant,
  file: Omit<TakenFile, 'createdAt' | 'settledAt' | 'statements' | 'answer'>,
  outcome: readonly TakenStatement[],
  answer: AnswerToWrite | null,
): Promise<void> {
  const { id, kind, version, messageId, sha256, uploadedBy } = file
  await client.query(
    `insert into bank_files (book, id, sha256, kind, version, message_id, outcome, uploaded_by, created_at, batch_id,
                             content, status)
     values ($1, $2, decode($3, 'hex'), $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      ...[book, id, sha256, kind, version, messageId, JSON.stringify(outcome), uploadedBy, formatInstant(at)],
      ...[answer?.batch ?? null, answer?.content ?? null, answer?.status ?? null],
    ],
  )
}

/** Writes down the statements of a file. */
export async function writeStatements(
  client: Client,
  book: BookId,
  file: BankFileId,
  kind: BankFile['kind'],
  messageId: string,
  owned: readonly KnownStatement[],
): Promise<void> {
  const statements = owned.map(({ statement }) => statement)
  await client.query(
    `insert into bank_statements (book, file_id, kind, message_id, number, account, currency, statement_id, content,
                                  opening, closing, closing_date, known_booked)
     select $1, $2, $3, $4, v.*
       from unnest($5::int[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::numeric[], $11::numeric[],
                   $12::date[], $13::numeric[]) as v`,
    [
      ...[book, file, kind, messageId],
      ...[owned.map(({ number }) => number), owned.map(({ iban }) => iban)],
      ...[statements.map(({ currency }) => currency.code), statements.map(({ id }) => id)],
      owned.map(({ content }) => content),
      ...[statements.map(({ opening }) => opening?.amount ?? null)],
      ...[statements.map(({ closing }) => closing?.amount ?? null)],
      statements.map(({ closing }) => closing?.date ?? null),
      owned.map(({ knownBooked }) => knownBooked),
    ],
  )
}

/** Rows of one statement: enough that few are needed, few enough that none is huge. */
const ROWS = 5_000

/** Writes down lines: those that are due to be booked, and those for somebody to reconcile. */
export async function writeLines(
  client: Client,
  book: BookId,
  at: Instant,
  newId: NewId,
  file: BankFileId,
  lines: readonly LineToWrite[],
): Promise<void> {
  for (let from = 0; from < lines.length; from += ROWS) {
    const some = lines.slice(from, from + ROWS)
    const of = <T>(pick: (line: Line) => T) => some.map(({ line }) => pick(line))
    await client.query(
      `insert into bank_entries (book, file_id, created_at, id, account, currency, entry_key, line, direction,
                                 amount, reversal, booking_date, value_date, end_to_end_id, servicer_reference,
                                 counterparty_name, counterparty_account, remittance, suggestions, status, statement,
                                 told_key, return_reason, batch_id)
       select $1, $2, $3, v.*
         from unnest($4::uuid[], $5::text[], $6::text[], $7::bytea[], $8::int[], $9::text[], $10::numeric[],
                     $11::boolean[], $12::date[], $13::date[], $14::text[], $15::text[], $16::text[], $17::text[],
                     $18::text[], $19::jsonb[], $20::text[], $21::int[], $22::bytea[], $23::text[], $24::uuid[]) as v`,
      [
        ...[book, file, formatInstant(at), some.map(() => newId<'bank_entry'>())],
        ...[some.map(({ iban }) => iban), some.map(({ currency }) => currency)],
        ...[of(({ entryKey }) => entryKey), of(({ number }) => number), of(({ direction }) => direction)],
        ...[of(({ amount }) => amount), of(({ reversal }) => reversal)],
        ...[of(({ bookingDate }) => bookingDate), of(({ valueDate }) => valueDate)],
        ...[of(({ endToEndId }) => endToEndId), of(({ servicerReference }) => servicerReference)],
        ...[of(({ counterparty }) => counterparty.name), of(({ counterparty }) => masked(counterparty.account))],
        of(({ remittance }) => remittance),
        some.map(({ suggestions }) => JSON.stringify(suggestions.map(presentSuggestion))),
        ...[some.map(({ status }) => status), some.map(({ number }) => number)],
        ...[
          of(({ told }) => (told === null ? null : entryKeyOf(told, 0))),
          of(({ returnReason }) => returnReason),
          of(({ batch }) => batch),
        ],
      ],
    )
  }
}

function presentSuggestion({ payment, reference, amount, days }: Suggestion): object {
  return { payment_id: encodeId('pay', payment), reference, amount, days }
}

/** Enough of an account's number to know it again, too little to pay to it. */
function masked(number: string | null): string | null {
  if (number === null) return null
  return number.length <= 8 ? `${number.slice(0, 1)}…` : `${number.slice(0, 4)}…${number.slice(-4)}`
}
