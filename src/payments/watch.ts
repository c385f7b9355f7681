import type { Pool } from '../database/connection.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import type { PaymentStatus } from '../ledger/payment.ts'
import type { Log } from '../log.ts'
import { readPayment, type StoredPayment } from './read.ts'

/** Waits for payments to come to a status, whichever node brings them there. */
export type Watch = {
  /**
   * The payment once it has such a status, or as it stands after `milliseconds`, or once whoever waits is `gone`; undefined
   * where the book has none of that id.
   */
  readonly until: (
    reached: (status: PaymentStatus) => boolean,
    book: BookId,
    id: PaymentId,
    milliseconds: number,
    gone?: AbortSignal,
  ) => Promise<StoredPayment | undefined>
  /** To be called by whoever changed the status of payments on this node: who waits for them hears at once. */
  readonly tell: (ids: Iterable<PaymentId>) => void
  /** Lets everyone go who waits, and lets nobody wait any more. */
  readonly stop: () => void
}

/** How soon a payment that another node posted is noticed. */
const LOOK_EVERY_MS = 200

type Watcher = {
  readonly book: BookId
  readonly reached: (status: PaymentStatus) => boolean
  readonly look: () => void
}

export function createWatch(pool: Pool, log: Log): Watch {
  const watchers = new Map<PaymentId, Set<Watcher>>()

  function tell(ids: Iterable<PaymentId>): void {
    if (watchers.size === 0) return
    for (const id of ids) for (const { look } of watchers.get(id) ?? []) look()
  }

  /** One query a round for each book, however many wait. */
  async function lookForOthers(): Promise<void> {
    const books = new Set([...watchers.values()].flatMap((set) => [...set].map(({ book }) => book)))
    for (const book of books) {
      const { rows } = await pool.query<{ id: PaymentId; status: PaymentStatus }>({
        name: 'statuses-of-watched',
        text: 'select id, status from payments where book = $1 and id = any($2)',
        values: [book, [...watchers.keys()]],
      })
      for (const { id, status } of rows) {
        for (const { reached, look } of watchers.get(id) ?? []) if (reached(status)) look()
      }
    }
  }

  let looking = false
  const timer = setInterval(() => {
    if (looking) return
    looking = true
    lookForOthers()
      .catch((error: unknown) => log.debug({ err: error }, 'could not look for watched payments'))
      .finally(() => {
        looking = false
      })
  }, LOOK_EVERY_MS)
  timer.unref()

  let stopped = false

  function stop(): void {
    stopped = true
    clearInterval(timer)
    tell([...watchers.keys()])
  }

  async function until(
    reached: (status: PaymentStatus) => boolean,
    book: BookId,
    id: PaymentId,
    milliseconds: number,
    gone?: AbortSignal,
  ): Promise<StoredPayment | undefined> {
    const read = () => readPayment(pool, book, id)
    const givesUpAt = performance.now() + milliseconds
    for (;;) {
      let noticed = () => {}
      const notice = new Promise<void>((resolve) => {
        noticed = resolve
      })
      // Watch first, then read: what changes in between is noticed.
      const watcher = { book, reached, look: noticed }
      const set = watchers.get(id) ?? new Set()
      watchers.set(id, set.add(watcher))
      const left = Math.max(0, givesUpAt - performance.now())
      const timeout = setTimeout(noticed, left)
      gone?.addEventListener('abort', noticed)
      try {
        const payment = await read()
        if (!payment || reached(payment.status) || left === 0 || stopped || gone?.aborted) return payment
        await notice
      } finally {
        clearTimeout(timeout)
        gone?.removeEventListener('abort', noticed)
        set.delete(watcher)
        if (set.size === 0) watchers.delete(id)
      }
    }
  }

  return { until, tell, stop }
}
