import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import pg from 'pg'
import { probe, withOwner } from '../../src/database/connection.ts'
import { connectionOf } from '../../src/database/embedded.ts'
import { aClient, type Client } from '../harness/client.ts'
import { aDatabase, type TestCluster, urlOf } from '../harness/cluster.ts'
import { until } from '../harness/gateway.ts'
import {
  ask,
  assertEachThereOnce,
  assertOnlyHonestAnswers,
  assertRefusedIsNotThere,
  fundedAccounts,
  settle,
  startLoad,
} from '../harness/load.ts'
import {
  aFolder,
  aMigratedFolder,
  anOperatorOf,
  aServer,
  gone,
  isAlive,
  postmasterOf,
  type TestServer,
} from '../harness/server.ts'

/** A server on a PostgreSQL of its own, an operator, funded accounts and load on them. */
async function underLoad(folder: string) {
  const settings = { BGW_DATA_DIR: folder }
  const server = await aServer(settings)
  const operator = await anOperatorOf(server, settings)
  const accounts = await fundedAccounts(operator, 20)
  const load = startLoad([operator], accounts)
  await until(async () => load.count() > 200)
  return { server, operator, load }
}

describe('under load', () => {
  it('PostgreSQL killed and started again: requests succeed or fail with 503, and work goes on within 5 s of that', async () => {
    // Made by PostgreSQL and on the disk: recovery writes out a copied one first, and here it is short of time.
    const folder = await aFolder()
    const { server, operator, load } = await underLoad(folder)
    for (let round = 0; round < 2; round += 1) {
      process.kill(postmasterOf(folder), 'SIGKILL')
      const before = load.count()
      // How long recovery takes is the disk's doing, on which all other tests write too.
      await until(() => probe(connectionOf(folder)))
      await until(async () => load.count() > before + 100, 5)
    }
    await load.stop()
    assertOnlyHonestAnswers(load)
    await assertRefusedIsNotThere(connectionOf(folder), load)
    assert.ok(
      load.asked.every(({ lastStatus }) => lastStatus !== 0),
      'the server itself stayed',
    )
    await settle(operator, load)
    await assertEachThereOnce(connectionOf(folder), load)
    assert.match(server.output(), /PostgreSQL ended unexpectedly and is started again/)
    assert.equal(await server.end('SIGTERM'), 0)
  })

  it('PostgreSQL killed while nobody reads the messages any more: the server tells nobody, and stays', async () => {
    const folder = await aMigratedFolder()
    const server = await aServer({ BGW_DATA_DIR: folder })
    server.process.stderr?.destroy()
    const first = postmasterOf(folder)
    process.kill(first, 'SIGKILL')
    await until(async () => {
      assert.equal(server.process.exitCode, null, 'the server itself stayed')
      return existsSync(join(folder, 'postgres/postmaster.pid')) && postmasterOf(folder) !== first
    })
    await until(async () => (await aClient(server.url).get('/health/ready')).status === 200)
    assert.equal(await server.end('SIGTERM'), 0)
  })

  it('every connection to the database cut: nothing is lost, doubled or wrong', async () => {
    const folder = await aMigratedFolder()
    const { server, operator, load } = await underLoad(folder)
    const client = new pg.Client(connectionOf(folder))
    await client.connect()
    for (let round = 0; round < 10; round += 1) {
      await client.query('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()')
      const before = load.count()
      await until(async () => load.count() > before + 50, 5)
    }
    await client.end()
    await load.stop()
    assertOnlyHonestAnswers(load)
    await settle(operator, load)
    await assertEachThereOnce(connectionOf(folder), load)
    await server.end('SIGTERM')
  })

  it('kill -9 of everything: nothing acknowledged is lost, doubled or still initiated 10 s later', async () => {
    const folder = await aMigratedFolder()
    const { server, operator, load } = await underLoad(folder)
    const postmaster = postmasterOf(folder)
    server.process.kill('SIGKILL')
    process.kill(postmaster, 'SIGKILL')
    await gone(server.process)
    await load.stop()
    assertOnlyHonestAnswers(load)

    const again = await aServer({ BGW_DATA_DIR: folder })
    const acknowledged = load.asked.filter((one) => one.acknowledged)
    await until(async () => {
      const { rows } = await withOwner(connectionOf(folder), (client) => client.query('select from initiated'))
      return rows.length === 0
    }, 10)
    const { rows } = await withOwner(connectionOf(folder), (client) =>
      client.query(`select count(*) from payments where kind = 'transfer' and status <> 'initiated'`),
    )
    assert.ok(Number(rows[0].count) >= acknowledged.length)
    const repeated = aClient(again.url, operator.token)
    for (const one of acknowledged.slice(-50)) {
      const { acknowledged: id } = one
      await ask(repeated, one)
      assert.equal(one.acknowledged, id)
    }
    await settle(repeated, load)
    await assertEachThereOnce(connectionOf(folder), load)
    await again.end('SIGTERM')
  })

  it('SIGTERM: what was accepted is answered and posted, and no process is left', async () => {
    const folder = await aMigratedFolder()
    const { server, operator, load } = await underLoad(folder)
    const postmaster = postmasterOf(folder)
    assert.equal(await server.end('SIGTERM'), 0)
    assert.equal(isAlive(postmaster), false)
    await load.stop()
    const again = await aServer({ BGW_DATA_DIR: folder })
    await settle(aClient(again.url, operator.token), load)
    await assertEachThereOnce(connectionOf(folder), load)
    await again.end('SIGTERM')
  })
})

