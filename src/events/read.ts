import { type AccountState, readAccounts } from '../accounts/account.ts'
import { NOW } from '../database/clock.ts'
import type { Queryable } from '../database/connection.ts'
import type { AccountId, BookId, EventId, Id, Instant, PaymentId, ScheduleId, UserId, WebhookId } from '../ledger/id.ts'
import type { Payment } from '../payments/payment.ts'
import { readPayments } from '../payments/read.ts'
import { readSchedules, type Schedule } from '../schedules/schedule.ts'
import { readWebhooks, type Webhook } from '../webhooks/endpoint.ts'
import { accountAsOf, paymentAsOf, scheduleAsOf, webhookAsOf } from './as_of.ts'
import { behindTransaction, firstIdBehind, type Position } from './position.ts'
import { type EventTexts, readState } from './write.ts'

/** An event as it is told: its object as it was then, and the users who may see it. */
export type BookEvent = {
  readonly book: BookId
  readonly position: Position
  readonly id: EventId
  readonly type: string
  readonly createdAt: string
  readonly subject: Subject
  readonly viewers: readonly UserId[]
}

export type Subject =
  | { readonly kind: 'payment'; readonly payment: Payment }
  | { readonly kind: 'account'; readonly account: AccountState }
  | { readonly kind: 'schedule'; readonly schedule: Schedule }
  | { readonly kind: 'webhook'; readonly webhook: Webhook }

export type EventRow = {
  txid: string
  id: EventId
  type: string
  object_id: Id<string>
  created_at: string
  viewer: UserId | null
  other_viewer: UserId | null
  state: Record<string, unknown> | null
  texts: EventTexts | null
}

export const EVENT_COLUMNS = `e.txid::text as txid, e.id, e.type, e.object_id, e.created_at, e.viewer, e.other_viewer, e.state,
  case when e.texts is not null
       then (select shown_text(a.book, a.user_id, e.texts)::jsonb from accounts a where a.book = e.book and a.id = e.object_id)
   end as texts`

/** Events in their order, where the next ones begin, and whether there are more of them already. */
export type Events = { readonly events: readonly BookEvent[]; readonly position: Position; readonly more: boolean }

/**
 * The next events of a book, at most `limit`, in the order of the transactions that wrote them: only those before which
 * no other can be committed any more, so that who goes on from `position` misses none and gets none twice. A transaction
 * that is under way anywhere in the database's cluster holds back all that are younger.
 */
export async function readEvents(client: Queryable, book: BookId, after: Position, limit: number): Promise<Events> {
  const { rows } = await client.query<EventRow>({
    name: 'read-events',
    text: `
      select ${EVENT_COLUMNS}
        from events e
       where e.book = $1 and (e.txid, e.id) > ($2::text::xid8, $3::uuid) and e.id >= $5
         and e.txid < pg_snapshot_xmin(pg_current_snapshot())
       order by e.book, e.txid, e.id
       limit $4`,
    values: [book, after.txid.toString(), after.id, limit, firstIdBehind(after)],
  })
  const last = rows.at(-1)
  return {
    events: await withObjects(client, book, rows),
    position: last ? positionOf(last) : after,
    more: rows.length === limit,
  }
}

/** Where events begin that are still to come. */
export async function readEnd(client: Queryable): Promise<Position> {
  const { rows } = await client.query<{ txid: string; now: Instant }>({
    name: 'end-of-events',
    text: `
      select pg_snapshot_xmin(pg_current_snapshot())::text as txid, ${NOW}`,
  })
  if (!rows[0]) throw new Error('the database has no snapshot')
  return behindTransaction(BigInt(rows[0].txid) - 1n, rows[0].now)
}

export function positionOf({ txid, id }: Pick<EventRow, 'txid' | 'id'>): Position {
  return { txid: BigInt(txid), id }
}

/** The events of these rows, with their objects; rows of types that are not told are left out. */
export async function withObjects(client: Queryable, book: BookId, rows: readonly EventRow[]): Promise<BookEvent[]> {
  const idsOf = (prefix: string) => [
    ...new Set(rows.filter(({ type }) => type.startsWith(prefix)).map(({ object_id }) => object_id)),
  ]
  const paymentIds = idsOf('payment.') as PaymentId[]
  const accountIds = idsOf('account.') as AccountId[]
  const scheduleIds = idsOf('schedule.') as ScheduleId[]
  const webhookIds = idsOf('webhook.') as WebhookId[]
  const payments = paymentIds.length > 0 ? await readPayments(client, book, paymentIds) : new Map()
  const accounts = accountIds.length > 0 ? await readAccounts(client, book, accountIds) : new Map()
  const schedules = scheduleIds.length > 0 ? await readSchedules(client, book, scheduleIds) : new Map()
  const webhooks = webhookIds.length > 0 ? await readWebhooks(client, book, webhookIds, 'deleted too') : new Map()
  return rows.flatMap((row): BookEvent[] => {
    const { id, type, created_at: createdAt, object_id: objectId } = row
    const viewers = [row.viewer, row.other_viewer].filter((user) => user !== null)
    const event = { book, position: positionOf(row), id, type, createdAt, viewers }
    const state = readState(row.state)
    const payment = payments.get(objectId as PaymentId)
    if (payment) {
      return [{ ...event, subject: { kind: 'payment', payment: paymentAsOf(payment, type, createdAt, state) } }]
    }
    const account = accounts.get(objectId as AccountId)
    if (account) {
      return [
        { ...event, subject: { kind: 'account', account: accountAsOf(account, type, createdAt, state, row.texts) } },
      ]
    }
    const schedule = schedules.get(objectId as ScheduleId)
    if (schedule) {
      return [{ ...event, subject: { kind: 'schedule', schedule: scheduleAsOf(schedule, state) } }]
    }
    const webhook = webhooks.get(objectId as WebhookId)
    if (webhook) {
      return [{ ...event, subject: { kind: 'webhook', webhook: webhookAsOf(webhook, createdAt, state) } }]
    }
    return []
  })
}
