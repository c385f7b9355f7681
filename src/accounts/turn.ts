import type { Client } from '../database/connection.ts'
import { takeTurn } from '../database/turn.ts'
import type { BookId, UserId } from '../ledger/id.ts'

/**
 * Lets whoever opens or changes accounts of a user take turns until the end of the transaction, before it locks or writes
 * anything: by the locks alone one with a smaller transaction number could wait for one with a greater, and their events
 * are told in the order of these numbers.
 */
export async function takeAccountsTurn(client: Client, book: BookId, userId: UserId): Promise<void> {
  await takeTurn(client, `accounts ${book}/${userId}`)
}