describe('two servers on one database', () => {
  const servers: TestServer[] = []
  after(() => Promise.all(servers.map((server) => server.end('SIGTERM'))))

  async function two(): Promise<{
    database: TestCluster
    clients: [Client, Client]
    pair: [TestServer, TestServer]
    accounts: string[]
  }> {
    const database = await aDatabase()
    const settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() }
    const pair: [TestServer, TestServer] = [await aServer(settings), await aServer(settings)]
    servers.push(...pair)
    const operator = await anOperatorOf(pair[0], settings)
    const clients: [Client, Client] = [operator, aClient(pair[1].url, operator.token)]
    return { database, clients, pair, accounts: await fundedAccounts(operator, 10) }
  }

  it('under load at once: the same as one', async () => {
    const { database, clients, accounts } = await two()
    const load = startLoad(clients, accounts)
    await until(async () => load.count() > 800)
    await load.stop()
    await settle(clients[0], load)
    await assertEachThereOnce(database, load)
  })

  it('with the same key on both at the same moment: one payment, and the same answer', async () => {
    const { database, clients, pair, accounts } = await two()
    const body = { from_account: accounts[0], to_account: accounts[1], amount: '1.00' }
    for (let round = 0; round < 40; round += 1) {
      const prefer: Record<string, string> = round % 2 === 0 ? {} : { prefer: 'respond-async' }
      const headers = { 'idempotency-key': `round-${round}`, ...prefer }
      const answers = await Promise.all(clients.map((client) => client.post('/v1/payments', body, headers)))
      assert.equal(
        new Set(answers.map((answer) => answer.body.id)).size,
        1,
        pair.map((server) => server.output()).join(),
      )
      assert.deepEqual(answers[0]?.body, answers[1]?.body)
      assert.equal(answers.filter((answer) => answer.headers.get('idempotent-replayed') === 'true').length, 1)
    }
    const { rows } = await withOwner(database, (client) =>
      client.query(`select count(*)::int as count from payments where kind = 'transfer'`),
    )
    assert.equal(rows[0].count, 40)
  })

  it('and one killed: the other posts what it had accepted, within 10 s', async () => {
    const { database, clients, pair, accounts } = await two()
    const load = startLoad([clients[0]], accounts)
    await until(async () => load.count() > 100)
    pair[0].process.kill('SIGKILL')
    await load.stop()
    await settle(clients[1], load)
    await assertEachThereOnce(database, load)
  })
})
