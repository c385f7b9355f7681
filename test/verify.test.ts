import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { withOwner } from '../src/database/connection.ts'
import { verifyBooks } from '../src/verify/verify.ts'
import { copiesOf, type TestCluster, urlOf } from './harness/cluster.ts'
import { endsWithTest } from './harness/ends_with_test.ts'
import { aGateway, anOperator, aUser, type TestGateway, until } from './harness/gateway.ts'
import { rowsOf, tamper, transfer, untilSealed } from './harness/paying.ts'
import { aFolder, ended, environment, gone } from './harness/server.ts'

/** A gateway in which one user paid another twice and was declined once: they are left with 70.00 and 129.40. */
async function aGatewayWithPayments(): Promise<TestGateway> {
  const gateway = await aGateway()
  endsWithTest(gateway.stop)
  const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
  const [from, to] = [await ada.account('USD'), await bob.account('USD')]
  for (const amount of ['10.00', '20.00', '999.00']) await ada.post('/v1/payments', transfer(from, to, amount))
  return gateway
}

/** The same books, with every payment in a block, and without a gateway: each tampering has its own. */
const sealedBooks = copiesOf(async () => {
  const gateway = await aGatewayWithPayments()
  await untilSealed(gateway)
  await gateway.stop()
  return gateway.database
})

/** The sessions of a verification, and those that wait for a lock. */
const VERIFYING = `select from pg_stat_activity where datname = current_database() and application_name like '% verify'`
const WAITING = `${VERIFYING} and wait_event_type = 'Lock'`

const findingsOf = async (database: TestCluster) => (await verifyBooks(database)).findings

const ACCOUNT = String.raw`account acc_\w{26}`
const PAYMENT = String.raw`payment pay_\w{26}`
const POSTING = String.raw`posting pst_\w{26}`

