import type { Directory } from '../accounts/directory.ts'
import { inTransaction, type Pool } from '../database/connection.ts'
import { sumOfEachBook } from '../database/each_book.ts'
import { isRaceLost, isUnavailable } from '../database/faults.ts'
import { type Lookout, roundsWhere } from '../database/lookout.ts'
import type { Rounds } from '../database/rounds.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { readExpired } from './holds.ts'
import { endPending } from './pending.ts'

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

/** Index: holds_by_expiry. */
const BOOKS_WITH_WORK = `
  select b.book from books b
   where exists (select from holds h where h.book = b.book and h.expires_at <= now())`

export function createExpiry(options: Options): Expiry {
  return roundsWhere(options.lookout, {
    books: BOOKS_WITH_WORK,
    round: () => expireAll(options),
    log: options.log,
    fault: 'could not look for holds that have run out',
  })
}

/** One round over the books that have holds to let go of. Returns how many payments expired. */
async function expireAll(options: Options): Promise<number> {
  const { rows: books } = await options.pool.query<{ book: BookId }>(BOOKS_WITH_WORK)
  return sumOfEachBook(books, async (book) => {
    const ids = await readExpired(options.pool, book, MOST_AT_ONCE)
    let expired = 0
    for (const id of ids) if (await expireOne(options, book, id)) expired += 1
    return expired
  })
}

/** Each in a transaction of its own, so that one that cannot expire holds up no other. */
async function expireOne({ pool, directory, log, tell }: Options, book: BookId, id: PaymentId): Promise<boolean> {
  try {
    const ended = await inTransaction(pool, (client) => endPending(client, directory, book, id, { event: 'expire' }))
    tell([id])
    return ended?.ok === true
  } catch (error) {
    if (isUnavailable(error)) throw error
    if (!isRaceLost(error)) log.error({ err: error, payment: id }, 'a hold that has run out cannot be let go of')
    return false
  }
}
