import type { AccountState } from '../accounts/account.ts'
import type { AuditLine } from '../audit/list.ts'
import { formatInstant } from '../database/instant.ts'
import { encodePosition } from '../events/position.ts'
import type { BookEvent, Subject } from '../events/read.ts'
import type { ListedUser } from '../identity/list.ts'
import type { Token } from '../identity/tokens.ts'
import type { Id } from '../ledger/id.ts'
import { netAmount } from '../ledger/payment.ts'
import { encodeId, type Prefix } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import { encodeOperationId, type Operation } from '../payments/operations.ts'
import type { Payment, PaymentExchange } from '../payments/payment.ts'
import type { Quote } from '../payments/quotes.ts'
import type { Schedule } from '../schedules/schedule.ts'
import { presentWebhook } from '../webhooks/present.ts'
import type { PaymentBody } from './schemas.ts'

// How things of the books are written on the wire.

export function presentPayment(payment: Payment): PaymentBody {
  const { currency } = payment
  const money = (units: bigint) => formatAmount(units, currency)
  return {
    id: encodeId('pay', payment.id),
    kind: payment.kind,
    status: payment.status,
    decline_reason: payment.declineReason,
    from_account: encodeId('acc', payment.from),
    to_account: encodeId('acc', payment.to),
    currency: currency.code,
    amount: money(payment.amount),
    fee: money(payment.fee),
    fee_payer: payment.feePayer,
    net_amount: money(netAmount(payment)),
    exchange: payment.exchange && presentExchange(payment, payment.exchange),
    refunded_amount: money(payment.refundedAmount),
    refund_of: payment.refundOf && encodeId('pay', payment.refundOf),
    capture: payment.capture,
    expires_at: payment.expiresAt,
    rail: payment.rail,
    rail_reference: payment.railReference,
    failure_reason: payment.failureReason,
    authorized_amount: payment.authorizedAmount === null ? null : money(payment.authorizedAmount),
    description: payment.description,
    metadata: payment.metadata,
    schedule_id: payment.scheduleId && encodeId('sch', payment.scheduleId),
    scheduled_for: payment.scheduledFor,
    sender: payment.sender,
    receiver: payment.receiver,
    created_at: payment.createdAt,
    completed_at: payment.completedAt,
    updated_at: payment.updatedAt,
  }
}

/** Of a refund it reads the same way as of the original, which it undoes. */
function presentExchange(payment: Payment, { rate, toAmount, toCurrency }: PaymentExchange) {
  return {
    rate,
    from_amount: formatAmount(netAmount(payment), payment.currency),
    to_amount: formatAmount(toAmount, toCurrency),
    to_currency: toCurrency.code,
  }
}

export function presentAccount(account: AccountState) {
  const { currency, balance, held, overdraftLimit } = account
  const money = (units: bigint) => formatAmount(units, currency)
  return {
    id: encodeId('acc', account.id),
    user_id: account.userId && encodeId('usr', account.userId),
    code: account.code,
    name: account.name,
    currency: currency.code,
    balance: money(balance),
    held: money(held),
    available: money(balance - held + overdraftLimit),
    overdraft_limit: money(overdraftLimit),
    status: account.status,
    refuse_incoming: account.refuseIncoming,
    metadata: account.metadata,
    created_at: account.createdAt,
    updated_at: account.updatedAt,
  }
}

export function presentSchedule(schedule: Schedule) {
  const { rhythm, retry, turn } = schedule
  return {
    id: encodeId('sch', schedule.id),
    user_id: encodeId('usr', schedule.userId),
    status: schedule.status,
    from_account: encodeId('acc', schedule.from),
    to_account: encodeId('acc', schedule.to),
    currency: schedule.currency.code,
    amount: formatAmount(schedule.amount, schedule.currency),
    fee_payer: schedule.feePayer,
    description: schedule.description,
    metadata: schedule.metadata,
    every: rhythm.every,
    interval: rhythm.interval,
    time_zone: rhythm.timeZone,
    starts_at: formatInstant(rhythm.startsAt),
    ends_at: rhythm.endsAt && formatInstant(rhythm.endsAt),
    count: rhythm.count,
    retry_times: retry.times,
    retry_every_minutes: retry.everyMinutes,
    occurrences: schedule.occurrences,
    next_at: turn && formatInstant(turn.dueAt),
    attempts: turn?.attempts ?? 0,
    next_attempt_at: turn && formatInstant(turn.attemptAt),
    last_payment_id: schedule.lastPaymentId && encodeId('pay', schedule.lastPaymentId),
    created_at: schedule.createdAt,
    updated_at: schedule.updatedAt,
  }
}

