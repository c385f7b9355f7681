import { electronicFormatIBAN, isValidBIC, isValidIBAN } from 'ibantools'
import type { RailCode } from '../ledger/account.ts'
import type { CheckedDestination, Destination } from './rail.ts'
import { isBankName } from './wire/charset.ts'

/** The fields of a destination on each rail; those that end in `?` may be left out. */
const FIELDS: Record<RailCode, readonly string[]> = {
  wire: ['name', 'iban', 'bic?'],
  wallet: ['wallet'],
  crypto_currency: ['address', 'network?'],
}

const LONGEST = 140

/**
 * Checks a destination as far as it can be checked without asking its rail: its fields, an IBAN by ISO 13616, a BIC by
 * ISO 9362. Gives it in its normal form, and as it may be shown.
 */
export function checkDestination(rail: RailCode, destination: Destination): CheckedDestination {
  const wrong = (field: string, detail: string): CheckedDestination => ({ ok: false, field, detail })
  const names = FIELDS[rail].map((name) => name.replace('?', ''))
  for (const name of Object.keys(destination)) {
    if (!names.includes(name))
      return wrong(name, `is no field of a destination on this rail; there are ${names.join(', ')}`)
  }
  const checked: Record<string, string> = {}
  for (const field of FIELDS[rail]) {
    const name = field.replace('?', '')
    const text = destination[name]?.trim()
    if (!text && field.endsWith('?')) continue
    if (!text) return wrong(name, 'is missing')
    if (text.length > LONGEST) return wrong(name, `is longer than ${LONGEST} characters`)
    checked[name] = text
  }
  if (rail === 'wire') return checkWire(checked, wrong)
  return { ok: true, destination: checked, shown: masked(checked.wallet ?? checked.address ?? '') }
}

function checkWire(
  { name = '', iban: written = '', bic: code }: Record<string, string>,
  wrong: (field: string, detail: string) => CheckedDestination,
): CheckedDestination {
  const iban = electronicFormatIBAN(written) ?? ''
  const bic = code?.toUpperCase()
  if (!isBankName(name)) return wrong('name', 'has nothing in it that banks can write')
  if (!isValidIBAN(iban)) return wrong('iban', 'is no valid IBAN')
  if (bic !== undefined && !isValidBIC(bic)) return wrong('bic', 'is no valid BIC')
  return { ok: true, destination: { name, iban, ...(bic ? { bic } : {}) }, shown: masked(iban) }
}

/** The beginning and the end: enough to know it again, too little to pay to it. */
function masked(text: string): string {
  return text.length <= 8 ? `${text.slice(0, 1)}…` : `${text.slice(0, 4)}…${text.slice(-4)}`
}
