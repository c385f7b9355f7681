import assert from 'node:assert/strict'
import { it } from 'node:test'
import { inTransaction } from '../src/database/connection.ts'
import { awaitSettled, isSettled, markNow } from '../src/database/settled.ts'
import type { Instant } from '../src/ledger/id.ts'
import { aDatabase } from './harness/cluster.ts'
import { aPool } from './harness/pool.ts'

it('a moment is settled when what began before it is done, whatever ended meanwhile', async () => {
  const pool = aPool(await aDatabase(), 3)
  const number = 'select pg_current_xact_id()'
  const mark = await inTransaction(pool, async (first) => {
    await first.query(number)
    const during = await inTransaction(pool, async (second) => {
      await second.query(number)
      const made = await markNow(pool)
      assert.equal(await isSettled(pool, made), false, 'two are under way')
      return made
    })
    assert.equal(await isSettled(pool, during), false, 'the first is under way')
    const { at } = await markNow(pool)
    assert.equal(await awaitSettled(pool, (at - 3_600_000_000n) as Instant, at), true, 'an hour ago nothing began')
    return during
  })
  assert.equal(await awaitSettled(pool, mark.at, mark.at), true)
  assert.equal(await isSettled(pool, mark), true)
})

it('a long transaction in another database of the server keeps nobody waiting', async () => {
  const [own, other] = [aPool(await aDatabase()), aPool(await aDatabase())]
  await inTransaction(other, async (client) => {
    await client.query('select pg_current_xact_id()')
    const { at } = await markNow(own)
    assert.equal(await awaitSettled(own, at, at), true)
  })
})

it('a long transaction in the database is waited for, and at last told of', async () => {
  const pool = aPool(await aDatabase(), 2)
  await inTransaction(pool, async (client) => {
    await client.query('select pg_current_xact_id()')
    const { at } = await markNow(pool)
    assert.equal(await awaitSettled(pool, at, at, 1_000), false)
  })
})
