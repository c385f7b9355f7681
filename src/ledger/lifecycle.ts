import type { PaymentStatus } from './payment.ts'

/** What can happen to a payment. */
export type PaymentEvent = 'initiate' | 'post' | 'hold' | 'settle' | 'cancel' | 'fail' | 'expire' | 'refund'

/** One thing that may happen to a payment of a status; whatever is not in the list cannot happen. */
export type Transition = {
  /** Null: there is no payment yet. */
  readonly from: PaymentStatus | null
  readonly event: PaymentEvent
  readonly to: PaymentStatus
  /** When it goes this way. */
  readonly guard: Guard
  /** Which postings it makes: the payment's, or their reverse in part or whole (as a payment of its own, the refund). */
  readonly postings: 'none' | 'forward' | 'back'
  /** What becomes of the money held for it. */
  readonly held: 'unchanged' | 'added' | 'released'
}

export type Guard =
  | 'always'
  | 'no rule refuses it'
  | 'a rule refuses it'
  | 'within what is held, and its time is not up'
  | 'its time is up'
  | 'within what is left'

const POSTED = { guard: 'no rule refuses it', postings: 'forward', held: 'unchanged' } as const
const DECLINED = { guard: 'a rule refuses it', postings: 'none', held: 'unchanged' } as const
const HELD = { guard: 'no rule refuses it', postings: 'none', held: 'added' } as const
const RELEASED = { postings: 'none', held: 'released' } as const

/**
 * The life of a payment (ledger.md, Payments), as data. The code asks it what may happen, the database keeps the same
 * list in `payment_transitions` and refuses everything else, and the diagram in docs/ledger.md is drawn from it.
 */
export const TRANSITIONS: readonly Transition[] = [
  { from: null, event: 'initiate', to: 'initiated', guard: 'always', postings: 'none', held: 'unchanged' },
  { from: null, event: 'post', to: 'completed', ...POSTED },
  { from: null, event: 'post', to: 'declined', ...DECLINED },
  { from: null, event: 'hold', to: 'pending', ...HELD },
  { from: null, event: 'hold', to: 'declined', ...DECLINED },
  { from: 'initiated', event: 'post', to: 'completed', ...POSTED },
  { from: 'initiated', event: 'post', to: 'declined', ...DECLINED },
  { from: 'initiated', event: 'hold', to: 'pending', ...HELD },
  { from: 'initiated', event: 'hold', to: 'declined', ...DECLINED },
  {
    from: 'pending',
    event: 'settle',
    to: 'completed',
    guard: 'within what is held, and its time is not up',
    postings: 'forward',
    held: 'released',
  },
  { from: 'pending', event: 'cancel', to: 'canceled', guard: 'always', ...RELEASED },
  { from: 'pending', event: 'fail', to: 'failed', guard: 'always', ...RELEASED },
  { from: 'pending', event: 'expire', to: 'expired', guard: 'its time is up', ...RELEASED },
  {
    from: 'completed',
    event: 'refund',
    to: 'completed',
    guard: 'within what is left',
    postings: 'back',
    held: 'unchanged',
  },
]

/** The ways that an event can go for a payment of that status; none where it cannot happen to it. */
export function transitionsOf(from: PaymentStatus | null, event: PaymentEvent): readonly Transition[] {
  return TRANSITIONS.filter((transition) => transition.from === from && transition.event === event)
}

/** Whether nothing can become of a payment of this status any more but a refund, which is a payment of its own. */
export function isFinal(status: PaymentStatus): boolean {
  return TRANSITIONS.every(({ from, to }) => from !== status || to === status)
}

/** The list as a diagram in Mermaid's language, for the docs. */
export function diagram(): string {
  const lines = TRANSITIONS.map(({ from, event, to, guard }) => {
    const when = guard === 'always' ? '' : ` [${guard}]`
    return `  ${from ?? '[*]'} --> ${to}: ${event}${when}`
  })
  return ['stateDiagram-v2', ...lines].join('\n')
}
