import type { Directory } from '../accounts/directory.ts'
import type { AuditEntry } from '../audit/audit.ts'
import type { Books } from '../books/books.ts'
import { idsAt, readClock } from '../database/clock.ts'
import type { Client, Pool } from '../database/connection.ts'
import { inTransactionAfterRaces } from '../database/races.ts'
import type { RailCode } from '../ledger/account.ts'
import type { BookId, PaymentId, SuspenseId } from '../ledger/id.ts'
import { netAmount } from '../ledger/payment.ts'
import { decodeId, encodeId } from '../ledger/typeid.ts'
import type { Log } from '../log.ts'
import { parseAmount } from '../money/amount.ts'
import type { Currency } from '../money/currency.ts'
import { type Direction, type LockedInstruction, lockInstruction, noteConfirmed } from '../payments/instructions.ts'
import type { Intake } from '../payments/intake.ts'
import { endPending } from '../payments/pending.ts'
import { readPayment, type StoredPayment } from '../payments/read.ts'
import type { Arrival, RailReport } from './rail.ts'
import { bookStray, type Stray, type SuspenseReason } from './suspense.ts'

/** Makes of what rails say what it means for the books: each report once, in whatever order and however often they come. */
export type Settlement = {
  /**
   * What the report came to; `ignored` where it changes nothing, or names no payment of that rail. `audit` is written
   * where it cancels: of whoever had the rail asked to. Throws BrokenReport.
   */
  readonly report: (rail: RailCode, report: RailReport, audit?: AuditEntry | null) => Promise<'applied' | 'ignored'>
  /** `unknown_currency`: no book can hold it, and it stays with the rail. Throws BrokenReport. */
  readonly arrival: (rail: RailCode, arrival: Arrival) => Promise<'applied' | 'ignored' | 'unknown_currency'>
}

export type SettlementOptions = {
  readonly pool: Pool
  readonly directory: Directory
  readonly intake: Intake
  readonly books: Books
  readonly log: Log
  readonly tell: (ids: Iterable<PaymentId>) => void
}

/** A rail says that money moved, and not how much: nothing is booked, and it stays with the rail. */
export class BrokenReport extends Error {
  override readonly name = 'BrokenReport'
}

/** What booking a movement needs. */
export type BookingOptions = Pick<SettlementOptions, 'directory' | 'intake'>

/** Our name for an instruction, as rails get it: the book and the payment. */
export function referenceOf(bookName: string, id: PaymentId): string {
  return `${bookName}.${encodeId('pay', id)}`
}

export function createSettlement(options: SettlementOptions): Settlement {
  const { pool, books, log, tell } = options

  async function report(
    rail: RailCode,
    said: RailReport,
    audit: AuditEntry | null = null,
  ): Promise<'applied' | 'ignored'> {
    const [bookName = '', text = ''] = said.reference.split('.')
    const book = await books.find(bookName)
    const id = decodeId('pay', text)
    if (!book || !id) return 'ignored'
    const applied = await inTransactionAfterRaces(pool, (client) =>
      applyReport(client, options, book.id, rail, id, said, audit),
    )
    if (applied) tell([id])
    else log.info({ rail, reference: said.reference, state: said.state }, 'a report of a rail changes nothing')
    return applied ? 'applied' : 'ignored'
  }

  async function arrival(rail: RailCode, { book: name, railReference, ...arrived }: Arrival) {
    const book = await books.find(name)
    const account = book && (await options.directory.findTechnical(book.id, rail, arrived.currency))
    if (!book || !account) {
      log.warn(
        { rail, book: name, currency: arrived.currency, rail_reference: railReference },
        'money arrived that no book can hold',
      )
      return 'unknown_currency'
    }
    const amount = movedAmount(rail, arrived.amount, account.currency)
    const stray = {
      rail,
      railReference,
      direction: 'in',
      currency: account.currency,
      amount,
      reason: 'unexpected',
    } as const
    const booked = await inTransactionAfterRaces(pool, (client) =>
      putInSuspense(client, options, book.id, { ...stray, related: null }),
    )
    return booked ? 'applied' : 'ignored'
  }

  return { report, arrival }
}

