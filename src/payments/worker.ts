import { setTimeout as delay } from 'node:timers/promises'
import type { AccountFacts, Directory } from '../accounts/directory.ts'
import { idsAt } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { isRaceLost, isUnavailable } from '../database/faults.ts'
import { formatInstant } from '../database/instant.ts'
import { writeEvents } from '../events/write.ts'
import type { AccountId, BookId, PaymentId } from '../ledger/id.ts'
import type { FeePayer, PaymentKind } from '../ledger/payment.ts'
import { type Outcome, post } from '../ledger/post.ts'
import type { Log } from '../log.ts'
import { settled } from './batch.ts'
import { addToTechnicalAccounts, lockAccounts, type PaymentPosting, writeMovements } from './movements.ts'

/** Posts the payments that are `initiated`, on any number of nodes at once. */
export type Worker = {
  /** Says that there may be work: without it, work is found by looking every half second. */
  readonly wake: () => void
  /** Posts what was accepted until now, if that is done within seconds; the rest is left to the next start or another node. */
  readonly stop: () => Promise<void>
}

type Options = { readonly pool: Pool; readonly directory: Directory; readonly log: Log; readonly tell: Tell }
type Tell = (finals: Iterable<PaymentId>) => void

type Claimed = {
  payment_id: PaymentId
  kind: PaymentKind
  from_account: AccountId
  to_account: AccountId
  currency: string
  amount: bigint
  fee: bigint
  fee_payer: FeePayer
}

const LOOK_EVERY_MS = 500
const LARGEST_BATCH = 1_000
const LAST_ROUNDS_MS = 5_000
/** A payment that cannot be posted by a fault of its own is left alone for this long, so that it holds up no other. */
const RETRY_AFTER = '10 seconds'

export function createWorker(options: Options): Worker {
  let endsAt = Number.POSITIVE_INFINITY
  let woken = () => {}
  let awake = new Promise<void>((resolve) => {
    woken = resolve
  })

  async function work(): Promise<void> {
    for (;;) {
      const isLast = endsAt < Number.POSITIVE_INFINITY
      const posted = await postEverything(options).catch((error: unknown) => {
        if (!isUnavailable(error)) options.log.error({ err: error }, 'the worker could not post a batch')
        return 0
      })
      if (posted > 0 && performance.now() < endsAt) continue
      if (isLast) return
      await Promise.race([awake, delay(LOOK_EVERY_MS, undefined, { ref: false })])
      awake = new Promise((resolve) => {
        woken = resolve
      })
    }
  }
  const finished = work()

  async function stop(): Promise<void> {
    endsAt = performance.now() + LAST_ROUNDS_MS
    woken()
    await finished
  }
  return { wake: () => woken(), stop }
}

/** One round over the books that have work. Returns how many payments were settled. */
async function postEverything({ pool, directory, log, tell }: Options): Promise<number> {
  const { rows: books } = await pool.query<{ book: BookId }>(
    'select b.book from books b where exists (select from initiated i where i.book = b.book)',
  )
  let total = 0
  for (const { book } of books) {
    const settledIds = await postClaimed(pool, directory, log, book, LARGEST_BATCH)
    tell(settledIds)
    total += settledIds.length
  }
  return total
}

async function postClaimed(
  pool: Pool,
  directory: Directory,
  log: Log,
  book: BookId,
  most: number,
): Promise<PaymentId[]> {
  let claimed: readonly Claimed[] = []
  try {
    return await inTransaction(pool, async (client) => {
      claimed = await claim(client, book, most)
      if (claimed.length > 0) await postBatch(client, directory, book, claimed)
      return claimed.map((row) => row.payment_id)
    })
  } catch (error) {
    if (isUnavailable(error) || isRaceLost(error)) throw error
    // One poisonous payment never takes the others down: look for it in ever smaller batches.
    if (claimed.length > 1) return postClaimed(pool, directory, log, book, Math.ceil(claimed.length / 2))
    const culprit = claimed[0]?.payment_id
    if (!culprit) throw error
    log.error({ err: error, payment: culprit }, 'a payment cannot be posted now')
    await pool.query(
      `update initiated set attempt_at = clock_timestamp() + interval '${RETRY_AFTER}' where book = $1 and payment_id = $2`,
      [book, culprit],
    )
    return []
  }
}

