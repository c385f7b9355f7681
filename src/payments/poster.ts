import type { Pool } from '../database/connection.ts'
import type { BeginWrite } from './batch.ts'
import { createBatchQueue, type QueueOptions } from './batch_queue.ts'
import type { PaymentRequest, Submitted } from './payment.ts'

/** Commits requests in groups, and no two of one idempotency key at a time. */
export type Poster = {
  /**
   * Answers once the request is committed; it goes ahead of those of `submitAll`. A second request with the same key waits
   * for the first and gets its payment. Rejects with Refused where it could not be taken up, and with the fault where it
   * cannot be written.
   */
  readonly submit: (request: PaymentRequest) => Promise<Submitted>
  /** The same for several of one book, which are committed together and in this order. */
  readonly submitAll: (requests: readonly PaymentRequest[]) => Promise<Submitted>[]
  /** Requests that are not answered yet. */
  readonly depth: () => number
  /** Waits until every accepted request is answered. */
  readonly drain: () => Promise<void>
}

export function createPoster(pool: Pool, write: BeginWrite, options: QueueOptions): Poster {
  const { enqueue, depth, drain } = createBatchQueue(pool, write, options)
  const underWay = new Map<string, Promise<Submitted>>()

  function take(requests: readonly PaymentRequest[], alone: boolean): Promise<Submitted>[] {
    const busy = options.whole ? requests.flatMap((request) => underWay.get(nameOf(request) ?? '') ?? []) : []
    if (busy.length > 0) {
      // What is to be whole is not divided into what can begin and what has to wait.
      const later = Promise.allSettled(busy).then(() => Promise.all(take(requests, alone)))
      return requests.map(async (_, index) => {
        const submitted = (await later)[index]
        if (!submitted) throw new Error('a request is answered')
        return submitted
      })
    }
    const fresh: PaymentRequest[] = []
    const firstOf = new Map<string, PaymentRequest>()
    for (const request of requests) {
      const name = nameOf(request)
      if (name && (underWay.has(name) || firstOf.has(name))) continue
      if (name) firstOf.set(name, request)
      fresh.push(request)
    }
    const answers = new Map(enqueue(fresh, alone).map((answer, index) => [fresh[index], answer]))
    for (const [name, request] of firstOf) {
      const answer = answers.get(request)
      if (!answer) continue
      underWay.set(name, answer)
      const done = () => void underWay.delete(name)
      answer.then(done, done)
    }
    return requests.map((request) => answers.get(request) ?? afterFirst(request, alone))
  }

  /** Once the request that has the same key and is under way is committed, this one finds what it left. */
  async function afterFirst(request: PaymentRequest, alone: boolean): Promise<Submitted> {
    await underWay.get(nameOf(request) ?? '')
    const [again] = enqueue([request], alone)
    if (!again) throw new Error('a request is answered')
    return again
  }

  async function submit(request: PaymentRequest): Promise<Submitted> {
    const [answer] = take([request], true)
    if (!answer) throw new Error('a request is answered')
    return answer
  }

  return { submit, submitAll: (requests) => take(requests, false), depth, drain }
}

function nameOf({ book, key }: PaymentRequest): string | undefined {
  return key ? `${book}/${key.key}` : undefined
}
