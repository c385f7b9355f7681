import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Client } from '../harness/client.ts'
import { aDatabase, urlOf } from '../harness/cluster.ts'
import { aGateway, aUser, loggedIn, until } from '../harness/gateway.ts'
import { anAccount, rowsOf, transfer } from '../harness/paying.ts'
import { aReceiver, type Receiver, verified } from '../harness/receiver.ts'
import { aFolder, anOperatorOf, aServer } from '../harness/server.ts'

const SETTINGS = { BGW_WEBHOOK_ALLOW_PRIVATE: 'true', BGW_WEBHOOK_TIMEOUT: '1', BGW_WEBHOOK_RETRIES: '0.2,0.2,0.2,0.2' }

/** Settings of nodes that share a database, and so their keys. */
async function sharedSettings() {
  const secretKeyFile = join(await aFolder(), 'keys')
  writeFileSync(secretKeyFile, `${randomBytes(32).toString('base64')}\n`)
  return { ...SETTINGS, BGW_SECRET_KEY_FILE: secretKeyFile }
}

async function aWebhook(user: Client, receiver: Receiver) {
  const { status, body } = await user.post('/v1/webhooks', { url: receiver.url, events: ['*'] })
  assert.equal(status, 201)
  return { path: `/v1/webhooks/${body.id}`, secret: body.secret as string }
}

async function allSucceeded(user: Client, path: string, many: number) {
  return until(async () => {
    const { body } = await user.get(`${path}/deliveries?limit=200`)
    return body.data.length === many && body.data.every(({ status }: any) => status === 'succeeded') && body.data
  }, 60)
}

describe('webhooks', () => {
  it('are sent on by the next server where one is killed in the middle', async () => {
    const settings = { ...SETTINGS, DATABASE_URL: urlOf(await aDatabase()), BGW_DATA_DIR: await aFolder() }
    const first = await aServer(settings)
    const operator = await anOperatorOf(first, settings)
    const receiver = await aReceiver(() => undefined)
    const { path, secret } = await aWebhook(operator, receiver)
    const accounts = await Promise.all(Array.from({ length: 10 }, () => anAccount(operator)))
    await until(async () => receiver.received.length > 0)
    await first.end('SIGKILL')
    receiver.behave(204)
    const second = await aServer(settings)
    const again = await anOperatorOf(second, settings)
    await allSucceeded(again, path, 10)
    const told = new Set(receiver.received.map((message) => verified(message, secret).data.object.id))
    assert.deepEqual(told, new Set(accounts))
    await second.end('SIGTERM')
  })

  it('that are under way when the server is stopped are sent by the next, lose no attempt by it and count as no failure', async () => {
    const settings = { ...(await sharedSettings()), BGW_WEBHOOK_TIMEOUT: '60' }
    const first = await aGateway(settings)
    const user = await aUser(first)
    const receiver = await aReceiver(() => undefined)
    const { path } = await aWebhook(user, receiver)
    await anAccount(user)
    await until(async () => receiver.received.length === 1)
    const began = Date.now()
    await first.stop()
    assert.ok(Date.now() - began < 5_000)
    assert.deepEqual(await rowsOf(first, 'select failing from webhooks'), [{ failing: false }])
    receiver.behave(204)
    const second = await aGateway(settings, first.database)
    const same = await loggedIn(second, user.email)
    const [delivery] = await allSucceeded(same, path, 1)
    const { body } = await same.get(`${path}/deliveries/${delivery.id}`)
    const log = body.attempt_log.map(({ answer_status, error }: any) => answer_status ?? error)
    assert.deepEqual(log, [204, 'stopped'])
  })

  it('are sent once by several nodes on one database, in the order of each payment', async () => {
    // What is not answered in time is sent again.
    const settings = { ...(await sharedSettings()), BGW_WEBHOOK_TIMEOUT: '60' }
    const one = await aGateway(settings)
    const user = await aUser(one)
    const other = await aGateway(settings, one.database)
    const there = await loggedIn(other, user.email)
    const receiver = await aReceiver()
    const { path, secret } = await aWebhook(user, receiver)
    const [from, to] = [await user.account('USD'), await anAccount(user)]
    const wish = transfer(from, to, '0.10')
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        (index % 2 === 0 ? user : there).post('/v1/payments', wish, { prefer: 'respond-async' }),
      ),
    )
    await allSucceeded(user, path, 81)
    assert.equal(receiver.received.length, 81)
    const byPayment = new Map<string, string[]>()
    for (const message of receiver.received) {
      const { type, data } = verified(message, secret)
      byPayment.set(data.object.id, [...(byPayment.get(data.object.id) ?? []), type])
    }
    byPayment.delete(to)
    assert.equal(byPayment.size, 40)
    for (const types of byPayment.values()) assert.deepEqual(types, ['payment.initiated', 'payment.completed'])
    await other.stop()
    await one.stop()
  })

  it('of a database whose key is lost are not sent, and nothing else is harmed', async () => {
    const first = await aGateway(SETTINGS)
    const user = await aUser(first)
    const receiver = await aReceiver()
    const { path } = await aWebhook(user, receiver)
    await first.stop()
    const second = await aGateway(SETTINGS, first.database)
    const same = await loggedIn(second, user.email)
    const account = await anAccount(same)
    const [delivery] = await until(async () => {
      const { body } = await same.get(`${path}/deliveries`)
      return body.data.length === 1 && body.data
    })
    assert.equal(delivery.status, 'pending')
    const fresh = await same.post(`${path}/rotate-secret`)
    assert.equal(fresh.status, 200)
    const [message] = await until(async () => receiver.received.length > 0 && receiver.received, 60)
    assert.ok(message)
    assert.equal(verified(message, fresh.body.secret).data.object.id, account)
    await second.stop()
  })
})