async function applyReport(
  client: Client,
  options: SettlementOptions,
  book: BookId,
  rail: RailCode,
  id: PaymentId,
  report: RailReport,
  audit: AuditEntry | null,
): Promise<boolean> {
  // One report of a payment at a time: what it means depends on the ones before.
  const instruction = await lockInstruction(client, book, id)
  const payment = await readPayment(client, book, id)
  if (instruction?.rail !== rail || !payment) return false
  switch (report.state) {
    case 'confirmed':
      return confirm(client, options, book, payment, instruction, report)
    case 'refused':
      return end(client, options, book, id, { event: 'fail', reason: report.reason ?? 'refused' })
    case 'canceled':
      return end(client, options, book, id, { event: 'cancel' }, audit)
    case 'processing':
    case 'unknown':
      return false
  }
}

async function end(
  client: Client,
  { directory }: Pick<SettlementOptions, 'directory'>,
  book: BookId,
  id: PaymentId,
  ending: Parameters<typeof endPending>[4],
  audit: AuditEntry | null = null,
): Promise<boolean> {
  const ended = await endPending(client, directory, book, id, ending, audit)
  return ended?.ok === true
}

/**
 * Money has really moved: it is booked, on the payment where it fits, else in suspense. Never dropped. False where it is
 * no news. The caller has locked the payment's instruction.
 */
export async function confirm(
  client: Client,
  options: BookingOptions,
  book: BookId,
  payment: StoredPayment,
  { rail, confirmedAs }: Pick<LockedInstruction, 'rail' | 'confirmedAs'>,
  report: RailReport,
): Promise<boolean> {
  const { id, currency } = payment
  const direction = directionOutside(payment)
  const expected = movesOutside(payment)
  const moved = report.amount === null ? expected : movedAmount(rail, report.amount, currency)
  const railReference = report.railReference ?? report.reference
  const stray = async (reason: SuspenseReason, amount: bigint) => {
    const what = { rail, railReference, direction, currency, amount, reason, related: id }
    return (await putInSuspense(client, options, book, what)) !== undefined
  }

  const strayDifference = () => putDifferenceInSuspense(client, options, book, payment, { rail, railReference, moved })

  if (payment.status === 'completed') {
    // Settled by hand it has no name of the rail's yet, settled by a bank's statement that of the bank.
    const byBank = payment.railReference !== null && isOfBank(payment.railReference)
    const known = byBank ? confirmedAs : (payment.railReference ?? confirmedAs)
    // The same news again, unless the rail says that it moved other money.
    if (known !== null) return known === railReference ? false : stray('twice', moved)
    // This is the rail's first news of it.
    await noteConfirmed(client, book, id, railReference)
    if (!byBank) await strayDifference()
    return true
  }
  if (payment.status !== 'pending') {
    if (confirmedAs === railReference) return false
    const isFirst = confirmedAs === null && !isOfBank(railReference)
    if (!isFirst || !(await isToldByBank(client, book, payment, { railReference, moved }))) return stray('late', moved)
    // A statement of the bank has put it into suspense, and this is the rail's first news of it.
    await noteConfirmed(client, book, id, railReference)
    return true
  }
  if (direction === 'in' && moved !== expected) {
    await end(client, options, book, id, { event: 'fail', reason: 'wrong_amount' })
    return stray('wrong_amount', moved)
  }
  const ended = await endPending(client, options.directory, book, id, {
    event: 'settle',
    amount: null,
    confirmed: true,
  })
  if (!ended?.ok) {
    const reason = ended?.refusal ?? 'not_pending'
    await end(client, options, book, id, reason === 'expired' ? { event: 'expire' } : { event: 'fail', reason })
    return stray('late', moved)
  }
  await client.query('update payments set rail_reference = $3 where book = $1 and id = $2', [book, id, railReference])
  await strayDifference()
  return true
}