/** What is done, which laws it breaks, and how it is told. */
const TAMPERINGS: readonly [string, string, readonly number[], string][] = [
  [
    'a balance is raised',
    `update accounts set balance = balance + 1 where user_id is not null and currency = 'USD' and balance > 10000`,
    [1, 2],
    String.raw`a balance is the sum of .* \(${ACCOUNT}, USD\): expected 129\.40, found 129\.41`,
  ],
  [
    'money is moved behind the books’ back',
    `update accounts set balance = balance + case when code is null then 1 else -2 end
      where currency = 'USD' and (code = 'internal' or user_id is not null)`,
    [2],
    String.raw`\(${ACCOUNT}, USD\): expected -199\.40, found -199\.42`,
  ],
  [
    'money is moved behind the books’ back, and the view of operations shows postings for it',
    `create view moved as
       select p.from_account as gains, p.to_account as loses from payments p where p.kind = 'transfer' limit 1;
     create or replace view operations as
       select book, id as posting_id, 'debit' as direction, debit_account as account_id, payment_id, kind, currency, amount,
              debit_balance as balance_after, created_at from postings
       union all
       select book, id, 'credit', credit_account, payment_id, kind, currency, amount, credit_balance, created_at from postings
       union all
       select a.book, 'ffffffff-ffff-7fff-bfff-ffffffffffff', case a.id when m.gains then 'debit' else 'credit' end, a.id, null,
              'transfer', a.currency, 100::numeric(38, 0), a.balance, now()
         from accounts a join moved m on a.id in (m.gains, m.loses);
     update accounts a set balance = balance + case a.id when m.gains then 100 else -100 end
       from moved m where a.id in (m.gains, m.loses)`,
    [2],
    String.raw`a balance is the sum of .* \(${ACCOUNT}, USD\): expected 70\.00, found 71\.00`,
  ],
  [
    'a balance is no number',
    `update accounts set balance = 'NaN' where user_id is not null and currency = 'USD' and balance > 10000`,
    [1, 2],
    String.raw`\(${ACCOUNT}, USD\): expected 129\.40, found NaN`,
  ],
  [
    'an amount of a posting is changed',
    `update postings set amount = amount + 1 where kind = 'transfer' and amount = 980`,
    [2, 3, 6],
    String.raw`postings are its net amount, .* \(${PAYMENT}, USD\): expected 9\.80, found 9\.81`,
  ],
  [
    'a fee is not what the payment says',
    `update payments set fee = fee + 1, amount = amount + 1 where kind = 'transfer' and amount = 1000`,
    [3, 6],
    String.raw`fee is posted, .* \(${PAYMENT}, USD\): expected 0\.21, found 0\.20`,
  ],
  [
    'a posting is removed',
    `delete from postings where kind = 'fee' and amount = 40`,
    [2, 3, 6],
    String.raw`fee is posted, .* \(${PAYMENT}, USD\): expected 0\.40, found 0\.00`,
  ],
  [
    'a posting is added',
    `insert into postings select book, gen_random_uuid(), payment_id, kind, currency, amount, debit_account,
                                 credit_account, debit_balance, credit_balance, created_at
       from postings where kind = 'transfer' and amount = 980`,
    [2, 3, 6],
    String.raw`\(${PAYMENT}, USD\): expected 9\.80, found 19\.60`,
  ],
  [
    'a posting is added to a payment that was declined',
    `insert into postings select p.book, gen_random_uuid(), y.id, p.kind, p.currency, p.amount, p.debit_account,
                                 p.credit_account, p.debit_balance, p.credit_balance, p.created_at
       from postings p, payments y where y.status = 'declined' and p.amount = 980`,
    [2, 3, 6],
    String.raw`\(${PAYMENT}, USD\): expected 0\.00, found 9\.80`,
  ],
  [
    'a posting is of a payment that is not there',
    `update postings set payment_id = gen_random_uuid() where amount = 980`,
    [3, 6],
    String.raw`\(${PAYMENT}, USD\): expected no posting without a payment, found 9\.80`,
  ],
  [
    'a posting is of another kind than its payment',
    `update postings set kind = 'deposit' where amount = 980`,
    [3, 6],
    String.raw`\(${PAYMENT}, ${POSTING}, USD\): expected transfer, found deposit`,
  ],
  [
    'a posting is in another currency than its accounts',
    `update postings set currency = 'EUR' where amount = 980`,
    [3, 6],
    String.raw`\(${ACCOUNT}, ${PAYMENT}, ${POSTING}, EUR\): expected EUR, found USD`,
  ],
  [
    'a payment arrives in an account of another currency',
    `update payments p set to_account = e.id
       from accounts u, accounts e
      where p.amount = 1000 and u.id = p.to_account and e.user_id = u.user_id and e.currency = 'EUR';
     update postings p set debit_account = y.to_account from payments y where p.payment_id = y.id and p.amount = 980`,
    [2, 3, 6],
    String.raw`\(${ACCOUNT}, ${PAYMENT}, ${POSTING}, USD\): expected USD, found EUR`,
  ],
  [
    'a fee goes elsewhere than to internal',
    `update postings set debit_account = (select id from accounts where currency = 'USD' and code = 'wire')
      where kind = 'fee' and amount = 20`,
    [2, 3, 6],
    String.raw`\(${ACCOUNT}, ${PAYMENT}, ${POSTING}, USD\): expected internal, found another account`,
  ],
  [
    'a posting is on an account that is not there',
    `update postings set credit_account = gen_random_uuid() where amount = 980`,
    [2, 3, 6],
    String.raw`\(${ACCOUNT}, ${PAYMENT}, ${POSTING}, USD\): expected an account of the book, found none`,
  ],
  [
    'a running balance is changed',
    `update postings set debit_balance = debit_balance + 1 where kind = 'transfer' and amount = 980`,
    [2, 6],
    String.raw`each running balance .* \(${ACCOUNT}, ${PAYMENT}, ${POSTING}, USD\): expected 109\.80, found 109\.81`,
  ],
  [
    'the last running balance is not the balance',
    `update postings set debit_balance = debit_balance + 1 where kind = 'transfer' and amount = 1960`,
    [2, 6],
    String.raw`each running balance .* \(${ACCOUNT}, USD\): expected 129\.41, found 129\.40`,
  ],
  [
    'a running balance is lost',
    `update postings set credit_balance = null where kind = 'transfer'`,
    [2, 6],
    String.raw`\(${ACCOUNT}, ${PAYMENT}, ${POSTING}, USD\): expected a running balance, found none`,
  ],
  [
    'a running balance is made up for a technical account',
    `update postings set debit_balance = 7 where kind = 'fee' and amount = 20`,
    [2, 6],
    String.raw`\(${ACCOUNT}, ${PAYMENT}, ${POSTING}, USD\): expected none, found 0\.07`,
  ],
  [
    'an amount of a payment is changed',
    `update payments set amount = amount + 1 where kind = 'bonus'`,
    [3, 6],
    String.raw`\(${PAYMENT}, USD\): expected 100\.01, found 100\.00`,
  ],
  [
    'a declined payment is called completed',
    `update payments set status = 'completed', decline_reason = null, completed_at = now() where status = 'declined'`,
    [3, 6],
    String.raw`\(${PAYMENT}, USD\): expected 979\.02, found 0\.00`,
  ],
  [
    'a completed payment is called failed',
    `update payments set status = 'failed', failure_reason = 'none', completed_at = null where amount = 1000`,
    [3, 6],
    String.raw`\(${PAYMENT}, USD\): expected 0\.00, found 9\.80`,
  ],
  [
    'a payment is removed',
    `delete from payments where kind = 'bonus'`,
    [3, 6],
    String.raw`\(${PAYMENT}, USD\): expected no posting without a payment, found 100\.00`,
  ],
  [
    'a payment is sent elsewhere',
    `update payments set to_account = from_account where kind = 'transfer'`,
    [3, 6],
    String.raw`\(${ACCOUNT}, ${PAYMENT}, ${POSTING}, USD\): expected the receiver, found another account`,
  ],
  [
    'an initiated payment is put off for good',
    `update payments set status = 'initiated', decline_reason = null where status = 'declined';
     insert into initiated select book, id, 'infinity', from_account, to_account from payments where status = 'initiated'`,
    [3, 6],
    String.raw`\(${PAYMENT}, USD\): expected a place of its accounts in the queue, found one from infinity on`,
  ],
  [
    'an initiated payment is listed as one of other accounts',
    `update payments set status = 'initiated', decline_reason = null where status = 'declined';
     insert into initiated select book, id, now(), to_account, from_account from payments where status = 'initiated'`,
    [3, 6],
    String.raw`\(${PAYMENT}, USD\): expected a place of its accounts in the queue, found one of others`,
  ],
  [
    'there is an item for money that is not in suspense',
    `insert into suspense_items (book, id, rail, rail_reference, direction, currency, amount, reason, payment_id, created_at)
       select book, gen_random_uuid(), 'wire', 'a1', 'in', 'USD', 100, 'unexpected', id, now() from payments limit 1`,
    [2],
    String.raw`\(${ACCOUNT}, USD\): expected 1\.00, found 0\.00`,
  ],
  [
    'a payment is called initiated that no worker knows of',
    `update payments set status = 'initiated', decline_reason = null where status = 'declined'`,
    [3, 6],
    String.raw`\(${PAYMENT}, USD\): expected a place of its accounts in the queue, found none`,
  ],
  [
    'a worker is to post what is final',
    `insert into initiated select book, id, 'infinity', from_account, to_account from payments where status = 'declined'`,
    [3],
    String.raw`\(${PAYMENT}, USD\): expected the status initiated, found the status declined`,
  ],
  [
    'what is final is to run out',
    `insert into holds select book, id, now(), from_account, to_account from payments where status = 'declined'`,
    [3],
    String.raw`\(${PAYMENT}, USD\): expected none, found one of them until .+`,
  ],
  [
    'rows are of a book that is not there',
    `insert into payments
       select (json_populate_record(p, '{"book": 99, "idempotency_key": null, "request_hash": null}')).* from payments p
        where status = 'declined'`,
    [3, 6],
    'book number 99: payments and postings are of a book that exists: expected a book, found none',
  ],
  [
    'an account is overdrawn',
    `alter table accounts drop constraint account_floor;
     update accounts set balance = -1 where currency = 'CNY' and user_id is not null`,
    [1, 2, 4],
    String.raw`has available .* \(${ACCOUNT}, CNY\): expected at least 0, found -0\.01`,
  ],
  [
    'something is held that no payment holds',
    `update accounts set held = 1 where user_id is not null and currency = 'USD' and balance > 10000`,
    [2],
    String.raw`what is held .* \(${ACCOUNT}, USD\): expected 0\.00, found 0\.01`,
  ],
  [
    'a payment is pending of which nothing is held',
    `update payments set status = 'pending', decline_reason = null where status = 'declined'`,
    [2, 6],
    String.raw`what is held .* \(${ACCOUNT}, USD\): expected 999\.00, found 0\.00`,
  ],
  [
    'the server may change postings',
    'grant update (amount) on postings to billing_gateway',
    [5],
    'found update on postings',
  ],
  ['the server may empty the postings', 'grant truncate on postings to public', [5], 'found truncate on postings'],
  ['the server may remove events', 'grant delete on events to billing_gateway', [5], 'found delete on events'],
  [
    'the server owns the postings, and could grant itself what it was not left',
    `grant create on schema public to billing_gateway;
     alter table postings owner to billing_gateway;
     revoke update, delete, truncate on postings from billing_gateway`,
    [5],
    'found ownership of postings',
  ],
  [
    'the server owns the schema, and could drop what is in it',
    'alter schema public owner to billing_gateway',
    [5],
    'found ownership of the schema public',
  ],
  [
    'the server may change the audit log',
    'grant update on audit_log to billing_gateway',
    [5],
    'found update on audit_log',
  ],
]

