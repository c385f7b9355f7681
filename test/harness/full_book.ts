import { withOwner } from '../../src/database/connection.ts'
import { formatInstant, parseInstant } from '../../src/database/instant.ts'
import type { AccountId, Instant, PaymentId, UserId, WebhookId } from '../../src/ledger/id.ts'
import type { TestCluster } from './cluster.ts'

// A book with a million operations, written as its owner: tables first, then their indexes, as that is fastest.

export const PAYMENTS = 250_000
const EVENTS = 100_000
const USERS = 1_000
const BEGUN = parseInstant('2026-01-01T00:00:00Z') as Instant
/** One payment each two minutes, for most of a year. */
const STEP_MS = 120_000

/** When the payment of that number was made. */
export const timeOf = (number: number) => formatInstant((BEGUN + BigInt(number * STEP_MS) * 1_000n) as Instant)

const id = (kind: number, number: string) =>
  `('00000000-0000-7000-800${kind}-' || lpad(to_hex(${number}), 12, '0'))::uuid`
const idAt = (number: string, kind: string) =>
  `(lpad(to_hex(${BEGUN / 1_000n} + ${number} * ${STEP_MS}::bigint), 12, '0') || '7000800' || ${kind}
    || lpad(to_hex(${number}), 12, '0'))::uuid`
const at = (number: string) => `timestamptz '${formatInstant(BEGUN)}' + ${number} * interval '${STEP_MS} milliseconds'`

const plainId = (kind: string, number: number) =>
  `00000000-0000-7000-8${kind}-${number.toString(16).padStart(12, '0')}` as unknown

/** A user who pays every fourth payment, and whom nobody pays. */
export const BUSY = plainId('001', 0) as UserId
export const BUSY_ACCOUNT = plainId('002', 0) as AccountId
export const INTERNAL = plainId('003', 0) as AccountId
export const WEBHOOK = plainId('004', 0) as WebhookId

/** Who pays payment `n`, and who is paid. */
const FROM = `case when n % 4 = 0 then 0 else 1 + n % (${USERS} - 1) end`
const TO = `1 + (n + 7) % (${USERS} - 1)`

const FEW_ROWS = `
  insert into books (name, created_at) values ('main', now());
  insert into currencies values (1, 'USD', 2), (1, 'JPY', 0);
  insert into user_keys (book, user_id, key) select 1, ${id(1, 'n')}, gen_random_bytes(32) from generate_series(0, ${USERS - 1}) n;
  insert into users (book, id, email, email_key, created_at)
    select book, user_id, encrypted(book, user_id, user_id || '@example.com'), address_hash(user_id || '@example.com'), now()
      from user_keys;
  insert into accounts (book, id, user_id, code, currency, name, created_at, updated_at)
    select 1, ${id(2, 'n')}, ${id(1, 'n')}, null, 'USD', stored_text(1, null, 'account'), now(), now() from generate_series(0, ${USERS - 1}) n
    union all select 1, ${id(3, '0')}, null, 'internal', 'USD', stored_text(1, null, 'internal'), now(), now();
  insert into webhooks (book, id, user_id, url, events, secret, created_at, updated_at)
    values (1, '${WEBHOOK}', '${BUSY}', stored_text(1, null, 'https://example.com'), '{*}', '', now(), now())`

const MANY_ROWS: Readonly<Record<string, string>> = {
  payments: `
    insert into payments (book, id, kind, status, from_account, to_account, currency, amount, fee, fee_payer, description,
                          metadata, asynchronous, created_at, completed_at, updated_at)
      select 1, ${idAt('n', '1')}, 'transfer', 'completed', ${id(2, FROM)}, ${id(2, TO)}, 'USD', 100 + n % 1000, 2,
             'receiver', stored_text(1, null, 'payment'), stored_text(1, null, '{"order": "1"}'), false, ${at('n')}, ${at('n')}, ${at('n')}
        from generate_series(0, ${PAYMENTS - 1}) n`,
  initiated: `
    insert into initiated (book, payment_id, attempt_at, from_account, to_account)
      select 1, ${idAt('n', '1')}, ${at('n')}, ${id(2, FROM)}, ${id(2, TO)} from generate_series(${PAYMENTS / 2}, ${PAYMENTS - 1}, 10) n`,
  holds: `
    insert into holds (book, payment_id, expires_at, from_account, to_account)
      select 1, ${idAt('n', '1')}, ${at('n')}, ${id(2, FROM)}, ${id(2, TO)} from generate_series(${PAYMENTS / 2 + 1}, ${PAYMENTS - 1}, 10) n`,
  postings: `
    insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account, debit_balance,
                          credit_balance, created_at)
      select 1, ${idAt('n', '1 + part')}, ${idAt('n', '1')}, case part when 0 then 'transfer' else 'fee' end, 'USD',
             case part when 0 then 98 + n % 1000 else 2 end,
             case part when 0 then ${id(2, TO)} else ${id(3, '0')} end, ${id(2, FROM)},
             case part when 0 then n end, n, ${at('n')}
        from generate_series(0, ${PAYMENTS - 1}) n, generate_series(0, 1) part order by n, part`,
  events: `
    insert into events (book, txid, id, type, object_id, viewer, other_viewer, created_at)
      select 1, (1000 + n)::text::xid8, ${idAt('n', '1')}, 'payment.completed', ${idAt('n', '1')}, ${id(1, FROM)}, ${id(1, TO)}, ${at('n')}
        from generate_series(0, ${EVENTS - 1}) n`,
  audit_log: `
    insert into audit_log (book, id, actor_id, action, object_id, detail, created_at)
      select 1, ${idAt('n', '1')}, ${id(1, '1')}, 'account.freeze', ${id(2, '1')}, null, ${at('n')}
        from generate_series(0, 99999) n`,
  webhook_deliveries: `
    insert into webhook_deliveries (book, id, webhook_id, event_id, event_type, object_id, body, status, due_at,
                                    completed_at, created_at)
      select 1, ${idAt('n', '1')}, '${WEBHOOK}', ${idAt('n', '2')}, 'payment.completed', ${idAt('n', '1')}, stored_text(1, null, '{}'),
             'succeeded', ${at('n')}, ${at('n')}, ${at('n')}
        from generate_series(0, 99999) n`,
}

/** A payment of which there is an event. */
export const TOLD = `${(BEGUN / 1_000n).toString(16).padStart(12, '0')}70008001000000000000` as unknown as PaymentId

/** Fills a migrated database. It has no gateway: what is read of it is read by the server's own functions. */
export async function fillBook(database: TestCluster): Promise<void> {
  await withOwner(database, async (client) => {
    await client.query(`set work_mem = '128MB'; set maintenance_work_mem = '256MB'`)
    await client.query(FEW_ROWS)
    for (const [table, insert] of Object.entries(MANY_ROWS)) {
      // Foreign keys to a primary key would keep it in its place; the one there is goes to webhook_deliveries.
      const { rows } = await client.query(
        `select format('drop index %s', indexrelid::regclass) as away, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') as back
           from pg_index i
          where indrelid = $1::regclass and not exists (select from pg_constraint where conindid = indexrelid)`,
        [table],
      )
      for (const { away } of rows) await client.query(away)
      await client.query(insert)
      for (const { back } of rows) await client.query(back)
      await client.query(`vacuum (analyze) ${table}`)
    }
    await client.query('analyze users, accounts')
  })
}
