import { formatInstant } from '../database/instant.ts'
import type { Instant } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import { encodeOperationId } from '../payments/operations.ts'
import { csvRecord, csvText } from './csv.ts'
import type { Statement } from './statement.ts'

const HEAD = [
  ...['created_at', 'id', 'payment_id', 'kind', 'counterparty', 'description'],
  ...['money_in', 'money_out', 'balance', 'currency'],
]

/** A statement as CSV (RFC 4180): the opening balance, a record for each line with the balance behind it, the closing balance. */
export async function* statementCsv({ account, period, opening, closing, lines }: Statement): AsyncGenerator<string> {
  const { currency } = account
  const money = (units: bigint) => formatAmount(units, currency)
  const balance = (at: Instant, kind: string, units: bigint) =>
    csvRecord([formatInstant(at), '', '', kind, '', '', '', '', money(units), currency.code])
  yield csvRecord(HEAD) + balance(period.from, 'opening_balance', opening)
  for await (const piece of lines()) {
    yield piece
      .map((line) =>
        csvRecord([
          line.createdAt,
          encodeOperationId(line),
          encodeId('pay', line.paymentId),
          line.kind,
          csvText(line.counterparty),
          csvText(line.description),
          line.direction === 'debit' ? money(line.amount) : '',
          line.direction === 'credit' ? money(line.amount) : '',
          money(line.balanceAfter),
          currency.code,
        ]),
      )
      .join('')
  }
  yield balance(period.to, 'closing_balance', closing)
}
