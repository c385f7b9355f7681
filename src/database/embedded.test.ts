import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { noFlushes, onEachFlush } from '../../test/harness/flushes.ts'
import { until } from '../../test/harness/gateway.ts'
import { aFolder, postmasterOf } from '../../test/harness/server.ts'
import { StartError } from '../start_error.ts'
import { probe, withOwner } from './connection.ts'
import { connectionOf, startEmbedded } from './embedded.ts'

it('the password is on the disk before there is a cluster that asks for it, and both names with it', {
  skip: noFlushes,
}, async (t) => {
  const folder = await aFolder()
  const flushed: [string, { cluster: boolean; length: number }][] = []
  onEachFlush(t, (path) => {
    const cluster = existsSync(join(folder, 'postgres'))
    const { length } = readFileSync(join(folder, 'postgres.password'), 'utf8').trim()
    flushed.push([path, { cluster, length }])
  })
  const embedded = await startEmbedded(folder, { durable: false, maxConnections: 20 })
  await embedded.stop()
  assert.deepEqual(flushed, [
    [join(folder, 'postgres.password'), { cluster: false, length: 32 }],
    [folder, { cluster: true, length: 32 }],
  ])
})

it('a PostgreSQL that somebody else asks to end, while sessions go on, ends and is started again', async (t) => {
  const folder = await aFolder()
  const embedded = await startEmbedded(folder, { durable: false, maxConnections: 20 })
  t.after(embedded.stop)
  const first = postmasterOf(folder)
  await assert.rejects(
    withOwner(embedded.connection, async (session) => {
      process.kill(first, 'SIGTERM')
      await session.query('select pg_sleep(60)')
    }),
  )
  await until(() => probe(embedded.connection))
  assert.notEqual(postmasterOf(folder), first)
})

it('a password that cannot be written, as on a full disk, is one line that names its file', async () => {
  const folder = await aFolder()
  mkdirSync(join(folder, 'postgres.password'))
  await assert.rejects(startEmbedded(folder, { durable: false, maxConnections: 20 }), (error) => {
    assert.ok(error instanceof StartError, String(error))
    assert.match(error.message, /^cannot write \S+\/postgres\.password, .*: EISDIR/)
    return true
  })
})

it('a folder for the socket that somebody else has made, or a link to one, is refused and left as it is', async () => {
  const folder = join(await aFolder(), 'x'.repeat(120))
  mkdirSync(folder)
  writeFileSync(join(folder, 'postgres.password'), 'secret')
  const { host } = connectionOf(folder)
  const other = await aFolder()
  chmodSync(other, 0o755)
  symlinkSync(other, host)
  try {
    await assert.rejects(startEmbedded(folder, { durable: false, maxConnections: 20 }), /is somebody else's/)
    assert.throws(() => connectionOf(folder), /is somebody else's/)
    assert.equal(statSync(other).mode & 0o777, 0o755)
  } finally {
    rmSync(host)
  }
})
