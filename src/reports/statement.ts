import type { AccountState } from '../accounts/account.ts'
import { awaitPostings, balanceAt, balancesAt } from '../accounts/balance.ts'
import type { Queryable } from '../database/connection.ts'
import { shownName } from '../database/personal_fields.ts'
import { type BookId, firstIdAt, type Instant, type PaymentId, type PostingId } from '../ledger/id.ts'
import type { PaymentKind } from '../ledger/payment.ts'
import type { Direction } from '../payments/operations.ts'
import { DESCRIPTION } from '../payments/read.ts'
import type { Period } from './period.ts'

// A statement is read in pieces by the keys of its postings, so that a year with a million operations needs no more
// memory, and no longer transaction, than a week with ten. That nothing comes in between: the postings of a user's
// account are committed in the order of their ids, as its row is locked, so what stands up to one id is settled once
// what was under way is waited for. Those of a technical account are not.

/** One movement on the account. Amounts in minor units; time in RFC 3339 UTC. */
export type StatementLine = {
  readonly postingId: PostingId
  readonly paymentId: PaymentId
  readonly kind: PaymentKind | 'fee'
  /** debit: money in; credit: money out. */
  readonly direction: Direction
  readonly amount: bigint
  readonly balanceAfter: bigint
  /** The other side: a user's display name or e-mail, or the code of a technical account. */
  readonly counterparty: string
  readonly description: string | null
  readonly createdAt: string
}

/** An account over a period: `opening` and all its lines add up to `closing`. Minor units. */
export type Statement = {
  readonly account: AccountState
  /** Whose it is: a display name or e-mail, or the code of a technical account. */
  readonly holder: string
  readonly period: Period
  /** When the statement was made. */
  readonly madeAt: Instant
  readonly opening: bigint
  readonly closing: bigint
  /** The balance at `count` moments from the beginning of the period to its end. */
  readonly curve: (count: number) => Promise<BalanceCurve>
  /** The greatest amount of a line; 0 without any. */
  readonly largest: () => Promise<bigint>
  /** In order of time, from the database in pieces that are never empty. */
  readonly lines: () => AsyncGenerator<StatementLine[]>
}

/** What was there at a few moments of a period, for a picture of the balance. Minor units. */
export type BalanceCurve = readonly (readonly [at: Instant, balance: bigint])[]

/** Sums of the lines that went by, for the foot of a statement. */
export type Movements = { count: number; moneyIn: bigint; moneyOut: bigint }

/** Adds a piece of lines to sums. */
export function addMovements(sums: Movements, lines: readonly StatementLine[]): void {
  sums.count += lines.length
  for (const { direction, amount } of lines) {
    if (direction === 'debit') sums.moneyIn += amount
    else sums.moneyOut += amount
  }
}

/**
 * The statement of an account of the book over a period that ends before `madeAt`, once all of it is settled. Undefined
 * where that takes too long, which happens to technical accounts only.
 */
export async function readStatement(
  client: Queryable,
  book: BookId,
  account: AccountState,
  holder: string,
  period: Period,
  madeAt: Instant,
): Promise<Statement | undefined> {
  if (!(await awaitPostings(client, book, account, period.to, madeAt))) return undefined
  const { balance: opening } = await balanceAt(client, book, account, (period.from - 1n) as Instant)
  const end = await endOf(client, book, account, period)
  const closing = end.balance ?? (await closingOf(client, book, account, period, opening))
  const bounds = { first: firstIdAt(period.from), last: end.last }
  return {
    account,
    holder,
    period,
    madeAt,
    opening,
    closing,
    curve: (count) => readCurve(client, book, account, period, closing, count),
    largest: () => readLargest(client, book, account, bounds),
    lines: () => readLines(client, book, account, opening, bounds),
  }
}

async function readCurve(
  client: Queryable,
  book: BookId,
  account: AccountState,
  { from, to }: Period,
  closing: bigint,
  count: number,
): Promise<BalanceCurve> {
  const moments = Array.from(
    { length: count - 1 },
    (_, index) => (from + ((to - from) * BigInt(index)) / BigInt(count - 1)) as Instant,
  )
  const before = moments.map((at) => (at - 1n) as Instant)
  const balances = await balancesAt(client, book, account, before)
  return [...moments.map((at, index) => [at, balances[index] ?? 0n] as const), [to, closing]]
}

type Bounds = { readonly first: string; readonly last: string | null }

