import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { withOwner } from '../src/database/connection.ts'
import { parseInstant } from '../src/database/instant.ts'
import type { Instant } from '../src/ledger/id.ts'
import {
  CHANGES_OF_PAYMENT,
  SEALED_OF_AUDIT,
  SEALED_OF_PAYMENT,
  SEALED_OF_POSTING,
  WITHHELD_OF_PAYMENT,
  WITHHELD_OF_POSTING,
} from '../src/seal/leaves.ts'
import { verifyBooks } from '../src/verify/verify.ts'
import { aDatabase, copiesOf, type TestCluster, urlOf } from './harness/cluster.ts'
import { endsWithTest } from './harness/ends_with_test.ts'
import { aGateway, anOperator, aUser, until } from './harness/gateway.ts'
import { blocksOf, readPages } from './harness/pages.ts'
import { anAccount, assertProblem, fund, locking, rowsOf, tamper, transfer, untilSealed } from './harness/paying.ts'
import { aFolder, aServer } from './harness/server.ts'

/** Three blocks or more: payments and, made by an operator, lines of the audit log. */
async function aSealedGateway() {
  const gateway = await aGateway()
  endsWithTest(gateway.stop)
  const [ada, bob, root] = [await aUser(gateway), await aUser(gateway), await anOperator(gateway)]
  const [from, to] = [await ada.account('USD'), await bob.account('USD')]
  const payments: string[] = []
  for (const amount of ['10.00', '11.00', '999.00']) {
    payments.push((await ada.post('/v1/payments', transfer(from, to, amount))).body.id)
    await fund(root, from, '5.00')
    await untilSealed(gateway)
  }
  return { gateway, ada, bob, root, payments }
}

/** The same books without a gateway: each tampering has its own. */
const sealedBooks = copiesOf(async () => {
  const { gateway } = await aSealedGateway()
  await gateway.stop()
  return gateway.database
})

it('a book that cannot be sealed leaves the others their blocks: all that is late, one after the other', async () => {
  const gateway = await aGateway()
  endsWithTest(gateway.stop)
  const root = await anOperator(gateway, { allBooks: true })
  assert.equal((await root.post('/v1/admin/books', { name: 'other' })).status, 201)
  const bob = await aUser(gateway, undefined, 'other')
  const [from, to] = [await bob.account('USD'), await anAccount(bob)]
  // Each time that the first book is tried is counted, also where it fails.
  await tamper(
    gateway,
    `create sequence tries; grant usage on tries to billing_gateway;
     alter table blocks add constraint unsealed check (book <> 1 or nextval('tries') < 0) not valid`,
  )
  await locking(gateway, 'lock table blocks in share mode', async () => {
    const payments = Array.from({ length: 3_000 }, () => ({ from_account: from, to_account: to, amount: '0.01' }))
    assert.equal((await bob.post('/v1/payments/bulk', { payments })).status, 200)
    const late = `select from payments where created_at < now() - interval '3 seconds' and kind = 'transfer' limit 1`
    await until(async () => (await rowsOf(gateway, late)).length === 1)
    return []
  })
  const sealed = `select count(*)::int as blocks, coalesce(sum(leaves), 0) as leaves
                    from blocks join books using (book) where name = 'other'`
  const { blocks } = await until(async () => {
    const [row] = await rowsOf(gateway, sealed)
    return row.leaves >= 3_000n && row
  })
  const [{ tries }] = await rowsOf(gateway, 'select last_value::int as tries from tries')
  assert.ok(tries < blocks, `${tries} rounds for ${blocks} blocks`)
})

it('a gateway with nothing to seal finds so by index, not by reading the events of the day twice a second', async () => {
  const { gateway } = await aSealedGateway()
  await rowsOf(
    gateway,
    `insert into events (book, id, type, object_id, created_at, txid)
     select book, (left(id::text, 24) || lpad(to_hex(n), 12, '0'))::uuid, type, object_id, created_at, txid
       from events, generate_series(1, 10000) as n where type = 'payment.completed'`,
  )
  await rowsOf(gateway, 'analyze events')
  const scans = async () => {
    const [row] = await rowsOf(
      gateway,
      `select sum(seq_scan)::int as whole, sum(idx_scan)::int as by_index
         from pg_stat_user_tables where relname ~ '^events_\\d{8}$'`,
    )
    return row
  }
  const looked = async (least: number) => until(async () => (await scans()).by_index > least && scans(), 30)
  // What was done before, by sessions that rest now, is counted late.
  await until(async () => {
    const before = await scans()
    return (await looked(before.by_index + 40)).whole === before.whole
  })
})

