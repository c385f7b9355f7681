import { Readable } from 'node:stream'
import type { App } from './route.ts'

/** As long as a body may take to come; an export that waits for a connection to the database is on its way before. */
const LONGEST_MS = 120_000
/** What is shorter lies in buffers of the system, and is sent whoever reads it. */
const LONG = 64 * 1024

/**
 * Ends the connection of whoever takes nothing of a long answer for `longestMs`, as what is unread is kept in memory until
 * then. Streams of events, which are not sent by a reply, look after themselves. For a HEAD the framework reads a stream to
 * its end, however long that is: here it ends where its head is known.
 */
export function endUnread(app: App, longestMs = LONGEST_MS): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    if (request.method === 'HEAD' && payload instanceof Readable) payload.destroy()
    else if (isLong(payload)) reply.raw.setTimeout(longestMs)
    done(null, payload)
  })
}

function isLong(payload: unknown): boolean {
  return typeof payload === 'string' ? payload.length >= LONG : payload !== null && payload !== undefined
}
