import { idsAt, type NewId, readClock } from '../database/clock.ts'
import { inTransaction, type Pool, type Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { storedUnlessErased, textOfJson } from '../database/personal_fields.ts'
import type { AuditId, BookId, Id, Instant, TokenId, UserId } from '../ledger/id.ts'
import { ADDRESS_OWNER, SUBJECT } from './subject.ts'

/** Who did something, and from where; null throughout for the operator at the machine. */
export type Actor = {
  readonly userId: UserId | null
  readonly tokenId: TokenId | null
  readonly address: string | null
  readonly requestId: string | null
}

/** One line of the audit log. `detail` never holds a secret. */
export type AuditEntry = {
  readonly actor: Actor
  readonly action: string
  readonly objectId: Id<string> | null
  readonly detail: Readonly<Record<string, unknown>>
}

/** Adds one line in a transaction of its own: for what changes nothing else, such as a refusal. */
export async function writeAuditAlone(pool: Pool, book: BookId, entry: AuditEntry): Promise<void> {
  await inTransaction(pool, async (client) => {
    const at = await readClock(client)
    await writeAudit(client, book, at, idsAt(at), [entry])
  })
}

/**
 * The same where it may be about nobody: then as much is done and undone, so that nobody can tell, and nobody fills the
 * audit log with addresses that they made up.
 */
export async function writeAuditOfSomebody(
  pool: Pool,
  book: BookId,
  entry: Omit<AuditEntry, 'objectId'>,
  userId: UserId | undefined,
): Promise<void> {
  await inTransaction(pool, async (client) => {
    const at = await readClock(client)
    const newId = idsAt(at)
    await client.query('savepoint line')
    await writeAudit(client, book, at, newId, [{ ...entry, objectId: userId ?? newId<'user'>() }])
    await client.query(userId === undefined ? 'rollback to savepoint line' : 'release savepoint line')
  })
}

/**
 * Adds lines to the audit log, in the transaction of what they record. `newId` and `at` are the transaction's. One about
 * a user whose data are erased, or being erased, has none of their texts.
 */
export async function writeAudit(
  client: Queryable,
  book: BookId,
  at: Instant,
  newId: NewId,
  entries: readonly AuditEntry[],
): Promise<void> {
  if (entries.length === 0) return
  const ids: AuditId[] = entries.map(() => newId<'audit'>())
  await client.query({
    name: 'write-audit',
    text: `
      insert into audit_log (book, id, actor_id, token_id, action, object_id, detail, address, request_id, created_at)
      select $1, l.id, l.actor_id, l.token_id, l.action, l.object_id,
             ${storedUnlessErased('$1', SUBJECT, textOfJson('l.detail'))},
             ${storedUnlessErased('$1', ADDRESS_OWNER, 'l.address')},
             l.request_id, $2
        from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::jsonb[], $9::text[], $10::text[])
          as l (id, actor_id, token_id, action, object_id, detail, address, request_id)`,
    values: [
      book,
      formatInstant(at),
      ids,
      entries.map(({ actor }) => actor.userId),
      entries.map(({ actor }) => actor.tokenId),
      entries.map(({ action }) => action),
      entries.map(({ objectId }) => objectId),
      entries.map(({ detail }) => JSON.stringify(detail)),
      entries.map(({ actor }) => actor.address),
      entries.map(({ actor }) => actor.requestId),
    ],
  })
}
