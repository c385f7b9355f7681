import { setTimeout as delay } from 'node:timers/promises'
import { texts, uuids } from '../database/binary_arrays.ts'
import { inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { isRaceLost, isUnavailable } from '../database/faults.ts'
import type { BookId, EventId, UserId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { BEGINNING, firstIdBehind, isAfter, type Position } from './position.ts'
import { positionOf } from './read.ts'

const LOOK_EVERY_MS = 200
const MOST_AT_ONCE = 500
const PARTITIONS_EVERY_MS = 600_000

export type ViewersOptions = { readonly pool: Pool; readonly log: Log; readonly keepDays: number }

/**
 * Keeps `user_events`, which every list of a user's events and every resumed stream reads, a moment behind the events
 * themselves; has the tables of the next days made, and those dropped that are older than `keepDays`. Any number of
 * nodes may do so at once: each book's place is locked by one of them at a time.
 */
export function createViewers({ pool, log, keepDays }: ViewersOptions) {
  const stopping = new AbortController()
  let partitionsAt = 0

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        if (partitionsAt === 0 || performance.now() - partitionsAt > PARTITIONS_EVERY_MS) {
          await keepPartitions()
          partitionsAt = performance.now()
        }
        for (const book of await booksBehind(pool)) {
          while (!stopping.signal.aborted && (await keepNext(pool, book)) === MOST_AT_ONCE);
        }
      } catch (error) {
        if (!isUnavailable(error)) log.error({ err: error }, 'could not keep who may see events')
      }
      await delay(LOOK_EVERY_MS, undefined, { ref: false, signal: stopping.signal }).catch(() => undefined)
    }
  }

  /** Where somebody reads what would be dropped, there is a next time. */
  async function keepPartitions(): Promise<void> {
    await pool.query('select keep_event_partitions($1)', [keepDays]).catch((error: unknown) => {
      if (!isRaceLost(error)) throw error
    })
  }

  const working = work()

  async function stop(): Promise<void> {
    stopping.abort()
    await working
  }
  return { stop }
}

/** The books that have events whose viewers are not kept yet, and may be. */
async function booksBehind(pool: Pool): Promise<BookId[]> {
  const { rows } = await pool.query<{ book: BookId }>({
    name: 'books-behind',
    text: `
      select b.book
        from books b
        left join event_progress g on g.book = b.book
       where exists (select from events e
                      where e.book = b.book
                        and (e.txid, e.id) > (coalesce(g.txid, '0'::xid8), coalesce(g.id, '${BEGINNING.id}'::uuid))
                        and e.txid < pg_snapshot_xmin(pg_current_snapshot()))`,
  })
  return rows.map(({ book }) => book)
}

type Seen = { readonly txid: string; readonly id: EventId } & Readonly<
  Record<'sender' | 'receiver' | 'owner', UserId | null>
>
type Viewing = { readonly txid: string; readonly id: EventId; readonly userId: UserId }

/**
 * Keeps the viewers of the next events of a book. Returns of how many; 0 where another node was faster. What takes time
 * is read first, outside the transaction that writes, so that this one holds back no event.
 */
async function keepNext(pool: Pool, book: BookId): Promise<number> {
  const place = await readProgress(pool, book)
  const seen = await readNext(pool, book, place)
  const last = seen.map(positionOf).reduce((one, other) => (isAfter(other, one) ? other : one), place)
  if (last === place || !(await write(pool, book, place, last, seen.flatMap(viewingsOf)))) return 0
  return seen.length
}

/** The next events with whose they are: both sides of a payment, the owner of an account, a schedule or a webhook. */
async function readNext(pool: Pool, book: BookId, place: Position): Promise<readonly Seen[]> {
  const { rows } = await pool.query<Seen>({
    name: 'next-viewers',
    text: `
      with next as materialized (
        select e.book, e.txid, e.id, e.type, e.object_id
          from events e
         where e.book = $1 and (e.txid, e.id) > ($2::text::xid8, $3::uuid) and e.id >= $5
           and e.txid < pg_snapshot_xmin(pg_current_snapshot())
         order by e.book, e.txid, e.id
         limit $4
      )
      select n.txid::text, n.id, p.sender, p.receiver,
             case when n.type like 'payment.%'
                  then null
                  when n.type like 'account.%'
                  then (select a.user_id from accounts a where a.book = n.book and a.id = n.object_id)
                  when n.type like 'schedule.%'
                  then (select s.user_id from schedules s where s.book = n.book and s.id = n.object_id)
                  when n.type like 'webhook.%'
                  then (select w.user_id from webhooks w where w.book = n.book and w.id = n.object_id) end as owner
        from next n
        left join lateral (select f.user_id as sender, t.user_id as receiver
                             from payments p
                             join accounts f on f.book = p.book and f.id = p.from_account
                             join accounts t on t.book = p.book and t.id = p.to_account
                            where p.book = n.book and p.id = n.object_id
                            limit 1) as p on n.type like 'payment.%'`,
    values: [book, place.txid.toString(), place.id, MOST_AT_ONCE, firstIdBehind(place)],
  })
  return rows
}

function viewingsOf({ txid, id, sender, receiver, owner }: Seen): Viewing[] {
  const users = new Set([sender, receiver, owner])
  return [...users].flatMap((userId) => (userId === null ? [] : [{ txid, id, userId }]))
}

/** False where another node has moved on from `place` meanwhile. */
async function write(
  pool: Pool,
  book: BookId,
  place: Position,
  last: Position,
  viewings: readonly Viewing[],
): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const begun =
      place === BEGINNING
        ? client.query({
            name: 'begin-progress',
            text: `insert into event_progress (book, txid, id) values ($1, $2::text::xid8, $3) on conflict do nothing`,
            values: [book, last.txid.toString(), last.id],
          })
        : client.query({
            name: 'move-progress',
            text: `
              update event_progress set txid = $2::text::xid8, id = $3
               where book = $1 and txid = $4::text::xid8 and id = $5`,
            values: [book, last.txid.toString(), last.id, place.txid.toString(), place.id],
          })
    if ((await begun).rowCount !== 1) return false
    await client.query({
      name: 'keep-viewers',
      text: `
        insert into user_events (book, user_id, txid, id)
        select $1, v.* from unnest($2::uuid[], $3::text[]::xid8[], $4::uuid[]) as v`,
      values: [
        book,
        uuids(viewings.map(({ userId }) => userId)),
        texts(viewings.map(({ txid }) => txid)),
        uuids(viewings.map(({ id }) => id)),
      ],
    })
    return true
  })
}

/** Up to where the viewers of a book's events are kept. */
export async function readProgress(client: Queryable, book: BookId): Promise<Position> {
  const { rows } = await client.query<{ txid: string; id: EventId }>({
    name: 'read-progress',
    text: 'select txid::text, id from event_progress where book = $1',
    values: [book],
  })
  const [place] = rows
  return place ? { txid: BigInt(place.txid), id: place.id } : BEGINNING
}
