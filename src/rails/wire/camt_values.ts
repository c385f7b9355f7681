import type { Currency } from '../../money/currency.ts'
import type { Direction } from './bank_file.ts'
import { attribute, broken, type Element, find, findText, needText, textOf } from './xml.ts'

const DECIMAL = /^(\d{1,18})(?:\.(\d{1,17}))?$/

/** Minor units of an amount with its currency, which has to be the one of the account. */
export function readAmount(element: Element, currency: Currency): bigint {
  const code = attribute(element, 'Ccy')
  if (code !== currency.code) {
    return broken(`has ${code ?? 'no currency'} at ${element.path}, in an account in ${currency.code}`)
  }
  return readDecimal(element, currency.digits)
}

/** A number without a sign, in minor units of that many digits. Banks may write more digits, as long as they are zeros. */
export function readDecimal(element: Element, digits: number): bigint {
  return unitsOf(textOf(element), digits) ?? broken(`has no amount of its currency at ${element.path}`)
}

/** The same of a text; undefined where it is none. */
export function unitsOf(text: string, digits: number): bigint | undefined {
  const match = DECIMAL.exec(text)
  const fraction = match?.[2] ?? ''
  if (!match || /[^0]/.test(fraction.slice(digits))) return undefined
  return BigInt(match[1] + fraction.slice(0, digits).padEnd(digits, '0'))
}

/** A count, such as NbOfTxs (Max15NumericText). */
export function readCount(element: Element): number {
  const text = textOf(element)
  return /^\d{1,15}$/.test(text) ? Number(text) : broken(`has no number at ${element.path}`)
}

/** CRDT is money into the account, DBIT out of it. */
export function directionOf(element: Element): Direction {
  const text = needText(element, 'CdtDbtInd')
  if (text === 'CRDT') return 'in'
  return text === 'DBIT' ? 'out' : broken(`has neither CRDT nor DBIT at ${element.path}/CdtDbtInd`)
}

const LONGEST_REFERENCE = 35

/** An id or a reference at a path (Max35Text of ISO 20022); undefined where it is missing or empty. */
export function findReference(element: Element, path: string): string | undefined {
  const text = findText(element, path)
  if (text !== undefined && [...text].length > LONGEST_REFERENCE) {
    broken(
      `has more in ${element.path}/${path} than ISO 20022 allows: it is longer than ${LONGEST_REFERENCE} characters`,
    )
  }
  return text
}

/** The same where it has to be. */
export function needReference(element: Element, path: string): string {
  return findReference(element, path) ?? needText(element, path)
}

/** Whether it is what banks write where there is no reference: in SEPA, and in what was a SWIFT message. */
export function isNoReference(text: string): boolean {
  return /^(NOTPROVIDED|NONREF)$/i.test(text)
}

/** The day of a date or time, as the bank writes it: it is the bank's day that counts. */
export function readDate(element: Element): string {
  const chosen = find(element, 'Dt') ?? find(element, 'DtTm')
  const day = chosen && /^(\d{4}-\d{2}-\d{2})(?:[T+\-Z].*)?$/.exec(textOf(chosen))?.[1]
  return day !== undefined && isDay(day) ? day : broken(`has no date at ${element.path}`)
}

/** Whether there is such a day: the 31st of June would come back as another, and PostgreSQL has no year 0. */
export function isDay(day: string): boolean {
  if (day < '0001') return false
  const time = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().slice(0, 10) === day
}
