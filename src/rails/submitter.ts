import type { Pool } from '../database/connection.ts'
import { leastBusyFirst, sumOfEachBook } from '../database/each_book.ts'
import { type Lookout, roundsWhere } from '../database/lookout.ts'
import type { Rounds } from '../database/rounds.ts'
import type { SecretBox } from '../database/secret_box.ts'
import { RAIL_CODES, type RailCode } from '../ledger/account.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { isFinal } from '../ledger/lifecycle.ts'
import { netAmount } from '../ledger/payment.ts'
import type { Log } from '../log.ts'
import { formatAmount } from '../money/amount.ts'
import { type DueInstruction, finishInstruction, leaseDue, rescheduleInstruction } from '../payments/instructions.ts'
import { readPayment } from '../payments/read.ts'
import type { Destination, Instruction, Rail, RailReport } from './rail.ts'
import { referenceOf, type Settlement } from './settlement.ts'

/** Tells rails what they have to do, and asks for what they do not report, on any number of nodes at once. */
export type Submitter = Rounds

export type SubmitterOptions = {
  readonly pool: Pool
  readonly lookout: Lookout
  readonly rails: ReadonlyMap<RailCode, Rail>
  readonly settlement: Settlement
  readonly secretBox: SecretBox
  readonly log: Log
  /** How long after a rail was told it is asked, where it has not reported by itself; doubled each time. */
  readonly askAfterSeconds: number
}

/** Calls of one rail under way at once, on a node. */
const MOST_AT_ONCE = 50
/** Longer than any call of a rail takes. */
const LEASE_SECONDS = 60
const LONGEST_WAIT_SECONDS = 3_600

/** Index: rail_instructions_due. */
const booksWithWork = (code: RailCode) => `
  select b.book from books b
   where exists (select from rail_instructions i where i.book = b.book and i.rail = '${code}' and i.attempt_at <= now())`

/** Where the destination of a withdrawal is sealed for. */
export function placeOfDestination(book: BookId, id: PaymentId): string {
  return `destination ${book}/${id}`
}

/** Each rail by itself, so that one that does not answer keeps no other waiting. */
export function createSubmitter(options: SubmitterOptions): Submitter {
  const each = RAIL_CODES.map((code) => createSubmitterOf(options, code))
  return {
    wake: () => {
      for (const { wake } of each) wake()
    },
    stop: async () => {
      await Promise.all(each.map(({ stop }) => stop()))
    },
  }
}

function createSubmitterOf(options: SubmitterOptions, code: RailCode): Rounds {
  const { pool, lookout, log } = options
  const underWay = new Map<Promise<void>, BookId>()
  const rounds = roundsWhere(lookout, {
    books: booksWithWork(code),
    round: beginDue,
    log,
    fault: 'could not look for instructions of rails',
  })

  /** Fills the places that are free, a share of them for each book. Returns how many instructions were begun. */
  async function beginDue(): Promise<number> {
    const { rows: books } = await pool.query<{ book: BookId }>(booksWithWork(code))
    let left = books.length
    return sumOfEachBook(leastBusyFirst(books, underWay.values()), async (book) => {
      const share = Math.ceil((MOST_AT_ONCE - underWay.size) / left)
      left -= 1
      if (share === 0) return 0
      const due = await leaseDue(pool, book, code, LEASE_SECONDS, share)
      for (const instruction of due) begin(book, instruction)
      return due.length
    })
  }

  function begin(book: BookId, instruction: DueInstruction): void {
    const trying: Promise<void> = attempt(options, book, instruction).finally(() => {
      underWay.delete(trying)
      rounds.wake()
    })
    underWay.set(trying, book)
  }

  async function stop(): Promise<void> {
    await rounds.stop()
    await Promise.all(underWay.keys())
  }
  return { wake: rounds.wake, stop }
}

/** Tells or asks once. Whatever goes wrong is tried again, later each time. */
async function attempt(options: SubmitterOptions, book: BookId, due: DueInstruction): Promise<void> {
  const { pool, rails, settlement, log, askAfterSeconds } = options
  const { payment_id: id, rail: code, attempts } = due
  try {
    const payment = await readPayment(pool, book, id)
    if (!payment || isFinal(payment.status)) return await finishInstruction(pool, book, id)
    const rail = rails.get(code)
    if (!rail) throw new Error(`there is no rail ${code}`)
    const said = await tellOrAsk(options, rail, book, due)
    if (said.state === 'unknown') return await rescheduleInstruction(pool, book, id, 'waiting', 1, null)
    await rescheduleInstruction(pool, book, id, 'submitted', later(askAfterSeconds, attempts), null)
    if (said.state !== 'processing') await settlement.report(code, said)
  } catch (error) {
    log.warn({ err: error, payment: id, rail: code, attempts }, 'a rail could not be told')
    const message = error instanceof Error ? error.message.slice(0, 500) : String(error)
    await rescheduleInstruction(pool, book, id, due.state, later(1, attempts), message).catch(() => undefined)
  }
}

function tellOrAsk(options: SubmitterOptions, rail: Rail, book: BookId, due: DueInstruction): Promise<RailReport> {
  const reference = referenceOf(due.book_name, due.payment_id)
  return due.state === 'waiting' ? rail.submit(instructionOf(options, book, due, reference)) : rail.lookUp(reference)
}

function instructionOf(
  { secretBox }: SubmitterOptions,
  book: BookId,
  due: DueInstruction,
  reference: string,
): Instruction {
  const { amount, fee, fee_payer: feePayer, currency, digits, direction, rail, destination } = due
  const units = direction === 'in' ? amount : netAmount({ amount, fee, feePayer })
  return {
    reference,
    rail,
    direction,
    amount: formatAmount(units, { code: currency, digits }),
    currency,
    destination: destination && openDestination(secretBox, book, due.payment_id, destination),
  }
}

/** Where a withdrawal goes, as it was sealed for its payment. */
export function openDestination(secretBox: SecretBox, book: BookId, id: PaymentId, sealed: Buffer): Destination {
  return JSON.parse(secretBox.open(sealed, placeOfDestination(book, id)))
}

/** Twice as long each time, at most an hour, and a little different for each, so that they do not all come at once. */
function later(seconds: number, attempts: number): number {
  const doubled = Math.min(seconds * 2 ** Math.min(attempts - 1, 12), LONGEST_WAIT_SECONDS)
  return doubled * (0.8 + 0.4 * Math.random())
}
