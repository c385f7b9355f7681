import type { Operations, Problem } from './api.ts'
import { type AnyInput, keyOf, sentFor } from './call.ts'
import { NoAnswerError, ProblemError } from './errors.ts'
import { linesOf } from './lines.ts'
import { mayRetry, pause, pauseMs } from './retry.ts'
import { keyOfPart, type Sent, send, type Transport } from './transport.ts'

/** What the gateway takes in one request. */
const RECORDS_A_REQUEST = 10_000
const BYTES_A_REQUEST = 32 * 1024 * 1024
const LONGEST_KEY = 255
const NDJSON = 'application/x-ndjson'

/**
 * Sends records as NDJSON, in as many requests as it takes, and gives the answer to each, in order. Those of which all or
 * none are to be made stay one request, whatever the gateway says of it. Where the line breaks a call that has an
 * idempotency key is made again: what was done is answered again then, and what was told is passed over.
 */
export async function* sendRecords(
  transport: Transport,
  id: keyof Operations,
  records: readonly object[],
  input: AnyInput,
): AsyncGenerator<unknown> {
  const idempotencyKey = keyOf(input)
  const whole = String(input.query?.atomic) === 'true'
  const parts = () => (whole ? [{ start: 0, lines: records.map(lineOf) }] : partsOf(records))
  if (keyOfPart(idempotencyKey, records.length).length > LONGEST_KEY) requireRoom(idempotencyKey, parts())
  for (const { start, lines } of parts()) {
    const sent = sentFor(id, { ...input, body: lines.join(''), type: NDJSON }, idempotencyKey)
    yield* sendPart(transport, { ...sent, start }, lines.length)
  }
}

/** Throws RangeError where a request would have a key that the gateway refuses, behind others that it has taken. */
function requireRoom(key: string, parts: Iterable<Part>): void {
  let last = 0
  for (const { start } of parts) last = start
  const place = keyOfPart('', last).length
  if (place === 0 || key.length + place <= LONGEST_KEY) return
  throw new RangeError(`for so many records the idempotency key has at most ${LONGEST_KEY - place} characters`)
}

type Part = { readonly start: number; readonly lines: readonly string[] }

/** The lines of records, each part of them as many as one request holds. */
function* partsOf(records: readonly object[]): Generator<Part> {
  const encoder = new TextEncoder()
  let start = 0
  let bytes = 0
  let lines: string[] = []
  for (const record of records) {
    const line = lineOf(record)
    const size = encoder.encode(line).length
    if (lines.length === RECORDS_A_REQUEST || (lines.length > 0 && bytes + size > BYTES_A_REQUEST)) {
      yield { start, lines }
      start += lines.length
      lines = []
      bytes = 0
    }
    lines.push(line)
    bytes += size
  }
  if (lines.length > 0) yield { start, lines }
}

function lineOf(record: object): string {
  return `${JSON.stringify(record)}\n`
}

async function* sendPart(transport: Transport, sent: Sent, count: number): AsyncGenerator<unknown> {
  const { retry } = transport
  const once = { ...transport, retry: { ...retry, attempts: 1 } }
  let answered = 0
  for (let attempts = 1; ; attempts += 1) {
    try {
      let place = 0
      for await (const answer of answersTo(once, sent, count)) {
        place += 1
        if (place <= answered) continue
        answered = place
        yield answer
      }
      return
    } catch (error) {
      if (attempts >= retry.attempts || !mayRetry(retry, error, sent.repeatable)) throw error
      await pause(pauseMs(retry, attempts, error), sent.signal)
    }
  }
}

type Answer = { readonly error?: Problem }

/**
 * The answers to one request. Throws where there are fewer of them, or more, than records. An error that may not be one
 * the next time, and what is behind it, is told only when all of them are there: until then the request may be repeated.
 */
async function* answersTo(transport: Transport, sent: Sent, count: number): AsyncGenerator<Answer> {
  const { idempotencyKey, signal } = sent
  const response = await send(transport, sent, async (answer) => answer)
  let held: Answer[] = []
  let answered = 0
  let last: Answer | undefined
  try {
    for await (const line of response.body ? linesOf(response.body, { signal }) : []) {
      // A mistake that another line follows is of its record.
      if (held[0] && !mayPass(held[0])) {
        yield* held
        held = []
      }
      last = JSON.parse(line) as Answer
      answered += 1
      if (answered > count) continue
      if (last.error || held.length > 0) held.push(last)
      else yield last
    }
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    const message = `the line broke after ${answered} of ${count} answers`
    throw new NoAnswerError(message, { cause, idempotencyKey })
  }
  if (answered === count) return yield* held
  // What went wrong with the body as a whole is told in a last line.
  if (last?.error) throw new ProblemError(last.error, undefined, idempotencyKey)
  throw new NoAnswerError(`${answered} of ${count} records were answered`, { idempotencyKey })
}

/** Whether it is an error of the moment, and no mistake of the caller. */
function mayPass({ error }: Answer): boolean {
  return error !== undefined && (error.status === 429 || error.status >= 500)
}
