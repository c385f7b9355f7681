import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import type { BookId, EventId, Id, UserId, WebhookId } from '../ledger/id.ts'
import { insertDeliveries, type NewDelivery } from './delivery.ts'

/** A place in the feed of a book: events are in the order of (txid, id). */
export type Position = { readonly txid: string; readonly id: EventId }

/** An event of the feed as it goes out, and the users who may see it. */
export type FeedEvent = Position & {
  readonly type: string
  readonly objectId: Id<string>
  readonly users: readonly UserId[]
  readonly body: object
}

/**
 * The next events of a book behind a place, in order, at most `limit`, and only such as none can come before any more:
 * of transactions older than every one that is under way.
 */
export type ReadFeed = (client: Client, book: BookId, after: Position, limit: number) => Promise<readonly FeedEvent[]>

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
 */
export function createDispatch(pool: Pool, readFeed: ReadFeed) {
  return (book: BookId): Promise<boolean> =>
    inTransaction(pool, async (client) => {
      const after = await lockCursor(client, book)
      if (!after) return true
      if (!(await anyEndpoint(client, book))) {
        await skipAll(client, book, after)
        return true
      }
      const events = await readFeed(client, book, after, MOST_AT_ONCE)
      const last = events.at(-1)
      if (!last) return true
      const endpoints = await endpointsOf(client, book, new Set(events.flatMap(({ users }) => users)))
      await insertDeliveries(client, book, deliveriesOf(events, endpoints))
      await moveCursor(client, book, last)
      return events.length < MOST_AT_ONCE
    })
}

/** In the order of the events. An endpoint gets those of transactions that began after it was there. */
export function deliveriesOf(events: readonly FeedEvent[], endpoints: readonly Endpoint[]): NewDelivery[] {
  return events.flatMap((event) =>
    endpoints
      .filter((endpoint) => wants(endpoint, event))
      .map(({ id, status }) => ({
        webhookId: id,
        active: status === 'active',
        txid: event.txid,
        eventId: event.id,
        eventType: event.type,
        objectId: event.objectId,
        body: JSON.stringify(event.body),
      })),
  )
}

function wants({ user_id, events, since }: Endpoint, { txid, type, users }: FeedEvent): boolean {
  return users.includes(user_id) && BigInt(txid) > since && (events.includes('*') || events.includes(type))
}

async function lockCursor(client: Client, book: BookId): Promise<Position | undefined> {
  const { rows } = await client.query<{ txid: string; event_id: EventId }>({
    name: 'lock-webhook-cursor',
    text: 'select txid::text, event_id from webhook_cursors where book = $1 for update skip locked',
    values: [book],
  })
  return rows[0] && { txid: rows[0].txid, id: rows[0].event_id }
}

async function moveCursor(client: Client, book: BookId, { txid, id }: Position): Promise<void> {
  await client.query('update webhook_cursors set txid = $2::xid8, event_id = $3 where book = $1', [book, txid, id])
}

async function anyEndpoint(client: Client, book: BookId): Promise<boolean> {
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
async function skipAll(client: Client, book: BookId, { txid }: Position): Promise<void> {
  await client.query(
    `update webhook_cursors
        set txid = pg_snapshot_xmin(pg_current_snapshot()), event_id = '00000000-0000-0000-0000-000000000000'
      where book = $1 and txid = $2::xid8 and txid < pg_snapshot_xmin(pg_current_snapshot())`,
    [book, txid],
  )
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
