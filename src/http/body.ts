import { isUtf8 } from 'node:buffer'
import { ApiError } from './errors.ts'

/** So many values a body may hold: many times what any call takes, and as many as are read in some milliseconds. */
const MOST_VALUES = 10_000
const DEEPEST = 32

/**
 * Reads JSON that leaves no doubt: valid UTF-8, no field named twice (JSON.parse would quietly take the last), no lone
 * surrogates and no NUL, which no database can store. Throws `malformed_body`, and `too_large` where it holds more than
 * MOST_VALUES, before they are made.
 */
export function parseStrictJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw new ApiError('malformed_body', 'The body is not valid UTF-8')
  const { names, values, depth } = outlineOf(body)
  if (depth > DEEPEST) throw new ApiError('malformed_body', `The body is nested deeper than ${DEEPEST} levels`)
  if (values > MOST_VALUES) throw new ApiError('too_large', `The body holds more than ${MOST_VALUES} values`)
  let value: unknown
  try {
    value = JSON.parse(body.toString())
  } catch {
    throw new ApiError('malformed_body', 'The body is not valid JSON')
  }
  if (countNames(value) !== names) throw new ApiError('malformed_body', 'The body names a field twice')
  return value
}

/** What stands outside of the strings of JSON. In what is no JSON, these are numbers all the same. */
export type Outline = {
  /** One name stands before each colon. */
  readonly names: number
  /** At least so many as there are values. */
  readonly values: number
  readonly depth: number
  /** The first byte behind: a comma or closing bracket of what surrounds it, or the end. */
  readonly end: number
}

/** What JSON is made of outside of its strings, as bytes of UTF-8: no other letter has them. */
export const CODES = {
  quote: 0x22,
  comma: 0x2c,
  colon: 0x3a,
  backslash: 0x5c,
  openList: 0x5b,
  closeList: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const

/** Goes through one value of JSON from `start` on, or all of them to the end where nothing surrounds them. */
export function outlineOf(body: Buffer, start = 0): Outline {
  let [names, values, depth, deepest, inString] = [0, 1, 0, 0, false]
  let at = start
  for (; at < body.length; at += 1) {
    const code = body[at]
    if (code === CODES.quote) inString = !inString
    else if (inString) {
      if (code === CODES.backslash) at += 1
    } else if (code === CODES.colon) names += 1
    else if (code === CODES.comma) {
      if (depth === 0) break
      values += 1
    } else if (code === CODES.openList || code === CODES.openObject) {
      values += 1
      depth += 1
      deepest = Math.max(deepest, depth)
    } else if (code === CODES.closeList || code === CODES.closeObject) {
      if (depth === 0) break
      depth -= 1
    }
  }
  return { names, values, depth: deepest, end: at }
}

function countNames(value: unknown): number {
  if (typeof value === 'string') {
    refuseBadText(value)
    return 0
  }
  if (value === null || typeof value !== 'object') return 0
  let names = 0
  if (Array.isArray(value)) {
    for (const item of value) names += countNames(item)
    return names
  }
  for (const [name, item] of Object.entries(value)) {
    refuseBadText(name)
    names += 1 + countNames(item)
  }
  return names
}

function refuseBadText(text: string): void {
  if (!text.isWellFormed() || text.includes('\0')) {
    throw new ApiError('malformed_body', 'The body has text that is not valid Unicode, or a NUL character')
  }
}
