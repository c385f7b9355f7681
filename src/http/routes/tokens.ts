import { createHmac, randomBytes } from 'node:crypto'
import { Type } from 'typebox'
import { writeAudit } from '../../audit/audit.ts'
import { idsAt, readClock } from '../../database/clock.ts'
import type { Client } from '../../database/connection.ts'
import { formatInstant, parseInstant } from '../../database/instant.ts'
import type { Gateway } from '../../gateway.ts'
import { notifyUser } from '../../identity/job_queue.ts'
import { tokens, tokensOf } from '../../identity/list.ts'
import { SCOPES } from '../../identity/roles.ts'
import { hashSecret } from '../../identity/secrets.ts'
import type { Session } from '../../identity/sessions.ts'
import { insertToken, isGood, revokeToken, TOKEN_KINDS } from '../../identity/tokens.ts'
import { findUser, holdUser, type User } from '../../identity/users.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { actorOf, bearerOf, sessionOf } from '../authentication.ts'
import { ApiError, fieldError } from '../errors.ts'
import { type Answer, answerOnce } from '../idempotency.ts'
import { sendList } from '../list.ts'
import { presentToken } from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import { FutureTime, IdOf, Name, Nullable, OneOf, PageOf, Time } from '../schemas.ts'

const tag = 'Identity'
const TokenBody = Type.Object(
  {
    id: IdOf('tok'),
    kind: OneOf(TOKEN_KINDS, { description: 'session: made by a log-in; token: made by POST /v1/tokens.' }),
    name: Name,
    scopes: Type.Array(OneOf(SCOPES)),
    address: Nullable(Type.String({ description: 'Where a session was made from.' })),
    expires_at: Nullable(Time),
    last_used_at: Nullable(Time),
    created_at: Time,
  },
  { title: 'Token' },
)

/** A user's tokens: as many as wanted, each with a name, scopes and an expiry (api.md, Identity). */
export function tokenRoutes(app: App, gateway: Gateway): void {
  const { pool, sessions } = gateway

  app.get('/v1/tokens', {
    schema: describe({
      operationId: 'listTokens',
      summary: 'Your tokens that are good',
      tag,
      querystring: listQuery(tokens.fields),
      response: { 200: PageOf(TokenBody) },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      return sendList(pool, request, reply, { spec: tokens, scope: tokensOf(home, userId), present: presentToken })
    },
  })

  app.post('/v1/tokens', {
    schema: describe({
      operationId: 'createToken',
      summary: 'Make a token',
      tag,
      errors: ['idempotency_key_reused'],
      body: Type.Object(
        {
          name: Name,
          scopes: Type.Array(OneOf(SCOPES), { minItems: 1, uniqueItems: true, examples: [['payments:read']] }),
          expires_at: Type.Optional(Nullable(FutureTime)),
        },
        { additionalProperties: false },
      ),
      response: {
        201: Type.Intersect([TokenBody, Type.Object({ token: Type.String({ description: 'Shown this once.' }) })]),
      },
    }),
    handler: async (request, reply) => {
      const { name, scopes, expires_at: expires = null } = request.body
      const session = sessionOf(request)
      const beyond = scopes.find((scope) => !session.scopes.has(scope))
      if (beyond) throw new ApiError('forbidden', `A token can give no more than it has itself: not ${beyond}`)
      const instant = parseInstant(expires ?? '')
      const expiresAt = instant === undefined ? null : formatInstant(instant)
      const salt = randomBytes(32).toString('hex')
      const secretOf = (of: string) => secretFrom(session.homeName, bearerOf(request), of)
      return answerOnce(
        pool,
        request,
        reply,
        async (client) => {
          const user = await holdGoodToken(client, session)
          const at = await readClock(client)
          if (instant !== undefined && instant <= at) {
            throw fieldError('expires_at', 'invalid_value', 'must be in the future')
          }
          const wanted = { secret: secretOf(salt), name, scopes, expiresAt }
          const made = await insertToken(client, session.home, session.userId, wanted)
          const detail = { name, scopes, expires_at: expiresAt }
          const entry = { actor: actorOf(request), action: 'token.create', objectId: made.id, detail }
          await writeAudit(client, session.home, at, idsAt(at), [entry])
          await notifyUser(client, at, user, 'new_token', `'${name}', for ${scopes.join(', ')}`)
          return { status: 201, body: { ...presentToken(made), salt } }
        },
        { reveal: (answer) => revealSecret(gateway, session.home, answer, secretOf) },
      )
    },
  })

  app.delete('/v1/tokens/:id', {
    schema: describe({
      operationId: 'revokeToken',
      summary: 'Revoke a token, at once and on every node',
      tag,
      errors: ['not_found', 'unknown_field', 'unsupported_media_type', 'outcome_unknown'],
      params: Type.Object({ id: Type.String({ examples: ['tok_01k3v5f1a2fj9t8s7r6q5p4n3m'] }) }),
      response: { 204: Type.Null() },
    }),
    handler: async (request, reply) => {
      const { home, userId } = sessionOf(request)
      const id = decodeId('tok', request.params.id)
      if (!id || !(await revokeToken(pool, home, userId, id, actorOf(request)))) throw new ApiError('not_found')
      sessions.forget(home, userId)
      return reply.code(204).send(null)
    },
  })
}

/**
 * The user, held as they are: a node may keep a session a moment longer than it is good, and a token that is made in it
 * would outlive the reset that ended the session.
 */
async function holdGoodToken(client: Client, { home, userId, tokenId }: Session): Promise<User> {
  const held = await holdUser(client, home, userId)
  const user = held && (await isGood(client, home, tokenId)) ? await findUser(client, home, userId) : undefined
  if (!user) throw new ApiError('unauthenticated')
  return user
}

/**
 * A token from the caller's own and a salt that is kept with the answer: a repeat of the request makes it again, as the
 * answer is not stored with the secret in it. Neither who has the one nor who has the other can: a token that was stolen
 * after its end gives none of those that were made with it, and a stolen database gives none at all.
 */
function secretFrom(bookName: string, bearer: string, salt: string): string {
  return `bgw_${bookName}_${createHmac('sha256', bearer).update(`token ${salt}`).digest('hex')}`
}

async function revealSecret(
  { pool }: Gateway,
  book: number,
  answer: Answer,
  secretOf: (salt: string) => string,
): Promise<Answer> {
  const { salt, ...body } = answer.body as ReturnType<typeof presentToken> & { readonly salt: string }
  const secret = secretOf(salt)
  const { rowCount } = await pool.query('select from tokens where book = $1 and id = $2 and hash = $3', [
    book,
    decodeId('tok', body.id),
    hashSecret(secret),
  ])
  if (rowCount === 0) throw new ApiError('idempotency_key_reused', 'The key was used with another token')
  return { ...answer, body: { ...body, token: secret } }
}