/** What a rail says that moved, in minor units. Throws BrokenReport where it is no amount, or nothing. */
function movedAmount(rail: RailCode, text: string, currency: Currency): bigint {
  const amount = parseAmount(text, currency)
  if (!amount)
    throw new BrokenReport(`The rail ${rail} says that money moved, in what is no amount of ${currency.code}`)
  return amount
}

/** What a payment moves outside: a withdrawal goes out without its fee. */
export function movesOutside(payment: StoredPayment): bigint {
  return payment.kind === 'deposit' ? payment.amount : netAmount(payment)
}

export function directionOutside({ kind }: Pick<StoredPayment, 'kind'>): Direction {
  return kind === 'deposit' ? 'in' : 'out'
}

type Moved = Pick<Stray, 'rail' | 'railReference'> & { readonly moved: bigint }

/**
 * Books by how much more or less has moved than is booked of a payment that is completed, with what differed before: a rail
 * and a bank tell of one movement. Undefined where there is no difference. The caller has locked the payment's instruction.
 */
export async function putDifferenceInSuspense(
  client: Client,
  options: BookingOptions,
  book: BookId,
  payment: StoredPayment,
  { moved, ...named }: Moved,
): Promise<SuspenseId | undefined> {
  const more = moved - movesOutside(payment) - (await bookedDifference(client, book, payment))
  if (more === 0n) return undefined
  const direction = more > 0n === (directionOutside(payment) === 'in') ? 'in' : 'out'
  const { currency, id: related } = payment
  const what = { direction, currency, amount: more > 0n ? more : -more, reason: 'wrong_amount', related } as const
  return putInSuspense(client, options, book, { ...named, ...what })
}

/** How much more than a completed payment was booked with has been put into suspense of it; below zero: less. Index: suspense_items_by_payment. */
async function bookedDifference(client: Client, book: BookId, payment: StoredPayment): Promise<bigint> {
  const { rows } = await client.query<{ difference: bigint }>(
    `select coalesce(sum(case s.direction when $3 then s.amount else - s.amount end), 0) as difference
       from suspense_items s
      where s.book = $1 and s.related_id = $2 and s.reason = 'wrong_amount'`,
    [book, payment.id, directionOutside(payment)],
  )
  return rows[0]?.difference ?? 0n
}

/**
 * Whether money in that amount is in suspense of a payment that is over because a bank told of it, and not the rail itself.
 * Index: suspense_items_by_payment.
 */
async function isToldByBank(
  client: Client,
  book: BookId,
  payment: StoredPayment,
  { railReference, moved }: Pick<Moved, 'railReference' | 'moved'>,
): Promise<boolean> {
  const { rows } = await client.query<{ by_bank: boolean | null; by_rail: boolean | null }>(
    `select bool_or(${OF_BANK} and s.amount = $4) as by_bank, bool_or(s.rail_reference = $5) as by_rail
       from suspense_items s
      where s.book = $1 and s.related_id = $2 and s.direction = $3 and s.reason in ('late', 'wrong_amount')`,
    [book, payment.id, directionOutside(payment), moved, railReference],
  )
  return rows[0]?.by_bank === true && !rows[0].by_rail
}

/** Whether a reference is that of a movement in a statement of a bank, and not of a rail. */
function isOfBank(reference: string): boolean {
  return decodeId('bke', reference) !== undefined
}

/** The same, of an item `s` of suspense. */
export const OF_BANK = `s.rail_reference like 'bke\\_%'`

/** Books money that belongs to no payment, now. Undefined where it is booked already. */
export async function putInSuspense(
  client: Client,
  { intake }: Pick<SettlementOptions, 'intake'>,
  book: BookId,
  stray: Stray,
): Promise<SuspenseId | undefined> {
  const at = await readClock(client)
  return bookStray(client, intake, book, at, idsAt(at), stray)
}
