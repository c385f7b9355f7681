import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { withOwner } from '../../src/database/connection.ts'
import { connectionOf, type Embedded, startEmbedded } from '../../src/database/embedded.ts'
import { aClient, type Client } from '../harness/client.ts'
import { aDatabase, cutGateways, type TestCluster, urlOf } from '../harness/cluster.ts'
import { aGateway, aUser, PASSWORD, until } from '../harness/gateway.ts'
import { aLine } from '../harness/line.ts'
import {
  assertEachThereOnce,
  assertOnlyHonestAnswers,
  assertRefusedIsNotThere,
  fundedAccounts,
  settle,
  startLoad,
} from '../harness/load.ts'
import { assertProblem, transfer } from '../harness/paying.ts'
import { aFolder, aMigratedFolder, anOperatorOf, aServer, isAlive } from '../harness/server.ts'

/** A PostgreSQL that stands for somebody else's: the gateway knows it by DATABASE_URL and cannot start it. */
async function aForeignPostgres() {
  const folder = await aMigratedFolder()
  const start = () => startEmbedded(folder, { durable: false, maxConnections: 100 })
  let running: Embedded | undefined = await start()
  const stop = async () => {
    await running?.stop()
    running = undefined
  }
  after(stop)
  const database = running.connection as TestCluster
  const startAgain = async () => {
    running = await start()
  }
  return { database, stop, startAgain }
}

async function until503(client: Client): Promise<void> {
  await until(async () => {
    const { status } = await client.get('/health/ready')
    assert.ok([200, 503].includes(status), `answered ${status}`)
    return status === 503
  })
}

describe('an existing PostgreSQL', () => {
  it('that is away for longer than anyone waits: what is refused is not there, and work goes on within 5 s of its return', async () => {
    const { database, stop, startAgain } = await aForeignPostgres()
    const settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() }
    const server = await aServer(settings)
    const operator = await anOperatorOf(server, settings)
    const load = startLoad([operator], await fundedAccounts(operator, 20))
    await until(async () => load.count() > 200)
    await stop()
    // The first batch gives up after five seconds.
    await until(async () => load.asked.some(({ lastCode }) => lastCode !== undefined))
    assertProblem(await aClient(server.url).get('/health/ready'), 'unavailable')
    assert.equal((await aClient(server.url).get('/health/live')).status, 200)
    await startAgain()
    const before = load.count()
    await until(async () => load.count() > before + 100, 5)
    await load.stop()

    assertOnlyHonestAnswers(load)
    await assertRefusedIsNotThere(database, load)
    await settle(operator, load)
    await assertEachThereOnce(database, load)
    await aClient(server.url).post('/v1/signup', { email: 'late@example.com', password: PASSWORD })
    const mails = join(settings.BGW_DATA_DIR, 'mail')
    await until(async () => readdirSync(mails).some((name) => name.endsWith('.eml')), 10)
    assert.equal(await server.end('SIGTERM'), 0)
  })

  it('that takes no writes for a while, as a standby, makes the node not ready, and is no trouble once it takes them again', async () => {
    const gateway = await aGateway()
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const body = transfer(await ada.account('USD'), await bob.account('USD'), '1.00')
    const readOnly = (word: 'on' | 'off') =>
      withOwner(gateway.database, async (client) => {
        await client.query('set default_transaction_read_only = off')
        await client.query(`alter database ${gateway.database.database} set default_transaction_read_only = ${word}`)
      })

    await readOnly('on')
    await cutGateways(gateway.database)
    await until503(gateway.anybody)
    assertProblem(await ada.post('/v1/payments', body), 'unavailable')

    // No session from then is kept, in which a payment would be refused for as long as the node runs.
    await readOnly('off')
    await until(async () => (await gateway.anybody.get('/health/ready')).status === 200)
    const answers = await Promise.all(Array.from({ length: 20 }, () => ada.post('/v1/payments', body)))
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201])
  })

  it('that turns the node away for a while, as its password was changed, makes the node not ready, and refuses as one that is away', async () => {
    const database = await aDatabase()
    const user = `server_of_${database.database}`
    const asOwner = (sql: string) => withOwner(database, (client) => client.query(sql))
    await asOwner(`create role ${user} login password 'old' in role billing_gateway`)
    const gateway = await aGateway({}, { ...database, user, password: 'old' })
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const body = transfer(await ada.account('USD'), await bob.account('USD'), '1.00')

    await asOwner(`alter role ${user} password 'new'`)
    await cutGateways(database)
    await until503(gateway.anybody)
    assertProblem(await ada.post('/v1/payments', body), 'unavailable')

    await asOwner(`alter role ${user} password 'old'`)
    await until(async () => (await gateway.anybody.get('/health/ready')).status === 200)
    assert.equal((await ada.post('/v1/payments', body)).body.status, 'completed')
  })

  it('whose machine is lost without a word, and is replaced by another, is let go of once no statement takes so long', async () => {
    const line = await aLine()
    const settings = { DATABASE_URL: urlOf(line.database), BGW_DATA_DIR: await aFolder() }
    const server = await aServer(settings)
    const operator = await anOperatorOf(server, settings)
    const [from = '', to = ''] = await fundedAccounts(operator, 2)
    const pay = (key: string) => operator.post('/v1/payments', transfer(from, to, '1.00'), { 'idempotency-key': key })
    assert.equal((await pay('before')).status, 201)

    line.fall()
    assertProblem(await pay('meanwhile'), 'unavailable')
    await until(async () => (await pay('meanwhile')).status === 201, 60)
    assert.equal((await operator.get(`/v1/accounts/${to}`)).body.balance, '1001.96')
    assert.equal(await server.end('SIGTERM'), 0)
  })

  it('that is away does not hold up the end of the gateway', async () => {
    const { database, stop } = await aForeignPostgres()
    const server = await aServer({ DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() })
    await stop()
    await until503(aClient(server.url))
    assert.equal(await server.end('SIGTERM'), 0)
  })
})

