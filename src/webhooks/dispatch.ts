import { type Client, inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import type { Position } from '../events/position.ts'
import { type BookEvent, readEnd, readEvents, type Subject } from '../events/read.ts'
import type { BookId, EventId, Id, UserId, WebhookId } from '../ledger/id.ts'
import { insertDeliveries, type NewDelivery } from './delivery.ts'

/** An event as callers see it: what is sent. */
export type PresentEvent = (event: BookEvent) => object

const MOST_AT_ONCE = 200

type Endpoint = {
  readonly id: WebhookId
  readonly user_id: UserId
  readonly events: readonly string[]
  readonly status: 'active' | 'disabled'
  readonly since: bigint
}

/**
 * Makes a delivery of each new event of a book for each endpoint that wants it: exactly one, as the place that was
 * reached moves on in the same transaction. False where there may be more. One node at a time: others leave it to it.
 * What takes time is read first, outside the transaction, which would hold back younger events from whoever reads them.
 */
export function createDispatch(pool: Pool, present: PresentEvent) {
  return async (book: BookId): Promise<boolean> => {
    const after = await readCursor(pool, book)
    if (!after) return true
    if (!(await anyEndpoint(pool, book))) return skipAll(pool, book, after)
    const { events, position, more } = await readEvents(pool, book, after, MOST_AT_ONCE)
    if (position === after) return true
    return inTransaction(pool, async (client) => {
      if (!(await lockCursor(client, book, after))) return true
      const endpoints = await endpointsOf(client, book, new Set(events.flatMap(({ viewers }) => viewers)))
      await insertDeliveries(client, book, deliveriesOf(events, endpoints, present))
      await moveCursor(client, book, position)
      return !more
    })
  }
}

/** In the order of the events. An endpoint gets those of transactions that began after it was there. */
function deliveriesOf(
  events: readonly BookEvent[],
  endpoints: readonly Endpoint[],
  present: PresentEvent,
): NewDelivery[] {
  return events.flatMap((event) =>
    endpoints
      .filter((endpoint) => wants(endpoint, event))
      .map(({ id, status }) => ({
        webhookId: id,
        active: status === 'active',
        txid: event.position.txid.toString(),
        eventId: event.id,
        eventType: event.type,
        objectId: objectOf(event.subject),
        body: JSON.stringify(present(event)),
      })),
  )
}

function objectOf(subject: Subject): Id<string> {
  switch (subject.kind) {
    case 'payment':
      return subject.payment.id
    case 'account':
      return subject.account.id
    case 'schedule':
      return subject.schedule.id
    case 'webhook':
      return subject.webhook.id
  }
}

function wants({ user_id, events, since }: Endpoint, { position, type, viewers }: BookEvent): boolean {
  return viewers.includes(user_id) && position.txid > since && (events.includes('*') || events.includes(type))
}

async function readCursor(pool: Pool, book: BookId): Promise<Position | undefined> {
  const { rows } = await pool.query<{ txid: string; event_id: EventId }>({
    name: 'read-webhook-cursor',
    text: 'select txid::text, event_id from webhook_cursors where book = $1',
    values: [book],
  })
  return rows[0] && { txid: BigInt(rows[0].txid), id: rows[0].event_id }
}

/** False where another node has moved on from there, or is about to. */
async function lockCursor(client: Client, book: BookId, { txid, id }: Position): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'lock-webhook-cursor',
    text: `
      select from webhook_cursors where book = $1 and txid = $2::text::xid8 and event_id = $3 for update skip locked`,
    values: [book, txid.toString(), id],
  })
  return rowCount === 1
}

async function moveCursor(client: Client, book: BookId, { txid, id }: Position): Promise<void> {
  await client.query('update webhook_cursors set txid = $2::xid8, event_id = $3 where book = $1', [
    book,
    txid.toString(),
    id,
  ])
}

async function anyEndpoint(client: Queryable, book: BookId): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'any-webhook',
    text: `select from webhooks where book = $1 and status <> 'deleted' limit 1`,
    values: [book],
  })
  return rowCount === 1
}

/**
 * Where nobody wants events the place is that of the oldest transaction under way: an endpoint that is made later, even
 * if it is being made now, is of no older one.
 */
async function skipAll(pool: Pool, book: BookId, after: Position): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    if (!(await lockCursor(client, book, after)) || (await anyEndpoint(client, book))) return true
    const end = await readEnd(client)
    if (end.txid > after.txid) await moveCursor(client, book, end)
    return true
  })
}

/** Shared, so that none is disabled or deleted before what it is sent is written. */
async function endpointsOf(client: Client, book: BookId, users: ReadonlySet<UserId>): Promise<Endpoint[]> {
  const { rows } = await client.query<Omit<Endpoint, 'since'> & { since: string }>({
    name: 'webhooks-of-users',
    text: `
      select w.id, w.user_id, w.events, w.status, w.since_txid::text as since
        from webhooks w
       where w.book = $1 and w.user_id = any($2) and w.status <> 'deleted'
       order by w.id
         for share`,
    values: [book, [...users]],
  })
  return rows.map((row) => ({ ...row, since: BigInt(row.since) }))
}
