import { readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool, together } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { ownText } from '../database/personal_fields.ts'
import type { SecretBox } from '../database/secret_box.ts'
import type { BookId, DeliveryId, EventId, Id, Instant, UserId, WebhookId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { PING } from './delivery.ts'
import { giveUpOn, lockWebhook, readSecrets } from './endpoint.ts'
import type { Answer, Send } from './send.ts'
import { signedHeaders } from './signature.ts'

/** A delivery that this node has claimed: nobody else sends it before `claimed_until`. */
export type Claimed = {
  readonly id: DeliveryId
  readonly webhook_id: WebhookId
  readonly event_id: EventId
  readonly event_type: string
  readonly object_id: Id<string>
  readonly body: string
  readonly url: string
  readonly attempts: number
  /** How many attempts have failed since it was last asked for. */
  readonly tries: number
  /** In RFC 3339; tells this claim from a later one. */
  readonly claimed_until: string
}

/** An endpoint with something to send now, and whether it failed the last time. */
export type Due = { readonly id: WebhookId; readonly userId: UserId; readonly failing: boolean }

export async function readDue(pool: Pool, book: BookId): Promise<Due[]> {
  const { rows } = await pool.query<Due>({
    name: 'webhooks-due',
    text: `
      select w.id, w.user_id as "userId", w.failing
        from webhooks w
        -- In the order of the index, so that it is the first one that is found, and not all.
        cross join lateral (
          select from webhook_deliveries d
           where d.book = w.book and d.webhook_id = w.id and d.status = 'pending' and d.due_at <= now()
             and (d.claimed_until is null or d.claimed_until < now())
           order by d.due_at
           limit 1) first
       where w.book = $1 and w.status = 'active'`,
    values: [book],
  })
  return rows
}

export type Wanted = { readonly webhookId: WebhookId; readonly most: number }

/**
 * Claims what is due, at most so many of each endpoint, and of each object the oldest event only: the next one waits
 * until that is delivered or given up. A claim outlives its node by `leaseMs`.
 */
export async function claim(pool: Pool, book: BookId, wanted: readonly Wanted[], leaseMs: number): Promise<Claimed[]> {
  const { rows } = await pool.query<Claimed>({
    name: 'claim-deliveries',
    text: `
      with chosen as materialized (
        select first.id, first.url, first.user_id
          from unnest($2::uuid[], $3::int[]) as wanted (webhook_id, most)
          cross join lateral (
            select d.id, ${ownText('w', 'url')} as url, w.user_id
              from webhook_deliveries d
              join webhooks w on w.book = d.book and w.id = d.webhook_id and w.status = 'active'
             where d.book = $1 and d.webhook_id = wanted.webhook_id and d.status = 'pending' and d.due_at <= now()
               and (d.claimed_until is null or d.claimed_until < now())
               and not exists (
                     select from webhook_deliveries e
                      where e.book = $1 and e.webhook_id = d.webhook_id and e.object_id = d.object_id
                        and e.status = 'pending' and (e.event_txid, e.event_id) < (d.event_txid, d.event_id))
             order by d.due_at
             limit wanted.most
               for update of d skip locked) first)
      update webhook_deliveries d
         set claimed_until = now() + make_interval(secs => $4::float8 / 1000),
             attempts = d.attempts + 1
        from chosen
       where d.book = $1 and d.id = chosen.id
      returning d.id, d.webhook_id, d.event_id, d.event_type, d.object_id,
                shown_text(d.book, chosen.user_id, d.body) as body, chosen.url, d.attempts, d.tries,
                d.claimed_until`,
    values: [book, wanted.map(({ webhookId }) => webhookId), wanted.map(({ most }) => most), leaseMs],
  })
  return rows
}

type Deliver = {
  readonly pool: Pool
  readonly secretBox: SecretBox
  readonly send: Send
  /** How long after each failed attempt the next one is due, in milliseconds; after the last one there is none. */
  readonly retriesMs: readonly number[]
}

/** Sends one delivery that was claimed, once, and writes down what came of it and what is next. */
export async function deliver(parts: Deliver, book: BookId, claimed: Claimed, stop: AbortSignal): Promise<void> {
  const { pool, secretBox, send } = parts
  const [secrets, at] = await Promise.all([readSecrets(pool, secretBox, book, claimed.webhook_id), readClock(pool)])
  // Deleted since it was claimed.
  if (secrets.length === 0) return
  const message = {
    id: encodeId('evt', claimed.event_id),
    timestamp: Number(at / 1_000_000n),
    body: claimed.body,
  }
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'billing-gateway',
    ...signedHeaders(message, secrets),
  }
  const answer = await send(claimed.url, headers, claimed.body, stop)
  await inTransaction(pool, (client) => record(client, parts.retriesMs, book, claimed, { at, headers, answer }))
}

type Made = { readonly at: Instant; readonly headers: Readonly<Record<string, string>>; readonly answer: Answer }

