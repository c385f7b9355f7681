import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { type Pool, withOwner } from '../src/database/connection.ts'
import { connectionOf } from '../src/database/embedded.ts'
import { aDatabase, anEmptyDatabase, type TestCluster, urlOf } from './harness/cluster.ts'
import { aGateway, anOperator, aUser, type TestGateway } from './harness/gateway.ts'
import { allBalances, assertBooksAreRight, rowsOf, transfer, untilSealed } from './harness/paying.ts'
import { aPool } from './harness/pool.ts'
import { aFolder, aMigratedFolder, anOperatorOf, aServer, ended } from './harness/server.ts'

const REFUSED = '42501' // insufficient_privilege
const BROKEN = '23514' // check_violation

/** What somebody who speaks for the server would like to do to the books, and how PostgreSQL refuses it. */
const ATTACKS: readonly (readonly [string, string, string])[] = [
  ['change a posting', 'update postings set amount = amount + 1', REFUSED],
  ['delete a posting', 'delete from postings', REFUSED],
  ['empty the postings', 'truncate postings', REFUSED],
  ['change a block', `update blocks set root = ''`, REFUSED],
  ['delete a block', 'delete from blocks', REFUSED],
  ['change a seal key', `update seal_keys set public_key = ''`, REFUSED],
  ['change a line of the audit log', `update audit_log set action = 'nothing'`, REFUSED],
  ['delete a line of the audit log', 'delete from audit_log', REFUSED],
  ['delete a payment', 'delete from payments', REFUSED],
  ['set a status', `update payments set status = 'canceled'`, REFUSED],
  ['set an amount', 'update payments set amount = amount * 2', REFUSED],
  ['change who was paid', 'update payments set to_account = from_account', REFUSED],
  ['refund more than was paid', 'update payments set refunded_amount = amount + 1', BROKEN],
  ['pay out below the floor', `update accounts set balance = -1 where code is null`, BROKEN],
  ['hold more than there is', 'update accounts set held = balance + 1 where code is null', BROKEN],
  ['close an account with money', `update accounts set status = 'closed' where balance > 0 and code is null`, BROKEN],
  ['delete an account', 'delete from accounts', REFUSED],
  ['give an account to somebody else', 'update accounts set user_id = gen_random_uuid()', REFUSED],
  ['change what a payment says', `update payments set description = 'x', metadata = '{}'`, REFUSED],
  ['say that a text was erased', `insert into erased_texts select 1, id, 'detail', '' from audit_log`, REFUSED],
  ['destroy the key of texts', 'delete from user_keys', REFUSED],
  ['delete an event', 'delete from events', REFUSED],
  ['change an event', `update events set type = 'payment.completed'`, REFUSED],
  [
    'change the life of payments',
    `insert into payment_transitions values ('completed', 'cancel', 'canceled')`,
    REFUSED,
  ],
  ['take a law away', 'alter table accounts drop constraint account_floor', REFUSED],
  [
    'put a trigger in',
    'create trigger t before insert on postings for each row execute function viewers_of()',
    REFUSED,
  ],
  ['replace a guarded function', 'drop function move_payments', REFUSED],
  ['make a table', 'create table mine (x int)', REFUSED],
  ['say that it was migrated', `insert into schema_migrations values (9999, 'x')`, REFUSED],
  ['read files of the machine', `select pg_read_file('postgresql.conf')`, REFUSED],
  ['run a program', `copy (select 1) to program 'cat'`, REFUSED],
]

