import type { Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { awaitSettled, isLongAgo } from '../database/settled.ts'
import { type BookId, firstIdAt, type Instant, NIL } from '../ledger/id.ts'
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
  const [balance = 0n] = await balancesAt(client, book, account, [at])
  return { balance, at: formatInstant(at) }
}

/** The same at several instants, in their order, by one statement. */
export async function balancesAt(
  client: Queryable,
  book: BookId,
  account: AccountState,
  instants: readonly Instant[],
): Promise<bigint[]> {
  const { rows } = await client.query<{ balance: bigint | null }>({
    ...(account.userId === null ? TECHNICAL_BALANCES : BALANCES),
    values: [book, account.id, instants.map((at) => firstIdAt((at + 1n) as Instant))],
  })
  return rows.map(({ balance }) => balance ?? 0n)
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

const asked = (balance: string) => `
  select found.balance
    from (select $1::int as book, $2::uuid as account_id, unnest($3::uuid[]) as before,
                 generate_subscripts($3::uuid[], 1) as place) asked
    left join lateral (${balance}) found on true
   order by asked.place`

const BALANCES = {
  name: 'balances',
  text: asked(`
    select balance
      from ((select id, debit_balance as balance from postings
              where book = asked.book and debit_account = asked.account_id and id < asked.before
              order by id desc limit 1)
            union all
            (select id, credit_balance from postings
              where book = asked.book and credit_account = asked.account_id and id < asked.before
              order by id desc limit 1)) last
     order by id desc
     limit 1`),
}

const TECHNICAL_BALANCES = {
  name: 'technical-balances',
  text: asked(`
    with kept as (
      select coalesce((select before from posting_totals
                        where book = asked.book and before <= asked.before order by before desc limit 1),
                      '${NIL}') as before
    )
    select coalesce((select sum(case a.code when t.debit then t.amount else 0 end
                                - case a.code when t.credit then t.amount else 0 end)
                       from posting_totals t
                      where t.book = asked.book and t.before = kept.before and t.currency = a.currency), 0)
           + coalesce((select sum(amount) from postings
                        where book = asked.book and debit_account = asked.account_id
                          and id >= kept.before and id < asked.before), 0)
           - coalesce((select sum(amount) from postings
                        where book = asked.book and credit_account = asked.account_id
                          and id >= kept.before and id < asked.before), 0) as balance
      from accounts a
     cross join kept
     where a.book = asked.book and a.id = asked.account_id`),
}
