import type pg from 'pg'
import { withOwner } from '../src/database/connection.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import type { Server } from './server.ts'

// Payments of the past, written to the tables by the database's owner: a year of them through the API would take hours.
// They are for reading and for weight; the books are verified before.

/** Gives an account so many operations: payments of 1.00 into it, one every half minute up to now. */
export async function writeHistory(server: Server, from: string, to: string, count: number): Promise<void> {
  const accounts = [decodeId('acc', from), decodeId('acc', to)]
  await withOwner(server.connection, (client) =>
    withoutIndexes(client, async () => {
      await client.query(
        `insert into payments (book, id, kind, status, from_account, to_account, currency, amount, fee, fee_payer, metadata,
                               asynchronous, created_at, completed_at, updated_at)
         select 1, ${idAt('8')}, 'transfer', 'completed', $1, $2, 'USD', 100, 0, 'receiver', '{}', false, ${TIME}, ${TIME}, ${TIME}
           from generate_series(1, $3::bigint) as i`,
        [...accounts, count],
      )
      await client.query(
        `insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account, debit_balance,
                               credit_balance, created_at)
         select 1, ${idAt('9')}, ${idAt('8')}, 'transfer', 'USD', 100, $2, $1, 100 * i, 100 * ($3::bigint - i), ${TIME}
           from generate_series(1, $3::bigint) as i`,
        [...accounts, count],
      )
    }),
  )
}

/** So many postings of payments with a fee between the accounts, all of them older than any other. */
export async function writeWeight(server: Server, accounts: readonly string[], postings: number): Promise<void> {
  const ids = accounts.map((id) => decodeId('acc', id))
  const payments = Math.floor(postings / 2)
  const account = (salt: number) => `a.ids[1 + (i * 7919 + ${salt}) % cardinality(a.ids)]`
  await withOwner(server.connection, (client) =>
    withoutIndexes(client, async () => {
      await client.query('create temporary table a as select $1::uuid[] as ids', [ids])
      const each = `from generate_series(1, $1::bigint) as i cross join a`
      await client.query(
        `insert into payments (book, id, kind, status, from_account, to_account, currency, amount, fee, fee_payer, metadata,
                               asynchronous, created_at, completed_at, updated_at)
         select 1, ${idAt('a')}, 'transfer', 'completed', ${account(0)}, ${account(13)}, 'USD', 100, 2, 'receiver', '{}', false,
                ${TIME}, ${TIME}, ${TIME} ${each}`,
        [payments],
      )
      await client.query(
        `insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account, debit_balance,
                               credit_balance, created_at)
         select 1, ${idAt('b')}, ${idAt('a')}, 'transfer', 'USD', 98, ${account(13)}, ${account(0)}, 98, 0, ${TIME} ${each}`,
        [payments],
      )
      await client.query(
        `insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account, credit_balance,
                               created_at)
         select 1, ${idAt('8')}, ${idAt('a')}, 'fee', 'USD', 2,
                (select id from accounts where book = 1 and code = 'internal' and currency = 'USD'), ${account(0)}, 0, ${TIME}
                ${each}`,
        [payments],
      )
    }),
  )
}

/** The time of the i-th of a series, the last of which is a day ago. */
const TIME = `(timestamptz '2020-01-01' + i * interval '30 seconds')`

/** An id that carries this time (ledger/id.ts); what follows keeps the ids of two series apart. */
const idAt = (variant: '8' | '9' | 'a' | 'b') =>
  `(lpad(to_hex((extract(epoch from ${TIME}) * 1000)::bigint), 12, '0') || '7000${variant}' || lpad(to_hex(i), 15, '0'))::uuid`

/** Lets rows in without their indexes, which are built anew afterwards: many times faster. Keys stay. */
async function withoutIndexes(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query(`set statement_timeout = 0; set maintenance_work_mem = '1GB'`)
  const { rows } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
       from pg_index
      where indrelid in ('payments'::regclass, 'postings'::regclass)
        and not exists (select from pg_constraint where conindid = indexrelid)`,
  )
  for (const { name } of rows) await client.query(`drop index ${name}`)
  await work()
  for (const { definition } of rows) await client.query(definition)
  await client.query('vacuum analyze payments')
  await client.query('vacuum analyze postings')
  await client.query('checkpoint')
}
