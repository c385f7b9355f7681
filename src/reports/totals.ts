import type { Queryable } from '../database/connection.ts'
import type { TechnicalCode } from '../ledger/account.ts'
import { type BookId, firstIdAt, type Instant, NIL } from '../ledger/id.ts'
import type { PaymentKind } from '../ledger/payment.ts'

/** Whose account: a technical one, by its code, or any user's. */
export type Side = TechnicalCode | 'user'

/** All postings of one currency and kind between two kinds of accounts. `amount` in minor units. */
export type Total = {
  readonly currency: string
  readonly kind: PaymentKind | 'fee'
  /** Who gained. */
  readonly debit: Side
  /** Who lost. */
  readonly credit: Side
  readonly postings: bigint
  readonly amount: bigint
}

type Row = { place: bigint } & Total

/**
 * The totals of all postings before each of these instants, in their order: exact, of one moment, and for a price that
 * does not grow with the books. Index: the last totals kept before the instant, and what came since by the postings' key.
 */
export async function totalsBefore(
  client: Queryable,
  book: BookId,
  instants: readonly Instant[],
  currency: string | null = null,
): Promise<Total[][]> {
  const { rows } = await client.query<Row>(TOTALS, [book, instants.map(firstIdAt), currency])
  const totals: Total[][] = instants.map(() => [])
  for (const { place, ...total } of rows) totals[Number(place) - 1]?.push(total)
  return totals
}

/**
 * Whose account one side is. A running balance is kept for users' accounts only, so the others are few: postings are put
 * together by them before it is asked who they are.
 */
const technicalOf = (side: 'debit' | 'credit') => `case when ${side}_balance is null then ${side}_account end`
const codeOf = (account: string) =>
  `coalesce((select a.code from accounts a where a.book = $1 and a.id = ${account}), 'user')`

/** Sums of the postings with ids in [from, to), as the rows of posting_totals. `$1` is the book. */
export const sumsOf = (from: string, to: string) => `
  select p.currency, p.kind, ${codeOf('p.debit')} as debit, ${codeOf('p.credit')} as credit,
         sum(p.postings)::bigint as postings, sum(p.amount) as amount
    from (select currency, kind, ${technicalOf('debit')} as debit, ${technicalOf('credit')} as credit,
                 count(*) as postings, sum(amount) as amount
            from postings
           where book = $1 and id >= ${from} and id < ${to}
           group by 1, 2, 3, 4) p
   group by 1, 2, 3, 4`

const TOTALS = `
  select asked.place, part.currency, part.kind, part.debit, part.credit, sum(part.postings)::bigint as postings,
         sum(part.amount) as amount
    from unnest($2::uuid[]) with ordinality as asked (before, place)
    left join lateral (select t.before
                         from posting_totals t
                        where t.book = $1 and t.before <= asked.before
                        order by t.before desc
                        limit 1) kept on true
   cross join lateral (select t.currency, t.kind, t.debit, t.credit, t.postings, t.amount
                         from posting_totals t
                        where t.book = $1 and t.before = kept.before
                        union all
                       ${sumsOf(`coalesce(kept.before, '${NIL}')`, 'asked.before')}) part
   where $3::text is null or part.currency = $3
   group by 1, 2, 3, 4, 5`

/** What was posted between two totals of the same book. */
export function difference(later: readonly Total[], earlier: readonly Total[]): Total[] {
  const keyOf = ({ currency, kind, debit, credit }: Total) => `${currency} ${kind} ${debit} ${credit}`
  const before = new Map(earlier.map((total) => [keyOf(total), total]))
  return later.flatMap((total) => {
    const known = before.get(keyOf(total))
    const postings = total.postings - (known?.postings ?? 0n)
    return postings > 0n ? [{ ...total, postings, amount: total.amount - (known?.amount ?? 0n) }] : []
  })
}
