import { setImmediate as otherWork } from 'node:timers/promises'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import type { Currency } from '../money/currency.ts'
import { createPaper, PAGE, type Paper } from './page.ts'
import { addMovements, type Movements, type Statement, type StatementLine } from './statement.ts'
import { writeTitle } from './statement_pdf_title.ts'

const ROW = 15.5
const NOTE = 10
const COLUMNS = { date: PAGE.left, what: 118, moneyIn: 396, moneyOut: 468, balance: PAGE.right } as const
const WHAT_WIDTH = 210
const NUMBER = { align: 'right', room: 66 } as const
const DATE = { ink: 'grey' } as const
const LONGEST_TURN_MS = 10

/** A statement as PDF, written page by page: a title with a picture of the balance, the lines, sums of each page and of all. */
export async function* statementPdf(statement: Statement): AsyncGenerator<Buffer> {
  const paper = createPaper({ Title: `Statement ${encodeId('acc', statement.account.id)}` })
  const table = createTable(paper, statement)
  await table.begin(async () => writeTitle(paper, statement, (units) => grouped(units, statement.account.currency)))
  let since = performance.now()
  for await (const piece of statement.lines()) {
    for (const line of piece) {
      const isNewPage = await table.line(line)
      if (isNewPage) yield paper.take()
      // A long statement is many pages, and one of some scripts takes a while itself: others wait for this thread.
      if (!isNewPage && performance.now() - since < LONGEST_TURN_MS) continue
      await otherWork()
      since = performance.now()
    }
  }
  await table.end()
  yield await paper.end()
}

/** The lines of a statement over as many pages as they need. */
function createTable(paper: Paper, { account, opening, closing }: Statement) {
  const { text, line: rule } = paper
  const money = (units: bigint) => grouped(units, account.currency)
  const all = nothing()
  let ofPage = nothing()
  let balance = opening
  let page = 0
  let y = 0

  /** A new page, from `top` down. */
  async function beginPage(label: string, top: () => Promise<number>): Promise<void> {
    paper.addPage()
    page += 1
    ofPage = nothing()
    y = await top()
    await writeHead(paper, y)
    y += 17
    await text(label, COLUMNS.what, y, { ink: 'grey' })
    await text(money(balance), COLUMNS.balance, y, { ...NUMBER, ink: 'grey' })
    y += ROW
  }

  async function endPage(): Promise<void> {
    rule(y + 1)
    y += 4
    await sums('Sum of this page', ofPage, balance)
    await text(encodeId('acc', account.id), PAGE.left, PAGE.foot, { size: 7, ink: 'grey' })
    await text(`Page ${page}`, PAGE.right, PAGE.foot, { size: 7, ink: 'grey', align: 'right' })
  }

  async function sums(label: string, { moneyIn, moneyOut }: Movements, after: bigint): Promise<void> {
    const style = { weight: 'bold', ...NUMBER } as const
    await text(label, COLUMNS.what, y, { weight: 'bold' })
    await text(money(moneyIn), COLUMNS.moneyIn, y, style)
    await text(money(moneyOut), COLUMNS.moneyOut, y, style)
    await text(money(after), COLUMNS.balance, y, style)
    y += ROW
  }

  /** Writes one line; true where a page ended before it. */
  async function line(entry: StatementLine): Promise<boolean> {
    const { direction, amount, balanceAfter } = entry
    const note = entry.kind === 'fee' ? null : entry.description
    const full = y + (note ? NOTE : 0) + 2 * ROW > PAGE.bottom
    if (full) {
      await endPage()
      await beginPage('Brought forward', async () => PAGE.top)
    }
    await text(entry.createdAt.slice(0, 16).replace('T', ' '), COLUMNS.date, y, DATE)
    await text(titleOf(entry, account.userId === null), COLUMNS.what, y, { width: WHAT_WIDTH })
    await text(money(amount), direction === 'debit' ? COLUMNS.moneyIn : COLUMNS.moneyOut, y, NUMBER)
    await text(money(balanceAfter), COLUMNS.balance, y, NUMBER)
    if (note) await text(note, COLUMNS.what, y + NOTE, { size: 7, ink: 'grey', width: WHAT_WIDTH })
    y += ROW + (note ? NOTE : 0)
    balance = balanceAfter
    for (const movements of [all, ofPage]) addMovements(movements, [entry])
    return full
  }

  async function end(): Promise<void> {
    await endPage()
    await sums(`Sum of all lines (${all.count}), closing balance`, all, closing)
  }

  return { begin: (top: () => Promise<number>) => beginPage('Opening balance', top), line, end }
}

async function writeHead({ text, line }: Paper, y: number): Promise<void> {
  const style = { weight: 'bold' } as const
  await text('Date (UTC)', COLUMNS.date, y, style)
  await text('Movement', COLUMNS.what, y, style)
  await text('Money in', COLUMNS.moneyIn, y, { ...style, align: 'right' })
  await text('Money out', COLUMNS.moneyOut, y, { ...style, align: 'right' })
  await text('Balance', COLUMNS.balance, y, { ...style, align: 'right' })
  line(y + 13, 'black')
}

const nothing = (): Movements => ({ count: 0, moneyIn: 0n, moneyOut: 0n })

function titleOf({ kind, direction, counterparty }: StatementLine, isTechnical: boolean): string {
  const isIn = direction === 'debit'
  // Users pay fees and get them back; the house earns them and gives them back.
  if (kind === 'fee' && !isTechnical) return isIn ? 'Fee returned' : 'Fee'
  if (kind === 'fee') return isIn ? `Fee from ${counterparty}` : `Fee returned to ${counterparty}`
  return `${kind.charAt(0).toUpperCase()}${kind.slice(1)} ${isIn ? 'from' : 'to'} ${counterparty}`
}

/** Minor units as people read them: `1,234,567.89`. */
function grouped(units: bigint, currency: Currency): string {
  const [whole = '', fraction] = formatAmount(units, currency).split('.')
  const written = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? written : `${written}.${fraction}`
}
