import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../gateway.ts'
import { requireStillGood } from './authentication.ts'
import { parseStrictJson } from './body.ts'
import { ApiError } from './errors.ts'

// Bodies of many records: NDJSON (https://github.com/ndjson/ndjson-spec) as a stream, or one JSON array.

/** A record of the body, or why it could not be read; the ones behind it are read all the same. */
export type ParsedRecord =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: ApiError }

export const NDJSON = 'application/x-ndjson'
/** Content types that a list comes in beside JSON. */
export const EXPORT_TYPES = ['text/csv', NDJSON]
/** The largest body of many records (api.md, Everywhere). */
export const LARGEST_BODY = 32 * 1024 * 1024
const LONGEST_LINE = 64 * 1024

/**
 * The lines of a stream as records, in groups as they arrive and at most `most` each. Empty lines are skipped. Throws at
 * one that is too long, behind the records before it, wherever the stream is cut into chunks. A line that was cut off
 * with its connection is no record: without a newline or an orderly end it may be half of one.
 */
export async function* readLines(body: Readable, most: number): AsyncGenerator<ParsedRecord[]> {
  let rest: Buffer = Buffer.alloc(0)
  let total = 0
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      total += chunk.length
      if (total > LARGEST_BODY) throw new ApiError('too_large')
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let group: ParsedRecord[] = []
      let start = 0
      for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a, start)) {
        if (end - start > LONGEST_LINE) break
        addRecord(group, rest.subarray(start, end))
        start = end + 1
        if (group.length === most) {
          yield group
          group = []
        }
      }
      rest = rest.subarray(start)
      if (group.length > 0) yield group
      if (rest.length > LONGEST_LINE) throw new ApiError('too_large', 'A line is longer than 64 KiB')
    }
  } finally {
    // What is not wanted any more would stand in the way of the next request of its connection.
    body.resume()
  }
  const last: ParsedRecord[] = []
  addRecord(last, rest)
  if (last.length > 0) yield last
}

/** The same of the body of a request, for as long as the caller's token is good: nothing is done of what comes later. */
export async function* linesOfCaller(
  gateway: Gateway,
  request: FastifyRequest,
  body: Readable,
  most: number,
): AsyncGenerator<ParsedRecord[]> {
  for await (const group of readLines(body, most)) {
    await requireStillGood(gateway, request)
    yield group
  }
}

function addRecord(group: ParsedRecord[], line: Buffer): void {
  if (line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)) return
  group.push(parseRecord(line))
}

function parseRecord(line: Buffer): ParsedRecord {
  try {
    return { ok: true, value: parseStrictJson(line) }
  } catch (error) {
    if (error instanceof ApiError) return { ok: false, error }
    throw error
  }
}

/** The items of a list as records, in groups of at most `most`. */
export async function* inGroups(items: readonly unknown[], most: number): AsyncGenerator<ParsedRecord[]> {
  for (let start = 0; start < items.length; start += most) {
    yield items.slice(start, start + most).map((value) => ({ ok: true, value }))
  }
}

/** How many groups are begun and not answered: enough that those behind one that is being posted are ready to be. */
export const MOST_BEGUN = 3

type Begun<Result> = { readonly result: Promise<Result> }
type Step<Result> = Begun<Result> | { readonly result: null; readonly error?: unknown }

/**
 * What becomes of each group, in their order and each as soon as it is there; meanwhile the next groups are read and
 * begun, each once the one before it was. An error of the groups themselves comes behind all results.
 */
export async function* inTurn<Group, Result>(
  groups: AsyncIterable<Group>,
  begin: (group: Group) => Promise<Begun<Result>>,
): AsyncGenerator<Result> {
  const iterator = groups[Symbol.asyncIterator]()
  const read = async (): Promise<Step<Result>> => {
    try {
      const { done, value } = await iterator.next()
      return done ? { result: null } : await begin(value)
    } catch (error) {
      return { result: null, error }
    }
  }
  const begun: Promise<Result>[] = []
  let reading: Promise<Step<Result>> | undefined = read()
  let end: Step<Result> | undefined
  try {
    while (reading || begun.length > 0) {
      const first = begun[0]?.then(() => undefined)
      const step = await Promise.race([reading, first].filter((each) => each !== undefined))
      if (!step) yield (await begun.shift()) as Result
      else if (step.result) begun.push(step.result)
      else end = step
      if (step) reading = undefined
      if (!end && begun.length < MOST_BEGUN) reading ??= read()
    }
  } finally {
    void iterator.return?.()
  }
  if (end && 'error' in end) throw end.error
}

/** Text of answers, one for each record: NDJSON lines, or `{"data": […]}`. */
export async function* writeRecords(
  answers: AsyncIterable<readonly object[]>,
  asLines: boolean,
): AsyncGenerator<string> {
  if (!asLines) yield '{"data":['
  let separator = ''
  for await (const group of answers) {
    const texts = group.map((answer) => JSON.stringify(answer))
    if (asLines) yield `${texts.join('\n')}\n`
    else yield separator + texts.join(',')
    separator = ','
  }
  if (!asLines) yield ']}'
}
