import type { Directory } from '../accounts/directory.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { sumOfEachBook } from '../database/each_book.ts'
import { isRaceLost, isUnavailable } from '../database/faults.ts'
import { formatInstant } from '../database/instant.ts'
import { type Lookout, roundsWhere } from '../database/lookout.ts'
import type { Rounds } from '../database/rounds.ts'
import { writeEvents } from '../events/write.ts'
import type { BookId, Instant, PaymentId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { formatAmount } from '../money/amount.ts'
import { type BeginWrite, beginPosting, mintOnce } from '../payments/batch.ts'
import { type Intake, idempotencyKey } from '../payments/intake.ts'
import type { Payment, PaymentRequest } from '../payments/payment.ts'
import { readPaymentsByKey } from '../payments/read.ts'
import type { RuleKeeper } from '../rules/rules.ts'
import { scheduleEvent } from './events.ts'
import { occurrenceAt } from './rhythm.ts'
import { SCHEDULE_COLUMNS, SCHEDULE_JOINS, type Schedule, type ScheduleRow, toSchedule } from './schedule.ts'
import { afterAttempt, type Turn } from './turn.ts'

// Makes the payments of schedules as they fall due, on any number of nodes at once. A payment and the step of its
// schedule are one transaction: whatever ends a node, both are there or neither. What fell due while no node ran is made
// by the first that runs, in its order: of a book by one node at a time, as what falls due later may need the money of
// what another node has not made yet.

export type Scheduler = Pick<Rounds, 'stop'> & {
  /** Makes all that falls due up to a moment, whatever the clock says, and gives their number. */
  readonly makeDue: (at: Instant) => Promise<number>
}

type Options = {
  readonly pool: Pool
  readonly lookout: Lookout
  readonly directory: Directory
  readonly intake: Intake
  /** What payments cost on the day on which they are made. */
  readonly rules: RuleKeeper
  readonly log: Log
  readonly tell: (ids: Iterable<PaymentId>) => void
}

const LARGEST_BATCH = 1_000
/** The first half of the advisory locks by which nodes take their turns; the book is the other. */
const TURNS = 0x7363_6865
/** A schedule whose payment cannot be written by a fault of its own is left alone for this long. */
const RETRY_AFTER = 10_000_000n

export function createScheduler(options: Options): Scheduler {
  const rounds = roundsWhere(options.lookout, {
    books: booksWithWork('now()'),
    round: async () => makeSome(options, await readClock(options.pool)),
    log: options.log,
    fault: 'could not make the payments of schedules',
  })

  async function makeDue(at: Instant): Promise<number> {
    for (let total = 0; ; ) {
      const made = await makeSome(options, at)
      if (made === 0) return total
      total += made
    }
  }
  return { stop: rounds.stop, makeDue }
}

/** Index: schedules_due. */
function booksWithWork(at: string): string {
  return `
    select b.book from books b
     where exists (select from schedules s where s.book = b.book and s.status = 'active' and s.attempt_at <= ${at})`
}

/** One batch of each book that has something due. Returns how many payments that were. */
async function makeSome(options: Options, at: Instant): Promise<number> {
  const { rows: books } = await options.pool.query<{ book: BookId }>(booksWithWork('$1'), [formatInstant(at)])
  return sumOfEachBook(books, async (book) => {
    const ids = await makeBatch(options, book, at, LARGEST_BATCH)
    options.tell(ids)
    return ids.length
  })
}

async function makeBatch(options: Options, book: BookId, at: Instant, most: number): Promise<readonly PaymentId[]> {
  let claimed: readonly Claimed[] = []
  try {
    return await inTransaction(options.pool, async (client) => {
      if (!(await takeTurn(client, book))) return []
      claimed = untilNext(await claim(client, book, at, most))
      if (claimed.length === 0) return []
      const payments = await pay(client, options, book, claimed)
      await moveOn(client, book, at, claimed, payments)
      return payments.map(({ id }) => id)
    })
  } catch (error) {
    if (isUnavailable(error) || isRaceLost(error)) throw error
    // One schedule never holds up the others: look for it in ever smaller batches.
    if (claimed.length > 1) return makeBatch(options, book, at, Math.ceil(claimed.length / 2))
    const culprit = claimed[0]?.id
    if (!culprit) throw error
    options.log.error({ err: error, schedule: culprit }, 'the payment of a schedule cannot be made now')
    await options.pool.query('update schedules set attempt_at = $3 where book = $1 and id = $2 and attempt_at <= $4', [
      ...[book, culprit, formatInstant((at + RETRY_AFTER) as Instant), formatInstant(at)],
    ])
    return []
  }
}

/**
 * Takes the turn of a book until the end of the transaction, where no other node has it. A statement of its own: the next
 * one sees what whoever had it before has made.
 */
async function takeTurn(client: Client, book: BookId): Promise<boolean> {
  const { rows } = await client.query<{ mine: boolean }>({
    name: 'turn-of-schedules',
    text: 'select pg_try_advisory_xact_lock($1, $2) as mine',
    values: [TURNS, book],
  })
  return rows[0]?.mine === true
}

type Claimed = Schedule & { readonly turn: Turn }

/**
 * The lock on its row is the claim: it ends with the transaction, also where the node dies. One that was changed while
 * this was looking for it is left for the next look, as the change has a greater transaction number than this may have,
 * and events are told in the order of these numbers. Index: schedules_due.
 */
async function claim(client: Client, book: BookId, at: Instant, most: number): Promise<Claimed[]> {
  const { rows } = await client.query<ScheduleRow>({
    name: 'claim-schedules',
    text: `
      select ${SCHEDULE_COLUMNS}
        from schedules s ${SCHEDULE_JOINS}
       where s.book = $1 and s.status = 'active' and s.attempt_at <= $2
         and s.updated_at = (select seen.updated_at from schedules seen where seen.book = s.book and seen.id = s.id)
       order by s.attempt_at, s.id
       limit $3
         for no key update of s skip locked`,
    values: [book, formatInstant(at), most],
  })
  return rows.map((row) => {
    const { turn, ...schedule } = toSchedule(row)
    if (!turn) throw new Error(`schedule ${schedule.id} is active and has no turn`)
    return { ...schedule, turn }
  })
}

/** Leaves for the next batch what comes after the second occurrence of one of them: payments keep the order of their time. */
function untilNext(claimed: readonly Claimed[]): Claimed[] {
  let until = claimed[0]?.turn.attemptAt
  if (until === undefined) return []
  let next: Instant | undefined
  for (const { rhythm, turn } of claimed) {
    const following = occurrenceAt(rhythm, turn.number + 1)
    if (following !== null && (next === undefined || following < next)) next = following
  }
  if (next === undefined) return [...claimed]
  if (next > until) until = next
  return claimed.filter(({ turn }) => turn.attemptAt <= until)
}

/** The payments that the turns of schedules come to, in their order. */
async function pay(
  client: Client,
  { directory, intake, rules }: Options,
  book: BookId,
  claimed: readonly Claimed[],
): Promise<Payment[]> {
  await directory.load(book, new Set(claimed.flatMap(({ from, to }) => [from, to])), client)
  const requests: PaymentRequest[] = []
  for (const schedule of claimed) requests.push(await requestOf(client, intake, book, schedule))
  const keyOf = ({ key }: PaymentRequest) => key?.key ?? ''
  // Where somebody set a schedule back, by hand or from a backup, its payments are there already.
  const there = await readPaymentsByKey(client, book, requests.map(keyOf))
  const fresh = requests.filter((request) => !there.has(keyOf(request)))
  const posted = fresh.length > 0 ? await post(client, book, fresh, beginPosting(rules)) : []
  const made = new Map(fresh.map((request, index) => [request, posted[index]]))
  return requests.map((request) => {
    const payment = made.get(request) ?? there.get(keyOf(request))
    if (!payment) throw new Error('a batch has one payment for each request')
    return payment
  })
}

async function post(client: Client, book: BookId, requests: readonly PaymentRequest[], begin: BeginWrite) {
  const write = await begin(client, book, requests)
  const { payments, done } = write(requests, mintOnce(requests.length))
  await done
  return payments
}

/** Checked like any payment of its owner. */
async function requestOf(client: Client, intake: Intake, book: BookId, schedule: Claimed): Promise<PaymentRequest> {
  const { id, userId, turn, currency, amount, from, to, feePayer, description, metadata } = schedule
  const key = idempotencyKey(userId, 'schedule', `${id}/${turn.number}/${turn.attempts}`, null)
  const draft = { from, to, amount: formatAmount(amount, currency), feePayer, description, metadata }
  const plain = { capture: 'automatic', expiresAt: null, quote: null } as const
  const payer = { book, userId, operator: false }
  const checked = await intake.checkTransfer(payer, { ...draft, ...plain }, key, null, client)
  if (!checked.ok) throw new Error(`schedule ${id} is no payment: ${checked.mistake} in ${checked.field}`)
  return { ...checked.request, terms: { type: 'scheduled', by: id, dueAt: formatInstant(turn.dueAt) } }
}

/** A schedule behind an attempt, and whether the occurrence that it was at was given up. */
type Moved = { readonly schedule: Schedule; readonly missed: boolean }

function movedBy(schedule: Claimed, payment: Payment, at: Instant): Moved {
  const { rhythm, retry, turn } = schedule
  const next = afterAttempt(rhythm, retry, turn, { ...payment, at })
  const occurrences = next?.number ?? turn.number + 1
  const status = next ? 'active' : 'ended'
  return {
    schedule: { ...schedule, status, occurrences, turn: next, lastPaymentId: payment.id, updatedAt: payment.createdAt },
    missed: payment.status === 'declined' && occurrences > turn.number,
  }
}

/** Gives each schedule its next turn, or ends it. */
async function moveOn(
  client: Client,
  book: BookId,
  at: Instant,
  claimed: readonly Claimed[],
  payments: readonly Payment[],
): Promise<void> {
  const moved = claimed.map((schedule, index) => {
    const payment = payments[index]
    if (!payment) throw new Error('each schedule has its payment')
    return movedBy(schedule, payment, at)
  })
  const schedules = moved.map(({ schedule }) => schedule)
  await client.query({
    name: 'move-schedules',
    text: `
      update schedules s
         set status = v.status, number = v.number, due_at = v.due_at, attempts = v.attempts, attempt_at = v.attempt_at,
             last_payment_id = v.payment_id, updated_at = v.at
        from (select $1::int as book, unnest($2::uuid[]) as id, unnest($3::text[]) as status,
                     unnest($4::int[]) as number, unnest($5::timestamptz[]) as due_at, unnest($6::int[]) as attempts,
                     unnest($7::timestamptz[]) as attempt_at, unnest($8::uuid[]) as payment_id,
                     unnest($9::timestamptz[]) as at) as v
       where s.book = v.book and s.id = v.id`,
    values: [
      book,
      schedules.map(({ id }) => id),
      schedules.map(({ status }) => status),
      schedules.map(({ occurrences }) => occurrences),
      schedules.map(({ turn }) => turn && formatInstant(turn.dueAt)),
      schedules.map(({ turn }) => turn?.attempts ?? 0),
      schedules.map(({ turn }) => turn && formatInstant(turn.attemptAt)),
      schedules.map(({ lastPaymentId }) => lastPaymentId),
      schedules.map(({ updatedAt }) => updatedAt),
    ],
  })
  await tellOf(client, book, moved)
}

/** Most go on, which is told by their payments alone. By the clock, as these are, so that it comes behind them. */
async function tellOf(client: Client, book: BookId, moved: readonly Moved[]): Promise<void> {
  const events = moved.flatMap(({ schedule, missed }) => [
    ...(missed ? [scheduleEvent('schedule.missed', schedule)] : []),
    ...(schedule.status === 'ended' ? [scheduleEvent('schedule.ended', schedule)] : []),
  ])
  if (events.length === 0) return
  const at = await readClock(client)
  await writeEvents(client, book, at, idsAt(at), events)
}
