import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type DatabaseAddress, probe, withOwner } from '../../src/database/connection.ts'
import { nativeFolder } from '../../src/database/embedded.ts'
import { urlsOf } from '../../src/database/hosts.ts'
import { confined } from '../../src/database/postgres_process.ts'
import { endsWithTest } from '../harness/ends_with_test.ts'
import { until } from '../harness/gateway.ts'
import {
  assertEachThereOnce,
  assertOnlyHonestAnswers,
  assertRefusedIsNotThere,
  fundedAccounts,
  settle,
  startLoad,
} from '../harness/load.ts'
import { aFolder, aMigratedFolder, anOperatorOf, aServer, gone } from '../harness/server.ts'

type Host = { readonly address: DatabaseAddress; readonly end: (signal: NodeJS.Signals) => Promise<unknown> }

/** A PostgreSQL on the cluster in a folder, with settings of its own, as somebody else would run it on a machine. */
async function aHost(folder: string, port: number, settings: Record<string, string>): Promise<Host> {
  const password = readFileSync(join(folder, 'postgres.password'), 'utf8').trim()
  const own = { ...settings, listen_addresses: '127.0.0.1', port, unix_socket_directories: '', fsync: 'off' }
  const args = Object.entries(own).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const postgres = join(await nativeFolder(), 'bin', 'postgres')
  const [command, ...rest] = confined([postgres, '-D', join(folder, 'postgres'), ...args])
  const child = spawn(command, rest, { stdio: 'ignore' })
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return gone(child)
  }
  endsWithTest(() => end('SIGQUIT'))
  const address = { host: '127.0.0.1', port, user: 'billing_owner', password, database: 'postgres' }
  await until(() => probe(address))
  return { address, end }
}

async function aFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** A primary whose commits wait for its standby. */
async function aPrimaryAndItsStandby() {
  const [folder, copy] = [await aMigratedFolder(), await aFolder()]
  const [port, other] = [await aFreePort(), await aFreePort()]
  // A standby goes on from what a primary has written, which ours is none until it has been one.
  await (await aHost(folder, port, {})).end('SIGINT')
  cpSync(folder, copy, { recursive: true })
  writeFileSync(join(copy, 'postgres', 'standby.signal'), '')
  const primary = await aHost(folder, port, { synchronous_standby_names: 'standby' })
  const { user, password } = primary.address
  const primaryConninfo = `host=127.0.0.1 port=${port} user=${user} password=${password} application_name=standby`
  const standby = await aHost(copy, other, { primary_conninfo: primaryConninfo })
  const url = `postgres://${user}:${password}@127.0.0.1:${other},127.0.0.1:${port}/postgres`
  return { primary, standby, url }
}

describe('a DATABASE_URL of several hosts', () => {
  it('is one URL for each of them', () => {
    assert.deepEqual(urlsOf('postgres://me:secret@one:5433,two,[::1]:5434/books?sslmode=require'), [
      'postgres://me:secret@one:5433/books?sslmode=require',
      'postgres://me:secret@two/books?sslmode=require',
      'postgres://me:secret@[::1]:5434/books?sslmode=require',
    ])
    for (const one of ['postgres://me@one/books', 'postgres:///books?host=/a,b', 'nonsense']) {
      assert.deepEqual(urlsOf(one), [one])
    }
  })

  it('goes to the one that takes writes, and to the standby once that has taken over: nothing that was accepted is lost', async () => {
    const { primary, standby, url } = await aPrimaryAndItsStandby()
    const settings = { DATABASE_URL: url, BGW_DATA_DIR: await aFolder() }
    const server = await aServer(settings)
    const operator = await anOperatorOf(server, settings)
    const load = startLoad([operator], await fundedAccounts(operator, 20))
    await until(async () => load.count() > 200)
    await primary.end('SIGKILL')
    await until(async () => load.asked.some(({ lastCode }) => lastCode !== undefined))
    await withOwner(standby.address, (client) => client.query('select pg_promote()'))
    const before = load.count()
    await until(async () => load.count() > before + 100, 10)
    await load.stop()

    assertOnlyHonestAnswers(load)
    await assertRefusedIsNotThere(standby.address, load)
    await settle(operator, load)
    await assertEachThereOnce(standby.address, load)
    assert.equal(await server.end('SIGTERM'), 0)
  })
})
