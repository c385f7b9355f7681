import { idsAt, readClock } from '../database/clock.ts'
import type { Client, Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { ownText } from '../database/personal_fields.ts'
import type { SecretBox } from '../database/secret_box.ts'
import { writeEvents } from '../events/write.ts'
import { addJob } from '../identity/job_queue.ts'
import { type BookId, NIL, type UserId, type WebhookId } from '../ledger/id.ts'
import { newSigningSecret } from './signature.ts'

export const DISABLED_REASONS = ['by_owner', 'failing', 'gone'] as const
export type DisabledReason = (typeof DISABLED_REASONS)[number]

/** A URL of a user that events are sent to. */
export type Webhook = {
  readonly id: WebhookId
  readonly userId: UserId
  readonly url: string
  readonly description: string | null
  /** Types of events, or `*` for all. */
  readonly events: readonly string[]
  readonly status: 'active' | 'disabled'
  readonly disabledReason: DisabledReason | null
  readonly disabledAt: string | null
  readonly createdAt: string
  readonly updatedAt: string
}

export type WebhookRow = {
  id: WebhookId
  user_id: UserId
  url: string
  description: string | null
  events: string[]
  status: 'active' | 'disabled'
  disabled_reason: DisabledReason | null
  disabled_at: string | null
  created_at: string
  updated_at: string
}

export const WEBHOOK_COLUMNS = `w.id, w.user_id, coalesce(${ownText('w', 'url')}, '') as url,
  ${ownText('w', 'description')} as description, w.events, w.status, w.disabled_reason, w.disabled_at,
  w.created_at, w.updated_at`

export function toWebhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    userId: row.user_id,
    url: row.url,
    description: row.description,
    events: row.events,
    status: row.status,
    disabledReason: row.disabled_reason,
    disabledAt: row.disabled_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

export const MOST_WEBHOOKS = 16

/** How long the secret before the newest still signs beside it. */
const OVERLAP_HOURS = 24

export type NewWebhook = {
  readonly url: string
  readonly events: readonly string[]
  readonly description: string | null
}

/** Stores an endpoint, for every event of a transaction that begins after this one; why not, where it is refused. */
export async function createWebhook(
  client: Client,
  box: SecretBox,
  book: BookId,
  userId: UserId,
  { url, events, description }: NewWebhook,
): Promise<Webhook | 'unauthenticated' | 'too_many_webhooks'> {
  // Two at once do not both find the last place free, and whoever closes their user at this moment gets none any more.
  const { rowCount } = await client.query(
    'select from users where book = $1 and id = $2 and closed_at is null for no key update',
    [book, userId],
  )
  if (rowCount === 0) return 'unauthenticated'
  const { rows: counted } = await client.query<{ many: bigint }>(
    `select count(*) as many from webhooks where book = $1 and user_id = $2 and status <> 'deleted'`,
    [book, userId],
  )
  if ((counted[0]?.many ?? 0n) >= MOST_WEBHOOKS) return 'too_many_webhooks'
  const at = await readClock(client)
  const id = idsAt(at)<'webhook'>()
  await client.query(
    `insert into webhooks (book, id, user_id, url, description, events, secret, created_at, updated_at)
     values ($1, $2, $3, stored_text($1, $3, $4), stored_text($1, $3, $5), $6, $7, $8, $8)`,
    [book, id, userId, url, description, events, box.seal(newSigningSecret(), placeOf(book, id)), formatInstant(at)],
  )
  await client.query(
    `insert into webhook_cursors (book, txid, event_id)
     values ($1, pg_current_xact_id(), '${NIL}') on conflict (book) do nothing`,
    [book],
  )
  const made = await readWebhook(client, book, id)
  if (!made) throw new Error('a webhook that was stored is there')
  return made
}

/** The endpoint of that id; undefined where there is none, or it was deleted. */
export async function readWebhook(client: Queryable, book: BookId, id: WebhookId): Promise<Webhook | undefined> {
  return (await readWebhooks(client, book, [id])).get(id)
}

/** Those of the ids that are endpoints of the book, by id: not what was deleted, unless that is asked for. */
export async function readWebhooks(
  client: Queryable,
  book: BookId,
  ids: readonly WebhookId[],
  asked?: 'deleted too',
): Promise<Map<WebhookId, Webhook>> {
  const { rows } = await client.query<WebhookRow>(
    `select ${WEBHOOK_COLUMNS} from webhooks w
      where w.book = $1 and w.id = any($2) and (w.status <> 'deleted' or $3::boolean)`,
    [book, ids, asked !== undefined],
  )
  return new Map(rows.map((row) => [row.id, toWebhook(row)]))
}

/** The same, and nobody else changes it before the transaction ends. */
export async function lockWebhook(client: Client, book: BookId, id: WebhookId): Promise<Webhook | undefined> {
  await client.query('select from webhooks where book = $1 and id = $2 for no key update', [book, id])
  return readWebhook(client, book, id)
}

export type WebhookChange = {
  readonly url?: string
  readonly events?: readonly string[]
  readonly description?: string | null
  readonly status?: 'active' | 'disabled'
}

/** Changes an endpoint that the caller has locked. Enabled again it starts afresh; what it missed was skipped. */
export async function changeWebhook(
  client: Client,
  book: BookId,
  webhook: Webhook,
  change: WebhookChange,
): Promise<Webhook> {
  const { url = webhook.url, events = webhook.events, description = webhook.description } = change
  await client.query(
    `update webhooks
        set url = stored_text(book, user_id, $3), events = $4, description = stored_text(book, user_id, $5), updated_at = $6
      where book = $1 and id = $2`,
    [book, webhook.id, url, events, description, formatInstant(await readClock(client))],
  )
  if (change.status === 'disabled' && webhook.status === 'active') {
    await disable(client, book, { ...webhook, events }, 'by_owner')
  }
  if (change.status === 'active' && webhook.status === 'disabled') {
    await client.query(
      `update webhooks set status = 'active', disabled_reason = null, disabled_at = null, failing = false
        where book = $1 and id = $2`,
      [book, webhook.id],
    )
  }
  const changed = await readWebhook(client, book, webhook.id)
  if (!changed) throw new Error('a locked webhook is there')
  return changed
}

/** Ends an endpoint that the caller has locked: nothing more is sent, and its secrets are gone. */
export async function deleteWebhook(client: Client, book: BookId, id: WebhookId): Promise<void> {
  await client.query(
    `update webhooks
        set status = 'deleted', disabled_reason = null, disabled_at = null, secret = '', previous_secret = null,
            previous_until = null, updated_at = $3
      where book = $1 and id = $2`,
    [book, id, formatInstant(await readClock(client))],
  )
  await skipPending(client, book, id)
}

/** Ends all endpoints of a user who is closed, and so makes no others. */
export async function deleteWebhooksOf(client: Client, book: BookId, userId: UserId): Promise<void> {
  const { rows } = await client.query<{ id: WebhookId }>(
    `select id from webhooks where book = $1 and user_id = $2 and status <> 'deleted' order by id for no key update`,
    [book, userId],
  )
  for (const { id } of rows) await deleteWebhook(client, book, id)
}

/**
 * Gives an endpoint that the caller has locked a new secret; the one it had signs too for 24 h more, unless the key that
 * sealed it is lost.
 */
export async function rotateSecret(client: Client, box: SecretBox, book: BookId, id: WebhookId): Promise<void> {
  const at = await readClock(client)
  const { rows } = await client.query<{ secret: Buffer }>('select secret from webhooks where book = $1 and id = $2', [
    book,
    id,
  ])
  const before = rows[0] && opens(box, rows[0].secret, placeOf(book, id)) ? rows[0].secret : null
  await client.query(
    `update webhooks
        set previous_secret = $6,
            previous_until = case when $6::bytea is not null then $4::timestamptz + make_interval(hours => $5) end,
            secret = $3, updated_at = $4
      where book = $1 and id = $2`,
    [book, id, box.seal(newSigningSecret(), placeOf(book, id)), formatInstant(at), OVERLAP_HOURS, before],
  )
}

function opens(box: SecretBox, sealed: Buffer, place: string): boolean {
  try {
    box.open(sealed, place)
    return true
  } catch {
    return false
  }
}

/** The secrets that sign now, the newest first. */
export async function readSecrets(client: Queryable, box: SecretBox, book: BookId, id: WebhookId): Promise<string[]> {
  const { rows } = await client.query<{ secret: Buffer; previous: Buffer | null }>({
    name: 'webhook-secrets',
    text: `
      select secret, case when previous_until > clock_timestamp() then previous_secret end as previous
        from webhooks where book = $1 and id = $2 and status <> 'deleted'`,
    values: [book, id],
  })
  return rows.flatMap(({ secret, previous }) => {
    return [secret, ...(previous ? [previous] : [])].map((sealed) => box.open(sealed, placeOf(book, id)))
  })
}

/** Ends sending to an endpoint that does not take it: with an event, a mail to its owner and all that waits skipped. */
export async function giveUpOn(client: Client, book: BookId, id: WebhookId, reason: 'failing' | 'gone'): Promise<void> {
  const webhook = await lockWebhook(client, book, id)
  if (webhook?.status !== 'active') return
  await disable(client, book, webhook, reason)
  const { userId, url } = webhook
  await addJob(client, 'webhook_disabled_mail', { book, userId, url, reason })
}

async function disable(
  client: Client,
  book: BookId,
  { id, userId, events }: Webhook,
  reason: DisabledReason,
): Promise<void> {
  const at = await readClock(client)
  await client.query(
    `update webhooks set status = 'disabled', disabled_reason = $3, disabled_at = $4, updated_at = $4
      where book = $1 and id = $2`,
    [book, id, reason, formatInstant(at)],
  )
  await skipPending(client, book, id)
  await writeEvents(client, book, at, idsAt(at), [
    {
      type: 'webhook.disabled',
      objectId: id,
      viewers: [userId],
      state: { disabledReason: reason, webhookEvents: events },
    },
  ])
}

async function skipPending(client: Client, book: BookId, id: WebhookId): Promise<void> {
  const at = formatInstant(await readClock(client))
  await client.query(
    `update webhook_deliveries set status = 'skipped', completed_at = $3, claimed_until = null
      where book = $1 and webhook_id = $2 and status = 'pending'`,
    [book, id, at],
  )
}

/** Where a secret is bound to (database/secret_box.ts). */
function placeOf(book: BookId, id: WebhookId): string {
  return `webhook ${book}/${id}`
}
