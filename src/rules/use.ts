import type { Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { type AccountId, type BookId, firstIdAt, type Instant, type UserId } from '../ledger/id.ts'
import type { Use } from '../ledger/meters.ts'
import type { LimitedKind, Span } from './payment_limits.ts'

// What was used of limits, counted from the payments themselves: those that are completed or pending, by their time.

const DAY = 24n * 3_600n * 1_000_000n
const LENGTHS: Record<Exclude<Span, 'payment'>, bigint> = { day: DAY, month: 30n * DAY }

/** Whose use is asked for: all payments of a kind from (a deposit: to) an account, or a user's accounts in a currency. */
export type UseOf = {
  readonly userId: UserId | null
  readonly accountId: AccountId | null
  readonly kind: LimitedKind
  readonly currency: string
  readonly span: Exclude<Span, 'payment'>
}

/**
 * What was used of each from its span before `at` until now. Index: payments_by_sender or payments_by_receiver, by the
 * time that payments' ids carry.
 */
export async function readUse(client: Queryable, book: BookId, at: Instant, asked: readonly UseOf[]): Promise<Use[]> {
  const used: Use[] = asked.map(() => ({ count: 0n, sum: 0n }))
  const read = async (side: 'from_account' | 'to_account') => {
    const wanted = asked.flatMap((each, index) => (sideOf(each.kind) === side ? [{ ...each, index }] : []))
    if (wanted.length === 0) return
    const { rows } = await client.query<{ index: number; count: bigint; sum: bigint }>({
      name: `use-by-${side}`,
      text: useBy(side),
      values: [
        book,
        wanted.map(({ index }) => index),
        wanted.map(({ userId }) => userId),
        wanted.map(({ accountId }) => accountId),
        wanted.map(({ kind }) => kind),
        wanted.map(({ currency }) => currency),
        wanted.map(({ span }) => firstIdAt((at - LENGTHS[span]) as Instant)),
      ],
    })
    for (const { index, count, sum } of rows) used[index] = { count, sum }
  }
  await Promise.all([read('from_account'), read('to_account')])
  return used
}

function sideOf(kind: LimitedKind): 'from_account' | 'to_account' {
  return kind === 'deposit' ? 'to_account' : 'from_account'
}

function useBy(side: 'from_account' | 'to_account'): string {
  return `
      with wanted as materialized (
        select $1::int as book, v.*
          from unnest($2::int[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::uuid[])
                 as v (index, user_id, account_id, kind, currency, since)
      ), counted as (
        select w.book, w.index, w.account_id, w.kind, w.since from wanted w where w.account_id is not null
        union all
        select w.book, w.index, a.id, w.kind, w.since
          from wanted w
          join accounts a on a.book = w.book and a.user_id = w.user_id and a.currency = w.currency
      )
      select w.index, count(*) as count, sum(p.amount) as sum
        from counted w
        join payments p on p.book = w.book and p.${side} = w.account_id and p.id >= w.since
       where p.kind = w.kind and p.status in ('completed', 'pending')
       group by w.index`
}

/**
 * Lets payments of these users take turns, by a row for each, in the order of their ids: what was used is read behind it,
 * so that two batches do not both use up what is left.
 */
export async function takeTurns(client: Queryable, book: BookId, at: Instant, users: readonly UserId[]): Promise<void> {
  await client.query({
    name: 'take-limit-turns',
    text: `
      insert into limit_turns (book, user_id, taken_at)
      select $1, v, $2 from unnest($3::uuid[]) as v
          on conflict (book, user_id) do update set taken_at = excluded.taken_at`,
    values: [book, formatInstant(at), [...users].sort()],
  })
}
