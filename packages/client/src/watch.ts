import type { Account, ErrorCode, Payment, Schedule } from './api.ts'
import type { Following } from './events.ts'
import { createInbox } from './inbox.ts'
import { type Line, openLine, type SocketMaker } from './line.ts'
import { pauseMs } from './retry.ts'
import type { Transport } from './transport.ts'
import type { GatewayEvent } from './webhook.ts'

/** What is told: a payment, an account or a schedule as it is, once, and then each change of it. */
export type Told = { readonly state: Payment | Account | Schedule } | { readonly event: GatewayEvent }

export type Watch = Following & {
  /** The position of the last event that you have: what is behind it comes after the states. */
  readonly after?: string
}

/** Something that is watched. Whoever stops reading it lets go of it. */
export type Watching = AsyncIterable<Told> & {
  /** Watches more: ids of payments, accounts and schedules, or `*` for all that is yours. */
  readonly subscribe: (names: readonly string[]) => void
  readonly unsubscribe: (names: readonly string[]) => void
  readonly close: () => void
}

/** The gateway refuses: it cannot be watched, or not any more. */
export class WatchError extends Error {
  override readonly name = 'WatchError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, detail: string) {
    super(detail)
    this.code = code
  }
}

type Message = {
  readonly subscribed?: readonly string[]
  readonly unsubscribed?: readonly string[]
  readonly position?: string | null
  readonly state?: Payment | Account | Schedule
  readonly event?: GatewayEvent
  readonly error?: { readonly code: ErrorCode; readonly detail: string }
}

/** What waits for a slow reader; beyond it the line is let go, and taken up again where it was. */
const MOST_UNREAD = 1_000
const EVERYTHING = '*'
/** Codes by which the gateway ends a line for good. */
const ENDS: Readonly<Record<number, ErrorCode>> = { 4401: 'unauthenticated', 4403: 'forbidden' }
/** Errors that say nothing of what was asked for: it is asked again, on another line. */
const PASSING: readonly ErrorCode[] = ['unavailable', 'overloaded', 'rate_limited', 'internal']

/** Watches over WebSockets, one after the other: what happened in between comes first, and nothing comes twice. */
export function watch(
  transport: Transport,
  given: SocketMaker | undefined,
  names: readonly string[],
  how: Watch,
): Watching {
  const Socket: SocketMaker = given ?? globalThis.WebSocket
  if (!Socket) throw new TypeError('there is no WebSocket here: give createClient one, such as that of the package ws')
  const { signal } = how
  const inbox = createInbox<Told>()
  const subscriptions = createSubscriptions(names, how.after)
  let failures = 0
  let line: Line | undefined
  let waiting: ReturnType<typeof setTimeout> | undefined

  function connect(): void {
    waiting = undefined
    const url = `${transport.url.replace(/^http/, 'ws')}/v1/ws`
    const protocols = transport.token === undefined ? [] : ['bearer', transport.token]
    line = openLine(Socket, url, protocols, {
      onOpen: ({ say }) => say(...subscriptions.begin()),
      onMessage: take,
      onLost: (why, code) => {
        const end = ENDS[code ?? 0]
        if (end !== undefined) return void close(new WatchError(end, why.message))
        comeBack(why)
      },
    })
  }

  function comeBack(why: Error): void {
    line?.close()
    line = undefined
    failures += 1
    how.onLost?.(why)
    waiting = setTimeout(connect, pauseMs(transport.retry, failures))
  }

  function take(message: Message): void {
    const { subscribed, position, error } = message
    if (error) {
      const why = new WatchError(error.code, error.detail)
      if (PASSING.includes(error.code)) comeBack(why)
      else close(why)
      return
    }
    if (subscribed) failures = 0
    if (subscribed && position) how.onConnected?.(position)
    const told = subscriptions.take(message)
    if (told) inbox.put(told)
    if (inbox.size() < MOST_UNREAD) return
    line?.close()
    line = undefined
  }

  function close(error?: WatchError): void {
    letGo()
    inbox.end(error)
  }

  function stop(): void {
    letGo()
    inbox.leave()
  }

  function letGo(): void {
    clearTimeout(waiting)
    signal?.removeEventListener('abort', stop)
    line?.close()
  }

  async function* told(): AsyncGenerator<Told> {
    try {
      // A slow reader who has read everything goes on.
      yield* inbox.read(() => line ?? waiting ?? connect())
    } finally {
      stop()
    }
  }

  // Noted also where there is no line: the next one begins with it.
  function subscribe(more: readonly string[]): void {
    const messages = subscriptions.add(more)
    line?.say(...messages)
  }

  function unsubscribe(less: readonly string[]): void {
    const message = subscriptions.remove(less)
    line?.say(message)
  }

  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  else connect()
  return {
    [Symbol.asyncIterator]: told,
    subscribe,
    unsubscribe,
    close: stop,
  }
}

/** What is watched, how far it was told, and so what is to be said on each new line. */
function createSubscriptions(names: readonly string[], after: string | undefined) {
  const wanted = new Set(names)
  /** What the gateway has told the state of. */
  const known = new Set<string>()
  let position = after
  /** Whether the line was asked for something: only with the first may it be said where it goes on. */
  let begun = false

  function begin(): object[] {
    begun = false
    const first = known.size > 0 ? [...known] : [...wanted]
    const more = [...wanted].filter((name) => !first.includes(name))
    return [...ask(first), ...ask(more)]
  }

  function ask(names: readonly string[]): object[] {
    if (names.length === 0) return []
    const goingOn = begun || position === undefined ? {} : { after: position }
    begun = true
    return [{ subscribe: names, ...goingOn }]
  }

  function take({ subscribed = [], unsubscribed = [], position: place, state, event }: Message): Told | undefined {
    if (subscribed.includes(EVERYTHING) && wanted.has(EVERYTHING)) known.add(EVERYTHING)
    // What was told of it until now was asked for before it was let go of.
    for (const name of unsubscribed) known.delete(name)
    if (place) position = place
    if (event) {
      position = event.position
      return { event }
    }
    // It comes again where a subscription goes on, and the events in between tell the rest.
    if (!state || known.has(state.id) || !wanted.has(state.id)) return undefined
    known.add(state.id)
    return { state }
  }

  function add(more: readonly string[]): object[] {
    const fresh = more.filter((name) => !wanted.has(name))
    for (const name of fresh) wanted.add(name)
    return ask(fresh)
  }

  function remove(less: readonly string[]): object {
    for (const name of less) {
      wanted.delete(name)
      known.delete(name)
    }
    return { unsubscribe: less }
  }

  return { begin, take, add, remove }
}
