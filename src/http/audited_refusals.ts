import type { FastifyRequest } from 'fastify'
import { writeAuditAlone } from '../audit/audit.ts'
import type { Gateway } from '../gateway.ts'
import { actorOf, sessionOf } from './authentication.ts'
import type { App } from './route.ts'

/** Of one user: nobody fills the log by asking on and on. */
const MOST = { count: 60, seconds: 60 }

/** Keeps in the audit log who was refused a call of operators (403): which one, and why. */
export function auditRefusals(app: App, gateway: Gateway): void {
  function note(request: FastifyRequest, payload: unknown): void {
    if (!request.session || !isOfOperators(request)) return
    if (!gateway.limiter.take('refusals', request.session.userId, MOST).ok) return
    const { code } = JSON.parse(String(payload)) as { code: string }
    // Not the path: what somebody types there may be anything, a secret too.
    const detail = { operation: request.routeOptions.config.operationId, code }
    const entry = { actor: actorOf(request), action: 'access.refuse', objectId: null, detail }
    gateway.aside.write(writeAuditAlone(gateway.pool, sessionOf(request).home, entry))
  }
  app.addHook('onSend', (request, reply, payload, done) => {
    if (reply.statusCode === 403) note(request, payload)
    done()
  })
}

function isOfOperators({ routeOptions }: FastifyRequest): boolean {
  const { access } = routeOptions.config
  return access !== undefined && access !== 'public' && access.scope.startsWith('admin')
}