async function lawSix({ database }: { readonly database: TestCluster }): Promise<string[]> {
  const { findings } = await verifyBooks(database)
  return findings.filter(({ law }) => law === 6).map(({ text }) => text)
}

/** Runs the script of docs/proofs.md; what it prints, or throws where it ends with another code than 0. */
async function check(proof: unknown, keys: unknown): Promise<string> {
  const page = await readFile(join(import.meta.dirname, '../docs/proofs.md'), 'utf8')
  const script = /^```js\n(.*?)^```$/ms.exec(page)?.[1] ?? ''
  const folder = await aFolder()
  const files = ['check.mjs', 'proof.json', 'seal-keys.json'].map((name) => join(folder, name))
  const texts = [script, JSON.stringify(proof), JSON.stringify(keys)]
  await Promise.all(files.map((file, index) => writeFile(file, texts[index] ?? '')))
  const { stdout } = await promisify(execFile)(process.execPath, files)
  return stdout
}

/** The block that holds the payment of 10.00, and another one. */
const BLOCK = `(select number from blocks, payments p where p.amount = 1000 and p.id = any(payments))`

const TAMPERINGS: readonly [string, string, RegExp][] = [
  ['a posting is changed', `update postings set amount = amount + 1 where amount = 980`, /^block N .*does not hold/],
  ['a posting is removed', `delete from postings where amount = 980`, /^block N .*does not hold/],
  [
    'a posting is added',
    `insert into postings select (json_populate_record(p, json_build_object('id', gen_random_uuid()))).* from postings p
      where amount = 980`,
    /^block N .*does not hold/,
  ],
  [
    'a running balance is changed',
    `update postings set debit_balance = 1 where amount = 980`,
    /^block N .*does not hold/,
  ],
  ['a description is changed', `update payments set description = 'x' where amount = 1000`, /^block N .*does not hold/],
  [
    'a description is written for another, as it is',
    `update payments set description = stored_text(book, null, 'x') where amount = 1000`,
    /^block N .*does not hold/,
  ],
  [
    'who asked is changed',
    `update payments set made_by = gen_random_uuid() where amount = 1000`,
    /^block N .*not hold/,
  ],
  ['a payment is removed', `delete from payments where amount = 1000`, /^block N .*does not hold/],
  [
    'a payment is added',
    `insert into payments
       select (json_populate_record(p, json_build_object('id', gen_random_uuid(), 'idempotency_key', null,
                                                         'request_hash', null))).*
         from payments p where amount = 99900`,
    /^pay_\w{26} was not sealed when it became final \(in block \d+ by its time\)/,
  ],
  [
    'a payment is added as of a transaction that never comes, so that nobody would seal it',
    `with added as (
       insert into payments
         select (json_populate_record(p, json_build_object('id', gen_random_uuid(), 'idempotency_key', null,
                                                           'request_hash', null))).*
           from payments p where amount = 99900
         returning book, id, updated_at)
     insert into events (book, txid, id, type, object_id, created_at)
       select book, '4611686018427387904', gen_random_uuid(), 'payment.declined', id, updated_at from added`,
    /^pay_\w{26} was not sealed when it became final \(in block \d+ by its time\)/,
  ],
  ['a line of the audit log is changed', `update audit_log set detail = '{}' where AUDIT`, /^block A .*does not hold/],
  ['a line of the audit log is removed', `delete from audit_log where AUDIT`, /^block A .*does not hold/],
  [
    'a line of the audit log is added to a block',
    `insert into audit_log select (json_populate_record(a, json_build_object('id', gen_random_uuid()))).* from audit_log a
      where AUDIT`,
    /^block A .*does not hold/,
  ],
  [
    'a line of the audit log is added as of a transaction that never comes, so that nobody would seal it',
    `insert into audit_log
       select (json_populate_record(a, json_build_object('id', gen_random_uuid(), 'txid', '4611686018427387904'))).*
         from audit_log a where AUDIT`,
    /^the line [0-9a-f-]{36} of the audit log is of transaction 4611686018427387904, which has not begun/,
  ],
  ['a block is removed', `delete from blocks where number = ${BLOCK}`, /^block \d+ comes where block N should be/],
  [
    'the root of a block is changed',
    `update blocks set root = sha256(root) where number = ${BLOCK}`,
    /^block N is not what/,
  ],
  [
    'the salt of a block is changed',
    `update blocks set salt = sha256(salt) where number = ${BLOCK}`,
    /^block N .*not hold/,
  ],
  [
    'a signature is changed',
    `update blocks set signature = set_byte(signature, 9, 255 - get_byte(signature, 9)) where number = ${BLOCK}`,
    /^block N is not signed with the key/,
  ],
  [
    'a key is added, whose proofs would be believed though it has signed no block',
    `insert into seal_keys select book, '0123456789abcdef', public_key, 1, created_at from seal_keys`,
    /^the key 0123456789abcdef is said to have signed first block 1 and has signed none/,
  ],
  [
    'a key is said to have signed first what it did not',
    `update seal_keys set first_block = first_block + 1`,
    /^the key [0-9a-f]{16} is said to have signed first block 2 and has signed first block 1/,
  ],
  [
    'blocks change places',
    `alter table blocks drop constraint blocks_check;
     update blocks set number = -number;
     update blocks set number = 1 + (select max(-number) from blocks) + number`,
    /^block 1 is not what was sealed/,
  ],
]

