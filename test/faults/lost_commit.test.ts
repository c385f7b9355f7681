import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withOwner } from '../../src/database/connection.ts'
import { METADATA, PAYMENT_JOINS } from '../../src/payments/read.ts'
import { verifyBooks } from '../../src/verify/verify.ts'
import { aBankFile, OWN_IBAN } from '../harness/bank.ts'
import type { Client, Reply } from '../harness/client.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from '../harness/gateway.ts'
import { aLine, type Line, type Lost } from '../harness/line.ts'
import { fundedAccounts } from '../harness/load.ts'
import { anAccount, assertProblem, fund, transfer } from '../harness/paying.ts'

// A commit whose answer never comes is the one thing that a client of a database cannot know. Here the line is cut
// exactly there, on either side of the commit.

const POSTING = 'billing-gateway posting'
const ANYTHING_ELSE = 'billing-gateway'
const DECIDING = 'billing-gateway deciding'
const LOST: readonly Lost[] = ['commit', 'answer']
const WAYS: readonly [string, Record<string, string>, number][] = [
  ['a payment', {}, 201],
  ['an asynchronous payment', { prefer: 'respond-async' }, 202],
]

type Scene = {
  readonly line: Line
  readonly gateway: TestGateway
  readonly operator: Client
  readonly accounts: readonly string[]
  readonly pay: (key: string, headers?: Record<string, string>) => Promise<Reply>
}

async function aScene(settings: Record<string, string> = {}): Promise<Scene> {
  const line = await aLine()
  const gateway = await aGateway(settings, line.database)
  const operator = await anOperator(gateway)
  const accounts = await fundedAccounts(operator, 2)
  const pay = (key: string, headers: Record<string, string> = {}) =>
    operator.post('/v1/payments', transfer(accounts[0] ?? '', accounts[1] ?? '', '1.00', { metadata: { key } }), {
      'idempotency-key': key,
      ...headers,
    })
  return { line, gateway, operator, accounts, pay }
}

/** Each key has one payment, completed; and the books are right. */
async function assertPaidOnce({ line }: Scene, keys: readonly string[]): Promise<void> {
  const read = `select ${METADATA} ->> 'key' as key, p.status from payments p ${PAYMENT_JOINS} where p.kind = 'transfer' order by 1`
  const rows = await until(async () => {
    const { rows: found } = await withOwner(line.direct, (client) => client.query(read))
    return found.every(({ status }) => status !== 'initiated') && found
  }, 10)
  assert.deepEqual(
    rows,
    [...keys].sort().map((key) => ({ key, status: 'completed' })),
  )
  assert.deepEqual((await verifyBooks(line.direct)).findings, [])
}

/** An order to the bank with a withdrawal in it. */
async function aBatch(operator: Client, user: TestUser): Promise<string> {
  const account = await user.account('EUR')
  await fund(operator, account, '5.00')
  const destination = { name: 'Ada Lovelace', iban: 'DE89370400440532013000' }
  const { status } = await user.post('/v1/withdrawals', { account, rail: 'wire', amount: '4.00', destination })
  assert.equal(status, 202)
  // It waits for a batch once the rail was told of it.
  return until(async () => (await operator.post('/v1/admin/wire/batches', { currency: 'EUR' })).body.id)
}

function assertReplayed(first: Reply, again: Reply): void {
  assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [first.status, 'true'])
  assert.deepEqual(again.body, first.body)
}

