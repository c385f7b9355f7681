import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aClient, type Reply } from './harness/client.ts'
import { aDatabase, urlOf } from './harness/cluster.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import {
  allBalances,
  anAccount,
  assertBooksAreRight,
  assertProblem,
  fund,
  locking,
  lockOf,
  rowsOf,
  transfer,
  untilLocked,
} from './harness/paying.ts'
import { aFolder, anOperatorOf, aServer } from './harness/server.ts'

// Bulk with `atomic: true`: all payments in one transaction, or none (docs/api.md, Bulk).

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let adaUsd: string
let bobUsd: string
before(async () => {
  gateway = await aGateway()
  operator = await anOperator(gateway)
  ada = await aUser(gateway)
  const bob = await aUser(gateway)
  adaUsd = await ada.account('USD')
  bobUsd = await bob.account('USD')
})

const atomically = (payments: unknown[], headers: Record<string, string> = {}) =>
  ada.post('/v1/payments/bulk', { payments, atomic: true }, headers)

/** What the books hold, to see that nothing was made. */
async function everything() {
  return [await allBalances(gateway), await rowsOf(gateway, 'select count(*)::int from payments')]
}

describe('An atomic bulk request', () => {
  it('makes all of its payments, each seeing the ones before it', async () => {
    const { status, body } = await atomically([transfer(adaUsd, bobUsd, '10.00'), transfer(adaUsd, bobUsd, '20.00')])
    assert.equal(status, 200)
    assert.deepEqual(
      body.data.map((outcome: any) => [outcome.status, outcome.payment.status, outcome.payment.amount]),
      [
        [201, 'completed', '10.00'],
        [201, 'completed', '20.00'],
      ],
    )
    assert.equal(await ada.balance(adaUsd), '70.00')
  })

  it('makes none where a rule refuses one, and says which and why', async () => {
    const before = await everything()
    const wish = transfer(adaUsd, bobUsd, '40.00')
    const reply = await atomically([wish, wish, transfer(adaUsd, adaUsd, '1.00')])
    assertProblem(reply, 'payments_declined')
    assert.deepEqual(
      reply.body.errors.map(({ field, detail }: any) => [field, detail]),
      [
        ['payments[1]', 'insufficient_funds'],
        ['payments[2]', 'same_account'],
      ],
    )
    assert.deepEqual(await everything(), before)
  })

  it('makes none where one has a mistake', async () => {
    const before = await everything()
    const reply = await atomically([transfer(adaUsd, bobUsd, '1.00'), transfer(adaUsd, bobUsd, 'one')])
    assertProblem(reply, 'invalid_amount')
    assert.equal(reply.body.errors[0].field, 'payments[1].amount')
    assertProblem(await atomically([transfer(bobUsd, adaUsd, '1.00')]), 'not_found')
    assertProblem(await ada.post('/v1/payments/bulk', { payments: [], atomic: 'yes' }), 'invalid_type')
    assert.deepEqual(await everything(), before)
  })

  it('may come as NDJSON', async () => {
    const lines = ['1.00', '2.00'].map((amount) => JSON.stringify(transfer(adaUsd, bobUsd, amount))).join('\n')
    const ndjson = { 'content-type': 'application/x-ndjson' }
    const { status, body } = await ada.send('POST', '/v1/payments/bulk?atomic=true', lines, ndjson)
    assert.equal(status, 200)
    assert.equal(String(body).trim().split('\n').length, 2)
    const wrong = await ada.send('POST', '/v1/payments/bulk?atomic=true', `${lines}\nnonsense`, ndjson)
    assertProblem(wrong, 'malformed_body')
  })

  it('is made once for its idempotency key', async () => {
    const key = { 'idempotency-key': 'payday' }
    const wishes = [transfer(adaUsd, bobUsd, '3.00'), transfer(adaUsd, bobUsd, '4.00')]
    const [first, second] = await Promise.all([atomically(wishes, key), atomically(wishes, key)])
    const ids = (reply: typeof first) => reply?.body.data.map((outcome: any) => outcome.payment.id)
    assert.deepEqual(ids(first), ids(second))
    assert.equal(await ada.balance(adaUsd), '60.00')
  })

  it('makes none where the key of one is that of another payment, made before or by the same request', async () => {
    const keyed = (amount: string, key: string) => ({ ...transfer(adaUsd, bobUsd, amount), idempotency_key: key })
    assert.equal((await atomically([keyed('1.00', 'used')])).status, 200)
    const before = await everything()
    for (const wishes of [
      [transfer(adaUsd, bobUsd, '1.00'), keyed('2.00', 'used')],
      [keyed('1.00', 'fresh'), keyed('2.00', 'fresh')],
    ]) {
      const reply = await atomically(wishes)
      assertProblem(reply, 'idempotency_key_reused')
      assert.deepEqual(
        reply.body.errors.map(({ field, code }: any) => [field, code]),
        [['payments[1]', 'idempotency_key_reused']],
      )
    }
    assert.deepEqual(await everything(), before)
    const { status, body } = await atomically([keyed('1.00', 'used'), keyed('1.00', 'same'), keyed('1.00', 'same')])
    assert.deepEqual([status, body.data.map((each: any) => each.idempotent_replayed)], [200, [true, undefined, true]])
    assert.equal(body.data[1].payment.id, body.data[2].payment.id)
  })

  it('makes none where one was asked for before and declined', async () => {
    const key = { idempotency_key: 'too much' }
    const wish = transfer(adaUsd, bobUsd, '5000.00')
    const { body: alone } = await ada.post('/v1/payments/bulk', { payments: [{ ...wish, ...key }] })
    assert.equal(alone.data[0].payment.decline_reason, 'insufficient_funds')
    const before = await everything()
    const reply = await atomically([transfer(adaUsd, bobUsd, '1.00'), { ...wish, ...key }])
    assertProblem(reply, 'payments_declined')
    assert.deepEqual(reply.body.errors[0].detail, 'insufficient_funds')
    assert.deepEqual(await everything(), before)
  })

  it('makes none where one was accepted before and declined then', async () => {
    const wish = transfer(adaUsd, bobUsd, '5000.00')
    const accepted = await ada.post('/v1/payments', wish, { 'idempotency-key': 'later', prefer: 'respond-async' })
    assert.deepEqual([accepted.status, accepted.body.status], [202, 'initiated'])
    assert.equal((await ada.get(`/v1/payments/${accepted.body.id}?wait=30`)).body.status, 'declined')
    const before = await everything()
    const reply = await atomically([{ ...wish, idempotency_key: 'later' }, transfer(adaUsd, bobUsd, '5.00')])
    assertProblem(reply, 'payments_declined')
    assert.deepEqual(
      reply.body.errors.map(({ field, detail }: any) => [field, detail]),
      [['payments[0]', 'insufficient_funds']],
    )
    assert.deepEqual(await everything(), before)
  })

  it('is to be repeated where one was accepted before and is not posted yet', async () => {
    const idle = await aGateway()
    await idle.inside.worker.stop()
    const [eve, fay] = await Promise.all([aUser(idle), aUser(idle)])
    const [from, to] = [await eve.account('USD'), await fay.account('USD')]
    const [accepted, declined] = [transfer(from, to, '10.00'), transfer(from, from, '1.00')]
    const keyed = (key: string, more: object = {}) => ({ 'idempotency-key': key, ...more })
    await eve.post('/v1/payments', accepted, keyed('accepted', { prefer: 'respond-async' }))
    await eve.post('/v1/payments', declined, keyed('declined'))
    const payments = [{ ...accepted, idempotency_key: 'accepted' }, transfer(from, to, '5.00')]
    const reply = await eve.post('/v1/payments/bulk', { payments, atomic: true })
    assertProblem(reply, 'overloaded')
    assert.deepEqual(
      [reply.headers.get('retry-after'), reply.body.errors.map(({ field }: any) => field)],
      ['1', ['payments[0]']],
    )
    const never = [...payments, { ...declined, idempotency_key: 'declined' }]
    assertProblem(await eve.post('/v1/payments/bulk', { payments: never, atomic: true }), 'payments_declined')
    assert.equal(await eve.balance(from), '100.00')

    const working = await aGateway({}, idle.database)
    await until(async () => (await eve.balance(from)) === '90.00')
    const { status, body } = await eve.post('/v1/payments/bulk', { payments, atomic: true })
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual(
      body.data.map((outcome: any) => [outcome.status, outcome.payment.status, outcome.idempotent_replayed]),
      [
        [202, 'initiated', true],
        [201, 'completed', undefined],
      ],
    )
    assert.equal(await eve.balance(from), '85.00')
    await Promise.all([idle.stop(), working.stop()])
  })

  it('makes all or none also where one of them is under way with another request', async () => {
    const shared = { ...transfer(adaUsd, bobUsd, '1.00'), idempotency_key: 'shared' }
    const alone = { ...transfer(adaUsd, bobUsd, '2.00'), idempotency_key: 'alone' }
    const before = Number(await ada.balance(adaUsd))
    const [declined, made] = await Promise.all([
      atomically([shared, transfer(adaUsd, bobUsd, '5000.00')]),
      atomically([shared, alone]),
    ])
    assertProblem(declined, 'payments_declined')
    assert.equal(declined.body.errors[0].field, 'payments[1]')
    assert.equal(made.status, 200, JSON.stringify(made.body))
    assert.equal(Number(await ada.balance(adaUsd)), before - 3)
  })

  describe('that another request has overtaken while it waited', () => {
    const keyed = (from: string, amount: string, key: string) => ({
      ...transfer(from, bobUsd, amount),
      idempotency_key: `${from} ${key}`,
    })
    const aPurse = async () => {
      const account = await anAccount(ada)
      await fund(operator, account, '100.00')
      return account
    }
    /** Both, one behind the other at the lock of the account that they pay from. */
    const behindEachOther = async (from: string, one: () => Promise<Reply>, other: () => Promise<Reply>) => {
      const [first, second] = await locking(gateway, lockOf(from), async () => {
        const first = one()
        await untilLocked(gateway, 1)
        const second = other()
        await untilLocked(gateway, 2)
        return [first, second]
      })
      return [await first, await second]
    }
    const idsOf = ({ body }: Reply) => body.data.map((outcome: any) => outcome.payment.id)

    it('is answered with what the same request made on another node', async () => {
      const second = await aGateway({}, gateway.database)
      const from = await aPurse()
      const wishes = { payments: [keyed(from, '60.00', 'k1'), keyed(from, '30.00', 'k2')], atomic: true }
      const there = aClient(second.url, ada.token)
      const answers = await behindEachOther(
        from,
        () => ada.post('/v1/payments/bulk', wishes),
        () => there.post('/v1/payments/bulk', wishes),
      )
      for (const { status, body } of answers) assert.equal(status, 200, JSON.stringify(body))
      const [made, replayed] = answers as [Reply, Reply]
      assert.deepEqual(idsOf(made), idsOf(replayed))
      assert.ok(replayed.body.data.every((outcome: any) => outcome.idempotent_replayed))
      assert.equal(await ada.balance(from), '10.00')
      await second.stop()
    })

    it('makes what is left to make beside a payment with the key of one of its own', async () => {
      const from = await aPurse()
      const { idempotency_key, ...alone } = keyed(from, '60.00', 'k1')
      const wishes = [keyed(from, '60.00', 'k1'), keyed(from, '30.00', 'k2')]
      const [one, all] = await behindEachOther(
        from,
        () => ada.post('/v1/payments', alone, { 'idempotency-key': idempotency_key }),
        () => atomically(wishes),
      )
      assert.equal(all?.status, 200, JSON.stringify(all?.body))
      assert.equal(idsOf(all as Reply)[0], one?.body.id)
      assert.equal(await ada.balance(from), '10.00')
    })

    it('makes none where that one was declined, or its key is that of another payment', async () => {
      for (const [amount, code] of [
        ['500.00', 'payments_declined'],
        ['50.00', 'idempotency_key_reused'],
      ] as const) {
        const from = await aPurse()
        const { idempotency_key, ...alone } = keyed(from, amount, 'k1')
        const [, all] = await behindEachOther(
          from,
          () => ada.post('/v1/payments', alone, { 'idempotency-key': idempotency_key }),
          () => atomically([keyed(from, '500.00', 'k1'), keyed(from, '1.00', 'k2')]),
        )
        assertProblem(all as Reply, code)
        assert.equal(await ada.balance(from), amount === '50.00' ? '50.00' : '100.00')
      }
    })
  })

  it('keeps nothing of lines that are no payments, however much is made of them', async () => {
    const settings = { DATABASE_URL: urlOf(await aDatabase()), BGW_DATA_DIR: await aFolder() }
    const server = await aServer({ ...settings, NODE_OPTIONS: '--max-old-space-size=140' })
    const caller = await anOperatorOf(server, settings)
    // Of 13 MiB come four and a half million objects.
    const lines = `[${Array(4_990).fill('{}')}]\n`.repeat(900)
    const type = { 'content-type': 'application/x-ndjson' }
    const reply = await caller.send('POST', '/v1/payments/bulk?atomic=true', lines, type)
    assertProblem(reply, 'invalid_type')
    assert.equal(reply.body.errors.length, 100)
    assert.equal((await caller.get('/v1/me')).status, 200)
  })

  it('takes ten thousand payments in one transaction', async () => {
    await fund(operator, adaUsd, '10000.00')
    const many = Array.from({ length: 10_000 }, () => transfer(adaUsd, bobUsd, '1.00'))
    const { status, body } = await atomically(many)
    assert.deepEqual([status, body.data.length], [200, 10_000])
    const [row] = await rowsOf(
      gateway,
      `select count(distinct txid)::int as transactions
         from events where object_id in (select id from payments where amount = 100 and kind = 'transfer') and type = 'payment.completed'
          and created_at > now() - interval '1 minute' and object_id <> all (
            select id from payments where created_at < (select max(created_at) from payments))`,
    )
    assert.equal(row.transactions, 1)
    assertProblem(await atomically([...many, ...many.slice(0, 1)]), 'too_many_payments')
    await assertBooksAreRight(gateway)
  })
})
