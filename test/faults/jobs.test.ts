import assert from 'node:assert/strict'
import { it } from 'node:test'
import { withOwner } from '../../src/database/connection.ts'
import { aDatabase } from '../harness/cluster.ts'
import { aGateway, aUser, until } from '../harness/gateway.ts'
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