describe('verify', () => {
  it('finds nothing wrong with books that only the gateway has written', async () => {
    const { database } = await aGatewayWithPayments()
    const report = await verifyBooks(database)
    assert.deepEqual(report.findings, [])
    assert.deepEqual([report.books, report.payments, report.postings], [1, 5n, 6n])
  })

  it('finds nothing wrong while a server posts and stores what a worker has still to post', async () => {
    const gateway = await aGateway()
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    let paying = true
    const load = Promise.all(
      [{}, { prefer: 'respond-async' }].map(async (headers: Record<string, string>) => {
        while (paying) {
          const { status } = await ada.post('/v1/payments', transfer(from, to, '0.50'), headers)
          assert.ok(status < 300)
        }
      }),
    )
    const seen: bigint[] = []
    try {
      while (seen.length < 5) {
        const { findings, payments } = await verifyBooks(gateway.database)
        assert.deepEqual(findings, [])
        seen.push(payments)
      }
    } finally {
      paying = false
      await load
    }
    assert.ok((seen.at(-1) ?? 0n) > (seen[0] ?? 0n), 'payments were made meanwhile')
  })

  it('judges the books as they were when it began', async () => {
    const gateway = await aGatewayWithPayments()
    await withOwner(gateway.database, async (client) => {
      await client.query('begin')
      // The first rule waits for this table, after the snapshot was taken by counting.
      await client.query('lock table currencies in access exclusive mode')
      const findings = findingsOf(gateway.database)
      await until(async () => (await rowsOf(gateway, WAITING)).length === 1)
      await client.query('update accounts set balance = balance + 1')
      await client.query('commit')
      assert.deepEqual(await findings, [])
    })
    assert.notDeepEqual(await findingsOf(gateway.database), [])
  })

  it('finds nothing wrong behind a gateway that is gone', async () => {
    assert.deepEqual(await findingsOf(await sealedBooks()), [])
  })

  for (const [what, sql, laws, told] of TAMPERINGS) {
    it(`finds it where ${what}`, async () => {
      const database = await sealedBooks()
      await tamper({ database }, sql)
      const findings = await findingsOf(database)
      const lines = findings.map(({ book, text }) => `book ${book}: ${text}`)
      assert.deepEqual([...new Set(findings.map(({ law }) => law))], laws, lines.join('\n'))
      assert.match(lines.join('\n'), new RegExp(told))
    })
  }

  it('finds it where the server could take on a role that may change postings', async () => {
    const gateway = await aGateway()
    const role = `changes_${gateway.database.database}`
    await tamper(gateway, `create role ${role}; grant update on postings to ${role}`)
    try {
      await tamper(gateway, `grant ${role} to billing_gateway with inherit false`)
      const findings = await findingsOf(gateway.database)
      assert.match(findings.map(({ text }) => text).join('\n'), /^the server’s role .* found update on postings$/)
    } finally {
      await tamper(gateway, `drop owned by ${role}; drop role ${role}`)
    }
  })

  it('finds it where the server could change the events of one day', async () => {
    const gateway = await aGateway()
    const ofDays = `select string_agg(relid::text, ', ' order by relid::text) as days
                      from pg_partition_tree('events') where level > 0`
    const [{ days }] = await rowsOf(gateway, ofDays)
    const [day] = days.split(', ')
    await tamper(gateway, `grant update (id), delete, truncate on ${day} to billing_gateway`)
    const findings = await findingsOf(gateway.database)
    assert.deepEqual(
      findings.map(({ law, text }) => [law, /found (.*)$/.exec(text)?.[1]]).sort(),
      ['delete', 'truncate', 'update'].map((privilege) => [5, `${privilege} on ${day}`]),
    )
  })

  it('names the book in which something is wrong, and no other', async () => {
    const gateway = await aGatewayWithPayments()
    const root = await anOperator(gateway, { allBooks: true })
    assert.equal((await root.post('/v1/admin/books', { name: 'other' })).status, 201)
    await aUser(gateway, 'ada@example.com', 'other')
    assert.deepEqual(await findingsOf(gateway.database), [])

    await tamper(
      gateway,
      `update accounts set balance = balance + 1
        where currency = 'USD' and user_id is not null and book = (select book from books where name = 'other')`,
    )
    const findings = await findingsOf(gateway.database)
    assert.deepEqual(
      findings.map(({ book, law }) => [book, law]),
      [
        ['other', 1],
        ['other', 2],
        ['other', 2],
      ],
    )
  })

  it('finds it where a pending payment is to run out at another time, or never', async () => {
    const gateway = await aGatewayWithPayments()
    const [cleo, dan] = [await aUser(gateway), await aUser(gateway)]
    const held = { ...transfer(await cleo.account('USD'), await dan.account('USD'), '10.00'), capture: 'manual' }
    assert.equal((await cleo.post('/v1/payments', held)).body.status, 'pending')
    assert.deepEqual(await findingsOf(gateway.database), [])
    for (const [tampering, found] of [
      [`update holds set expires_at = expires_at + interval '1 hour'`, 'one of them until'],
      ['update holds set from_account = to_account', 'one of others until'],
      ['delete from holds', 'none'],
    ] as const) {
      await tamper(gateway, tampering)
      const findings = await findingsOf(gateway.database)
      assert.deepEqual(
        findings.map(({ law }) => law),
        [3],
      )
      assert.match(
        findings[0]?.text ?? '',
        new RegExp(String.raw`\(${PAYMENT}, USD\): expected a hold of its accounts until .*, found ${found}`),
      )
    }
  })

  it('finds it where the rail of a pending payment would never be told of it, or not be asked again', async () => {
    const gateway = await aGatewayWithPayments()
    const cleo = await aUser(gateway)
    const wish = { account: await cleo.account('USD'), rail: 'wire', amount: '5.00' }
    assert.equal((await cleo.post('/v1/deposits', wish)).body.status, 'pending')
    assert.deepEqual(await findingsOf(gateway.database), [])
    for (const [tampering, found] of [
      [`update rail_instructions set rail = 'wallet'`, 'one for wallet'],
      [`update rail_instructions set rail = 'wire', state = 'done'`, 'one that is done'],
      ['delete from rail_instructions', 'none'],
    ] as const) {
      await tamper(gateway, tampering)
      const [finding, ...others] = await findingsOf(gateway.database)
      assert.deepEqual([finding?.law, others], [3, []])
      assert.match(
        finding?.text ?? '',
        new RegExp(String.raw`\(${PAYMENT}, USD\): expected an open instruction for wire, found ${found}`),
      )
    }
  })

  it('finds it where a quote says something else than the payment that used it up', async () => {
    const gateway = await aGatewayWithPayments()
    const operator = await anOperator(gateway)
    await operator.post('/v1/admin/rates', { from_currency: 'EUR', to_currency: 'USD', rate: '1.25' })
    const [cleo, dan] = [await aUser(gateway), await aUser(gateway)]
    const from = await cleo.account('USD')
    // To oneself without a fee, and to somebody else, who gets the less for it.
    for (const receiver of [cleo, dan]) {
      const wish = { from_currency: 'USD', to_currency: 'EUR', from_amount: '10.01' }
      const quote_id = (await cleo.post('/v1/quotes', wish)).body.id
      const payment = transfer(from, await receiver.account('EUR'), '10.01', { quote_id })
      assert.equal((await cleo.post('/v1/payments', payment)).body.status, 'completed')
    }
    assert.deepEqual(await findingsOf(gateway.database), [])
    const back = 'used_by = (select p.id from payments p where p.quote_id = quotes.id)'
    for (const [tampering, undo, where, told] of [
      ['from_amount = from_amount + 1', 'from_amount = from_amount - 1', 'USD', String.raw`10\.01, found 10\.02`],
      ['to_amount = to_amount + 1', 'to_amount = to_amount - 1', 'EUR', String.raw`\d\.\d\d, found \d\.\d\d`],
      [`rate = rate || '1'`, `rate = left(rate, -1)`, 'USD', String.raw`the rate 0\.796, found the rate 0\.7961`],
      [`to_currency = 'CNY'`, `to_currency = 'EUR'`, 'USD', 'USD for EUR, found USD for CNY'],
      ['used_by = null', back, 'USD', 'use by this payment, found none'],
    ] as const) {
      await tamper(gateway, `update quotes set ${tampering}`)
      const findings = await findingsOf(gateway.database)
      assert.deepEqual(
        findings.map(({ law }) => law),
        [3, 3],
        tampering,
      )
      const text = new RegExp(String.raw`what its quote says.* \(${PAYMENT}, ${where}\): expected ${told}$`)
      for (const finding of findings) assert.match(finding.text, text)
      await tamper(gateway, `update quotes set ${undo}`)
    }
    await tamper(gateway, 'delete from quotes')
    const gone = await findingsOf(gateway.database)
    assert.match(gone[0]?.text ?? '', /expected a quote, found none$/)
  })

  it('finds it where a book was removed with all that it had, but for its blocks', async () => {
    const gateway = await aGatewayWithPayments()
    const root = await anOperator(gateway, { allBooks: true })
    assert.equal((await root.post('/v1/admin/books', { name: 'other' })).status, 201)
    await aUser(gateway, 'ada@example.com', 'other')
    await untilSealed(gateway)
    await tamper(
      gateway,
      `set session_replication_role = replica;
       with other as (delete from books where name = 'other' returning book),
            gone as (delete from accounts a using other where a.book = other.book),
            unpaid as (delete from payments p using other where p.book = other.book)
       delete from postings p using other where p.book = other.book`,
    )
    const told = (await findingsOf(gateway.database)).map(({ book, law, text }) => `${book}, law ${law}: ${text}`)
    assert.match(told.join('\n'), /^number \d+, law 6: block \d+ .* does not hold the rows/m)
  })

  it('names at most 20 offenders of a law and counts the others, over all books', async () => {
    const gateway = await aGatewayWithPayments()
    const root = await anOperator(gateway, { allBooks: true })
    await root.post('/v1/admin/books', { name: 'other' })
    const [{ accounts, currencies }] = await rowsOf(
      gateway,
      'select count(*) as accounts, count(distinct (book, currency)) as currencies from accounts',
    )
    await tamper(gateway, 'update accounts set balance = balance + 1')
    const findings = await findingsOf(gateway.database)
    const texts = (law: number) => findings.filter((finding) => finding.law === law).map(({ text }) => text)
    assert.equal(texts(1).length, 21)
    assert.match(texts(1).at(-1) ?? '', new RegExp(`sum to zero: and ${currencies - 20n} more$`))
    assert.ok(texts(2).filter((text) => text.includes('expected')).length <= 20)
    assert.ok(texts(2).includes(`a balance is the sum of the account’s postings: and ${accounts - 3n} more`))
  })
})

