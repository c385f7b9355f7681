import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../gateway.ts'
import type { Limit, RateLimits } from '../limits/settings.ts'
import type { Taken } from '../limits/take.ts'
import { StartError } from '../start_error.ts'
import { accessOf } from './access.ts'
import { addressOf, admit, createGuards, GUARDED } from './guards.ts'
import type { App } from './route.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    operationId?: string | undefined
  }
}

/** For the machines around the gateway, which ask often and from one address. */
const UNLIMITED = /^\/(health\/|metrics$)/

/** Whether a path of a route is under no limit. */
export function isUnlimited(path: string): boolean {
  return UNLIMITED.test(path)
}

/** The pages that links in mails open take the same secrets as the calls do. */
const MAIL_PAGES = new Set(['/confirm', '/reset-password'])

/** Throws StartError where a limit is set for a call that there is not. */
export function assertOperations({ ofOperation }: RateLimits): void {
  for (const name of ofOperation.keys()) {
    if (!accessOf(name)) throw new StartError(`BGW_RATE_LIMITS is wrong: there is no operation '${name}'`)
  }
}

/**
 * Refuses what is too much (docs/api.md, Rate limits): of an address, of the user whom `authenticate` finds, and only
 * then what `authorize` does not allow.
 */
export function limitRequests(
  app: App,
  gateway: Gateway,
  authenticate: (request: FastifyRequest, reply: FastifyReply) => Promise<void>,
  authorize: (request: FastifyRequest) => Promise<void>,
): void {
  const { named, ofOperation } = gateway.config.rateLimits
  const guards = createGuards(gateway)
  app.decorateRequest('mayMail', true)
  app.decorateRequest('attempt', null)

  app.addHook('onRoute', (route) => {
    const { operationId } = (route.schema ?? {}) as { operationId?: string }
    const pageOfMail = MAIL_PAGES.has(route.url) ? 'confirmEmail' : undefined
    route.config = { ...route.config, operationId: operationId ?? pageOfMail }
  })

  app.addHook('onRequest', async (request, reply) => {
    const {
      url,
      config: { operationId },
    } = request.routeOptions
    let taken: Taken | undefined
    const take = (kind: string, who: string, limit: Limit) => {
      taken = gateway.limiter.take(kind, who, limit)
      if (!taken.ok) admit(reply, taken)
    }
    try {
      const isLimited = url === undefined || !isUnlimited(url)
      if (isLimited && named.address) take('address', addressOf(request), named.address)
      await authenticate(request, reply)
      const { session } = request
      if (session && named.token) take('token', session.tokenId, named.token)
      if (session && named.user) take('user', session.userId, named.user)
      const limit = operationId && ofOperation.get(operationId)
      if (limit) take(operationId, session ? `user ${session.userId}` : `address ${addressOf(request)}`, limit)
    } finally {
      // Of several, an answer tells of the last one.
      if (taken?.ok) admit(reply, taken)
    }
    await authorize(request)
  })
  app.addHook('preHandler', async (request, reply) => {
    const guard = GUARDED[request.routeOptions.config.operationId ?? '']
    if (guard) await guards.before(request, reply, guard)
  })
  app.addHook('onSend', async (request, reply) => {
    if (request.attempt) await guards.after(request, reply.statusCode)
  })
}
