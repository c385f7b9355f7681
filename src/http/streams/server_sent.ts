import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { type Follower, type Following, Gone } from '../../events/follow.ts'
import { encodePosition, type Position } from '../../events/position.ts'
import type { BookEvent } from '../../events/read.ts'
import type { BookId, UserId } from '../../ledger/id.ts'
import { ApiError } from '../errors.ts'
import {
  createFarewell,
  ENOUGH_UNREAD_BYTES,
  type EndReason,
  jsonOf,
  MOST_UNREAD_BYTES,
  type Stream,
  type Streams,
} from './streams.ts'

type Options = {
  readonly streams: Streams
  readonly reply: FastifyReply
  readonly book: BookId
  readonly userId: UserId
  readonly session: Stream['session']
  readonly after: Position | undefined
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}

/** Answers a HEAD with what a stream would begin with, and opens none. Throws `too_many_streams` as it would. */
export function sendHead({ streams, reply, userId }: Pick<Options, 'streams' | 'reply' | 'userId'>): FastifyReply {
  const leaveUser = streams.enter(userId)
  if (!leaveUser) throw new ApiError('too_many_streams')
  leaveUser()
  // Not as a text, whose length would be told: that of a stream is not known.
  return reply.headers(HEADERS).send(Readable.from([]))
}

/**
 * Answers with the events of a user, behind `after` or from now on, until the reader leaves or its token ends. Throws
 * `too_many_streams` where the user has as many as there may be.
 */
export async function streamEvents({ streams, reply, book, userId, session, after }: Options): Promise<void> {
  const { raw } = reply
  // Whoever left while the token was looked up is told by no later event to have left, and would keep a place for good.
  if (raw.destroyed) return void reply.hijack()
  const leaveUser = streams.enter(userId)
  if (!leaveUser) throw new ApiError('too_many_streams')
  let following: Following | undefined
  let over = false

  const farewell = createFarewell(() => raw.destroy())

  function leave(): void {
    over = true
    following?.end()
  }

  function end(reason: EndReason): void {
    if (over && reason !== 'closing') return
    farewell.begin(reason)
    if (over) return
    leave()
    // Behind all that waits: who reads on reads why.
    raw.end(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`)
  }

  function gone(): void {
    leave()
    farewell.over()
    leaveUser?.()
    streams.remove(stream)
  }

  function write(text: string): void {
    if (over) return
    raw.write(text)
    if (raw.writableLength > MOST_UNREAD_BYTES) end('slow_reader')
  }

  function beat(): void {
    if (following) write(': \n\n')
  }

  const stream: Stream = { session, end, beat }
  const follower: Follower = {
    book,
    userId,
    tell: (event: BookEvent) =>
      write(`id: ${encodePosition(event.position)}\nevent: ${event.type}\ndata: ${jsonOf(event)}\n\n`),
    isFull: () => raw.writableLength > ENOUGH_UNREAD_BYTES,
    ready: async () => {
      while (!over && raw.writableNeedDrain) {
        await new Promise<void>((resolve) => {
          const goOn = () => {
            raw.off('drain', goOn).off('close', goOn)
            resolve()
          }
          raw.on('drain', goOn).on('close', goOn)
        })
      }
      return !over
    },
  }

  reply.hijack()
  raw.on('error', gone).on('close', gone)
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    ...HEADERS,
  })
  streams.add(stream)
  try {
    following = after ? await streams.followers.resume(follower, after) : await streams.followers.join(follower)
    if (over) return following.end()
    // The head is sent with this, or with the first event: who sees it open is told all that happens from there on. Also
    // who was told nothing yet knows where to go on.
    write(`retry: 1000\nid: ${encodePosition(following.from)}\n\n`)
  } catch (error) {
    if (!(error instanceof Gone)) streams.log.warn({ err: error }, 'a stream of events ended')
    end('unavailable')
  }
}
