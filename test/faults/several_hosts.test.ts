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
import type { Client } from '../harness/client.ts'
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
import { assertProblem, transfer } from '../harness/paying.ts'
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

/** A primary whose commits wait for its standby, or do not. */
async function aPrimaryAndItsStandby(waitsForIt = true) {
  const [folder, copy] = [await aMigratedFolder(), await aFolder()]
  const [port, other] = [await aFreePort(), await aFreePort()]
  // A standby goes on from what a primary has written, which ours is none until it has been one.
  await (await aHost(folder, port, {})).end('SIGINT')
  cpSync(folder, copy, { recursive: true })
  writeFileSync(join(copy, 'postgres', 'standby.signal'), '')
  const primary = await aHost(folder, port, { synchronous_standby_names: waitsForIt ? 'standby' : '' })
  const { user, password } = primary.address
  const primaryConninfo = `host=127.0.0.1 port=${port} user=${user} password=${password} application_name=standby`
  const startStandby = () => aHost(copy, other, { primary_conninfo: primaryConninfo })
  const standby = await startStandby()
  const url = `postgres://${user}:${password}@127.0.0.1:${other},127.0.0.1:${port}/postgres`
  return { primary, standby, startStandby, url }
}

/**
 * A server whose primary is lost and replaced by a standby that had fallen behind: what is done by `first` is there then,
 * and what is done by `lost` is not. Resolves once payments go on.
 */
async function afterLostCommits<T>(
  first: (operator: Client, accounts: readonly string[]) => Promise<unknown>,
  lost: (operator: Client, accounts: readonly string[]) => Promise<T>,
) {
  const { primary, standby, startStandby, url } = await aPrimaryAndItsStandby(false)
  const settings = { DATABASE_URL: url, BGW_DATA_DIR: await aFolder() }
  const server = await aServer(settings)
  const operator = await anOperatorOf(server, settings)
  const accounts = await fundedAccounts(operator, 2)
  await first(operator, accounts)
  const [{ written }] = await query(primary.address, 'select pg_current_wal_lsn()::text as written')
  const isThere = 'select pg_last_wal_replay_lsn() >= $1::pg_lsn as there'
  await until(async () => (await query(standby.address, isThere, [written]))[0].there)
  await standby.end('SIGINT')
  const done = await lost(operator, accounts)
  await primary.end('SIGKILL')
  const { address } = await startStandby()
  await query(address, 'select pg_promote()')
  const pay = () => operator.post('/v1/payments', transfer(accounts[0] ?? '', accounts[1] ?? '', '10.00'))
  const paid = await until(async () => {
    const answer = await pay()
    return answer.status === 201 && answer
  })
  return { server, operator, accounts, address, done, pay, paid }
}

async function query(address: DatabaseAddress, sql: string, values: unknown[] = []): Promise<any[]> {
  return (await withOwner(address, (client) => client.query(sql, values))).rows
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

describe('a standby that takes over without the last commits of its primary', () => {
  it('has its own prices counted, of which none is mixed up with one that was lost', async () => {
    const set = async (operator: Client, percent: string) => {
      const price = { kind: 'transfer', currency: 'USD', percent }
      assert.equal((await operator.post('/v1/admin/fee-schedules', price)).status, 201)
    }
    const setAndPay = (percent: string) => async (operator: Client, accounts: readonly string[]) => {
      await set(operator, percent)
      return operator.post('/v1/payments', transfer(accounts[0] ?? '', accounts[1] ?? '', '10.00'))
    }
    const { operator, done, pay, paid } = await afterLostCommits(setAndPay('5'), setAndPay('10'))
    assert.equal(done.body.fee, '1.00')
    assert.equal(paid.body.fee, '0.50')
    await set(operator, '7')
    assert.equal((await pay()).body.fee, '0.70')
  })

  it('knows nothing of an account that was lost, and neither does the node', async () => {
    const openAndPay = async (operator: Client, accounts: readonly string[]) => {
      const { body } = await operator.post('/v1/accounts', { currency: 'USD' })
      const order = transfer(accounts[0] ?? '', body.id, '1.00')
      assert.equal((await operator.post('/v1/payments', order)).body.status, 'completed')
      return order
    }
    const { operator, done: order } = await afterLostCommits(async () => undefined, openAndPay)
    await until(async () => (await operator.post('/v1/payments/preview', order)).status === 404, 10)
    assertProblem(await operator.post('/v1/payments', order), 'not_found')
  })

  it('tells whoever listened before it took over what happens from then on', async () => {
    let told = ''
    const open = async (operator: Client) => (await operator.post('/v1/accounts', { currency: 'USD' })).body.id
    const listenAndOpen = async (operator: Client) => {
      const headers = { authorization: `Bearer ${operator.token}` }
      const { body } = await fetch(`${operator.url}/v1/events/stream`, { headers })
      const reading = async () => {
        for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) told += text
      }
      reading().catch(() => undefined)
      for (let number = 0; number < 30; number += 1) await open(operator)
      const last = await open(operator)
      await until(async () => told.includes(last))
    }
    const { operator, server } = await afterLostCommits(async () => undefined, listenAndOpen)
    const opened = await open(operator)
    await until(async () => told.includes(opened), 10)
    assert.equal(await server.end('SIGTERM'), 0)
  })
})
