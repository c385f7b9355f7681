import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { aDatabase } from '../../test/harness/cluster.ts'
import { aPool } from '../../test/harness/pool.ts'
import { jsons, numerics, texts, uuids } from './binary_arrays.ts'
import type { Pool } from './connection.ts'

let pool: Pool
before(async () => {
  pool = aPool(await aDatabase())
})

async function stored(type: string, values: Buffer): Promise<(string | null)[]> {
  const { rows } = await pool.query(
    `select v::text as v from unnest($1::${type}[]) with ordinality as u (v, n) order by n`,
    [values],
  )
  return rows.map(({ v }) => v)
}

/** What any array may be: empty, with nulls, with one thing many times. */
const lists = <T>(of: fc.Arbitrary<T>) => fc.array(fc.option(of, { freq: 6 }), { maxLength: 30 })

describe('an array goes to the database as it is', () => {
  it('of whole numbers up to the largest and down to the smallest that there can be', async () => {
    const most = 10n ** 38n - 1n
    const whole = fc.oneof(fc.bigInt(-20_000n, 20_000n), fc.bigInt(-(2n ** 60n), 2n ** 60n), fc.bigInt(-most, most))
    await fc.assert(
      fc.asyncProperty(lists(whole), async (values) => {
        assert.deepEqual(
          await stored('numeric', numerics(values)),
          values.map((value) => value?.toString() ?? null),
        )
      }),
    )
    const edges = [0n, 1n, -1n, 9_999n, 10_000n, 10n ** 37n, most, -most, BigInt(Number.MAX_SAFE_INTEGER) + 1n]
    assert.deepEqual(await stored('numeric', numerics(edges)), edges.map(String))
  })

  it('of texts in any script', async () => {
    const text = fc.string({ unit: 'binary' }).map((any) => any.replaceAll('\0', ''))
    await fc.assert(
      fc.asyncProperty(lists(text), async (values) => {
        assert.deepEqual(await stored('text', texts(values)), values)
      }),
    )
  })

  it('of ids', async () => {
    const id = fc.uuid()
    await fc.assert(
      fc.asyncProperty(lists(id), async (values) => {
        assert.deepEqual(await stored('uuid', uuids(values)), values)
      }),
    )
    const upper = randomUUID().toUpperCase()
    assert.deepEqual(await stored('uuid', uuids([upper])), [upper.toLowerCase()])
    for (const none of ['0190', '', upper.slice(1), upper.slice(0, -1), `${upper}0`, upper.replace('-4', '-g')])
      assert.throws(() => uuids([none]), /no UUID/)
  })

  it('of JSON', async () => {
    await fc.assert(
      fc.asyncProperty(lists(fc.dictionary(fc.string(), fc.string())), async (values) => {
        const written = values.map((value) => value && JSON.stringify(value).replaceAll('\\u0000', ''))
        const read = await stored('jsonb', jsons(written))
        assert.deepEqual(
          read.map((value) => value && JSON.parse(value)),
          written.map((value) => value && JSON.parse(value)),
        )
      }),
    )
  })
})
