import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { connectionOf } from '../../src/database/embedded.ts'
import { aClient } from '../harness/client.ts'
import { PASSWORD, until } from '../harness/gateway.ts'
import {
  assertEachThereOnce,
  assertOnlyHonestAnswers,
  assertRefusedIsNotThere,
  fundedAccounts,
  settle,
  startLoad,
} from '../harness/load.ts'
import { assertProblem } from '../harness/paying.ts'
import { aMigratedFolder, anOperatorOf, aServer } from '../harness/server.ts'

/** In which a program may mount a file system that nobody else sees. */
const APART: [string, ...string[]] = [
  'unshare',
  '--mount',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
]
const [program, ...args] = [...APART, 'mount', '-t', 'tmpfs', 'none', '/mnt'] as [string, ...string[]]
const skip = spawnSync(program, args).status !== 0 && 'nothing may be mounted here'

/** Moves the database of the data folder to a disk of its own, which is a small one, for the program that follows. */
const ON_A_SMALL_DISK = `
  mount -t tmpfs -o size=150m,mode=0700 none "$0/disk" && cp -a "$0/postgres/." "$0/disk" &&
  mount --move "$0/disk" "$0/postgres" && exec "$@"`

/** Has mails as files on a disk of their own, in the same way. */
const MAILS_ON_A_SMALL_DISK = 'mount -t tmpfs -o size=64k,mode=0700 none "$0/mail" && exec "$@"'

/** Leaves no room at all. */
function fill(file: string): void {
  const opened = openSync(file, 'w')
  try {
    for (const much = Buffer.alloc(65_536); ; ) writeSync(opened, much)
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  } finally {
    closeSync(opened)
  }
}

it('a full disk: the gateway is not ready, refuses what it cannot keep, and goes on by itself once there is room', {
  skip,
}, async () => {
  const folder = await aMigratedFolder()
  mkdirSync(join(folder, 'disk'))
  const settings = { BGW_DATA_DIR: folder }
  const server = await aServer(settings, [...APART, 'sh', '-c', ON_A_SMALL_DISK, folder])
  const operator = await anOperatorOf(server, settings)
  const load = startLoad([operator], await fundedAccounts(operator, 20))
  await until(async () => load.count() > 200)

  const filling = `/proc/${server.process.pid}/root${join(folder, 'postgres/filling')}`
  fill(filling)
  await until(async () => load.asked.some(({ lastStatus }) => lastStatus === 503))
  const ready = () => aClient(server.url).get('/health/ready')
  assertProblem(await ready(), 'unavailable')

  rmSync(filling)
  await until(async () => (await ready()).status === 200)
  const before = load.count()
  await until(async () => load.count() > before + 200)
  await load.stop()
  assertOnlyHonestAnswers(load)
  await assertRefusedIsNotThere(connectionOf(folder), load)
  await settle(operator, load)
  await assertEachThereOnce(connectionOf(folder), load)
  assert.equal(await server.end('SIGTERM'), 0)
})

it('a full disk for mails as files: what could not be written whole is gone, and the mail comes once there is room', {
  skip,
}, async () => {
  const folder = await aMigratedFolder()
  mkdirSync(join(folder, 'mail'))
  const settings = { BGW_DATA_DIR: folder, BGW_LOG_LEVEL: 'warn' }
  const server = await aServer(settings, [...APART, 'sh', '-c', MAILS_ON_A_SMALL_DISK, folder])
  const mails = `/proc/${server.process.pid}/root${join(folder, 'mail')}`
  fill(join(mails, 'filling'))
  await aClient(server.url).post('/v1/signup', { email: 'ada@example.com', password: PASSWORD })
  await until(async () => /a job failed/.test(server.output()))
  rmSync(join(mails, 'filling'))
  const [name, ...others] = await until(async () => {
    const names = readdirSync(mails)
    return names.some((each) => each.endsWith('.eml') && !each.startsWith('.')) && names.sort()
  })
  assert.deepEqual(others, [], `beside ${name}`)
  assert.match(readFileSync(join(mails, name ?? ''), 'utf8'), /token=/)
})
