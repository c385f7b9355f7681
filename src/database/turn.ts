import type { Queryable } from './connection.ts'

/**
 * Waits until nobody else has the turn of that name, and keeps it to the end of the transaction. It is no write: who waits
 * has no transaction number yet.
 */
export async function takeTurn(client: Queryable, name: string): Promise<void> {
  await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [name])
}
