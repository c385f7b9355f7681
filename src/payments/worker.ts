import { setTimeout as delay } from 'node:timers/promises'
import type { Directory } from '../accounts/directory.ts'
import { uuids } from '../database/binary_arrays.ts'
import { idsAt } from '../database/clock.ts'
import { type Client, inTransaction, type Pool, type Queryable, together } from '../database/connection.ts'
import { sumOfEachBook } from '../database/each_book.ts'
import { isRaceLost, isUnavailable } from '../database/faults.ts'
import { inOne } from '../database/in_one.ts'
import { formatInstant } from '../database/instant.ts'
import { AT_LEAST_EVERY_MS, type Lookout } from '../database/lookout.ts'
import { type BookId, instantOf, type PaymentId } from '../ledger/id.ts'
import type { Outcome } from '../ledger/post.ts'
import type { Log } from '../log.ts'
import type { RuleKeeper } from '../rules/rules.ts'
import { writeHolds } from './holds.ts'
import { type Move, movePayments } from './move.ts'
import { writeOutcomes } from './outcomes.ts'
import { lockRuled, postRuled } from './ruled.ts'
import { requestsOf, STORED_COLUMNS, type StoredRow } from './stored_request.ts'

/** Posts the payments that are `initiated`, on any number of nodes at once. */
export type Worker = {
  /** Says that there may be work: without it, work is found by looking. */
  readonly wake: () => void
  /** Posts what was accepted until now, if that is done within seconds; the rest is left to the next start or another node. */
  readonly stop: () => Promise<void>
}

type Options = {
  readonly pool: Pool
  readonly lookout: Lookout
  readonly directory: Directory
  readonly rules: RuleKeeper
  readonly log: Log
  readonly tell: Tell
}
type Tell = (finals: Iterable<PaymentId>) => void

type Claimed = StoredRow & { expires_at: string | null }

const BOOKS_WITH_WORK = `
  select b.book from books b
   where exists (select from initiated i where i.book = b.book and i.attempt_at <= now())`

const LARGEST_BATCH = 1_000
/** In milliseconds, of the times of its payments: limits are counted for a whole batch from that of the first. */
const LONGEST_BATCH = 1_000
const LAST_ROUNDS_MS = 5_000
/** A payment that cannot be posted by a fault of its own is left alone for this long, so that it holds up no other. */
const RETRY_AFTER = '10 seconds'

export function createWorker(options: Options): Worker {
  let endsAt = Number.POSITIVE_INFINITY
  let woken = () => {}
  let awake = new Promise<void>((resolve) => {
    woken = resolve
  })

  async function rest(): Promise<void> {
    await Promise.race([awake, delay(AT_LEAST_EVERY_MS, undefined, { ref: false })])
    awake = new Promise((resolve) => {
      woken = resolve
    })
  }

  async function work(): Promise<void> {
    // What an earlier node left is found by the first look for it.
    await rest()
    for (;;) {
      const isLast = endsAt < Number.POSITIVE_INFINITY
      const posted = await postEverything(options).catch((error: unknown) => {
        if (!isUnavailable(error)) options.log.error({ err: error }, 'the worker could not post a batch')
        return 0
      })
      if (posted > 0 && performance.now() < endsAt) continue
      if (isLast) return
      await rest()
    }
  }
  const finished = work()
  options.lookout.add(BOOKS_WITH_WORK, () => woken())

  async function stop(): Promise<void> {
    endsAt = performance.now() + LAST_ROUNDS_MS
    woken()
    await finished
  }
  return { wake: () => woken(), stop }
}

/** One round over the books that have work. Returns how many payments were settled. */
async function postEverything(options: Options): Promise<number> {
  const { rows: books } = await options.pool.query<{ book: BookId }>(BOOKS_WITH_WORK)
  return sumOfEachBook(books, async (book) => {
    const settledIds = await postClaimed(options, book, LARGEST_BATCH)
    options.tell(settledIds)
    return settledIds.length
  })
}

