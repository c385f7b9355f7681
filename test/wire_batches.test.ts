import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { withOwner } from '../src/database/connection.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { all, attribute, need, needText, readXml } from '../src/rails/wire/xml.ts'
import { aBankFile, OWN_IBAN, referenceOf, today } from './harness/bank.ts'
import { aClient } from './harness/client.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertBooksAreRight, assertProblem, everyPage, fund, rowsOf, transfer } from './harness/paying.ts'

// Both nodes open what either has sealed.
const keys = mkdtempSync(join(tmpdir(), 'bgw-keys-'))
writeFileSync(join(keys, 'secret.key'), randomBytes(32).toString('base64'))
after(() => rmSync(keys, { recursive: true }))

const SETTINGS = {
  BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN}:RABONL2U`,
  BGW_WIRE_NAME: 'Gateway & Söhne',
  BGW_SECRET_KEY_FILE: join(keys, 'secret.key'),
}
const ADA = { name: 'Ada Lovelace', iban: 'DE89370400440532013000' }

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let euros: string
before(async () => {
  gateway = await aGateway(SETTINGS)
  operator = await anOperator(gateway)
  ada = await aUser(gateway)
  euros = await ada.account('EUR')
})

async function aWithdrawal(amount: string, more: object = {}): Promise<any> {
  const wish = { account: euros, rail: 'wire', amount, destination: ADA, ...more }
  const { status, body } = await ada.post('/v1/withdrawals', wish)
  assert.deepEqual([status, body.status], [202, 'pending'])
  return body
}

const collect = (wish: object = {}, who: Pick<TestUser, 'post'> = operator) =>
  who.post('/v1/admin/wire/batches', { currency: 'EUR', ...wish })
const fileOf = ({ id }: { id: string }) => operator.get(`/v1/admin/wire/batches/${id}/file`)

async function upload(file: string): Promise<any> {
  const { status, body } = await operator.post('/v1/admin/wire/statements', file, { 'content-type': 'application/xml' })
  assert.equal(status, 200, JSON.stringify(body))
  assert.notEqual(body.settled_at, null)
  return body
}

/** What an order tells the bank: each payment by its end-to-end id with its amount and who is paid. */
function ordersIn(xml: string) {
  const { namespace, root } = readXml(Buffer.from(xml))
  const body = need(root, 'CstmrCdtTrfInitn')
  const payments = all(need(body, 'PmtInf'), 'CdtTrfTxInf').map((each) => ({
    reference: needText(each, 'PmtId/EndToEndId'),
    amount: needText(each, 'Amt/InstdAmt'),
    currency: attribute(need(each, 'Amt/InstdAmt'), 'Ccy'),
    name: needText(each, 'Cdtr/Nm'),
    iban: needText(each, 'CdtrAcct/Id/IBAN'),
  }))
  return { namespace, body, payments }
}

describe('Money by wire', () => {
  it('comes in by a statement, goes out by an order, and is done when the bank says so', async () => {
    const deposit = (await ada.post('/v1/deposits', { account: euros, rail: 'wire', amount: '500.00' })).body
    assert.equal(deposit.status, 'pending')
    const payTo = { name: 'Gateway & Söhne', iban: OWN_IBAN, bic: 'RABONL2U', reference: referenceOf(deposit) }
    assert.deepEqual(deposit.pay_to, payTo)
    assert.deepEqual((await ada.get(`/v1/deposits/${deposit.id}`)).body, deposit)
    const came = await upload(aBankFile([{ amount: '500.00', text: deposit.pay_to.reference }], { opening: 0 }))
    const { body: paid } = await ada.get(`/v1/deposits/${deposit.id}`)
    assert.deepEqual([paid.status, paid.pay_to], ['completed', null])
    assert.deepEqual(came.statements[0].closing, { bank: '500.00', books: '500.00', difference: '0.00' })

    const payment = await aWithdrawal('40.00', { description: 'Rent <1>' })
    const { status, body: batch } = await collect()
    assert.equal(status, 201)
    assert.deepEqual(
      [batch.version, batch.account, batch.currency, batch.payments, batch.total, batch.requested_date, batch.left_out],
      ['09', OWN_IBAN, 'EUR', 1, '40.00', today(), []],
    )
    const { headers, body: xml } = await fileOf(batch)
    assert.match(headers.get('content-type') ?? '', /^application\/xml/)
    // Who is paid, in full: nothing on its way keeps it.
    assert.deepEqual([headers.get('cache-control'), headers.get('etag')], ['no-store', null])
    const { namespace, body, payments } = ordersIn(xml)
    assert.match(namespace, /pain\.001\.001\.09$/)
    assert.deepEqual(payments, [{ reference: referenceOf(payment), amount: '40.00', currency: 'EUR', ...ADA }])
    assert.equal(needText(body, 'GrpHdr/MsgId'), batch.message_id)
    assert.equal(needText(body, 'PmtInf/Dbtr/Nm'), 'Gateway + Sohne')
    assert.equal(needText(body, 'PmtInf/BtchBookg'), 'false')
    assert.equal(needText(body, 'PmtInf/DbtrAgt/FinInstnId/BICFI'), 'RABONL2U')
    assert.equal((await ada.get(`/v1/payments/${payment.id}`)).body.status, 'pending')

    const went = await upload(
      aBankFile([{ amount: '40.00', out: true, reference: referenceOf(payment) }], { opening: 50_000 }),
    )
    assert.deepEqual([went.statements[0].matched, went.statements[0].unmatched], [1, 0])
    for (const balance of ['opening', 'closing']) assert.equal(went.statements[0][balance].difference, '0.00')
    assert.equal((await ada.get(`/v1/payments/${payment.id}`)).body.status, 'completed')
    const { body: account } = await ada.get(`/v1/accounts/${euros}`)
    assert.deepEqual([account.balance, account.held], ['460.00', '0.00'])
    await assertBooksAreRight(gateway)
  })
})

describe('A deposit', () => {
  it('says where to send its money to both who announced it and operators, and only by wire in that currency', async () => {
    const announced = async (account: string, rail: string) =>
      (await ada.post('/v1/deposits', { account, rail, amount: '1.00' })).body
    const deposit = await announced(euros, 'wire')
    assert.equal((await operator.get(`/v1/deposits/${deposit.id}`)).body.pay_to.iban, OWN_IBAN)
    assert.equal((await announced(euros, 'wallet')).pay_to, null)
    assert.equal((await announced(await ada.account('USD'), 'wire')).pay_to, null)
    const key = { 'idempotency-key': 'deposit-1' }
    const wish = { account: euros, rail: 'wire', amount: '2.00' }
    const [first, again] = [await ada.post('/v1/deposits', wish, key), await ada.post('/v1/deposits', wish, key)]
    assert.deepEqual(again.body, first.body)
    const eve = await aUser(gateway)
    assertProblem(await eve.get(`/v1/deposits/${deposit.id}`), 'not_found')
    const transferred = await ada.post(
      '/v1/payments',
      transfer(await ada.account('USD'), await eve.account('USD'), '1.00'),
    )
    assertProblem(await ada.get(`/v1/deposits/${transferred.body.id}`), 'not_found')
    for (const { id } of [deposit, first.body]) await ada.post(`/v1/payments/${id}/cancel`)
    assert.equal((await ada.get(`/v1/deposits/${deposit.id}`)).body.pay_to, null)
  })
})

describe('A batch', () => {
  it('has each withdrawal once, however many collect on however many nodes', async () => {
    const other = await aGateway(SETTINGS, gateway.database)
    const there = aClient(other.url, operator.token)
    const made = await Promise.all(Array.from({ length: 6 }, (_, index) => aWithdrawal(`1.0${index}`)))
    const replies = await Promise.all([1, 2, 3, 4].map((most) => collect({ most }, most % 2 ? operator : there)))
    for (const reply of replies) if (reply.status !== 201) assertProblem(reply, 'nothing_to_order')
    const last = await collect()
    const batches = [...replies, last].filter(({ status }) => status === 201).map(({ body }) => body)
    const files = await Promise.all(batches.map((batch) => fileOf(batch)))
    const ordered = files.flatMap(({ body }) => ordersIn(body).payments.map(({ reference }) => reference))
    assert.deepEqual(ordered.sort(), made.map(referenceOf).sort())
    assertProblem(await collect(), 'nothing_to_order')
    const again = await Promise.all(batches.map((batch) => fileOf(batch)))
    assert.deepEqual(
      again.map(({ body }) => body),
      files.map(({ body }) => body),
    )
    const listed = await everyPage(operator, '/v1/admin/wire/batches')
    for (const { left_out: _, ...batch } of batches)
      assert.deepEqual(
        listed.find(({ id }) => id === batch.id),
        batch,
      )
  })

  it('leaves out what was canceled before, and nobody cancels what is in it', async () => {
    const [first, second] = [await aWithdrawal('2.00'), await aWithdrawal('3.00')]
    assert.equal((await ada.post(`/v1/payments/${first.id}/cancel`)).body.status, 'canceled')
    const { body: batch } = await collect({ version: '03', requested_date: '2999-12-31', batch_booking: true })
    assert.deepEqual(
      [batch.version, batch.requested_date, batch.payments, batch.total],
      ['03', '2999-12-31', 1, '3.00'],
    )
    const { body: xml } = await fileOf(batch)
    assert.match(ordersIn(xml).namespace, /pain\.001\.001\.03$/)
    assert.equal(needText(ordersIn(xml).body, 'PmtInf/BtchBookg'), 'true')
    assertProblem(await ada.post(`/v1/payments/${second.id}/cancel`), 'too_late_to_cancel')
    const contents = await everyPage(operator, `/v1/admin/wire/batches/payments?batch_id=${batch.id}`)
    assert.deepEqual(contents, [
      {
        ...{ payment_id: second.id, batch_id: batch.id, end_to_end_id: referenceOf(second), currency: 'EUR' },
        ...{ amount: '3.00', status: 'pending', destination: 'DE89…3000', reject_reason: null },
      },
    ])
    // By hand, where the bank refused it; and should the bank have paid all the same, that is booked.
    await operator.post(`/v1/admin/payments/${second.id}/cancel`, { reason: 'The bank refused the file' })
    const file = await upload(aBankFile([{ amount: '3.00', out: true, reference: referenceOf(second) }]))
    const [entry] = await everyPage(operator, `/v1/admin/wire/entries?file_id=${file.id}`)
    const [item] = await everyPage(operator, `/v1/admin/suspense?id=${entry.suspense_id}`)
    assert.deepEqual([item.reason, item.direction, item.related_id], ['late', 'out', second.id])
  })

  it('races with cancels, and each withdrawal is canceled or ordered', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => aWithdrawal('0.50')))
    const cancels = made.map(({ id }) => ada.post(`/v1/payments/${id}/cancel`))
    const collects = [collect(), collect(), collect()]
    const canceled = (await Promise.all(cancels)).flatMap(({ status, body }) => (status === 200 ? body.id : []))
    await Promise.all(collects)
    await collect()
    const ordered = await everyPage(operator, '/v1/admin/wire/batches/payments?status=pending&amount=0.5')
    assert.deepEqual([...canceled, ...ordered.map((each) => each.payment_id)].sort(), made.map(({ id }) => id).sort())
  })

  it('keeps who is paid sealed, and says who made and who downloaded it', async () => {
    await aWithdrawal('4.00')
    const key = { 'idempotency-key': 'batch-1' }
    const wish = { currency: 'EUR' }
    const twice = [1, 2].map(() => operator.post('/v1/admin/wire/batches', wish, key))
    const [first, second] = await Promise.all(twice)
    assert.deepEqual(first?.body, second?.body)
    const { body: batch } = first as { body: any }
    await fileOf(batch)
    const audit = await everyPage(operator, '/v1/admin/audit?action[like]=wire_batch')
    assert.deepEqual(
      audit.filter(({ detail }) => detail.batch === batch.id).map(({ actor, action }) => [actor, action]),
      [
        [operator.email, 'wire_batch.download'],
        [operator.email, 'wire_batch.create'],
      ],
    )
    const rows = await rowsOf(gateway, `select encode(file, 'escape') as file from wire_batches`)
    for (const { file } of rows) assert.doesNotMatch(file, /Lovelace|0532013000|Document/)
    assertProblem(await ada.get(`/v1/admin/wire/batches/${batch.id}/file`), 'forbidden')
    assertProblem(await collect({}, ada), 'forbidden')
    assertProblem(await operator.get(`/v1/admin/wire/batches/${batch.id.replace('wbt', 'pay')}/file`), 'not_found')
  })

  it('whose key a gateway does not have is not given out there: what it says is why, and it is where the key is', async () => {
    await aWithdrawal('4.10')
    const { body: batch } = await collect()
    const otherKey = join(keys, 'lost.key')
    writeFileSync(otherKey, randomBytes(32).toString('base64'))
    const other = await aGateway({ ...SETTINGS, BGW_SECRET_KEY_FILE: otherKey }, gateway.database)
    const there = aClient(other.url, operator.token)
    assertProblem(await there.get(`/v1/admin/wire/batches/${batch.id}/file`), 'key_missing')
    assert.equal((await fileOf(batch)).status, 200)
    const downloads = await everyPage(operator, '/v1/admin/audit?action=wire_batch.download')
    assert.equal(downloads.filter(({ detail }) => detail.batch === batch.id).length, 1)
  })

  it('leaves out whom it cannot open, as the key of the gateway or of the user is lost, and orders the others', async () => {
    const otherKey = join(keys, 'other.key')
    writeFileSync(otherKey, randomBytes(32).toString('base64'))
    const other = await aGateway({ ...SETTINGS, BGW_SECRET_KEY_FILE: otherKey }, gateway.database)
    const there = aClient(other.url, operator.token)
    const eve = await aUser(gateway)
    const account = await eve.account('EUR')
    await fund(operator, account, '1.00')
    const lost = await aClient(other.url, eve.token).post('/v1/withdrawals', {
      ...{ account, rail: 'wire', amount: '1.00', destination: ADA },
    })
    assert.equal(lost.status, 202)
    const closed = await aWithdrawal('1.10')
    const open = (
      await aClient(other.url, ada.token).post('/v1/withdrawals', {
        ...{ account: euros, rail: 'wire', amount: '1.20', destination: ADA },
      })
    ).body
    // It names a key that nobody has. Were hers away, what is written and sealed of her meanwhile would be others, too.
    await withOwner(gateway.database, (client) =>
      client.query(
        `update rail_instructions set destination = set_byte(destination, 4, get_byte(destination, 4) # 255) where payment_id = $1`,
        [decodeId('pay', lost.body.id)],
      ),
    )
    const { status, body: batch } = await collect({}, there)
    assert.equal(status, 201)
    assert.deepEqual(batch.left_out, [
      { payment_id: lost.body.id, problem: 'the destination is lost, as the key of its user is' },
      { payment_id: closed.id, problem: 'the destination cannot be opened with the keys of this gateway' },
    ])
    const contents = await everyPage(operator, `/v1/admin/wire/batches/payments?batch_id=${batch.id}`)
    assert.deepEqual(
      contents.map((each) => each.payment_id),
      [open.id],
    )
    for (const each of [lost.body, closed])
      assert.equal((await operator.post(`/v1/admin/payments/${each.id}/cancel`, { reason: 'lost' })).status, 200)
  })

  it('finds what can be ordered behind whatever its version cannot hold, and waits for none that it leaves out', async () => {
    const unheld = { destination: { ...ADA, bic: 'COBADEFO' } }
    const bad = [
      await aWithdrawal('1.00', unheld),
      await aWithdrawal('1.00', unheld),
      await aWithdrawal('1.00', unheld),
    ]
    const good = [await aWithdrawal('1.30'), await aWithdrawal('1.40'), await aWithdrawal('1.50')]
    const { status, body: batch } = await collect({ version: '03', most: 2 })
    assert.deepEqual([status, batch.payments, batch.total], [201, 2, '2.70'])
    assert.deepEqual(
      batch.left_out.map((each: { payment_id: string }) => each.payment_id),
      bad.map(({ id }) => id),
    )
    for (const { problem } of batch.left_out)
      assert.match(problem, /creditor has a BIC that pain\.001\.001\.03 cannot hold/)
    assert.equal((await collect({ version: '03', most: 1 })).body.total, '1.50')
    const none = await collect({ version: '03', most: 1 })
    assertProblem(none, 'nothing_to_order')
    assert.equal(none.body.errors.length, 3)
    assert.equal((await collect({ version: '09' })).body.payments, 3)
    const ordered = await everyPage(operator, '/v1/admin/wire/batches/payments')
    for (const { id } of [...bad, ...good]) assert.equal(ordered.filter((each) => each.payment_id === id).length, 1)
  })

  it('is refused where there is no account, no such currency, or no such day', async () => {
    for (const [wish, code] of [
      [{ currency: 'USD' }, 'invalid_value'],
      [{ currency: 'XXX' }, 'unknown_currency'],
      [{ requested_date: '2999-06-31' }, 'invalid_value'],
      [{ requested_date: '2000-01-01' }, 'invalid_value'],
      [{ version: '08' }, 'invalid_value'],
      [{ most: 0 }, 'invalid_value'],
    ] as const) {
      assertProblem(await collect(wish), code)
    }
    const reply = await ada.post('/v1/withdrawals', {
      ...{ account: euros, rail: 'wire', amount: '1.00', destination: { ...ADA, name: '李' } },
    })
    assertProblem(reply, 'invalid_value')
    assert.equal(reply.body.errors[0].field, 'destination.name')
  })

  it('is not made of what other rails do', async () => {
    await fund(operator, await ada.account('USD'), '10.00')
    const dollars = { account: await ada.account('USD'), rail: 'wire', amount: '1.00', destination: ADA }
    assert.equal((await ada.post('/v1/withdrawals', dollars)).status, 202)
    const wallet = { account: euros, rail: 'wallet', amount: '1.00', destination: { wallet: 'ada' } }
    assert.equal((await ada.post('/v1/withdrawals', wallet)).status, 202)
    assertProblem(await collect(), 'nothing_to_order')
    await assertBooksAreRight(gateway)
  })
})