describe('the role of the server', () => {
  let gateway: TestGateway
  let pool: Pool
  before(async () => {
    gateway = await aGateway()
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const paid = await ada.post('/v1/payments', transfer(await ada.account('USD'), await bob.account('USD'), '10.00'))
    assert.equal(paid.body.status, 'completed')
    const operator = await anOperator(gateway)
    await operator.post(`/v1/admin/accounts/${await bob.account('EUR')}/freeze`, { reason: 'a line for the audit log' })
    await untilSealed(gateway)
    pool = aPool(gateway.database)
  })

  for (const [what, statement, code] of ATTACKS) {
    it(`cannot ${what}`, async () => {
      await assert.rejects(pool.query(statement), { code })
    })
  }

  it('cannot take a payment out of a final status by the one function that sets it', async () => {
    const [payment] = await rowsOf(gateway, `select book, id from payments where status = 'completed' limit 1`)
    const ways: readonly (readonly [string, string])[] = [
      ['cancel', 'canceled'],
      ['fail', 'failed'],
      ['expire', 'expired'],
      ['post', 'declined'],
      ['settle', 'completed'],
      ['refund', 'completed'],
    ]
    for (const [event, status] of ways) {
      const { rows } = await pool.query(
        `select move_payments($1, now(), array[$2::uuid], array[$3], array[$4], array['x'], array[1::numeric], array[0::numeric]) as moved`,
        [payment.book, payment.id, event, status],
      )
      assert.equal(rows[0].moved, 0, event)
    }
  })

  it('cannot erase texts of whoever is not closed and marked as erased', async () => {
    const [user] = await rowsOf(
      gateway,
      `select u.book, u.id, a.id as account from users u join accounts a on a.user_id = u.id limit 1`,
    )
    await assert.rejects(pool.query('update users set erased_at = now() where id = $1', [user.id]), { code: BROKEN })
    await pool.query('insert into erasures (book, user_id, asked_at) values ($1, $2, now())', [user.book, user.id])
    await pool.query('select erase_payments($1, $2, $3, $2, 100)', [user.book, user.id, user.account])
    await pool.query('select erase_audit_lines($1, $2, (select array_agg(id) from audit_log))', [user.book, user.id])
    const { rows } = await pool.query('select finish_erasure($1, $2) as finished', [user.book, user.id])
    assert.equal(rows[0].finished, false)
    assert.deepEqual(await rowsOf(gateway, 'select from erased_texts'), [])
  })

  it('changed nothing with all of this', async () => {
    const balances = await allBalances(gateway)
    assert.ok(Object.keys(balances).length > 0)
    await assertBooksAreRight(gateway)
  })
})

/** A login that is in the server's role, and may nothing else. */
async function aServerLogin(database: TestCluster): Promise<TestCluster> {
  const [user, password] = [`server_${randomBytes(6).toString('hex')}`, randomBytes(12).toString('hex')]
  await withOwner(database, (client) =>
    client.query(`create role ${user} login password '${password}' in role billing_gateway`),
  )
  return { ...database, user, password }
}

describe('a server whose login may not migrate', () => {
  it('serves what was migrated for it, and none of its sessions can become the owner', async () => {
    const login = await aServerLogin(await aDatabase())
    const settings = { DATABASE_URL: urlOf(login), BGW_DATA_DIR: await aFolder() }
    const server = await aServer(settings)
    const operator = await anOperatorOf(server, settings)
    assert.equal((await operator.get('/v1/admin/accounts')).status, 200)
    assert.equal((await ended('verify/main.ts', settings)).code, 0)
    await withOwner(login, async (client) => {
      await client.query('set role billing_gateway')
      await client.query('reset role')
      for (const statement of ['delete from postings', 'alter table postings add x int', 'set role billing_owner']) {
        await assert.rejects(client.query(statement), { code: REFUSED }, statement)
      }
    })
    assert.equal(await server.end('SIGTERM'), 0)
  })

  it('says so in one line where nobody has, and starts once npm run migrate did', async () => {
    const owner = await anEmptyDatabase()
    const login = await aServerLogin(owner)
    const settings = { DATABASE_URL: urlOf(login), BGW_DATA_DIR: await aFolder() }
    const refused = await ended('main.ts', settings)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^billing-gateway: .*may not do what a migration needs \(npm run migrate.*\n$/)
    assert.doesNotMatch(refused.stderr, new RegExp(login.password))
    const migration = { ...settings, BGW_MIGRATION_DATABASE_URL: urlOf(owner) }
    const migrated = await ended('migrate.ts', migration)
    assert.deepEqual([migrated.code, migrated.stdout], [0, 'the schema is that of this release\n'])
    const server = await aServer(settings)
    assert.equal(await server.end('SIGTERM'), 0)
  })
})

it('a gateway in its own PostgreSQL is no owner of it either', async () => {
  const folder = await aMigratedFolder()
  const server = await aServer({ BGW_DATA_DIR: folder })
  const { rows } = await withOwner(connectionOf(folder), (client) =>
    client.query(
      `select distinct usename from pg_stat_activity where application_name like 'billing-gateway%' and usename is not null`,
    ),
  )
  assert.deepEqual(rows, [{ usename: 'billing_server' }])
  await withOwner({ ...connectionOf(folder), user: 'billing_server' }, async (client) => {
    await assert.rejects(client.query('delete from postings'), { code: REFUSED })
    await assert.rejects(client.query('set role billing_owner'), { code: REFUSED })
  })
  assert.equal(await server.end('SIGTERM'), 0)
})
