import type { Directory } from '../accounts/directory.ts'
import { type AuditEntry, writeAudit } from '../audit/audit.ts'
import { uuids } from '../database/binary_arrays.ts'
import { idsAt } from '../database/clock.ts'
import { type Client, together } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { type NewEvent, writeEvents } from '../events/write.ts'
import type { BookId, Instant, PaymentId } from '../ledger/id.ts'
import { type Transition, transitionsOf } from '../ledger/lifecycle.ts'
import type { PaymentStatus } from '../ledger/payment.ts'
import { release, settle } from '../ledger/post.ts'
import type { Posting, Tally } from '../ledger/tally.ts'
import { lockContext, toOrder } from './context.ts'
import { deleteHolds } from './holds.ts'
import { finishInstruction, lockInstruction } from './instructions.ts'
import { type Move, movePayments } from './move.ts'
import { writeMovements } from './movements.ts'
import { requestsOf, STORED_COLUMNS, type StoredRow } from './stored_request.ts'
import { viewersOf } from './told.ts'

// What ends the time of a pending payment. An end is a transaction that locks the payment first: however many try at
// the same moment, one wins, and the others find what it left.

/** How a pending payment is to end. An amount is in minor units; without one, a settled payment is what was held. */
export type Ending =
  /** `confirmed`: the money has moved outside already, so that a frozen account is no reason against it. */
  | { readonly event: 'settle'; readonly amount: bigint | null; readonly confirmed?: boolean }
  | { readonly event: 'cancel' }
  | { readonly event: 'fail'; readonly reason: string }
  | { readonly event: 'expire' }

/** Why a payment did not end that way, and stayed as it was. `expired`: its time is up, and it can only expire. */
export type EndingRefusal = 'not_pending' | 'expired' | 'exceeds_hold' | 'account_closed' | 'account_frozen' | 'not_due'

export type Ended =
  | { readonly ok: true; readonly status: PaymentStatus }
  | { readonly ok: false; readonly refusal: EndingRefusal; readonly status: PaymentStatus }

type Row = StoredRow & { expires: Instant | null }

/**
 * Ends a pending payment inside the caller's transaction. Undefined where the book has no payment of that id. `audit` is
 * written where it ended as asked.
 */
export async function endPending(
  client: Client,
  directory: Directory,
  book: BookId,
  id: PaymentId,
  ending: Ending,
  audit: AuditEntry | null = null,
): Promise<Ended | undefined> {
  const before = await readRow(client, book, id)
  if (!before) return undefined
  const [request] = await requestsOf(client, directory, book, [before])
  if (!request) throw new Error('a payment that was read has its request')
  // Its instruction first, then accounts, then the payment: as everybody locks them. The accounts of a payment never change.
  if (before.rail !== null) await lockInstruction(client, book, id)
  const { at, accounts } = await lockContext(client, book, [request])
  const row = await readRow(client, book, id, LOCKED)
  if (!row) throw new Error(`payment ${id} has gone`)
  const [transition] = transitionsOf(row.status, ending.event)
  if (!transition) return refused('not_pending', row.status)
  const timeIsUp = row.expires !== null && at >= row.expires
  if (ending.event === 'expire' && !timeIsUp) return refused('not_due', row.status)
  const finish = (effect: Effect) => write(client, book, at, row, transition, effect, viewersOf(request), audit)
  if (ending.event !== 'settle') {
    const reason = ending.event === 'fail' ? ending.reason : null
    return finish({ ...release([toOrder(request)], accounts), postings: [], reason })
  }
  if (timeIsUp) return refused('expired', row.status)
  const amount = ending.amount ?? row.amount
  // Nothing is held for money that comes in, so more of it may come.
  if (request.from.userId !== null && amount > row.amount) return refused('exceeds_hold', row.status)
  const settled = settle(toOrder(request), amount, accounts, ending.confirmed)
  if (!settled.ok) return refused(settled.reason, row.status)
  return finish({ ...settled, amount, reason: null })
}

