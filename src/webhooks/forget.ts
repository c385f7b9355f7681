import type { Pool } from '../database/connection.ts'
import { sumOfEachBook } from '../database/each_book.ts'
import { createRounds, type Rounds } from '../database/rounds.ts'
import { type BookId, NIL } from '../ledger/id.ts'
import type { Log } from '../log.ts'

type Options = { readonly pool: Pool; readonly keepDays: number; readonly log: Log }

const LOOK_EVERY_MS = 60_000
const MOST_AT_ONCE = 2_000

/** Forgets deliveries that were over more than `keepDays` ago, on any number of nodes at once. */
export function createForgetting({ pool, keepDays, log }: Options): Pick<Rounds, 'stop'> {
  const places = new Map<BookId, string>()
  return createRounds({
    round: () => forgetNext(pool, keepDays, places),
    everyMs: LOOK_EVERY_MS,
    log,
    fault: 'could not forget old deliveries of webhooks',
  })
}

/**
 * Some of each book that ever had a webhook: from its place on, which is the beginning again behind the last. Returns
 * how many.
 */
async function forgetNext(pool: Pool, keepDays: number, places: Map<BookId, string>): Promise<number> {
  const { rows: books } = await pool.query<{ book: BookId }>('select book from webhook_cursors order by book')
  return sumOfEachBook(books, async (book) => {
    const { rows } = await pool.query<{ gone: bigint; last_id: string | null }>(
      'select gone, last_id from forget_deliveries($1, clock_timestamp() - make_interval(days => $2), $3, $4)',
      [book, keepDays, places.get(book) ?? NIL, MOST_AT_ONCE],
    )
    places.set(book, rows[0]?.last_id ?? NIL)
    return Number(rows[0]?.gone ?? 0)
  })
}