describe('a client that hangs up', () => {
  it('while its payment is posted finds it made, once, when it asks again with its key', async () => {
    const line = await aLine()
    const gateway = await aGateway({}, line.database)
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const body = transfer(await ada.account('USD'), await bob.account('USD'), '1.00')
    // The line is cut at the commit, so that the client is gone before there is an answer.
    const cut = line.cutAtCommit('answer', 'billing-gateway posting')
    const headers = { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json', 'idempotency-key': 'k' }
    const call = request(`${gateway.url}/v1/payments`, { method: 'POST', headers })
    call.on('error', () => undefined)
    call.end(JSON.stringify(body))
    await cut
    call.destroy()
    await until(async () => {
      const { rows } = await withOwner(line.direct, (client) =>
        client.query(`select status from payments where kind = 'transfer'`),
      )
      return rows.length === 1 && rows[0].status === 'completed'
    })
    const again = await ada.post('/v1/payments', body, { 'idempotency-key': 'k' })
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, 'true'])
    assert.equal(await ada.balance(body.from_account), '99.00')
  })

  it('or keeps its connection open, or waits for a payment that stays initiated, does not hold up the end', async () => {
    const settings = { BGW_DATA_DIR: await aMigratedFolder() }
    const server = await aServer(settings)
    const operator = await anOperatorOf(server, settings)
    const [from = '', to = ''] = await fundedAccounts(operator, 2)
    const { body } = await operator.post('/v1/payments', transfer(from, to, '1.00'))
    await withOwner(connectionOf(settings.BGW_DATA_DIR), (client) =>
      client.query(`update payments set status = 'initiated', completed_at = null where kind = 'transfer'`),
    )
    const { port, hostname } = new URL(server.url)
    const idle = connect(Number(port), hostname)
    const slow = connect(Number(port), hostname)
    let heard = ''
    slow.on('data', (chunk) => {
      heard += chunk
    })
    // Half a request: it is under way when the end comes, and completed after that.
    slow.write('GET /health/live HTTP/1.1\r\nhost: localhost\r\n')
    const waiting = operator.get(`/v1/payments/${body.id}?wait=60`)
    assert.equal((await operator.get(`/v1/payments/${body.id}`)).body.status, 'initiated')
    const ended = server.end('SIGTERM')
    await until(async () => idle.closed || idle.destroyed || idle.readableEnded)
    slow.write('\r\n')
    assert.equal((await waiting).body.status, 'initiated')
    assert.equal(await ended, 0)
    assert.match(heard, /^HTTP\/1\.1 200 OK/)
    assert.equal(isAlive(server.process.pid ?? 0), false)
  })
})