async function postClaimed(options: Options, book: BookId, most: number): Promise<PaymentId[]> {
  const { pool, log } = options
  let claimed: readonly Claimed[] = []
  try {
    return await inTransaction(pool, async (client) => {
      claimed = await claim(client, book, most)
      if (claimed.length > 0) await postBatch(client, options, book, claimed)
      return claimed.map(({ id }) => id)
    })
  } catch (error) {
    if (isUnavailable(error) || isRaceLost(error)) throw error
    // One poisonous payment never takes the others down: look for it in ever smaller batches.
    if (claimed.length > 1) return postClaimed(options, book, Math.ceil(claimed.length / 2))
    const culprit = claimed[0]?.id
    if (!culprit) throw error
    log.error({ err: error, payment: culprit }, 'a payment cannot be posted now')
    await pool.query(
      `update initiated set attempt_at = clock_timestamp() + interval '${RETRY_AFTER}' where book = $1 and payment_id = $2`,
      [book, culprit],
    )
    return []
  }
}

/**
 * The first that is due and what was asked for within a moment of it, as the first 48 bits of their ids tell. The lock on
 * its row of `initiated` is the claim: it ends with the transaction, also where the worker dies. Index: the primary key.
 */
async function claim(client: Client, book: BookId, most: number): Promise<Claimed[]> {
  const { rows } = await client.query<Claimed>({
    name: 'claim-initiated',
    text: `
      with first as materialized (
        select i.payment_id as id
          from initiated i
         where i.book = $1 and i.attempt_at <= clock_timestamp()
         order by i.payment_id
         limit 1
           for update skip locked
      ), bounds as materialized (
        select id, (lpad(to_hex(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint + $3), 12, '0')
                    || repeat('f', 20))::uuid as last
          from first
      )
      select ${STORED_COLUMNS}, p.expires_at
        from bounds
        join initiated i on i.book = $1 and i.payment_id between bounds.id and bounds.last
        join payments p on p.book = i.book and p.id = i.payment_id
       where i.attempt_at <= clock_timestamp()
       order by i.payment_id
       limit $2
         for update of i skip locked`,
    values: [book, most, LONGEST_BATCH],
  })
  return rows
}

async function postBatch(
  client: Client,
  { directory, rules }: Options,
  book: BookId,
  claimed: readonly Claimed[],
): Promise<void> {
  const requests = await requestsOf(client, directory, book, claimed)
  const first = claimed[0]
  const ruled = await lockRuled(client, rules, book, requests, first && instantOf(first.id))
  const { at } = ruled.context
  const newId = idsAt(at)
  const posted = postRuled(requests, ruled)
  const payments = claimed.map(({ id, kind, expires_at: expiresAt, from_account: from, to_account: to }, index) => {
    const outcome = posted.outcomes[index]
    if (!outcome) throw new Error('a batch has one outcome for each payment')
    return { id, kind, from, to, expiresAt, status: outcome.status }
  })
  const writing = inOne(client, (gathered) => [
    ...writeOutcomes(gathered, book, at, newId, requests, payments, posted),
    forgetInitiated(
      gathered,
      book,
      payments.map(({ id }) => id),
    ),
  ])
  await together([
    writing,
    movePayments(
      client,
      book,
      formatInstant(at),
      claimed.map((row, index) => moveOf(row, posted.outcomes[index])),
    ),
    writeHolds(client, book, payments),
  ])
}

function moveOf({ id, capture, rail }: Claimed, outcome: Outcome | undefined): Move {
  if (!outcome) throw new Error('a batch has one outcome for each payment')
  const event = capture === 'manual' || rail !== null ? 'hold' : 'post'
  const reason = outcome.status === 'declined' ? outcome.reason : null
  return { id, event, status: outcome.status, reason, amount: null, fee: null }
}

async function forgetInitiated(client: Queryable, book: BookId, ids: readonly PaymentId[]): Promise<void> {
  await client.query({
    name: 'forget-initiated',
    text: `
      delete from initiated i
       using (select $1::int as book, unnest($2::uuid[]) as id) as done
       where i.book = done.book and i.payment_id = done.id`,
    values: [book, uuids(ids)],
  })
}
