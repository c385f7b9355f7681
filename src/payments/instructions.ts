import type { Queryable } from '../database/connection.ts'
import type { RailCode } from '../ledger/account.ts'
import type { AccountId, BookId, PaymentId } from '../ledger/id.ts'

// What rails are to do, or have been told: the table by which nothing is forgotten and nothing told by two at once.

/** Which way money goes through a rail: `in` is a deposit, `out` a withdrawal. */
export const DIRECTIONS = ['in', 'out'] as const
export type Direction = (typeof DIRECTIONS)[number]

/** A deposit or withdrawal as it is written, in the transaction of its payment. */
export type NewInstruction = {
  readonly paymentId: PaymentId
  /** Of the user. */
  readonly account: AccountId
  readonly rail: string
  readonly direction: Direction
  /** Sealed; null for a deposit. */
  readonly destination: Buffer | null
  readonly shown: string | null
  /** It waits for files of banks: nobody is told of it. */
  readonly byFiles: boolean
}

/** Notes what rails have to be told once this transaction has committed. */
export async function writeInstructions(
  client: Queryable,
  book: BookId,
  stamp: string,
  instructions: readonly NewInstruction[],
): Promise<void> {
  if (instructions.length === 0) return
  await client.query({
    name: 'write-rail-instructions',
    text: `
      insert into rail_instructions (book, created_at, payment_id, account_id, rail, direction, destination, shown, attempt_at)
      select $1, $2, v.payment_id, v.account_id, v.rail, v.direction,
             stored_text($1, account_owner($1, v.account_id), encode(v.destination, 'base64')),
             stored_text($1, account_owner($1, v.account_id), v.shown), v.attempt_at
        from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::timestamptz[])
          as v (payment_id, account_id, rail, direction, destination, shown, attempt_at)`,
    values: [
      book,
      stamp,
      instructions.map(({ paymentId }) => paymentId),
      instructions.map(({ account }) => account),
      instructions.map(({ rail }) => rail),
      instructions.map(({ direction }) => direction),
      instructions.map(({ destination }) => destination),
      instructions.map(({ shown }) => shown),
      instructions.map(({ byFiles }) => (byFiles ? null : stamp)),
    ],
  })
}

/** Where the instruction of that alias sends money, sealed (rails/destination.ts). */
export function destinationOf(instruction: string): string {
  return `decode(${textOf(instruction, 'destination')}, 'base64')`
}

/** What may be shown of it. */
export function shownDestinationOf(instruction: string): string {
  return textOf(instruction, 'shown')
}

function textOf(row: string, field: string): string {
  return `shown_text(${row}.book, account_owner(${row}.book, ${row}.account_id), ${row}.${field})`
}

type LockedRow = { rail: RailCode; attempts: number; confirmed_as: string | null; book_name: string }

export type LockedInstruction = {
  readonly rail: RailCode
  readonly attempts: number
  /** What the rail calls the movement that was settled by hand; null until it tells. */
  readonly confirmedAs: string | null
  readonly bookName: string
}

/**
 * Locks the instruction of a payment: whoever ends a payment of a rail, or reports on it, does so before the accounts and
 * the payment. Undefined where the payment has none.
 */
export async function lockInstruction(
  client: Queryable,
  book: BookId,
  id: PaymentId,
): Promise<LockedInstruction | undefined> {
  const { rows } = await client.query<LockedRow>({
    name: 'lock-rail-instruction',
    text: `
      select i.rail, i.attempts, i.confirmed_as, b.name as book_name
        from rail_instructions i
        join books b on b.book = i.book
       where i.book = $1 and i.payment_id = $2
         for update of i`,
    values: [book, id],
  })
  if (!rows[0]) return undefined
  const { rail, attempts, confirmed_as: confirmedAs, book_name: bookName } = rows[0]
  return { rail, attempts, confirmedAs, bookName }
}

/** Notes the rail's own name for the movement that an operator had settled by hand. */
export async function noteConfirmed(
  client: Queryable,
  book: BookId,
  id: PaymentId,
  railReference: string,
): Promise<void> {
  await client.query('update rail_instructions set confirmed_as = $3 where book = $1 and payment_id = $2', [
    ...[book, id, railReference],
  ])
}

/** One that is due, with what its rail needs to know. Amounts in minor units. */
export type DueInstruction = {
  readonly payment_id: PaymentId
  readonly book_name: string
  readonly rail: RailCode
  readonly direction: Direction
  readonly state: 'waiting' | 'submitted'
  readonly destination: Buffer | null
  readonly attempts: number
  readonly amount: bigint
  readonly fee: bigint
  readonly fee_payer: 'sender' | 'receiver'
  readonly currency: string
  readonly digits: number
}

/**
 * Takes instructions of a rail that are due, for so many seconds: until then nobody else takes them, and after it anybody
 * does, so that one whose node died is told again. Index: rail_instructions_due.
 */
export async function leaseDue(
  client: Queryable,
  book: BookId,
  rail: RailCode,
  leaseSeconds: number,
  most: number,
): Promise<DueInstruction[]> {
  const { rows } = await client.query<DueInstruction>({
    name: 'lease-rail-instructions',
    text: `
      with clock as materialized (select clock_timestamp() as now),
      due as materialized (
        select i.book, i.payment_id
          from rail_instructions i, clock
         where i.book = $1 and i.rail = $4 and i.attempt_at <= clock.now
           -- What a rail was not told yet does not leave a frozen account.
           and not (i.direction = 'out' and i.state = 'waiting'
                    and exists (select from payments p
                                  join accounts a on a.book = p.book and a.id = p.from_account
                                 where p.book = i.book and p.id = i.payment_id and a.status = 'frozen'))
         order by i.attempt_at, i.payment_id
         limit $3
           for update of i skip locked
      ), leased as (
        update rail_instructions i
           set attempt_at = clock.now + $2 * interval '1 second', attempts = i.attempts + 1
          from due, clock
         where i.book = due.book and i.payment_id = due.payment_id
        returning i.*
      )
      select l.payment_id, b.name as book_name, l.rail, l.direction, l.state,
             ${destinationOf('l')} as destination, l.attempts,
             p.amount, p.fee, p.fee_payer, p.currency, c.digits
        from leased l
        join books b on b.book = l.book
        join payments p on p.book = l.book and p.id = l.payment_id
        join currencies c on c.book = p.book and c.code = p.currency`,
    values: [book, leaseSeconds, most, rail],
  })
  return rows
}

/** Notes how an attempt went, and when to look again. */
export async function rescheduleInstruction(
  client: Queryable,
  book: BookId,
  id: PaymentId,
  state: 'waiting' | 'submitted',
  seconds: number,
  error: string | null,
): Promise<void> {
  await client.query({
    name: 'reschedule-rail-instruction',
    text: `
      update rail_instructions i
         set state = $3, attempt_at = clock.now + $4 * interval '1 second', last_error = $5
        from (select clock_timestamp() as now) as clock
       where i.book = $1 and i.payment_id = $2 and i.state <> 'done'`,
    values: [book, id, state, seconds, error],
  })
}

/** There is nothing to do for it any more: its payment is final. */
export async function finishInstruction(client: Queryable, book: BookId, id: PaymentId): Promise<void> {
  await client.query({
    name: 'finish-rail-instruction',
    text: `update rail_instructions set state = 'done', attempt_at = null where book = $1 and payment_id = $2`,
    values: [book, id],
  })
}
