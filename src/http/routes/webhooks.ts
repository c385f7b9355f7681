import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type Client, inTransaction, type Queryable } from '../../database/connection.ts'
import { EVENT_TYPES } from '../../events/types.ts'
import type { Gateway } from '../../gateway.ts'
import type { WebhookId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  lockWebhook,
  readSecrets,
  readWebhook,
  rotateSecret,
  type Webhook as StoredWebhook,
} from '../../webhooks/endpoint.ts'
import { webhooks, webhooksOf } from '../../webhooks/list.ts'
import { presentWebhook } from '../../webhooks/present.ts'
import { sessionOf } from '../authentication.ts'
import { ApiError, fieldError } from '../errors.ts'
import { type Answer, answerOnce } from '../idempotency.ts'
import { sendList } from '../list.ts'
import { type App, describe, listQuery } from '../route.ts'
import { Description, Nullable, OneOf, PageOf } from '../schemas.ts'
import { SigningSecret, Webhook } from '../webhook_schemas.ts'

const tag = 'Webhooks'
export const webhookParams = Type.Object({ id: Type.String({ examples: ['whk_01k3v5f3b7e2n9t6s4r2q0p8m7'] }) })

const Url = Type.String({ minLength: 1, maxLength: 2_048, examples: ['https://example.com/webhooks'] })
const Events = Type.Array(OneOf([...EVENT_TYPES, '*']), {
  minItems: 1,
  uniqueItems: true,
  description: 'Types of events, or `*` for all.',
  examples: [['payment.completed', 'payment.declined']],
})
const WithSecret = Type.Intersect([Webhook, Type.Object({ secret: SigningSecret })])

/** Webhooks: the URLs of a user that events are sent to (api.md, Events). */
export function webhookRoutes(app: App, gateway: Gateway): void {
  const { pool, secretBox } = gateway

  app.get('/v1/webhooks', {
    schema: describe({
      operationId: 'listWebhooks',
      summary: 'Your webhooks',
      tag,
      querystring: listQuery(webhooks.fields),
      response: { 200: PageOf(Webhook) },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      return sendList(pool, request, reply, {
        spec: webhooks,
        scope: webhooksOf(home, userId),
        present: presentWebhook,
      })
    },
  })

  app.post('/v1/webhooks', {
    schema: describe({
      operationId: 'createWebhook',
      summary: 'Have events sent to a URL',
      tag,
      errors: ['too_many_webhooks', 'not_found', 'idempotency_key_reused'],
      body: Type.Object(
        { url: Url, events: Events, description: Type.Optional(Nullable(Description)) },
        { additionalProperties: false },
      ),
      response: { 201: WithSecret },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      const { url, events, description = null } = request.body
      checkUrl(gateway, url)
      return answerOnce(
        pool,
        request,
        reply,
        async (client) => {
          const made = await createWebhook(client, secretBox, home, userId, { url, events, description })
          if (typeof made === 'string') throw new ApiError(made)
          return { status: 201, body: presentWebhook(made) }
        },
        { reveal: (answer) => revealSecret(gateway, request, answer), expires: true },
      )
    },
  })

  app.get('/v1/webhooks/:id', {
    schema: describe({
      operationId: 'getWebhook',
      summary: 'One webhook',
      tag,
      errors: ['not_found'],
      params: webhookParams,
      response: { 200: Webhook },
    }),
    handler: async (request) => presentWebhook(await ownWebhook(pool, request, request.params.id)),
  })

  changingRoutes(app, gateway)
}

function changingRoutes(app: App, gateway: Gateway): void {
  const { pool, secretBox } = gateway

  app.patch('/v1/webhooks/:id', {
    schema: describe({
      operationId: 'updateWebhook',
      summary: 'Change a webhook, or disable or enable it',
      tag,
      errors: ['not_found'],
      params: webhookParams,
      body: Type.Object(
        {
          url: Type.Optional(Url),
          events: Type.Optional(Events),
          description: Type.Optional(Nullable(Description)),
          status: Type.Optional(OneOf(['active', 'disabled'])),
        },
        { additionalProperties: false, minProperties: 1 },
      ),
      response: { 200: Webhook },
    }),
    handler: (request) => {
      const { body, params } = request
      if (body.url !== undefined) checkUrl(gateway, body.url)
      return inTransaction(pool, async (client) => {
        const webhook = await lockOwnWebhook(client, request, params.id)
        return presentWebhook(await changeWebhook(client, sessionOf(request).home, webhook, body))
      })
    },
  })

  app.delete('/v1/webhooks/:id', {
    schema: describe({
      operationId: 'deleteWebhook',
      summary: 'Send nothing more to a URL, and forget its secrets',
      tag,
      errors: ['not_found', 'unknown_field', 'unsupported_media_type', 'outcome_unknown'],
      params: webhookParams,
      response: { 204: Type.Null() },
    }),
    handler: async (request, reply) => {
      const { id } = request.params
      await inTransaction(pool, async (client) => {
        const webhook = await lockOwnWebhook(client, request, id)
        await deleteWebhook(client, sessionOf(request).home, webhook.id)
      })
      return reply.code(204).send(null)
    },
  })

  app.post('/v1/webhooks/:id/rotate-secret', {
    schema: describe({
      operationId: 'rotateWebhookSecret',
      summary: 'Have a new secret; the old one signs too for 24 h',
      tag,
      errors: ['not_found', 'idempotency_key_reused', 'unknown_field', 'unsupported_media_type', 'outcome_unknown'],
      params: webhookParams,
      response: { 200: WithSecret },
    }),
    handler: (request, reply) => {
      const { id } = request.params
      return answerOnce(
        pool,
        request,
        reply,
        async (client) => {
          const { home } = sessionOf(request)
          const webhook = await lockOwnWebhook(client, request, id)
          await rotateSecret(client, secretBox, home, webhook.id)
          return { status: 200, body: presentWebhook(await ownWebhook(client, request, id)) }
        },
        { reveal: (answer) => revealSecret(gateway, request, answer), expires: true },
      )
    },
  })
}

/** The caller's own webhook. Throws `not_found` where there is none of that id. */
export async function ownWebhook(client: Queryable, request: FastifyRequest, text: string): Promise<StoredWebhook> {
  const { home } = sessionOf(request)
  const id = decodeId('whk', text)
  return owned(request, id && (await readWebhook(client, home, id)))
}

export async function lockOwnWebhook(client: Client, request: FastifyRequest, text: string): Promise<StoredWebhook> {
  const { home } = sessionOf(request)
  const { id } = await ownWebhook(client, request, text)
  return owned(request, await lockWebhook(client, home, id))
}

function owned(request: FastifyRequest, webhook: StoredWebhook | undefined): StoredWebhook {
  if (webhook?.userId !== sessionOf(request).userId) throw new ApiError('not_found')
  return webhook
}

function checkUrl({ webhookRules }: Gateway, url: string): void {
  const refusal = webhookRules.refuseUrl(url)
  if (refusal) throw fieldError('url', 'invalid_value', refusal)
}

/** The secret is no part of the answer that is kept for its idempotency key: it is read anew, as long as it is good. */
async function revealSecret({ pool, secretBox }: Gateway, request: FastifyRequest, answer: Answer): Promise<Answer> {
  const { id } = answer.body as { id: string }
  const [secret] = await readSecrets(pool, secretBox, sessionOf(request).home, decodeId('whk', id) as WebhookId)
  if (secret === undefined) throw new ApiError('not_found')
  return { ...answer, body: { ...answer.body, secret } }
}
