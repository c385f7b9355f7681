import { Type } from 'typebox'
import type { Gateway } from '../../gateway.ts'
import { RAIL_CODES, type RailCode } from '../../ledger/account.ts'
import { ApiError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { OneOf } from '../schemas.ts'

/** Where rails report to. Their signature is over the bytes of the body, so these are what is read. */
export function railCallbackRoutes(app: App, gateway: Gateway): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

  app.post('/v1/rails/:rail/callbacks', {
    schema: describe({
      operationId: 'receiveRailCallback',
      summary: 'What a rail reports',
      description:
        'For rails, not for callers: signed as Standard Webhooks are. A report that comes twice, late or out of order is ' +
        'answered like any other.',
      tag: 'Running',
      errors: ['not_found', 'unauthenticated', 'unknown_currency', 'unsupported_media_type', 'outcome_unknown'],
      params: Type.Object({ rail: Type.String({ examples: ['wallet'] }) }),
      response: { 200: Type.Object({ outcome: OneOf(['applied', 'ignored']) }) },
    }),
    handler: async (request) => {
      const code: RailCode | undefined = RAIL_CODES.find((known) => known === request.params.rail)
      const rail = code && gateway.rails.get(code)
      if (!code || !rail) throw new ApiError('not_found')
      const body = request.body as unknown
      const message = Buffer.isBuffer(body) ? rail.readCallback(request.headers, body) : undefined
      if (!message) throw new ApiError('unauthenticated', 'This is no message that the rail signed')
      const { settlement } = gateway
      const outcome =
        message.type === 'report'
          ? await settlement.report(code, message.report)
          : await settlement.arrival(code, message.arrival)
      if (outcome === 'unknown_currency') throw new ApiError(outcome, 'No book can hold this money')
      return { outcome }
    },
  })
}
