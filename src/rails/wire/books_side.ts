import type { Queryable } from '../../database/connection.ts'
import { formatInstant } from '../../database/instant.ts'
import type { BookId, Instant, PaymentId } from '../../ledger/id.ts'
import { formatAmount } from '../../money/amount.ts'
import type { Currency } from '../../money/currency.ts'
import type { Expected } from './matching.ts'

// What the books say, to hold against what a bank says.

/** A balance at the bank and the one in the books, and by how much the bank has more. Decimal strings. */
export type BalanceCheck = { readonly bank: string; readonly books: string; readonly difference: string }

/**
 * What the books say the house has at the bank, now: what came in by wire left the technical account `wire`, so that it
 * is what the account is below zero.
 */
export async function readBooksBalance(client: Queryable, book: BookId, currency: string): Promise<bigint> {
  const { rows } = await client.query<{ balance: bigint }>(
    `select balance from accounts where book = $1 and code = 'wire' and currency = $2`,
    [book, currency],
  )
  return -(rows[0]?.balance ?? 0n)
}

/** Holds a balance at the bank against that of the books. */
export function checkBalance(currency: Currency, bank: bigint, books: bigint): BalanceCheck {
  const money = (units: bigint) => formatAmount(units, currency)
  return { bank: money(bank), books: money(books), difference: money(bank - books) }
}

/** A payment that is older is not looked for in a statement any more, but settled by hand. */
const DAYS = 60n

type Row = { id: PaymentId; direction: Expected['direction']; currency: string; amount: bigint; since: string }

/**
 * The deposits and withdrawals by wire in those currencies that wait for the bank, with what moves there: a withdrawal
 * without its fee. Indexes: payments_by_sender, payments_by_receiver.
 */
export async function readExpected(
  client: Queryable,
  book: BookId,
  at: Instant,
  currencies: readonly string[],
): Promise<Expected[]> {
  const since = formatInstant((at - DAYS * 86_400_000_000n) as Instant)
  const { rows } = await client.query<Row>(
    `with wire as materialized (
       select a.id from accounts a where a.book = $1 and a.code = 'wire' and a.currency = any($2::text[])
     )
     select p.id, 'in' as direction, p.currency, p.amount, to_char(p.created_at at time zone 'utc', 'YYYY-MM-DD') as since
       from wire
       join payments p on p.book = $1 and p.from_account = wire.id
      where p.kind = 'deposit' and p.status = 'pending' and p.created_at > $3
     union all
     select p.id, 'out', p.currency, case p.fee_payer when 'receiver' then p.amount - p.fee else p.amount end,
            to_char(p.created_at at time zone 'utc', 'YYYY-MM-DD')
       from wire
       join payments p on p.book = $1 and p.to_account = wire.id
      where p.kind = 'withdrawal' and p.status = 'pending' and p.created_at > $3
      order by id`,
    [book, currencies, since],
  )
  return rows
}
