import { Type } from 'typebox'
import type { Gateway } from '../../gateway.ts'
import { RAIL_CODES, type RailCode } from '../../ledger/account.ts'
import type { RailMessage } from '../../rails/rail.ts'
import { BrokenReport } from '../../rails/settlement.ts'
import { parseStrictJson } from '../body.ts'
import { ApiError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { OneOf } from '../schemas.ts'

function settle({ settlement }: Gateway, code: RailCode, message: RailMessage) {
  return message.type === 'report' ? settlement.report(code, message.report) : settlement.arrival(code, message.arrival)
}

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
      errors: [
        ...(['not_found', 'unauthenticated', 'malformed_body', 'invalid_amount', 'unknown_currency'] as const),
        ...(['unsupported_media_type', 'outcome_unknown'] as const),
      ],
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
      // What names a field twice may be read in one way here and in another there.
      parseStrictJson(body as Buffer)
      const outcome = await settle(gateway, code, message).catch((cause: unknown) => {
        throw cause instanceof BrokenReport ? new ApiError('invalid_amount', cause.message, [], { cause }) : cause
      })
      if (outcome === 'unknown_currency') throw new ApiError(outcome, 'No book can hold this money')
      return { outcome }
    },
  })
}
