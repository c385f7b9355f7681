import type { Pool } from '../database/connection.ts'
import { leastBusyFirst, shuffled, sumOfEachBook } from '../database/each_book.ts'
import { isUnavailable } from '../database/faults.ts'
import { AT_LEAST_EVERY_MS, type Lookout, roundsWhere } from '../database/lookout.ts'
import { createRounds } from '../database/rounds.ts'
import type { SecretBox } from '../database/secret_box.ts'
import type { BookId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { type Claimed, claim, type Due, deliver, readDue, type Wanted } from './deliver.ts'
import type { Send } from './send.ts'

/** Sends what is due to endpoints, on this node, until it is stopped. */
export type Courier = { readonly stop: () => Promise<void> }

type Options = {
  readonly pool: Pool
  readonly lookout: Lookout
  readonly secretBox: SecretBox
  readonly send: Send
  readonly retriesMs: readonly number[]
  readonly timeoutMs: number
  /** Makes deliveries of the events of a book that have come; false where there are more. */
  readonly dispatch: (book: BookId) => Promise<boolean>
  readonly log: Log
}

/** Where there is an endpoint, there may be something to tell it. */
const BOOKS_WITH_WORK = `
  select c.book from webhook_cursors c
   where exists (select from webhooks w where w.book = c.book and w.status <> 'deleted')`

/**
 * Requests under way on a node: in all, to one endpoint, to those of one user, and to those that failed the last time,
 * one of them and all together. So whoever takes 15 s to fail keeps nobody else waiting: one user has a quarter of the
 * places at most, and all that fail have half of them. One that becomes free is that of the book with the fewest.
 */
export const PLACES = { all: 96, each: 8, user: 24, failing: 48, eachFailing: 2 }

/** What a request that was under way may still take when the gateway stops, before it is cut off. */
const GRACE_MS = 2_000

export function createCourier(options: Options): Courier {
  const { pool, lookout, dispatch, log, timeoutMs } = options
  const stopping = new AbortController()
  const underWay = new Map<Promise<void>, Due & { readonly book: BookId }>()

  // Neither waits for the other: what is due goes out while there are events of which deliveries are still to be made.
  const dispatcher = roundsWhere(lookout, {
    books: BOOKS_WITH_WORK,
    round: dispatchEverywhere,
    log,
    fault: 'could not look for events to send',
  })
  const sender = createRounds({
    round: sendEverywhere,
    everyMs: AT_LEAST_EVERY_MS,
    waits: true,
    log,
    fault: 'could not look for webhooks to send',
  })

  /** How many books have more. Where there is no endpoint, the place in the events that were looked at moves on all the same. */
  async function dispatchEverywhere(): Promise<number> {
    try {
      return await sumOfEachBook(await readBooks(pool), async (book) => ((await dispatch(book)) ? 0 : 1))
    } finally {
      sender.wake()
    }
  }

  async function sendEverywhere(): Promise<number> {
    const books = await readBooks(pool)
    const busy = [...underWay.values()].map(({ book }) => book)
    return sumOfEachBook(leastBusyFirst(books, busy), sendDue)
  }

  async function sendDue(book: BookId): Promise<number> {
    if (underWay.size >= PLACES.all) return 0
    const due = await readDue(pool, book)
    const endpoints = new Map(due.map((endpoint) => [endpoint.id, endpoint]))
    const wanted = placesFor(due, [...underWay.values()])
    if (wanted.length === 0) return 0
    // A claim outlives the request by as long again, so that nobody sends it twice while we live.
    const claims = await claim(pool, book, wanted, Math.max(2 * timeoutMs, 10_000))
    for (const claimed of claims) {
      const endpoint = endpoints.get(claimed.webhook_id)
      if (endpoint) begin(book, claimed, endpoint)
    }
    return claims.length
  }

  function begin(book: BookId, claimed: Claimed, endpoint: Due): void {
    const sending: Promise<void> = deliver(options, book, claimed, stopping.signal)
      // The claim runs out, and it is sent again.
      .catch((error: unknown) => {
        if (!isUnavailable(error)) log.error({ err: error, delivery: claimed.id }, 'a webhook could not be handled')
      })
      .finally(() => {
        underWay.delete(sending)
        sender.wake()
      })
    underWay.set(sending, { ...endpoint, book })
  }

  async function stop(): Promise<void> {
    await Promise.all([dispatcher.stop(), sender.stop()])
    const grace = setTimeout(() => stopping.abort(), GRACE_MS)
    await Promise.all(underWay.keys())
    clearTimeout(grace)
  }

  return { stop }
}

async function readBooks(pool: Pool): Promise<{ readonly book: BookId }[]> {
  const { rows } = await pool.query<{ book: BookId }>('select book from webhook_cursors order by book')
  return rows
}

/** How many requests each endpoint may begin now, beside those under way. The order is random, so that none is always last. */
export function placesFor(due: readonly Due[], underWay: readonly Due[]): Wanted[] {
  const taken = [...underWay]
  const wanted: Wanted[] = []
  const free = (most: number, counts: (endpoint: Due) => boolean) => most - taken.filter(counts).length
  for (const endpoint of shuffled(due)) {
    const { id, userId, failing } = endpoint
    const most = Math.min(
      free(PLACES.all, () => true),
      free(PLACES.user, (other) => other.userId === userId),
      free(failing ? PLACES.eachFailing : PLACES.each, (other) => other.id === id),
      failing ? free(PLACES.failing, (other) => other.failing) : PLACES.each,
    )
    if (most <= 0) continue
    wanted.push({ webhookId: id, most })
    taken.push(...Array.from({ length: most }, () => endpoint))
  }
  return wanted
}
