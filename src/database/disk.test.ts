import assert from 'node:assert/strict'
import { it } from 'node:test'
import { aDatabase } from '../../test/harness/cluster.ts'
import { aPool } from '../../test/harness/pool.ts'
import { createDiskLook } from './disk.ts'

it('a look at the disk is shared by all who ask within a second', async () => {
  const pool = aPool(await aDatabase())
  const lookAtDisk = createDiskLook(pool)
  let looks = 0
  pool.on('acquire', () => {
    looks += 1
  })
  await Promise.all(Array.from({ length: 20 }, lookAtDisk))
  assert.equal(looks, 1)
})

it('a look that failed is not shared with who asks behind it', async () => {
  const pool = aPool({ ...(await aDatabase()), host: '/nowhere' })
  const lookAtDisk = createDiskLook(pool)
  const [first, second] = [lookAtDisk(), lookAtDisk()]
  assert.equal(first, second)
  await assert.rejects(first, /ENOENT/)
  const third = lookAtDisk()
  assert.notEqual(third, first)
  await assert.rejects(third, /ENOENT/)
})
