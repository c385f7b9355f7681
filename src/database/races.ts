import { type Client, inTransaction, type Pool } from './connection.ts'
import { isRaceLost, isUniqueViolation } from './faults.ts'

const MOST_RACES = 5

/**
 * Runs `work` in one transaction, and again where that lost a race to another one, also to the payment of the same
 * idempotency key, which it then finds.
 */
export async function inTransactionAfterRaces<T>(pool: Pool, work: (client: Client) => Promise<T>): Promise<T> {
  for (let races = 0; ; races += 1) {
    try {
      return await inTransaction(pool, work)
    } catch (error) {
      const isRace = isRaceLost(error) || isUniqueViolation(error, 'payments_idempotency')
      if (!isRace || races >= MOST_RACES) throw error
    }
  }
}
