import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Client } from '../../database/connection.ts'
import { parseInstant } from '../../database/instant.ts'
import type { Gateway } from '../../gateway.ts'
import type { DeliveryId, WebhookId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { ping, readAttempts, readDelivery, redeliver, redeliverSince } from '../../webhooks/delivery.ts'
import { deliveries, deliveriesTo } from '../../webhooks/list.ts'
import { presentAttempt, presentDelivery, presentListedDelivery } from '../../webhooks/present.ts'
import { sessionOf } from '../authentication.ts'
import { ApiError, fieldError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { sendList } from '../list.ts'
import { type App, describe, listQuery } from '../route.ts'
import { PageOf, Time } from '../schemas.ts'
import { Delivery, DeliveryWithAttempts, ListedDelivery } from '../webhook_schemas.ts'
import { lockOwnWebhook, ownWebhook, webhookParams } from './webhooks.ts'

const tag = 'Webhooks'
const params = Type.Object({
  ...webhookParams.properties,
  delivery_id: Type.String({ examples: ['dlv_01k3v5f4w2f0k8h6g4d2c0b9a8'] }),
})
const ASKS = [
  'not_found',
  'webhook_disabled',
  'idempotency_key_reused',
  'unknown_field',
  'unsupported_media_type',
  'outcome_unknown',
] as const

/** What was sent to a webhook, what it answered, and having it sent again (api.md, Events). */
export function deliveryRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.get('/v1/webhooks/:id/deliveries', {
    schema: describe({
      operationId: 'listDeliveries',
      summary: 'What was sent to a webhook, with the last answer',
      tag,
      errors: ['not_found'],
      params: webhookParams,
      querystring: listQuery(deliveries.fields),
      response: { 200: PageOf(ListedDelivery) },
    }),
    handler: (request, reply) => {
      const scope = async () => {
        const { id } = await ownWebhook(pool, request, request.params.id)
        return deliveriesTo(sessionOf(request).home, id)
      }
      return sendList(pool, request, reply, { spec: deliveries, scope, present: presentListedDelivery })
    },
  })

  app.get('/v1/webhooks/:id/deliveries/:delivery_id', {
    schema: describe({
      operationId: 'getDelivery',
      summary: 'One delivery: what was sent, and every attempt with its answer',
      tag,
      errors: ['not_found'],
      params,
      response: { 200: DeliveryWithAttempts },
    }),
    handler: async (request) => {
      const { home } = sessionOf(request)
      const webhook = await ownWebhook(pool, request, request.params.id)
      const id = decodeId('dlv', request.params.delivery_id)
      const found = id && (await readDelivery(pool, home, webhook.id, id))
      if (!found) throw new ApiError('not_found')
      const attempts = await readAttempts(pool, home, found.id)
      return { ...presentDelivery(found), request_body: found.body, attempt_log: attempts.map(presentAttempt) }
    },
  })

  sendingRoutes(app, gateway)
}

function sendingRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.post('/v1/webhooks/:id/ping', {
    schema: describe({
      operationId: 'pingWebhook',
      summary: 'Send an event of the type webhook.ping, once',
      tag,
      errors: ASKS,
      params: webhookParams,
      response: { 202: Delivery },
    }),
    handler: (request, reply) => {
      const { id: text } = request.params
      return answerOnce(
        pool,
        request,
        reply,
        async (client) => {
          const id = await lockActive(client, request, text)
          const delivery = await ping(client, sessionOf(request).home, id)
          return { status: 202, body: await shown(client, request, id, delivery) }
        },
        { expires: true },
      )
    },
  })

  app.post('/v1/webhooks/:id/deliveries/:delivery_id/redeliver', {
    schema: describe({
      operationId: 'redeliver',
      summary: 'Send an event again, whatever came of it before',
      tag,
      errors: ASKS,
      params,
      response: { 202: Delivery },
    }),
    handler: (request, reply) => {
      const { id: text, delivery_id: delivery } = request.params
      return answerOnce(
        pool,
        request,
        reply,
        async (client) => {
          const { home } = sessionOf(request)
          const id = await lockActive(client, request, text)
          const wanted = decodeId('dlv', delivery)
          if (!wanted || !(await redeliver(client, home, id, wanted))) throw new ApiError('not_found')
          return { status: 202, body: await shown(client, request, id, wanted) }
        },
        { expires: true },
      )
    },
  })

  app.post('/v1/webhooks/:id/redeliver', {
    schema: describe({
      operationId: 'redeliverSince',
      summary: 'Send every event since a time again, in order',
      tag,
      errors: ['not_found', 'webhook_disabled', 'idempotency_key_reused'],
      params: webhookParams,
      body: Type.Object({ since: Time }, { additionalProperties: false }),
      response: { 202: Type.Object({ deliveries: Type.Integer({ description: 'How many.', examples: [12] }) }) },
    }),
    handler: (request, reply) => {
      const { id: text } = request.params
      const since = parseInstant(request.body.since)
      if (since === undefined) throw fieldError('since', 'invalid_value', 'must be a time')
      return answerOnce(
        pool,
        request,
        reply,
        async (client) => {
          const id = await lockActive(client, request, text)
          return { status: 202, body: { deliveries: await redeliverSince(client, sessionOf(request).home, id, since) } }
        },
        { expires: true },
      )
    },
  })
}

async function lockActive(client: Client, request: FastifyRequest, text: string): Promise<WebhookId> {
  const { id, status } = await lockOwnWebhook(client, request, text)
  if (status !== 'active') throw new ApiError('webhook_disabled')
  return id
}

async function shown(client: Client, request: FastifyRequest, webhook: WebhookId, id: DeliveryId) {
  const delivery = await readDelivery(client, sessionOf(request).home, webhook, id)
  if (!delivery) throw new Error('a delivery that was asked for is there')
  return presentDelivery(delivery)
}
