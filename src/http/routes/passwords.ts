import { Type } from 'typebox'
import type { Gateway } from '../../gateway.ts'
import { changePassword, forgetPassword, resetPassword } from '../../identity/password_change.ts'
import { findUser } from '../../identity/users.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { knownEmailOf, namedBook } from '../book.ts'
import { ApiError } from '../errors.ts'
import { NewPassword, Otp, PasswordGiven, passwordError } from '../proof.ts'
import { type App, describe } from '../route.ts'
import { BookName, Email } from '../schemas.ts'

const tag = 'Identity'

/** Passwords: forgotten, reset and changed (api.md, Identity). */
export function passwordRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.post('/v1/password/forgot', {
    schema: describe({
      operationId: 'forgetPassword',
      summary: 'Mail a link to set a new password',
      description: 'The answer is the same whether the address is known or not. At most five mails an hour.',
      tag,
      body: Type.Object({ email: Email, book: Type.Optional(BookName) }, { additionalProperties: false }),
      response: { 202: Type.Object({}) },
    }),
    handler: async (request, reply) => {
      const book = await namedBook(gateway, request.body.book)
      await forgetPassword(pool, book, knownEmailOf(request.body.email))
      return reply.code(202).send({})
    },
  })

  app.post('/v1/password/reset', {
    schema: describe({
      operationId: 'resetPassword',
      summary: 'Set a new password with the token of a mail',
      description: 'Ends every session and token, and confirms the address. A second factor stays and is asked for.',
      tag,
      errors: ['invalid_token', 'weak_password', 'otp_required', 'otp_invalid', 'too_many_attempts'],
      body: Type.Object(
        {
          token: Type.String({ maxLength: 200, examples: ['main.5f0c…'] }),
          password: NewPassword,
          otp: Type.Optional(Otp),
        },
        { additionalProperties: false },
      ),
      response: { 204: Type.Null() },
    }),
    handler: async (request, reply) => {
      const refusal = await resetPassword(gateway, request.body, { address: request.ip, requestId: request.id })
      if (typeof refusal === 'string') throw new ApiError(refusal)
      if (refusal) throw passwordError('password', refusal)
      return reply.code(204).send(null)
    },
  })

  app.post('/v1/password/change', {
    schema: describe({
      operationId: 'changePassword',
      summary: 'Change your password',
      description: 'Ends your other sessions. Tokens that you made for programs stay.',
      tag,
      errors: ['invalid_credentials', 'weak_password'],
      body: Type.Object(
        { current_password: PasswordGiven, new_password: NewPassword },
        { additionalProperties: false },
      ),
      response: { 204: Type.Null() },
    }),
    handler: async (request, reply) => {
      const { home, userId } = sessionOf(request)
      const user = await findUser(pool, home, userId)
      if (!user) throw new ApiError('unauthenticated')
      const { current_password: current, new_password: next } = request.body
      const refusal = await changePassword(gateway, home, user, actorOf(request), { current, next })
      if (typeof refusal === 'string') throw new ApiError(refusal)
      if (refusal) throw passwordError('new_password', refusal)
      return reply.code(204).send(null)
    },
  })
}
