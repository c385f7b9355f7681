import type { AccountState } from '../accounts/account.ts'
import type { Payment } from '../payments/payment.ts'
import type { Schedule } from '../schedules/schedule.ts'
import type { Webhook } from '../webhooks/endpoint.ts'
import type { EventState, EventTexts } from './write.ts'

// An object as it was at an event. What may have changed since is told by the event's type and time, or by its state.

/** `payment` as it was when the event of that type and time was written. */
export function paymentAsOf(payment: Payment, type: string, at: string, state: EventState): Payment {
  const status = STATUS[type] ?? payment.status
  const isOpen = status === 'initiated' || status === 'pending'
  const changed = {
    ...payment,
    // A capture may come to less than what was held.
    amount: isOpen ? (payment.authorizedAmount ?? payment.amount) : payment.amount,
    fee: isOpen ? (payment.authorizedFee ?? payment.fee) : payment.fee,
    // It came with what completed the payment.
    railReference: status === 'completed' ? payment.railReference : null,
    status,
    declineReason: status === 'declined' ? payment.declineReason : null,
    failureReason: status === 'failed' ? payment.failureReason : null,
    updatedAt: at,
  }
  if (type === 'payment.refunded') return { ...changed, refundedAmount: state.refundedAmount ?? payment.refundedAmount }
  return { ...changed, refundedAmount: 0n, completedAt: status === 'completed' ? at : null }
}

const STATUS: Readonly<Record<string, Payment['status']>> = {
  'payment.initiated': 'initiated',
  'payment.pending': 'pending',
  'payment.completed': 'completed',
  'payment.declined': 'declined',
  'payment.canceled': 'canceled',
  'payment.failed': 'failed',
  'payment.expired': 'expired',
  'payment.refunded': 'completed',
}

/** `schedule` as it was when the event of that state was written; its description and metadata as they are now. */
export function scheduleAsOf(schedule: Schedule, state: EventState): Schedule {
  return { ...schedule, ...state.schedule }
}

/** `webhook` as it was when it was disabled at that time; its URL and description as they are now. */
export function webhookAsOf(webhook: Webhook, at: string, state: EventState): Webhook {
  const disabledReason = state.disabledReason ?? webhook.disabledReason
  const events = state.webhookEvents ?? webhook.events
  return { ...webhook, events, status: 'disabled', disabledReason, disabledAt: at, updatedAt: at }
}

/** `account` as it was when the event of that type and time was written. */
export function accountAsOf(
  account: AccountState,
  type: string,
  at: string,
  state: EventState,
  texts: EventTexts | null,
): AccountState {
  const isNew = type === 'account.created'
  const empty = isNew || type === 'account.closed'
  return {
    ...account,
    ...texts,
    balance: state.balance ?? (empty ? 0n : account.balance),
    held: state.held ?? (empty ? 0n : account.held),
    overdraftLimit: state.overdraftLimit ?? (isNew ? 0n : account.overdraftLimit),
    refuseIncoming: state.refuseIncoming ?? false,
    status: type === 'account.frozen' ? 'frozen' : type === 'account.closed' ? 'closed' : 'active',
    updatedAt: at,
  }
}
