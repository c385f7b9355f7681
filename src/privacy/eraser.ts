import { writeAudit } from '../audit/audit.ts'
import { DETAIL } from '../audit/subject.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { type Lookout, roundsWhere } from '../database/lookout.ts'
import { ERASED_NAME, ownField, ownText } from '../database/personal_fields.ts'
import type { Rounds } from '../database/rounds.ts'
import type { AccountId, BookId, PaymentId, UserId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import type { Log } from '../log.ts'

/** Of one transaction: those behind it wait no longer than for a large batch of payments. */
const MOST_AT_ONCE = 1_000
/** Of a table that has no index for what is looked for. */
const MOST_LOOKED_AT = 20_000
const FIRST = '00000000-0000-0000-0000-000000000000'

const BOOKS_WITH_WORK = `
  select k.book from books k where exists (select from being_erased b where b.book = k.book)`

type Erasure = { readonly book: BookId; readonly user_id: UserId; readonly known_as: readonly string[] }

/**
 * Erases the data of the users for whom it was begun, on any number of nodes: step by step, each of which may be done
 * twice, so that another goes on where a node ends.
 */
export function createEraser(pool: Pool, lookout: Lookout, log: Log): Rounds {
  return roundsWhere(lookout, {
    books: BOOKS_WITH_WORK,
    round: () => eraseAll(pool),
    log,
    fault: 'could not erase the data of users',
  })
}

/** Returns how many were finished. */
async function eraseAll(pool: Pool): Promise<number> {
  await forgetHopelessJobs(pool)
  // Not while a transaction is under way that may still write something of theirs.
  const { rows } = await pool.query<Erasure>(
    `select r.book, r.user_id, ${ownField('r', 'known_as')}::jsonb as known_as
       from erasures r
       join being_erased b on b.book = r.book and b.user_id = r.user_id
      where r.txid < pg_snapshot_xmin(pg_current_snapshot())
      order by r.asked_at`,
  )
  let finished = 0
  for (const erasure of rows) if (await erase(pool, erasure)) finished += 1
  return finished
}

async function erase(pool: Pool, erasure: Erasure): Promise<boolean> {
  const { book, user_id: userId } = erasure
  const accounts = await accountsOf(pool, book, userId)
  for (const account of accounts) await erasePayments(pool, erasure, account)
  await eraseFromAnswers(pool, erasure, await namesOf(pool, erasure))
  await eraseTextsFromAnswers(pool, erasure, accounts)
  await eraseAuditLines(pool, erasure)
  await eraseEvents(pool, erasure)
  while ((await eraseDeliveries(pool, erasure)) > 0n) {}
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ finished: boolean }>('select finish_erasure($1, $2) as finished', [
      book,
      userId,
    ])
    if (!rows[0]?.finished) return false
    const at = await readClock(client)
    const actor = { userId: null, tokenId: null, address: null, requestId: null }
    await writeAudit(client, book, at, idsAt(at), [{ actor, action: 'erasure.finish', objectId: userId, detail: {} }])
    return true
  })
}

/** Index: accounts_by_user. */
async function accountsOf(client: Queryable, book: BookId, userId: UserId): Promise<AccountId[]> {
  const { rows } = await client.query<{ id: AccountId }>('select id from accounts where book = $1 and user_id = $2', [
    book,
    userId,
  ])
  return rows.map(({ id }) => id)
}

async function erasePayments(pool: Pool, { book, user_id: userId }: Erasure, account: AccountId): Promise<void> {
  for (let behind: PaymentId | string | null = FIRST; behind !== null; ) {
    const { rows }: { rows: { last: PaymentId | null }[] } = await pool.query(
      'select erase_payments($1, $2, $3, $4, $5) as last',
      [book, userId, account, behind, MOST_AT_ONCE],
    )
    behind = rows[0]?.last ?? null
  }
}

async function eraseEvents(pool: Pool, { book, user_id: userId }: Erasure): Promise<void> {
  for (let [txid, id] = ['0', FIRST]; ; ) {
    const { rows } = await pool.query<{ last_txid: string; last_id: string }>(
      'select * from erase_events($1, $2, $3::text::xid8, $4, $5)',
      [book, userId, txid, id, MOST_AT_ONCE],
    )
    const [last] = rows
    if (!last) return
    ;[txid, id] = [last.last_txid, last.last_id]
  }
}

