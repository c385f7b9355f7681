import type { StoredPayment } from '../../payments/read.ts'
import { directionOutside, movesOutside } from '../settlement.ts'
import type { SuspenseReason } from '../suspense.ts'
import type { Direction } from './bank_file.ts'

// What a movement at the bank means for the books. Pure. Only what is certain is done without an operator.

/** A movement that names one payment, or none. Amounts in minor units. */
export type Movement = {
  readonly direction: Direction
  readonly amount: bigint
  /** It takes back an earlier one, or says why it came back. */
  readonly returned: boolean
  /** Whether there are payments that it may be, though it names none. */
  readonly suggested: boolean
}

/** The payment that it names, with what movements before it did. */
export type Named = {
  readonly payment: StoredPayment
  /** Another movement has confirmed it. */
  readonly confirmed: boolean
  /** It came back already. */
  readonly cameBack: boolean
}

/** What is done about the payment. */
export type OnPayment =
  /** It is the payment: what that means depends on where the payment stands (settlement.ts). */
  | { readonly do: 'confirm' }
  /** The payment was settled already, by the rail or by hand; this is the movement that did it. Only what differs is booked. */
  | { readonly do: 'note' }
  /** The bank has not paid: the withdrawal fails. */
  | { readonly do: 'fail' }
  /** A withdrawal that was paid comes back whole: to who sent it, through suspense. */
  | { readonly do: 'give_back' }

export type Decision =
  | OnPayment
  | { readonly do: 'suspense'; readonly reason: SuspenseReason }
  /** Nobody but an operator can tell. */
  | { readonly do: 'list' }

export function decide(movement: Movement, named: Named | undefined): Decision {
  if (!named) return movement.suggested ? LIST : { do: 'suspense', reason: 'unexpected' }
  const { payment, confirmed, cameBack } = named
  const fits = movesOutside(payment) === movement.amount
  if (directionOutside(payment) !== movement.direction) {
    if (payment.kind === 'deposit' || !movement.returned || cameBack) return { do: 'suspense', reason: 'returned' }
    if (payment.status === 'completed' && fits) return { do: 'give_back' }
    if (payment.status === 'pending') return fits ? { do: 'fail' } : LIST
    return { do: 'suspense', reason: 'returned' }
  }
  if (movement.returned) return LIST
  switch (payment.status) {
    case 'completed':
      if (confirmed) return { do: 'suspense', reason: 'twice' }
      return fits ? { do: 'note' } : LIST
    case 'pending':
      // Money that came is booked in whatever amount; of what went out the bank may have kept something.
      return fits || movement.direction === 'in' ? { do: 'confirm' } : LIST
    case 'initiated':
      return LIST
    case 'declined':
    case 'canceled':
    case 'failed':
    case 'expired':
      return { do: 'suspense', reason: 'late' }
  }
}

const LIST: Decision = { do: 'list' }
