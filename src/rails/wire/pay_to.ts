import type { Payment } from '../../payments/payment.ts'
import { wireReference } from './matching.ts'
import type { OwnAccount } from './own_accounts.ts'

/** Where a transfer that pays an announced deposit goes, and what has to stand in it so that it is known again. */
export type PayTo = {
  readonly name: string
  readonly iban: string
  readonly bic: string | null
  readonly reference: string
}

/**
 * What who announced a deposit by wire tells their bank. Null for any other payment, where no account of the house takes
 * it, and once it is paid or over: nobody shall pay it then.
 */
export function payToOf(
  { id, kind, rail, status }: Pick<Payment, 'id' | 'kind' | 'rail' | 'status'>,
  account: OwnAccount | undefined,
  name: string,
): PayTo | null {
  if (kind !== 'deposit' || rail !== 'wire' || status !== 'pending' || !account) return null
  return { name, iban: account.iban, bic: account.bic, reference: wireReference(id) }
}
