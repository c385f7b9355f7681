import { idsAt, readClock } from '../database/clock.ts'
import type { Client, Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import {
  type BookId,
  type DeliveryId,
  type EventId,
  firstIdAt,
  type Id,
  type Instant,
  type WebhookId,
} from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import type { SendError } from './send.ts'

export const DELIVERY_STATUSES = ['pending', 'succeeded', 'failed', 'skipped'] as const
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]

/** One event for one endpoint, and what has become of it. */
export type Delivery = {
  readonly id: DeliveryId
  readonly webhookId: WebhookId
  readonly eventId: EventId
  readonly eventType: string
  readonly body: string
  readonly status: DeliveryStatus
  readonly attempts: number
  /** When the next attempt is due; null where there is none. */
  readonly nextAttemptAt: string | null
  readonly completedAt: string | null
  readonly createdAt: string
}

/** One request, and what came of it: an answer or an error. */
export type Attempt = {
  readonly number: number
  readonly url: string
  readonly requestHeaders: Readonly<Record<string, string>>
  readonly address: string | null
  readonly answerStatus: number | null
  readonly answerHeaders: Readonly<Record<string, string>> | null
  readonly answerBody: string | null
  readonly error: SendError | null
  readonly milliseconds: number
  readonly createdAt: string
}

export type DeliveryRow = {
  id: DeliveryId
  webhook_id: WebhookId
  event_id: EventId
  event_type: string
  body: string
  status: DeliveryStatus
  attempts: number
  next_attempt_at: string | null
  completed_at: string | null
  created_at: string
}

/** A text of the owner of what the delivery `d` goes to. */
export function deliveryText(sql: string): string {
  return `shown_text(d.book, webhook_owner(d.book, d.webhook_id), ${sql})`
}

export const DELIVERY_COLUMNS = `d.id, d.webhook_id, d.event_id, d.event_type, ${deliveryText('d.body')} as body, d.status, d.attempts,
  case when d.status = 'pending' then d.due_at end as next_attempt_at, d.completed_at, d.created_at`

export function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    webhookId: row.webhook_id,
    eventId: row.event_id,
    eventType: row.event_type,
    body: row.body,
    status: row.status,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    completedAt: row.completed_at,
    createdAt: row.created_at,
  }
}

export async function readDelivery(
  client: Queryable,
  book: BookId,
  webhookId: WebhookId,
  id: DeliveryId,
): Promise<Delivery | undefined> {
  const { rows } = await client.query<DeliveryRow>(
    `select ${DELIVERY_COLUMNS} from webhook_deliveries d where d.book = $1 and d.webhook_id = $2 and d.id = $3`,
    [book, webhookId, id],
  )
  return rows[0] && toDelivery(rows[0])
}

/** The attempts of a delivery, the latest first, at most 100. */
export async function readAttempts(client: Queryable, book: BookId, id: DeliveryId): Promise<Attempt[]> {
  const { rows } = await client.query<Attempt>(
    `select a.number, ${deliveryText('a.url')} as url, a.request_headers as "requestHeaders", a.address,
            a.answer_status as "answerStatus", a.answer_headers as "answerHeaders",
            ${deliveryText('a.answer_body')} as "answerBody", a.error, a.milliseconds, a.created_at as "createdAt"
       from webhook_attempts a
       join webhook_deliveries d on d.book = a.book and d.id = a.delivery_id
      where a.book = $1 and a.delivery_id = $2
      order by a.number desc
      limit 100`,
    [book, id],
  )
  return rows
}

/**
 * Asks for a delivery again, whatever came of it; what still waits for an attempt gets it at once, and so does what waits
 * in front of it, as it would wait as long. An attempt under way was made before, and ends nothing any more. False where
 * there is none of that id, or none any more.
 */
export async function redeliver(
  client: Queryable,
  book: BookId,
  webhookId: WebhookId,
  id: DeliveryId,
): Promise<boolean> {
  const { rows } = await client.query(
    `with asked as (
       update webhook_deliveries
          set status = 'pending', completed_at = null, claimed_until = null, tries = 0, due_at = $4
        where book = $1 and webhook_id = $2 and id = $3
       returning object_id, event_txid, event_id),
     in_front as (
       update webhook_deliveries d set tries = 0, due_at = $4
         from asked a
        where d.book = $1 and d.webhook_id = $2 and d.object_id = a.object_id and d.status = 'pending' and d.due_at > $4
          and (d.event_txid, d.event_id) < (a.event_txid, a.event_id))
     select from asked`,
    [book, webhookId, id, formatInstant(await readClock(client))],
  )
  return rows.length > 0
}

/**
 * Asks again for every event since a time, in their order, those too that are just being sent: else one of them would
 * come before those in front of it, and not behind them. What waits in front of these is tried at once, too. Pings are no
 * events. Returns how many are asked for.
 */
