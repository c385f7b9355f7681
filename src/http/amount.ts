import { parseAmount } from '../money/amount.ts'
import type { Currency } from '../money/currency.ts'
import { type ApiError, fieldError } from './errors.ts'

/** An amount of the currency as it was written, in minor units; zero is one. Throws `invalid_amount`, of the field. */
export function amountOf(written: string, currency: Currency, field: string): bigint {
  const amount = parseAmount(written, currency)
  if (amount === undefined) {
    throw fieldError(field, 'invalid_amount', 'has more decimals than its currency, or is above 10^30 minor units')
  }
  return amount
}

/** The same, of one that has to be above zero. */
export function positiveAmountOf(written: string, currency: Currency, field: string): bigint {
  const amount = parseAmount(written, currency)
  if (!amount) throw noPositiveAmount(field)
  return amount
}

/** Of an amount whose currency was known where it was found out. */
export function noPositiveAmount(field: string): ApiError {
  const detail = 'is 0, has more decimals than its currency, or is above 10^30 minor units'
  return fieldError(field, 'invalid_amount', detail)
}
