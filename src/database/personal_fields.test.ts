import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { aDatabase } from '../../test/harness/cluster.ts'
import { aPool } from '../../test/harness/pool.ts'
import { type Pool, withOwner } from './connection.ts'
import { newUserKey, readStoredText } from './personal_fields.ts'

const [ADA, NOBODY] = ['00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-00000000000b']
const key = newUserKey()
let pool: Pool

before(async () => {
  const database = await aDatabase()
  await withOwner(database, (client) =>
    client.query('insert into user_keys (book, user_id, key) values (1, $1, $2)', [ADA, key]),
  )
  pool = aPool(database, 4)
})

async function stored(user: string | null, text: string | null): Promise<Buffer | null> {
  const { rows } = await pool.query('select stored_text(1, $1, $2) as stored', [user, text])
  return rows[0].stored
}

async function shown(user: string | null, content: Buffer | null): Promise<string | null> {
  const { rows } = await pool.query('select shown_text(1, $1, $2) as shown', [user, content])
  return rows[0].shown
}

/** What PostgreSQL takes for a text. */
const texts = fc.string({ unit: 'grapheme', maxLength: 200 }).filter((text) => !text.includes('\0'))

describe('a text', () => {
  it('of a user is read with their key, by PostgreSQL and by us, and is another each time it is stored', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const [one, other] = [await stored(ADA, text), await stored(ADA, text)]
        assert.ok(one && other && !one.equals(other))
        assert.equal(await shown(ADA, one), text)
        assert.equal(readStoredText(one, key), text)
        if (text.length > 3) assert.ok(!one.includes(text))
      }),
      { numRuns: 50 },
    )
  })

  it('is nothing to whoever has another key or none, and no fault', async () => {
    const one = await stored(ADA, 'for Ada only')
    assert.ok(one)
    assert.equal(await shown(NOBODY, one), null)
    assert.equal(await shown(null, one), null)
    for (const wrong of [newUserKey(), null]) assert.notEqual(readStoredText(one, wrong), 'for Ada only')
    await withOwner(await withAnotherKey(), async (client) => {
      const { rows } = await client.query('select shown_text(1, $1, $2) as shown', [ADA, one])
      assert.equal(rows[0].shown, null)
    })
  })

  it('of the house, or of somebody who has no key, is kept as it is', async () => {
    for (const user of [null, NOBODY]) {
      const one = await stored(user, 'Opening balance')
      assert.ok(one)
      assert.ok(one.includes('Opening balance'))
      assert.equal(await shown(user, one), 'Opening balance')
      assert.equal(readStoredText(one, null), 'Opening balance')
    }
    assert.equal(await stored(ADA, null), null)
    assert.equal(await shown(ADA, null), null)
  })

  it('that was changed is no text', async () => {
    const one = await stored(ADA, 'for Ada only')
    assert.ok(one)
    assert.equal(readStoredText(one.subarray(0, 30), key), undefined)
    assert.equal(readStoredText(Buffer.concat([Buffer.of(7), one.subarray(1)]), key), undefined)
  })
})

/** A database where Ada has another key. */
async function withAnotherKey() {
  const database = await aDatabase()
  await withOwner(database, (client) =>
    client.query('insert into user_keys (book, user_id, key) values (1, $1, $2)', [ADA, newUserKey()]),
  )
  return database
}