describe('where the line to the database is cut at the commit', () => {
  for (const [way, headers, status] of WAYS) {
    for (const lost of LOST) {
      it(`and the ${lost} is lost, ${way} is made by the next attempt, once`, async () => {
        const scene = await aScene()
        const cut = scene.line.cutAtCommit(lost, POSTING)
        const first = await scene.pay('one', headers)
        await cut
        assert.deepEqual([first.status, first.headers.get('idempotent-replayed')], [status, null])
        assertReplayed(first, await scene.pay('one', headers))
        await assertPaidOnce(scene, ['one'])
      })
    }
  }

  for (const lost of LOST) {
    it(`and the ${lost} of a batch is lost, each payment in it is made once`, async () => {
      const scene = await aScene()
      const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`)
      const cut = scene.line.cutAtCommit(lost, POSTING, 1)
      const answers = await Promise.all(keys.map((key) => scene.pay(key)))
      await cut
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
      await assertPaidOnce(scene, keys)
    })

    it(`and the ${lost} of a worker is lost, what it posts is posted once`, async () => {
      const scene = await aScene()
      const cut = scene.line.cutAtCommit(lost, POSTING, 1)
      const { body } = await scene.pay('one', { prefer: 'respond-async' })
      await cut
      const final = await scene.operator.get(`/v1/payments/${body.id}?wait=10`)
      assert.equal(final.body.status, 'completed')
      await assertPaidOnce(scene, ['one'])
    })

    it(`and the ${lost} of anything else is lost, the answer is that nobody knows; repeated with its key it is done once`, async () => {
      const { line, operator } = await aScene()
      const open = () => operator.post('/v1/accounts', { currency: 'EUR' }, { 'idempotency-key': 'account' })
      const cut = line.cutAtCommit(lost, ANYTHING_ELSE)
      assertProblem(await open(), 'outcome_unknown')
      await cut
      const [second, third] = [await open(), await open()]
      assert.equal(second.headers.get('idempotent-replayed'), lost === 'answer' ? 'true' : null)
      assertReplayed(second, third)
      const { body } = await operator.get('/v1/accounts')
      assert.equal(body.data.length, 1)
    })
  }

  it('the answer is the same, and documented, of calls that take no body', async () => {
    const wire = { BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN}:RABONL2U`, BGW_WIRE_NAME: 'Gateway' }
    const { line, gateway, operator } = await aScene(wire)
    const ada = await aUser(gateway)
    const { body: me } = await ada.get('/v1/me')
    const rule = { per: 'user', kind: 'transfer', currency: 'USD', window: 'day', count: 5 }
    const { body: limit } = await operator.post('/v1/admin/limits', rule)
    const batch = await aBatch(operator, ada)
    const calls: [Client, string, string][] = [
      [ada, 'POST', `/v1/accounts/${await anAccount(ada)}/close`],
      [operator, 'DELETE', `/v1/admin/limits/${limit.id}`],
      [operator, 'GET', `/v1/admin/wire/batches/${batch}/file`],
      [operator, 'GET', `/v1/admin/users/${me.id}/export`],
      [ada, 'GET', '/v1/me/export'],
    ]
    for (const [who, method, path] of calls) {
      const cut = line.cutAtCommit('commit', ANYTHING_ELSE)
      const answer = await who.send(method, path)
      await cut
      // That it is one of those in the document is looked at when the gateway stops.
      assertProblem(answer, 'outcome_unknown')
      assert.ok((await who.send(method, path)).status < 300, path)
    }
  })
})

it('a transaction that is canceled as it begins, by an administrator who means the statement before, does nothing, as the answer says', async () => {
  const { line, operator, accounts } = await aScene()
  const held = transfer(accounts[0] ?? '', accounts[1] ?? '', '1.00', { capture: 'manual' })
  const { body: hold } = await operator.post('/v1/payments', held)
  const canceled = line.cancelAtBegin(DECIDING)
  const capture = await operator.post(`/v1/payments/${hold.id}/capture`)
  await canceled
  assertProblem(capture, 'unavailable')
  assert.equal((await operator.get(`/v1/payments/${hold.id}`)).body.status, 'pending')
  assert.equal((await operator.post(`/v1/payments/${hold.id}/capture`)).body.status, 'completed')
  assert.deepEqual((await verifyBooks(line.direct)).findings, [])
})

