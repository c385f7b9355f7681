import { type Client, inTransaction, type Pool } from './connection.ts'
import { isRaceLost } from './faults.ts'

const MOST_RACES = 5

/** Runs `work` in one transaction, and again where that lost a race to another one. */
export async function inTransactionAfterRaces<T>(pool: Pool, work: (client: Client) => Promise<T>): Promise<T> {
  for (let races = 0; ; races += 1) {
    try {
      return await inTransaction(pool, work)
    } catch (error) {
      if (!isRaceLost(error) || races >= MOST_RACES) throw error
    }
  }
}
