import { isValidBIC, isValidIBAN } from 'ibantools'
import { formatAmount } from '../../money/amount.ts'
import type { Currency } from '../../money/currency.ts'
import { isDay } from './camt_values.ts'
import { inBankCharacters, isBankName, LONGEST_NAME } from './charset.ts'

// Payment orders as banks take them: pain.001.001.03 and pain.001.001.09 of ISO 20022.

export const PAIN_VERSIONS = ['03', '09'] as const
export type PainVersion = (typeof PAIN_VERSIONS)[number]

export type Party = { readonly name: string; readonly iban: string; readonly bic: string | null }

/** What a bank is asked to do: one debtor, one currency, one day. */
export type PaymentOrder = {
  readonly version: PainVersion
  /** At most 35 of the characters that every bank takes; also the reference of the batch as a whole. */
  readonly messageId: string
  /** RFC 3339, or anything that begins so to the second. */
  readonly createdAt: string
  readonly debtor: Party
  /** `2026-11-24`. */
  readonly requestedDate: string
  readonly currency: Currency
  /** Whether the bank is asked to book all payments in one; else each by itself, so that the statement tells of each. */
  readonly batchBooking: boolean
  /** Such as nothing is wrong with (problemOfPayment). */
  readonly payments: readonly OrderedPayment[]
}

export type OrderedPayment = {
  /** Comes back in the statement; at most 35 of the characters that every bank takes, and different for each. */
  readonly endToEndId: string
  /** Minor units, positive. */
  readonly amount: bigint
  readonly creditor: Party
  /** Cut to 140 characters. */
  readonly remittance: string
}

export type WrittenPain =
  | { readonly ok: true; readonly xml: string }
  /** Why the order as a whole cannot be. */
  | { readonly ok: false; readonly problem: string }

/** Of the schemas: 03 keeps the rules of ISO 9362 of then, which not every bank of today keeps. */
const BIC: Readonly<Record<PainVersion, RegExp>> = {
  '03': /^[A-Z]{6}[A-Z2-9][A-NP-Z0-9](?:[A-Z0-9]{3})?$/,
  '09': /^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$/,
}
const IDENTIFIER = /^(?!\/)(?!.*\/\/)[A-Za-z0-9/\-?:().,'+ ]{1,35}(?<!\/)$/
/** Of any amount and any sum in the schema. */
const MOST_DIGITS = 18
const MOST_FRACTION_DIGITS = 5

/** Writes the order, valid against the schema of its version, or says why no bank would take it. */
export function writePain001(order: PaymentOrder): WrittenPain {
  const problem = problemOf(order)
  if (problem) return { ok: false, problem }
  const { version, messageId, payments, currency, debtor } = order
  const total = payments.reduce((sum, { amount }) => sum + amount, 0n)
  const sums = element('NbOfTxs', String(payments.length)) + element('CtrlSum', formatAmount(total, currency))
  const header =
    element('MsgId', messageId) +
    element('CreDtTm', order.createdAt.slice(0, 19)) +
    sums +
    group('InitgPty', nameOf(debtor))
  const instruction =
    element('PmtInfId', messageId) +
    element('PmtMtd', 'TRF') +
    element('BtchBookg', String(order.batchBooking)) +
    sums +
    (isSepa(currency) ? group('PmtTpInf', group('SvcLvl', element('Cd', 'SEPA'))) : '') +
    dateOf(order) +
    group('Dbtr', nameOf(debtor)) +
    group('DbtrAcct', accountOf(debtor) + element('Ccy', currency.code)) +
    group('DbtrAgt', agentOf(debtor, version)) +
    element('ChrgBr', isSepa(currency) ? 'SLEV' : 'SHAR') +
    payments.map((payment) => transactionOf(payment, order)).join('')
  const body = group('CstmrCdtTrfInitn', group('GrpHdr', header) + group('PmtInf', instruction))
  const namespace = `urn:iso:std:iso:20022:tech:xsd:pain.001.001.${version}`
  return {
    ok: true,
    xml: `<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="${namespace}">${body}</Document>\n`,
  }
}

function transactionOf({ endToEndId, amount, creditor, remittance }: OrderedPayment, order: PaymentOrder): string {
  const text = inBankCharacters(remittance, 140)
  return group(
    'CdtTrfTxInf',
    group('PmtId', element('EndToEndId', endToEndId)) +
      group('Amt', `<InstdAmt Ccy="${order.currency.code}">${formatAmount(amount, order.currency)}</InstdAmt>`) +
      (creditor.bic === null ? '' : group('CdtrAgt', agentOf(creditor, order.version))) +
      group('Cdtr', nameOf(creditor)) +
      group('CdtrAcct', accountOf(creditor)) +
      (text === '' ? '' : group('RmtInf', element('Ustrd', text))),
  )
}

function problemOf(order: PaymentOrder): string | undefined {
  const { version, messageId, createdAt, debtor, requestedDate, currency, payments } = order
  if (!IDENTIFIER.test(messageId)) return 'the message id is not one that banks take'
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/.test(createdAt)) return 'the time of creation is none'
  if (!isDay(requestedDate)) return 'the requested date is none'
  if (currency.digits > MOST_FRACTION_DIGITS) return `no bank pays in ${currency.code}`
  const wrongDebtor = problemOfParty(debtor, version)
  if (wrongDebtor) return `the debtor ${wrongDebtor}`
  if (payments.length === 0) return 'there is no payment'
  if (new Set(payments.map(({ endToEndId }) => endToEndId)).size < payments.length)
    return 'an end-to-end id is there twice'
  const total = payments.reduce((sum, { amount }) => sum + amount, 0n)
  return total.toString().length > MOST_DIGITS ? 'the sum has more digits than banks take' : undefined
}

