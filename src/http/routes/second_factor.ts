import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../../gateway.ts'
import { noteProof } from '../../identity/proof.ts'
import {
  beginEnrolment,
  finishEnrolment,
  removeSecondFactor,
  renewRecoveryCodes,
} from '../../identity/second_factor.ts'
import { findUser, type User } from '../../identity/users.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError } from '../errors.ts'
import { Otp, PasswordGiven, PROOF_ERRORS, proven, requireFreshProof } from '../proof.ts'
import { type App, describe } from '../route.ts'
import { Time } from '../schemas.ts'

const tag = 'Identity'
const NO_BODY = ['unknown_field', 'unsupported_media_type', 'outcome_unknown'] as const
const RecoveryCodes = Type.Object({
  recovery_codes: Type.Array(Type.String({ examples: ['k5ze-7w2m-q3ta-6hxd'] }), {
    description: 'Shown this once. Each stands for one one-time password, once.',
  }),
})

/** One-time passwords as a second factor, and fresh proofs of who calls (api.md, Identity). */
export function secondFactorRoutes(app: App, gateway: Gateway): void {
  enrolmentRoutes(app, gateway)

  app.post('/v1/otp/recovery-codes', {
    schema: describe({
      operationId: 'renewRecoveryCodes',
      summary: 'Make new recovery codes in the place of those before',
      tag,
      errors: ['fresh_proof_required', 'otp_not_enrolled', ...NO_BODY],
      response: { 201: RecoveryCodes },
    }),
    handler: async (request, reply) => {
      const { owner, user } = await freshlyProven(gateway, request)
      const codes = await renewRecoveryCodes(gateway, owner, user, actorOf(request))
      if (!codes) throw new ApiError('otp_not_enrolled')
      return reply.code(201).send({ recovery_codes: [...codes] })
    },
  })

  app.delete('/v1/otp', {
    schema: describe({
      operationId: 'removeSecondFactor',
      summary: 'Remove the second factor',
      tag,
      errors: ['fresh_proof_required', 'otp_not_enrolled', ...NO_BODY],
      response: { 204: Type.Null() },
    }),
    handler: async (request, reply) => {
      const { owner, user } = await freshlyProven(gateway, request)
      if (!(await removeSecondFactor(gateway, owner, user, actorOf(request)))) throw new ApiError('otp_not_enrolled')
      return reply.code(204).send(null)
    },
  })

  app.post('/v1/step-up', {
    schema: describe({
      operationId: 'stepUp',
      summary: 'Prove again who you are, for calls that ask for a fresh proof',
      description: 'A log-in is one, too. The proof is the token’s, and no other token’s of yours.',
      tag,
      errors: [...PROOF_ERRORS],
      body: Type.Object({ password: PasswordGiven, otp: Type.Optional(Otp) }, { additionalProperties: false }),
      response: { 200: Type.Object({ proven_until: Time }) },
    }),
    handler: async (request) => {
      const proof = await proven(gateway, request, request.body)
      const { home } = sessionOf(request)
      const { stepUpMinutes } = gateway.config
      const noted = await noteProof(gateway.pool, home, proof, actorOf(request), stepUpMinutes)
      if (typeof noted === 'string') throw new ApiError(noted)
      return { proven_until: noted.until }
    },
  })
}

function enrolmentRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/otp/enroll', {
    schema: describe({
      operationId: 'enrollSecondFactor',
      summary: 'Begin to use one-time passwords (TOTP) as a second factor',
      description: 'Nothing changes until `POST /v1/otp/verify` has seen a code.',
      tag,
      errors: ['fresh_proof_required', 'otp_enrolled', ...NO_BODY],
      response: {
        201: Type.Object({
          secret: Type.String({
            description: 'Base32; shown this once.',
            examples: ['JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'],
          }),
          uri: Type.String({ description: 'What a QR code for an app holds.', examples: ['otpauth://totp/…'] }),
        }),
      },
    }),
    handler: async (request, reply) => {
      const { owner, user } = await freshlyProven(gateway, request)
      const begun = await beginEnrolment(gateway, owner, user.email)
      if (typeof begun === 'string') throw new ApiError(begun)
      return reply.code(201).send(begun)
    },
  })

  app.post('/v1/otp/verify', {
    schema: describe({
      operationId: 'verifySecondFactor',
      summary: 'Finish the enrolment with a first code',
      description: 'From now on a log-in and a step-up need a code. Other tokens of yours lose their fresh proof.',
      tag,
      errors: ['fresh_proof_required', 'otp_not_enrolled', 'otp_invalid', 'too_many_attempts'],
      body: Type.Object({ otp: Otp }, { additionalProperties: false }),
      response: { 200: RecoveryCodes },
    }),
    handler: async (request) => {
      const { owner, user } = await freshlyProven(gateway, request)
      const codes = await finishEnrolment(gateway, owner, user, actorOf(request), request.body.otp)
      if (codes === undefined) throw new ApiError('otp_not_enrolled')
      if (codes === 'wrong') throw new ApiError('otp_invalid')
      if (codes === 'too_many') throw new ApiError('too_many_attempts')
      return { recovery_codes: [...codes] }
    },
  })
}

async function freshlyProven(gateway: Gateway, request: FastifyRequest) {
  await requireFreshProof(gateway, request)
  const { home: book, userId } = sessionOf(request)
  const user: User | undefined = await findUser(gateway.pool, book, userId)
  if (!user) throw new ApiError('unauthenticated')
  return { owner: { book, userId }, user }
}
