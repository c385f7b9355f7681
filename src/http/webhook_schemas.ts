import { Type } from 'typebox'
import { DELIVERY_STATUSES } from '../webhooks/delivery.ts'
import { DISABLED_REASONS } from '../webhooks/endpoint.ts'
import { SEND_ERRORS } from '../webhooks/send.ts'
import { Description, IdOf, Nullable, OneOf, Time } from './schemas.ts'

const Count = Type.Integer({ examples: [1] })
const Headers = Type.Record(Type.String(), Type.String())

export const Webhook = Type.Object(
  {
    id: IdOf('whk'),
    user_id: IdOf('usr'),
    url: Type.String({ examples: ['https://example.com/webhooks'] }),
    description: Nullable(Description),
    events: Type.Array(Type.String(), { examples: [['payment.completed', 'payment.declined']] }),
    status: OneOf(['active', 'disabled']),
    disabled_reason: Nullable(OneOf(DISABLED_REASONS)),
    disabled_at: Nullable(Time),
    created_at: Time,
    updated_at: Time,
  },
  { title: 'Webhook' },
)

export const SigningSecret = Type.String({
  description: 'Shown this once. Signs every message, by the Standard Webhooks specification.',
  examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwPnJWK3Z6yRo='],
})

const delivery = {
  id: IdOf('dlv'),
  webhook_id: IdOf('whk'),
  event_id: IdOf('evt'),
  event_type: Type.String({ examples: ['payment.completed'] }),
  status: OneOf(DELIVERY_STATUSES),
  attempts: Count,
  next_attempt_at: Nullable(Time),
  completed_at: Nullable(Time),
  created_at: Time,
}

const Attempt = Type.Object(
  {
    number: Count,
    url: Type.String(),
    request_headers: Headers,
    address: Nullable(Type.String({ description: 'What the name stood for.' })),
    answer_status: Nullable(Type.Integer()),
    answer_headers: Nullable(Headers),
    answer_body: Nullable(Type.String({ description: 'Its first 4 KiB.' })),
    error: Nullable(OneOf(SEND_ERRORS, { description: 'Why there is no answer.' })),
    duration_ms: Type.Integer(),
    created_at: Time,
  },
  { title: 'Attempt' },
)

export const Delivery = Type.Object(delivery, { title: 'Delivery' })

export const ListedDelivery = Type.Object({ ...delivery, last_attempt: Nullable(Attempt) }, { title: 'ListedDelivery' })

export const DeliveryWithAttempts = Type.Object(
  {
    ...delivery,
    request_body: Type.String({ description: 'What was signed and sent, the same each time.' }),
    attempt_log: Type.Array(Attempt, { description: 'The latest first; at most 100.' }),
  },
  { title: 'DeliveryWithAttempts' },
)