describe('npm run verify', () => {
  const settingsFor = async ({ database }: TestGateway) => ({
    DATABASE_URL: urlOf(database),
    BGW_DATA_DIR: await aFolder(),
  })

  it('says that the laws hold, and on how many rows, beside a running gateway', async () => {
    const gateway = await aGatewayWithPayments()
    await untilSealed(gateway)
    const { code, stdout, stderr } = await ended('verify/main.ts', await settingsFor(gateway))
    assert.equal(code, 0, stderr)
    assert.equal(stdout.match(/^law [1-6] {2}holds /gm)?.length, 6)
    const [, block = ''] = /^last block (main:\d+:[0-9a-f]{64})$/m.exec(stdout) ?? []
    const wrong = block.replace(/:\d+:/, ':99:')
    const later = await ended('verify/main.ts', await settingsFor(gateway), ['--block', block, '--block', wrong])
    assert.equal(later.code, 1)
    assert.deepEqual(later.stdout.match(/block \d+ was noted/g), ['block 99 was noted'])
    assert.match(stdout, /checked 1 books, \d+ accounts, 5 payments, 6 postings: the books are right\n$/)
  })

  it('writes a line for each law where nobody watches a terminal', async () => {
    const { stderr } = await ended('verify/main.ts', await settingsFor(await aGatewayWithPayments()))
    assert.deepEqual(
      stderr.match(/^checking law \d/gm)?.sort(),
      [1, 2, 3, 4, 5, 6].map((law) => `checking law ${law}`),
    )
  })

  it('names what is wrong and exits with 1', async () => {
    const gateway = await aGatewayWithPayments()
    await tamper(
      gateway,
      `update accounts set balance = balance + 1 where currency = 'USD' and user_id is not null and balance < 10000`,
    )
    const { code, stdout } = await ended('verify/main.ts', await settingsFor(gateway))
    assert.equal(code, 1)
    assert.match(
      stdout,
      /law 2 {2}BROKEN.*\n {9}book main: .*\(account acc_\w{26}, USD\): expected 70\.00, found 70\.01\n/,
    )
    assert.match(stdout, /law 3 {2}holds /)
    assert.match(stdout, /SOMETHING IS WRONG\n$/)
  })

  it('explains itself, and refuses what is no option', async () => {
    const settings = { BGW_DATA_DIR: await aFolder() }
    const help = await ended('verify/main.ts', settings, ['--help'])
    assert.deepEqual([help.code, help.stderr], [0, ''])
    assert.match(help.stdout, /Exit code 0.*DATABASE_URL/s)
    const wrong = await ended('verify/main.ts', settings, ['--fix'])
    assert.deepEqual([wrong.code, wrong.stdout], [1, ''])
    assert.match(wrong.stderr, /'--fix' is no option/)
    const halved = await ended('verify/main.ts', settings, ['--block', 'main:1'])
    assert.match(halved.stderr, /'main:1' is no block: --block takes BOOK:NUMBER:HASH/)
  })

  it('ends at Ctrl-C in the middle of a query, and its session in the database with it', async () => {
    const gateway = await aGatewayWithPayments()
    await withOwner(gateway.database, async (client) => {
      await client.query('begin')
      await client.query('lock table postings in access exclusive mode')
      const program = join(import.meta.dirname, '../src/verify/main.ts')
      const env = environment(await settingsFor(gateway))
      const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      await until(async () => (await rowsOf(gateway, WAITING)).length === 1)
      const end = gone(child)
      child.kill('SIGINT')
      assert.equal(await end, 1)
      await until(async () => (await rowsOf(gateway, VERIFYING)).length === 0)
      await client.query('rollback')
    })
  })
})
