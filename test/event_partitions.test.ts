import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { withOwner } from '../src/database/connection.ts'
import { parseInstant } from '../src/database/instant.ts'
import { firstIdAt, type Instant } from '../src/ledger/id.ts'
import { encodeId } from '../src/ledger/typeid.ts'
import { anEmptyDatabase } from './harness/cluster.ts'
import { aGateway, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { everyPage, rowsOf, untilSealed } from './harness/paying.ts'

const at = (time: string) => firstIdAt(parseInstant(time) as Instant)
const tablesOf = (gateway: TestGateway) =>
  rowsOf(
    gateway,
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'events'::regclass order by 1`,
  )
const SOMEBODY = '00000000-0000-7000-8000-000000000000'
const dayAfter = (days: number) =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')

describe('the tables of events', () => {
  let gateway: TestGateway
  let user: TestUser
  before(async () => {
    gateway = await aGateway()
    user = await aUser(gateway)
  })
  const keep = () => gateway.inside.pool.query('select keep_event_partitions(30) as changed')

  it('are made ahead by the gateway, a day each, and it may make or drop no others', async () => {
    await until(async () => (await tablesOf(gateway)).some(({ name }) => name === `events_${dayAfter(3)}`))
    for (const sql of [
      'create table events_20200101 ()',
      'drop table events_other',
      'delete from events',
      'delete from events_other',
      `insert into events_other (book, id, type, object_id, created_at)
         select 1, gen_random_uuid(), 'x', gen_random_uuid(), now()`,
    ]) {
      await assert.rejects(gateway.inside.pool.query(sql), { code: '42501' }, sql)
    }
  })

  it('go when they are older than events are kept, and the others stay', async () => {
    const list = () => everyPage(user, '/v1/events?sort=position', 2)
    const all = await until(async () => {
      const events = await list()
      return events.length >= 4 && events
    })
    await untilSealed(gateway)
    // The tables of a day long ago, and two events of it.
    const [from, to] = [at('2026-01-01T00:00:00Z'), at('2026-01-02T00:00:00Z')]
    await rowsOf(
      gateway,
      `create table events_20260101 (like events including all);
       alter table events attach partition events_20260101 for values from ('${from}') to ('${to}')`,
    )
    const moved = await rowsOf(
      gateway,
      `select id from events order by type = 'payment.completed' desc, txid, id limit 2`,
    )
    const noon = at('2026-01-01T12:00:00Z').slice(0, 18)
    const sql = 'update events set id = ($1 || substr(id::text, 19))::uuid where id = any($2)'
    await rowsOf(gateway, sql, [noon, moved.map(({ id }) => id)])
    const times = (events: any[]) => events.map(({ type, created_at }) => [type, created_at])
    assert.deepEqual(times(await list()).sort(), times(all).sort(), 'a list goes over several days')

    // Not before they are sealed.
    await withOwner(gateway.database, async (client) => {
      await client.query('begin')
      await client.query('delete from blocks')
      await client.query('select keep_event_partitions(30)')
      const { rows } = await client.query(`select to_regclass('events_20260101') is not null as is_there`)
      assert.equal(rows[0].is_there, true)
      await client.query('rollback')
    })
    await until(async () => {
      await keep()
      return (await tablesOf(gateway)).every(({ name }) => name !== 'events_20260101')
    })
    const ids = moved.map(({ id }) => encodeId('evt', id))
    assert.deepEqual(
      await list(),
      all.filter(({ id }) => !ids.includes(id)),
    )
  })

  it('have a place for events of any other day, which go when they are old', async () => {
    const move = (time: string) =>
      rowsOf(
        gateway,
        `update events set id = ($1 || substr(id::text, 19))::uuid where id = (select min(id::text)::uuid from events)`,
        [at(time).slice(0, 18)],
      )
    const others = async () => (await rowsOf(gateway, 'select count(*)::int from events_other'))[0].count
    await move('2040-01-01T00:00:00Z')
    await keep()
    assert.equal(await others(), 1)
    await move('2026-02-01T00:00:00Z')
    await until(async () => {
      await keep()
      return (await others()) === 1
    })
  })
})

it('events from before there were tables of days are all there, and the table of theirs goes with its last', async () => {
  const database = await anEmptyDatabase()
  const folder = join(import.meta.dirname, '../src/database/migrations')
  const files = readdirSync(folder).sort()
  await withOwner(database, async (client) => {
    const apply = async (wanted: (file: string) => boolean) => {
      for (const file of files.filter(wanted)) await client.query(readFileSync(join(folder, file), 'utf8'))
    }
    await client.query('create table schema_migrations (version integer primary key)')
    await apply((file) => file < '0056')
    await client.query(`
      insert into books (name, created_at) values ('main', now());
      insert into events (book, id, type, object_id, created_at)
        select 1, ('${at('2026-01-01T12:00:00Z').slice(0, 18)}' || substr(gen_random_uuid()::text, 19))::uuid,
               'account.created', gen_random_uuid(), now()
          from generate_series(1, 3);
      insert into user_events (book, user_id, txid, id) select book, object_id, txid, id from events;
      insert into user_events (book, user_id, txid, id) select book, '${SOMEBODY}', txid, id from events limit 1`)
    await apply((file) => file >= '0056')
    const { rows } = await client.query(
      `select (select count(*)::int from events) as events,
              (select count(*)::int from events where object_id in (viewer, other_viewer)) as seen,
              (select count(*)::int from events where '${SOMEBODY}' in (viewer, other_viewer)) as seen_by_two,
              (select count(*)::int from pg_inherits where inhparent = 'events'::regclass) as tables,
              has_table_privilege('billing_gateway', 'events', 'insert') as may_add,
              has_table_privilege('billing_gateway', 'events_${dayAfter(0)}', 'insert') as may_add_to_old`,
    )
    assert.deepEqual(rows[0], { events: 3, seen: 3, seen_by_two: 1, tables: 5, may_add: true, may_add_to_old: false })
  })
})
