import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { readConfig } from '../src/config.ts'
import { withOwner } from '../src/database/connection.ts'
import { parseInstant } from '../src/database/instant.ts'
import { NIL } from '../src/ledger/id.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { PLACES } from '../src/webhooks/courier.ts'
import {
  aGateway,
  anOperator,
  aUser,
  loggedIn,
  mailsTo,
  type TestGateway,
  type TestUser,
  until,
} from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  rowsOf,
  transfer,
  untilLocked,
} from './harness/paying.ts'
import { aReceiver, type Behaviour, type Received, verified } from './harness/receiver.ts'
import { aFolder } from './harness/server.ts'

const SETTINGS = { BGW_WEBHOOK_ALLOW_PRIVATE: 'true', BGW_WEBHOOK_TIMEOUT: '1', BGW_WEBHOOK_RETRIES: '0.05,0.1,0.2' }

let gateway: TestGateway
let operator: TestUser
before(async () => {
  gateway = await aGateway(SETTINGS)
  operator = await anOperator(gateway)
})

/** A user with a webhook for all events, and what receives them. */
async function aSubscriber(behaviour: Behaviour = 204, events = ['*'], at = gateway) {
  const [user, receiver] = await Promise.all([aUser(at), aReceiver(behaviour)])
  const { status, body } = await user.post('/v1/webhooks', { url: receiver.url, events })
  assert.equal(status, 201, JSON.stringify(body))
  return { user, receiver, webhook: body, path: `/v1/webhooks/${body.id}` }
}

/** Pays 1.00 USD to an account of one's own: three events, of the account and of the payment. */
async function payOneself(user: TestUser, amount = '1.00'): Promise<any> {
  const to = await anAccount(user)
  return (await user.post('/v1/payments', transfer(await user.account('USD'), to, amount))).body
}

const isOf =
  (id: string) =>
  ([{ body }]: readonly [Received, ServerResponse]) =>
    body.data.object.id === id
const typesOf = (received: readonly Received[]) => received.map(({ body }) => body.type)
const deliveriesOf = async (user: TestUser, path: string, query = '') =>
  (await user.get(`${path}/deliveries?sort=created_at${query}`)).body.data

async function untilReceived(receiver: { received: readonly Received[] }, many: number): Promise<readonly Received[]> {
  await until(async () => receiver.received.length >= many)
  return receiver.received
}

describe('a webhook', () => {
  it('gets each event of its user, signed, once, in order', async () => {
    const { user, receiver, webhook, path } = await aSubscriber()
    const payment = await payOneself(user)
    const received = await untilReceived(receiver, 2)
    assert.deepEqual(typesOf(received).sort(), ['account.created', 'payment.completed'])
    const message = received.find(({ body }) => body.type === 'payment.completed')
    assert.ok(message)
    const event = verified(message, webhook.secret)
    assert.deepEqual(event, {
      id: String(message.headers['webhook-id']),
      type: 'payment.completed',
      created_at: payment.created_at,
      data: { object: payment },
    })
    assert.match(event.id, /^evt_/)
    assert.equal(message.headers['content-type'], 'application/json')
    await until(async () => (await deliveriesOf(user, path)).every(({ status }: any) => status === 'succeeded'))
    assert.equal(receiver.received.length, 2)
  })

  it('gets only the types that it asked for', async () => {
    const { user, receiver, path } = await aSubscriber(204, ['payment.declined'])
    await payOneself(user)
    await payOneself(user, '1000000.00')
    assert.deepEqual(typesOf(await untilReceived(receiver, 1)), ['payment.declined'])
    assert.equal((await deliveriesOf(user, path)).length, 1)
  })

  it('gets nothing of anybody else, and both sides of a payment get it', async () => {
    const [ada, bob, eve] = [await aSubscriber(), await aSubscriber(), await aSubscriber()]
    const wish = transfer(await ada.user.account('USD'), await bob.user.account('USD'), '5.00')
    const payment = (await ada.user.post('/v1/payments', wish)).body
    for (const { receiver } of [ada, bob]) {
      const [message] = await untilReceived(receiver, 1)
      assert.equal(message?.body.data.object.id, payment.id)
    }
    await eve.user.post('/v1/accounts', { currency: 'USD' })
    assert.deepEqual(typesOf(await untilReceived(eve.receiver, 1)), ['account.created'])
    for (const { receiver, user } of [ada, bob, eve]) {
      const me = (await user.get('/v1/me')).body
      for (const { body } of receiver.received) {
        const { object } = body.data
        assert.ok(object.user_id === me.id || [object.sender, object.receiver].includes(user.email))
      }
      assert.equal(receiver.received.length, 1)
    }
  })

  it('gets nothing from before it was there', async () => {
    const user = await aUser(gateway)
    await payOneself(user)
    const receiver = await aReceiver()
    const { body } = await user.post('/v1/webhooks', { url: receiver.url, events: ['*'] })
    const { body: closed } = await user.post(`/v1/accounts/${await anAccount(user)}/close`)
    const received = await untilReceived(receiver, 2)
    assert.deepEqual(typesOf(received), ['account.created', 'account.closed'])
    assert.ok(received.every((message) => message.body.data.object.id === closed.id))
    assert.equal((await deliveriesOf(user, `/v1/webhooks/${body.id}`)).length, 2)
  })

  it('has the events of one payment in order also where the first attempt fails and where it is slow', async () => {
    const seen = new Set<string>()
    const { user, receiver } = await aSubscriber((response, { body }) => {
      const failing = !seen.has(body.id) && seen.size % 3 === 0
      seen.add(body.id)
      if (failing) response.writeHead(500).end()
      else setTimeout(() => response.writeHead(200).end('{}'), seen.size % 2 === 0 ? 60 : 1)
    })
    const [from, to] = [await user.account('USD'), await anAccount(user)]
    const made = await Promise.all(
      Array.from({ length: 12 }, () =>
        user.post('/v1/payments', transfer(from, to, '0.10'), { prefer: 'respond-async' }),
      ),
    )
    assert.ok(made.every(({ status }) => status === 202))
    const succeeded = () =>
      rowsOf(
        gateway,
        `select count(*)::int as many from webhook_deliveries d join webhooks w using (book)
          where w.id = d.webhook_id and shown_text(w.book, w.user_id, w.url) = $1 and d.status = 'succeeded' and d.event_type like 'payment.%'`,
        [receiver.url],
      )
    await until(async () => (await succeeded())[0].many === 24)
    for (const { body } of made) {
      const types = typesOf(receiver.received.filter((message) => message.body.data.object.id === body.id))
      // Repeats of one stand together: the second begins when the first is through.
      const once = types.filter((type, index) => type !== types[index - 1])
      assert.deepEqual(once, ['payment.initiated', 'payment.completed'])
    }
  })

  it('has an event that comes while the one before waits for its next attempt right behind it', async () => {
    const slow = await aGateway({ ...SETTINGS, BGW_WEBHOOK_RETRIES: '2,2' })
    const { user, receiver, path } = await aSubscriber(500, ['*'], slow)
    const account = await anAccount(user)
    const [first] = await until(async () => {
      const found = await deliveriesOf(user, path, '&attempts=1')
      return found.length === 1 && found[0].last_attempt !== null && found
    })
    receiver.behave(200)
    await user.post(`/v1/accounts/${account}/close`)
    const [waiting] = await until(async () => {
      const found = await deliveriesOf(user, path, '&event_type=account.closed')
      return found.length === 1 && found
    })
    assert.deepEqual([waiting.status, waiting.next_attempt_at], ['pending', first.next_attempt_at])
    // Asked for at once, the first makes way for the second too.
    await user.post(`${path}/deliveries/${first.id}/redeliver`)
    const received = await untilReceived(receiver, 3)
    assert.deepEqual(typesOf(received), ['account.created', 'account.created', 'account.closed'])
    assert.ok((received[2]?.at ?? 0) - (received[1]?.at ?? 0) < 1_900)
    await slow.stop()
  })

  it('sees its own changes only: many subscribers at once, each its own', async () => {
    const subscribers = await Promise.all(Array.from({ length: 6 }, () => aSubscriber()))
    await Promise.all(
      subscribers.map(async ({ user }) => {
        for (let index = 0; index < 4; index += 1) await anAccount(user)
      }),
    )
    for (const { user, receiver, webhook } of subscribers) {
      const me = (await user.get('/v1/me')).body.id
      const received = await untilReceived(receiver, 4)
      assert.ok(received.every((message) => verified(message, webhook.secret).data.object.user_id === me))
      assert.equal(new Set(received.map(({ body }) => body.id)).size, 4)
    }
  })
})

