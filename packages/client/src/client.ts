import { type Operations, operations } from './api.ts'
import { type AnyInput, sentFor } from './call.ts'
import { type Reading, readEvents } from './events.ts'
import type { SocketMaker } from './line.ts'
import type { Page, Query } from './query.ts'
import { sendRecords } from './records.ts'
import { DEFAULT_RETRY, type Retry } from './retry.ts'
import { send, type Transport } from './transport.ts'
import { type Watch, type Watching, watch } from './watch.ts'
import type { GatewayEvent } from './webhook.ts'

export type ClientOptions = {
  /** Where the gateway is, such as `https://pay.example.com`. */
  readonly url: string
  /** None for calls that need none: signing up, logging in. */
  readonly token?: string
  /** The book to act in, for operators of all books. */
  readonly book?: string
  readonly retry?: Partial<Retry>
  /** How long an answer may take to come: 90 s, which is more than the longest wait that can be asked for. */
  readonly timeoutMs?: number
  readonly fetch?: typeof fetch
  /** For Node 20, which has none: the one of the package `ws`. */
  readonly WebSocket?: SocketMaker
}

export type OperationId = keyof Operations
type Signal = { readonly signal?: AbortSignal }
export type Input<Id extends OperationId> = Operations[Id]['input'] & Signal
export type Answer<Id extends OperationId> = Operations[Id]['answer']

/** Calls that are answered as a whole; the others are read by `lines`, `events` and `watch`. */
type CallId = { [Id in OperationId]: [Answer<Id>] extends [never] ? never : Id }[OperationId]
type ListId = { [Id in CallId]: Answer<Id> extends Page<unknown> ? Id : never }[CallId]
type RowOf<Id extends ListId> = Answer<Id>['data'][number]
type LinesId = { [Id in OperationId]: Operations[Id] extends { line: unknown } ? Id : never }[OperationId]
type LineOf<Id extends LinesId> = Operations[Id]['line']
/** What a call takes where its answer comes in another form: a file, some fields, or with what it points to. */
type Shaped<Id extends OperationId> = Omit<Input<Id>, 'query'> & {
  readonly query?: Query
  readonly headers?: Readonly<Record<string, string>>
}
/** What a call takes beside its records. */
type Beside = Pick<AnyInput, 'query' | 'headers' | 'idempotencyKey' | 'signal'>

export type Calls = {
  readonly [Id in CallId]: Record<never, never> extends Operations[Id]['input']
    ? (input?: Input<Id>) => Promise<Answer<Id>>
    : (input: Input<Id>) => Promise<Answer<Id>>
}

/** Every call of the API by its operationId, and what reads more than one answer. */
export type Client = Calls & {
  /** All rows of a list, page by page as they are read. */
  readonly each: <Id extends ListId>(id: Id, input?: Input<Id>) => AsyncGenerator<RowOf<Id>>
  /**
   * Sends records, one a line, and gives the answer to each, in order and as they come; as many as you like, but with
   * `atomic: 'true'` no more than one request takes: that is all of them, or none. An error of
   * the moment, and what is behind it, waits until its request is not repeated any more. Throws NoAnswerError where the
   * line breaks before all are answered, and ProblemError where the gateway gives up, if repeating is not safe or no use.
   */
  readonly lines: <Id extends LinesId>(
    id: Id,
    records: readonly LineOf<Id>['sent'][],
    input?: Beside,
  ) => AsyncGenerator<LineOf<Id>['answered']>
  /** The answer to a call as it comes, for what has no type: `format`, `fields`, `expand`. */
  readonly request: <Id extends OperationId>(id: Id, input: Shaped<Id>) => Promise<Response>
  /** Your events as they happen, each once and in order, also over lost lines and restarts. Ends with its signal. */
  readonly events: (reading?: Reading) => AsyncGenerator<GatewayEvent>
  /** The state of payments and accounts, then each change, over a WebSocket that comes back where it was. */
  readonly watch: (names: readonly string[], how?: Watch) => Watching
}

/** A client of the gateway there. */
export function createClient(options: ClientOptions): Client {
  const transport: Transport = {
    url: options.url.replace(/\/+$/, ''),
    token: options.token,
    book: options.book,
    // Called by its name, as a browser's wants no other receiver.
    fetch: options.fetch ?? ((...args) => fetch(...args)),
    retry: { ...DEFAULT_RETRY, ...options.retry },
    timeoutMs: options.timeoutMs ?? 90_000,
  }
  const calls = Object.keys(operations).map((id) => [
    id,
    (input: AnyInput = {}) => send(transport, sentFor(id as OperationId, input), wholeOf(id as OperationId)),
  ])
  const client = {
    ...Object.fromEntries(calls),
    each: (id: ListId, input: AnyInput = {}) => eachRow(transport, id, input),
    lines: (id: LinesId, records: readonly object[], input: AnyInput = {}) =>
      sendRecords(transport, id, records, input),
    request: (id: OperationId, input: AnyInput) => send(transport, sentFor(id, input), async (response) => response),
    events: (reading: Reading = {}) => readEvents(transport, reading),
    watch: (names: readonly string[], how: Watch = {}) => watch(transport, options.WebSocket, names, how),
  }
  // The table and the types are made from one document.
  return client as unknown as Client
}

/** Reads the answer to a call. Throws where it has a form that the call never has: it is not the gateway's then. */
function wholeOf(id: OperationId): (response: Response) => Promise<unknown> {
  const { types = [] }: { method: string; types?: readonly string[] } = operations[id]
  return async (response) => {
    const text = await response.text()
    if (response.status === 204 || response.status === 304) return undefined
    const [type = ''] = (response.headers.get('content-type') ?? '').split(';')
    if (type === 'application/json') return JSON.parse(text)
    if (types.includes(type)) return text
    throw new Error(`answered ${response.status} with '${type}', and not by the gateway`)
  }
}

async function* eachRow(transport: Transport, id: ListId, input: AnyInput): AsyncGenerator<unknown> {
  let { query = {} } = input
  for (;;) {
    const page = (await send(transport, sentFor(id, { ...input, query }), wholeOf(id))) as Page<unknown>
    yield* page.data
    if (page.next_cursor === null) return
    query = { ...query, cursor: page.next_cursor }
  }
}
