import type { Directory } from '../accounts/directory.ts'
import { type AuditEntry, writeAudit } from '../audit/audit.ts'
import { uuids } from '../database/binary_arrays.ts'
import { idsAt } from '../database/clock.ts'
import { type Client, together } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { writeEvents } from '../events/write.ts'
import type { BookId, Instant, PaymentId } from '../ledger/id.ts'
import { type Transition, transitionsOf } from '../ledger/lifecycle.ts'
import type { PaymentStatus } from '../ledger/payment.ts'
import { release, settle } from '../ledger/post.ts'
import type { Tally } from '../ledger/tally.ts'
import { lockContext, toOrder } from './context.ts'
import { deleteHolds } from './holds.ts'
import { finishInstruction, lockInstruction } from './instructions.ts'
import { type Move, movePayments } from './move.ts'
import { type PaymentPosting, writeMovements } from './movements.ts'
import type { PricedRequest } from './payment.ts'
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

/** A payment as its lock found it, and what it asked for. */
type Pending = { readonly row: Row; readonly request: PricedRequest }

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
  const locked = await lockPending(client, directory, book, [id])
  if (!locked) return undefined
  const { at, accounts } = locked
  const [found] = locked.pending
  if (!found) throw new Error(`payment ${id} has gone`)
  const { row, request } = found
  const [transition] = transitionsOf(row.status, ending.event)
  if (!transition) return refused('not_pending', row.status)
  const timeIsUp = isTimeUp(row, at)
  if (ending.event === 'expire' && !timeIsUp) return refused('not_due', row.status)
  const finish = async (effect: Effect): Promise<Ended> => {
    const { reason, amount = null, fee = null } = effect
    const lines = audit ? [{ ...audit, objectId: id }] : []
    await write(client, book, at, [{ row, request, transition, reason, amount, fee }], effect, lines)
    return { ok: true, status: transition.to }
  }
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
  const postings = settled.postings.map((posting) => ({ paymentId: id, paymentKind: row.kind, posting }))
  return finish({ ...settled, postings, amount, reason: null })
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
  const locked = await lockPending(client, directory, book, ids)
  if (!locked) return []
  const { at, accounts } = locked
  const ends = locked.pending.flatMap(({ row, request }) => {
    const [transition] = transitionsOf(row.status, 'expire')
    return transition && isTimeUp(row, at) ? [{ row, request, transition, reason: null, amount: null, fee: null }] : []
  })
  if (ends.length === 0) return []
  const orders = ends.map(({ request }) => toOrder(request))
  await write(client, book, at, ends, { ...release(orders, accounts), postings: [] }, [])
  return ends.map(({ row }) => row.id)
}

function isTimeUp({ expires }: Row, at: Instant): boolean {
  return expires !== null && at >= expires
}

function refused(refusal: EndingRefusal, status: PaymentStatus): Ended {
  return { ok: false, refusal, status }
}

type Changes = ReturnType<Tally['changes']> & { readonly postings: readonly PaymentPosting[] }

type Effect = Changes & { readonly amount?: bigint; readonly fee?: bigint; readonly reason: Move['reason'] }

/** How one payment ends. */
type End = Pending & { readonly transition: Transition } & Pick<Move, 'reason' | 'amount' | 'fee'>

async function write(
  client: Client,
  book: BookId,
  at: Instant,
  ends: readonly End[],
  { postings, ...changes }: Changes,
  audit: readonly AuditEntry[],
): Promise<void> {
  const newId = idsAt(at)
  const ids = ends.map(({ row }) => row.id)
  const ofRails = ends.filter(({ row }) => row.rail !== null)
  const moves = ends.map(({ row: { id }, transition: { event, to }, reason, amount, fee }) => {
    return { id, event, status: to, reason, amount, fee }
  })
  const events = ends.map(({ row: { id }, request, transition: { to } }) => {
    return { type: `payment.${to}`, objectId: id, viewers: viewersOf(request) }
  })
  await together([
    movePayments(client, book, formatInstant(at), moves),
    deleteHolds(client, book, ids),
    ...ofRails.map(({ row }) => finishInstruction(client, book, row.id)),
    writeMovements(client, book, at, newId, postings, changes),
    writeEvents(client, book, at, newId, events),
    writeAudit(client, book, at, newId, audit),
  ])
}

/** Locks payments and what their end may change: those that there are, in this order. Undefined where there are none. */
async function lockPending(client: Client, directory: Directory, book: BookId, ids: readonly PaymentId[]) {
  const before = await readRows(client, book, ids)
  if (before.length === 0) return undefined
  const requests = await requestsOf(client, directory, book, before)
  // Instructions first, then accounts, then payments: as everybody locks them. The accounts of a payment never change.
  for (const { id, rail } of before) if (rail !== null) await lockInstruction(client, book, id)
  const { at, accounts } = await lockContext(client, book, requests)
  const requestOf = new Map(before.map(({ id }, index) => [id, requests[index]]))
  const rowOf = new Map((await readRows(client, book, ids, LOCKED)).map((row) => [row.id, row]))
  const pending = ids.flatMap((id): Pending[] => {
    const [row, request] = [rowOf.get(id), requestOf.get(id)]
    return row && request ? [{ row, request }] : []
  })
  return { at, accounts, pending }
}

const LOCKED = 'order by p.id for no key update of p'

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
