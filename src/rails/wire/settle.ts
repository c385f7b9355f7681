import type { Actor } from '../../audit/audit.ts'
import { inTransaction, type Pool } from '../../database/connection.ts'
import { sumOfEachBook } from '../../database/each_book.ts'
import { isRaceLost, isUnavailable } from '../../database/faults.ts'
import { type Lookout, roundsWhere } from '../../database/lookout.ts'
import type { Rounds } from '../../database/rounds.ts'
import type { BankEntryId, BankFileId, BookId, PaymentId } from '../../ledger/id.ts'
import type { Log } from '../../log.ts'
import type { BookingOptions } from '../settlement.ts'
import { bookEntry } from './book_entry.ts'
import { type DueEntry, lockFirstDue } from './due_entry.ts'
import { finishFile } from './finish_file.ts'
import { carryOutRejection, lockFirstRejection, noteRejection } from './reject.ts'
import { readTakenFile, type TakenFile } from './taken_file.ts'

/** Books what banks told, each movement once, on any number of nodes and also where one dies over it. */
export type BankBooking = Rounds & {
  /** Books the movements of a file, and gives the file as it is then. A very large one goes on beside the requests. */
  readonly settle: (book: BookId, file: BankFileId) => Promise<TakenFile>
}

type Options = BookingOptions & {
  readonly pool: Pool
  readonly lookout: Lookout
  readonly log: Log
  readonly tell: (ids: Iterable<PaymentId>) => void
}

const PATIENCE_MS = 20_000
/** Of one book, before the next one has its turn. */
const MOST_IN_A_TURN = 20

const BOOKS_WITH_WORK = `
  select b.book from books b
   where exists (select from bank_files f where f.book = b.book and f.settled_at is null)`

export function createBankBooking(options: Options): BankBooking {
  const rounds = roundsWhere(options.lookout, {
    books: BOOKS_WITH_WORK,
    round: (stopping) => settleAll(options, stopping),
    log: options.log,
    fault: 'could not book the movements of banks',
  })
  const { pool } = options
  async function settle(book: BookId, id: BankFileId): Promise<TakenFile> {
    const givesUpAt = performance.now() + PATIENCE_MS
    let file = await readTakenFile(pool, book, id)
    while (file.settledAt === null && performance.now() < givesUpAt) {
      await carryOutNext(options, book)
      await finishFile(pool, book, id)
      file = await readTakenFile(pool, book, id)
    }
    return file
  }
  return { ...rounds, settle }
}

/** One round over the books, some of each. Returns how many movements were booked. */
async function settleAll(options: Options, stopping: AbortSignal): Promise<number> {
  const { pool } = options
  const { rows: books } = await pool.query<{ book: BookId }>(BOOKS_WITH_WORK)
  return sumOfEachBook(books, async (book) => {
    let booked = 0
    while (booked < MOST_IN_A_TURN && !stopping.aborted && (await carryOutNext(options, book))) booked += 1
    if (booked === MOST_IN_A_TURN || stopping.aborted) return booked
    const { rows: files } = await pool.query<{ id: BankFileId }>(
      'select f.id from bank_files f where f.book = $1 and f.settled_at is null',
      [book],
    )
    for (const { id } of files) await finishFile(pool, book, id)
    return booked
  })
}

/** The first movement, or else the first rejection, that is due. False where none is. */
async function carryOutNext(options: Options, book: BookId): Promise<boolean> {
  return (await bookNext(options, book)) || (await rejectNext(options, book))
}

/** Books the first movement that is due, in a transaction of its own. False where none is. */
async function bookNext(options: Options, book: BookId): Promise<boolean> {
  const { pool, log, tell } = options
  let current: BankEntryId | undefined
  try {
    const touched = await inTransaction(pool, async (client) => {
      const entry = await lockFirstDue(client, book)
      if (!entry) return undefined
      current = entry.id
      return bookEntry(client, options, book, entry, uploaderOf(entry))
    })
    if (touched) tell(touched)
    return touched !== undefined
  } catch (error) {
    if (isRaceLost(error)) return true
    if (isUnavailable(error) || !current) throw error
    // By a fault of its own: it holds up no other, and an operator sees it.
    log.error({ err: error, entry: current }, 'a movement at a bank cannot be booked')
    await pool.query(`update bank_entries set status = 'unmatched' where book = $1 and id = $2 and status = 'due'`, [
      ...[book, current],
    ])
    return true
  }
}

/** Carries out the first rejection that is due, in a transaction of its own. False where none is. */
async function rejectNext(options: Options, book: BookId): Promise<boolean> {
  const { pool, log, tell } = options
  let current: PaymentId | undefined
  try {
    await inTransaction(pool, async (client) => {
      const rejection = await lockFirstRejection(client, book)
      current = rejection?.payment_id
      if (rejection) await carryOutRejection(client, options, book, rejection)
    })
  } catch (error) {
    if (isRaceLost(error)) return true
    if (isUnavailable(error) || !current) throw error
    // By a fault of its own: the withdrawal stays pending, for an operator to cancel.
    log.error({ err: error, payment: current }, 'a payment that a bank rejected cannot be ended')
    await noteRejection(pool, book, current, 'ignored')
    return true
  }
  if (current) tell([current])
  return current !== undefined
}

/** Who brought the file is who did what comes of it. */
function uploaderOf({ uploaded_by: userId }: DueEntry): Actor {
  return { userId, tokenId: null, address: null, requestId: null }
}
