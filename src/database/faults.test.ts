import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isRaceLost, isUnavailable } from './faults.ts'

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const WHAT_POSTGRESQL_SAYS: readonly [code: string, what: string, means: 'away' | 'race' | 'fault'][] = [
  ['08006', 'the line is cut', 'away'],
  ['53100', 'the disk is full', 'away'],
  ['53200', 'there is no memory left for a moment', 'away'],
  ['53300', 'too many are connected', 'away'],
  ['57P01', 'it stops', 'away'],
  ['57P03', 'it starts', 'away'],
  ['25006', 'it only reads', 'away'],
  ['40001', 'another transaction was first', 'race'],
  ['40P01', 'two waited for each other', 'race'],
  ['23505', 'the key is taken', 'fault'],
  ['23514', 'a law of the books is broken', 'fault'],
  ['42501', 'the role may not', 'fault'],
]

describe('An error of PostgreSQL', () => {
  for (const [code, what, means] of WHAT_POSTGRESQL_SAYS) {
    it(`${code}, ${what}: ${means}`, () => {
      const error = Object.assign(new Error(what), { code })
      assert.deepEqual([isUnavailable(error), isRaceLost(error)], [means === 'away', means === 'race'])
    })
  }
})