describe('a receiver that fails', () => {
  it('gets the same message again, with the same id and a new time, until it takes it', async () => {
    let count = 0
    const { user, receiver, webhook, path } = await aSubscriber((response) => {
      count += 1
      response.writeHead(count < 4 ? 503 : 200).end(`answer ${count}`)
    })
    await anAccount(user)
    const received = await untilReceived(receiver, 4)
    assert.equal(new Set(received.map(({ text }) => text)).size, 1)
    assert.equal(new Set(received.map(({ headers }) => headers['webhook-id'])).size, 1)
    for (const message of received) verified(message, webhook.secret)
    const pauses = received.slice(1).map(({ at }, index) => at - (received[index]?.at ?? 0))
    for (const [index, least] of [50, 100, 200].entries()) assert.ok((pauses[index] ?? 0) >= least - 5, `${pauses}`)
    const [delivery] = await until(async () => {
      const found = await deliveriesOf(user, path)
      return found[0].status === 'succeeded' && found
    })
    assert.deepEqual([delivery.attempts, delivery.next_attempt_at, delivery.last_attempt.answer_status], [4, null, 200])
    const { body } = await user.get(`${path}/deliveries/${delivery.id}`)
    const log = body.attempt_log.map(({ number, answer_status, answer_body, error }: any) => [
      number,
      answer_status,
      answer_body,
      error,
    ])
    assert.deepEqual(log, [
      [4, 200, 'answer 4', null],
      [3, 503, 'answer 3', null],
      [2, 503, 'answer 2', null],
      [1, 503, 'answer 1', null],
    ])
    assert.equal(body.request_body, received[0]?.text)
    assert.equal(body.attempt_log[3].request_headers['webhook-signature'], received[0]?.headers['webhook-signature'])
    assert.ok(body.attempt_log.every(({ duration_ms, address }: any) => duration_ms >= 0 && address === '127.0.0.1'))
  })

  it('for good is disabled, with an event, a mail, and the rest skipped', async () => {
    const { user, receiver, path } = await aSubscriber(500)
    const other = await aReceiver()
    await user.post('/v1/webhooks', { url: other.url, events: ['webhook.disabled'] })
    const account = await anAccount(user)
    const disabled = await until(async () => {
      const { body } = await user.get(path)
      return body.status === 'disabled' && body
    })
    assert.equal(disabled.disabled_reason, 'failing')
    assert.ok(parseInstant(disabled.disabled_at))
    assert.equal(receiver.received.length, 4)
    const [{ body }] = (await untilReceived(other, 1)) as [Received]
    assert.equal(body.type, 'webhook.disabled')
    assert.deepEqual(body.data.object, disabled)
    const mail = await until(async () =>
      (await mailsTo(gateway, user.email)).find((text) => text.includes(receiver.url)),
    )
    assert.match(mail, /A webhook of yours is disabled/)
    // What comes now is kept and not sent.
    await user.post(`/v1/accounts/${account}/close`)
    const kept = await until(async () => {
      const found = await deliveriesOf(user, path)
      return found.some(({ event_type }: any) => event_type === 'account.closed') && found
    })
    const shown = kept.map(({ event_type, status }: any) => `${event_type} ${status}`)
    assert.deepEqual(shown, ['account.created failed', 'webhook.disabled skipped', 'account.closed skipped'])
    assertProblem(await user.post(`${path}/ping`), 'webhook_disabled')
    assertProblem(await user.post(`${path}/deliveries/${kept[0].id}/redeliver`), 'webhook_disabled')
    assertProblem(await user.post(`${path}/redeliver`, { since: disabled.created_at }), 'webhook_disabled')
    assert.equal(receiver.received.length, 4)
    // Enabled again, it gets all that it missed, in order.
    receiver.behave(200)
    const enabled = await user.patch(path, { status: 'active' })
    assert.deepEqual(
      [enabled.body.status, enabled.body.disabled_reason, enabled.body.disabled_at],
      ['active', null, null],
    )
    const again = await user.post(`${path}/redeliver`, { since: disabled.created_at })
    assert.deepEqual([again.status, again.body], [202, { deliveries: 3 }])
    const types = typesOf((await untilReceived(receiver, 7)).slice(4))
    assert.deepEqual(
      types.filter((type) => type.startsWith('account.')),
      ['account.created', 'account.closed'],
    )
  })

  it('with 410 Gone is disabled at once', async () => {
    const { user, receiver, path } = await aSubscriber(410)
    await anAccount(user)
    const disabled = await until(async () => {
      const { body } = await user.get(path)
      return body.status === 'disabled' && body
    })
    assert.equal(disabled.disabled_reason, 'gone')
    assert.equal(receiver.received.length, 1)
    await until(async () => (await mailsTo(gateway, user.email)).some((text) => text.includes('410')))
  })

  it('by a redirect is not followed', async () => {
    const elsewhere = await aReceiver()
    const { user, path } = await aSubscriber((response) =>
      response.writeHead(307, { location: elsewhere.url }).end('go there'),
    )
    await anAccount(user)
    await until(async () => (await user.get(path)).body.status === 'disabled')
    const [delivery] = await deliveriesOf(user, path)
    assert.deepEqual([delivery.status, delivery.last_attempt.answer_status], ['failed', 307])
    assert.equal(delivery.last_attempt.answer_headers.location, elsewhere.url)
    assert.equal(elsewhere.received.length, 0)
  })

  for (const [how, behaviour, error] of [
    ['never answers', () => undefined, 'timeout'],
    ['hangs up', (response) => response.socket?.destroy(), 'connection_failed'],
    ['does not speak HTTP', (response) => response.socket?.end('hello\r\n\r\n'), 'malformed_answer'],
    [
      'sends headers without end',
      (response) => response.socket?.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(20_000)}`),
      'malformed_answer',
    ],
  ] as [string, Behaviour, string][]) {
    it(`that ${how} is told as ${error}, within the time`, async () => {
      const { user, path } = await aSubscriber(behaviour)
      const asked = await user.post(`${path}/ping`)
      const delivery = await until(async () => {
        const { body } = await user.get(`${path}/deliveries/${asked.body.id}`)
        return body.status === 'failed' && body
      })
      const [attempt] = delivery.attempt_log
      assert.deepEqual([attempt.error, attempt.answer_status, attempt.answer_body], [error, null, null])
      assert.ok(attempt.duration_ms < 1_500)
    })
  }

  it('with an endless answer is cut off, and what it said is kept up to 4 KiB', async () => {
    let open = true
    const { user, path } = await aSubscriber((response) => {
      response.writeHead(200, { 'x-null': 'kept' })
      response.on('close', () => (open = false))
      const pour = () => {
        while (open && response.write('\0é'.repeat(5_000)));
      }
      response.on('drain', pour)
      pour()
    })
    const asked = await user.post(`${path}/ping`)
    const delivery = await until(async () => {
      const { body } = await user.get(`${path}/deliveries/${asked.body.id}`)
      return body.status === 'succeeded' && body
    })
    const [attempt] = delivery.attempt_log
    assert.ok(attempt.answer_body.startsWith('\uFFFDé\uFFFDé') && attempt.answer_body.length <= 4_096)
    assert.equal(attempt.answer_headers['x-null'], 'kept')
    await until(async () => !open)
  })

  it('slows nobody else, however many such there are', async () => {
    const dead = await Promise.all(Array.from({ length: 8 }, () => aSubscriber(() => undefined)))
    await Promise.all(dead.flatMap(({ user }) => Array.from({ length: 12 }, () => anAccount(user))))
    await Promise.all(dead.map(({ receiver }) => untilReceived(receiver, 1)))
    const { user, receiver } = await aSubscriber()
    const began = Date.now()
    await anAccount(user)
    const [message] = await untilReceived(receiver, 1)
    assert.ok(message && message.at - began < 1_500, `took ${message && message.at - began} ms`)
    await Promise.all(dead.map(({ user: owner, path }) => owner.delete(path)))
  })
})

it('a webhook that is enabled again gets what happens then at once, whatever comes of what was being sent before', async () => {
  const patient = await aGateway({ ...SETTINGS, BGW_WEBHOOK_TIMEOUT: '120', BGW_WEBHOOK_RETRIES: '3600' })
  const slow: [Received, ServerResponse][] = []
  const { user, receiver, path } = await aSubscriber(
    (response, message) => slow.push([message, response]),
    ['*'],
    patient,
  )
  // As many as are sent to one webhook at a time.
  const [to] = await Promise.all(Array.from({ length: PLACES.each - 1 }, () => anAccount(user)))
  const held = transfer(await user.account('USD'), to ?? '', '1.00', { capture: 'manual' })
  const { body: payment } = await user.post('/v1/payments', held)
  await until(async () => slow.length === PLACES.each)
  for (const status of ['disabled', 'active']) assert.equal((await user.patch(path, { status })).status, 200)
  await user.post(`/v1/payments/${payment.id}/capture`, {})
  await until(async () => (await deliveriesOf(user, path, '&status=pending&event_type=payment.completed')).length === 1)
  receiver.behave(204)
  for (const [{ body }, response] of slow) response.writeHead(body.data.object.id === payment.id ? 500 : 204).end()
  await until(async () => receiver.received.some(({ body }) => body.type === 'payment.completed'))
})

it('webhooks of one book wait for no other: a place that becomes free is that of the book with the fewest', async () => {
  const patient = await aGateway({ ...SETTINGS, BGW_WEBHOOK_TIMEOUT: '30' })
  const root = await anOperator(patient, { allBooks: true })
  assert.equal((await root.post('/v1/admin/books', { name: 'second' })).status, 201)
  const slow: ServerResponse[] = []
  const receiver = await aReceiver((response) => slow.push(response))
  const endpointsOf = PLACES.user / PLACES.each
  // As many as take all places, and some that wait for one.
  for (let users = 0; users < PLACES.all / PLACES.user; users += 1) {
    const user = await aUser(patient)
    const wish = { url: receiver.url, events: ['account.created'] }
    for (let made = 0; made < endpointsOf; made += 1) await user.post('/v1/webhooks', wish)
    await Promise.all(Array.from({ length: PLACES.each + 4 }, () => anAccount(user)))
  }
  await until(async () => slow.length === PLACES.all)
  const bob = await aUser(patient, undefined, 'second')
  const own = await aReceiver()
  await bob.post('/v1/webhooks', { url: own.url, events: ['account.created'] })
  await anAccount(bob)
  const isDue = `select from webhook_deliveries d join books b using (book) where b.name = 'second'`
  await until(async () => (await rowsOf(patient, isDue)).length === 1)
  // Each place that becomes free is taken before the next one does.
  for (let answered = 0; answered < 8; answered += 1) {
    slow[answered]?.writeHead(204).end()
    await until(async () => slow.length + own.received.length > PLACES.all + answered)
  }
  assert.equal(own.received.length, 1)
  for (const response of slow) response.destroy()
  await patient.stop()
})

describe('a ping', () => {
  it('is one signed message of the type webhook.ping, tried once', async () => {
    const { user, receiver, webhook, path } = await aSubscriber(500)
    const { status, body } = await user.post(`${path}/ping`)
    assert.deepEqual([status, body.status, body.event_type, body.attempts], [202, 'pending', 'webhook.ping', 0])
    const [message] = (await untilReceived(receiver, 1)) as [Received]
    const event = verified(message, webhook.secret)
    assert.deepEqual(
      [event.id, event.type, event.data],
      [body.event_id, 'webhook.ping', { object: { id: webhook.id } }],
    )
    await until(async () => (await user.get(`${path}/deliveries/${body.id}`)).body.status === 'failed')
    assert.equal((await user.get(path)).body.status, 'active')
    receiver.behave(200)
    assert.equal((await user.post(`${path}/deliveries/${body.id}/redeliver`)).status, 202)
    await until(async () => (await user.get(`${path}/deliveries/${body.id}`)).body.status === 'succeeded')
    assert.equal(receiver.received[1]?.text, message.text)
  })
})

/** What is forgotten in one step of what was over longer ago than that. */
async function forgotten(
  ago: string,
  { at = gateway, most = 1_000, behind = NIL as string } = {},
): Promise<{ readonly gone: bigint; readonly last_id: string }> {
  const { rows } = await at.inside.pool.query(`select * from forget_deliveries(1, now() - $1::interval, $2, $3)`, [
    ago,
    behind,
    most,
  ])
  return rows[0]
}

/** Makes what is over so old that the log forgets it. */
const longOver = (at: TestGateway) =>
  rowsOf(at, `update webhook_deliveries set completed_at = completed_at - interval '31 days'`)

describe('the log of deliveries', () => {
  it('forgets what was over longer ago than it is kept, with its attempts, and nothing that is still to be sent', async () => {
    const { user, receiver, path } = await aSubscriber()
    await payOneself(user)
    await untilReceived(receiver, 2)
    const [oldest, younger] = await until(async () => {
      const all = await deliveriesOf(user, path, '&status=succeeded')
      return all.length === 2 && all
    })
    await rowsOf(
      gateway,
      `update webhook_deliveries set completed_at = completed_at - interval '31 days'
        where event_id = (select min(event_id::text)::uuid from webhook_deliveries where webhook_id = $1)`,
      [decodeId('whk', path.slice('/v1/webhooks/'.length))],
    )
    assert.equal((await forgotten('30 days')).gone, 1n)
    assert.equal((await forgotten('30 days')).gone, 0n)
    assert.equal((await forgotten('-1 day')).gone, 0n, 'nothing of the last day goes')
    const left = await deliveriesOf(user, path)
    assert.equal(left.length, 1)
    assert.ok([oldest.id, younger.id].includes(left[0].id))
  })

  it('forgets what is behind a delivery that was asked for again lately, too', async () => {
    const long = await aGateway(SETTINGS)
    const { user, path } = await aSubscriber(204, ['*'], long)
    await payOneself(user)
    await until(async () => (await deliveriesOf(user, path, '&status=succeeded')).length === 2)
    // Of 40 days ago, of which the second was over then, and the first only now.
    const made = `(lpad(to_hex((extract(epoch from now() - interval '40 days') * 1000)::bigint + n), 12, '0') || '70008000000000000000')::uuid`
    await rowsOf(
      long,
      `insert into webhook_deliveries (book, id, webhook_id, event_id, event_type, object_id, body, status, due_at, completed_at, created_at)
       select book, ${made}, webhook_id, ${made}, event_type, object_id, body, status, due_at,
              case n when 1 then now() else now() - interval '40 days' end, now() - interval '40 days'
         from (select * from webhook_deliveries limit 1) d, generate_series(1, 2) n`,
    )
    const first = await forgotten('30 days', { at: long, most: 1 })
    const second = await forgotten('30 days', { at: long, most: 1, behind: first.last_id })
    const third = await forgotten('30 days', { at: long, most: 1, behind: second.last_id })
    assert.deepEqual([first.gone, second.gone, third], [0n, 1n, { gone: 0n, last_id: null }])
    assert.equal((await deliveriesOf(user, path)).length, 3)
  })

  it('keeps a delivery that is asked for again at the same moment, with all that became of it', async () => {
    const own = await aGateway(SETTINGS)
    const { user, path } = await aSubscriber(204, ['*'], own)
    await payOneself(user)
    const over = () =>
      until(async () => {
        const found = await deliveriesOf(user, path, '&status=succeeded')
        return found.length === 2 && found
      })
    const [, younger] = await over()
    await longOver(own)
    // Whoever asks for all again has locked the older one and waits for the younger.
    const lockOfYounger = `select from webhook_deliveries where id = '${decodeId('dlv', younger.id)}' for update`
    const [asked, gone] = await withOwner(own.database, async (owner) => {
      await owner.query('begin')
      await owner.query(lockOfYounger)
      const asking = user.post(`${path}/redeliver`, { since: '2020-01-01T00:00:00Z' })
      await untilLocked(own, 1)
      const forgetting = forgotten('30 days', { at: own })
      await untilLocked(own, 2)
      await owner.query('commit')
      return Promise.all([asking, forgetting])
    })
    assert.deepEqual([asked.body, gone.gone], [{ deliveries: 2 }, 0n])
    for (const { id } of await over()) {
      const { attempts, attempt_log } = (await user.get(`${path}/deliveries/${id}`)).body
      assert.deepEqual([attempts, attempt_log.map(({ number }: any) => number)], [2, [2, 1]])
    }
  })
})

describe('redelivery', () => {
  it('of what the log forgets at the same moment is not_found, as it is afterwards', async () => {
    const own = await aGateway(SETTINGS)
    const { user, path } = await aSubscriber(204, ['*'], own)
    await anAccount(user)
    const [{ id }] = await until(async () => {
      const found = await deliveriesOf(user, path, '&status=succeeded')
      return found.length === 1 && found
    })
    await longOver(own)
    const again = () => user.post(`${path}/deliveries/${id}/redeliver`)
    const asked = await withOwner(own.database, async (owner) => {
      await owner.query('begin')
      await owner.query(`select from forget_deliveries(1, now() - interval '30 days', $1, 1000)`, [NIL])
      const asking = again()
      await untilLocked(own, 1)
      await owner.query('commit')
      return asking
    })
    assertProblem(asked, 'not_found')
    assertProblem(await again(), 'not_found')
  })

  it('of one sends the same message again', async () => {
    const { user, receiver, path } = await aSubscriber()
    await anAccount(user)
    await untilReceived(receiver, 1)
    const [delivery] = await until(async () => {
      const found = await deliveriesOf(user, path, '&status=succeeded')
      return found.length === 1 && found
    })
    const again = await user.post(`${path}/deliveries/${delivery.id}/redeliver`)
    assert.deepEqual([again.status, again.body.status, again.body.id], [202, 'pending', delivery.id])
    const [first, second] = await untilReceived(receiver, 2)
    assert.equal(first?.text, second?.text)
    assert.equal(first?.headers['webhook-id'], second?.headers['webhook-id'])
    const { body } = await until(async () => {
      const found = await user.get(`${path}/deliveries/${delivery.id}`)
      return found.body.status === 'succeeded' && found
    })
    assert.deepEqual(
      body.attempt_log.map(({ number }: any) => number),
      [2, 1],
    )
  })

  it('of all since a time sends these, and none from before it', async () => {
    const { user, receiver, path } = await aSubscriber()
    for (let index = 0; index < 3; index += 1) await anAccount(user)
    const before = await untilReceived(receiver, 3)
    const since = before.map(({ body }) => body.created_at as string).sort()[1] ?? ''
    await until(async () => (await deliveriesOf(user, path, '&status=succeeded')).length === 3)
    assert.deepEqual((await user.post(`${path}/redeliver`, { since })).body, { deliveries: 2 })
    const again = (await untilReceived(receiver, 5)).slice(3)
    assert.ok(again.every(({ body }) => body.created_at >= since))
    assert.deepEqual((await user.post(`${path}/redeliver`, { since: '2999-01-01T00:00:00Z' })).body, { deliveries: 0 })
  })

  it('tries what waits in front at once, too, as it would wait as long behind it', async () => {
    const patient = await aGateway({ ...SETTINGS, BGW_WEBHOOK_RETRIES: '3600,3600' })
    const ways: ((path: string, closed: any) => [string, object?])[] = [
      (path, { id }) => [`${path}/deliveries/${id}/redeliver`],
      (path, { created_at: since }) => [`${path}/redeliver`, { since }],
    ]
    for (const ask of ways) {
      const { user, receiver, path } = await aSubscriber(500, ['*'], patient)
      const account = await anAccount(user)
      await until(async () => (await deliveriesOf(user, path, '&last_attempt.answer_status=500')).length === 1)
      const { body: closed } = await user.post(`/v1/accounts/${account}/close`)
      const [waiting] = await until(async () => {
        const found = await deliveriesOf(user, path, '&event_type=account.closed')
        return found.length === 1 && found
      })
      receiver.behave(204)
      const [url, body] = ask(path, { id: waiting.id, created_at: closed.updated_at })
      assert.equal((await user.post(url, body)).status, 202)
      const received = await untilReceived(receiver, 3)
      assert.deepEqual(typesOf(received), ['account.created', 'account.created', 'account.closed'])
    }
    await patient.stop()
  })

  it('of one is not put off where one behind it fails that was being sent', async () => {
    const patient = await aGateway({ ...SETTINGS, BGW_WEBHOOK_TIMEOUT: '120', BGW_WEBHOOK_RETRIES: '3600' })
    const { user, receiver, path } = await aSubscriber(204, ['*'], patient)
    const account = await anAccount(user)
    const [created] = await until(async () => {
      const found = await deliveriesOf(user, path, '&status=succeeded')
      return found.length === 1 && found
    })
    const slow: [Received, ServerResponse][] = []
    receiver.behave((response, message) => slow.push([message, response]))
    // As many as are sent to one webhook at a time.
    await user.post(`/v1/accounts/${account}/close`)
    await Promise.all(Array.from({ length: PLACES.each - 1 }, () => anAccount(user)))
    await until(async () => slow.length === PLACES.each)
    assert.equal((await user.post(`${path}/deliveries/${created.id}/redeliver`)).status, 202)
    receiver.behave(204)
    const [closed, others] = [slow.filter(isOf(account)), slow.filter((one) => !isOf(account)(one))]
    for (const [, response] of closed) response.writeHead(500).end()
    await until(async () => (await deliveriesOf(user, path, '&last_attempt.answer_status=500')).length === 1)
    for (const [, response] of others) response.writeHead(204).end()
    await until(async () => receiver.received.filter(({ body }) => body.id === created.event_id).length === 2)
    await patient.stop()
  })

  it('of all since a time sends again what was just being sent, too, behind what happened before it', async () => {
    const slow = Promise.withResolvers<ServerResponse>()
    const { user, receiver, path } = await aSubscriber((response, { body }) => {
      if (body.type !== 'payment.pending') return void response.writeHead(204).end()
      receiver.behave(204)
      slow.resolve(response)
    })
    const wish = transfer(await user.account('USD'), await anAccount(user), '1.00', { capture: 'manual' })
    const { body: payment } = await user.post('/v1/payments', wish, { prefer: 'respond-async' })
    const response = await slow.promise
    assert.deepEqual((await user.post(`${path}/redeliver`, { since: payment.created_at })).body, { deliveries: 2 })
    const ofPayment = () => receiver.received.filter(({ body }) => body.data.object.id === payment.id)
    await until(async () => ofPayment().length >= 3)
    response.writeHead(204).end()
    await until(async () => ofPayment().length === 4)
    const told = ['payment.initiated', 'payment.pending']
    assert.deepEqual(typesOf(ofPayment()), [...told, ...told])
  })
})

describe('a secret', () => {
  it('is shown at its making and at rotation, kept sealed, and nowhere else to be had', async () => {
    const { user, webhook, path } = await aSubscriber()
    assert.match(webhook.secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
    for (const place of [path, '/v1/webhooks', `${path}/deliveries`]) {
      assert.ok(!JSON.stringify((await user.get(place)).body).includes('whsec_'))
    }
    const rows = await rowsOf(gateway, 'select * from webhooks')
    const raw = Buffer.from(webhook.secret.slice(6), 'base64')
    for (const { secret } of rows) assert.ok(!secret.includes(raw) && !secret.includes(webhook.secret))
    const keys = await rowsOf(gateway, 'select shown_text(book, user_id, answer) as answer from idempotency_keys')
    assert.ok(!JSON.stringify(keys).includes('whsec_'))
  })

  it('that was rotated signs beside the new one for 24 h, and not after', async () => {
    const { user, receiver, webhook, path } = await aSubscriber()
    const { status, body } = await user.post(`${path}/rotate-secret`)
    assert.equal(status, 200)
    assert.notEqual(body.secret, webhook.secret)
    await user.post(`${path}/ping`)
    const [first] = (await untilReceived(receiver, 1)) as [Received]
    for (const secret of [webhook.secret, body.secret]) verified(first, secret)
    assert.equal(String(first.headers['webhook-signature']).split(' ').length, 2)
    await rowsOf(
      gateway,
      `update webhooks set previous_until = previous_until - interval '24 hours' where shown_text(book, user_id, url) = $1`,
      [receiver.url],
    )
    await user.post(`${path}/ping`)
    const second = (await untilReceived(receiver, 2))[1] as Received
    verified(second, body.secret)
    assert.throws(() => verified(second, webhook.secret))
  })

  it('comes again with the same idempotency key, and one webhook with it', async () => {
    const user = await aUser(gateway)
    const wish = { url: 'http://127.0.0.1:9/hook', events: ['payment.failed'] }
    const make = () => user.post('/v1/webhooks', wish, { 'idempotency-key': 'hook' })
    const [one, other] = await Promise.all([make(), make()])
    assert.equal(one.status, 201)
    assert.deepEqual(one.body, other.body)
    assert.equal((await user.get('/v1/webhooks')).body.data.length, 1)
    assert.equal((await user.delete(`/v1/webhooks/${one.body.id}`)).status, 204)
    const gone = await make()
    assertProblem(gone, 'not_found')
    assert.equal(gone.headers.get('idempotent-replayed'), null)
  })
})

describe('webhooks', () => {
  it('are listed, changed and deleted by their owner', async () => {
    const { user, receiver, webhook, path } = await aSubscriber()
    const { secret, ...shown } = webhook
    assert.deepEqual((await user.get(path)).body, shown)
    const changed = await user.patch(path, { events: ['account.closed'], description: 'Mine' })
    assert.deepEqual([changed.status, changed.body.events, changed.body.description], [200, ['account.closed'], 'Mine'])
    assert.equal(changed.body.url, receiver.url)
    assert.deepEqual((await user.get('/v1/webhooks?description[like]=min')).body.data, [changed.body])
    const cleared = await user.patch(path, { description: null })
    assert.equal(cleared.body.description, null)
    const off = await user.patch(path, { status: 'disabled' })
    assert.deepEqual([off.body.status, off.body.disabled_reason], ['disabled', 'by_owner'])
    const listed = await operator.get(`/v1/admin/webhooks?id=${webhook.id}`)
    assert.deepEqual(listed.body.data, [off.body])
    assert.equal((await user.delete(path)).status, 204)
    for (const reply of [
      await user.get(path),
      await user.delete(path),
      await user.patch(path, { status: 'active' }),
      await user.post(`${path}/ping`),
      await user.get(`${path}/deliveries`),
    ]) {
      assertProblem(reply, 'not_found')
    }
    assert.deepEqual((await user.get('/v1/webhooks')).body.data, [])
    const [row] = await rowsOf(
      gateway,
      'select secret, previous_secret from webhooks where shown_text(book, user_id, url) = $1',
      [receiver.url],
    )
    assert.deepEqual([row.secret.length, row.previous_secret], [0, null])
  })

  it('that were disabled are so in the event that told of it, also enabled again or deleted', async () => {
    const { user, path } = await aSubscriber()
    const { body: disabled } = await user.patch(path, { status: 'disabled' })
    const told = async () =>
      (await user.get('/v1/events?type=webhook.disabled')).body.data.map(({ data }: any) => data.object)
    await until(async () => (await told()).length === 1)
    await user.patch(path, { status: 'active' })
    assert.deepEqual(await told(), [disabled])
    await user.patch(path, { events: ['account.closed'] })
    assert.deepEqual(await told(), [disabled])
    await user.delete(path)
    assert.deepEqual(await told(), [disabled])
  })

  it('that were disabled as they were changed are both in the event, but for their URL, which is as it is now', async () => {
    const { user, path } = await aSubscriber()
    const { body: disabled } = await user.patch(path, { status: 'disabled', events: ['payment.completed'] })
    const url = 'http://127.0.0.1/moved'
    await user.patch(path, { events: ['*'], url })
    const told = await until(async () => {
      const { body } = await user.get('/v1/events?type=webhook.disabled')
      return body.data.length === 1 && body.data[0].data.object
    })
    assert.deepEqual(told, { ...disabled, url })
  })

  it('are not there for anybody else', async () => {
    const { user, receiver, path } = await aSubscriber()
    await anAccount(user)
    await untilReceived(receiver, 1)
    const [delivery] = await deliveriesOf(user, path)
    for (const other of [await aUser(gateway), operator]) {
      for (const reply of [
        await other.get(path),
        await other.patch(path, { url: 'http://127.0.0.1/' }),
        await other.delete(path),
        await other.post(`${path}/ping`),
        await other.post(`${path}/rotate-secret`),
        await other.post(`${path}/redeliver`, { since: '2026-01-01T00:00:00Z' }),
        await other.get(`${path}/deliveries`),
        await other.get(`${path}/deliveries/${delivery.id}`),
        await other.post(`${path}/deliveries/${delivery.id}/redeliver`),
      ]) {
        assertProblem(reply, 'not_found')
      }
    }
    const own = await aSubscriber()
    assertProblem(await own.user.get(`${own.path}/deliveries/${delivery.id}`), 'not_found')
    assertProblem(await own.user.post(`${own.path}/deliveries/${delivery.id}/redeliver`), 'not_found')
    assertProblem(await user.get('/v1/admin/webhooks'), 'forbidden')
  })

  it('need the scope webhooks:write', async () => {
    const { user, path } = await aSubscriber()
    const { body } = await user.post('/v1/tokens', { name: 'Reads', scopes: ['payments:read', 'accounts:read'] })
    const headers = { authorization: `Bearer ${body.token}` }
    for (const place of ['/v1/webhooks', path, `${path}/deliveries`]) {
      assertProblem(await gateway.anybody.get(place, headers), 'forbidden')
    }
    assertProblem(
      await gateway.anybody.post('/v1/webhooks', { url: 'http://a.example', events: ['*'] }, headers),
      'forbidden',
    )
  })

  it('are at most 16 for one user, also where many are made at once', async () => {
    const user = await aUser(gateway)
    const wish = { url: 'http://127.0.0.1:9/', events: ['payment.failed'] }
    const made = await Promise.all(Array.from({ length: 20 }, () => user.post('/v1/webhooks', wish)))
    assert.equal(made.filter(({ status }) => status === 201).length, 16)
    const [refused] = made.filter(({ status }) => status !== 201)
    assert.ok(refused)
    assertProblem(refused, 'too_many_webhooks')
    await user.delete(`/v1/webhooks/${made.find(({ status }) => status === 201)?.body.id}`)
    assert.equal((await user.post('/v1/webhooks', wish)).status, 201)
  })

  it('refuse what they do not understand', async () => {
    const { user, path, webhook } = await aSubscriber()
    const good = { url: webhook.url, events: ['*'] }
    for (const [wish, code] of [
      [{ ...good, url: 'nonsense' }, 'invalid_value'],
      [{ ...good, url: '' }, 'invalid_value'],
      [{ ...good, url: 5 }, 'invalid_type'],
      [{ ...good, url: `http://127.0.0.1/${'a'.repeat(2_048)}` }, 'invalid_value'],
      [{ ...good, url: 'ftp://127.0.0.1/' }, 'invalid_value'],
      [{ ...good, url: 'http://a:b@127.0.0.1/' }, 'invalid_value'],
      [{ ...good, events: [] }, 'invalid_value'],
      [{ ...good, events: ['payment.unknown'] }, 'invalid_value'],
      [{ ...good, events: ['*', '*'] }, 'invalid_value'],
      [{ ...good, events: '*' }, 'invalid_type'],
      [{ ...good, description: 'a'.repeat(501) }, 'invalid_value'],
      [{ ...good, secret: 'whsec_mine' }, 'unknown_field'],
      [{ url: webhook.url }, 'missing_field'],
      [{ events: ['*'] }, 'missing_field'],
    ] as const) {
      assertProblem(await user.post('/v1/webhooks', wish), code)
    }
    assertProblem(await user.patch(path, {}), 'invalid_value')
    assertProblem(await user.patch(path, { status: 'deleted' }), 'invalid_value')
    assertProblem(await user.patch(path, { user_id: webhook.user_id }), 'unknown_field')
    assertProblem(await user.post(`${path}/redeliver`, {}), 'missing_field')
    assertProblem(await user.post(`${path}/redeliver`, { since: 'yesterday' }), 'invalid_value')
    assertProblem(await user.get(`${path}/deliveries?status=lost`), 'invalid_query')
    for (const id of ['whk_1', 'acc_01k3v5f2q8e8pv0z3m0c6b7d1e', '%00']) {
      assertProblem(await user.get(`/v1/webhooks/${id}`), 'not_found')
      assertProblem(await user.post(`${path}/deliveries/${id}/redeliver`), 'not_found')
    }
  })

  it('show deliveries page by page, by any field', async () => {
    const { user, receiver, path } = await aSubscriber()
    for (let index = 0; index < 5; index += 1) await anAccount(user)
    await untilReceived(receiver, 5)
    const all = await until(async () => {
      const found = await everyPage(user, `${path}/deliveries`, 2)
      return found.every(({ status }) => status === 'succeeded') && found
    })
    assert.equal(new Set(all.map(({ id }) => id)).size, 5)
    for (const query of [
      'attempts=1',
      'status=succeeded',
      'event_type=account.created',
      'attempts[gte]=1&sort=-attempts',
    ]) {
      assert.equal((await user.get(`${path}/deliveries?${query}`)).body.data.length, 5, query)
    }
    const one = await user.get(`${path}/deliveries?event_id=${all[0].event_id}&completed_at[gt]=2020-01-01T00:00:00Z`)
    assert.deepEqual(one.body.data, [all[0]])
    assert.deepEqual((await user.get(`${path}/deliveries?next_attempt_at[gt]=2020-01-01T00:00:00Z`)).body.data, [])
  })
})

