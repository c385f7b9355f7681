import type { BookCurrency } from '../books/currencies.ts'
import { fieldError } from './errors.ts'

/** A currency of the book. Throws `unknown_currency`. */
export function currencyOf(currencies: ReadonlyMap<string, BookCurrency>, code: string, field: string): BookCurrency {
  const currency = currencies.get(code)
  if (!currency) throw fieldError(field, 'unknown_currency', `names ${code}, which the book does not have`)
  return currency
}

/** The same, of one in which something may begin. Throws `currency_closed` too. */
export function openCurrencyOf(
  currencies: ReadonlyMap<string, BookCurrency>,
  code: string,
  field: string,
): BookCurrency {
  const currency = currencyOf(currencies, code, field)
  if (currency.closed) throw fieldError(field, 'currency_closed', `names ${code}, which is closed`)
  return currency
}
