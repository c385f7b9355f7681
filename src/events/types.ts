/** Every type of event there is (api.md, Events). */
export const EVENT_TYPES = [
  'payment.initiated',
  'payment.pending',
  'payment.completed',
  'payment.declined',
  'payment.canceled',
  'payment.failed',
  'payment.expired',
  'payment.refunded',
  'account.created',
  'account.frozen',
  'account.unfrozen',
  'account.closed',
  'schedule.created',
  'schedule.updated',
  'schedule.missed',
  'schedule.ended',
  'schedule.canceled',
  'webhook.disabled',
] as const
export type EventType = (typeof EVENT_TYPES)[number]
