import type { Pool } from '../database/connection.ts'
import { forEachBook } from '../database/each_book.ts'
import { isSettled, type Mark, markNow } from '../database/settled.ts'
import { type BookId, firstIdAt, type Id, type Instant, instantOf, NIL } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { sumsOf } from './totals.ts'

/** At most so many postings lie between two kept totals: what is added up for any moment that is asked for. */
export const STEP = 10_000

const DAY = 86_400_000_000n

/**
 * Keeps the next totals of a book where there is a whole step, or a whole day, of postings before `settled`; false where
 * there is not. Where they are kept depends on the postings alone, so two nodes do the same and one of them for nothing.
 */
export async function keepNextTotals(pool: Pool, book: BookId, settled: Instant, step = STEP): Promise<boolean> {
  const { rows } = await pool.query<{ kept: string | null; first: Id<string> | null; last: Id<string> | null }>(NEXT, [
    book,
    firstIdAt(settled),
    step - 1,
  ])
  const { kept, first, last } = rows[0] ?? {}
  if (!first) return false
  const endOfDay = ((instantOf(first) / DAY + 1n) * DAY) as Instant
  const endOfStep = last && ((instantOf(last) + 1n) as Instant)
  const end = endOfStep && endOfStep < endOfDay ? endOfStep : endOfDay
  if (end > settled) return false
  await pool.query(KEEP, [book, kept ?? NIL, firstIdAt(end)])
  return true
}

/** The last totals, the first posting behind them, and the one that fills a step. Indexes: the primary keys. */
const NEXT = `
  with kept as (
    select coalesce((select before from posting_totals where book = $1 order by before desc limit 1), '${NIL}') as before
  )
  select before as kept,
         (select id from postings where book = $1 and id >= before and id < $2 order by id limit 1) as first,
         (select id from postings where book = $1 and id >= before and id < $2 order by id offset $3 limit 1) as last
    from kept`

const KEEP = `
  insert into posting_totals (book, before, currency, kind, debit, credit, postings, amount)
  select $1, $3, part.currency, part.kind, part.debit, part.credit, sum(part.postings), sum(part.amount)
    from (select t.currency, t.kind, t.debit, t.credit, t.postings, t.amount
            from posting_totals t
           where t.book = $1 and t.before = $2
           union all
          ${sumsOf('$2', '$3')}) part
   group by part.currency, part.kind, part.debit, part.credit
     -- Not where somebody removed meanwhile what they stand on.
  having $2 = '${NIL}' or exists (select from posting_totals t where t.book = $1 and t.before = $2)
      on conflict do nothing`

type Options = { readonly pool: Pool; readonly log: Log }

const EVERY_MS = 2_000

/** Whether any book has postings from that time on. Indexes: the primary keys, which their order leads to: they are the last of many. */
async function isThereMore(pool: Pool, done: Instant): Promise<boolean> {
  const { rows } = await pool.query(
    `select from books b
      cross join lateral (select from postings p where p.book = b.book and p.id >= $1 order by p.id limit 1) newer
      limit 1`,
    [firstIdAt(done)],
  )
  return rows.length > 0
}

/** How far the database's clock may be set back without a posting being missed. */
const CLOCK_MARGIN = 5_000_000n

/** Keeps totals of every book while it runs, behind what is settled. */
export function createTotalsKeeper({ pool, log }: Options) {
  let mark: Mark | undefined
  let done = 0n as Instant
  let stopped = false
  let round = Promise.resolve()

  async function keep(): Promise<void> {
    if (mark) {
      if (!(await isSettled(pool, mark))) return
      const settled = (mark.at - CLOCK_MARGIN) as Instant
      await keepAll(settled)
      done = settled
      mark = undefined
    }
    if (await isThereMore(pool, done)) mark = await markNow(pool)
  }

  async function keepAll(settled: Instant): Promise<void> {
    const { rows } = await pool.query<{ book: BookId }>('select book from books')
    const books = rows.map(({ book }) => book)
    await forEachBook(books, async (book) => {
      while (!stopped && (await keepNextTotals(pool, book, settled)));
    })
  }

  const timer = setInterval(() => {
    round = round
      .then(() => (stopped ? undefined : keep()))
      .catch((error: unknown) => log.warn({ err: error }, 'totals for reports were not kept; tried again'))
  }, EVERY_MS).unref()

  async function stop(): Promise<void> {
    stopped = true
    clearInterval(timer)
    await round
  }

  return { stop }
}
