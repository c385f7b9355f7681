import { createClients } from '../database/clients.ts'
import type { Pool } from '../database/connection.ts'
import type { AccountId, BookId } from '../ledger/id.ts'
import type { BeginWrite } from './batch.ts'
import { commitBatch, type Waiting } from './group_commit.ts'
import type { PaymentRequest, Submitted } from './payment.ts'
import { Refused } from './refusals.ts'
import { createTurns, type Turns } from './turns.ts'

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
  /**
   * Adds requests of one book, each of which is answered when its batch is committed. Those that name an account of a user
   * are posted in the order in which they came; others may go ahead of what waits for such a one. What is `alone`, a request
   * of its own, goes ahead of what came in bulk: each of the two kinds keeps its order.
   */
  readonly enqueue: (requests: readonly PaymentRequest[], alone: boolean) => Promise<Submitted>[]
  /** Requests that are not answered yet. */
  readonly depth: () => number
  /** Waits until every accepted request is answered. */
  readonly drain: () => Promise<void>
}

/** Of so many payments, a batch takes some ten milliseconds. */
const LARGEST_SMALL_BATCH = 200
/** So many small ones at once leave no core idle, and more of them would only be smaller. */
const MOST_SMALL = 2
/** For so many that wait, another batch is worth what it costs. */
const ENOUGH = 16
/** For so many another begins in any case: they wait where the event loop is late, and the database has nothing to do. */
const MANY = 64
/** A small batch that takes longer than this is held up, by a lock as a rule. */
const LONG_MS = 50

/** A request that waited this long without its batch having begun is refused: its client has given up by then. */
const LONGEST_WAIT_MS = 10_000

type Queued = Waiting & { readonly since: number; readonly answered: Promise<Submitted> }
/** What is posted together, one request or all that are to be whole, and the users' accounts that it names. */
type Unit = { readonly queued: readonly Queued[]; readonly accounts: readonly AccountId[] }

type Batch = { readonly book: BookId; readonly turns: Turns<Unit>; readonly units: readonly Unit[] }

export function createBatchQueue(pool: Pool, write: BeginWrite, options: QueueOptions): BatchQueue {
  const clients = createClients(pool)
  const queues = new Map<BookId, Turns<Unit>>()
  const whenDrained: (() => void)[] = []
  let free = options.slots
  let unanswered = 0
  let underWay = 0
  let startedAt = 0
  let waking: NodeJS.Timeout | undefined

  /** Of one book, as is a transaction; books take turns. */
  function nextBatch(): Batch | undefined {
    for (const [book, turns] of queues) {
      if (!isWorthwhile(turns.ready())) continue
      const units = turns.begin(options.whole ? 1 : options.largestBatch)
      queues.delete(book)
      queues.set(book, turns)
      return { book, turns, units }
    }
    return undefined
  }

  /**
   * A batch costs the same, however small it is: beside a small one, which is soon over, one other begins, and only where
   * as many wait as are in that, and enough; or where many wait. Nobody waits for a large one, or for one that is held up.
   */
  function isWorthwhile(ready: number): boolean {
    if (ready === 0 || free === options.slots) return ready > 0
    if (underWay > LARGEST_SMALL_BATCH || ready >= MANY || performance.now() - startedAt >= LONG_MS) return true
    return options.slots - free < MOST_SMALL && ready >= Math.max(underWay, ENOUGH)
  }

  /** Looks again after a while, also where nothing comes in and nothing is done by then. */
  function lookAgain(): void {
    if (waking || unanswered === underWay || free === 0) return
    waking = setTimeout(() => {
      waking = undefined
      startBatches()
    }, LONG_MS)
  }

  function startBatches(): void {
    while (free > 0) {
      const next = nextBatch()
      if (!next) break
      free -= 1
      startedAt = performance.now()
      void post(next)
    }
    lookAgain()
  }

  async function post({ book, turns, units }: Batch): Promise<void> {
    const batch = refuseStale(units.flatMap(({ queued }) => queued))
    underWay += batch.length
    let answer = () => {}
    const tell = (answers: () => void) => {
      answer = answers
    }
    if (batch.length > 0) {
      await commitBatch(clients, write, book, batch, tell, options.whole).catch((fault) => {
        for (const { fail } of batch) fail(fault)
      })
    }
    underWay -= batch.length
    free += 1
    turns.end(units)
    // What answers set off takes a while: the next batch is on its way to the database before.
    startBatches()
    answer()
    options.onBatch()
  }

  function answeredOne(): void {
    unanswered -= 1
    if (unanswered === 0) for (const drained of whenDrained.splice(0)) drained()
  }

  function enqueue(requests: readonly PaymentRequest[], alone: boolean): Promise<Submitted>[] {
    const [first] = requests
    if (!first) return []
    if (unanswered + requests.length > options.mostWaiting) {
      return requests.map(() => Promise.reject(new Refused('overloaded')))
    }
    unanswered += requests.length
    const queued = requests.map(toQueued)
    const turns = queues.get(first.book) ?? createTurns<Unit>(({ accounts }) => accounts)
    queues.set(first.book, turns)
    if (options.whole) turns.add(unitOf(queued), alone)
    else for (const each of queued) turns.add(unitOf([each]), alone)
    // Requests of the same turn of the event loop share the batch.
    setImmediate(startBatches)
    return queued.map(({ answered }) => answered.finally(answeredOne))
  }

  function drain(): Promise<void> {
    return unanswered === 0 ? Promise.resolve() : new Promise((done) => whenDrained.push(done))
  }

  return { enqueue, depth: () => unanswered, drain }
}

function toQueued(request: PaymentRequest): Queued {
  const { promise: answered, resolve: answer, reject: fail } = Promise.withResolvers<Submitted>()
  return { request, answer, fail, answered, since: performance.now() }
}

/** Technical accounts are not locked before the end of a batch, and by all of them. */
function unitOf(queued: readonly Queued[]): Unit {
  const accounts: AccountId[] = []
  for (const { request } of queued) {
    if (request.from.code === null) accounts.push(request.from.id)
    if (request.to.code === null) accounts.push(request.to.id)
  }
  return { queued, accounts }
}

function refuseStale(queued: readonly Queued[]): Queued[] {
  const oldest = performance.now() - LONGEST_WAIT_MS
  for (const { since, fail } of queued) if (since < oldest) fail(new Refused('overloaded'))
  return queued.filter(({ since }) => since >= oldest)
}