function refused(refusal: EndingRefusal, status: PaymentStatus): Ended {
  return { ok: false, refusal, status }
}

type Effect = ReturnType<Tally['changes']> & {
  readonly postings: readonly Posting[]
  readonly amount?: bigint
  readonly fee?: bigint
  readonly reason: Move['reason']
}

async function write(
  client: Client,
  book: BookId,
  at: Instant,
  { id, kind, rail }: Row,
  { event, to }: Transition,
  effect: Effect,
  viewers: NewEvent['viewers'],
  audit: AuditEntry | null,
): Promise<Ended> {
  const { amount = null, fee = null, reason } = effect
  const newId = idsAt(at)
  const postings = effect.postings.map((posting) => ({ paymentId: id, paymentKind: kind, posting }))
  await together([
    movePayments(client, book, formatInstant(at), [{ id, event, status: to, reason, amount, fee }]),
    deleteHolds(client, book, [id]),
    rail !== null && finishInstruction(client, book, id),
    writeMovements(client, book, at, newId, postings, effect),
    writeEvents(client, book, at, newId, [{ type: `payment.${to}`, objectId: id, viewers }]),
    writeAudit(client, book, at, newId, audit ? [{ ...audit, objectId: id }] : []),
  ])
  return { ok: true, status: to }
}

/**
 * Ends payments whose time is up, in their order, inside the caller's transaction, and gives those that did: others have
 * another end by then. One that a rail was told of comes alone, as whoever books what banks tell locks instructions, too.
 */
export async function expirePending(
  client: Client,
  directory: Directory,
  book: BookId,
  ids: readonly PaymentId[],
): Promise<PaymentId[]> {
  const before = await readRows(client, book, ids)
  const requests = await requestsOf(client, directory, book, before)
  const requestOf = new Map(before.map(({ id }, index) => [id, requests[index]]))
  const ofRails = before.filter(({ rail }) => rail !== null).map(({ id }) => id)
  for (const id of ofRails) await lockInstruction(client, book, id)
  const { at, accounts } = await lockContext(client, book, requests)
  const rows = new Map((await readRows(client, book, ids, LOCKED)).map((row) => [row.id, row]))
  const expiring = ids.flatMap((id) => {
    const [row, request] = [rows.get(id), requestOf.get(id)]
    if (!row || !request || row.expires === null || at < row.expires) return []
    return transitionsOf(row.status, 'expire').map(({ event, to }) => ({ id, request, event, to }))
  })
  if (expiring.length === 0) return []
  const newId = idsAt(at)
  const expired = expiring.map(({ id }) => id)
  const orders = expiring.map(({ request }) => toOrder(request))
  const moves = expiring.map(({ id, event, to }) => ({ id, event, status: to, reason: null, amount: null, fee: null }))
  const told = expiring.map(({ id, request, to }) => ({
    type: `payment.${to}`,
    objectId: id,
    viewers: viewersOf(request),
  }))
  await together([
    movePayments(client, book, formatInstant(at), moves),
    deleteHolds(client, book, expired),
    ...ofRails.map((id) => finishInstruction(client, book, id)),
    writeMovements(client, book, at, newId, [], release(orders, accounts)),
    writeEvents(client, book, at, newId, told),
  ])
  return expired
}

const LOCKED = 'order by p.id for no key update of p'

async function readRow(client: Client, book: BookId, id: PaymentId, lock = ''): Promise<Row | undefined> {
  const [row] = await readRows(client, book, [id], lock)
  return row
}

async function readRows(client: Client, book: BookId, ids: readonly PaymentId[], lock = ''): Promise<Row[]> {
  const { rows } = await client.query<Row>(
    `select ${STORED_COLUMNS}, (extract(epoch from p.expires_at) * 1000000)::bigint as expires
       from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
       join payments p on p.book = wanted.book and p.id = wanted.id
      ${lock}`,
    [book, uuids(ids)],
  )
  return rows
}
