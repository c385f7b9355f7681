import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { aClient, type Client, type Reply } from './harness/client.ts'
import { aGateway, anEmail, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { anAccount, assertBooksAreRight, assertProblem, everyPage, rowsOf } from './harness/paying.ts'

let gateway: TestGateway
let asker: TestUser
let others: TestUser[]
let ada: TestUser
before(async () => {
  gateway = await aGateway({ BGW_APPROVAL_ABOVE: '1000.00 USD' })
  const [first, ...more] = await Promise.all([anOperator(gateway), anOperator(gateway), anOperator(gateway)])
  asker = first
  others = more
  ada = await aUser(gateway)
})

const adjust = (account: string, amount: string, more: object = {}, headers: Record<string, string> = {}) =>
  asker.post('/v1/admin/adjustments', { account, amount, direction: 'debit', reason: 'Cash', ...more }, headers)
const decide = (id: string, verb: string, by = others[0], body = verb === 'reject' ? { reason: 'No' } : undefined) =>
  (by ?? asker).post(`/v1/admin/approvals/${id}/${verb}`, body)
const auditOf = (query: string) => everyPage(asker, `/v1/admin/audit?${query}`)

describe('an adjustment above the sum', () => {
  it('moves nothing until another operator approves it, and is theirs both in the audit log', async () => {
    const account = await anAccount(ada)
    assert.equal((await adjust(account, '1000.00')).status, 201)
    const { status, body } = await adjust(account, '1000.01')
    assert.deepEqual([status, body.status, body.amount, body.account_id], [202, 'pending', '1000.01', account])
    assert.equal(await ada.balance(account), '1000.00')
    assert.deepEqual(await everyPage(asker, '/v1/admin/approvals?status=pending'), [body])
    const approved = await decide(body.id, 'approve')
    assert.deepEqual([approved.status, approved.body.kind, approved.body.status], [201, 'adjustment', 'completed'])
    assert.equal(await ada.balance(account), '2000.01')
    const [after] = await everyPage(asker, `/v1/admin/approvals?id=${body.id}`)
    assert.deepEqual([after.status, after.payment_id], ['approved', approved.body.id])
    assert.equal((await auditOf(`object_id=${body.id}&action=approval.request`))[0].actor, asker.email)
    assert.equal((await auditOf(`object_id=${approved.body.id}`))[0].actor, others[0]?.email)
  })

  it('names in the audit log its account, its approval and who asked, as every call does', async () => {
    const account = await anAccount(ada)
    const [first, second] = [await adjust(account, '1000.01'), await adjust(account, '1000.01')]
    const approved = await decide(first.body.id, 'approve')
    await decide(second.body.id, 'reject')
    const { requested_by: by } = first.body
    const [asked] = await auditOf(`object_id=${first.body.id}&action=approval.request`)
    const [approval] = await auditOf(`object_id=${approved.body.id}&action=adjustment.approve`)
    const [rejection] = await auditOf(`object_id=${second.body.id}&action=approval.reject`)
    assert.equal(asked.detail.account_id, account)
    assert.deepEqual([approval.detail.approval, approval.detail.requested_by], [first.body.id, by])
    assert.equal(rejection.detail.requested_by, by)
  })

  it('is not for who asked to decide, which the audit log keeps', async () => {
    const account = await anAccount(ada)
    const { body } = await adjust(account, '5000.00')
    for (const verb of ['approve', 'reject']) assertProblem(await decide(body.id, verb, asker), 'not_yourself')
    const refused = await until(async () => {
      const lines = await auditOf('action=access.refuse')
      return lines.length >= 2 && lines
    })
    assert.equal(refused[0].detail.code, 'not_yourself')
    assert.equal(await ada.balance(account), '0.00')
  })

  it('is made once, however many approve and reject at the same moment', async () => {
    const account = await anAccount(ada)
    const { body } = await adjust(account, '5000.00')
    const verbs = ['approve', 'reject', 'approve', 'approve', 'reject', 'approve']
    const answers = await Promise.all(verbs.map((verb, index) => decide(body.id, verb, others[index % 2])))
    const well = answers.filter(({ status }) => status < 300)
    assert.equal(well.length, 1)
    for (const answer of answers.filter((each) => !well.includes(each))) assertProblem(answer, 'approval_decided')
    const [{ status }] = await everyPage(asker, `/v1/admin/approvals?id=${body.id}`)
    assert.equal(await ada.balance(account), status === 'approved' ? '5000.00' : '0.00')
  })

  it('can be turned down, with a reason, and runs out', async () => {
    const account = await anAccount(ada)
    const [first, second] = await Promise.all([adjust(account, '2000.00'), adjust(account, '3000.00')])
    const rejected = await decide(first.body.id, 'reject')
    assert.deepEqual([rejected.status, rejected.body.status], [200, 'rejected'])
    assertProblem(await decide(first.body.id, 'approve'), 'approval_decided')
    await rowsOf(gateway, `update approvals set expires_at = now() where status = 'pending' returning id`)
    assertProblem(await decide(second.body.id, 'approve'), 'approval_expired')
    const [late] = await everyPage(asker, `/v1/admin/approvals?id=${second.body.id}`)
    assert.equal(late.status, 'expired')
    assert.equal(await ada.balance(account), '0.00')
    assertProblem(await decide('apr_01k3v5f2q8e8pv0z3m0c6b7d1e', 'approve'), 'not_found')
  })

  it('is asked for once with one idempotency key, and in every amount of a currency that has no sum', async () => {
    const account = await anAccount(ada, 'EUR')
    const key = { 'idempotency-key': 'once' }
    const [first, second] = await Promise.all([1, 2].map(() => adjust(account, '0.01', {}, key)))
    assert.deepEqual([first?.status, first?.body], [202, second?.body])
  })

  it('is not given by an import either', async () => {
    const line = (balance: string) =>
      JSON.stringify({ email: anEmail(), accounts: [{ currency: 'USD', opening_balance: balance }] })
    const text = `${line('1000.00')}\n${line('1000.01')}`
    const type = { 'content-type': 'application/x-ndjson' }
    const { body } = await asker.send('POST', '/v1/admin/users/import', text, type)
    const [well, refused] = String(body)
      .trim()
      .split('\n')
      .map((each) => JSON.parse(each))
    assert.deepEqual([well.status, refused.error.code], [201, 'approval_required'])
  })

  it('leaves the books right', () => assertBooksAreRight(gateway))
})

describe('the idempotency key of an adjustment', () => {
  let lenient: TestGateway
  let there: Client
  before(async () => {
    lenient = await aGateway({ BGW_APPROVAL_ABOVE: '9000.00 USD' }, gateway.database)
    there = aClient(lenient.url, asker.token)
  })

  const keyed = (key: string) => ({ 'idempotency-key': key })
  /** The same on a node that asks for approval above a greater sum, as one does whose settings were changed. */
  const adjustThere = (account: string, amount: string, key: string) =>
    there.post('/v1/admin/adjustments', { account, amount, direction: 'debit', reason: 'Cash' }, keyed(key))
  /** How many payments and how many approvals there are for an account. */
  const madeFor = async (account: string) =>
    Promise.all([everyPage(ada, `/v1/payments?to_account=${account}`), approvalsFor(account)]).then((lists) =>
      lists.map(({ length }) => length),
    )
  const approvalsFor = (account: string) => everyPage(asker, `/v1/admin/approvals?account_id=${account}`)

  function assertReplayOf(first: Reply, again: Reply) {
    assert.deepEqual([again.status, again.body], [first.status, first.body])
    for (const [reply, replayed] of [
      [first, null],
      [again, 'true'],
    ] as const) {
      assert.equal(reply.headers.get('idempotent-replayed'), replayed)
      const location = reply.status === 201 ? `/v1/payments/${reply.body.id}` : null
      assert.equal(reply.headers.get('location'), location)
    }
  }

  it('is for one body, on whichever side of the sum another would be', async () => {
    for (const [first, second] of [
      ['100.00', '5000.00'],
      ['5000.00', '100.00'],
    ] as const) {
      const account = await anAccount(ada)
      assert.ok((await adjust(account, first, {}, keyed(account))).status < 300)
      assertProblem(await adjust(account, second, {}, keyed(account)), 'idempotency_key_reused')
      assert.deepEqual(await madeFor(account), first === '100.00' ? [1, 0] : [0, 1])
    }
  })

  it('gives the first answer again where the sum is another one by now', async () => {
    const account = await anAccount(ada)
    const asked = await adjust(account, '5000.00', {}, keyed('asked'))
    assert.equal(asked.status, 202)
    assertReplayOf(asked, await adjustThere(account, '5000.00', 'asked'))
    const made = await adjustThere(account, '6000.00', 'made')
    assert.equal(made.status, 201)
    assertReplayOf(made, await adjust(account, '6000.00', {}, keyed('made')))
    const lines = await auditOf(`object_id=${made.body.id}`)
    assert.deepEqual(
      lines.map(({ action, actor }) => [action, actor]),
      [['adjustment.create', asker.email]],
    )
    assert.equal((await decide(asked.body.id, 'approve')).status, 201)
    assertReplayOf(asked, await adjustThere(account, '5000.00', 'asked'))
    assert.equal(await ada.balance(account), '11000.00')
    assert.deepEqual(await madeFor(account), [2, 1])
  })

  it('makes one of it on two nodes at once', async () => {
    for (let round = 0; round < 8; round += 1) {
      const account = await anAccount(ada)
      const answers = await Promise.all([
        adjust(account, '5000.00', {}, keyed(account)),
        adjustThere(account, '5000.00', account),
        adjust(account, '5000.00', {}, keyed(account)),
        adjustThere(account, '5000.00', account),
      ])
      const first = answers.find(({ headers }) => headers.get('idempotent-replayed') === null)
      assert.ok(first)
      for (const again of answers) if (again !== first) assertReplayOf(first, again)
      assert.deepEqual(await madeFor(account), first.status === 201 ? [1, 0] : [0, 1])
    }
  })

  it('gives again what was declined', async () => {
    const account = await anAccount(ada)
    const take = () => adjust(account, '1.00', { direction: 'credit' }, keyed('declined'))
    const declined = await take()
    assert.deepEqual([declined.status, declined.body.decline_reason], [201, 'insufficient_funds'])
    await adjust(account, '1.00')
    assertReplayOf(declined, await take())
    assert.equal(await ada.balance(account), '1.00')
  })

  it('is found where only the payment has it, as those that were made before answers were kept', async () => {
    const account = await anAccount(ada)
    const made = await adjust(account, '700.00', {}, keyed('long ago'))
    const forget = "delete from idempotency_keys where shown_text(book, user_id, answer)::json ->> 'id' = $1"
    await rowsOf(gateway, forget, [made.body.id])
    assertReplayOf(made, await adjust(account, '700.00', {}, keyed('long ago')))
    for (const amount of ['70.00', '7000.00']) {
      assertProblem(await adjust(account, amount, {}, keyed('long ago')), 'idempotency_key_reused')
    }
    assert.equal(await ada.balance(account), '700.00')
    assert.deepEqual(await madeFor(account), [1, 0])
  })

  it('leaves the books right', async () => {
    await lenient.stop()
    await assertBooksAreRight(gateway)
  })
})
