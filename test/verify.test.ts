import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { withOwner } from '../src/database/connection.ts'
import { verifyBooks } from '../src/verify/verify.ts'
import { type TestCluster, urlOf } from './harness/cluster.ts'
import { aGateway, aUser, type TestGateway } from './harness/gateway.ts'

const VERIFY = join(import.meta.dirname, '../src/verify/main.ts')

/** A gateway in which one user paid another twice and was declined once. */
async function aGatewayWithPayments(): Promise<TestGateway> {
  const gateway = await aGateway()
  const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
  const [from, to] = [await ada.account('USD'), await bob.account('USD')]
  for (const amount of ['10.00', '20.00', '999.00']) {
    await ada.post('/v1/payments', { from_account: from, to_account: to, amount })
  }
  return gateway
}

const lawsBroken = async (database: TestCluster) =>
  [...new Set((await verifyBooks(database)).findings.map(({ law }) => law))].sort()

/** What somebody with the rights of the database's owner could do, and which laws it breaks. */
const TAMPERINGS: readonly [string, string, readonly number[]][] = [
  ['a balance is raised', `update accounts set balance = balance + 1 where name = 'USD' and balance > 100`, [1, 2]],
  [
    'money is moved behind the books’ back',
    `update accounts set balance = balance + case when code is null then 1 else -2 end
      where currency = 'USD' and (code = 'internal' or user_id is not null)`,
    [2],
  ],
  ['an amount of a posting is changed', `update postings set amount = amount + 1 where kind = 'transfer'`, [2, 3]],
  ['a posting is removed', `delete from postings where kind = 'fee'`, [2, 3]],
  [
    'a posting is added',
    `insert into postings select book, gen_random_uuid(), payment_id, kind, currency, amount, debit_account,
                                 credit_account, debit_balance, credit_balance, created_at
       from postings where kind = 'transfer' limit 1`,
    [2, 3],
  ],
  [
    'a running balance is changed',
    `update postings set debit_balance = debit_balance + 1 where kind = 'transfer'`,
    [2],
  ],
  ['a running balance is lost', `update postings set credit_balance = null where kind = 'transfer'`, [2]],
  ['an amount of a payment is changed', `update payments set amount = amount + 1 where kind = 'bonus'`, [3]],
  [
    'a declined payment is called completed',
    `update payments set status = 'completed', decline_reason = null, completed_at = now() where status = 'declined'`,
    [3],
  ],
  ['a payment is removed', `delete from payments where kind = 'bonus'`, [3]],
  ['a payment is sent elsewhere', `update payments set to_account = from_account where kind = 'transfer'`, [3]],
  [
    'a payment is called initiated that no worker knows of',
    `update payments set status = 'initiated', decline_reason = null where status = 'declined'`,
    [3],
  ],
  [
    'an account is overdrawn',
    `alter table accounts drop constraint account_floor;
     update accounts set balance = -1 where name = 'CNY' and user_id is not null`,
    [1, 2, 4],
  ],
  ['something is held that no payment holds', `update accounts set held = 1 where name = 'USD' and balance > 50`, [2]],
  ['the server may change postings', 'grant update (amount) on postings to billing_gateway', [5]],
  ['the server may remove events', 'grant delete on events to billing_gateway', [5]],
]

describe('verify', () => {
  it('finds nothing wrong with books that only the gateway has written', async () => {
    const { database } = await aGatewayWithPayments()
    const report = await verifyBooks(database)
    assert.deepEqual(report.findings, [])
    assert.deepEqual([report.books, report.payments, report.postings], [1, 5n, 6n])
  })

  for (const [what, sql, laws] of TAMPERINGS) {
    it(`finds it where ${what}`, async () => {
      const { database } = await aGatewayWithPayments()
      await withOwner(database, (client) => client.query(sql))
      assert.deepEqual(await lawsBroken(database), laws)
    })
  }

  it('is a command that names what is wrong and exits with 1, beside a running gateway', async () => {
    const { database } = await aGatewayWithPayments()
    const command = () =>
      promisify(execFile)(process.execPath, [VERIFY], { env: { DATABASE_URL: urlOf(database) } }).then(
        ({ stdout }) => ({ code: 0, stdout }),
        ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
          code,
          stdout: stdout + stderr,
        }),
      )
    const right = await command()
    assert.equal(right.code, 0, right.stdout)
    assert.match(right.stdout, /5 payments, 6 postings: the books are right/)

    await withOwner(database, (client) =>
      client.query(
        `update accounts set balance = balance + 1 where currency = 'USD' and user_id is not null and balance < 10000`,
      ),
    )
    const wrong = await command()
    assert.equal(wrong.code, 1)
    assert.match(
      wrong.stdout,
      /law 2 {2}BROKEN.*\n.*book main: .*\(account acc_\w{26}, USD\): expected 70\.00, found 70\.01/,
    )
  })
})
