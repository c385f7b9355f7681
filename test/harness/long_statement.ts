// Writes a long statement in the format that is named, and throws it away: a process of its own, started with little
// memory. Prints how many bytes it wrote, and what was kept in memory at a quarter of it and at its end.
import type { AccountState } from '../../src/accounts/account.ts'
import type { AccountId, Instant, PaymentId, PostingId } from '../../src/ledger/id.ts'
import type { Statement, StatementLine } from '../../src/reports/statement.ts'
import { statementCamt053 } from '../../src/reports/statement_camt053.ts'
import { statementCsv } from '../../src/reports/statement_csv.ts'
import { statementJson } from '../../src/reports/statement_json.ts'
import { statementPdf } from '../../src/reports/statement_pdf.ts'

type Pieces = AsyncIterable<string | Buffer>
const WRITERS: Record<string, (statement: Statement) => Pieces | Promise<Pieces>> = {
  json: statementJson,
  csv: statementCsv,
  camt053: (statement) => statementCamt053(statement, 'MESSAGE'),
  pdf: statementPdf,
}

const PIECE = 1_000
const FROM = 1_767_225_600_000_000n
const [format = '', count = '0'] = process.argv.slice(2)
const lines = Number(count)
let early = 0
let late = 0

const id = (kind: string, number: number) => `00000000-0000-7000-8${kind}-${number.toString(16).padStart(12, '0')}`

function kept(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** No two are alike, and some are in other scripts: whatever is remembered of one is remembered of all. */
function lineOf(number: number): StatementLine {
  const script = ['Rent', 'Miete für März', 'Квартплата', '房租'][number % 64] ?? 'Order'
  return {
    postingId: id('001', number) as string as PostingId,
    paymentId: id('002', number) as string as PaymentId,
    kind: number % 3 === 0 ? 'fee' : 'transfer',
    direction: 'debit',
    amount: BigInt(number * 7 + 1),
    balanceAfter: BigInt(number) * 1_000_003n,
    counterparty: `user-${number}@example.com`,
    description: `${script} ${number.toString(36)}`,
    createdAt: '2026-03-04T05:06:07.000008Z',
  }
}

const account = { id: id('000', 1) as string as AccountId, name: 'Main', currency: { code: 'USD', digits: 2 } }
const statement: Statement = {
  account: account as AccountState,
  holder: 'ada@example.com',
  period: { from: FROM as Instant, to: (FROM + 31_536_000_000_000n) as Instant },
  madeAt: (FROM + 31_536_000_000_000n) as Instant,
  opening: 0n,
  closing: 0n,
  curve: async (points) =>
    Array.from({ length: points }, (_, index) => [(FROM + BigInt(index)) as Instant, 1n] as const),
  largest: async () => BigInt(lines * 7 + 1),
  lines: async function* () {
    for (let from = 0; from < lines; from += PIECE) {
      if (from >= lines / 4 && early === 0) early = kept()
      yield Array.from({ length: Math.min(PIECE, lines - from) }, (_, index) => lineOf(from + index))
    }
    // Its end is still to be written.
    late = kept()
  },
}

let bytes = 0
for await (const piece of (await WRITERS[format]?.(statement)) ?? []) bytes += piece.length
process.stdout.write(JSON.stringify({ bytes, early, late }))
