import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../../gateway.ts'
import { changeRole, endTokensOf, freezeUser, type Order, type Overseen } from '../../identity/oversight.ts'
import { ROLES } from '../../identity/roles.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError, type ErrorCode } from '../errors.ts'
import { presentUser } from '../present.ts'
import { type App, describe } from '../route.ts'
import { FreezeBody, ListedUser, OneOf, Reason, ReasonBody } from '../schemas.ts'

const tag = 'Operators'
const params = Type.Object({ id: Type.String({ examples: ['usr_01k3v5f2q8e8pv0z3m0c6b7d1e'] }) })
const ERRORS: readonly ErrorCode[] = ['not_found', 'not_yourself']

/** What operators do to users, never to themselves. */
export function adminUserRoutes(app: App, gateway: Gateway): void {
  app.patch('/v1/admin/users/:id', {
    schema: describe({
      operationId: 'updateUser',
      summary: 'Give a user another role',
      description:
        'What the role does not allow, the user’s tokens do not any more, at once. More than they have is for whoever has ' +
        'confirmed the address. Audited.',
      tag,
      errors: [...ERRORS, 'last_operator', 'email_unconfirmed'],
      params,
      body: Type.Object({ role: OneOf(ROLES), reason: Reason }, { additionalProperties: false }),
      response: { 200: ListedUser },
    }),
    handler: async (request) => {
      const { role, reason } = request.body
      return presentUser(resultOf(await changeRole(gateway, orderOf(request, request.params.id, reason), role)))
    },
  })

  freezingRoutes(app, gateway)

  app.post('/v1/admin/users/:id/end-tokens', {
    schema: describe({
      operationId: 'endTokensOfUser',
      summary: 'End all sessions and tokens of a user, and with them open streams',
      tag,
      errors: ERRORS,
      params,
      body: ReasonBody,
      response: { 200: Type.Object({ ended: Type.Integer({ description: 'How many there were.' }) }) },
    }),
    handler: async (request) => {
      const ended = await endTokensOf(gateway, orderOf(request, request.params.id, request.body.reason))
      return { ended: resultOf(ended) }
    },
  })
}

function freezingRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/admin/users/:id/freeze', {
    schema: describe({
      operationId: 'freezeUser',
      summary: 'Freeze a user: no money leaves their accounts, nor, with `refuse_incoming`, comes in',
      description: 'Their tokens may still read, and they may log in to do so. Audited.',
      tag,
      errors: [...ERRORS, 'last_operator'],
      params,
      body: FreezeBody,
      response: { 200: ListedUser },
    }),
    handler: async (request) => {
      const { reason, refuse_incoming: all = false } = request.body
      const order = orderOf(request, request.params.id, reason)
      return presentUser(resultOf(await freezeUser(gateway, order, all ? 'all' : 'out')))
    },
  })

  app.post('/v1/admin/users/:id/unfreeze', {
    schema: describe({
      operationId: 'unfreezeUser',
      summary: 'Let a user move money again',
      description: 'Accounts that are frozen by themselves stay so. Audited.',
      tag,
      errors: ERRORS,
      params,
      body: ReasonBody,
      response: { 200: ListedUser },
    }),
    handler: async (request) => {
      const order = orderOf(request, request.params.id, request.body.reason)
      return presentUser(resultOf(await freezeUser(gateway, order, null)))
    },
  })
}

function orderOf(request: FastifyRequest, text: string, reason: string): Order {
  const id = decodeId('usr', text)
  if (!id) throw new ApiError('not_found')
  const { book, allBooks } = sessionOf(request)
  return { book, id, actor: actorOf(request), allBooks, reason }
}

function resultOf<T>(overseen: Overseen<T>): T {
  if (!overseen.ok) throw new ApiError(overseen.refusal)
  return overseen.result
}