describe('sealed blocks', () => {
  it('hold what was committed within seconds, in a chain, and verify finds them right', async () => {
    const { gateway } = await aSealedGateway()
    const report = await verifyBooks(gateway.database)
    assert.deepEqual(report.findings, [])
    assert.ok(report.blocks >= 3n)
    const [{ payments, finals }] = await rowsOf(
      gateway,
      'select (select sum(cardinality(b.payments)) from blocks b) as payments, (select count(*) from payments) as finals',
    )
    assert.equal(payments, finals)
  })

  it('are made once where two gateways, each with a key of its own, seal the same books', async () => {
    const one = await aGateway()
    const [ada, bob] = [await aUser(one), await aUser(one)]
    await aGateway({}, one.database)
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    for (let round = 0; round < 4; round += 1) {
      await ada.post('/v1/payments', transfer(from, to, '1.00'))
      await untilSealed(one)
    }
    assert.deepEqual(await lawSix(one), [])
  })

  it('are right where the clock of the database was wrong for a while and was set back', async () => {
    const database = await aDatabase()
    // Stands before the clock of PostgreSQL in sessions that begin from now on.
    await withOwner(database, async (client) => {
      await client.query('create table clock_is_ahead (by interval)')
      await client.query(`insert into clock_is_ahead values ('15 minutes')`)
      await client.query(`
        create function clock_timestamp() returns timestamptz language sql volatile security definer as
        'select pg_catalog.clock_timestamp() + by from public.clock_is_ahead'`)
      await client.query(`alter database ${database.database} set search_path = public, pg_catalog`)
    })
    const gateway = await aGateway({}, database)
    endsWithTest(gateway.stop)
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    await untilSealed(gateway)
    await rowsOf(gateway, `update clock_is_ahead set by = '0'`)
    const wish = transfer(await ada.account('USD'), await bob.account('USD'), '1.00')
    assert.equal((await ada.post('/v1/payments', wish)).status, 201)
    // Of somebody whose account has no later posting already.
    await aUser(gateway)
    await untilSealed(gateway)
    const { rows } = await withOwner(database, (client) =>
      client.query('select sealed_at < lag(sealed_at) over (order by number) as earlier from blocks'),
    )
    assert.ok(
      rows.some(({ earlier }) => earlier),
      'the clock went back',
    )
    assert.deepEqual((await verifyBooks(database)).findings, [])
  })

  it('stop with an error in the log, also where nothing waits for one, once a dump in a new PostgreSQL counts transactions anew', async () => {
    const database = await sealedBooks()
    // As if what is in them had been written where a thousand million transactions were before.
    await tamper({ database }, `update blocks set up_to_txid = (up_to_txid::text::bigint + 1000000000)::text::xid8`)
    const server = await aServer({ DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() })
    const line = await until(async () => /^.*the database counts transactions anew.*$/m.exec(server.output())?.[0])
    const { level, after, ended } = JSON.parse(line)
    assert.equal(level, 50)
    assert.ok(BigInt(after) > BigInt(ended))
  })

  it('go on in a new PostgreSQL in the epoch that the page gives, beyond all ids that they name', async () => {
    const blocks = readPages().flatMap((page) => blocksOf(page, 'sh'))
    const printed = blocks.find(({ name }) => name === 'docs/operations.md, Sealed blocks')?.body ?? ''
    // Rows have the lower half of an id only: set to a lower one, PostgreSQL would find none of what it holds.
    assert.match(printed, /^pg_resetwal -e \d+ -D \S+$/m)
    const [, query = ''] = /-Atc "([^"]+)"/.exec(printed) ?? []
    const copy = { database: await sealedBooks() }
    const epochs: string[] = []
    for (const most of ['1815', '3000000000', '5000000000']) {
      await tamper(copy, `update blocks set up_to_txid = '${most}'`)
      const [row] = await rowsOf(copy, query)
      epochs.push(Object.values(row).join('|'))
    }
    assert.deepEqual(epochs, ['1', '1', '2'])
  })

  it('go on where the ids ran past all that a dump names, as the page has it for where they cannot be set', async () => {
    const pages = readPages().flatMap((page) => blocksOf(page, 'sql'))
    const printed = pages.find(({ name }) => name === 'docs/operations.md, Sealed blocks')?.body ?? ''
    const database = await sealedBooks()
    // As if the dump came from where some hundred transactions more were done, the last of which made a webhook.
    await tamper(
      { database },
      `update blocks set up_to_txid = (pg_current_xact_id()::text::bigint + 500)::text::xid8
        where number in (select max(number) from blocks);
       insert into webhook_cursors (book, txid, event_id)
       select 1, (pg_current_xact_id()::text::bigint + 900)::text::xid8, '00000000-0000-0000-0000-000000000000'`,
    )
    await tamper({ database }, printed)
    const [row] = await rowsOf({ database }, `select txid < pg_current_xact_id() as is_past from webhook_cursors`)
    assert.deepEqual(row, { is_past: true })
    const gateway = await aGateway({}, database)
    endsWithTest(gateway.stop)
    await aUser(gateway)
    await untilSealed(gateway)
    const sealed = `select count(*) > 0 as is_so from blocks where up_to_txid > (select max(txid) from webhook_cursors)`
    await until(async () => (await rowsOf({ database }, sealed))[0].is_so)
  })

  it('are signed with a key that only its owner can read', async () => {
    const gateway = await aGateway()
    const { mode } = await stat(join(gateway.inside.config.dataFolder, 'seal.key'))
    assert.equal(mode & 0o777, 0o600)
  })

  it('leave out nothing: every column is sealed, withheld, or known not to be', async () => {
    const gateway = await aGateway()
    const columnsOf = async (table: string) =>
      (
        await rowsOf(gateway, `select attname from pg_attribute where attrelid = $1::regclass and attnum > 0`, [table])
      ).map(({ attname }) => attname)
    const known = {
      payments: [...SEALED_OF_PAYMENT, ...WITHHELD_OF_PAYMENT, ...CHANGES_OF_PAYMENT],
      postings: [...SEALED_OF_POSTING, ...WITHHELD_OF_POSTING, 'payment_id'],
      audit_log: [...SEALED_OF_AUDIT, 'txid'],
    }
    for (const [table, columns] of Object.entries(known)) {
      assert.deepEqual((await columnsOf(table)).sort(), ['book', ...columns].sort(), table)
    }
  })

  for (const [what, sql, told] of TAMPERINGS) {
    it(`show it where ${what}`, async () => {
      const copy = { database: await sealedBooks() }
      const [{ number }] = await rowsOf(copy, `select ${BLOCK} as number`)
      const [line] = await rowsOf(
        copy,
        `select a.id, (select min(b.number) from blocks b where b.up_to_txid >= a.txid) as number from audit_log a
          where a.object_id is not null and a.detail is not null order by a.id limit 1`,
      )
      await tamper(copy, sql.replaceAll('AUDIT', `id = '${line.id}'`))
      const pattern = told.source.replace('block N', `block ${number}`).replace('block A', `block ${line.number}`)
      const texts = await lawSix(copy)
      assert.ok(
        texts.some((text) => new RegExp(pattern).test(text)),
        `${pattern}: ${texts.join('\n')}`,
      )
    })
  }
})

