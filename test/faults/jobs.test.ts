import assert from 'node:assert/strict'
import { it } from 'node:test'
import { withOwner } from '../../src/database/connection.ts'
import { aDatabase } from '../harness/cluster.ts'
import { aGateway, anEmail, aUser, mailsTo, PASSWORD, until } from '../harness/gateway.ts'
import { rowsOf } from '../harness/paying.ts'

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
