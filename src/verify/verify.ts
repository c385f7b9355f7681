import { type Connection, createPool } from '../database/connection.ts'
import type { AccountId, BookId, PaymentId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import { CHECKS, type Check, type Offender } from './laws.ts'

/** Something that breaks a law, as one sentence. */
export type Finding = { readonly book: string; readonly law: Check['law']; readonly text: string }

export type Report = {
  readonly findings: readonly Finding[]
  readonly books: number
  readonly accounts: bigint
  readonly payments: bigint
  readonly postings: bigint
}

/** Of each rule that is broken, this many offenders are named and the others counted. */
const MOST_NAMED = 20

/** Called before each rule of each book, with how much is done of how much. */
export type OnProgress = (done: number, of: number, rule: string) => void

/**
 * Checks laws 1 to 5 on one consistent snapshot of all books, so that it can run beside servers that post. It changes
 * nothing and holds up nobody.
 */
export async function verifyBooks(connection: Connection, onProgress: OnProgress = () => undefined): Promise<Report> {
  const pool = createPool(connection, 1, 'billing-gateway verify')
  const client = await pool.connect()
  try {
    await client.query('set statement_timeout = 0')
    await client.query('set idle_in_transaction_session_timeout = 0')
    await client.query('begin isolation level repeatable read read only')
    const { rows: books } = await client.query<{ book: BookId; name: string }>(
      'select book, name from books order by book',
    )
    const findings: Finding[] = []
    const counted = { accounts: 0n, payments: 0n, postings: 0n }
    for (const [index, { book, name }] of books.entries()) {
      for (const [number, check] of CHECKS.entries()) {
        onProgress(index * CHECKS.length + number, books.length * CHECKS.length, `${name}: ${check.rule}`)
        const { rows } = await client.query<Offender & { total: bigint }>(
          `select *, count(*) over () as total from (${check.sql}) offender limit ${MOST_NAMED}`,
          [book],
        )
        findings.push(...rows.map((row) => ({ book: name, law: check.law, text: describe(check, row) })))
        const more = (rows[0]?.total ?? 0n) - BigInt(rows.length)
        if (more > 0n) findings.push({ book: name, law: check.law, text: `${check.rule}: and ${more} more` })
      }
      const { rows: counts } = await client.query<typeof counted>(COUNTS, [book])
      for (const what of ['accounts', 'payments', 'postings'] as const) counted[what] += counts[0]?.[what] ?? 0n
    }
    await client.query('commit')
    onProgress(1, 1, 'done')
    return { findings, books: books.length, ...counted }
  } finally {
    client.release(true)
    await pool.end()
  }
}

const COUNTS = `
  select (select count(*) from accounts where book = $1) as accounts,
         (select count(*) from payments where book = $1) as payments,
         (select count(*) from postings where book = $1) as postings`

function describe({ rule }: Check, offender: Offender): string {
  const { account, payment, currency, digits, expected, found } = offender
  const written = (text: string) =>
    currency !== null && digits !== null ? formatAmount(BigInt(text), { code: currency, digits }) : text
  const where = [
    account === null ? [] : [`account ${encodeId('acc', account as AccountId)}`],
    payment === null ? [] : [`payment ${encodeId('pay', payment as PaymentId)}`],
    currency === null ? [] : [currency],
  ].flat()
  return `${rule}${where.length === 0 ? '' : ` (${where.join(', ')})`}: expected ${written(expected)}, found ${written(found)}`
}