describe('where webhooks go', () => {
  it('is to https and public addresses only, unless configured', async () => {
    const strict = await aGateway()
    const user = await aUser(strict)
    const wish = (url: string) => ({ url, events: ['*'] })
    const good = await user.post('/v1/webhooks', wish('https://example.com/hook'))
    assert.equal(good.status, 201)
    for (const url of [
      ...['http://example.com/', 'https://localhost/', 'https://127.0.0.1/', 'https://2130706433/', 'https://0x7f.1/'],
      ...[
        'https://10.0.0.1/',
        'https://169.254.169.254/latest/meta-data',
        'https://[::1]/',
        'https://[::ffff:10.0.0.1]/',
      ],
      ...['https://[fd00::1]/', 'https://100.64.0.1/', 'https://192.0.2.1/', 'https://user:pass@example.com/'],
    ]) {
      const made = await user.post('/v1/webhooks', wish(url))
      assertProblem(made, 'invalid_value')
      assert.equal(made.body.errors[0].field, 'url')
      assertProblem(await user.patch(`/v1/webhooks/${good.body.id}`, { url }), 'invalid_value')
    }
    assert.equal((await user.get(`/v1/webhooks/${good.body.id}`)).body.url, 'https://example.com/hook')
    await strict.stop()
  })

  it('is checked again when it is sent, as the settings may have changed', async () => {
    const receiver = await aReceiver()
    const open = await aGateway(SETTINGS)
    const user = await aUser(open)
    const { body } = await user.post('/v1/webhooks', { url: receiver.url, events: ['*'] })
    const secretKeyFile = join(await aFolder(), 'keys')
    await copyFile(join(open.mailFolder, '../secret.key'), secretKeyFile)
    await open.stop()
    const strict = await aGateway({ BGW_SECRET_KEY_FILE: secretKeyFile }, open.database)
    const same = await loggedIn(strict, user.email)
    const ping = await same.post(`/v1/webhooks/${body.id}/ping`)
    const failed = await until(async () => {
      const found = await same.get(`/v1/webhooks/${body.id}/deliveries/${ping.body.id}`)
      return found.body.status === 'failed' && found.body
    })
    assert.equal(failed.attempt_log[0].error, 'url_refused')
    assert.equal(receiver.received.length, 0)
    await strict.stop()
  })
})

it('a webhook that fails is tried for exactly three days', () => {
  const { retriesMs, timeoutMs, allowPrivate } = readConfig({}).webhooks
  assert.deepEqual(retriesMs.slice(0, 6), [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000])
  assert.equal(
    retriesMs.reduce((sum, pause) => sum + pause, 0),
    3 * 24 * 3_600 * 1_000,
  )
  assert.deepEqual([timeoutMs, allowPrivate], [15_000, false])
  for (const wrong of ['soon', '5,', '-1', '1e3']) {
    assert.throws(() => readConfig({ BGW_WEBHOOK_RETRIES: wrong }), /BGW_WEBHOOK_RETRIES must be/)
  }
})

it('webhooks leave the books right', () => assertBooksAreRight(gateway))
