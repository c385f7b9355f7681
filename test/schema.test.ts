import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { withOwner } from '../src/database/connection.ts'
import { migrate } from '../src/database/migrate.ts'
import { TRANSITIONS } from '../src/ledger/lifecycle.ts'
import { describeSchema, SCHEMA_FILE, staleness } from '../tools/schema.ts'
import { aMigratedDatabase, anEmptyDatabase, testCluster } from './harness/cluster.ts'
import { aGateway, aUser } from './harness/gateway.ts'
import { aLine } from './harness/line.ts'
import { assertBooksAreRight, transfer } from './harness/paying.ts'

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

it('is made by the next node where the one that was at it is lost, and its connection never ends', async () => {
  const database = await anEmptyDatabase()
  const line = await aLine(database)
  const fallen = line.fallAt('insert into schema_migrations')
  const lost = assert.rejects(migrate(line.database))
  await fallen
  await migrate(database)
  assert.equal(staleness(await readFile(SCHEMA_FILE, 'utf8'), await describeSchema(database)), undefined)
  line.down()
  await lost
})

it('is made, and paid in by two nodes at once, whatever the owner of the database has as defaults', async () => {
  const database = await anEmptyDatabase()
  const defaults = {
    search_path: `''`,
    standard_conforming_strings: 'off',
    bytea_output: 'escape',
    intervalstyle: 'sql_standard',
    row_security: 'off',
    default_transaction_isolation: `'repeatable read'`,
    lock_timeout: '1',
    idle_in_transaction_session_timeout: '1',
  }
  await withOwner(database, async (client) => {
    for (const [name, value] of Object.entries(defaults))
      await client.query(`alter database ${database.database} set ${name} = ${value}`)
  })
  await migrate(database)
  const [one, two] = [await aGateway({}, database), await aGateway({}, database)]
  const [merchant, ...payers] = [await aUser(one), await aUser(one), await aUser(two)]
  const to = await merchant.account('USD')
  const paid = payers.map(async (payer) => {
    const wish = transfer(await payer.account('USD'), to, '1.00')
    return Promise.all(Array.from({ length: 20 }, () => payer.post('/v1/payments', wish)))
  })
  const answers = (await Promise.all(paid)).flat()
  assert.deepEqual([...new Set(answers.map(({ body }) => body.status))], ['completed'])
  assert.equal(await merchant.balance(to), '139.20')
  await assertBooksAreRight(one)
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
