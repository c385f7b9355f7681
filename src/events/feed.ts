import type { Pool } from '../database/connection.ts'
import type { BookId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import type { Position } from './position.ts'
import { type BookEvent, readEnd, readEvents } from './read.ts'

/** The events of every book as they are committed, read once a node for everyone who listens. */
export type Feed = {
  /**
   * Hands over all events of the book behind the position that it returns, in their order, none left out and none
   * twice, until `end` is called. `listener` must not wait: who is slow keeps what it was given.
   */
  readonly listen: (book: BookId, listener: Listener) => Promise<{ readonly from: Position; readonly end: () => void }>
  /** Says that there may be new events: without it, they are found by looking. */
  readonly wake: () => void
  readonly stop: () => Promise<void>
}

export type Listener = (events: readonly BookEvent[]) => void

type Tail = {
  readonly listeners: Set<Listener>
  readonly begun: Promise<void>
  position: Position
  /** Whether the last look failed: it may be another database by the next, which has not come as far. */
  wasCutOff: boolean
}

const LOOK_EVERY_MS = 40
const MOST_AT_ONCE = 1_000

export function createFeed({ pool, log }: { readonly pool: Pool; readonly log: Log }): Feed {
  const tails = new Map<BookId, Tail>()
  let stopped = false
  let reading: Promise<void> | undefined
  let again = false

  /** Goes back to the end of a database that took over without the last commits: its events would be passed over. */
  async function findAgain(tail: Tail): Promise<void> {
    const end = await readEnd(pool)
    if (end.txid < tail.position.txid) tail.position = end
    tail.wasCutOff = false
  }

  async function readTail(book: BookId, tail: Tail): Promise<void> {
    if (tail.wasCutOff) await findAgain(tail)
    for (let more = true; more && tail.listeners.size > 0 && !stopped; ) {
      const next = await readEvents(pool, book, tail.position, MOST_AT_ONCE)
      tail.position = next.position
      more = next.more
      if (next.events.length > 0) for (const listener of tail.listeners) tell(listener, next.events)
    }
  }

  /** One listener's fault is not another's. */
  function tell(listener: Listener, events: readonly BookEvent[]): void {
    try {
      listener(events)
    } catch (error) {
      log.error({ err: error }, 'a listener of events failed')
    }
  }

  async function readAll(): Promise<void> {
    for (const [book, tail] of tails) {
      try {
        await tail.begun
        await readTail(book, tail)
      } catch (error) {
        // Nothing is passed over: the next look begins where this one did.
        tail.wasCutOff = true
        log.debug({ err: error }, 'could not look for events')
      }
    }
  }

  /** One look at a time; who asks during one gets another behind it. */
  function look(): void {
    if (stopped || tails.size === 0) return
    again = true
    reading ??= (async () => {
      while (again && !stopped) {
        again = false
        await readAll()
      }
    })().finally(() => {
      reading = undefined
    })
  }

  const timer = setInterval(look, LOOK_EVERY_MS)
  timer.unref()

  function begin(book: BookId): Tail {
    const begun = readEnd(pool).then((end) => {
      tail.position = end
    })
    const position = { txid: 0n, id: '' as Position['id'] }
    const tail: Tail = { listeners: new Set(), begun, position, wasCutOff: false }
    tails.set(book, tail)
    return tail
  }

  async function listen(book: BookId, listener: Listener): ReturnType<Feed['listen']> {
    const tail = tails.get(book) ?? begin(book)
    const end = () => {
      tail.listeners.delete(listener)
      if (tail.listeners.size === 0 && tails.get(book) === tail) tails.delete(book)
    }
    try {
      await tail.begun
    } catch (error) {
      if (tails.get(book) === tail) tails.delete(book)
      throw error
    }
    // Its last listener may have left meanwhile, so that it is no longer read.
    if (tails.get(book) !== tail) return listen(book, listener)
    // What is read from here on is handed over to this listener too.
    const from = tail.position
    tail.listeners.add(listener)
    return { from, end }
  }

  async function stop(): Promise<void> {
    stopped = true
    clearInterval(timer)
    await reading
  }

  return { listen, wake: look, stop }
}
