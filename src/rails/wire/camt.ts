import { type Currency, isoCurrenciesByCode } from '../../money/currency.ts'
import type { Balance, BankAccount, BankFile, Statement } from './bank_file.ts'
import { readEntry } from './camt_entry.ts'
import { checkSummary } from './camt_summary.ts'
import { directionOf, needReference, readAmount, readDate } from './camt_values.ts'
import { all, attribute, broken, type Element, findText, need } from './xml.ts'

// Statements (camt.053.001.02 to .08) and notices (camt.054.001.02 to .08) of banks, of ISO 20022. A file is taken whole
// or not at all: one sum that is wrong, and nothing in it can be trusted.

const MOST_STATEMENTS = 1_000
const iso = isoCurrenciesByCode()

/** The statement or notice in a document; null where it is another message. Throws BrokenFile where it is broken. */
export function readCamt(message: string, version: string, root: Element): BankFile | null {
  if ((message !== 'camt.053' && message !== 'camt.054') || !/^0[2-8]$/.test(version)) return null
  const kind = message
  const [name, statement] = kind === 'camt.053' ? ['BkToCstmrStmt', 'Stmt'] : ['BkToCstmrDbtCdtNtfctn', 'Ntfctn']
  const body = need(root, name)
  const messageId = needReference(body, 'GrpHdr/MsgId')
  const found = all(body, statement)
  if (found.length === 0) broken(`has no ${body.path}/${statement}`)
  if (found.length > MOST_STATEMENTS) broken(`has more than ${MOST_STATEMENTS} statements`)
  const statements = found.map((each) => readStatement(each, kind))
  const seen = new Set<string>()
  for (const { id, account } of statements) {
    const key = JSON.stringify([id, account])
    if (seen.has(key)) broken(`has the statement ${id} twice`)
    seen.add(key)
  }
  return { kind, version, messageId, statements }
}

function readStatement(element: Element, kind: BankFile['kind']): Statement {
  const id = needReference(element, 'Id')
  const currency = currencyOf(element)
  const amountOf = (amount: Element) => readAmount(amount, currency)
  const entries = all(element, 'Ntry').map((each) => readEntry(each, currency))
  const statement = { id, account: accountOf(element), currency, entries }
  checkSummary(element, statement)
  const balances = all(element, 'Bal').map((each) => readBalance(each, amountOf))
  if (kind === 'camt.054') return { ...statement, opening: null, closing: null }
  const { opening, closing } = ends(balances, id)
  let booked = opening.amount
  for (const entry of entries) {
    if (entry.status === 'BOOK') booked += entry.direction === 'in' ? entry.amount : -entry.amount
  }
  if (booked !== closing.amount) {
    broken(`has a statement ${id} whose opening balance and booked entries do not come to its closing balance`)
  }
  return { ...statement, opening, closing }
}

/** The account's number; an IBAN also where the bank puts it into the field for other numbers. */
function accountOf(statement: Element): BankAccount {
  const iban = findText(statement, 'Acct/Id/IBAN')
  const other = findText(statement, 'Acct/Id/Othr/Id')
  if (iban === undefined && other === undefined) return broken(`has no number in ${statement.path}/Acct/Id`)
  return { iban: iban?.replaceAll(' ', '').toUpperCase() ?? null, other: other ?? null }
}

/** The one currency of a statement: said of the account, or by the first amount. */
function currencyOf(statement: Element): Currency {
  const first = all(statement, 'Bal')[0] ?? all(statement, 'Ntry')[0]
  const code = findText(statement, 'Acct/Ccy') ?? (first && attribute(need(first, 'Amt'), 'Ccy'))
  if (code === undefined) return broken(`does not say the currency of ${statement.path}`)
  return iso.get(code) ?? broken(`has ${code}, which is no currency, in ${statement.path}`)
}

type NamedBalance = Balance & { readonly type: string }

function readBalance(element: Element, amountOf: (amount: Element) => bigint): NamedBalance {
  const type = findText(element, 'Tp/CdOrPrtry/Cd') ?? findText(element, 'Tp/CdOrPrtry/Prtry')
  const date = readDate(need(element, 'Dt'))
  const amount = amountOf(need(element, 'Amt'))
  return {
    type: type ?? broken(`has no type at ${element.path}`),
    date,
    amount: directionOf(element) === 'in' ? amount : -amount,
  }
}

/**
 * The booked balance at both ends. On a page of several, the ends may be interim (ITBD): the first opens it, the last
 * closes it.
 */
function ends(balances: readonly NamedBalance[], id: string): { readonly opening: Balance; readonly closing: Balance } {
  const only = (type: string) => {
    const found = balances.filter((balance) => balance.type === type)
    return found.length > 1 ? broken(`has a statement ${id} with more than one balance ${type}`) : found[0]
  }
  const interim = balances.filter(({ type }) => type === 'ITBD')
  const opening = only('OPBD') ?? only('PRCD') ?? interim[0]
  const closing = only('CLBD') ?? interim.at(-1)
  if (!opening || !closing || opening === closing) {
    return broken(`has a statement ${id} without an opening and a closing booked balance`)
  }
  const { amount, date } = opening
  return { opening: { amount, date }, closing: { amount: closing.amount, date: closing.date } }
}
