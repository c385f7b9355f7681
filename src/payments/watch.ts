import type { Pool } from '../database/connection.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { isFinal } from '../ledger/payment.ts'
import type { Log } from '../log.ts'
import { readPayments, type StoredPayment } from './read.ts'

/** Waits for payments to become final, whichever node posts them. */
export type Watch = {
  /** The payment once it is final, or as it stands after `milliseconds`; undefined where the book has none of that id. */
  readonly untilFinal: (book: BookId, id: PaymentId, milliseconds: number) => Promise<StoredPayment | undefined>
  /** To be called by whoever made payments final on this node: who waits for them hears at once. */
  readonly tell: (ids: Iterable<PaymentId>) => void
  /** Lets everyone go who waits, and lets nobody wait any more. */
  readonly stop: () => void
}

/** How soon a payment that another node posted is noticed. */
const LOOK_EVERY_MS = 200

type Watcher = { readonly book: BookId; readonly look: () => void }

export function createWatch(pool: Pool, log: Log): Watch {
  const watchers = new Map<PaymentId, Set<Watcher>>()

  function tell(ids: Iterable<PaymentId>): void {
    if (watchers.size === 0) return
    for (const id of ids) for (const { look } of watchers.get(id) ?? []) look()
  }

  /** One query a round, however many wait. */
  async function lookForOthers(): Promise<void> {
    const ids = [...watchers.keys()]
    if (ids.length === 0) return
    const books = new Set([...watchers.values()].flatMap((set) => [...set].map(({ book }) => book)))
    for (const book of books) {
      const { rows } = await pool.query<{ id: PaymentId }>({
        name: 'final-payments',
        text: `select id from payments where book = $1 and id = any($2) and status not in ('initiated', 'pending')`,
        values: [book, ids],
      })
      tell(rows.map(({ id }) => id))
    }
  }

  let looking = false
  const timer = setInterval(() => {
    if (looking) return
    looking = true
    lookForOthers()
      .catch((error: unknown) => log.debug({ err: error }, 'could not look for final payments'))
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

  async function untilFinal(book: BookId, id: PaymentId, milliseconds: number): Promise<StoredPayment | undefined> {
    const read = async () => (await readPayments(pool, book, [id])).get(id)
    let noticed = () => {}
    const notice = new Promise<void>((resolve) => {
      noticed = resolve
    })
    // Watch first, then read: what becomes final in between is noticed.
    const watcher = { book, look: noticed }
    const set = watchers.get(id) ?? new Set()
    watchers.set(id, set.add(watcher))
    const timeout = setTimeout(noticed, milliseconds)
    try {
      const payment = await read()
      if (!payment || isFinal(payment.status) || milliseconds <= 0 || stopped) return payment
      await notice
      return await read()
    } finally {
      clearTimeout(timeout)
      set.delete(watcher)
      if (set.size === 0) watchers.delete(id)
    }
  }

  return { untilFinal, tell, stop }
}
