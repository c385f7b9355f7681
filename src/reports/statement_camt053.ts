import { formatInstant } from '../database/instant.ts'
import { QueryError } from '../database/list_fields.ts'
import type { Instant } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import type { Currency } from '../money/currency.ts'
import { encodeOperationId } from '../payments/operations.ts'
import type { Statement, StatementLine } from './statement.ts'
import { element, type Xml } from './xml.ts'

// ISO 20022 camt.053.001.08, bank to customer statement. Its credit is the holder's money in: our debit.

const NAMESPACE = 'urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'

/**
 * A statement as camt.053, version 08, written piece by piece. `messageId` is at most 35 characters and never used
 * again. Throws QueryError, before anything is written, where the format cannot hold the currency, which has three letters
 * and five digits at most, or a balance or amount.
 */
export async function statementCamt053(statement: Statement, messageId: string): Promise<AsyncGenerator<string>> {
  const { account, opening, closing } = statement
  const { code, digits } = account.currency
  if (!/^[A-Z]{3}$/.test(code) || digits > 5) {
    throw new QueryError('format', `camt053 cannot hold ${code}: it has currencies of ISO 4217 only`)
  }
  const cannotHold = (what: string) =>
    new QueryError('format', `camt053 cannot hold ${what}: it has amounts of ${MOST_DIGITS} digits at most`)
  if ([opening, closing].some((units) => !isHeld(units))) throw cannotHold('the balance')
  if (!isHeld(await statement.largest())) throw cannotHold('an operation of this period')
  return write(statement, messageId)
}

async function* write(statement: Statement, messageId: string): AsyncGenerator<string> {
  const { account, holder, period, madeAt, opening, closing } = statement
  const { currency } = account
  const made = formatInstant(madeAt)
  const head = [
    element('Id', messageId),
    element('CreDtTm', made),
    element('FrToDt', [element('FrDtTm', formatInstant(period.from)), element('ToDtTm', formatInstant(period.to))]),
    element('Acct', [
      element('Id', [element('Othr', [element('Id', encodeId('acc', account.id))])]),
      element('Ccy', currency.code),
      element('Nm', cut(account.name, 70)),
      element('Ownr', [element('Nm', cut(holder, 140))]),
    ]),
    balance('OPBD', opening, period.from, currency),
    balance('CLBD', closing, period.to, currency),
  ]
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="${NAMESPACE}"><BkToCstmrStmt>`
  yield `${textOf([element('GrpHdr', [element('MsgId', messageId), element('CreDtTm', made)])])}<Stmt>${textOf(head)}`
  for await (const piece of statement.lines()) yield textOf(piece.map((line) => entry(line, holder, currency)))
  yield '</Stmt></BkToCstmrStmt></Document>\n'
}

function textOf(parts: readonly (Xml | null)[]): string {
  return parts.map((part) => part?.xml ?? '').join('\n')
}

function balance(code: 'OPBD' | 'CLBD', units: bigint, at: Instant, currency: Currency): Xml | null {
  return element('Bal', [
    element('Tp', [element('CdOrPrtry', [element('Cd', code)])]),
    amount(units < 0n ? -units : units, currency),
    element('CdtDbtInd', units < 0n ? 'DBIT' : 'CRDT'),
    element('Dt', [element('DtTm', formatInstant(at))]),
  ])
}

function amount(units: bigint, currency: Currency): Xml | null {
  if (!isHeld(units)) throw new Error(`camt.053 holds no amount of ${units} minor units`)
  return element('Amt', formatAmount(units, currency), { Ccy: currency.code })
}

const MOST_DIGITS = 18

function isHeld(units: bigint): boolean {
  return (units < 0n ? -units : units) < 10n ** BigInt(MOST_DIGITS)
}

function entry(line: StatementLine, holder: string, currency: Currency): Xml | null {
  const moneyIn = line.direction === 'debit'
  const direction = element('CdtDbtInd', moneyIn ? 'CRDT' : 'DBIT')
  const [debtor, creditor] = moneyIn ? [line.counterparty, holder] : [holder, line.counterparty]
  return element('Ntry', [
    element('NtryRef', encodeOperationId(line)),
    amount(line.amount, currency),
    direction,
    element('Sts', [element('Cd', 'BOOK')]),
    element('BookgDt', [element('DtTm', line.createdAt)]),
    element('ValDt', [element('DtTm', line.createdAt)]),
    element('AcctSvcrRef', encodeId('pst', line.postingId)),
    transactionCode(line),
    element('NtryDtls', [
      element('TxDtls', [
        element('Refs', [element('EndToEndId', encodeId('pay', line.paymentId))]),
        amount(line.amount, currency),
        direction,
        element('RltdPties', [party('Dbtr', debtor), party('Cdtr', creditor)]),
        line.description
          ? element(
              'RmtInf',
              cutAll(line.description, 140).map((part) => element('Ustrd', part)),
            )
          : null,
      ]),
    ]),
  ])
}

/** External code sets of ISO 20022: a transfer on the books, or charges; and our own kind beside it. */
function transactionCode({ kind, direction }: StatementLine): Xml | null {
  const moneyIn = direction === 'debit'
  const [family, code] = kind === 'fee' ? [moneyIn ? 'MCOP' : 'MDOP', 'CHRG'] : [moneyIn ? 'RCDT' : 'ICDT', 'BOOK']
  return element('BkTxCd', [
    element('Domn', [element('Cd', 'PMNT'), element('Fmly', [element('Cd', family), element('SubFmlyCd', code)])]),
    element('Prtry', [element('Cd', kind), element('Issr', 'billing-gateway')]),
  ])
}

function party(name: 'Dbtr' | 'Cdtr', label: string): Xml | null {
  return element(name, [element('Pty', [element('Nm', cut(label, 140))])])
}

/** The first characters of a text, counted as the schema counts them: no surrogate pair is torn. */
function cut(text: string, most: number): string {
  return cutAll(text, most)[0] ?? '-'
}

function cutAll(text: string, most: number): string[] {
  const characters = [...text]
  const parts: string[] = []
  for (let start = 0; start < characters.length; start += most)
    parts.push(characters.slice(start, start + most).join(''))
  return parts
}
