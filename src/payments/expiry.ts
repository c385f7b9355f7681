import type { Directory } from '../accounts/directory.ts'
import { inTransaction, type Pool } from '../database/connection.ts'
import { sumOfEachBook } from '../database/each_book.ts'
import { isRaceLost, isUnavailable } from '../database/faults.ts'
import { type Lookout, roundsWhere } from '../database/lookout.ts'
import type { Rounds } from '../database/rounds.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { readOverdue } from './holds.ts'
import { expirePending } from './pending.ts'

/** Lets go of holds whose time is up, on any number of nodes at once. */
export type Expiry = Pick<Rounds, 'stop'>

type Options = {
  readonly pool: Pool
  readonly lookout: Lookout
  readonly directory: Directory
  readonly log: Log
  readonly tell: (ids: Iterable<PaymentId>) => void
}

const MOST_AT_ONCE = 100
/** One that cannot be let go of by a fault of its own is left alone for this long. */
const RETRY_AFTER_MS = 10_000

/** Index: holds_by_expiry. */
const BOOKS_WITH_WORK = `
  select b.book from books b
   where exists (select from holds h where h.book = b.book and h.expires_at <= now())`

export function createExpiry(options: Options): Expiry {
  const leftAlone: LeftAlone = new Map()
  return roundsWhere(options.lookout, {
    books: BOOKS_WITH_WORK,
    round: () => expireAll(options, leftAlone),
    log: options.log,
    fault: 'could not look for holds that have run out',
  })
}

/** Until when each payment that could not be let go of is left alone, by this process's clock. */
type LeftAlone = Map<PaymentId, number>

/** One round over the books that have holds to let go of. Returns how many payments expired. */
async function expireAll(options: Options, leftAlone: LeftAlone): Promise<number> {
  for (const [id, until] of leftAlone) if (until <= performance.now()) leftAlone.delete(id)
  const { rows: books } = await options.pool.query<{ book: BookId }>(BOOKS_WITH_WORK)
  return sumOfEachBook(books, async (book) => {
    const overdue = await readOverdue(options.pool, book, MOST_AT_ONCE, [...leftAlone.keys()])
    const holds = overdue.filter(({ ofRail }) => !ofRail).map(({ id }) => id)
    let expired = await expire(options, leftAlone, book, holds)
    for (const { id, ofRail } of overdue) if (ofRail) expired += await expire(options, leftAlone, book, [id])
    return expired
  })
}

/** All in one transaction. Where that fails, one that cannot expire is looked for, so that it holds up no other. */
async function expire(
  options: Options,
  leftAlone: LeftAlone,
  book: BookId,
  ids: readonly PaymentId[],
): Promise<number> {
  const { pool, directory, log, tell } = options
  const [first] = ids
  if (first === undefined) return 0
  try {
    const expired = await inTransaction(pool, (client) => expirePending(client, directory, book, ids))
    tell(expired)
    return expired.length
  } catch (error) {
    if (isUnavailable(error)) throw error
    if (isRaceLost(error)) return 0
    if (ids.length > 1) {
      const middle = Math.ceil(ids.length / 2)
      const before = await expire(options, leftAlone, book, ids.slice(0, middle))
      return before + (await expire(options, leftAlone, book, ids.slice(middle)))
    }
    log.error({ err: error, payment: first }, 'a hold that has run out cannot be let go of')
    leftAlone.set(first, performance.now() + RETRY_AFTER_MS)
    return 0
  }
}
