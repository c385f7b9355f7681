import type { Pool } from '../database/connection.ts'
import { createRounds, type Rounds } from '../database/rounds.ts'
import type { BookId } from '../ledger/id.ts'
import type { Log } from '../log.ts'

type Options = { readonly pool: Pool; readonly keepDays: number; readonly log: Log }

const LOOK_EVERY_MS = 60_000
const MOST_AT_ONCE = 2_000

/** Forgets deliveries that were over more than `keepDays` ago, on any number of nodes at once. */
export function createForgetting({ pool, keepDays, log }: Options): Pick<Rounds, 'stop'> {
  return createRounds({
    round: () => forgetOldest(pool, keepDays),
    everyMs: LOOK_EVERY_MS,
    log,
    fault: 'could not forget old deliveries of webhooks',
  })
}

/** Some of each book that ever had a webhook. Returns how many. */
async function forgetOldest(pool: Pool, keepDays: number): Promise<number> {
  const { rows: books } = await pool.query<{ book: BookId }>('select book from webhook_cursors order by book')
  let total = 0
  for (const { book } of books) {
    const { rows } = await pool.query<{ gone: bigint }>(
      'select forget_deliveries($1, clock_timestamp() - make_interval(days => $2), $3) as gone',
      [book, keepDays, MOST_AT_ONCE],
    )
    total += Number(rows[0]?.gone ?? 0)
  }
  return total
}