async function record(
  client: Client,
  retriesMs: readonly number[],
  book: BookId,
  claimed: Claimed,
  made: Made,
): Promise<void> {
  const next = nextStep(made.answer, claimed, retriesMs)
  const now = await readClock(client)
  // Endpoints are locked before their deliveries, everywhere. What follows needs no answer of what goes before it.
  if (next.step === 'give up') await lockWebhook(client, book, claimed.webhook_id)
  const tells = next.step === 'again' ? next.counts : next.step !== 'give up'
  const noted = tells && noteFailing(client, book, claimed.webhook_id, next.step)
  const inserted = insertAttempt(client, book, claimed, made)
  switch (next.step) {
    case 'succeeded':
    case 'failed':
      return together([noted, inserted, finish(client, book, claimed, next.step, now)])
    case 'give up': {
      const finished = finish(client, book, claimed, 'failed', now)
      await together([inserted, finished])
      if (await finished) await giveUpOn(client, book, claimed.webhook_id, next.reason)
      return
    }
    case 'again': {
      const due = (now + BigInt(Math.round(next.inMs * 1000))) as Instant
      return together([noted, inserted, tryAgain(client, book, claimed, due, next.counts)])
    }
  }
}

type Next =
  | { readonly step: 'succeeded' | 'failed' }
  | { readonly step: 'give up'; readonly reason: 'failing' | 'gone' }
  | { readonly step: 'again'; readonly inMs: number; readonly counts: boolean }

/** What an attempt leads to. Any answer of 200 to 299 is success; 410 says that there will never be one. */
export function nextStep(
  answer: Answer,
  { tries, event_type }: Pick<Claimed, 'tries' | 'event_type'>,
  retriesMs: readonly number[],
): Next {
  if ('status' in answer && answer.status >= 200 && answer.status < 300) return { step: 'succeeded' }
  if ('status' in answer && answer.status === 410) return { step: 'give up', reason: 'gone' }
  // Our own end is not the receiver's failure.
  if ('error' in answer && answer.error === 'stopped') return { step: 'again', inMs: 0, counts: false }
  if (event_type === PING) return { step: 'failed' }
  const inMs = retriesMs[tries]
  return inMs === undefined ? { step: 'give up', reason: 'failing' } : { step: 'again', inMs, counts: true }
}

/**
 * Nothing is written where another claim has followed, or the delivery was skipped or asked for again meanwhile: what is
 * claimed is pending, and not said to be, as PostgreSQL then keeps a plan that goes through all that are.
 */
const STILL_OURS = 'id = $2 and claimed_until = $3'

async function finish(
  client: Client,
  book: BookId,
  { id, claimed_until, webhook_id, object_id }: Claimed,
  status: 'succeeded' | 'failed',
  at: Instant,
): Promise<boolean> {
  const finished = client.query({
    name: 'finish-delivery',
    text: `
      update webhook_deliveries set status = $4, completed_at = $5, claimed_until = null
       where book = $1 and ${STILL_OURS}`,
    values: [book, id, claimed_until, status, formatInstant(at)],
  })
  // Whoever waited behind it waits no more.
  const released = client.query(
    `update webhook_deliveries set due_at = $4
      where book = $1 and webhook_id = $2 and object_id = $3 and status = 'pending' and due_at > $4 and tries = 0`,
    [book, webhook_id, object_id, formatInstant(at)],
  )
  await together([finished, released])
  return (await finished).rowCount === 1
}

async function tryAgain(client: Client, book: BookId, claimed: Claimed, due: Instant, counts: boolean): Promise<void> {
  const { id, claimed_until, webhook_id, object_id } = claimed
  const { rows } = await client.query<{ txid: string; event_id: EventId }>({
    name: 'put-off-delivery',
    text: `
      update webhook_deliveries set due_at = $4, claimed_until = null, tries = tries + $5::integer
       where book = $1 and ${STILL_OURS}
      returning event_txid::text as txid, event_id`,
    values: [book, id, claimed_until, formatInstant(due), counts ? 1 : 0],
  })
  const [place] = rows
  if (!place) return
  // Those behind it wait as long, and need not be looked at before. What was asked for again meanwhile stands in front.
  await client.query(
    `update webhook_deliveries set due_at = $4
      where book = $1 and webhook_id = $2 and object_id = $3 and status = 'pending' and due_at < $4 and tries = 0
        and (event_txid, event_id) > ($5::text::xid8, $6::uuid)`,
    [book, webhook_id, object_id, formatInstant(due), place.txid, place.event_id],
  )
}

async function noteFailing(client: Client, book: BookId, id: WebhookId, step: Next['step']): Promise<void> {
  const failing = step !== 'succeeded'
  await client.query({
    name: 'note-failing-webhook',
    text: 'update webhooks set failing = $3 where book = $1 and id = $2 and failing <> $3',
    values: [book, id, failing],
  })
}

/** Nothing where the delivery is gone, as all are of whoever's data are erased meanwhile. */
async function insertAttempt(client: Client, book: BookId, claimed: Claimed, { at, headers, answer }: Made) {
  const answered = 'status' in answer ? answer : undefined
  await client.query({
    name: 'insert-webhook-attempt',
    text: `
      insert into webhook_attempts (book, delivery_id, number, url, request_headers, address, answer_status,
                                    answer_headers, answer_body, error, milliseconds, created_at)
      select d.book, d.id, $3, stored_text($1, o.owner, $4), $5, $6, $7, $8, stored_text($1, o.owner, $9), $10, $11, $12
        from webhook_deliveries d
       cross join (select webhook_owner($1, $13) as owner) o
       where d.book = $1 and d.id = $2
         for key share of d`,
    values: [
      ...[book, claimed.id, claimed.attempts, claimed.url, JSON.stringify(headers), answer.address],
      ...[answered?.status, answered && JSON.stringify(answered.headers), answered?.body],
      ...['error' in answer ? answer.error : null, answer.milliseconds, formatInstant(at), claimed.webhook_id],
    ],
  })
}
