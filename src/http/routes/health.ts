import { Type } from 'typebox'
import { createDiskLook } from '../../database/disk.ts'
import type { Gateway } from '../../gateway.ts'
import { ApiError } from '../errors.ts'
import { type App, describe } from '../route.ts'

const tag = 'Running'
const Status = Type.Object({ status: Type.String({ examples: ['ok'] }) })

/** For whoever keeps the gateway running (api.md, Running). */
export function healthRoutes(app: App, { pool, poster, config }: Gateway, metrics: () => Promise<string>): void {
  const lookAtDisk = createDiskLook(pool)

  app.get('/health/live', {
    schema: describe({
      operationId: 'isLive',
      summary: 'Whether the process answers',
      tag,
      response: { 200: Status },
    }),
    handler: async () => ({ status: 'ok' }),
  })

  app.get('/health/ready', {
    schema: describe({
      operationId: 'isReady',
      summary: 'Whether payments can be made: database reachable, migrated, posting',
      tag,
      response: { 200: Status },
    }),
    handler: async () => {
      await pool.query('select from payments limit 0')
      await lookAtDisk()
      if (poster.depth() >= config.mostWaiting) throw new ApiError('overloaded')
      return { status: 'ok' }
    },
  })

  app.get('/metrics', {
    schema: describe({
      operationId: 'getMetrics',
      summary: 'Metrics for Prometheus',
      tag,
      onlyType: 'text/plain',
      response: { 200: Type.String() },
    }),
    handler: async (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics()),
  })
}