async function eraseAuditLines(pool: Pool, { book, user_id: userId }: Erasure): Promise<void> {
  const lines = findAll(
    pool,
    `select l.id as key, (l.actor_id = $3 or l.object_id = $3) is true as found, null as name
       from audit_log l where l.book = $1 and l.id > $2 order by l.id limit ${MOST_LOOKED_AT}`,
    [book, userId],
  )
  for await (const found of lines) {
    await pool.query('select erase_audit_lines($1, $2, $3)', [book, userId, found.map(({ key }) => key)])
  }
}

/** All addresses and display names that the user ever had. */
async function namesOf(pool: Pool, { book, user_id: userId, known_as: last }: Erasure): Promise<Set<string>> {
  const names = new Set(last)
  const lines = findAll(
    pool,
    `select l.id as key, o.found, case when o.found then ${DETAIL}::jsonb ->> 'from' end as name
       from audit_log l
      cross join lateral (select l.object_id = $3 and l.action in ('user.change_email', 'user.rename') as found) o
      where l.book = $1 and l.id > $2 order by l.id limit ${MOST_LOOKED_AT}`,
    [book, userId],
  )
  for await (const found of lines) for (const { name } of found) if (name !== null) names.add(name)
  return names
}

/** What others were answered, and would be again for the same key, shows the user as everything else does now. */
async function eraseFromAnswers(pool: Pool, { book }: Erasure, names: Iterable<string>): Promise<void> {
  for (const name of names) {
    const written = JSON.stringify(name)
    const answers = findAll(
      pool,
      `select k.key, position($3 in ${ownText('k', 'answer')}) > 0 as found, null as name
         from idempotency_keys k where k.book = $1 and k.key > $2 order by k.key limit ${MOST_LOOKED_AT}`,
      [book, written],
    )
    for await (const found of answers) {
      await pool.query(
        `update idempotency_keys k set answer = stored_text(k.book, k.user_id, replace(${ownText('k', 'answer')}, $3, $4))
          where k.book = $1 and k.key = any($2)`,
        [book, found.map(({ key }) => key), written, JSON.stringify(ERASED_NAME)],
      )
    }
  }
}

/**
 * Who ended a payment of the user's, or made a schedule for them, was answered with its texts, which are the user's: by the
 * same rule as in erase_payments.
 */
async function eraseTextsFromAnswers(pool: Pool, { book }: Erasure, accounts: readonly AccountId[]): Promise<void> {
  const answers = findAll(
    pool,
    `select k.key, null as name,
            case a.answer ->> 'kind' when 'adjustment' then false
                                     when 'deposit'    then a.answer ->> 'to_account' = any($3::text[])
                 else a.answer ->> 'from_account' = any($3::text[]) end is true as found
       from idempotency_keys k
      cross join lateral (select ${ownText('k', 'answer')}::jsonb as answer) a
      where k.book = $1 and k.key > $2 order by k.key limit ${MOST_LOOKED_AT}`,
    [book, accounts.map((id) => encodeId('acc', id))],
  )
  for await (const found of answers) {
    await pool.query(
      `update idempotency_keys k set answer = stored_text(k.book, k.user_id,
                                (${ownText('k', 'answer')}::jsonb || '{"description": null, "metadata": {}}')::text)
        where k.book = $1 and k.key = any($2)`,
      [book, found.map(({ key }) => key)],
    )
  }
}

type Found = { readonly key: string; readonly name: string | null }

/**
 * Reads a whole table by its key, which holds up nobody, and gives what is found in it: rows of the statement where
 * `found`, whose `$2` is the key behind which it goes on.
 */
async function* findAll(
  pool: Pool,
  text: string,
  [book, wanted]: [BookId, string | string[]],
): AsyncGenerator<Found[]> {
  for (let behind: string | undefined = FIRST; behind !== undefined; ) {
    const { rows }: { rows: (Found & { found: boolean; last: string })[] } = await pool.query(
      `with looked as materialized (${text})
       select * from (select l.*, last_value(key) over every as last from looked l window every as (order by key range between unbounded preceding and unbounded following)) l where found or key = last`,
      [book, behind, wanted],
    )
    const found = rows.filter((row) => row.found)
    if (found.length > 0) yield found
    behind = rows[0]?.last
  }
}

async function eraseDeliveries(pool: Pool, { book, user_id: userId }: Erasure): Promise<bigint> {
  const { rows } = await pool.query<{ gone: bigint }>('select erase_deliveries($1, $2, $3) as gone', [
    book,
    userId,
    MOST_AT_ONCE,
  ])
  return rows[0]?.gone ?? 0n
}

/** Mails that could not be sent in four days of trying name whom they were for. */
async function forgetHopelessJobs(pool: Pool): Promise<void> {
  await pool.query(`delete from graphile_worker._private_jobs where attempts >= max_attempts and locked_at is null`)
}