/** The lock on its row of `initiated` is the claim: it ends with the transaction, also where the worker dies. */
async function claim(client: Client, book: BookId, most: number): Promise<Claimed[]> {
  const { rows } = await client.query<Claimed>({
    name: 'claim-initiated',
    text: `
      select i.payment_id, p.kind, p.from_account, p.to_account, p.currency, p.amount, p.fee, p.fee_payer
        from initiated i
        join payments p on p.book = i.book and p.id = i.payment_id
       where i.book = $1 and i.attempt_at <= clock_timestamp()
       order by i.payment_id
       limit $2
         for update of i skip locked`,
    values: [book, most],
  })
  return rows
}

async function postBatch(
  client: Client,
  directory: Directory,
  book: BookId,
  claimed: readonly Claimed[],
): Promise<void> {
  const named = new Set(claimed.flatMap((row) => [row.from_account, row.to_account]))
  const facts = await directory.load(book, named, client)
  const feeAccounts = new Map<string, AccountFacts>()
  for (const currency of new Set(claimed.map((row) => row.currency))) {
    const internal = await directory.findTechnical(book, 'internal', currency)
    if (!internal) throw new Error(`book ${book} has no internal account in ${currency}`)
    feeAccounts.set(currency, internal)
    facts.set(internal.id, internal)
  }
  const orders = claimed.map((row) => ({
    from: row.from_account,
    to: row.to_account,
    currency: row.currency,
    amount: row.amount,
    fee: row.fee,
    feePayer: row.fee_payer,
    feeAccount: feeAccounts.get(row.currency)?.id ?? row.from_account,
  }))
  const { at, accounts } = await lockAccounts(client, book, facts)
  const newId = idsAt(at)
  const { outcomes, balances, deltas } = post(orders, accounts)
  const postings: PaymentPosting[] = []
  for (const [index, row] of claimed.entries()) {
    const outcome = outcomes[index]
    if (outcome?.status !== 'completed') continue
    for (const posting of outcome.postings) postings.push({ paymentId: row.payment_id, paymentKind: row.kind, posting })
  }
  const ids = claimed.map((row) => row.payment_id)
  await settlePayments(client, book, formatInstant(at), ids, outcomes)
  await writeMovements(client, book, at, newId, postings, balances)
  await writeEvents(
    client,
    book,
    at,
    newId,
    ids.map((objectId, index) => ({ type: `payment.${outcomes[index]?.status}`, objectId })),
  )
  await addToTechnicalAccounts(client, book, at, deltas)
}

async function settlePayments(
  client: Client,
  book: BookId,
  stamp: string,
  ids: readonly PaymentId[],
  outcomes: readonly Outcome[],
): Promise<void> {
  const states = outcomes.map((outcome) => settled(outcome, stamp))
  const { rowCount } = await client.query({
    name: 'settle-payments',
    text: `
      update payments p
         set status = v.status, decline_reason = v.decline_reason, completed_at = v.completed_at, updated_at = $2
        from (select $1::int as book, *
                from unnest($3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
                  as ids (id, status, decline_reason, completed_at)
              offset 0) as v
       where p.book = v.book and p.id = v.id and p.status = 'initiated'`,
    values: [
      book,
      stamp,
      ids,
      states.map(({ status }) => status),
      states.map(({ declineReason }) => declineReason),
      states.map(({ completedAt }) => completedAt),
    ],
  })
  if (rowCount !== ids.length) throw new Error('a claimed payment was not initiated any more')
  await client.query({
    name: 'forget-initiated',
    text: `
      delete from initiated i 
       using (select $1::int as book, id from unnest($2::uuid[]) as ids (id) offset 0) as done
       where i.book = done.book and i.payment_id = done.id`,
    values: [book, ids],
  })
}
