import { writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { tryEach } from '../database/each_book.ts'
import { type Lookout, roundsWhere } from '../database/lookout.ts'
import { ERASED_NAME, ownText } from '../database/personal_fields.ts'
import type { Rounds } from '../database/rounds.ts'
import { lookWhatIsSettled, type Mark, markNow } from '../database/settled.ts'
import { type AccountId, type BookId, NIL, type PaymentId, type UserId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import type { Log } from '../log.ts'

/** Of one transaction: those behind it wait no longer than for a large batch of payments. */
const MOST_AT_ONCE = 1_000
/** Of a table that has no index for what is looked for. */
const MOST_LOOKED_AT = 20_000

const BOOKS_WITH_WORK = `
  select k.book from books k where exists (select from being_erased b where b.book = k.book)`

/** When each erasure was first seen here, by the number of its transaction. */
type Seen = Map<string, Mark>

type Erasure = { readonly book: BookId; readonly user_id: UserId; readonly stopping: AbortSignal }

/**
 * Erases the data of the users for whom it was begun, on any number of nodes: step by step, each of which may be done
 * twice, so that a node that is stopped ends between two of them, and another begins anew.
 */
export function createEraser(pool: Pool, lookout: Lookout, log: Log): Rounds {
  const seen: Seen = new Map()
  return roundsWhere(lookout, {
    books: BOOKS_WITH_WORK,
    round: (stopping) => eraseAll(pool, seen, stopping, log),
    log,
    fault: 'could not erase the data of users',
  })
}

/** Returns how many were finished. What fails of one user takes no other their turn. A database that is away ends it at once. */
async function eraseAll(pool: Pool, seen: Seen, stopping: AbortSignal, log: Log): Promise<number> {
  const { rows } = await pool.query<Omit<Erasure, 'stopping'> & { readonly txid: string }>(
    `select r.book, r.user_id, r.txid::text
       from erasures r
       join being_erased b on b.book = r.book and b.user_id = r.user_id
      order by r.asked_at`,
  )
  const now = rows.some(({ txid }) => !seen.has(txid)) ? await markNow(pool) : undefined
  for (const { txid } of rows) if (now && !seen.has(txid)) seen.set(txid, now)
  for (const txid of seen.keys()) if (!rows.some((row) => row.txid === txid)) seen.delete(txid)
  const isSettled = rows.length > 0 ? await lookWhatIsSettled(pool) : () => false
  let finished = 0
  await tryEach(
    rows,
    async ({ txid, ...erasure }) => {
      // Not while a transaction is under way that may not have seen it when it wrote something of theirs.
      const mark = seen.get(txid)
      if (!mark || !isSettled(mark)) return
      if (await erase(pool, { ...erasure, stopping })) finished += 1
    },
    (error, { user_id: userId }) => {
      if (stopping.aborted) throw error
      log.error({ err: error, user: encodeId('usr', userId) }, 'could not erase the data of a user')
    },
  )
  await forgetHopelessJobs(pool)
  return finished
}

async function erase(pool: Pool, erasure: Erasure): Promise<boolean> {
  const { book, user_id: userId, stopping } = erasure
  const accounts = await accountsOf(pool, book, userId)
  for (const account of accounts) await erasePayments(pool, erasure, account)
  await eraseFromAnswers(pool, erasure, accounts)
  await eraseAuditLines(pool, erasure)
  await eraseEvents(pool, erasure)
  while ((await eraseDeliveries(pool, erasure)) > 0n) {}
  stopping.throwIfAborted()
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

async function erasePayments(pool: Pool, erasure: Erasure, account: AccountId): Promise<void> {
  const { book, user_id: userId, stopping } = erasure
  for (let behind: PaymentId | string | null = NIL; behind !== null; ) {
    stopping.throwIfAborted()
    const { rows }: { rows: { last: PaymentId | null }[] } = await pool.query(
      'select erase_payments($1, $2, $3, $4, $5) as last',
      [book, userId, account, behind, MOST_AT_ONCE],
    )
    behind = rows[0]?.last ?? null
  }
}

async function eraseEvents(pool: Pool, { book, user_id: userId, stopping }: Erasure): Promise<void> {
  for (let [txid, id] = ['0', NIL]; ; ) {
    stopping.throwIfAborted()
    const { rows } = await pool.query<{ last_txid: string; last_id: string }>(
      'select * from erase_events($1, $2, $3::text::xid8, $4, $5)',
      [book, userId, txid, id, MOST_AT_ONCE],
    )
    const [last] = rows
    if (!last) return
    ;[txid, id] = [last.last_txid, last.last_id]
  }
}

async function eraseAuditLines(pool: Pool, erasure: Erasure): Promise<void> {
  const { book, user_id: userId } = erasure
  const lines = findAll(
    pool,
    erasure,
    `select l.id as key, (l.actor_id = $3 or l.object_id = $3) is true as found
       from audit_log l where l.book = $1 and l.id > $2 order by l.id limit ${MOST_LOOKED_AT}`,
    userId,
  )
  for await (const found of lines) await pool.query('select erase_audit_lines($1, $2, $3)', [book, userId, found])
}

/** A kept answer `a.answer`, read once; `offset 0` keeps it from being decrypted wherever it is named. */
const READ_ANSWER = `(select ${ownText('k', 'answer')}::jsonb as answer offset 0) a`

/**
 * What becomes of it, where `$3` are the user's accounts: in payments it shows the user as everything else does now, and
 * texts of payments and schedules are gone where they are the user's, by the same rule as in erase_payments. Other answers
 * to others name nobody.
 */
const ANSWER_WITHOUT = `
  a.answer
  || case when a.answer ? 'sender'   and a.answer ->> 'from_account' = any($3::text[])
          then '{"sender": "${ERASED_NAME}"}'::jsonb else '{}' end
  || case when a.answer ? 'receiver' and a.answer ->> 'to_account'   = any($3::text[])
          then '{"receiver": "${ERASED_NAME}"}'::jsonb else '{}' end
  || case when case a.answer ->> 'kind' when 'adjustment' then false
                                        when 'deposit'    then a.answer ->> 'to_account' = any($3::text[])
                    else a.answer ->> 'from_account' = any($3::text[]) end
          then '{"description": null, "metadata": {}}'::jsonb else '{}' end`

/** What others were answered, and would be again for the same key. Goes by accounts, as names are anybody's. */
async function eraseFromAnswers(pool: Pool, erasure: Erasure, accounts: readonly AccountId[]): Promise<void> {
  const theirs = accounts.map((id) => encodeId('acc', id))
  const answers = findAll(
    pool,
    erasure,
    `select k.key, (${ANSWER_WITHOUT}) is distinct from a.answer as found
       from (select * from idempotency_keys where book = $1 and key > $2 order by key limit ${MOST_AT_ONCE}) k
      cross join lateral ${READ_ANSWER}`,
    theirs,
  )
  for await (const found of answers) {
    await pool.query(
      `update idempotency_keys k
          set answer = stored_text(k.book, k.user_id, (select (${ANSWER_WITHOUT})::text from ${READ_ANSWER}))
        where k.book = $1 and k.key = any($2)`,
      [erasure.book, found, theirs],
    )
  }
}

/**
 * Reads a whole table by its key, which holds up nobody, and gives the keys of what is found in it: rows of the statement
 * where `found`, whose `$2` is the key behind which it goes on, and whose `$3` is what is wanted.
 */
async function* findAll(
  pool: Pool,
  { book, stopping }: Erasure,
  text: string,
  wanted: string | string[],
): AsyncGenerator<string[]> {
  for (let behind: string | undefined = NIL; behind !== undefined; ) {
    stopping.throwIfAborted()
    const { rows }: { rows: { key: string; found: boolean; last: string }[] } = await pool.query(
      `with looked as materialized (${text})
       select * from (select l.*, last_value(key) over every as last from looked l window every as (order by key range between unbounded preceding and unbounded following)) l where found or key = last`,
      [book, behind, wanted],
    )
    const found = rows.filter((row) => row.found).map(({ key }) => key)
    if (found.length > 0) yield found
    behind = rows[0]?.last
  }
}

async function eraseDeliveries(pool: Pool, { book, user_id: userId, stopping }: Erasure): Promise<bigint> {
  stopping.throwIfAborted()
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
