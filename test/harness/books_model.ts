import { formatAmount, parseAmount } from '../../src/money/amount.ts'

// The books as the dumbest code that could be right sees them: so much in each account, so much held, and what became of
// each payment. All in cents.

const CENTS = { code: 'USD', digits: 2 }
export const cents = (written: string) => parseAmount(written, CENTS) ?? -1n
export const written = (amount: bigint) => formatAmount(amount, CENTS)

export type Account = { balance: bigint; held: bigint; frozen: boolean }

export type Known = {
  readonly id: string
  readonly kind: 'transfer' | 'conversion' | 'deposit' | 'withdrawal' | 'refund'
  readonly from: string
  readonly to: string
  readonly feePayer: 'sender' | 'receiver'
  /** What the receiver of a conversion got. */
  readonly toAmount: bigint | null
  status: string
  reason: string | null
  amount: bigint
  fee: bigint
  refunded: bigint
}

/** Half-even, by the book. */
export function divided(dividend: bigint, divisor: bigint): bigint {
  const [whole, rest] = [dividend / divisor, (dividend % divisor) * 2n]
  return rest > divisor || (rest === divisor && whole % 2n === 1n) ? whole + 1n : whole
}

export type Sum = Pick<Known, 'amount' | 'fee' | 'feePayer'>
export const total = ({ amount, fee, feePayer }: Sum) => (feePayer === 'sender' ? amount + fee : amount)
export const net = ({ amount, fee, feePayer }: Sum) => (feePayer === 'sender' ? amount : amount - fee)

/** Two per cent, and nothing between accounts of one user. */
export const feeOf = (amount: bigint, own: boolean) => (own ? 0n : divided(amount * 2n, 100n))

/** What a part of a hold costs: in proportion, and so that something arrives. */
export function capturedFee({ amount, fee, feePayer }: Sum, part: bigint): bigint {
  const share = divided(fee * part, amount)
  return feePayer === 'receiver' && share >= part ? part - 1n : share
}

/** Up to the next whole one. */
function dividedUp(dividend: bigint, divisor: bigint): bigint {
  return dividend / divisor + (dividend % divisor > 0n ? 1n : 0n)
}

/** What goes back with a part of a payment: the fee's share, and what its receiver got, of which they give no part too little. */
export function refundOf(original: Known, part: bigint): { fee: bigint; loses: bigint } {
  const share = (whole: bigint, by: typeof divided) =>
    by(whole * (original.refunded + part), original.amount) - by(whole * original.refunded, original.amount)
  const fee = share(original.fee, divided)
  const { toAmount } = original
  const loses = toAmount === null ? net({ ...original, amount: part, fee }) : share(toAmount, dividedUp)
  return { fee, loses }
}

/** Accounts of users by id; whoever is not among them is the world outside, which has no end. */
export function createBooks(accounts: Map<string, Account>) {
  const payments = new Map<string, Known>()
  const add = (id: string, balance: bigint, held = 0n) => {
    const account = accounts.get(id)
    if (!account) return
    account.balance += balance
    account.held += held
  }
  const available = (id: string) => {
    const { balance, held } = accounts.get(id) ?? { balance: 10n ** 30n, held: 0n }
    return balance - held
  }

  /** Why money cannot leave an account. */
  function refusal(from: string, loses: bigint): string | null {
    if (accounts.get(from)?.frozen) return 'account_frozen'
    return available(from) < loses ? 'insufficient_funds' : null
  }

  /** A payment that is asked for; what comes of it, and its money moved or held. */
  function make(payment: Known, held: boolean): Known {
    payments.set(payment.id, payment)
    payment.reason = refusal(payment.from, total(payment))
    payment.status = payment.reason !== null ? 'declined' : held ? 'pending' : 'completed'
    if (payment.status === 'pending') add(payment.from, 0n, total(payment))
    if (payment.status === 'completed') move(payment)
    return payment
  }

  function move(payment: Known): void {
    add(payment.from, -total(payment))
    add(payment.to, payment.toAmount ?? net(payment))
  }

  /** The end of a pending payment: all or a part of it, or (null) nothing. */
  function end(payment: Known, status: string, part: bigint | null): void {
    add(payment.from, 0n, -total(payment))
    payment.status = status
    if (part === null) return
    payment.fee = capturedFee(payment, part)
    payment.amount = part
    move(payment)
  }

  /** A refund of a completed payment. */
  function refund(original: Known, id: string, part: bigint): Known {
    const { from, to, feePayer } = original
    const fits = part <= original.amount - original.refunded
    const { fee: share, loses } = fits ? refundOf(original, part) : { fee: 0n, loses: 0n }
    const frozen = accounts.get(to)?.frozen ? 'account_frozen' : null
    const reason = frozen ?? (fits ? refusal(to, loses) : 'refund_exceeds_payment')
    const status = reason === null ? 'completed' : 'declined'
    const fee = reason === null ? share : 0n
    const made: Known = {
      id,
      kind: 'refund',
      from: to,
      to: from,
      feePayer,
      toAmount: null,
      status,
      reason,
      amount: part,
      fee,
      refunded: 0n,
    }
    payments.set(id, made)
    if (reason === null) {
      original.refunded += part
      add(to, -loses)
      // The fee comes back to who paid, out of the house.
      add(from, net({ amount: part, fee, feePayer }) + fee)
    }
    return made
  }

  return { accounts, payments, available, refusal, make, end, refund }
}
export type Books = ReturnType<typeof createBooks>