describe('the last block', () => {
  it('is missed by whoever noted it, where it was removed with what it held and the rest was sealed anew', async () => {
    const { gateway } = await aSealedGateway()
    const { heads } = await verifyBooks(gateway.database)
    const [head] = heads
    assert.deepEqual([heads.length, head?.book], [1, 'main'])
    await tamper(
      gateway,
      `delete from blocks where number > 1;
       delete from audit_log where id = (select id from audit_log order by id desc limit 1)`,
    )
    await untilSealed(gateway)
    // Such a chain holds in itself: only what is known elsewhere tells.
    assert.deepEqual(await lawSix(gateway), [])
    const { findings } = await verifyBooks(gateway.database, undefined, heads)
    assert.deepEqual(
      findings.map(({ book, law }) => [book, law]),
      [['main', 6]],
    )
    assert.match(findings[0]?.text ?? '', new RegExp(`^block ${head?.number} was noted as ${head?.hash}, found `))
  })
})

describe('a proof of a payment', () => {
  it('is checked by the script of the docs, for both sides, and by nothing that was changed', async () => {
    const { gateway, ada, bob, root, payments } = await aSealedGateway()
    const { body: keys } = await gateway.anybody.get('/v1/seal-keys')
    for (const id of payments) {
      for (const somebody of [ada, bob, root]) {
        const { status, body: proof } = await somebody.get(`/v1/payments/${id}/proof`)
        assert.equal(status, 200)
        assert.match(await check(proof, keys), new RegExp(`^in block \\d+, sealed .*: {"payment":{"id":"${id}"`))
        assert.doesNotMatch(proof.leaf, /balance|made_by/)
      }
    }
    const { body: proof } = await ada.get(`/v1/payments/${payments[0]}/proof`)
    const { payment, postings } = JSON.parse(proof.leaf)
    assert.deepEqual([payment.status, payment.amount, postings.length], ['completed', '1000', 2])
    const header = proof.block.header.replace(/"sealed_at":"2/, '"sealed_at":"3')
    const other = { description: { key: '00', text: 'a bribe' } }
    for (const wrong of [
      { ...proof, texts: other },
      { ...proof, leaf: proof.leaf.replace('"1000"', '"1001"') },
      { ...proof, path: proof.path.slice(1) },
      { ...proof, block: { ...proof.block, header } },
    ]) {
      await assert.rejects(check(wrong, keys), /Command failed/)
    }
    await assert.rejects(check(proof, { data: [] }), /Command failed/)
  })

  it('says of which schedule it was and when it fell due, and verify sees where that was changed', async () => {
    const gateway = await aGateway()
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const wish = transfer(await ada.account('USD'), await bob.account('USD'), '1.00')
    const { body: schedule } = await ada.post('/v1/schedules', { ...wish, starts_at: '2031-01-31T08:00:00Z' })
    await gateway.inside.scheduler.makeDue(parseInstant('2031-01-31T09:00:00Z') as Instant)
    await untilSealed(gateway)
    const [{ id }] = (await ada.get(`/v1/payments?schedule_id=${schedule.id}`)).body.data
    const { payment } = JSON.parse((await bob.get(`/v1/payments/${id}/proof`)).body.leaf)
    assert.deepEqual([payment.schedule_id, payment.scheduled_for], [schedule.id, '2031-01-31T08:00:00.000000Z'])
    await tamper(gateway, `update payments set scheduled_for = scheduled_for - interval '1 day' where amount = 100`)
    assert.match((await lawSix(gateway)).join('\n'), /^block \d+ .*does not hold/)
  })

  it('is there only once the payment is sealed, and for nobody else', async () => {
    const gateway = await aGateway()
    const [ada, bob, eve] = [await aUser(gateway), await aUser(gateway), await aUser(gateway)]
    const held = transfer(await ada.account('USD'), await bob.account('USD'), '1.00', { capture: 'manual' })
    const { body: payment } = await ada.post('/v1/payments', held)
    assertProblem(await ada.get(`/v1/payments/${payment.id}/proof`), 'not_sealed_yet')
    assertProblem(await eve.get(`/v1/payments/${payment.id}/proof`), 'not_found')
    assertProblem(await gateway.anybody.get(`/v1/payments/${payment.id}/proof`), 'unauthenticated')
    assertProblem(await ada.get('/v1/payments/pay_1/proof'), 'not_found')
    assertProblem(await ada.get(`/v1/payments/${payment.id}/proof?full=1`), 'unknown_field')
    await ada.post(`/v1/payments/${payment.id}/cancel`)
    const proof = await until(async () => {
      const { status, body } = await bob.get(`/v1/payments/${payment.id}/proof`)
      return status === 200 && body
    })
    assert.equal(JSON.parse(proof.leaf).payment.status, 'canceled')
  })
})
