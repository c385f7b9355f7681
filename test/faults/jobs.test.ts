import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { it, type TestContext } from 'node:test'
import { withOwner } from '../../src/database/connection.ts'
import { aClient } from '../harness/client.ts'
import { aDatabase, type TestCluster, urlOf } from '../harness/cluster.ts'
import { aGateway, anEmail, aUser, mailsTo, PASSWORD, until } from '../harness/gateway.ts'
import { aLine } from '../harness/line.ts'
import { aMailServer } from '../harness/mail_server.ts'
import { rowsOf, tamper } from '../harness/paying.ts'
import { aFolder, aServer } from '../harness/server.ts'

/** A mail server that takes connections and never says a word: a mail to it is under way for as long as it is there. */
async function aSilentMailServer(t: TestContext): Promise<string> {
  const lines = new Set<Socket>()
  const server = createServer((line) => lines.add(line.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const line of lines) line.destroy()
    server.close()
  })
  return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Waits until a mail is under way, and says so of as many seconds ago. */
async function underWaySince(database: TestCluster, seconds: number): Promise<void> {
  const aged = `update graphile_worker._private_jobs set locked_at = now() - $1 * interval '1 second'
                 where locked_at is not null returning id`
  await until(async () => (await rowsOf({ database }, aged, [seconds])).length > 0)
}

it('a node whose first look for jobs fails sends mails all the same', async () => {
  const database = await aDatabase()
  const gateway = await withOwner(database, async (client) => {
    await client.query('begin')
    await client.query('lock table graphile_worker._private_tasks in access exclusive mode')
    const started = await aGateway({}, database)
    const looks = `select pg_cancel_backend(pid) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock' and query like '%_private_tasks%'`
    await until(async () => (await rowsOf(started, looks)).length > 0)
    await client.query('commit')
    return started
  })
  const user = await aUser(gateway)
  assert.equal((await user.get('/v1/me')).body.email_confirmed, true)
})

it('a mail server that is away ends no gateway: the mail is tried again', async () => {
  const gateway = await aGateway({ BGW_SMTP_URL: 'smtp://127.0.0.1:1' })
  await gateway.anybody.post('/v1/signup', { email: anEmail(), password: PASSWORD })
  const failed = `select attempts, last_error from graphile_worker._private_jobs where last_error is not null`
  const [job] = await until(async () => {
    const rows = await rowsOf(gateway, failed)
    return rows.length > 0 && rows
  })
  assert.match(job.last_error, /ECONNREFUSED/)
  assert.equal((await gateway.anybody.get('/health/ready')).status, 200)
})

it('a mail that was sent is known to be, also where the node stopped at that moment', async () => {
  const database = await aDatabase()
  for (let turn = 0; turn < 5; turn += 1) {
    const gateway = await aGateway({}, database)
    const email = anEmail()
    await gateway.anybody.post('/v1/signup', { email, password: PASSWORD })
    await until(async () => (await mailsTo(gateway, email)).length > 0)
    await gateway.stop()
    assert.deepEqual(await rowsOf(gateway, 'select task_id from graphile_worker._private_jobs'), [])
  }
})

it('mails with links go ahead of those that tell of what was done, however many of these one user caused', async (t) => {
  const mailing = await aGateway()
  const [ada, bob] = await Promise.all([aUser(mailing), aUser(mailing)])
  await mailing.stop()
  const away = await aGateway({ BGW_SMTP_URL: 'smtp://127.0.0.1:1' }, mailing.database)
  const adaThere = aClient(away.url, ada.token)
  for (let made = 0; made < 20; made += 1) {
    const reply = await adaThere.post('/v1/tokens', { name: `bot ${made}`, scopes: ['accounts:read'] })
    assert.equal(reply.status, 201)
  }
  await away.anybody.post('/v1/password/forgot', { email: bob.email })
  await away.stop()
  await tamper(away, 'update graphile_worker._private_jobs set attempts = 0, run_at = created_at')
  const mails: string[] = []
  const address = await aMailServer(t, {
    mail: (mail) => {
      mails.push(mail)
      return '250 taken'
    },
  })
  await aGateway({ BGW_SMTP_URL: `smtp://${address}` }, mailing.database)
  await until(async () => mails.length === 21)
  // Two are sent at a time.
  assert.ok(mails.findIndex((mail) => mail.includes('Set a new password')) < 10)
})

it('a mail that was under way on a node that was killed is sent by another once a minute is over', async (t) => {
  const database = await aDatabase()
  const settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() }
  const killed = await aServer({ ...settings, BGW_SMTP_URL: await aSilentMailServer(t) })
  const email = anEmail()
  await aClient(killed.url).post('/v1/signup', { email, password: PASSWORD })
  await underWaySince(database, 0)
  await killed.end('SIGKILL')
  await underWaySince(database, 61)
  const gateway = await aGateway({}, database)
  await until(async () => (await mailsTo(gateway, email)).length > 0)
})

it('a node that stops breaks off a mail of which its server says nothing any more, and another sends it', {
  timeout: 60_000,
}, async (t) => {
  const database = await aDatabase()
  let taken = 0
  const address = await aMailServer(t, {
    mail: () => {
      taken += 1
      return '250-I am thinking'
    },
  })
  const settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() }
  const server = await aServer({ ...settings, BGW_SMTP_URL: `smtp://${address}` })
  const email = anEmail()
  await aClient(server.url).post('/v1/signup', { email, password: PASSWORD })
  await until(async () => taken === 1)
  assert.equal(await server.end('SIGTERM'), 0)
  const gateway = await aGateway({}, database)
  await until(async () => (await mailsTo(gateway, email)).length > 0)
})

it('a mail that is under way for longer than that stays with its node, and is sent once', async (t) => {
  const gateway = await aGateway({ BGW_SMTP_URL: await aSilentMailServer(t) })
  await gateway.anybody.post('/v1/signup', { email: anEmail(), password: PASSWORD })
  await underWaySince(gateway.database, 45)
  const renewed = `select attempts from graphile_worker._private_jobs where locked_at > now() - interval '15 seconds'`
  const [job] = await until(async () => {
    const rows = await rowsOf(gateway, renewed)
    return rows.length > 0 && rows
  })
  assert.equal(job.attempts, 1)
})

for (const [what, answer] of [
  ['has gone out', '250 taken'],
  ['was refused', '451 later'],
] as const) {
  it(`a database that is away when a mail ${what} ends no gateway, which sends others once it is back`, async (t) => {
    const line = await aLine()
    const mails: string[] = []
    const address = await aMailServer(t, {
      mail: (mail) => {
        if (mails.push(mail) > 1) return '250 taken'
        line.down()
        return answer
      },
    })
    const place = { DATABASE_URL: urlOf(line.database), BGW_DATA_DIR: await aFolder() }
    const settings = { ...place, BGW_SMTP_URL: `smtp://${address}` }
    const server = await aServer(settings)
    const anybody = aClient(server.url)
    await anybody.post('/v1/signup', { email: anEmail(), password: PASSWORD })
    await until(async () => (await anybody.get('/health/ready')).status === 503)
    line.up()
    const email = anEmail()
    await until(async () => (await anybody.post('/v1/signup', { email, password: PASSWORD })).status === 201)
    await until(async () => mails.some((mail) => mail.includes(email)))
    assert.equal(await server.end('SIGTERM'), 0)
  })
}
