import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { onceCommitted } from '../../database/faults.ts'
import type { Gateway } from '../../gateway.ts'
import { parseDisplayName, setDisplayName } from '../../identity/display_name.ts'
import { ROLES } from '../../identity/roles.ts'
import { hasSecondFactor } from '../../identity/second_factor.ts'
import { findUser } from '../../identity/users.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError, fieldError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { BookName, DisplayName, Email, IdOf, Nullable, OneOf, Time } from '../schemas.ts'

const tag = 'Identity'
const Me = Type.Object({
  id: IdOf('usr'),
  email: Email,
  display_name: Nullable(DisplayName),
  email_confirmed: Type.Boolean(),
  confirmed_at: Nullable(Time),
  otp_enrolled: Type.Boolean({ description: 'Whether there is a second factor.' }),
  role: OneOf(ROLES),
  book: BookName,
  created_at: Time,
})

/** The user whose token it is, and what others see of them. */
export function meRoutes(app: App, gateway: Gateway): void {
  app.get('/v1/me', {
    schema: describe({
      operationId: 'getMe',
      summary: 'The user whose token this is',
      tag,
      response: { 200: Me },
    }),
    handler: (request) => presentMe(gateway, request),
  })

  app.patch('/v1/me', {
    schema: describe({
      operationId: 'updateMe',
      summary: 'Set or remove your display name',
      description:
        'Others see it in place of your e-mail address, as `sender` and `receiver`, in payments of before too. Null removes it.',
      tag,
      body: Type.Object({ display_name: Nullable(DisplayName) }, { additionalProperties: false }),
      response: { 200: Me },
    }),
    handler: async (request) => {
      const { home, userId } = sessionOf(request)
      const { display_name: written } = request.body
      const parsed = written === null ? null : parseDisplayName(written)
      if (parsed && !parsed.ok) throw fieldError('display_name', 'invalid_value', parsed.problem)
      const set = await setDisplayName(gateway, home, userId, parsed?.name ?? null, actorOf(request))
      if (!set) throw new ApiError('unauthenticated')
      return onceCommitted(() => presentMe(gateway, request))
    },
  })
}

async function presentMe({ pool }: Gateway, request: FastifyRequest) {
  const { home, homeName, userId } = sessionOf(request)
  const user = await findUser(pool, home, userId)
  if (!user) throw new ApiError('unauthenticated')
  return {
    id: encodeId('usr', user.id),
    email: user.email,
    display_name: user.displayName,
    email_confirmed: user.confirmedAt !== null,
    confirmed_at: user.confirmedAt,
    otp_enrolled: await hasSecondFactor(pool, { book: home, userId }),
    role: user.role,
    book: homeName,
    created_at: user.createdAt,
  }
}
