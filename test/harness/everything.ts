import assert from 'node:assert/strict'
import { parseInstant } from '../../src/database/instant.ts'
import type { Instant } from '../../src/ledger/id.ts'
import { aBankFile, OWN_IBAN, referenceOf } from './bank.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './gateway.ts'
import { anAccount, noneHeldBack, transfer } from './paying.ts'
import { aReceiver } from './receiver.ts'

/** A gateway in whose every list somebody sees something. */
export type Everything = {
  readonly gateway: TestGateway
  readonly operator: TestUser
  readonly ada: TestUser
  /** A webhook of hers that has been sent something. */
  readonly webhook: string
}

export async function aGatewayWithEverything(): Promise<Everything> {
  const gateway = await aGateway({
    BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN}:RABONL2U`,
    BGW_WIRE_NAME: 'Gateway',
    BGW_APPROVAL_ABOVE: '1000.00 USD, 1000.00 EUR',
    BGW_WEBHOOK_ALLOW_PRIVATE: 'true',
  })
  const [operator, other, ada, bob] = await Promise.all([
    ...[anOperator(gateway), anOperator(gateway)],
    ...[aUser(gateway), aUser(gateway)],
  ] as const)
  const webhook = await aWebhook(ada)
  await payments(operator, ada, bob)
  await schedules(gateway, ada, bob)
  await rules(operator, ada)
  await approvals(operator, other, ada)
  await wire(operator, ada)
  await until(async () => (await ada.get(`/v1/webhooks/${webhook}/deliveries?status=succeeded`)).body.data.length > 1)
  await noneHeldBack(gateway)
  return { gateway, operator, ada, webhook }
}

async function made(client: Pick<TestUser, 'post'>, path: string, wish: unknown, headers = {}): Promise<any> {
  const { status, body } = await client.post(path, wish, headers)
  assert.ok(status < 300, `${path}: ${JSON.stringify(body)}`)
  return body
}

async function aWebhook(user: TestUser): Promise<string> {
  const { url } = await aReceiver()
  const { id } = await made(user, '/v1/webhooks', { url, events: ['*'], description: 'all of it' })
  return id
}

/** Payments of most kinds and states. */
async function payments(operator: TestUser, ada: TestUser, bob: TestUser): Promise<void> {
  const [from, to] = [await ada.account('USD'), await bob.account('USD')]
  await anAccount(ada, 'JPY', { name: 'Rainy days', metadata: { goal: 'boat' } })
  const more = { description: 'Lunch', metadata: { order: '1' } }
  const paid = await made(ada, '/v1/payments', transfer(from, to, '10.00', more))
  await made(bob, `/v1/payments/${paid.id}/refund`, { amount: '1.00' })
  await made(ada, '/v1/payments', transfer(from, to, '5000.00'))
  await made(ada, '/v1/payments', transfer(from, to, '2.00', { capture: 'manual' }))
  await made(operator, '/v1/admin/rates', { from_currency: 'USD', to_currency: 'EUR', rate: '0.9' })
  const quote = await made(ada, '/v1/quotes', { from_currency: 'USD', to_currency: 'EUR', from_amount: '1.00' })
  const euros = await ada.account('EUR')
  await made(ada, '/v1/payments', { ...transfer(from, euros, '1.00'), quote_id: quote.id })
}

/** One that has made a payment, and one that has not. */
async function schedules(gateway: TestGateway, ada: TestUser, bob: TestUser): Promise<void> {
  const [from, to] = [await ada.account('USD'), await bob.account('USD')]
  const [first, later] = ['2031-01-31T08:00:00Z', '2032-02-01T00:00:00Z']
  const more = { description: 'Rent', metadata: { order: '2' }, starts_at: first, every: 'month', count: 12 }
  await made(ada, '/v1/schedules', transfer(from, to, '3.00', more))
  await gateway.inside.scheduler.makeDue(parseInstant(first) as Instant)
  await made(ada, '/v1/schedules', transfer(from, await anAccount(ada), '4.00', { starts_at: later }))
}

async function rules(operator: TestUser, ada: TestUser): Promise<void> {
  const price = { kind: 'transfer', currency: 'SEK', percent: '1', minimum: '0.01', maximum: '5.00' }
  await made(operator, '/v1/admin/fee-schedules', price)
  const limit = { kind: 'transfer', currency: 'CNY', window: 'day', count: 5 }
  await made(operator, '/v1/admin/limits', { per: 'user', ...limit })
  await made(operator, '/v1/admin/limits', { per: 'account', ...limit, account_id: await ada.account('CNY') })
}

async function approvals(asker: TestUser, other: TestUser, ada: TestUser): Promise<void> {
  const account = await ada.account('USD')
  const wish = { account, direction: 'debit', reason: 'Cash' }
  const first = await made(asker, '/v1/admin/adjustments', { ...wish, amount: '1500.00' })
  await made(other, `/v1/admin/approvals/${first.id}/approve`, undefined)
  await made(asker, '/v1/admin/adjustments', { ...wish, amount: '2500.00' })
}

/** A file of a bank with what was announced and what is nobody's, some of it resolved; and an order to the bank. */
async function wire(operator: TestUser, ada: TestUser): Promise<void> {
  const euros = await ada.account('EUR')
  const came = await made(ada, '/v1/deposits', { account: euros, rail: 'wire', amount: '500.00' })
  await made(ada, '/v1/deposits', { account: euros, rail: 'wire', amount: '600.00' })
  const movements = [
    { amount: '500.00', text: referenceOf(came) },
    { amount: '27.18', text: 'whose?' },
    { amount: '3.14' },
  ]
  const xml = { 'content-type': 'application/xml' }
  await made(operator, '/v1/admin/wire/statements', aBankFile(movements, { opening: 0 }), xml)
  const { body } = await operator.get('/v1/admin/suspense?amount=27.18')
  await made(operator, `/v1/admin/suspense/${body.data[0].id}/resolve`, { account: euros, reason: 'Ada wrote' })
  const destination = { name: 'Ada Lovelace', iban: 'DE89370400440532013000' }
  await made(ada, '/v1/withdrawals', { account: euros, rail: 'wire', amount: '40.00', destination })
  await made(operator, '/v1/admin/wire/batches', { currency: 'EUR' })
}
