import type { Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { awaitSettled, isLongAgo } from '../database/settled.ts'
import { type BookId, firstIdAt, type Instant } from '../ledger/id.ts'
import type { AccountState } from './account.ts'

/**
 * The balance of an account as it was at an instant, in minor units: behind its last posting on either side, found by
 * one step into each index (postings_by_debit, postings_by_credit). A technical account has no running balance: what came
 * since the last totals kept before the instant is added to them, by the same indexes.
 */
export async function balanceAt(
  client: Queryable,
  book: BookId,
  account: AccountState,
  at: Instant,
): Promise<{ readonly balance: bigint; readonly at: string }> {
  const before = firstIdAt((at + 1n) as Instant)
  const { rows } = await client.query<{ balance: bigint | null }>(
    account.userId === null ? TECHNICAL_BALANCE : BALANCE,
    [book, account.id, before],
  )
  return { balance: rows[0]?.balance ?? 0n, at: formatInstant(at) }
}

/**
 * Waits until nothing will be posted to the account any more with a time up to `asked`; `now` is what the database's clock
 * said, or earlier than that. False where that takes too long, which happens to technical accounts only.
 */
export async function awaitPostings(
  client: Queryable,
  book: BookId,
  { id, userId }: AccountState,
  asked: Instant,
  now: Instant,
): Promise<boolean> {
  if (userId === null) return awaitSettled(client, asked, now)
  // Whoever posts to it afterwards reads the clock when its row is locked, and `now` was read before.
  if (!isLongAgo(asked, now)) {
    await client.query('select from accounts where book = $1 and id = $2 for share', [book, id])
  }
  return true
}

const BALANCE = `
  select balance
    from ((select id, debit_balance as balance from postings
            where book = $1 and debit_account = $2 and id < $3 order by id desc limit 1)
          union all
          (select id, credit_balance from postings
            where book = $1 and credit_account = $2 and id < $3 order by id desc limit 1)) last
   order by id desc
   limit 1`

const TECHNICAL_BALANCE = `
  with kept as (
    select coalesce((select before from posting_totals where book = $1 and before <= $3 order by before desc limit 1),
                    '00000000-0000-0000-0000-000000000000') as before
  )
  select coalesce((select sum(case a.code when t.debit then t.amount else 0 end - case a.code when t.credit then t.amount else 0 end)
                     from posting_totals t
                    where t.book = $1 and t.before = kept.before and t.currency = a.currency), 0)
         + coalesce((select sum(amount) from postings
                      where book = $1 and debit_account = $2 and id >= kept.before and id < $3), 0)
         - coalesce((select sum(amount) from postings
                      where book = $1 and credit_account = $2 and id >= kept.before and id < $3), 0) as balance
    from accounts a
   cross join kept
   where a.book = $1 and a.id = $2`
