import { encodeId } from '../ledger/typeid.ts'
import type { Attempt, Delivery } from './delivery.ts'
import type { Webhook } from './endpoint.ts'
import type { ListedDelivery } from './list.ts'

// How webhooks are written on the wire. Never with their secrets.

export function presentWebhook(webhook: Webhook) {
  return {
    id: encodeId('whk', webhook.id),
    user_id: encodeId('usr', webhook.userId),
    url: webhook.url,
    description: webhook.description,
    events: [...webhook.events],
    status: webhook.status,
    disabled_reason: webhook.disabledReason,
    disabled_at: webhook.disabledAt,
    created_at: webhook.createdAt,
    updated_at: webhook.updatedAt,
  }
}

export function presentDelivery(delivery: Delivery) {
  return {
    id: encodeId('dlv', delivery.id),
    webhook_id: encodeId('whk', delivery.webhookId),
    event_id: encodeId('evt', delivery.eventId),
    event_type: delivery.eventType,
    status: delivery.status,
    attempts: delivery.attempts,
    next_attempt_at: delivery.nextAttemptAt,
    completed_at: delivery.completedAt,
    created_at: delivery.createdAt,
  }
}

export function presentListedDelivery(delivery: ListedDelivery) {
  return { ...presentDelivery(delivery), last_attempt: delivery.lastAttempt && presentAttempt(delivery.lastAttempt) }
}

export function presentAttempt(attempt: Attempt) {
  return {
    number: attempt.number,
    url: attempt.url,
    request_headers: attempt.requestHeaders,
    address: attempt.address,
    answer_status: attempt.answerStatus,
    answer_headers: attempt.answerHeaders,
    answer_body: attempt.answerBody,
    error: attempt.error,
    duration_ms: attempt.milliseconds,
    created_at: attempt.createdAt,
  }
}