type End = { readonly last: string | null; readonly balance: bigint | null }

/** The last posting of the account in a period, with the balance behind it where it has one. */
async function endOf(client: Queryable, book: BookId, account: AccountState, { from, to }: Period): Promise<End> {
  // Indexes: postings_by_debit, postings_by_credit.
  const { rows } = await client.query<{ id: string; balance: bigint | null }>({
    name: 'statement-end',
    text: `
      select id, balance
        from ((select id, debit_balance as balance from postings
                where book = $1 and debit_account = $2 and id >= $3 and id < $4 order by id desc limit 1)
              union all
              (select id, credit_balance from postings
                where book = $1 and credit_account = $2 and id >= $3 and id < $4 order by id desc limit 1)) last
       order by id desc
       limit 1`,
    values: [book, account.id, firstIdAt(from), firstIdAt(to)],
  })
  return { last: rows[0]?.id ?? null, balance: rows[0]?.balance ?? null }
}

async function closingOf(client: Queryable, book: BookId, account: AccountState, period: Period, opening: bigint) {
  if (account.userId !== null) return opening
  return (await balanceAt(client, book, account, (period.to - 1n) as Instant)).balance
}

async function readLargest(client: Queryable, book: BookId, account: AccountState, { first, last }: Bounds) {
  if (last === null) return 0n
  // Indexes: postings_by_debit, postings_by_credit.
  const { rows } = await client.query<{ largest: bigint }>({
    name: 'statement-largest',
    text: `
      select coalesce(max(amount), 0) as largest
        from (select amount from postings
               where book = $1 and debit_account = $2 and id >= $3 and id <= $4
              union all
              select amount from postings
               where book = $1 and credit_account = $2 and id >= $3 and id <= $4) sides`,
    values: [book, account.id, first, last],
  })
  return rows[0]?.largest ?? 0n
}

type Row = {
  id: PostingId
  payment_id: PaymentId
  kind: PaymentKind | 'fee'
  direction: Direction
  amount: bigint
  counterparty: string
  description: string | null
  created_at: string
}

const PIECE = 1_000

async function* readLines(
  client: Queryable,
  book: BookId,
  account: AccountState,
  opening: bigint,
  { first, last }: Bounds,
): AsyncGenerator<StatementLine[]> {
  if (last === null) return
  let balance = opening
  let from = first
  let statement = LINES_FROM
  for (;;) {
    const { rows } = await client.query<Row>({ ...statement, values: [book, account.id, from, last, PIECE] })
    const end = rows.at(-1)
    if (!end) return
    yield rows.map((row) => {
      balance += row.direction === 'debit' ? row.amount : -row.amount
      return toLine(row, balance)
    })
    from = end.id
    statement = LINES_AFTER
  }
}

function toLine(row: Row, balanceAfter: bigint): StatementLine {
  return {
    postingId: row.id,
    paymentId: row.payment_id,
    kind: row.kind,
    direction: row.direction,
    amount: row.amount,
    balanceAfter,
    counterparty: row.counterparty,
    description: row.description,
    createdAt: row.created_at,
  }
}

/** Indexes: postings_by_debit and postings_by_credit, each from where it was left, and primary keys. */
const linesOf = (comparison: '>' | '>=') => `
  select l.id, l.payment_id, l.kind, l.direction, l.amount, coalesce(${shownName('u')}, a.code) as counterparty,
         ${DESCRIPTION} as description, l.created_at
    from (select *
            from ((select id, payment_id, kind, 'debit' as direction, amount, credit_account as other, created_at
                     from postings
                    where book = $1 and debit_account = $2 and id ${comparison} $3 and id <= $4
                    order by id limit $5)
                  union all
                  (select id, payment_id, kind, 'credit', amount, debit_account, created_at
                     from postings
                    where book = $1 and credit_account = $2 and id ${comparison} $3 and id <= $4
                    order by id limit $5)) sides
           order by id
           limit $5) l
    join payments p on p.book = $1 and p.id = l.payment_id
    join accounts a on a.book = $1 and a.id = l.other
    left join accounts s on s.book = p.book and s.id = p.from_account
    left join accounts r on r.book = p.book and r.id = p.to_account
    left join users u on u.book = a.book and u.id = a.user_id
   order by l.id`
const LINES_FROM = { name: 'statement-lines-from', text: linesOf('>=') }
const LINES_AFTER = { name: 'statement-lines-after', text: linesOf('>') }
