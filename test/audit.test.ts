import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { ADDRESS, DETAIL } from '../src/audit/subject.ts'
import {
  aGateway,
  anEmail,
  anOperator,
  aUser,
  loggedIn,
  PASSWORD,
  type TestGateway,
  type TestUser,
  until,
} from './harness/gateway.ts'
import { assertProblem, everyPage, rowsOf } from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
before(async () => {
  gateway = await aGateway()
  ;[operator, ada] = await Promise.all([anOperator(gateway), aUser(gateway)])
})

const auditOf = (query: string) => everyPage(operator, `/v1/admin/audit?${query}`)
const lineOf = (query: string) => until(async () => (await auditOf(query))[0])

describe('the audit log', () => {
  it('has who was refused a call of operators, which one and why', async () => {
    const { body: me } = await ada.get('/v1/me')
    const path = `/v1/admin/accounts/${await ada.account('USD')}/freeze`
    assertProblem(await ada.post(`${path}?x=1`, { reason: 'x' }, { 'x-request-id': 'refused-1' }), 'forbidden')
    const line = await lineOf('request_id=refused-1')
    assert.deepEqual([line.action, line.actor_id, line.address], ['access.refuse', me.id, '127.0.0.1'])
    assert.match(line.token_id, /^tok_/)
    assert.deepEqual([line.detail.operation, line.detail.code], ['freezeAccount', 'forbidden'])
    const auditor = await anOperator(gateway, { role: 'auditor' })
    const adjustment = { account: await ada.account('USD'), amount: '1.00', direction: 'debit', reason: 'x' }
    await auditor.post('/v1/admin/adjustments', adjustment, { 'x-request-id': 'refused-2' })
    assert.equal((await lineOf('request_id=refused-2')).actor, auditor.email)
  })

  it('has refused log-ins of operators and users, and none of addresses that are nobody’s', async () => {
    for (const [{ email }, id] of [
      [operator, 'log-in-1'],
      [ada, 'log-in-2'],
      [{ email: anEmail() }, 'log-in-3'],
    ] as const) {
      const wrong = { email, password: `${PASSWORD} wrong` }
      assertProblem(await gateway.anybody.post('/v1/login', wrong, { 'x-request-id': id }), 'invalid_credentials')
    }
    for (const id of ['log-in-1', 'log-in-2']) {
      const line = await lineOf(`request_id=${id}`)
      assert.deepEqual(
        [line.action, line.actor, line.detail, line.address],
        ['user.refuse_log_in', null, { why: 'invalid_credentials' }, '127.0.0.1'],
      )
      assert.match(line.object_id, /^usr_/)
    }
    await gateway.inside.aside.stop()
    assert.deepEqual(await auditOf('request_id=log-in-3'), [])
  })

  it('has the log-ins and tokens of users, in the transaction of each', async () => {
    const again = await loggedIn(gateway, ada.email)
    const { body: made } = await again.post('/v1/tokens', { name: 'program', scopes: ['payments:read'] })
    await again.delete(`/v1/tokens/${made.id}`)
    await again.delete('/v1/sessions')
    const { body: me } = await ada.get('/v1/me').then((reply) => (reply.status === 200 ? reply : again.get('/v1/me')))
    const lines = await auditOf(`actor_id=${me.id}&action[ne]=access.refuse&sort=-created_at`)
    assert.deepEqual(
      lines.slice(0, 4).map(({ action, object_id }) => [action, object_id]),
      [
        ['user.end_sessions', me.id],
        ['token.revoke', made.id],
        ['token.create', made.id],
        ['user.log_in', me.id],
      ],
    )
    assert.deepEqual(await auditOf(`object_id=${made.id}&action=token.create`), [lines[2]])
  })

  it('has confirmations of addresses and fresh proofs, from where they came', async () => {
    const user = await aUser(gateway)
    const { body: me } = await user.get('/v1/me')
    await user.post('/v1/step-up', { password: PASSWORD }, { 'x-request-id': 'step-up-1' })
    const line = await lineOf('request_id=step-up-1')
    assert.deepEqual([line.action, line.object_id, line.address], ['user.step_up', me.id, '127.0.0.1'])
    const [confirmed] = await auditOf(`object_id=${me.id}&action=user.confirm_email`)
    assert.deepEqual([confirmed.actor_id, confirmed.token_id, confirmed.address], [me.id, null, '127.0.0.1'])
  })

  it('is searched by every field, also by what is in the detail of a line', async () => {
    const user = await aUser(gateway)
    for (const [currency, reason] of [
      ['EUR', 'Letter of 1843'],
      ['CNY', 'Letter of 1844'],
    ] as const) {
      await operator.post(`/v1/admin/accounts/${await user.account(currency)}/freeze`, { reason })
    }
    const found = await auditOf(
      `action=account.freeze&detail[like]=${encodeURIComponent('"reason": "letter of 1843"')}`,
    )
    assert.deepEqual(
      found.map(({ detail }) => detail.reason),
      ['Letter of 1843'],
    )
  })

  it('keeps no secret', async () => {
    const text = JSON.stringify(
      await rowsOf(gateway, `select l.*, ${DETAIL} as detail, ${ADDRESS} as address from audit_log l`),
    )
    for (const secret of [PASSWORD, ada.token ?? '', operator.token ?? '', 'argon2']) assert.ok(!text.includes(secret))
  })
})
