import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { withOwner } from '../src/database/connection.ts'
import { migrate } from '../src/database/migrate.ts'
import { TRANSITIONS } from '../src/ledger/lifecycle.ts'
import { describeSchema, SCHEMA_FILE, staleness } from '../tools/schema.ts'
import { aMigratedDatabase, anEmptyDatabase, testCluster } from './harness/cluster.ts'
import { aGateway } from './harness/gateway.ts'

it('schema.sql is what the migrations leave', async () => {
  const kept = await readFile(SCHEMA_FILE, 'utf8')
  assert.equal(staleness(kept, await describeSchema(await aMigratedDatabase())), undefined)
})

it('is made in public, also where the owner of the database has a schema of the same name, and looks there first', async () => {
  const database = await anEmptyDatabase()
  await withOwner(database, (client) => client.query(`create schema ${database.user}`))
  await migrate(database)
  const { rows } = await withOwner(database, (client) =>
    client.query(`select distinct schemaname from pg_tables where tablename in ('schema_migrations', 'payments')`),
  )
  assert.deepEqual(rows, [{ schemaname: 'public' }])
  const gateway = await aGateway({}, database)
  assert.equal((await gateway.anybody.get('/health/ready')).status, 200)
})

it('is made in as much time as it takes, by nodes that wait for each other, whatever limits the database has', async () => {
  const database = await anEmptyDatabase()
  for (const limit of ['statement_timeout', 'lock_timeout']) {
    await withOwner(database, (client) => client.query(`alter database ${database.database} set ${limit} = '1ms'`))
  }
  await Promise.all([migrate(database), migrate(database)])
  assert.equal(staleness(await readFile(SCHEMA_FILE, 'utf8'), await describeSchema(database)), undefined)
})

it('is not made in a database of another encoding than UTF8, in which names could not be written', async () => {
  const database = `latin_${process.pid}`
  await withOwner(testCluster(), (client) =>
    client.query(`create database ${database} encoding 'LATIN1' template template0`),
  )
  await assert.rejects(migrate({ ...testCluster(), database }), {
    name: 'StartError',
    message: 'a database in UTF8 is needed, this one is in LATIN1',
  })
})

it('a dump that differs in a line is stale, and that line is named', () => {
  assert.equal(staleness('a\nb\n', 'a\nb\n'), undefined)
  assert.match(staleness('a\nb\n', 'a\nc\n') ?? '', /stale at line 2: it has 'b', the schema has 'c'/)
  assert.match(staleness('', 'a\n') ?? '', /stale at line 1: it has '', the schema has 'a'/)
})

it('the database has the life of a payment as the code has it', async () => {
  const { rows } = await withOwner(await aMigratedDatabase(), (client) =>
    client.query<{ way: string }>(
      `select from_status || ' ' || event || ' ' || to_status as way from payment_transitions`,
    ),
  )
  // What begins a payment is an insert, and no step from a status.
  const ways = TRANSITIONS.flatMap(({ from, event, to }) => (from === null ? [] : `${from} ${event} ${to}`))
  assert.deepEqual(rows.map(({ way }) => way).sort(), ways.sort())
})
