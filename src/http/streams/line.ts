import type { WebSocket } from 'ws'
import { createFarewell, ENOUGH_UNREAD_BYTES, type EndReason, MOST_UNREAD_BYTES } from './streams.ts'

/** A WebSocket to write to: it never keeps more than MOST_UNREAD_BYTES for a reader, and always says why it ends. */
export type Line = {
  readonly send: (text: string) => void
  /** Whether so much is sent that is not read that `ready` comes before more of what is old. */
  readonly isFull: () => boolean
  /** Comes true when most of what was sent is read; false where nobody reads any more. */
  readonly ready: () => Promise<boolean>
  /** Sends a ping, and ends the line where the one before was not answered. */
  readonly beat: () => void
  readonly end: (reason: LineEnd) => void
  readonly isOver: () => boolean
}

export type LineEnd = EndReason | 'forbidden' | 'too_many_messages' | 'too_many_streams'

/** Codes of RFC 6455 §7.4 where one fits, else our own: 4000 and the status that HTTP has for it. */
const CODES: Readonly<Record<LineEnd, number>> = {
  closing: 1001,
  too_many_messages: 1008,
  internal: 1011,
  unavailable: 1013,
  unauthenticated: 4401,
  forbidden: 4403,
  slow_reader: 4408,
  too_many_streams: 4409,
}

const UNREAD_BETWEEN_PAGES = 64 * 1024

export function createLine(socket: WebSocket): Line {
  let over = false
  let alive = true
  const farewell = createFarewell(() => socket.terminate())
  socket.on('pong', () => {
    alive = true
  })
  socket.on('close', () => {
    over = true
    farewell.over()
  })

  function end(reason: LineEnd): void {
    if (over && reason !== 'closing') return
    farewell.begin(reason)
    if (over) return
    over = true
    // Behind all that waits: who reads on reads why.
    socket.close(CODES[reason], reason)
  }

  function send(text: string): void {
    if (over) return
    socket.send(text)
    if (socket.bufferedAmount > MOST_UNREAD_BYTES) end('slow_reader')
  }

  async function ready(): Promise<boolean> {
    if (!over && socket.bufferedAmount > UNREAD_BETWEEN_PAGES) {
      // Written once everything in front of it is.
      await new Promise<void>((resolve) => socket.ping(undefined, undefined, () => resolve()))
    }
    return !over
  }

  function beat(): void {
    if (over) return
    if (!alive) return void socket.terminate()
    alive = false
    socket.ping()
  }

  const isFull = () => socket.bufferedAmount > ENOUGH_UNREAD_BYTES
  return { send, isFull, ready, beat, end, isOver: () => over }
}
