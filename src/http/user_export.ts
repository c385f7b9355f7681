import { accounts, ofUser as accountsOf } from '../accounts/list.ts'
import { type AuditLine, auditAbout, auditLog } from '../audit/list.ts'
import type { ListSpec, Scope } from '../database/list.ts'
import { readPatiently } from '../database/patience.ts'
import { ofUser as eventsOf, userEvents } from '../events/list.ts'
import type { Gateway } from '../gateway.ts'
import { allTokensOf, tokens, userOf, users } from '../identity/list.ts'
import { hasSecondFactor } from '../identity/second_factor.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import { ofUser as paymentsOf, userPayments } from '../payments/list.ts'
import { operations, ofUser as operationsOf } from '../payments/operations.ts'
import { quotes, quotesOf } from '../payments/quote_list.ts'
import { readRailDetails } from '../privacy/banks.ts'
import { schedules, schedulesOf } from '../schedules/list.ts'
import { deliveries, deliveriesTo, webhooks, webhooksOf } from '../webhooks/list.ts'
import { presentListedDelivery, presentWebhook } from '../webhooks/present.ts'
import { everyShown, type Listing } from './list.ts'
import * as present from './present.ts'
import { presentAll } from './routes/events.ts'
import { presentLimitsOf } from './routes/limits.ts'

/** A line of an export: what it is, and that as its own call shows it. */
type Line = { readonly kind: Kind; readonly data: object }

/** In their order. Secrets are in none: of tokens and webhooks neither the token nor the secret. */
export const KINDS = [
  ...['user', 'account', 'limits', 'payment', 'rail_details', 'operation', 'quote', 'schedule', 'token', 'webhook'],
  ...['delivery', 'audit', 'event', 'end'],
] as const
type Kind = (typeof KINDS)[number]

/**
 * All that is kept about a user, as lines of NDJSON, read some at a time. The last line is `end` with how many there are
 * before it: without it, the connection ended early.
 */
export async function* exportUser(gateway: Gateway, book: BookId, userId: UserId): AsyncGenerator<string> {
  let records = 0
  for await (const lines of linesOf(gateway, book, userId)) {
    records += lines.length
    yield lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  }
  yield `${JSON.stringify({ kind: 'end', data: { records } })}\n`
}

async function* linesOf(gateway: Gateway, book: BookId, userId: UserId): AsyncGenerator<readonly Line[]> {
  const { pool } = gateway
  const of = <Row extends object, Item>(
    kind: Kind,
    spec: ListSpec<Row, Item>,
    scope: Scope,
    shown: Listing<Row, Item>['present'],
  ) => every(gateway, kind, { spec, scope, present: shown })

  const factor = { otp_enrolled: await hasSecondFactor(pool, { book, userId }) }
  yield* of('user', users, userOf(book, userId), (user) => ({ ...present.presentUser(user), ...factor }))
  yield* of('account', accounts, accountsOf(book, userId), present.presentAccount)
  yield* limitLines(gateway, book, userId)
  yield* paymentLines(gateway, book, userId)
  yield* of('operation', operations, operationsOf(book, userId, null, true), present.presentOperation)
  yield* of('quote', quotes, quotesOf(book, userId), present.presentQuote)
  yield* of('schedule', schedules, schedulesOf(book, userId), present.presentSchedule)
  yield* of('token', tokens, allTokensOf(book, userId), present.presentToken)
  yield* webhookLines(gateway, book, userId)
  yield* of('audit', auditLog, auditAbout(book, userId), (line) => present.presentAuditLine(asOwn(line, userId)))
  yield* of('event', userEvents, eventsOf(book, userId), presentAll(gateway, book))
}

async function* every<Row extends object, Item>(
  { pool }: Gateway,
  kind: Kind,
  listing: Listing<Row, Item> & { readonly scope: Scope },
): AsyncGenerator<readonly Line[]> {
  for await (const { shown } of everyShown(pool, listing)) yield shown.map((data) => ({ kind, data }))
}

async function* limitLines(gateway: Gateway, book: BookId, userId: UserId): AsyncGenerator<readonly Line[]> {
  const listing = { spec: accounts, scope: accountsOf(book, userId), present: present.presentAccount }
  for await (const { items } of everyShown(gateway.pool, listing)) {
    for (const account of items) {
      const data = await readPatiently(() => presentLimitsOf(gateway, book, userId, account))
      yield [{ kind: 'limits', data }]
    }
  }
}

async function* paymentLines({ pool }: Gateway, book: BookId, userId: UserId): AsyncGenerator<readonly Line[]> {
  const listing = { spec: userPayments, scope: paymentsOf(book, userId), present: present.presentPayment }
  for await (const { items, shown } of everyShown(pool, listing)) {
    yield shown.map((data) => ({ kind: 'payment', data }))
    const ids = items.flatMap(({ id, rail }) => (rail === null ? [] : [id]))
    if (ids.length === 0) continue
    const details = await readPatiently(() => readRailDetails(pool, book, ids))
    yield details.map((data) => ({ kind: 'rail_details', data }))
  }
}

async function* webhookLines(gateway: Gateway, book: BookId, userId: UserId): AsyncGenerator<readonly Line[]> {
  const listing = { spec: webhooks, scope: webhooksOf(book, userId), present: presentWebhook }
  for await (const { items, shown } of everyShown(gateway.pool, listing)) {
    yield shown.map((data) => ({ kind: 'webhook', data }))
    for (const { id } of items) {
      const scope = deliveriesTo(book, id)
      yield* every(gateway, 'delivery', { spec: deliveries, scope, present: presentListedDelivery })
    }
  }
}

/** Of what somebody else did: that it was done, not who and where they are. */
function asOwn(line: AuditLine, userId: UserId): AuditLine {
  if (line.actor_id === userId) return line
  return { ...line, actor_id: null, actor: null, token_id: null, address: null, request_id: null }
}
