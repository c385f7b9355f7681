import isoCurrencies from 'currency-codes'

/** A currency and how many decimal digits its minor unit has: USD 2, JPY 0, KWD 3, ETH 18. */
export type Currency = { readonly code: string; readonly digits: number }

/** No currency of ISO 4217 or in use on a chain has more; it also bounds the length of an amount on the wire. */
export const MAX_DIGITS = 18

/** ISO 4217 gives these codes no minor unit: metals, bond-market units, funds, tests and 'no currency'. */
const WITHOUT_MINOR_UNIT = new Set([
  'XAG',
  'XAU',
  'XBA',
  'XBB',
  'XBC',
  'XBD',
  'XDR',
  'XPD',
  'XPT',
  'XSU',
  'XTS',
  'XUA',
  'XXX',
])

/** Every currency of ISO 4217 in which an amount can be written, by its code. */
export function isoCurrenciesByCode(): Map<string, Currency> {
  const byCode = new Map<string, Currency>()
  for (const { code, digits } of isoCurrencies.data) {
    if (!WITHOUT_MINOR_UNIT.has(code)) byCode.set(code, { code, digits })
  }
  return byCode
}

/**
 * Reads a list of digital currencies such as `BTC:8,USDC:6`. Refuses (with a sentence) what is no code of 3 to 8
 * capitals and digits, has more than 18 digits, or would redefine a currency of ISO 4217.
 */
export function parseDigitalCurrencies(text: string): Currency[] | { readonly wrong: string } {
  const iso = isoCurrenciesByCode()
  const currencies: Currency[] = []
  for (const entry of text.split(',').filter((part) => part.trim() !== '')) {
    const match = /^\s*([A-Z][A-Z0-9]{2,7}):(\d{1,2})\s*$/.exec(entry)
    const code = match?.[1]
    const digits = Number(match?.[2])
    if (code === undefined || digits > MAX_DIGITS) return { wrong: `'${entry}' is not CODE:DIGITS, such as BTC:8` }
    if (iso.has(code)) return { wrong: `${code} is a currency of ISO 4217` }
    if (currencies.some((known) => known.code === code)) return { wrong: `${code} is there twice` }
    currencies.push({ code, digits })
  }
  return currencies
}
