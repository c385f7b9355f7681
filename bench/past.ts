import type pg from 'pg'
import { createPool, withOwner } from '../src/database/connection.ts'
import { formatInstant, parseInstant } from '../src/database/instant.ts'
import type { Instant } from '../src/ledger/id.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { keepNextTotals } from '../src/reports/keep_totals.ts'
import type { Weight } from './reports.ts'
import { MAIN } from './seed.ts'
import type { Server } from './server.ts'

// Payments of the past, written to the tables by the database's owner: a year of them through the API would take hours.
// They are for reading and for weight; the books are verified before.

/** Gives an account so many operations: payments of 1.00 into it, one every half minute up to now. */
export async function writeHistory(server: Server, from: string, to: string, count: number): Promise<void> {
  const values = [decodeId('acc', from), decodeId('acc', to), count]
  await fill(server, {
    payments: (client) =>
      client.query(
        `insert into payments (book, id, kind, status, from_account, to_account, currency, amount, fee, fee_payer,
                               asynchronous, created_at, completed_at, updated_at)
         select 1, ${idAt('8')}, 'transfer', 'completed', $1, $2, 'USD', 100, 0, 'receiver', false, ${TIME}, ${TIME}, ${TIME}
           from generate_series(1, $3::bigint) as i`,
        values,
      ),
    postings: (client) =>
      client.query(
        `insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account, debit_balance,
                               credit_balance, created_at)
         select 1, ${idAt('9')}, ${idAt('8')}, 'transfer', 'USD', 100, $2, $1, 100 * i, 100 * ($3::bigint - i), ${TIME}
           from generate_series(1, $3::bigint) as i`,
        values,
      ),
  })
}

/**
 * So many postings of payments with a fee, all of them older than any other: between the accounts, and of each twenty one
 * in by wire and one out to a wallet. The totals for reports are kept anew, as the gateway keeps them while it grows.
 */
export async function writeWeight(server: Server, accounts: readonly string[], postings: number): Promise<Weight> {
  const ids = accounts.map((id) => decodeId('acc', id))
  const payments = Math.floor(postings / 2)
  const isIn = 'i % 20 = 1'
  const isOut = 'i % 20 = 2'
  const kind = `case when ${isIn} then 'deposit' when ${isOut} then 'withdrawal' else 'transfer' end`
  const from = `case when ${isIn} then t.wire else one.id end`
  const to = `case when ${isOut} then t.wallet else other.id end`
  const feePayer = `case when ${isIn} then other.id else one.id end`
  const withAccounts = async (client: pg.Client) => {
    // Of an array in a column each subscript would read all of it.
    await client.query(
      `create temporary table a as
         select place - 1 as n, id from unnest($1::uuid[]) with ordinality as ids (id, place)`,
      [ids],
    )
    await client.query('analyze a')
  }
  const technical = (code: string) =>
    `(select id from accounts where book = 1 and code = '${code}' and currency = 'USD') as ${code}`
  const each = `
         from generate_series(1, $1::bigint) as i
         join a one on one.n = i * 7919 % ${ids.length}
         join a other on other.n = (i * 7919 + 13) % ${ids.length}
        cross join (select ${['internal', 'wire', 'wallet'].map(technical).join(', ')}) t
        order by i`
  await fill(server, {
    payments: async (client) => {
      await withAccounts(client)
      await client.query(
        `insert into payments (book, id, kind, status, from_account, to_account, currency, amount, fee, fee_payer,
                               asynchronous, created_at, completed_at, updated_at)
         select 1, ${idAt('a')}, ${kind}, 'completed', ${from}, ${to}, 'USD', 100, 2, 'receiver', false,
                ${TIME}, ${TIME}, ${TIME} ${each}`,
        [payments],
      )
    },
    postings: async (client) => {
      await withAccounts(client)
      await client.query(
        `insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account, debit_balance,
                               credit_balance, created_at)
         select 1, ${idAt('b')}, ${idAt('a')}, ${kind}, 'USD', 98, ${to}, ${from},
                case when ${isOut} then null else 98 end, case when ${isIn} then null else 0 end, ${TIME} ${each}`,
        [payments],
      )
      await client.query(
        `insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account, credit_balance,
                               created_at)
         select 1, ${idAt('8')}, ${idAt('a')}, 'fee', 'USD', 2, t.internal, ${feePayer}, 0, ${TIME} ${each}`,
        [payments],
      )
      await client.query('delete from posting_totals where book = 1')
    },
  })
  const end = (BEGUN + BigInt(payments + 1) * STEP) as Instant
  const pool = createPool(server.connection, 1, 'bench')
  while (await keepNextTotals(pool, MAIN.id, end));
  await pool.end()
  return { from: formatInstant(BEGUN), to: formatInstant(end), payments }
}

const BEGUN = parseInstant('2020-01-01T00:00:00Z') as Instant
const STEP = 30_000_000n

/** The time of the i-th of a series, the last of which is a day ago. */
const TIME = `(timestamptz '${formatInstant(BEGUN)}' + i * interval '${STEP} microseconds')`

/** An id that carries this time (ledger/id.ts); what follows keeps the ids of two series apart. */
const idAt = (variant: '8' | '9' | 'a' | 'b') =>
  `(lpad(to_hex((extract(epoch from ${TIME}) * 1000)::bigint), 12, '0') || '7000${variant}' || lpad(to_hex(i), 15, '0'))::uuid`

type Writing = (client: pg.Client) => Promise<unknown>

/** Fills both tables at the same time, as each takes a core. */
async function fill(server: Server, { payments, postings }: Record<'payments' | 'postings', Writing>): Promise<void> {
  await Promise.all([fillOne(server, 'payments', payments), fillOne(server, 'postings', postings)])
  await withOwner(server.connection, (client) => client.query('checkpoint'))
}

/** Lets rows in without the indexes of their table, which are built anew afterwards: many times faster. Keys stay. */
async function fillOne(server: Server, table: string, write: Writing): Promise<void> {
  await withOwner(server.connection, async (client) => {
    await client.query(`set statement_timeout = 0; set maintenance_work_mem = '512MB'`)
    const { rows } = await client.query<{ name: string; definition: string }>(
      `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
         from pg_index
        where indrelid = $1::regclass and not exists (select from pg_constraint where conindid = indexrelid)`,
      [table],
    )
    for (const { name } of rows) await client.query(`drop index ${name}`)
    await write(client)
    for (const { definition } of rows) await client.query(definition)
    await client.query(`vacuum analyze ${table}`)
  })
}
