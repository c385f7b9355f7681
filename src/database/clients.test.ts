import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { aDatabase } from '../../test/harness/cluster.ts'
import { aPool } from '../../test/harness/pool.ts'
import { createClients } from './clients.ts'

const behindThisTurn = () => new Promise(setImmediate)

describe('a client that was given back', () => {
  test('is there at once for the next transaction of the same turn', async () => {
    const clients = createClients(aPool(await aDatabase()))
    const client = await clients.take()
    clients.give(client)
    assert.equal(clients.take(), client)
    clients.give(client)
  })

  test('is the pool’s again behind it, once however often it went from hand to hand', async () => {
    const pool = aPool(await aDatabase())
    const clients = createClients(pool)
    const client = await clients.take()
    clients.give(client)
    assert.equal(clients.take(), client)
    await behindThisTurn()
    assert.equal(pool.idleCount, 0)
    clients.give(client)
    await behindThisTurn()
    assert.equal(pool.idleCount, 1)
    const again = await pool.connect()
    assert.equal(again, client)
    again.release()
  })

  test('is closed where it is broken, and nobody gets it', async () => {
    const pool = aPool(await aDatabase())
    const clients = createClients(pool)
    const client = await clients.take()
    clients.give(client, new Error('broken'))
    assert.equal(pool.totalCount, 0)
    const other = await clients.take()
    assert.notEqual(other, client)
    assert.equal((await other.query('select 1 as one')).rows[0]?.one, 1)
    clients.give(other)
  })
})