describe('where the database goes away behind a commit, before the answer is whole', () => {
  const WIRE = { BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN}:RABONL2U`, BGW_WIRE_NAME: 'Gateway' }
  type Asked = { who: Client; path: string; body: unknown; headers?: Record<string, string> }

  /** What was made is made: that nothing was accepted would have a client without a key make it again. */
  async function assertUnknown(
    { line }: Scene,
    pool: string,
    { who, path, body, headers = {} }: Asked,
  ): Promise<Reply> {
    const ask = () => who.post(path, body, { 'idempotency-key': path, ...headers })
    const gone = line.downAfterCommit(pool)
    const first = await ask()
    await gone
    line.up()
    assertProblem(first, 'outcome_unknown')
    return until(async () => {
      const again = await ask()
      return again.status < 500 && again
    })
  }

  it('a token, a webhook or a limit that was made is unknown, and its key gives it', async () => {
    const scene = await aScene()
    const { operator: who } = scene
    const limit = { per: 'user', kind: 'transfer', currency: 'USD', window: 'day', count: 500 }
    const calls: Asked[] = [
      { who, path: '/v1/tokens', body: { name: 'shop', scopes: ['payments:read'] } },
      { who, path: '/v1/webhooks', body: { url: 'https://example.com/hook', events: ['*'] } },
      { who, path: '/v1/admin/limits', body: limit },
    ]
    for (const asked of calls) {
      const again = await assertUnknown(scene, ANYTHING_ELSE, asked)
      assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, 'true'], asked.path)
    }
  })

  it('a file of a bank that was taken is unknown, and the same file again has what it came to', async () => {
    const scene = await aScene(WIRE)
    const file = aBankFile([{ amount: '27.18', text: 'whose?' }])
    const headers = { 'content-type': 'application/xml' }
    const asked = { who: scene.operator, path: '/v1/admin/wire/statements', body: file, headers }
    const again = await assertUnknown(scene, ANYTHING_ELSE, asked)
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [200, 'true'])
    assert.equal(again.body.statements[0].suspense, 1)
  })

  it('a withdrawal that was canceled is unknown, and is canceled when asked again', async () => {
    const scene = await aScene(WIRE)
    const ada = await aUser(scene.gateway)
    const account = await ada.account('EUR')
    await fund(scene.operator, account, '5.00')
    const destination = { name: 'Ada Lovelace', iban: 'DE89370400440532013000' }
    const { body } = await ada.post('/v1/withdrawals', { account, rail: 'wire', amount: '4.00', destination })
    const again = await assertUnknown(scene, DECIDING, { who: ada, path: `/v1/payments/${body.id}/cancel`, body: {} })
    assert.deepEqual([again.status, again.body.status], [200, 'canceled'])
  })
})

describe('where the database stays away', { concurrency: true }, () => {
  for (const [way, headers] of WAYS) {
    for (const lost of LOST) {
      it(`after the ${lost} was lost, ${way} is answered as unknown, and its key settles it`, async () => {
        const scene = await aScene()
        const cut = scene.line.cutAtCommit(lost, POSTING)
        const answer = scene.pay('one', headers)
        await cut
        scene.line.down()
        assertProblem(await answer, 'outcome_unknown')
        scene.line.up()
        const again = await until(async () => {
          const reply = await scene.pay('one', headers)
          return reply.status !== 503 && reply
        }, 5)
        assert.equal(again.headers.get('idempotent-replayed'), lost === 'answer' ? 'true' : null)
        await assertPaidOnce(scene, ['one'])
      })
    }

    it(`before any commit, ${way} is refused, is not there, and its key makes it`, async () => {
      const scene = await aScene()
      await scene.pay('the session is known by now')
      scene.line.down()
      const refused = await scene.pay('one', headers)
      assertProblem(refused, 'unavailable')
      assert.equal(refused.headers.get('retry-after'), '1')
      scene.line.up()
      await assertPaidOnce(scene, ['the session is known by now'])
      const made = await until(async () => {
        const reply = await scene.pay('one', headers)
        return reply.status !== 503 && reply
      }, 5)
      assert.equal(made.headers.get('idempotent-replayed'), null)
      await assertPaidOnce(scene, ['one', 'the session is known by now'])
    })
  }
})
