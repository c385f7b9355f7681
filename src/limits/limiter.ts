import type { Pool } from '../database/connection.ts'
import type { Log } from '../log.ts'
import { createAttempts } from './attempts.ts'
import { createBuckets } from './buckets.ts'
import type { Limit } from './settings.ts'
import { type Taken, takeExactly } from './take.ts'

/** The three ways in which something is counted against abuse. */
export function createLimiter(pool: Pool, log: Log) {
  const { take, stop } = createBuckets(pool, log)
  return {
    take,
    takeExactly: (key: string, limit: Limit): Promise<Taken> => takeExactly(pool, key, limit),
    attempts: createAttempts(pool),
    stop,
  }
}
