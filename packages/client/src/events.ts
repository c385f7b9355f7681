import { errorOf, NoAnswerError, ProblemError } from './errors.ts'
import { linesOf } from './lines.ts'
import { pause, pauseMs } from './retry.ts'
import { send, type Transport } from './transport.ts'
import type { GatewayEvent } from './webhook.ts'

/** How events are read, and what is told of the line that they come by. */
export type Following = {
  /** Ends it. */
  readonly signal?: AbortSignal
  /** Called when the line is there, again each time it is there again, with the position from which on it tells. */
  readonly onConnected?: (position: string) => void
  /** Called when the line is lost, which will be tried again. */
  readonly onLost?: (why: Error) => void
}

export type Reading = Following & {
  /** The position of the last event that you have: what is behind it comes first. Without it, what happens from now on. */
  readonly after?: string
}

/** The gateway sends something at least every 15 s. */
const LONGEST_SILENCE_MS = 45_000

/**
 * Events from the stream of Server-Sent Events, over as many connections as it takes. Throws ProblemError where coming
 * back is no use: `unauthenticated`, `forbidden`, `position_too_old`.
 */
export async function* readEvents(transport: Transport, reading: Reading): AsyncGenerator<GatewayEvent> {
  const { signal, onConnected, onLost } = reading
  let position = reading.after
  let failures = 0
  for (;;) {
    try {
      for await (const { id, event, data } of framesOf(await open(transport, position, signal), signal)) {
        failures = 0
        if (id !== undefined) position = id
        if (event === undefined && id !== undefined) onConnected?.(id)
        if (event === 'end') break
        if (event !== undefined && data !== undefined) yield JSON.parse(data)
      }
      throw new NoAnswerError('the stream ended')
    } catch (error) {
      if (signal?.aborted) return
      if (isForGood(error)) throw error
      failures += 1
      onLost?.(error as Error)
      await pause(pauseMs(transport.retry, failures, error), signal).catch(() => undefined)
    }
    if (signal?.aborted) return
  }
}

/** Whether coming back is no use. Of too many streams some end, such as ours that a node does not know to be lost yet. */
function isForGood(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return false
  return error.status < 500 && error.status !== 429 && error.code !== 'too_many_streams'
}

type Frame = { readonly id?: string; readonly event?: string; readonly data?: string }

async function open(transport: Transport, after: string | undefined, signal: AbortSignal | undefined) {
  const headers = { accept: 'text/event-stream', ...(after === undefined ? {} : { 'last-event-id': after }) }
  const sent = { method: 'GET', path: '/v1/events/stream', headers, repeatable: false, signal }
  return send(transport, sent, async (response) => {
    if (!response.body) throw await errorOf(response, undefined)
    return response.body
  })
}

/** Server-Sent Events as the gateway writes them: each field on one line. */
async function* framesOf(body: ReadableStream<Uint8Array>, signal: AbortSignal | undefined): AsyncGenerator<Frame> {
  let frame: Record<string, string> = {}
  for await (const line of linesOf(body, { silenceMs: LONGEST_SILENCE_MS, signal })) {
    if (line === '') {
      yield frame
      frame = {}
      continue
    }
    // A text may hold separators of lines that are none here, such as U+2028.
    const [, name = '', value = ''] = /^(\w+): ?(.*)$/s.exec(line) ?? []
    if (name !== '') frame[name] = value
  }
}
