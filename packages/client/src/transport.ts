import { errorOf, NoAnswerError, ProblemError } from './errors.ts'
import { mayRetry, pause, pauseMs, type Retry } from './retry.ts'

/** Where the gateway is, who asks, and how. */
export type Transport = {
  readonly url: string
  readonly token: string | undefined
  readonly book: string | undefined
  readonly fetch: typeof fetch
  readonly retry: Retry
  /** How long an answer may take to come. */
  readonly timeoutMs: number
}

export type Sent = {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array<ArrayBuffer>
  readonly repeatable: boolean
  /** That of the call as a whole, as the caller knows it: errors tell it. */
  readonly idempotencyKey?: string | undefined
  /** Of records that take several requests: the place of the first of this one. */
  readonly start?: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Makes a call, again and again where that is safe, and reads its answer. Throws ProblemError where the gateway refuses,
 * NoAnswerError where it cannot be known what became of it.
 */
export async function send<T>(transport: Transport, sent: Sent, read: (response: Response) => Promise<T>): Promise<T> {
  const { retry } = transport
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await sendOnce(transport, sent, read)
    } catch (error) {
      if (attempts >= retry.attempts || !mayRetry(retry, error, sent.repeatable)) throw error
      await pause(pauseMs(retry, attempts, error), sent.signal)
    }
  }
}

async function sendOnce<T>(transport: Transport, sent: Sent, read: (response: Response) => Promise<T>): Promise<T> {
  const { method, path, body, signal, idempotencyKey } = sent
  // A header that none can be is the caller's mistake: nothing was sent.
  const headers = headersOf(transport, sent)
  const late = new AbortController()
  const timer = setTimeout(
    () => late.abort(new Error(`no answer within ${transport.timeoutMs} ms`)),
    transport.timeoutMs,
  )
  try {
    const response = await transport.fetch(transport.url + path, {
      method,
      headers,
      signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
      redirect: 'error',
      ...(body === undefined ? {} : { body }),
    })
    if (!response.ok && response.status !== 304) throw await errorOf(response, idempotencyKey)
    return await read(response)
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    if (cause instanceof ProblemError || cause instanceof NoAnswerError) throw cause
    const why = late.signal.aborted ? late.signal.reason : cause
    throw new NoAnswerError(`${method} ${transport.url}${path.split('?')[0]}: ${reasonOf(why)}`, {
      cause,
      idempotencyKey,
    })
  } finally {
    clearTimeout(timer)
  }
}

/** The key of one request: it stands for the records of that request only, by their places. */
export function keyOfPart(key: string, start: number): string {
  return start === 0 ? key : `${key} ${start}`
}

/** The caller's headers over ours, whatever the case of their names: fetch would join two of one name. */
function headersOf(
  { token, book }: Transport,
  { headers = {}, idempotencyKey, start = 0 }: Sent,
): Record<string, string> {
  const all = new Headers()
  if (token !== undefined) all.set('authorization', `Bearer ${token}`)
  if (book !== undefined) all.set('book', book)
  for (const [name, value] of Object.entries(headers)) all.set(name, value)
  // The caller's, where there is one; of records it names the part of them too.
  if (idempotencyKey !== undefined) all.set('idempotency-key', keyOfPart(idempotencyKey, start))
  return Object.fromEntries(all)
}

/** What fetch says is `fetch failed`; why is in its cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  return (cause as Error | undefined)?.message || message
}