export function presentOperation(operation: Operation) {
  const { currency, balanceAfter } = operation
  const money = (units: bigint) => formatAmount(units, currency)
  return {
    id: encodeOperationId(operation),
    posting_id: encodeId('pst', operation.postingId),
    payment_id: encodeId('pay', operation.paymentId),
    account_id: encodeId('acc', operation.accountId),
    kind: operation.kind,
    direction: operation.direction,
    amount: money(operation.amount),
    fee: money(operation.fee),
    balance_after: balanceAfter === null ? null : money(balanceAfter),
    sender: operation.sender,
    receiver: operation.receiver,
    currency: currency.code,
    description: operation.description,
    created_at: operation.createdAt,
  }
}

export function presentUser(user: ListedUser) {
  return {
    id: encodeId('usr', user.id),
    email: user.email,
    display_name: user.displayName,
    role: user.role,
    all_books: user.allBooks,
    status: user.closedAt !== null ? 'closed' : user.frozen !== null ? 'frozen' : 'active',
    refuse_incoming: user.frozen === 'all',
    confirmed_at: user.confirmedAt,
    closed_at: user.closedAt,
    erased_at: user.erasedAt,
    created_at: user.createdAt,
  }
}

export function presentToken(token: Token) {
  return {
    id: encodeId('tok', token.id),
    kind: token.kind,
    name: token.name,
    scopes: [...token.scopes],
    address: token.address,
    expires_at: token.expiresAt,
    last_used_at: token.lastUsedAt,
    created_at: token.createdAt,
  }
}

export function presentQuote(quote: Quote) {
  return {
    id: encodeId('qte', quote.id),
    from_currency: quote.from.code,
    to_currency: quote.to.code,
    from_amount: formatAmount(quote.fromAmount, quote.from),
    to_amount: formatAmount(quote.toAmount, quote.to),
    rate: quote.rate,
    mid_rate: quote.midRate,
    source: quote.source,
    rate_valid_from: quote.validFrom,
    expires_at: quote.expiresAt,
    used: quote.usedBy !== null,
    created_at: quote.createdAt,
  }
}

export function presentAuditLine(line: AuditLine) {
  return {
    id: encodeId('aud', line.id),
    actor_id: line.actor_id && encodeId('usr', line.actor_id),
    actor: line.actor,
    token_id: line.token_id && encodeId('tok', line.token_id),
    action: line.action,
    object_id: line.object_id && presentObject(line.action, line.object_id),
    detail: line.detail,
    address: line.address,
    request_id: line.request_id,
    created_at: line.created_at,
  }
}

/** What an action was done to is told by its first word; a payment where that is none of these. */
function presentObject(action: string, id: Id<string>): string {
  const prefix = OBJECTS[action.split('.', 1)[0] ?? ''] ?? 'pay'
  return encodeId(prefix, id as never)
}

const OBJECTS: Readonly<Record<string, Prefix | undefined>> = {
  account: 'acc',
  approval: 'apr',
  bank_entry: 'bke',
  bank_file: 'bkf',
  erasure: 'usr',
  fee_schedule: 'fee',
  limit: 'lim',
  otp: 'usr',
  rate: 'rat',
  schedule: 'sch',
  token: 'tok',
  user: 'usr',
  wire_batch: 'wbt',
}

/** The same with its place in the order of all events, from which a stream or a list can go on. */
export function presentPlacedEvent(event: BookEvent) {
  return { ...presentEvent(event), position: encodePosition(event.position) }
}

/** An event as it goes out, in lists, streams and webhooks alike. */
export function presentEvent({ id, type, createdAt, subject }: BookEvent) {
  return { id: encodeId('evt', id), type, created_at: createdAt, data: { object: presentSubject(subject) } }
}

function presentSubject(subject: Subject) {
  switch (subject.kind) {
    case 'payment':
      return presentPayment(subject.payment)
    case 'account':
      return presentAccount(subject.account)
    case 'schedule':
      return presentSchedule(subject.schedule)
    case 'webhook':
      return presentWebhook(subject.webhook)
  }
}
