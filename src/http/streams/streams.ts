import { setImmediate as otherWork } from 'node:timers/promises'
import { readClock } from '../../database/clock.ts'
import { type Position, timeOf } from '../../events/position.ts'
import type { BookEvent } from '../../events/read.ts'
import type { Gateway } from '../../gateway.ts'
import type { Session } from '../../identity/sessions.ts'
import { ApiError } from '../errors.ts'
import { createPlaces } from '../places.ts'
import { presentPlacedEvent } from '../present.ts'

/** Why a stream ends before its reader ends it. */
export type EndReason = 'unauthenticated' | 'slow_reader' | 'unavailable' | 'closing' | 'internal'

/** A connection that is open for as long as its token is good; undefined where it has still to say it. */
export type Stream = {
  readonly session: (() => Promise<Session | undefined>) | undefined
  readonly end: (reason: EndReason) => void
  readonly beat: () => void
}

/** All open streams of this node. */
export type Streams = ReturnType<typeof createStreams>

/** What may wait for one slow reader: beyond it the reader is sent away, to come back where it was. */
export const MOST_UNREAD_BYTES = 1024 * 1024
/** What is told of old events before it is read: so that one more of these never is too much. */
export const ENOUGH_UNREAD_BYTES = MOST_UNREAD_BYTES / 2

/** Open streams of one user on one node: more than anybody reads, and too few to take the room of others. */
const MOST_OF_USER = 100

/** How long a reader that is sent away has to read what waits, and the reason behind it. A slow one needs longest. */
const FAREWELL_MS = 1_000
const SLOW_FAREWELL_MS = 30_000

/** Cuts a connection that was ended, where its reader does not take note in time. A node that stops waits for nobody. */
export function createFarewell(cut: () => void) {
  let timer: NodeJS.Timeout | undefined

  function begin(reason: string): void {
    clearTimeout(timer)
    timer = setTimeout(cut, reason === 'slow_reader' ? SLOW_FAREWELL_MS : FAREWELL_MS).unref()
  }
  return { begin, over: () => clearTimeout(timer) }
}

/** So many at a time, that thousands of streams keep nobody waiting for their turn. */
const AT_ONCE = 200

async function eachOf(open: ReadonlySet<Stream>, work: (stream: Stream) => unknown): Promise<void> {
  let done = 0
  for (const stream of open) {
    await work(stream)
    done += 1
    if (done % AT_ONCE === 0) await otherWork()
  }
}

const CHECK_EVERY_MS = 500
const BEAT_EVERY_MS = 15_000

export function createStreams({ events: { followers }, log }: Gateway) {
  const open = new Set<Stream>()
  const { enter } = createPlaces(MOST_OF_USER)
  let closing = false

  /** Ends a stream whose token was revoked or has expired. */
  async function check(stream: Stream): Promise<void> {
    if (!stream.session) return
    // Where it cannot be asked, nothing is committed either: it is asked again.
    const session = await stream.session().catch(() => 'unknown' as const)
    if (session === undefined || (session !== 'unknown' && !session.scopes.has('payments:read'))) {
      stream.end('unauthenticated')
    }
  }

  let checking = false
  const checks = setInterval(() => {
    if (checking) return
    checking = true
    eachOf(open, check)
      .catch((error: unknown) => log.error({ err: error }, 'could not check the tokens of streams'))
      .finally(() => {
        checking = false
      })
  }, CHECK_EVERY_MS)
  checks.unref()

  const beats = setInterval(() => {
    void eachOf(open, (stream) => stream.beat())
  }, BEAT_EVERY_MS)
  beats.unref()

  function add(stream: Stream): void {
    open.add(stream)
    if (closing) stream.end('closing')
  }

  function remove(stream: Stream): void {
    open.delete(stream)
  }

  function stop(): void {
    closing = true
    clearInterval(checks)
    clearInterval(beats)
    for (const stream of open) stream.end('closing')
  }

  return { followers, add, remove, enter, stop, log }
}

const written = new WeakMap<BookEvent, string>()

/** An event as JSON, written once for all who are told. */
export function jsonOf(event: BookEvent): string {
  const known = written.get(event)
  if (known !== undefined) return known
  const json = JSON.stringify(presentPlacedEvent(event))
  written.set(event, json)
  return json
}

const DAY = 86_400_000_000n

/** Throws `position_too_old` where the events behind the position are gone, which go by the database's clock. */
export async function refuseTooOld(
  { pool, config }: Pick<Gateway, 'pool' | 'config'>,
  position: Position | undefined,
): Promise<void> {
  if (!position) return
  if (timeOf(position) < (await readClock(pool)) - BigInt(config.eventDays) * DAY)
    throw new ApiError('position_too_old')
}
