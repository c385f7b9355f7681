import { texts, uuids } from '../database/binary_arrays.ts'
import type { NewId } from '../database/clock.ts'
import type { Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { BookId, Id, Instant, UserId } from '../ledger/id.ts'
import { readScheduleState, type ScheduleState, type StoredScheduleState } from '../schedules/events.ts'
import type { DisabledReason } from '../webhooks/endpoint.ts'

/**
 * What an event says of its object where the object may change once more behind it; amounts in minor units. Anything
 * that is left out is told by the type of the event, or never changes.
 */
export type EventState = {
  readonly refundedAmount?: bigint
  readonly balance?: bigint
  readonly held?: bigint
  readonly overdraftLimit?: bigint
  readonly refuseIncoming?: boolean
  readonly schedule?: ScheduleState
  readonly disabledReason?: DisabledReason
  /** The types that a webhook was sent. */
  readonly webhookEvents?: readonly string[]
}

/** Name and metadata of an account as they were. */
export type EventTexts = { readonly name: string; readonly metadata: Readonly<Record<string, string>> }

/** Something that happened, for everyone who watches (api.md, Events). */
export type NewEvent = {
  readonly type: string
  readonly objectId: Id<string>
  /** Who may see it: both sides of a payment, the owner of anything else. Null for a technical account. */
  readonly viewers: readonly (UserId | null)[]
  readonly state?: EventState
  /** What its only viewer calls it, which is encrypted. */
  readonly texts?: EventTexts
}

/** Stores events, and who may see them, in the transaction of what they tell. */
export async function writeEvents(
  client: Queryable,
  book: BookId,
  at: Instant,
  newId: NewId,
  events: readonly NewEvent[],
): Promise<void> {
  const viewers = events.map(twoViewers)
  const values = [
    book,
    formatInstant(at),
    uuids(events.map(() => newId<'event'>())),
    texts(events.map(({ type }) => type)),
    uuids(events.map(({ objectId }) => objectId)),
    uuids(viewers.map(([viewer]) => viewer)),
    uuids(viewers.map(([, other]) => other)),
  ]
  // Almost all events are those of plain payments, which have no state.
  if (events.every(({ state, texts }) => state === undefined && texts === undefined)) {
    await client.query({
      name: 'write-events',
      text: `
        insert into events (book, created_at, id, type, object_id, viewer, other_viewer)
        select $1, $2, v.*
          from (select unnest($3::uuid[]), unnest($4::text[]), unnest($5::uuid[]), unnest($6::uuid[]), unnest($7::uuid[])) as v`,
      values,
    })
    return
  }
  await client.query({
    name: 'write-events-with-state',
    text: `
      insert into events (book, created_at, id, type, object_id, viewer, other_viewer, state, texts)
      select $1, $2, v.id, v.type, v.object_id, v.viewer, v.other_viewer, v.state, stored_text($1, v.viewer, v.texts)
        from unnest($3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::jsonb[], $9::text[])
          as v (id, type, object_id, viewer, other_viewer, state, texts)`,
    values: [
      ...values,
      events.map(({ state }) => (state === undefined ? null : writeState(state))),
      events.map(({ texts }) => (texts === undefined ? null : JSON.stringify(texts))),
    ],
  })
}

/** Each of them once: whoever pays themselves is both sides. */
function twoViewers({ viewers }: NewEvent): readonly [UserId | null, UserId | null] {
  const [viewer = null, other = null] = new Set(viewers.filter((user) => user !== null))
  return [viewer, other]
}

function writeState(state: EventState): string {
  return JSON.stringify(state, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
}

/** A state as the database keeps it. */
export function readState(stored: Readonly<Record<string, unknown>> | null): EventState {
  if (stored === null) return {}
  return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, readPart(name, value)]))
}

const AMOUNTS = ['refundedAmount', 'balance', 'held', 'overdraftLimit']

function readPart(name: string, value: unknown): unknown {
  if (name === 'schedule') return readScheduleState(value as StoredScheduleState)
  return AMOUNTS.includes(name) ? BigInt(value as string) : value
}
