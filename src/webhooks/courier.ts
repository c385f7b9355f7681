import type { Pool } from '../database/connection.ts'
import type { SecretBox } from '../database/secret_box.ts'
import type { BookId, WebhookId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { type Claimed, claim, deliver, readDue, type Wanted } from './deliver.ts'
import type { Send } from './send.ts'

/** Sends what is due to endpoints, on this node, until it is stopped. */
export type Courier = { readonly stop: () => Promise<void> }

type Options = {
  readonly pool: Pool
  readonly secretBox: SecretBox
  readonly send: Send
  readonly retriesMs: readonly number[]
  readonly timeoutMs: number
  /** Makes deliveries of the events of a book that have come; false where there are more. */
  readonly dispatch: (book: BookId) => Promise<boolean>
  readonly log: Log
}

/** How often a node looks for what has become due. */
const LOOK_EVERY_MS = 500

/**
 * Requests under way on a node: in all, to one endpoint, and to those that failed the last time, one of them and all
 * together. So one that takes 15 s to fail keeps nobody waiting: it has few places, and all such have half of them.
 */
export const PLACES = { all: 96, each: 8, failing: 48, eachFailing: 2 }

/** What a request that was under way may still take when the gateway stops, before it is cut off. */
const GRACE_MS = 2_000

export function createCourier(options: Options): Courier {
  const { pool, dispatch, log, timeoutMs } = options
  const stopping = new AbortController()
  const underWay = new Map<Promise<void>, { readonly webhookId: WebhookId; readonly failing: boolean }>()
  let round: Promise<void> | undefined
  let again = false

  /** Looks now, or once more after the look that is under way. */
  function look(): void {
    if (stopping.signal.aborted || ended) return
    if (round) {
      again = true
      return
    }
    again = false
    round = lookEverywhere()
      .catch((error: unknown) => log.warn({ err: error }, 'could not look for webhooks to send'))
      .finally(() => {
        round = undefined
        if (again) look()
      })
  }

  async function lookEverywhere(): Promise<void> {
    const { rows } = await pool.query<{ book: BookId }>('select book from webhook_cursors order by book')
    for (const { book } of rows) {
      if (!(await dispatch(book))) again = true
      await sendDue(book)
    }
  }

  async function sendDue(book: BookId): Promise<void> {
    if (underWay.size >= PLACES.all) return
    const due = await readDue(pool, book)
    const failing = new Map(due.map((endpoint) => [endpoint.id, endpoint.failing]))
    const wanted = placesFor(due, [...underWay.values()])
    if (wanted.length === 0) return
    // A claim outlives the request by as long again, so that nobody sends it twice while we live.
    for (const claimed of await claim(pool, book, wanted, Math.max(2 * timeoutMs, 10_000))) {
      begin(book, claimed, failing.get(claimed.webhook_id) ?? false)
    }
  }

  function begin(book: BookId, claimed: Claimed, failing: boolean): void {
    const sending: Promise<void> = deliver(options, book, claimed, stopping.signal)
      // The claim runs out, and it is sent again.
      .catch((error: unknown) => log.error({ err: error, delivery: claimed.id }, 'a webhook could not be handled'))
      .finally(() => {
        underWay.delete(sending)
        look()
      })
    underWay.set(sending, { webhookId: claimed.webhook_id, failing })
  }

  let ended = false
  const timer = setInterval(look, LOOK_EVERY_MS)
  timer.unref()

  async function stop(): Promise<void> {
    ended = true
    clearInterval(timer)
    await round
    const grace = setTimeout(() => stopping.abort(), GRACE_MS)
    await Promise.all(underWay.keys())
    clearTimeout(grace)
  }

  return { stop }
}

/** How many requests each endpoint may begin now, beside those under way. The order is random, so that none is always last. */
export function placesFor(
  due: readonly { readonly id: WebhookId; readonly failing: boolean }[],
  underWay: readonly { readonly webhookId: WebhookId; readonly failing: boolean }[],
): Wanted[] {
  let free = PLACES.all - underWay.length
  let freeForFailing = PLACES.failing - underWay.filter(({ failing }) => failing).length
  const wanted: Wanted[] = []
  for (const { id, failing } of shuffled(due)) {
    const own = underWay.filter(({ webhookId }) => webhookId === id).length
    const most = failing ? Math.min(PLACES.eachFailing - own, freeForFailing, free) : Math.min(PLACES.each - own, free)
    if (most <= 0) continue
    wanted.push({ webhookId: id, most })
    free -= most
    if (failing) freeForFailing -= most
  }
  return wanted
}

function shuffled<T>(values: readonly T[]): T[] {
  const mixed = values.map((value) => ({ value, at: Math.random() }))
  return mixed.sort((one, other) => one.at - other.at).map(({ value }) => value)
}
