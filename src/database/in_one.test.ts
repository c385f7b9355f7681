import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { anEmptyDatabase } from '../../test/harness/cluster.ts'
import { type Queryable, withOwner } from './connection.ts'
import { inOne } from './in_one.ts'

/** As a batch writes: each list of values in a table of its own. */
function add(client: Queryable, table: string, values: readonly number[], least: number): Promise<unknown> {
  return client.query({
    name: `add-to-${table}`,
    text: `insert into ${table} select v + $2 from unnest($1::int[]) as v`,
    values: [values, least],
  })
}

/** What became of two lists, in two tables of which the second takes nothing below zero, and how many statements it took. */
async function written(ones: readonly number[], others: readonly number[]) {
  return withOwner(await anEmptyDatabase(), async (client) => {
    await client.query('create table ones (number int); create table others (number int check (number >= 0))')
    const counting = { statements: 0 }
    const counted = {
      query: (statement: string) => {
        counting.statements += 1
        return client.query(statement)
      },
    } as unknown as Queryable
    const adding = inOne(counted, (gathered) => [add(gathered, 'ones', ones, 10), add(gathered, 'others', others, 0)])
    const fault = await adding.catch((error: Error) => error.message)
    const { rows } = await client.query(
      'select (select sum(number) from ones) as ones, (select sum(number) from others)',
    )
    return { ...counting, fault, ones: rows[0]?.ones, others: rows[0]?.sum }
  })
}

describe('statements that are sent as one', () => {
  test('each write what they were given', async () => {
    assert.deepEqual(await written([1, 2], [3, 4]), { statements: 1, fault: undefined, ones: 23n, others: 7n })
  })

  test('write nothing where one of them fails, and each says why', async () => {
    const { fault, ones } = await written([1, 2], [3, -4])
    assert.match(String(fault), /others_number_check/)
    assert.equal(ones, null)
  })

  test('are none where nothing was to be written', async () => {
    await inOne({ query: () => assert.fail('something was sent') } as unknown as Queryable, () => [])
  })
})
