import { formatInstant } from '../database/instant.ts'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import { encodeOperationId } from '../payments/operations.ts'
import { addMovements, type Movements, type Statement, type StatementLine } from './statement.ts'

/** A statement as one JSON object, written piece by piece. */
export async function* statementJson(statement: Statement): AsyncGenerator<string> {
  const { account, holder, period, madeAt, opening, closing } = statement
  const money = (units: bigint) => formatAmount(units, account.currency)
  const head = JSON.stringify({
    account_id: encodeId('acc', account.id),
    account_name: account.name,
    holder,
    currency: account.currency.code,
    from: formatInstant(period.from),
    to: formatInstant(period.to),
    created_at: formatInstant(madeAt),
    opening_balance: money(opening),
    closing_balance: money(closing),
  })
  yield `${head.slice(0, -1)},"operations":[`
  const sums: Movements = { count: 0, moneyIn: 0n, moneyOut: 0n }
  for await (const piece of statement.lines()) {
    const separator = sums.count > 0 ? ',' : ''
    addMovements(sums, piece)
    yield separator + piece.map((line) => JSON.stringify(presentLine(line, money))).join(',')
  }
  const foot = JSON.stringify({ count: sums.count, money_in: money(sums.moneyIn), money_out: money(sums.moneyOut) })
  yield `],${foot.slice(1)}`
}

function presentLine(line: StatementLine, money: (units: bigint) => string) {
  return {
    id: encodeOperationId(line),
    posting_id: encodeId('pst', line.postingId),
    payment_id: encodeId('pay', line.paymentId),
    kind: line.kind,
    direction: line.direction,
    amount: money(line.amount),
    balance_after: money(line.balanceAfter),
    counterparty: line.counterparty,
    description: line.description,
    created_at: line.createdAt,
  }
}
