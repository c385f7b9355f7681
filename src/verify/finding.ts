import type { AccountId, PaymentId, PostingId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import type { Check, Law } from './laws.ts'

/** One row that breaks a rule: where it is, what should be there and what is. */
export type Offender = {
  readonly account: AccountId | null
  readonly payment: PaymentId | null
  readonly posting: PostingId | null
  readonly currency: string | null
  /** Those of the currency where `expected` and `found` are amounts in its minor units. */
  readonly digits: number | null
  readonly expected: string
  readonly found: string
}

/** Something that breaks a law, as one sentence; `book` is null where it is not of one book. */
export type Finding = { readonly book: string | null; readonly law: Law; readonly text: string }

const WHOLE_NUMBER = /^-?\d+$/

/** The offender as its rule, where it is in wire form, and what was expected and found in the currency's unit. */
export function toFinding({ law, rule }: Check, book: string | null, offender: Offender): Finding {
  const { account, payment, posting, currency, digits, expected, found } = offender
  // Somebody who writes into the database himself may have written what is no amount, such as NaN.
  const written = (text: string) =>
    currency !== null && digits !== null && WHOLE_NUMBER.test(text)
      ? formatAmount(BigInt(text), { code: currency, digits })
      : text
  const where: string[] = []
  if (account !== null) where.push(`account ${encodeId('acc', account)}`)
  if (payment !== null) where.push(`payment ${encodeId('pay', payment)}`)
  if (posting !== null) where.push(`posting ${encodeId('pst', posting)}`)
  if (currency !== null) where.push(currency)
  const place = where.length === 0 ? '' : ` (${where.join(', ')})`
  return { book, law, text: `${rule}${place}: expected ${written(expected)}, found ${written(found)}` }
}
