import type { IncomingMessage } from 'node:http'
import { ApiError } from './errors.ts'

/** Headers that say one thing each. Node keeps the first of some and joins the others with a comma. */
const ONCE = new Set(['authorization', 'book', 'content-type', 'host', 'idempotency-key', 'sec-websocket-key'])

/**
 * The refusal of a request that says such a header twice. It would be understood in one way here and in another by a
 * proxy before it, or by the next version of the program that sent it (RFC 9110 §5.3).
 */
export function refusalOfRepeated({ headers, rawHeaders }: IncomingMessage): ApiError | undefined {
  // As good as always: no name is there twice.
  if (2 * Object.keys(headers).length === rawHeaders.length) return undefined
  const seen = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const field = rawHeaders[index]?.toLowerCase() ?? ''
    if (!ONCE.has(field)) continue
    const detail = 'may be said only once'
    if (seen.has(field)) {
      return new ApiError('invalid_header', `${field} ${detail}`, [{ field, code: 'invalid_header', detail }])
    }
    seen.add(field)
  }
  return undefined
}
