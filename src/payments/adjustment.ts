import type { AccountFacts } from '../accounts/directory.ts'
import type { Queryable } from '../database/connection.ts'
import type { Intake } from './intake.ts'
import type { PaymentRequest, PricedRequest } from './payment.ts'

/** `debit`: from `internal` into the account; `credit`: back. */
export const ADJUSTMENT_DIRECTIONS = ['debit', 'credit'] as const
export type AdjustmentDirection = (typeof ADJUSTMENT_DIRECTIONS)[number]

/** Money that an operator puts into a user's account or takes out of it, in minor units, without a fee. */
export type Adjustment = {
  readonly account: AccountFacts
  readonly amount: bigint
  readonly direction: AdjustmentDirection
  readonly reason: string
}

/** The payment that an adjustment is, by whom and with which key and line of the audit log. `client`: as in intake.ts. */
export async function adjustmentRequest(
  { technicalAccount, complete }: Intake,
  { account, amount, direction, reason }: Adjustment,
  made: Pick<PaymentRequest, 'madeBy' | 'key' | 'audit'>,
  client?: Queryable,
): Promise<PricedRequest> {
  const internal = await technicalAccount(account.book, 'internal', account.currency.code, client)
  const [from, to] = direction === 'debit' ? [internal, account] : [account, internal]
  const terms = { fee: 0n, feePayer: 'receiver', description: reason, metadata: {} } as const
  return { ...(await complete({ kind: 'adjustment', from, to, amount, ...terms }, client)), ...made }
}
