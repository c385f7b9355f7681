import type { Pool } from '../database/connection.ts'
import type { BookId } from '../ledger/id.ts'
import type { BeginWrite } from './batch.ts'
import { commitBatch, type Waiting } from './group_commit.ts'
import type { PaymentRequest, Submitted } from './payment.ts'
import { Refused } from './refusals.ts'

export type QueueOptions = {
  /** Batches under way at once. */
  readonly slots: number
  readonly largestBatch: number
  /** Beyond this many unanswered requests, the next is refused as overloaded. */
  readonly mostWaiting: number
  /** Each batch is what was submitted together, and is committed as a whole or not at all. */
  readonly whole?: boolean
  /** Called after each batch, whatever became of it. */
  readonly onBatch: () => void
}

/** Requests on their way into batches: whatever arrives while one is being written forms the next (ledger.md, Posting). */
export type BatchQueue = {
  /** Adds requests of one book, which stay together and in order. Each is answered when its batch is committed. */
  readonly enqueue: (requests: readonly PaymentRequest[]) => Promise<Submitted>[]
  /** Requests that are not answered yet. */
  readonly depth: () => number
  /** Waits until every accepted request is answered. */
  readonly drain: () => Promise<void>
}

/** Of so many payments, a batch takes some ten milliseconds. */
const LARGEST_SMALL_BATCH = 200
/** For so many that wait, another batch is worth what it costs. */
const ENOUGH = 16
/** A small batch that takes longer than this is held up, by a lock as a rule. */
const LONG_MS = 50

/** A request that waited this long without its batch having begun is refused: its client has given up by then. */
const LONGEST_WAIT_MS = 10_000

type Queued = Waiting & { readonly since: number }
/** What was submitted together stays together. */
type Unit = readonly Queued[]

export function createBatchQueue(pool: Pool, write: BeginWrite, options: QueueOptions): BatchQueue {
  const queues = new Map<BookId, Unit[]>()
  const whenDrained: (() => void)[] = []
  let free = options.slots
  let unanswered = 0
  let waiting = 0
  let startedAt = 0
  let waking: NodeJS.Timeout | undefined

  /** One transaction stays in one book; books take turns. */
  function nextBatch(): [BookId, Queued[]] | undefined {
    const [first] = queues
    if (!first) return undefined
    const [book, queue] = first
    queues.delete(book)
    const batch: Queued[] = []
    let taken = 0
    for (const unit of queue) {
      if (taken > 0 && (options.whole || batch.length + unit.length > options.largestBatch)) break
      batch.push(...unit)
      taken += 1
    }
    if (taken < queue.length) queues.set(book, queue.slice(taken))
    return [book, batch]
  }

  /**
   * A batch costs the same, however small it is: beside a small one, which is soon over, another begins only where as many
   * wait as are in that, and enough. Nobody waits for a large one, or for one that is held up.
   */
  function isWorthwhile(): boolean {
    const underWay = unanswered - waiting
    if (free === options.slots || underWay > LARGEST_SMALL_BATCH) return true
    return waiting >= Math.max(underWay, ENOUGH) || performance.now() - startedAt >= LONG_MS
  }

  /** Looks again after a while, also where nothing comes in and nothing is done by then. */
  function lookAgain(): void {
    if (waking || waiting === 0 || free === 0) return
    waking = setTimeout(() => {
      waking = undefined
      startBatches()
    }, LONG_MS)
  }

  function startBatches(): void {
    while (free > 0 && isWorthwhile()) {
      const next = nextBatch()
      if (!next) return
      const [book, queued] = next
      waiting -= queued.length
      const batch = refuseStale(queued)
      if (batch.length === 0) continue
      free -= 1
      startedAt = performance.now()
      commitBatch(pool, write, book, batch, options.whole)
        .catch((fault) => {
          for (const { fail } of batch) fail(fault)
        })
        .finally(() => {
          free += 1
          startBatches()
          options.onBatch()
        })
    }
    lookAgain()
  }

  function answeredOne(): void {
    unanswered -= 1
    if (unanswered === 0) for (const drained of whenDrained.splice(0)) drained()
  }

  function enqueue(requests: readonly PaymentRequest[]): Promise<Submitted>[] {
    const [first] = requests
    if (!first) return []
    if (unanswered + requests.length > options.mostWaiting) {
      return requests.map(() => Promise.reject(new Refused('overloaded')))
    }
    unanswered += requests.length
    waiting += requests.length
    const since = performance.now()
    const unit: Queued[] = []
    const answers = requests.map((request) =>
      new Promise<Submitted>((answer, fail) => unit.push({ request, answer, fail, since })).finally(answeredOne),
    )
    const queue = queues.get(first.book) ?? []
    queues.set(first.book, queue)
    queue.push(unit)
    // Requests of the same turn of the event loop share the batch.
    setImmediate(startBatches)
    return answers
  }

  function drain(): Promise<void> {
    return unanswered === 0 ? Promise.resolve() : new Promise((done) => whenDrained.push(done))
  }

  return { enqueue, depth: () => unanswered, drain }
}

function refuseStale(queued: readonly Queued[]): Queued[] {
  const oldest = performance.now() - LONGEST_WAIT_MS
  for (const { since, fail } of queued) if (since < oldest) fail(new Refused('overloaded'))
  return queued.filter(({ since }) => since >= oldest)
}
