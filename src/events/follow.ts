import type { Pool } from '../database/connection.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import type { Feed } from './feed.ts'
import { firstIdBehind, isAfter, type Position } from './position.ts'
import { type BookEvent, EVENT_COLUMNS, type EventRow, positionOf, readEnd, withObjects } from './read.ts'

/** Somebody who is told a user's events, in their order. */
export type Follower = {
  readonly book: BookId
  readonly userId: UserId
  /** Takes an event; must not wait. */
  readonly tell: (event: BookEvent) => void
  /** Whether enough waits to be taken that `ready` comes before more of what is old. */
  readonly isFull: () => boolean
  /** Waits until more can be taken while old events are read; false where there is nobody any more. */
  readonly ready: () => Promise<boolean>
}

export type Following = { readonly from: Position; readonly end: () => void }

/** Tells each user's events to whoever follows them on this node, from one reading of each book. */
export type Followers = {
  /** Tells the events that are behind the position answered, from now on. */
  readonly join: (follower: Follower) => Promise<Following>
  /** The same, after all events behind `after`; comes true once these are told. */
  readonly resume: (follower: Follower, after: Position) => Promise<Following>
  readonly count: () => number
}

type Room = {
  readonly byUser: Map<UserId, Set<Follower>>
  readonly begun: Promise<{ readonly end: () => void }>
  position: Position | undefined
  size: number
}

const PAGE = 200

export function createFollowers({ pool, feed, log }: { readonly pool: Pool; readonly feed: Feed; readonly log: Log }) {
  const rooms = new Map<BookId, Room>()

  function dispatch(room: Room, events: readonly BookEvent[]): void {
    for (const event of events) {
      for (const userId of event.viewers) {
        for (const follower of room.byUser.get(userId) ?? []) {
          try {
            follower.tell(event)
          } catch (error) {
            log.error({ err: error }, 'an event could not be told')
          }
        }
      }
      room.position = event.position
    }
  }

  /** The room of a book, once it is listened to. Whoever enters it leaves it again. */
  async function enter(book: BookId): Promise<Room> {
    const known = rooms.get(book)
    const room = known ?? open(book)
    room.size += 1
    try {
      await room.begun
    } catch (error) {
      leave(book, room)
      throw error
    }
    return room
  }

  function open(book: BookId): Room {
    const begun = feed
      .listen(book, (events) => dispatch(room, events))
      .then(({ from, end }) => {
        room.position ??= from
        return { end }
      })
    const room: Room = { byUser: new Map(), begun, position: undefined, size: 0 }
    rooms.set(book, room)
    return room
  }

  function leave(book: BookId, room: Room): void {
    room.size -= 1
    if (room.size > 0) return
    if (rooms.get(book) === room) rooms.delete(book)
    room.begun.then(
      ({ end }) => end(),
      () => undefined,
    )
  }

  function admit(room: Room, follower: Follower): Following {
    const { book, userId } = follower
    const set = room.byUser.get(userId) ?? new Set()
    room.byUser.set(userId, set.add(follower))
    let over = false
    const end = () => {
      if (over) return
      over = true
      set.delete(follower)
      if (set.size === 0 && room.byUser.get(userId) === set) room.byUser.delete(userId)
      leave(book, room)
    }
    return { from: positionIn(room), end }
  }

  async function join(follower: Follower): Promise<Following> {
    return admit(await enter(follower.book), follower)
  }

  /** The position, or that of the room where nobody can have been told of the other yet. */
  async function placeIn(room: Room, after: Position): Promise<Position> {
    const isToCome = isAfter(after, positionIn(room)) && after.txid > (await readEnd(pool)).txid
    return isToCome ? positionIn(room) : after
  }

  async function resume(follower: Follower, after: Position): Promise<Following> {
    const room = await enter(follower.book)
    try {
      let told = await placeIn(room, after)
      // Up to where the room is now, again and again: at the moment in which both meet, the follower is admitted.
      for (;;) {
        const target = positionIn(room)
        if (isAfter(told, target)) return { ...admit(room, behind(told, follower)), from: told }
        if (!isAfter(target, told)) return admit(room, follower)
        told = await tellUntil(pool, follower, told, target)
      }
    } catch (error) {
      leave(follower.book, room)
      throw error
    }
  }

  const count = () => [...rooms.values()].reduce((sum, { size }) => sum + size, 0)
  return { join, resume, count } satisfies Followers
}

/** The same follower, who was told up to there already: another node may have read more than this one. */
function behind(told: Position, follower: Follower): Follower {
  const tell = (event: BookEvent) => {
    if (isAfter(event.position, told)) follower.tell(event)
  }
  return { ...follower, tell }
}

function positionIn({ position }: Room): Position {
  if (!position) throw new Error('a room that is listened to has a position')
  return position
}

/** Tells the events of a user between two positions. Returns up to where that was: not always to the end. */
async function tellUntil(pool: Pool, follower: Follower, after: Position, until: Position): Promise<Position> {
  const { book, userId } = follower
  const { rows } = await pool.query<EventRow>({
    name: 'user-events-until',
    text: `
      select ${EVENT_COLUMNS}
        from (select u.book, u.txid, u.id
                from user_events u
               where u.book = $1 and u.user_id = $2
                 and u.id >= $7 and (u.txid, u.id) > ($3::text::xid8, $4::uuid) and (u.txid, u.id) <= ($5::text::xid8, $6::uuid)
               order by u.book, u.user_id, u.txid, u.id
               limit ${PAGE}) as page
        join events e on e.book = page.book and e.txid = page.txid and e.id = page.id
       order by e.txid, e.id`,
    values: [book, userId, after.txid.toString(), after.id, until.txid.toString(), until.id, firstIdBehind(after)],
  })
  const told = tellUntilFull(follower, await withObjects(pool, book, rows))
  if (!(await follower.ready())) throw new Gone()
  if (told) return told
  const last = rows.at(-1)
  return rows.length === PAGE && last ? positionOf(last) : until
}

/**
 * Tells events. Where the follower is full with one, the others are let go, as large ones are more than may wait however
 * fast they are read: then that one's position is returned, from which on they are read again.
 */
function tellUntilFull(follower: Follower, events: readonly BookEvent[]): Position | undefined {
  for (const event of events) {
    follower.tell(event)
    if (follower.isFull()) return event.position
  }
  return undefined
}

/** Whoever was to be told has left. */
export class Gone extends Error {
  override readonly name = 'Gone'
}
