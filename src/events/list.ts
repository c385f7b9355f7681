import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import type { BookId, Id, UserId } from '../ledger/id.ts'
import { PAYMENT_KINDS } from '../ledger/payment.ts'
import { decodeId } from '../ledger/typeid.ts'
import { decodePosition } from './position.ts'
import { EVENT_COLUMNS, type EventRow } from './read.ts'
import { EVENT_TYPES } from './types.ts'

/** What a list of events shows are their rows: their objects are read once the page is known (withObjects). */
type EventList = ListSpec<EventRow, EventRow>

const accountId = fields.id((text) => decodeId('acc', text), 'an id such as acc_…')

/** What never changes of what an event tells of: the rest is only known where it is read as it was. */
const OBJECT_FIELDS: EventList['fields'] = {
  'data.object.kind': { sql: 'p.kind', kind: fields.choice(PAYMENT_KINDS), nullable: true },
  'data.object.from_account': {
    sql: 'coalesce(p.from_account, s.from_account)',
    kind: accountId,
    nullable: true,
  },
  'data.object.to_account': { sql: 'coalesce(p.to_account, s.to_account)', kind: accountId, nullable: true },
  'data.object.currency': {
    sql: 'coalesce(p.currency, s.currency, a.currency)',
    kind: fields.currency,
    nullable: true,
  },
}
const OBJECT_JOINS = `
  left join payments p on p.book = e.book and p.id = e.object_id
  left join schedules s on s.book = e.book and s.id = e.object_id
  left join accounts a on a.book = e.book and a.id = e.object_id`

/** One event by its key. To the planner a table of days costs as much as all of its days: it is not asked to join them. */
function eventAt(txid: string, id: string): string {
  return `select * from events where book = $1 and txid = ${txid} and id = ${id} limit 1`
}

function listOf(keys: 'u' | 'e', table: string, joins = ''): EventList {
  return {
    fields: {
      position: {
        sql: `(${keys}.txid, ${keys}.id::text)`,
        kind: fields.compositeId(position, 'the position of an event', 'xid8'),
        carried: 'order',
      },
      id: { sql: `${keys}.id`, kind: fields.id((text) => decodeId('evt', text), 'an id such as evt_…') },
      type: { sql: 'e.type', kind: fields.choice(EVENT_TYPES) },
      object_id: { sql: 'e.object_id', kind: fields.id(objectId, 'an id such as pay_…, acc_… or sch_…') },
      created_at: { sql: 'e.created_at', kind: fields.time },
      ...OBJECT_FIELDS,
    },
    table,
    joins: `${joins} ${OBJECT_JOINS}`,
    key: [
      { sql: `${keys}.txid`, cast: 'xid8' },
      { sql: `${keys}.id`, cast: 'uuid' },
    ],
    show: `cross join lateral (${eventAt('page.key0', 'page.key1')}) e`,
    columns: EVENT_COLUMNS,
    toItem: (row) => row,
  }
}

/** The events that a user may see. Indexes: events_by_viewer, events_by_other_viewer. */
export const userEvents = listOf('u', 'user_events u', `left join lateral (${eventAt('u.txid', 'u.id')}) e on true`)

/** All events of a book. Indexes: the primary key, events_by_object. */
export const bookEvents: EventList = { ...listOf('e', 'events e'), indexed: { few: ['object_id'] } }

/** Only those before which no other can be committed any more. */
const ENDED = 'txid < pg_snapshot_xmin(pg_current_snapshot())'

export function ofUser(book: BookId, userId: UserId): Scope {
  return { where: `u.book = $1 and u.user_id = $2 and u.${ENDED}`, values: [book, userId] }
}

/**
 * Those of one payment, account, schedule or webhook, which `ofObject` names. Index: events_by_object. They are few, and
 * taken first: else all events of the book might be walked in their order to find them.
 */
export const userEventsOfObject = listOf(
  'e',
  '(select * from events where book = $1 and object_id = $3 and $2 in (viewer, other_viewer) offset 0) e',
)

export function ofObject(book: BookId, userId: UserId, object: Id<string>): Scope {
  return { ...inBook(book), values: [book, userId, object] }
}

export function inBook(book: BookId): Scope {
  return { where: `e.book = $1 and e.${ENDED}`, values: [book] }
}

/** The id of something that events tell of; undefined where the text is none. */
export function objectId(text: string): Id<string> | undefined {
  return decodeId('pay', text) ?? decodeId('acc', text) ?? decodeId('sch', text) ?? decodeId('whk', text)
}

function position(text: string): readonly string[] | undefined {
  const place = decodePosition(text)
  return place && [place.txid.toString(), place.id]
}
