import type { NewId } from '../database/clock.ts'
import type { Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, EventId, Id, Instant } from '../ledger/id.ts'

/** Something that happened, for everyone who watches (api.md, Events). */
export type NewEvent = { readonly type: string; readonly objectId: Id<string> }

/** Stores events in the transaction of what they tell. */
export async function writeEvents(
  client: Queryable,
  book: BookId,
  at: Instant,
  newId: NewId,
  events: readonly NewEvent[],
): Promise<void> {
  const ids: EventId[] = events.map(() => newId<'event'>())
  await client.query({
    name: 'write-events',
    text: `
      insert into events (book, id, type, object_id, created_at)
      select $1, v.*, $2 from unnest($3::uuid[], $4::text[], $5::uuid[]) as v`,
    values: [book, formatInstant(at), ids, events.map(({ type }) => type), events.map(({ objectId }) => objectId)],
  })
}
