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
 * Holds a balance at the bank against the technical account `wire` of the currency, as it is now. What came in by wire
 * left that account, so that the house has at the bank what the account is below zero.
 */
export async function checkBalance(
  client: Queryable,
  book: BookId,
  currency: Currency,
  bank: bigint,
): Promise<BalanceCheck> {
  const { rows } = await client.query<{ balance: bigint }>(
    `select balance from accounts where book = $1 and code = 'wire' and currency = $2`,
    [book, currency.code],
  )
  const books = -(rows[0]?.balance ?? 0n)
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
