import { type AccountState, readAccount } from '../accounts/account.ts'
import type { Client } from '../database/connection.ts'
import type { AccountId, BookId, EventId, Id, PaymentId, UserId, WebhookId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import type { Payment } from '../payments/payment.ts'
import { readPayments } from '../payments/read.ts'
import type { FeedEvent, ReadFeed } from './dispatch.ts'
import { readWebhook } from './endpoint.ts'
import { presentWebhook } from './present.ts'

type EventRow = { txid: string; id: EventId; type: string; object_id: Id<string>; created_at: string }

type Present = {
  readonly presentPayment: (payment: Payment) => object
  readonly presentAccount: (account: AccountState) => object
}

type Seen = { readonly users: readonly UserId[]; readonly object: object }

/** Reads events with what they tell of, as it stands now, and whose it is: both sides of a payment, an account's owner. */
export function createReadEvents(present: Present): ReadFeed {
  return async (client, book, after, limit) => {
    const { rows } = await client.query<EventRow>({
      name: 'events-for-webhooks',
      text: `
        select e.txid::text, e.id, e.type, e.object_id, e.created_at from events e
         where e.book = $1 and (e.txid, e.id) > ($2::xid8, $3) and e.txid < pg_snapshot_xmin(pg_current_snapshot())
         order by e.txid, e.id limit $4`,
      values: [book, after.txid, after.id, limit],
    })
    const objects = await readObjects(client, present, book, rows)
    return rows.map((row): FeedEvent => {
      const { users = [], object = {} } = objects.get(row.object_id) ?? {}
      const body = { id: encodeId('evt', row.id), type: row.type, created_at: row.created_at, data: { object } }
      return { txid: row.txid, id: row.id, type: row.type, objectId: row.object_id, users, body }
    })
  }
}

async function readObjects(
  client: Client,
  { presentPayment, presentAccount }: Present,
  book: BookId,
  rows: readonly EventRow[],
): Promise<Map<Id<string>, Seen>> {
  const seen = new Map<Id<string>, Seen>()
  const idsOf = (kind: string) => [
    ...new Set(rows.filter(({ type }) => type.startsWith(`${kind}.`)).map(({ object_id }) => object_id)),
  ]
  for (const payment of (await readPayments(client, book, idsOf('payment') as PaymentId[])).values()) {
    const users = [payment.senderUser, payment.receiverUser].filter((user) => user !== null)
    seen.set(payment.id, { users, object: presentPayment(payment) })
  }
  for (const id of idsOf('account')) {
    const account = await readAccount(client, book, id as AccountId)
    if (account) seen.set(id, { users: account.userId ? [account.userId] : [], object: presentAccount(account) })
  }
  for (const id of idsOf('webhook')) {
    const webhook = await readWebhook(client, book, id as WebhookId)
    if (webhook) seen.set(id, { users: [webhook.userId], object: presentWebhook(webhook) })
  }
  return seen
}
