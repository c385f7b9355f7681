import { createHash } from 'node:crypto'
import type { App } from './route.ts'

/** What an answer depends on beside its address. */
export const VARIES_BY = 'authorization, book, origin'

/**
 * Gives every answer to a GET of the API an ETag, and a 304 to whoever has it already (RFC 9110 §8.8.3, §13.1.2); to a HEAD
 * as to its GET. What nobody may keep has none.
 */
export function addEtags(app: App): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    const isHead = request.method === 'HEAD'
    const isRead = (isHead || request.method === 'GET') && request.url.startsWith('/v1/') && reply.statusCode === 200
    const isKept = reply.getHeader('cache-control') !== 'no-store'
    if (!isRead || !isKept || typeof payload !== 'string') return done(null, payload)
    const tag = `"${createHash('sha256').update(payload).digest('base64url').slice(0, 22)}"`
    reply.header('etag', tag).header('cache-control', 'private, no-cache').header('vary', VARIES_BY)
    const known = request.headers['if-none-match']?.split(',').map((entry) => entry.trim().replace(/^W\//, ''))
    if (!known?.includes(tag) && !known?.includes('*')) return done(null, payload)
    reply.code(304).removeHeader('content-type')
    // An empty body would be told as a length of zero, which the body that is meant does not have (RFC 9110 §8.6). That of a
    // HEAD is counted and left out by the framework.
    done(null, isHead ? payload : null)
  })
}
