import type { Currency } from '../../money/currency.ts'
import type { Direction, Entry, Transaction } from './bank_file.ts'
import { directionOf, findReference, isNoReference, readAmount, readCount, readDate } from './camt_values.ts'
import { all, attribute, broken, type Element, find, findText, need, textOf } from './xml.ts'

/** One line of a statement with its transactions. Throws BrokenFile, also where these do not add up to it. */
export function readEntry(element: Element, currency: Currency): Entry {
  const direction = directionOf(element)
  const amount = readAmount(need(element, 'Amt'), currency)
  const reversal = findText(element, 'RvslInd')
  if (reversal !== undefined && !['true', 'false', '1', '0'].includes(reversal)) {
    broken(`has neither true nor false at ${element.path}/RvslInd`)
  }
  const read = all(element, 'NtryDtls').flatMap((details) => readDetails(details, direction, currency))
  const bookingDate = find(element, 'BookgDt')
  const valueDate = find(element, 'ValDt')
  return {
    reference: findReference(element, 'NtryRef') ?? null,
    servicerReference: referenceAt(element, 'AcctSvcrRef'),
    amount,
    direction,
    reversal: reversal === 'true' || reversal === '1',
    status: statusOf(element),
    bookingDate: bookingDate ? readDate(bookingDate) : null,
    valueDate: valueDate ? readDate(valueDate) : null,
    information: findText(element, 'AddtlNtryInf') ?? null,
    orders: all(element, 'NtryDtls').flatMap((details) => ordersAt(details, 'Btch')),
    transactions: divided(element, { amount, direction }, read),
  }
}

/** The bank's own reference; null also where it writes that it has none. */
function referenceAt(element: Element, path: string): string | null {
  const text = findReference(element, path)
  return text === undefined || isNoReference(text) ? null : text
}

/** A text up to version 07, a choice of codes from 08 on. */
function statusOf(entry: Element): string {
  const status = need(entry, 'Sts')
  const code = findText(status, 'Cd') ?? findText(status, 'Prtry') ?? textOf(status)
  return code === '' ? broken(`has no ${status.path}`) : code
}

/** The transactions of one entry, each with its share: a single one has all of it, even where the bank does not say so. */
function divided(
  element: Element,
  entry: { readonly amount: bigint; readonly direction: Direction },
  read: readonly Transaction[],
): Transaction[] {
  const [only] = read
  if (only && read.length === 1 && only.amount === null) return [{ ...only, ...entry }]
  const total = sumOf(read, entry.direction)
  if (read.length === 0 || total === entry.amount) return [...read]
  if (total === null) return read.map((transaction) => ({ ...transaction, amount: null }))
  // With charges taken out of it an entry is less than its transactions, or more: nobody can say which is which.
  const charged = [element, ...all(element, 'NtryDtls').flatMap(transactionsOf)].some(
    (each) => all(each, 'Chrgs').length > 0,
  )
  if (!charged) broken(`has transactions that do not add up to ${element.path}/Amt`)
  return read.map((transaction) => ({ ...transaction, amount: null }))
}

/** What transactions come to in the direction of their entry; null where one has no amount. */
function sumOf(transactions: readonly Transaction[], direction: Direction): bigint | null {
  let sum = 0n
  for (const each of transactions) {
    if (each.amount === null) return null
    sum += each.direction === direction ? each.amount : -each.amount
  }
  return sum
}

function transactionsOf(details: Element): Element[] {
  return all(details, 'TxDtls')
}

/** The transactions of one group of details; a batch has to have as many, and as much, as it says. */
function readDetails(details: Element, direction: Direction, currency: Currency): Transaction[] {
  const transactions = transactionsOf(details).map((each) => readTransaction(each, direction, currency))
  const batch = find(details, 'Btch')
  if (!batch || transactions.length === 0) return transactions
  const count = find(batch, 'NbOfTxs')
  if (count && readCount(count) !== transactions.length) broken(`has another number of transactions than ${count.path}`)
  const total = find(batch, 'TtlAmt')
  const sum = sumOf(transactions, find(batch, 'CdtDbtInd') ? directionOf(batch) : direction)
  if (total && sum !== null && readAmount(total, currency) !== sum)
    broken(`has transactions that do not add up to ${total.path}`)
  return transactions
}

function readTransaction(element: Element, entry: Direction, currency: Currency): Transaction {
  const direction = find(element, 'CdtDbtInd') ? directionOf(element) : entry
  const text = (path: string) => findText(element, path) ?? null
  // Whoever is on the other side: who pays what comes in, who is paid what goes out.
  const side = direction === 'in' ? 'Dbtr' : 'Cdtr'
  const party = (name: string) => text(`RltdPties/${name}/Nm`) ?? text(`RltdPties/${name}/Pty/Nm`)
  const account = `RltdPties/${side}Acct/Id`
  return {
    amount: amountOfTransaction(element, currency),
    direction,
    endToEndId: findReference(element, 'Refs/EndToEndId') ?? null,
    instructionId: findReference(element, 'Refs/InstrId') ?? null,
    transactionId: findReference(element, 'Refs/TxId') ?? null,
    mandateId: findReference(element, 'Refs/MndtId') ?? null,
    servicerReference: referenceAt(element, 'Refs/AcctSvcrRef'),
    orders: ordersAt(element, 'Refs'),
    returnReason: find(element, 'RtrInf')
      ? (findReference(element, 'RtrInf/Rsn/Cd') ?? findReference(element, 'RtrInf/Rsn/Prtry') ?? 'NARR')
      : null,
    counterparty: {
      name: party(side) ?? party(`Ultmt${side}`),
      account: text(`${account}/IBAN`) ?? text(`${account}/Othr/Id`),
    },
    remittance: remittanceOf(element),
  }
}

/**
 * Its amount in the account's currency. Version 02 has none but in the details, which may be what was sent in another:
 * how much of the entry that is they do not say.
 */
function amountOfTransaction(element: Element, currency: Currency): bigint | null {
  const own = find(element, 'Amt')
  if (own) return readAmount(own, currency)
  const detail = find(element, 'AmtDtls/TxAmt/Amt')
  if (!detail || find(element, 'AmtDtls/TxAmt/CcyXchg')) return null
  return attribute(detail, 'Ccy') === currency.code ? readAmount(detail, currency) : null
}

function ordersAt(element: Element, group: string): string[] {
  return ['MsgId', 'PmtInfId'].flatMap((name) => findReference(element, `${group}/${name}`) ?? [])
}

function remittanceOf(transaction: Element): Transaction['remittance'] {
  const remittance = find(transaction, 'RmtInf')
  if (!remittance) return { unstructured: [], structured: [] }
  const structured = all(remittance, 'Strd').flatMap((each) =>
    [
      findText(each, 'CdtrRefInf/Ref') ?? [],
      ...all(each, 'RfrdDocInf').flatMap((document) => findText(document, 'Nb') ?? []),
      ...all(each, 'AddtlRmtInf').map(textOf),
    ].flat(),
  )
  return { unstructured: all(remittance, 'Ustrd').map(textOf), structured }
}
