import { Type } from 'typebox'
import { MAIN_BOOK } from '../../books/books.ts'
import type { Gateway } from '../../gateway.ts'
import { confirmEmail, resendConfirmation } from '../../identity/confirmation.ts'
import { parseKnownEmail } from '../../identity/email.ts'
import { logIn } from '../../identity/log_in.ts'
import { passwordProblem } from '../../identity/password_rules.ts'
import { SCOPES } from '../../identity/roles.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { emailOf, knownEmailOf, namedBook } from '../book.ts'
import { ApiError } from '../errors.ts'
import { NewPassword, Otp, PasswordGiven, PROOF_ERRORS, passwordError } from '../proof.ts'
import { type App, describe } from '../route.ts'
import { BookName, Email, IdOf, Name, OneOf, Time } from '../schemas.ts'

const tag = 'Identity'
const InBook = Type.Optional(BookName)

/** Sign-up, confirmation and log-in (api.md, Identity). */
export function identityRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/signup', {
    schema: describe({
      operationId: 'signUp',
      summary: 'Sign up',
      description: 'Mails a confirmation link. The answer is the same for an address that has signed up before.',
      tag,
      errors: ['weak_password'],
      body: Type.Object({ email: Email, password: NewPassword, book: InBook }, { additionalProperties: false }),
      response: { 201: Type.Object({ user: Type.Object({ email: Email, email_confirmed: Type.Boolean() }) }) },
    }),
    handler: async (request, reply) => {
      const book = await namedBook(gateway, request.body.book)
      const email = emailOf(request.body.email)
      const least = gateway.config.passwordMinLength
      const problem = passwordProblem(request.body.password, { least, email })
      if (problem) throw passwordError('password', { problem, least })
      await gateway.signUp(book, email, request.body.password, request.mayMail)
      return reply.code(201).send({ user: { email, email_confirmed: false } })
    },
  })

  confirmationRoutes(app, gateway)
  logInRoute(app, gateway)
}

function confirmationRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.post('/v1/email/confirm', {
    schema: describe({
      operationId: 'confirmEmail',
      summary: 'Confirm an e-mail address',
      tag,
      errors: ['invalid_token'],
      body: Type.Object(
        { token: Type.String({ maxLength: 200, examples: ['main.5f0c…'] }) },
        { additionalProperties: false },
      ),
      response: { 200: Type.Object({ email_confirmed: Type.Boolean() }) },
    }),
    handler: async (request) => {
      const from = { address: request.ip, requestId: request.id }
      if (!(await confirmEmail(gateway, request.body.token, from))) throw new ApiError('invalid_token')
      return { email_confirmed: true }
    },
  })

  app.post('/v1/email/resend', {
    schema: describe({
      operationId: 'resendConfirmation',
      summary: 'Mail another confirmation link',
      description: 'The answer is the same whether the address is known or not.',
      tag,
      body: Type.Object({ email: Email, book: InBook }, { additionalProperties: false }),
      response: { 202: Type.Object({}) },
    }),
    handler: async (request, reply) => {
      const book = await namedBook(gateway, request.body.book)
      await resendConfirmation(pool, book, knownEmailOf(request.body.email))
      return reply.code(202).send({})
    },
  })
}

function logInRoute(app: App, gateway: Gateway): void {
  app.post('/v1/login', {
    schema: describe({
      operationId: 'logIn',
      summary: 'Log in: a new token each time',
      tag,
      description: 'With a second factor: first without `otp`, and where the answer is `otp_required`, with it.',
      errors: [...PROOF_ERRORS],
      body: Type.Object(
        {
          email: Type.String({ maxLength: 254, examples: ['ada@example.com'] }),
          password: PasswordGiven,
          otp: Type.Optional(Otp),
          name: Type.Optional(Name),
          book: InBook,
        },
        { additionalProperties: false },
      ),
      response: {
        201: Type.Object({
          token: Type.String({ description: 'Shown this once.', examples: ['bgw_main_9f86d0…'] }),
          id: IdOf('tok'),
          expires_at: Time,
          scopes: Type.Array(OneOf(SCOPES)),
        }),
      },
    }),
    handler: async (request, reply) => {
      const { name = 'log-in', book: bookName = MAIN_BOOK, ...given } = request.body
      const book = await gateway.books.find(bookName)
      const attempt = {
        ...given,
        email: parseKnownEmail(given.email),
        name,
        address: request.ip,
        requestId: request.id,
      }
      const made = await logIn(gateway, book, attempt)
      if (typeof made === 'string') throw new ApiError(made)
      const { secret, token, expiresAt } = made
      return reply
        .code(201)
        .send({ token: secret, id: encodeId('tok', token.id), expires_at: expiresAt, scopes: [...token.scopes] })
    },
  })
}
