import { CLOCK, readClock } from '../database/clock.ts'
import type { Client, Queryable } from '../database/connection.ts'
import { awaitSettled } from '../database/settled.ts'
import type { BookId } from '../ledger/id.ts'

/** The version of a book's rules as a column of any statement whose `$1` is the book; null where nothing was ever set. */
export const RULES_VERSION = '(select version from rule_versions where book = $1) as rules_version'

/**
 * Lets nobody else change a rule of the book until the transaction ends. Whoever changes or removes a rule takes
 * this lock before that of the rule's own row, by this or by bumpRules: else two of them could wait for each other.
 */
export async function lockRules(client: Client, book: BookId): Promise<void> {
  await client.query('select from rule_versions where book = $1 for no key update', [book])
}

/**
 * Notes that a rule of the book is about to be another, in the transaction that writes it. No number is given twice, also
 * where the commit that had it is lost in a failover: nodes may keep its rules still.
 */
export async function bumpRules(client: Client, book: BookId): Promise<void> {
  await client.query(
    `insert into rule_versions (book, version) values ($1, ${CLOCK})
         on conflict (book) do update set version = greatest(rule_versions.version + 1, excluded.version)`,
    [book],
  )
}

/**
 * Waits, for seconds at most, until no batch is under way that goes by the rules as they were before what is committed
 * now: it took no turns for a limit that it did not know, so whoever pays next would not see what it uses up.
 */
export async function awaitOlderBatches(client: Queryable): Promise<void> {
  const now = await readClock(client)
  await awaitSettled(client, now, now)
}
