import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { ownText } from '../database/personal_fields.ts'
import { EVENT_TYPES } from '../events/types.ts'
import type { BookId, UserId, WebhookId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import {
  type Attempt,
  DELIVERY_COLUMNS,
  DELIVERY_STATUSES,
  type Delivery,
  type DeliveryRow,
  deliveryText,
  PING,
  toDelivery,
} from './delivery.ts'
import { DISABLED_REASONS, toWebhook, WEBHOOK_COLUMNS, type Webhook, type WebhookRow } from './endpoint.ts'
import { SEND_ERRORS } from './send.ts'

const webhookId = fields.id((text) => decodeId('whk', text), 'an id such as whk_…')

/** Endpoints: of a user by the index webhooks_by_user, of a book by the primary key. */
export const webhooks: ListSpec<WebhookRow, Webhook> = {
  fields: {
    id: { sql: 'w.id', kind: webhookId, carried: 'id' },
    user_id: { sql: 'w.user_id', kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…') },
    url: { sql: ownText('w', 'url'), kind: fields.text },
    description: { sql: ownText('w', 'description'), kind: fields.text, nullable: true },
    events: fields.words('w.events'),
    status: { sql: 'w.status', kind: fields.choice(['active', 'disabled']) },
    disabled_reason: { sql: 'w.disabled_reason', kind: fields.choice(DISABLED_REASONS), nullable: true },
    disabled_at: { sql: 'w.disabled_at', kind: fields.time, nullable: true },
    created_at: { sql: 'w.created_at', kind: fields.time, carried: 'created_at' },
    updated_at: { sql: 'w.updated_at', kind: fields.time },
  },
  table: 'webhooks w',
  indexed: { inOrder: ['user_id'] },
  key: [{ sql: 'w.id', cast: 'uuid' }],
  show: 'join webhooks w on w.book = $1 and w.id = page.key0',
  columns: WEBHOOK_COLUMNS,
  toItem: toWebhook,
}

export function webhooksOf(book: BookId, userId: UserId): Scope {
  return { where: `w.book = $1 and w.user_id = $2 and w.status <> 'deleted'`, values: [book, userId] }
}

export function webhooksIn(book: BookId): Scope {
  return { where: 'w.book = $1', showing: `w.status <> 'deleted'`, values: [book] }
}

/** A delivery, and the last attempt at it. */
export type ListedDelivery = Delivery & { readonly lastAttempt: Attempt | null }
type ListedRow = DeliveryRow & { last: Attempt | null }

/** A column of the last attempt at a delivery. */
const last = (column: string) =>
  `(select a.${column} from webhook_attempts a where a.book = d.book and a.delivery_id = d.id order by a.number desc limit 1)`

/** A text of it. */
const lastText = (column: string) => deliveryText(last(column))

const number = (sql: string) => ({ sql: fields.amountSql(sql, '0'), kind: fields.amount })

/** The deliveries of an endpoint. Index: webhook_deliveries_by_webhook. */
export const deliveries: ListSpec<ListedRow, ListedDelivery> = {
  fields: {
    id: { sql: 'd.id', kind: fields.id((text) => decodeId('dlv', text), 'an id such as dlv_…'), carried: 'id' },
    webhook_id: { sql: 'd.webhook_id', kind: webhookId },
    event_id: { sql: 'd.event_id', kind: fields.id((text) => decodeId('evt', text), 'an id such as evt_…') },
    event_type: { sql: 'd.event_type', kind: fields.choice([...EVENT_TYPES, PING]) },
    status: { sql: 'd.status', kind: fields.choice(DELIVERY_STATUSES) },
    attempts: number('d.attempts'),
    next_attempt_at: {
      sql: `(case when d.status = 'pending' then d.due_at end)`,
      kind: fields.time,
      nullable: true,
    },
    completed_at: { sql: 'd.completed_at', kind: fields.time, nullable: true },
    'last_attempt.number': { ...number(last('number')), nullable: true },
    'last_attempt.url': { sql: lastText('url'), kind: fields.text, nullable: true },
    'last_attempt.address': { sql: last('address'), kind: fields.text, nullable: true },
    'last_attempt.answer_status': { ...number(last('answer_status')), nullable: true },
    'last_attempt.answer_body': { sql: lastText('answer_body'), kind: fields.text, nullable: true },
    'last_attempt.error': { sql: last('error'), kind: fields.choice(SEND_ERRORS), nullable: true },
    'last_attempt.duration_ms': { ...number(last('milliseconds')), nullable: true },
    'last_attempt.created_at': { sql: last('created_at'), kind: fields.time, nullable: true },
    created_at: { sql: 'd.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'webhook_deliveries d',
  indexed: { few: ['event_id'] },
  key: [{ sql: 'd.id', cast: 'uuid' }],
  show: `join webhook_deliveries d on d.book = $1 and d.id = page.key0
         left join lateral (
           select a.* from webhook_attempts a where a.book = $1 and a.delivery_id = d.id order by a.number desc limit 1
         ) a on true`,
  columns: `${DELIVERY_COLUMNS}, case when a.number is null then null else json_build_object(
              'number', a.number, 'url', ${deliveryText('a.url')}, 'requestHeaders', a.request_headers, 'address', a.address,
              'answerStatus', a.answer_status, 'answerHeaders', a.answer_headers, 'answerBody', ${deliveryText('a.answer_body')},
              'error', a.error, 'milliseconds', a.milliseconds,
              'createdAt', to_char(a.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) end as last`,
  toItem: (row) => ({ ...toDelivery(row), lastAttempt: row.last }),
}

export function deliveriesTo(book: BookId, id: WebhookId): Scope {
  return { where: 'd.book = $1 and d.webhook_id = $2', values: [book, id] }
}
