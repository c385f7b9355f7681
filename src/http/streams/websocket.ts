import type { RawData, WebSocket } from 'ws'
import type { Position } from '../../events/position.ts'
import { decodePosition } from '../../events/position.ts'
import type { Gateway } from '../../gateway.ts'
import { parseStrictJson } from '../body.ts'
import { ApiError, fieldError } from '../errors.ts'
import { toApiError } from '../problem.ts'
import { createLine, type Line } from './line.ts'
import { refuseTooOld, type Stream, type Streams } from './streams.ts'
import { createWatcher, type Watcher } from './watcher.ts'

const LONGEST_SILENCE_MS = 10_000
const MOST_UNHANDLED = 100

type Options = { readonly gateway: Gateway; readonly streams: Streams; readonly socket: WebSocket }

/** What a reader may say. */
type Message = {
  readonly token?: string
  readonly subscribe?: readonly string[]
  readonly unsubscribe?: readonly string[]
  readonly after?: string
  readonly ping?: string
}

/** Speaks with a WebSocket that was opened just now. `token` is the one that its handshake had, if any. */
export function converse({ gateway, streams, socket }: Options, token: string | undefined): void {
  const line = createLine(socket)
  let watcher: Watcher | undefined
  let leaveUser: (() => void) | undefined
  let stream: Stream = { session: undefined, end: line.end, beat: line.beat }
  streams.add(stream)
  const silence = setTimeout(() => line.end('unauthenticated'), LONGEST_SILENCE_MS)

  async function authenticate(secret: string): Promise<void> {
    if (watcher) throw fieldError('token', 'invalid_value', 'is known already')
    const session = await gateway.sessions.find(secret)
    if (!session) return line.end('unauthenticated')
    if (!session.scopes.has('payments:read')) return line.end('forbidden')
    if (line.isOver()) return
    clearTimeout(silence)
    const { home: book, userId } = session
    leaveUser = streams.enter(userId)
    if (!leaveUser) return line.end('too_many_streams')
    watcher = createWatcher({ client: gateway.pool, followers: streams.followers, line, book, userId })
    streams.remove(stream)
    stream = { ...stream, session: () => gateway.sessions.find(secret) }
    streams.add(stream)
    line.send(JSON.stringify({ authenticated: true }))
  }

  async function handle(data: RawData): Promise<void> {
    const { token: secret, subscribe, unsubscribe, after, ping } = messageOf(data)
    if (secret !== undefined) await authenticate(secret)
    else if (!watcher) line.end('unauthenticated')
    if (!watcher || line.isOver()) return
    if (unsubscribe) watcher.unsubscribe(unsubscribe)
    if (subscribe) await watcher.subscribe(subscribe, await positionOf(gateway, after))
    if (ping !== undefined) line.send(JSON.stringify({ pong: ping }))
  }

  // One after the other, in the order in which they came.
  let unhandled = 0
  let handled = token === undefined ? Promise.resolve() : authenticate(token).catch(answerError)
  socket.on('message', (data) => {
    unhandled += 1
    if (unhandled > MOST_UNHANDLED) return line.end('too_many_messages')
    handled = handled
      .then(() => (line.isOver() ? undefined : handle(data)))
      .catch(answerError)
      .finally(() => {
        unhandled -= 1
      })
  })

  function answerError(error: unknown): void {
    const problem = toApiError(error)
    if (problem.code === 'internal') streams.log.error({ err: error }, 'a message of a WebSocket failed')
    sendError(line, problem)
  }

  socket.on('close', () => {
    clearTimeout(silence)
    leaveUser?.()
    streams.remove(stream)
    watcher?.end()
  })
}

function sendError(line: Line, { code, message }: ApiError): void {
  line.send(JSON.stringify({ error: { code, detail: message } }))
}

function messageOf(data: RawData): Message {
  const value = parseStrictJson(Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as ArrayBuffer))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('malformed_body', 'A message is a JSON object')
  }
  for (const [name, part] of Object.entries(value)) {
    const check = Object.hasOwn(PARTS, name) ? PARTS[name] : undefined
    if (!check)
      throw fieldError(name, 'unknown_field', `is no part of a message; parts are ${Object.keys(PARTS).join(', ')}`)
    if (!check(part)) throw fieldError(name, 'invalid_type', 'has the wrong type')
  }
  const message: Message = value
  if (message.after !== undefined && !message.subscribe)
    throw fieldError('after', 'invalid_value', 'goes with subscribe')
  return message
}

const isText = (part: unknown): boolean => typeof part === 'string'
const isNames = (part: unknown): boolean => Array.isArray(part) && part.every(isText)
const PARTS: Readonly<Record<string, (part: unknown) => boolean>> = {
  token: isText,
  subscribe: isNames,
  unsubscribe: isNames,
  after: isText,
  ping: isText,
}

async function positionOf(gateway: Gateway, text: string | undefined): Promise<Position | undefined> {
  if (text === undefined) return undefined
  const position = decodePosition(text)
  if (!position) throw fieldError('after', 'invalid_value', 'is no position of an event')
  await refuseTooOld(gateway, position)
  return position
}
