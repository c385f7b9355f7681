import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AccountState } from '../accounts/account.ts'
import type { Instant, PaymentId, PostingId } from '../ledger/id.ts'
import type { Statement, StatementLine } from './statement.ts'
import { statementPdf } from './statement_pdf.ts'

const ID = '00000000-0000-7000-8000-000000000001'
const FROM = 1_767_225_600_000_000n as Instant
const TO = (FROM + 86_400_000_000n) as Instant

function aLine(description: string): StatementLine {
  return {
    postingId: ID as string as PostingId,
    paymentId: ID as string as PaymentId,
    kind: 'transfer',
    direction: 'debit',
    amount: 1n,
    balanceAfter: 1n,
    counterparty: 'ada@example.com',
    description,
    createdAt: '2026-01-01T05:06:07.000008Z',
  }
}

function aStatement(lines: StatementLine[]): Statement {
  return {
    account: { id: ID, name: 'Main', currency: { code: 'USD', digits: 2 } } as unknown as AccountState,
    holder: 'ada@example.com',
    period: { from: FROM, to: TO },
    madeAt: TO,
    opening: 0n,
    closing: 1n,
    curve: async (count) =>
      Array.from({ length: count }, (_, index) => [(FROM + BigInt(index)) as Instant, 1n] as const),
    largest: async () => 0n,
    lines: async function* () {
      yield lines
    },
  }
}

describe('a statement as PDF', () => {
  it('lets others have their turn while it writes a page in a script that is slow to write', async () => {
    // So much of a description is what a user may say, and far more than a line has room for.
    const description = 'क्षत्रियकर्म'.repeat(50).slice(0, 500)
    let [turns, pieces, isOver] = [0, 0, false]
    const others = () => {
      turns += 1
      if (!isOver) setImmediate(others)
    }
    others()
    for await (const _ of statementPdf(aStatement(Array(60).fill(aLine(description))))) pieces += 1
    isOver = true
    assert.ok(pieces <= 4, `${pieces} pieces`)
    assert.ok(turns > 3 * pieces, `${turns} turns for ${pieces} pieces`)
  })
})