/** Why an order of that version cannot hold the payment; undefined where it can. */
export function problemOfPayment(
  { endToEndId, amount, creditor }: OrderedPayment,
  version: PainVersion,
): string | undefined {
  if (!IDENTIFIER.test(endToEndId)) return 'the end-to-end id is not one that banks take'
  if (amount <= 0n || amount.toString().length > MOST_DIGITS) return 'the amount is none that a bank pays'
  const problem = problemOfParty(creditor, version)
  return problem && `the creditor ${problem}`
}

function problemOfParty({ name, iban, bic }: Party, version: PainVersion): string | undefined {
  if (!isBankName(name)) return 'has no name that banks can read'
  if (!isValidIBAN(iban)) return 'has no valid IBAN'
  if (bic === null) return undefined
  if (!isValidBIC(bic)) return 'has no valid BIC'
  return BIC[version].test(bic) ? undefined : `has a BIC that pain.001.001.${version} cannot hold`
}

/** In euros the rules of SEPA hold: each side bears its own bank's charges. */
function isSepa({ code }: Currency): boolean {
  return code === 'EUR'
}

/** Version 09 lets it be a time too, and so wants to know which. */
function dateOf({ version, requestedDate }: PaymentOrder): string {
  return version === '03' ? element('ReqdExctnDt', requestedDate) : group('ReqdExctnDt', element('Dt', requestedDate))
}

function nameOf({ name }: Party): string {
  return element('Nm', inBankCharacters(name, LONGEST_NAME))
}

function accountOf({ iban }: Party): string {
  return group('Id', element('IBAN', iban))
}

function agentOf({ bic }: Party, version: PainVersion): string {
  const known = element(version === '03' ? 'BIC' : 'BICFI', bic ?? '')
  // What banks agreed to write where the IBAN alone says which bank it is (EPC guidelines).
  return group('FinInstnId', bic === null ? group('Othr', element('Id', 'NOTPROVIDED')) : known)
}

function element(name: string, text: string): string {
  return `<${name}>${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}</${name}>`
}

function group(name: string, content: string): string {
  return `<${name}>${content}</${name}>`
}
