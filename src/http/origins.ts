import type { App } from './route.ts'

const METHODS = 'GET, POST, PATCH, DELETE'
/** What a page may send, beside what any page may. */
const SENT = 'authorization, book, content-type, idempotency-key, if-none-match, last-event-id, prefer, x-request-id'
/** What a page may read of an answer, beside what any page may. */
const READ =
  'content-disposition, etag, idempotent-replayed, location, preference-applied, ratelimit-limit, ratelimit-policy, ratelimit-remaining, ratelimit-reset, retry-after, x-request-id'
const REMEMBER_SECONDS = 600

/** What an answer says to a page of that origin. */
export function originHeaders(allowed: ReadonlySet<string>, origin: string | undefined): Record<string, string> {
  if (allowed.size === 0) return {}
  const vary = { vary: 'Origin' }
  if (origin === undefined || !allowed.has(origin)) return vary
  return { ...vary, 'access-control-allow-origin': origin, 'access-control-expose-headers': READ }
}

/**
 * Lets pages of these origins call the API and read its answers (https://fetch.spec.whatwg.org, CORS protocol). There are
 * no cookies: a page has only the token that it was given.
 */
export function allowOrigins(app: App, allowed: ReadonlySet<string>): void {
  if (allowed.size === 0) return
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    reply.headers(originHeaders(allowed, origin))
    if (origin === undefined || !allowed.has(origin)) return
    if (request.method !== 'OPTIONS' || !request.headers['access-control-request-method']) return
    return reply
      .code(204)
      .headers({
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': SENT,
        'access-control-max-age': REMEMBER_SECONDS,
      })
      .send()
  })
}
