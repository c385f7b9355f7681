import { Type } from 'typebox'
import { type Book, MAIN_BOOK } from '../../books/books.ts'
import type { Gateway } from '../../gateway.ts'
import { confirmEmail, resendConfirmation } from '../../identity/confirmation.ts'
import { parseEmail } from '../../identity/email.ts'
import { LONGEST_PASSWORD, SHORTEST_PASSWORD, verifyPassword } from '../../identity/passwords.ts'
import { newToken } from '../../identity/secrets.ts'
import { insertToken, SCOPES, scopesOf } from '../../identity/tokens.ts'
import { findUser, findUserByEmail } from '../../identity/users.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { sessionOf } from '../authentication.ts'
import { ApiError, fieldError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { BookName, Email, IdOf, Name, Nullable, OneOf, Time } from '../schemas.ts'

const tag = 'Identity'
const Password = Type.String({
  minLength: SHORTEST_PASSWORD,
  maxLength: LONGEST_PASSWORD,
  examples: ['correct horse battery staple'],
})
const PasswordGiven = Type.String({ maxLength: LONGEST_PASSWORD, examples: ['correct horse battery staple'] })
const InBook = Type.Optional(BookName)

/** Sign-up, confirmation and log-in (api.md, Identity). */
export function identityRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/signup', {
    config: { access: 'public' },
    schema: describe({
      operationId: 'signUp',
      summary: 'Sign up',
      description: 'Mails a confirmation link. The answer is the same for an address that has signed up before.',
      tag,
      access: 'public',
      errors: ['overloaded'],
      body: Type.Object({ email: Email, password: Password, book: InBook }, { additionalProperties: false }),
      response: { 201: Type.Object({ user: Type.Object({ email: Email, email_confirmed: Type.Boolean() }) }) },
    }),
    handler: async (request, reply) => {
      const book = await namedBook(gateway, request.body.book)
      const email = emailOf(request.body.email)
      await gateway.signUp(book, email, request.body.password)
      return reply.code(201).send({ user: { email, email_confirmed: false } })
    },
  })

  confirmationRoutes(app, gateway)
  logInRoute(app, gateway)
  meRoute(app, gateway)
}

function confirmationRoutes(app: App, gateway: Gateway): void {
  const { pool, sessions } = gateway

  app.post('/v1/email/confirm', {
    config: { access: 'public' },
    schema: describe({
      operationId: 'confirmEmail',
      summary: 'Confirm an e-mail address',
      tag,
      access: 'public',
      errors: ['invalid_token'],
      body: Type.Object(
        { token: Type.String({ maxLength: 200, examples: ['main.5f0c…'] }) },
        { additionalProperties: false },
      ),
      response: { 200: Type.Object({ email_confirmed: Type.Boolean() }) },
    }),
    handler: async (request) => {
      if (!(await confirmEmail(pool, sessions, request.body.token))) throw new ApiError('invalid_token')
      return { email_confirmed: true }
    },
  })

  app.post('/v1/email/resend', {
    config: { access: 'public' },
    schema: describe({
      operationId: 'resendConfirmation',
      summary: 'Mail another confirmation link',
      description: 'The answer is the same whether the address is known or not.',
      tag,
      access: 'public',
      body: Type.Object({ email: Email, book: InBook }, { additionalProperties: false }),
      response: { 202: Type.Object({}) },
    }),
    handler: async (request, reply) => {
      const book = await namedBook(gateway, request.body.book)
      await resendConfirmation(pool, book, emailOf(request.body.email))
      return reply.code(202).send({})
    },
  })
}

function logInRoute(app: App, { pool, books, config }: Gateway): void {
  app.post('/v1/login', {
    config: { access: 'public' },
    schema: describe({
      operationId: 'logIn',
      summary: 'Log in: a new token each time',
      tag,
      access: 'public',
      errors: ['invalid_credentials', 'overloaded'],
      body: Type.Object(
        {
          email: Type.String({ maxLength: 254, examples: ['ada@example.com'] }),
          password: PasswordGiven,
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
      const { password, name = 'log-in' } = request.body
      const book = await books.find(request.body.book ?? MAIN_BOOK)
      const email = parseEmail(request.body.email)
      const user = book && email ? await findUserByEmail(pool, book.id, email) : undefined
      const verified = await verifyPassword(password, user?.passwordHash ?? null)
      if (!book || !user || !verified) throw new ApiError('invalid_credentials')
      const secret = newToken(book.name)
      const expiresAt = new Date(Date.now() + config.tokenDays * 86_400_000).toISOString().replace('Z', '000Z')
      const token = await insertToken(pool, book.id, user.id, { secret, name, scopes: scopesOf(user.role), expiresAt })
      return reply
        .code(201)
        .send({ token: secret, id: encodeId('tok', token.id), expires_at: expiresAt, scopes: [...token.scopes] })
    },
  })
}

function meRoute(app: App, { pool }: Gateway): void {
  app.get('/v1/me', {
    config: { access: { scope: 'any' } },
    schema: describe({
      operationId: 'getMe',
      summary: 'The user whose token this is',
      tag,
      access: { scope: 'any' },
      response: {
        200: Type.Object({
          id: IdOf('usr'),
          email: Email,
          email_confirmed: Type.Boolean(),
          confirmed_at: Nullable(Time),
          role: OneOf(['user', 'admin']),
          book: BookName,
          created_at: Time,
        }),
      },
    }),
    handler: async (request) => {
      const { home, homeName, userId } = sessionOf(request)
      const user = await findUser(pool, home, userId)
      if (!user) throw new ApiError('unauthenticated')
      return {
        id: encodeId('usr', user.id),
        email: user.email,
        email_confirmed: user.confirmedAt !== null,
        confirmed_at: user.confirmedAt,
        role: user.role,
        book: homeName,
        created_at: user.createdAt,
      }
    },
  })
}

async function namedBook(gateway: Gateway, name: string = MAIN_BOOK): Promise<Book> {
  const book = await gateway.books.find(name)
  if (!book) throw fieldError('book', 'invalid_value', 'is no book here')
  return book
}

/** The address as it is kept; the schema has checked it. */
function emailOf(text: string): string {
  const email = parseEmail(text)
  if (email === undefined) throw fieldError('email', 'invalid_value', 'must be an e-mail address')
  return email
}
