import { setImmediate as otherWork } from 'node:timers/promises'
import { CODES, outlineOf, parseStrictJson } from './body.ts'
import { ApiError } from './errors.ts'

// A body of JSON whose weight is one list, such as the payments of a bulk request. Read as a whole, one of 32 MiB keeps
// everybody waiting for a second, and for half a minute where it is made of nothing but brackets: each item is read by
// itself, and others are served in between.

/** What is around the list, and each of its items, is at most what an ordinary request is. */
const LARGEST_PART = 1024 * 1024
/** All items together: more than so many of payments with all that one may have. */
const MOST_VALUES = 1_000_000
/** Others wait for no more bytes than this at a time, as many as a chunk of a stream has. */
const BYTES_AT_A_TIME = 64 * 1024

/**
 * Reads an object of JSON with one long list in it, as strictly as parseStrictJson reads the whole. `refuse` makes the
 * error for a list of more than `most` items, which is thrown before those are read.
 */
export async function parseLongList(
  body: Buffer,
  { name, most, refuse }: { readonly name: string; readonly most: number; readonly refuse: () => ApiError },
): Promise<unknown> {
  const start = startOfList(body)
  if (start === undefined) return parsePart(body)
  const items: unknown[] = []
  let [end, values, since] = [start, 0, start]
  for (let from = start; ; from = end + 1) {
    const item = outlineOf(body.subarray(0, from + LARGEST_PART + 1), from)
    end = item.end
    values += item.values
    if (values > MOST_VALUES) throw new ApiError('too_large', `The body holds more than ${MOST_VALUES} values`)
    const text = body.subarray(from, end)
    const isNothing = from === start && isBlank(text) && body[end] !== CODES.comma
    if (!isNothing && items.length === most) throw refuse()
    if (!isNothing) items.push(parsePart(text))
    if (body[end] !== CODES.comma) break
    if (end - since < BYTES_AT_A_TIME) continue
    since = end
    await otherWork()
  }
  const around = parsePart(Buffer.concat([body.subarray(0, start), body.subarray(end)]))
  // Where the first list has another name, it is empty now, and refused as it should not be there at all.
  const list = Object.entries(around as object).find(([, value]) => Array.isArray(value))
  return list?.[0] === name ? { ...(around as object), [name]: items } : around
}

function parsePart(part: Buffer): unknown {
  if (part.length > LARGEST_PART) throw new ApiError('too_large', 'A part of the body is longer than 1 MiB')
  return parseStrictJson(part)
}

function isBlank(text: Buffer): boolean {
  return text.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d)
}

/** Behind the bracket that begins the first list that is a field of the object; undefined where none begins soon. */
function startOfList(body: Buffer): number | undefined {
  let [depth, inString] = [0, false]
  for (let at = 0; at < Math.min(body.length, LARGEST_PART); at += 1) {
    const code = body[at]
    if (code === CODES.quote) inString = !inString
    else if (inString) {
      if (code === CODES.backslash) at += 1
    } else if (code === CODES.openList) {
      if (depth === 1) return at + 1
      if (depth === 0) return undefined
      depth += 1
    } else if (code === CODES.openObject) depth += 1
    else if (code === CODES.closeList || code === CODES.closeObject) depth -= 1
  }
  return undefined
}
