import { Type } from 'typebox'
import { writeAudit } from '../../audit/audit.ts'
import { idsAt, readClock } from '../../database/clock.ts'
import { inTransaction } from '../../database/connection.ts'
import type { Gateway } from '../../gateway.ts'
import { closeUser } from '../../identity/closing.ts'
import { beginEmailChange, confirmEmailChange } from '../../identity/email_change.ts'
import { endTokens } from '../../identity/tokens.ts'
import { lockUser } from '../../identity/users.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { emailOf } from '../book.ts'
import { ApiError } from '../errors.ts'
import { Otp, PasswordGiven, PROOF_ERRORS, proven } from '../proof.ts'
import { type App, describe } from '../route.ts'
import { Email } from '../schemas.ts'

const tag = 'Identity'
const proof = { password: PasswordGiven, otp: Type.Optional(Otp) }

/** What users do with themselves: another address, the end of sessions, the end (api.md, Identity). */
export function ownUserRoutes(app: App, gateway: Gateway): void {
  emailChangeRoutes(app, gateway)
  const { pool, sessions } = gateway

  app.delete('/v1/sessions', {
    schema: describe({
      operationId: 'endSessions',
      summary: 'End all your sessions but the present one',
      description: 'Sessions are tokens that log-ins made. Those that you made for programs stay.',
      tag,
      errors: ['unknown_field', 'unsupported_media_type', 'outcome_unknown'],
      response: { 200: Type.Object({ ended: Type.Integer({ examples: [2] }) }) },
    }),
    handler: async (request) => {
      const { home, userId, tokenId } = sessionOf(request)
      const ended = await inTransaction(pool, async (client) => {
        if (!(await lockUser(client, home, userId))) throw new ApiError('unauthenticated')
        const at = await readClock(client)
        const count = await endTokens(client, home, userId, at, { sessionsBut: tokenId })
        const entry = {
          actor: actorOf(request),
          action: 'user.end_sessions',
          objectId: userId,
          detail: { ended: count },
        }
        await writeAudit(client, home, at, idsAt(at), [entry])
        return count
      })
      sessions.forget(home, userId)
      return { ended }
    },
  })

  app.post('/v1/me/close', {
    schema: describe({
      operationId: 'closeMe',
      summary: 'Close your user for good, with every account at zero',
      description: 'Closes the accounts and ends every token. The address cannot sign up again.',
      tag,
      errors: [...PROOF_ERRORS, 'balance_not_zero', 'account_frozen', 'last_operator'],
      body: Type.Object(proof, { additionalProperties: false }),
      response: { 204: Type.Null() },
    }),
    handler: async (request, reply) => {
      const { home } = sessionOf(request)
      const proof = await proven(gateway, request, request.body)
      const refusal = await closeUser(gateway, home, proof, actorOf(request))
      if (refusal) throw new ApiError(refusal)
      return reply.code(204).send(null)
    },
  })
}

function emailChangeRoutes(app: App, gateway: Gateway): void {
  const { pool, books } = gateway

  app.post('/v1/email/change', {
    schema: describe({
      operationId: 'changeEmail',
      summary: 'Change your e-mail address',
      description:
        'Mails a link to the old and to the new address; the change takes effect when both are confirmed, within 24 h. ' +
        'The answer is the same for an address that is somebody’s.',
      tag,
      errors: [...PROOF_ERRORS],
      body: Type.Object({ email: Email, ...proof }, { additionalProperties: false }),
      response: { 202: Type.Object({}) },
    }),
    handler: async (request, reply) => {
      const { homeName } = sessionOf(request)
      const { email, ...given } = request.body
      const address = emailOf(email)
      const proof = await proven(gateway, request, given)
      const book = await books.find(homeName)
      if (!book) throw new Error('a book with a user is there')
      const refusal = await beginEmailChange(pool, book, proof, address, actorOf(request))
      // These are counted by the hour, and not as wrong codes are.
      if (refusal === 'too_many_attempts') reply.header('retry-after', 3_600)
      if (refusal) throw new ApiError(refusal)
      return reply.code(202).send({})
    },
  })

  app.post('/v1/email/change/confirm', {
    schema: describe({
      operationId: 'confirmEmailChange',
      summary: 'Confirm a change of address, by the old or by the new one',
      tag,
      errors: ['invalid_token'],
      body: Type.Object(
        { token: Type.String({ maxLength: 200, examples: ['main.5f0c…'] }) },
        { additionalProperties: false },
      ),
      response: {
        200: Type.Object({ email_changed: Type.Boolean({ description: 'Whether this was the second of the two.' }) }),
      },
    }),
    handler: async (request) => {
      const from = { address: request.ip, requestId: request.id }
      const outcome = await confirmEmailChange(gateway, request.body.token, from)
      if (!outcome) throw new ApiError('invalid_token')
      return { email_changed: outcome === 'done' }
    },
  })
}
