import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { writeAuditAlone } from '../../audit/audit.ts'
import type { Gateway } from '../../gateway.ts'
import { findUser } from '../../identity/users.ts'
import type { BookId, UserId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { eraseUser } from '../../privacy/erasure.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError } from '../errors.ts'
import type { HoldPlace } from '../places.ts'
import { Otp, PasswordGiven, PROOF_ERRORS, proven, requireFreshProof } from '../proof.ts'
import { NDJSON } from '../records.ts'
import { type App, describe } from '../route.ts'
import { OneOf, ReasonBody } from '../schemas.ts'
import { exportUser, KINDS } from '../user_export.ts'

const ExportLine = Type.Object({ kind: OneOf(KINDS), data: Type.Object({}, { additionalProperties: true }) })
const params = Type.Object({ id: Type.String({ examples: ['usr_01k3v5f2q8e8pv0z3m0c6b7d1e'] }) })
const REFUSALS = ['balance_not_zero', 'account_frozen', 'last_operator'] as const

/** What users may ask about their own data, and operators for them (docs/privacy.md). */
export function privacyRoutes(app: App, gateway: Gateway, holdPlace: HoldPlace): void {
  exportRoutes(app, gateway, holdPlace)

  app.post('/v1/me/erase', {
    schema: describe({
      operationId: 'eraseMe',
      summary: 'Close your user and erase your data, with every account at zero',
      description: 'The books stay whole, and show a placeholder for you. The address is free at once. For good.',
      tag: 'Identity',
      errors: [...PROOF_ERRORS, ...REFUSALS],
      body: Type.Object({ password: PasswordGiven, otp: Type.Optional(Otp) }, { additionalProperties: false }),
      response: { 202: Type.Object({}) },
    }),
    handler: async (request, reply) => {
      const by = { proven: await proven(gateway, request, request.body) }
      const { home, userId } = sessionOf(request)
      const refusal = await eraseUser(gateway, { book: home, id: userId, actor: actorOf(request), by })
      if (refusal) throw new ApiError(refusal)
      return reply.code(202).send({})
    },
  })

  app.post('/v1/admin/users/:id/erase', {
    schema: describe({
      operationId: 'eraseUser',
      summary: 'Erase the data of a user, who is closed or whose accounts are all at zero',
      description: 'Audited. Asked for again, it erases what has come since.',
      tag: 'Operators',
      errors: ['not_found', 'not_yourself', ...REFUSALS],
      params,
      body: ReasonBody,
      response: { 202: Type.Object({}) },
    }),
    handler: async (request, reply) => {
      const id = decodeId('usr', request.params.id)
      if (!id) throw new ApiError('not_found')
      const { book, allBooks } = sessionOf(request)
      const by = { reason: request.body.reason, allBooks }
      const refusal = await eraseUser(gateway, { book, id, actor: actorOf(request), by })
      if (refusal) throw new ApiError(refusal)
      return reply.code(202).send({})
    },
  })
}

function exportRoutes(app: App, gateway: Gateway, holdPlace: HoldPlace): void {
  app.get('/v1/me/export', {
    schema: describe({
      operationId: 'exportMe',
      summary: 'All that is kept about you, one record a line',
      description: 'Needs a fresh proof. The last line is `end`: without it, the connection ended early.',
      tag: 'Identity',
      errors: ['fresh_proof_required', 'outcome_unknown'],
      onlyType: NDJSON,
      unkept: true,
      response: { 200: ExportLine },
    }),
    handler: async (request, reply) => {
      await requireFreshProof(gateway, request)
      holdPlace(request, reply)
      const { home, userId } = sessionOf(request)
      return send(gateway, request, reply, home, userId)
    },
  })

  app.get('/v1/admin/users/:id/export', {
    schema: describe({
      operationId: 'exportUser',
      summary: 'All that is kept about a user, as they would get it',
      description: 'Audited.',
      tag: 'Operators',
      errors: ['not_found', 'outcome_unknown'],
      onlyType: NDJSON,
      unkept: true,
      params,
      response: { 200: ExportLine },
    }),
    handler: async (request, reply) => {
      const id = decodeId('usr', request.params.id)
      const { book } = sessionOf(request)
      if (!id || !(await findUser(gateway.pool, book, id))) throw new ApiError('not_found')
      holdPlace(request, reply)
      return send(gateway, request, reply, book, id)
    },
  })
}

/** Notes in the audit log that the data go out, and sends them as they are read. */
async function send(gateway: Gateway, request: FastifyRequest, reply: FastifyReply, book: BookId, id: UserId) {
  const entry = { actor: actorOf(request), action: 'user.export', objectId: id, detail: {} }
  await writeAuditAlone(gateway.pool, book, entry)
  return reply
    .type(NDJSON)
    .headers({
      'content-disposition': 'attachment; filename="export.ndjson"',
      'cache-control': 'no-store',
    })
    .send(Readable.from(exportUser(gateway, book, id)))
}
