import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../gateway.ts'
import { requireStillGood } from './authentication.ts'
import type { App } from './route.ts'

/**
 * Ends calls whose token ends while they are made. It is looked at again when a body has come, as a caller may take
 * minutes over it, and for each part of what is read, such as an export, which may take hours. What is answered to a call
 * that changed something is told to its end.
 */
export function endWithTokens(app: App, gateway: Gateway): void {
  app.addHook('preHandler', async (request) => {
    if (request.session && hadToArrive(request)) await requireStillGood(gateway, request)
  })
  app.addHook('onSend', (request, _reply, payload, done) => {
    if (request.method !== 'GET' || !request.session || !(payload instanceof Readable)) return done(null, payload)
    // One part is read ahead, no more: what was read before the end is shown after it.
    done(null, Readable.from(whileGood(gateway, request, payload), { highWaterMark: 1 }))
  })
}

/** Whether there was a body to be waited for, also where it came to nothing. Of what only reads none is. */
function hadToArrive({ method, headers }: FastifyRequest): boolean {
  if (method === 'GET' || method === 'HEAD') return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

async function* whileGood(gateway: Gateway, request: FastifyRequest, parts: Readable): AsyncGenerator<unknown> {
  for await (const part of parts) {
    await requireStillGood(gateway, request)
    yield part
  }
}
