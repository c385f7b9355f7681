import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../gateway.ts'
import type { NewPasswordRefusal } from '../identity/password_change.ts'
import { LONGEST_PASSWORD, SHORTEST_PASSWORD } from '../identity/password_rules.ts'
import { type Proof, type Proven, refuseProof } from '../identity/proof.ts'
import { isProven } from '../identity/tokens.ts'
import { findUser } from '../identity/users.ts'
import { sessionOf } from './authentication.ts'
import { ApiError, type ErrorCode, fieldError } from './errors.ts'

const EXAMPLE = 'correct horse battery staple'

/** A new password. Its real least length depends on the user and the settings (identity/password_rules.ts). */
export const NewPassword = Type.String({
  minLength: SHORTEST_PASSWORD,
  maxLength: LONGEST_PASSWORD,
  description: 'At least 15 characters (or what the gateway is set to); 8 for a user with a second factor.',
  examples: [EXAMPLE],
})
export const PasswordGiven = Type.String({ maxLength: LONGEST_PASSWORD, examples: [EXAMPLE] })
export const Otp = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'The six digits that the app shows, or a recovery code.',
  examples: ['492039'],
})

/** What whoever proves who they are can be answered. */
export const PROOF_ERRORS = [
  'invalid_credentials',
  'otp_required',
  'otp_invalid',
  'too_many_attempts',
] as const satisfies readonly ErrorCode[]

/** The caller, who has proven to be it with the password and, where there is a second factor, a code. Throws otherwise. */
export async function proven(gateway: Gateway, request: FastifyRequest, proof: Proof): Promise<Proven> {
  const { home, userId } = sessionOf(request)
  const user = await findUser(gateway.pool, home, userId)
  const refusal = await refuseProof(gateway, home, user, proof)
  if (refusal || !user) throw new ApiError(refusal ?? 'unauthenticated')
  return { user, otp: proof.otp }
}

/**
 * Throws `fresh_proof_required` unless the caller's token was made by a log-in, or stepped up, in the last minutes
 * (BGW_STEP_UP_MINUTES). For what a stolen token must not do: paying out, changing a second factor.
 */
export async function requireFreshProof({ pool }: Gateway, request: FastifyRequest): Promise<void> {
  const { home, tokenId } = sessionOf(request)
  if (!(await isProven(pool, home, tokenId))) throw new ApiError('fresh_proof_required')
}

/** The error of a new password that is refused. */
export function passwordError(field: string, { problem, least }: NewPasswordRefusal): ApiError {
  if (problem === 'too_common') return fieldError(field, 'weak_password', 'is one that is easily guessed')
  const bound = problem === 'too_short' ? `at least ${least}` : `at most ${LONGEST_PASSWORD}`
  return fieldError(field, 'invalid_value', `must have ${bound} characters`)
}
