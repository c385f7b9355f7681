import { electronicFormatIBAN, isValidBIC, isValidIBAN } from 'ibantools'
import type { Currency } from '../../money/currency.ts'
import type { BankAccount } from './bank_file.ts'

/** An account of the house at a bank: what the technical account `wire` of that book and currency stands for. */
export type OwnAccount = {
  readonly book: string
  readonly currency: string
  readonly iban: string
  readonly bic: string | null
}

/**
 * Reads a list such as `EUR:DE89370400440532013000:COBADEFFXXX,shop/CZK:CZ6508000000192000145399`; where no book is named
 * it is `main`, and the BIC may be left out. Refuses (with a sentence) what is no such thing, an IBAN or BIC that is none,
 * and two accounts for one.
 */
export function parseOwnAccounts(
  text: string,
  currencies: ReadonlyMap<string, Currency>,
): OwnAccount[] | { readonly wrong: string } {
  const accounts: OwnAccount[] = []
  for (const entry of text.split(',').filter((part) => part.trim() !== '')) {
    const match = /^(?:([a-z][a-z0-9-]{0,31})\/)?([A-Z0-9]{3,8}):([^:]+)(?::([^:]+))?$/.exec(entry.trim())
    const [, book = 'main', currency = '', written = '', code] = match ?? []
    const iban = electronicFormatIBAN(written) ?? ''
    const bic = code?.trim().toUpperCase() ?? null
    if (!match) return { wrong: `'${entry}' is not CURRENCY:IBAN or CURRENCY:IBAN:BIC` }
    if (!currencies.has(currency)) return { wrong: `'${entry}' names no known currency` }
    if (!isValidIBAN(iban)) return { wrong: `'${entry}' has no valid IBAN` }
    if (bic !== null && !isValidBIC(bic)) return { wrong: `'${entry}' has no valid BIC` }
    const taken = accounts.some((other) => other.iban === iban || (other.book === book && other.currency === currency))
    if (taken) return { wrong: `'${entry}' is a second one for its IBAN, or for its book and currency` }
    accounts.push({ book, currency, iban, bic })
  }
  return accounts
}

/** The book's own account that a bank speaks of; its IBAN may stand in the field for other numbers. */
export function ownAccountOf(
  accounts: readonly OwnAccount[],
  book: string,
  { iban, other }: BankAccount,
): OwnAccount | undefined {
  const named = [iban, other].map((number) => number && electronicFormatIBAN(number))
  return accounts.find((own) => own.book === book && named.includes(own.iban))
}
