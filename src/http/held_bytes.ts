import type { Socket } from 'node:net'
import { type Readable, Transform } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from './errors.ts'
import { addressOf } from './guards.ts'
import { NDJSON } from './records.ts'
import type { App } from './route.ts'

const MIB = 1024 * 1024
/** What is smaller counts for nothing: ten thousand of them are no more than a caller may have. */
const SMALL = 16 * 1024

export type HeldLimits = {
  /** So many bytes are kept for one caller, in all of their requests and answers together. */
  readonly mostOfOne: number
  /** Beyond so many for all of them, more are kept only for whoever has little. */
  readonly mostInAll: number
  /** Little: whoever has no more than that is not kept out by what others do. */
  readonly little: number
}
const LIMITS: HeldLimits = { mostOfOne: 128 * MIB, mostInAll: 256 * MIB, little: 8 * MIB }

export type HeldBytes = {
  /** Whether nothing is kept for anybody. */
  readonly isEmpty: () => boolean
  /** Whether so many more may be kept for this caller. */
  readonly hasRoom: (who: string, bytes: number) => boolean
  /** Begins to count for a caller; `close` lets go of all that was added since. */
  readonly open: (who: string) => Held
}
type Held = { readonly add: (bytes: number) => void; readonly close: () => void }

/** Counts what is kept in memory for each caller: bodies that are coming, and answers that nobody has taken yet. */
export function createHeldBytes({ mostOfOne, mostInAll, little }: HeldLimits = LIMITS): HeldBytes {
  const ofCaller = new Map<string, number>()
  let inAll = 0

  function hasRoom(who: string, bytes: number): boolean {
    const held = ofCaller.get(who) ?? 0
    // One body of any size, whatever else there is.
    if (held === 0) return true
    return held + bytes <= mostOfOne && (held + bytes <= little || inAll + bytes <= mostInAll)
  }

  function change(who: string, bytes: number): void {
    inAll += bytes
    const held = (ofCaller.get(who) ?? 0) + bytes
    if (held === 0) ofCaller.delete(who)
    else ofCaller.set(who, held)
  }

  function open(who: string): Held {
    let [mine, isOpen] = [0, true]
    const add = (bytes: number) => {
      if (!isOpen) return
      mine += bytes
      change(who, bytes)
    }
    const close = () => {
      add(-mine)
      isOpen = false
    }
    return { add, close }
  }

  return { isEmpty: () => inAll === 0, hasRoom, open }
}

/**
 * Refuses with `overloaded` what there is no room to keep (docs/api.md, Everywhere): a body that says how long it is
 * before any of it is read, one that does not where it becomes too long, and any request of whoever leaves too many
 * answers unread. What is read and answered as a stream keeps next to nothing.
 */
export function boundHeldBytes(app: App, bytes: HeldBytes = createHeldBytes()): void {
  app.addHook('preParsing', (request, reply, payload, done) => {
    const { headers } = request
    const isWhole = headers['content-type']?.startsWith(NDJSON) !== true
    const isChunked = isWhole && headers['transfer-encoding'] !== undefined
    const length = isWhole ? Number(headers['content-length'] ?? 0) : 0
    const size = length > SMALL ? length : 0
    if (!isChunked && size === 0 && bytes.isEmpty()) return done(null, payload)
    const who = callerOf(request)
    if (!bytes.hasRoom(who, size)) return done(tooMuchHeld())
    if (size > 0) untilAnswered(reply, bytes, who).add(size)
    done(null, isChunked ? countedBody(payload, reply, bytes, who) : payload)
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const isWhole = typeof payload === 'string' || Buffer.isBuffer(payload)
    if (isWhole && payload.length > SMALL) untilAnswered(reply, bytes, callerOf(request)).add(payload.length)
    done(null, payload)
  })
}

function callerOf(request: FastifyRequest): string {
  return request.session ? `user ${request.session.userId}` : `address ${addressOf(request)}`
}

function tooMuchHeld(): ApiError {
  return new ApiError('overloaded', 'Too much is kept for you: bodies that are coming, and answers that nobody takes')
}

/** A body that comes in chunks, as far as there is room for it. */
function countedBody(body: Readable, reply: FastifyReply, bytes: HeldBytes, who: string): Transform {
  let held: Held | undefined
  let size = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (held || size > SMALL) {
        if (!bytes.hasRoom(who, chunk.length)) return done(tooMuchHeld())
        held ??= untilAnswered(reply, bytes, who)
        held.add(chunk.length)
      }
      done(null, chunk)
    },
  })
  // Its connection stays, for the answer: what comes of it yet is read and dropped.
  body.once('error', (error) => counted.destroy(error))
  return body.pipe(counted)
}

/** What is kept for the answers of each connection that are not out yet. */
const ofConnection = new WeakMap<Socket, Set<Held>>()

/** Counts for a caller until the last byte of the answer has gone out, or its connection is lost. */
function untilAnswered({ raw, request }: FastifyReply, bytes: HeldBytes, who: string): Held {
  const held = bytes.open(who)
  const { socket } = request.raw
  if (socket.destroyed) {
    // Nothing goes to who has left, nor is anything told of it any more.
    held.close()
    return held
  }
  const all = heldOf(socket)
  all.add(held)
  raw.once('finish', () => {
    held.close()
    all.delete(held)
  })
  return held
}

/** An answer that waits for another on its connection is not told that this is lost; here it is. */
function heldOf(socket: Socket): Set<Held> {
  const known = ofConnection.get(socket)
  if (known) return known
  const all = new Set<Held>()
  socket.once('close', () => {
    for (const held of all) held.close()
  })
  ofConnection.set(socket, all)
  return all
}