export async function redeliverSince(
  client: Queryable,
  book: BookId,
  webhookId: WebhookId,
  since: Instant,
): Promise<number> {
  const { rows } = await client.query<{ many: number }>(
    `with asked as (
       update webhook_deliveries
          set status = 'pending', completed_at = null, claimed_until = null, tries = 0, due_at = $4
        where book = $1 and webhook_id = $2 and event_id >= $3 and event_type <> '${PING}'
       returning object_id),
     in_front as (
       update webhook_deliveries d set tries = 0, due_at = $4
        where d.book = $1 and d.webhook_id = $2 and d.event_id < $3 and d.status = 'pending' and d.due_at > $4
          and d.object_id in (select object_id from asked))
     select count(*)::integer as many from asked`,
    [book, webhookId, firstIdAt(since), formatInstant(await readClock(client))],
  )
  return rows[0]?.many ?? 0
}

export const PING = 'webhook.ping'

/** Stores a ping: an event of its own, for one endpoint, that is tried once. */
export async function ping(client: Client, book: BookId, webhookId: WebhookId): Promise<DeliveryId> {
  const at = await readClock(client)
  const newId = idsAt(at)
  const [id, eventId] = [newId<'delivery'>(), newId<'event'>()]
  const body = {
    id: encodeId('evt', eventId),
    type: PING,
    created_at: formatInstant(at),
    data: { object: { id: encodeId('whk', webhookId) } },
  }
  await client.query(
    `insert into webhook_deliveries
            (book, id, webhook_id, event_id, event_type, object_id, body, status, due_at, created_at)
     values ($1, $2, $3, $4, $5, $3, stored_text($1, webhook_owner($1, $3), $6), 'pending', $7, $7)`,
    [book, id, webhookId, eventId, PING, JSON.stringify(body), formatInstant(at)],
  )
  return id
}

/** An event on its way to one endpoint; `txid` and `eventId` are its place in the feed. */
export type NewDelivery = {
  readonly webhookId: WebhookId
  readonly active: boolean
  readonly txid: string
  readonly eventId: EventId
  readonly eventType: string
  readonly objectId: Id<string>
  readonly body: string
}

/** Stores deliveries in the order of their events. To an endpoint that is not active they are skipped. */
export async function insertDeliveries(
  client: Client,
  book: BookId,
  deliveries: readonly NewDelivery[],
): Promise<void> {
  if (deliveries.length === 0) return
  const at = await readClock(client)
  const newId = idsAt(at)
  const ids = deliveries.map(() => newId<'delivery'>())
  const column = <T>(of: (delivery: NewDelivery) => T) => deliveries.map(of)
  await client.query(
    `insert into webhook_deliveries (book, id, webhook_id, event_txid, event_id, event_type, object_id, body, status,
                                     due_at, completed_at, created_at)
     select $1, v.id, v.webhook_id, v.txid::xid8, v.event_id, v.event_type, v.object_id,
            stored_text($1, webhook_owner($1, v.webhook_id), v.body), v.status,
            $10, case when v.status = 'skipped' then $10::timestamptz end, $10
       from unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::text[])
         as v (id, webhook_id, txid, event_id, event_type, object_id, body, status)`,
    [
      book,
      ids,
      column(({ webhookId }) => webhookId),
      column(({ txid }) => txid),
      column(({ eventId }) => eventId),
      column(({ eventType }) => eventType),
      column(({ objectId }) => objectId),
      column(({ body }) => body),
      column(({ active }) => (active ? 'pending' : 'skipped')),
      formatInstant(at),
    ],
  )
  await waitInLine(client, book, ids, at)
}

/**
 * What stands behind an event that is tried again later waits as long, and need not be looked at before. That event is
 * locked: who delivers it meanwhile does so before, and it is not there, or after, and finds these. Of the new ones it is
 * not said that they are pending, or PostgreSQL may go through all that are.
 */
async function waitInLine(client: Client, book: BookId, ids: readonly DeliveryId[], at: Instant): Promise<void> {
  await client.query(
    `with behind as materialized (
       select d.id, first.due_at
         from webhook_deliveries d
         cross join lateral (
           select h.due_at from webhook_deliveries h
            where h.book = $1 and h.webhook_id = d.webhook_id and h.object_id = d.object_id and h.status = 'pending'
              and (h.event_txid, h.event_id) < (d.event_txid, d.event_id)
            order by h.event_txid, h.event_id
            limit 1
              for share) first
        where d.book = $1 and d.id = any($2) and d.completed_at is null)
     update webhook_deliveries d set due_at = behind.due_at
       from behind
      where d.book = $1 and d.id = behind.id and behind.due_at > $3`,
    [book, ids, formatInstant(at)],
  )
}
