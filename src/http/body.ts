import { isUtf8 } from 'node:buffer'
import { ApiError } from './errors.ts'

/**
 * Reads JSON that leaves no doubt: valid UTF-8, no field named twice (JSON.parse would quietly take the last), no lone
 * surrogates and no NUL, which no database can store. Throws `malformed_body`.
 */
export function parseStrictJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw new ApiError('malformed_body', 'The body is not valid UTF-8')
  const text = body.toString()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new ApiError('malformed_body', 'The body is not valid JSON')
  }
  if (countNames(value) !== countColons(text)) throw new ApiError('malformed_body', 'The body names a field twice')
  return value
}

/** In valid JSON each colon outside of a string stands behind one name. */
function countColons(text: string): number {
  let colons = 0
  let inString = false
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === 0x22) inString = !inString
    else if (inString && code === 0x5c) index += 1
    else if (!inString && code === 0x3a) colons += 1
  }
  return colons
}

const DEEPEST = 32

function countNames(value: unknown, depth = 0): number {
  if (typeof value === 'string') {
    refuseBadText(value)
    return 0
  }
  if (value === null || typeof value !== 'object') return 0
  if (depth > DEEPEST) throw new ApiError('malformed_body', `The body is nested deeper than ${DEEPEST} levels`)
  let names = 0
  if (Array.isArray(value)) {
    for (const item of value) names += countNames(item, depth + 1)
    return names
  }
  for (const [name, item] of Object.entries(value)) {
    refuseBadText(name)
    names += 1 + countNames(item, depth + 1)
  }
  return names
}

function refuseBadText(text: string): void {
  if (!text.isWellFormed() || text.includes('\0')) {
    throw new ApiError('malformed_body', 'The body has text that is not valid Unicode, or a NUL character')
  }
}
