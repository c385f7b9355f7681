import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { json } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { withOwner } from '../src/database/connection.ts'
import type { ErrorCode } from '../src/http/errors.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { destinationOf, shownDestinationOf } from '../src/payments/instructions.ts'
import { cancelOnRail, RailOutOfReach } from '../src/rails/cancel.ts'
import type { Rail } from '../src/rails/rail.ts'
import { signatureOf } from '../src/webhooks/signature.ts'
import { aClient } from './harness/client.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import {
  assertBooksAreRight,
  assertProblem,
  locking,
  rowsOf,
  runOut,
  sessionsWhere,
  transfer,
  untilLocked,
  WAITS_FOR_LOCK,
} from './harness/paying.ts'

// Deposits and withdrawals through rails that the sandbox plays, a process of its own (docs/rails.md).

const SECRET = 'a secret of the test'
const IBAN = { name: 'Ada Lovelace', iban: 'DE89 3704 0044 0532 0130 00' }

const sandboxes: ChildProcess[] = []
const ways: Server[] = []
after(() => {
  for (const each of sandboxes) each.kill('SIGKILL')
  for (const each of ways) each.close()
})

let sandbox: { process: ChildProcess; url: string }
let gateway: TestGateway
let operator: TestUser
before(async () => {
  sandbox = await aSandbox()
  gateway = await aGateway({
    ...{ BGW_SANDBOX_RAIL_URL: sandbox.url, BGW_SANDBOX_RAIL_SECRET: SECRET, BGW_RAIL_ASK_SECONDS: '1' },
  })
  operator = await anOperator(gateway)
})

async function aSandbox({ later = 1 } = {}) {
  const main = join(import.meta.dirname, '../src/rails/sandbox/main.ts')
  const args = [main, '--port', '0', '--secret', SECRET, '--later', String(later)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  sandboxes.push(child)
  const [line] = await once(child.stdout, 'data')
  const url = /http:\S+/.exec(String(line))?.[0] ?? ''
  child.stdout.resume()
  return { process: child, url }
}

/** A way to a server, for a while to nowhere: its port stays its own, which one that ends and comes back may lose. */
async function aWayTo(url: string) {
  let isOpen = true
  const lines = new Set<Socket>()
  const server = createServer((near) => {
    if (!isOpen) return void near.destroy()
    lines.add(near)
    near.on('close', () => lines.delete(near))
    pipeline(near, connect(Number(new URL(url).port), '127.0.0.1'), near, () => undefined)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  ways.push(server)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      isOpen = false
      for (const line of lines) line.destroy()
    },
    open: () => {
      isOpen = true
    },
  }
}

/** A rail that answers like this. */
async function aRail(answer: RequestListener) {
  const server = createHttpServer(answer)
  ways.push(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, hangUp: () => server.closeAllConnections() }
}

async function aCustomer() {
  const ada = await aUser(gateway)
  return { ada, usd: await ada.account('USD') }
}

const deposit = (user: TestUser, account: string, amount: string, rail = 'wallet') =>
  user.post('/v1/deposits', { account, rail, amount })

const withdraw = (
  user: TestUser,
  account: string,
  amount: string,
  rail = 'wallet',
  destination: object = { wallet: 'ada-1' },
) => user.post('/v1/withdrawals', { account, rail, amount, destination })

/** A message of a rail, signed with that secret at that time. */
function signed({ anybody }: TestGateway, text: string, rail: string, secret: string, at: number) {
  return anybody.post(`/v1/rails/${rail}/callbacks`, text, {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(at),
    'webhook-signature': signatureOf(secret, 'msg_1', String(at), text),
  })
}

const callback = (to: TestGateway, report: object) =>
  signed(to, JSON.stringify({ rail: 'wallet', ...report }), 'wallet', SECRET, Math.floor(Date.now() / 1_000))

/** The payment once its rail has decided. */
async function decided(user: TestUser, { body }: { body: any }) {
  return (await user.get(`/v1/payments/${body.id}?wait=30`)).body
}

/** Waits until the rail knows of a payment: while it is told, it is too late to cancel here and too early there. */
async function untilTold(of: TestGateway, payment: string): Promise<void> {
  const told = `select from rail_instructions where payment_id = $1 and state = 'submitted'`
  await until(async () => (await rowsOf(of, told, [decodeId('pay', payment)])).length === 1)
}

async function moneyOf(user: TestUser, id: string) {
  const { body } = await user.get(`/v1/accounts/${id}`)
  return [body.balance, body.held]
}

/** The suspense items about one payment, once there are so many. */
async function suspenseOf(payment: string, count = 1): Promise<any[]> {
  return until(async () => {
    const { body } = await operator.get(`/v1/admin/suspense?related_id=${payment}`)
    return body.data.length === count && body.data
  })
}

describe('A deposit', () => {
  for (const rail of ['wire', 'wallet', 'crypto_currency']) {
    it(`by ${rail} is pending until the rail confirms it, and then money in the account`, async () => {
      const { ada, usd } = await aCustomer()
      const reply = await deposit(ada, usd, '25.00', rail)
      assert.deepEqual([reply.status, reply.body.kind, reply.body.status], [202, 'deposit', 'pending'])
      assert.equal(reply.headers.get('location'), `/v1/payments/${reply.body.id}`)
      const done = await decided(ada, reply)
      assert.deepEqual([done.status, done.rail, done.sender], ['completed', rail, rail])
      assert.match(done.rail_reference, /^sbx_/)
      assert.deepEqual(await moneyOf(ada, usd), ['125.00', '0.00'])
    })
  }

  it('is told as it was: pending without the name that the rail gave its money, and completed with it', async () => {
    const { ada, usd } = await aCustomer()
    const { pay_to: _, ...pending } = (await deposit(ada, usd, '25.00')).body
    const { body: done } = await ada.get(`/v1/payments/${pending.id}?wait=30`)
    const told = await until(async () => {
      const { body } = await ada.get(`/v1/events?object_id=${pending.id}&sort=position`)
      return body.data.length === 2 && body.data
    })
    assert.deepEqual(
      told.map(({ data }: any) => data.object),
      [pending, done],
    )
  })

  it('of which the sandbox moves half is over, also where the half has a digit less', async () => {
    const { ada, usd } = await aCustomer()
    const done = await decided(ada, await deposit(ada, usd, '100.06'))
    assert.deepEqual([done.status, done.failure_reason], ['failed', 'wrong_amount'])
    assert.equal((await suspenseOf(done.id))[0].amount, '50.03')
  })

  it('of which another amount arrives is failed, and the money waits in suspense for an operator', async () => {
    const { ada, usd } = await aCustomer()
    const done = await decided(ada, await deposit(ada, usd, '50.06'))
    assert.deepEqual([done.status, done.failure_reason], ['failed', 'wrong_amount'])
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '0.00'])
    const [item] = await suspenseOf(done.id)
    assert.deepEqual([item.amount, item.reason, item.direction, item.status], ['25.03', 'wrong_amount', 'in', 'open'])
    const reply = await operator.post(`/v1/admin/suspense/${item.id}/resolve`, { account: usd, reason: 'It is Ada’s' })
    assert.deepEqual([reply.status, reply.body.status], [201, 'completed'])
    assert.equal((await moneyOf(ada, usd))[0], '125.03')
    const again = await operator.post(`/v1/admin/suspense/${item.id}/resolve`, { account: usd, reason: 'Once more' })
    assertProblem(again, 'already_resolved')
  })

  it('that is refused first and arrives later is not lost: it waits in suspense', async () => {
    const { ada, usd } = await aCustomer()
    const done = await decided(ada, await deposit(ada, usd, '10.09'))
    assert.deepEqual([done.status, done.failure_reason], ['failed', 'refused_by_receiver'])
    const [item] = await suspenseOf(done.id)
    assert.deepEqual([item.reason, item.amount], ['late', '10.09'])
  })
})

describe('A withdrawal', () => {
  it('holds the money, and lets it go when the rail has paid out', async () => {
    const { ada, usd } = await aCustomer()
    const reply = await withdraw(ada, usd, '40.02')
    assert.deepEqual([reply.status, reply.body.status, reply.body.receiver], [202, 'pending', 'wallet'])
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '40.02'])
    assert.equal((await decided(ada, reply)).status, 'completed')
    assert.deepEqual(await moneyOf(ada, usd), ['59.98', '0.00'])
  })

  it('that the rail refuses gives the money back', async () => {
    const { ada, usd } = await aCustomer()
    const done = await decided(ada, await withdraw(ada, usd, '40.01'))
    assert.deepEqual([done.status, done.failure_reason], ['failed', 'refused_by_receiver'])
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '0.00'])
  })

  it('of more than there is is declined, and its rail never hears of it', async () => {
    const { ada, usd } = await aCustomer()
    const { status, body } = await withdraw(ada, usd, '100.10')
    assert.deepEqual([status, body.status, body.decline_reason], [201, 'declined', 'insufficient_funds'])
    const rows = await rowsOf(
      gateway,
      'select from rail_instructions i join payments p on p.id = i.payment_id and p.amount = 10010',
    )
    assert.deepEqual(rows, [])
  })

  for (const [amount, how] of [
    ['10.03', 'is told twice'],
    ['10.04', 'is never told, and has to be asked for'],
    ['10.05', 'is lost by the rail, and told again'],
    ['10.07', 'is told out of order'],
    ['10.08', 'finds the rail away at first'],
  ] as const) {
    it(`is paid out exactly once where it ${how}`, async () => {
      const { ada, usd } = await aCustomer()
      const done = await decided(ada, await withdraw(ada, usd, amount))
      assert.equal(done.status, 'completed')
      assert.deepEqual(await moneyOf(ada, usd), [(100 - Number(amount)).toFixed(2), '0.00'])
      assert.deepEqual((await operator.get(`/v1/admin/suspense?related_id=${done.id}`)).body.data, [])
    })
  }

  it('of which less goes out leaves the rest in suspense', async () => {
    const { ada, usd } = await aCustomer()
    const done = await decided(ada, await withdraw(ada, usd, '20.06'))
    assert.equal(done.status, 'completed')
    const [item] = await suspenseOf(done.id)
    assert.deepEqual([item.amount, item.direction, item.reason], ['10.03', 'in', 'wrong_amount'])
  })

  it('that is paid out after it was refused is booked: money that is gone is gone', async () => {
    const { ada, usd } = await aCustomer()
    const done = await decided(ada, await withdraw(ada, usd, '15.09'))
    assert.equal(done.status, 'failed')
    const [item] = await suspenseOf(done.id)
    assert.deepEqual([item.amount, item.direction, item.reason], ['15.09', 'out', 'late'])
    const { body } = await operator.post(`/v1/admin/suspense/${item.id}/resolve`, {
      account: usd,
      reason: 'Ada has it',
    })
    assert.equal(body.status, 'completed')
    assert.deepEqual(await moneyOf(ada, usd), ['84.91', '0.00'])
  })

  it('can be canceled while the rail has not decided', async () => {
    const slow = await aSandbox({ later: 3_600 })
    const other = await aGateway({ BGW_SANDBOX_RAIL_URL: slow.url, BGW_SANDBOX_RAIL_SECRET: SECRET })
    const ada = await aUser(other)
    const usd = await ada.account('USD')
    const reply = await withdraw(ada, usd, '30.02')
    await untilTold(other, reply.body.id)
    const canceled = await ada.post(`/v1/payments/${reply.body.id}/cancel`)
    assert.deepEqual([canceled.status, canceled.body.status], [200, 'canceled'])
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '0.00'])
    const done = await decided(ada, await withdraw(ada, usd, '30.00'))
    assertProblem(await ada.post(`/v1/payments/${done.id}/cancel`), 'payment_not_pending')
    assertProblem(await ada.post(`/v1/payments/${done.id}/capture`), 'not_capturable')
  })

  it('is canceled once for each idempotency key, which cancels no other', async () => {
    const slow = await aSandbox({ later: 3_600 })
    const other = await aGateway({ BGW_SANDBOX_RAIL_URL: slow.url, BGW_SANDBOX_RAIL_SECRET: SECRET })
    const ada = await aUser(other)
    const usd = await ada.account('USD')
    const [one, two] = [await withdraw(ada, usd, '30.02'), await withdraw(ada, usd, '20.02')]
    for (const { body } of [one, two]) await untilTold(other, body.id)
    const key = { 'idempotency-key': 'cancel-1' }
    const first = await ada.post(`/v1/payments/${one.body.id}/cancel`, undefined, key)
    assert.deepEqual([first.status, first.body.status], [200, 'canceled'])
    const again = await ada.post(`/v1/payments/${one.body.id}/cancel`, undefined, key)
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [200, 'true'])
    assert.deepEqual(again.body, first.body)
    assertProblem(await ada.post(`/v1/payments/${two.body.id}/cancel`, undefined, key), 'idempotency_key_reused')
    assert.equal((await ada.get(`/v1/payments/${two.body.id}`)).body.status, 'pending')
  })

  it('stays as it is where its rail cannot be asked to cancel, until the same is asked again', async () => {
    const slow = await aSandbox({ later: 3_600 })
    const way = await aWayTo(slow.url)
    const other = await aGateway({ BGW_SANDBOX_RAIL_URL: way.url, BGW_SANDBOX_RAIL_SECRET: SECRET })
    const ada = await aUser(other)
    const usd = await ada.account('USD')
    const { body: told } = await withdraw(ada, usd, '30.02')
    await untilTold(other, told.id)
    const cancel = () => ada.post(`/v1/payments/${told.id}/cancel`, undefined, { 'idempotency-key': 'cancel-1' })
    way.close()
    assertProblem(await cancel(), 'outcome_unknown')
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '30.02'])
    way.open()
    const again = await cancel()
    assert.deepEqual([again.status, again.body.status], [200, 'canceled'])
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '0.00'])
  })

  it('of somebody else is canceled by an operator who may, and that is in the audit log', async () => {
    const slow = await aSandbox({ later: 3_600 })
    const other = await aGateway({ BGW_SANDBOX_RAIL_URL: slow.url, BGW_SANDBOX_RAIL_SECRET: SECRET })
    const [ada, root] = [await aUser(other), await anOperator(other)]
    const usd = await ada.account('USD')
    const { body: told } = await withdraw(ada, usd, '30.02')
    await untilTold(other, told.id)
    const scopes = ['payments:read', 'payments:write', 'admin:read']
    const { body: reader } = await root.post('/v1/tokens', { name: 'reader', scopes })
    const reading = aClient(other.url, reader.token)
    assert.equal((await reading.get(`/v1/payments/${told.id}`)).status, 200)
    assertProblem(await reading.post(`/v1/payments/${told.id}/cancel`), 'forbidden')
    assert.equal((await root.post(`/v1/payments/${told.id}/cancel`)).body.status, 'canceled')
    const { body: audit } = await root.get(`/v1/admin/audit?object_id=${told.id}`)
    assert.deepEqual(
      audit.data.map(({ action }: any) => action),
      ['payment.cancel'],
    )
    assert.equal(audit.data[0].actor, root.email)
  })

  it('has a destination that is checked, kept sealed and never shown', async () => {
    const { ada, usd } = await aCustomer()
    for (const [rail, destination, field] of [
      ['wire', { ...IBAN, iban: 'DE89370400440532013001' }, 'iban'],
      ['wire', { iban: IBAN.iban }, 'name'],
      ['wire', { ...IBAN, bic: 'NOBIC' }, 'bic'],
      ['wire', { ...IBAN, colour: 'red' }, 'colour'],
      ['wallet', {}, 'wallet'],
      ['crypto_currency', { address: ' ' }, 'address'],
    ] as const) {
      const reply = await withdraw(ada, usd, '1.00', rail, destination)
      assertProblem(reply, 'invalid_value')
      assert.equal(reply.body.errors[0].field, `destination.${field}`)
    }
    const done = await decided(ada, await withdraw(ada, usd, '1.00', 'wire', IBAN))
    assert.equal(done.status, 'completed')
    assert.doesNotMatch(JSON.stringify(done), /0532/)
    const rows = await rowsOf(
      gateway,
      `select encode(${destinationOf('i')}, 'escape') as sealed, ${shownDestinationOf('i')} as shown
         from rail_instructions i where ${shownDestinationOf('i')} like 'DE89%'`,
    )
    assert.equal(rows[0].shown, 'DE89…3000')
    assert.doesNotMatch(rows[0].sealed, /Lovelace|0532/)
  })

  it('with an idempotency key is made once', async () => {
    const { ada, usd } = await aCustomer()
    const wish = { account: usd, rail: 'wallet', amount: '5.00', destination: { wallet: 'ada' } }
    const key = { 'idempotency-key': 'w-1' }
    const replies = await Promise.all(Array.from({ length: 4 }, () => ada.post('/v1/withdrawals', wish, key)))
    assert.equal(new Set(replies.map(({ body }) => body.id)).size, 1)
    await decided(ada, replies[0] as { body: any })
    const again = await ada.post('/v1/withdrawals', wish, key)
    assert.deepEqual([again.status, again.body.status], [202, 'pending'])
    assert.equal((await moneyOf(ada, usd))[0], '95.00')
  })
})

describe('A rail', () => {
  it('that never answers keeps no other waiting', async () => {
    const asking = new Set<Socket>()
    let left = 0
    const silent = createServer((socket) => {
      asking.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        left += 1
      })
      socket.resume()
    })
    ways.push(silent)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const other = await aGateway({ BGW_SANDBOX_RAIL_URL: url, BGW_SANDBOX_RAILS: 'wallet' })
    const ada = await aUser(other)
    const usd = await ada.account('USD')
    await Promise.all(Array.from({ length: 60 }, () => deposit(ada, usd, '1.00', 'wallet')))
    // As many as a rail is told at once.
    await until(async () => asking.size === 50)
    const { body } = await deposit(ada, usd, '2.00', 'wire')
    await untilTold(other, body.id)
    assert.deepEqual([asking.size, left], [50, 0], 'nobody has given up yet')
    silent.close()
    for (const socket of asking) socket.destroy()
    await other.stop()
  })

  it('that takes its time has a place for each book in turn, however much one has for it', async () => {
    const told: { readonly reference: string; readonly answer: () => void }[] = []
    const slow = await aRail(async (request, response) => {
      const { reference } = (await json(request)) as { reference: string }
      const answer = () => void response.end(JSON.stringify({ reference, rail: 'wallet', state: 'processing' }))
      told.push({ reference, answer })
    })
    const other = await aGateway({ BGW_SANDBOX_RAIL_URL: slow.url, BGW_SANDBOX_RAILS: 'wallet' })
    const root = await anOperator(other, { allBooks: true })
    assert.equal((await root.post('/v1/admin/books', { name: 'second' })).status, 201)
    const [ada, bob] = [await aUser(other), await aUser(other, undefined, 'second')]
    const [usd, bobUsd] = [await ada.account('USD'), await bob.account('USD')]
    await Promise.all(Array.from({ length: 60 }, () => deposit(ada, usd, '1.00')))
    await until(async () => told.length === 50)
    const { body } = await deposit(bob, bobUsd, '1.00')
    // Each place that becomes free is taken before the next one does.
    for (let answered = 0; answered < 5; answered += 1) {
      told[answered]?.answer()
      await until(async () => told.length === 51 + answered)
    }
    assert.ok(told.some(({ reference }) => reference === `second.${body.id}`))
    slow.hangUp()
    await other.stop()
  })

  it('that answers for another payment than it was told of, or asked for, has not answered', async () => {
    let first: string | undefined
    const confused = await aRail(async (request, response) => {
      const { reference = first } = request.method === 'POST' ? ((await json(request)) as any) : {}
      const isFirst = first === undefined
      first ??= reference
      response.end(JSON.stringify({ reference: first, state: isFirst ? 'processing' : 'confirmed' }))
    })
    const other = await aGateway({ BGW_SANDBOX_RAIL_URL: confused.url, BGW_SANDBOX_RAIL_SECRET: SECRET })
    const ada = await aUser(other)
    const usd = await ada.account('USD')
    const { body: one } = await deposit(ada, usd, '25.00')
    await untilTold(other, one.id)
    await deposit(ada, usd, '1.00')
    const stateOfOne = async () => (await ada.get(`/v1/payments/${one.id}`)).body.status
    const failed = 'select from rail_instructions where last_error is not null'
    await until(async () => (await rowsOf(other, failed)).length > 0 || (await stateOfOne()) === 'completed')
    assert.equal(await stateOfOne(), 'pending')
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '0.00'])
  })

  it('that is down for a day is tried at least every hour or so, and told when it is back', async () => {
    const way = await aWayTo(sandbox.url)
    const other = await aGateway({ BGW_SANDBOX_RAIL_URL: way.url, BGW_SANDBOX_RAIL_SECRET: SECRET })
    way.close()
    const ada = await aUser(other)
    const usd = await ada.account('USD')
    const reply = await withdraw(ada, usd, '10.00')
    await until(
      async () => (await rowsOf(other, 'select from rail_instructions where last_error is not null')).length > 0,
    )
    // As though it had been tried for a day: the next time is still no further off.
    await rowsOf(other, 'update rail_instructions set attempts = 30, attempt_at = clock_timestamp()')
    const near = `select from rail_instructions
                   where attempts > 30 and attempt_at between clock_timestamp() + interval '40 minutes'
                                                          and clock_timestamp() + interval '73 minutes'`
    await until(async () => (await rowsOf(other, near)).length === 1)
    assert.equal((await ada.get(`/v1/payments/${reply.body.id}`)).body.status, 'pending')
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '10.00'])
    way.open()
    await rowsOf(other, `update rail_instructions set attempt_at = attempt_at - interval '1 day'`)
    assert.equal((await decided(ada, reply)).status, 'completed')
    assert.deepEqual(await moneyOf(ada, usd), ['90.00', '0.00'])
  })

  it('may report money that nobody announced: it is in suspense, once', async () => {
    const arrival = { book: 'main', rail: 'wire', rail_reference: 'bank-1815', amount: '77.00', currency: 'EUR' }
    const callback_url = `${gateway.url}/v1/rails/wire/callbacks`
    const headers = { authorization: `Bearer ${SECRET}` }
    for (let time = 0; time < 2; time += 1) {
      const body = JSON.stringify({ ...arrival, callback_url })
      assert.equal((await fetch(`${sandbox.url}/arrivals`, { method: 'POST', headers, body })).status, 202)
    }
    const { body } = await operator.get('/v1/admin/suspense?rail_reference=bank-1815')
    assert.deepEqual(
      body.data.map(({ amount, currency, reason }: any) => [amount, currency, reason]),
      [['77.00', 'EUR', 'unexpected']],
    )
  })

  it('reports it into no moment of which it was told what there was', async () => {
    const arrival = { type: 'arrival', book: 'main', rail_reference: 'bank-1817', amount: '77.00', currency: 'EUR' }
    const [{ now }] = await rowsOf(gateway, 'select clock_timestamp() as now')
    // With its time read, and nothing written, it waits here.
    const [arriving, asking] = await locking(gateway, 'lock table payments in share mode', async () => {
      const arrived = callback(gateway, arrival)
      await until(async () => (await sessionsWhere(gateway, WAITS_FOR_LOCK)).length > 0)
      const asked = operator.get('/v1/admin/reports/trial-balance')
      const begun = `query like 'select pg_snapshot_xmin(pg_current_snapshot())%' and query_start > '${now}'`
      await Promise.race([asked, until(async () => (await sessionsWhere(gateway, begun)).length > 0)])
      return [arrived, asked]
    })
    assert.equal((await arriving).status, 200)
    const { body: told } = await asking
    const { body: again } = await operator.get(`/v1/admin/reports/trial-balance?to=${told.to}`)
    assert.deepEqual(again.data, told.data)
  })

  it('keeps money that no book can hold: it is not told that all is well', async () => {
    const arrival = { type: 'arrival', book: 'main', rail_reference: 'bank-1816', amount: '77.00', currency: 'NONE' }
    assertProblem(await callback(gateway, arrival), 'unknown_currency')
    assertProblem(await callback(gateway, { ...arrival, book: 'elsewhere', currency: 'EUR' }), 'unknown_currency')
  })

  it('proves who it is: a callback that is forged, old or of another rail changes nothing', async () => {
    const { ada, usd } = await aCustomer()
    const { body: payment } = await withdraw(ada, usd, '20.04')
    const report = { reference: `main.${payment.id}`, rail: 'wallet', state: 'refused' }
    const now = Math.floor(Date.now() / 1_000)
    const call = (...what: [text: string, rail: string, secret: string, at: number]) => signed(gateway, ...what)
    const text = JSON.stringify(report)
    assertProblem(await call(text, 'wallet', 'guessed', now), 'unauthenticated')
    assertProblem(await call(text, 'wallet', SECRET, now - 3_600), 'unauthenticated')
    assertProblem(await call(text, 'wire', SECRET, now), 'unauthenticated')
    assertProblem(await call('{"rail":"wallet"', 'wallet', SECRET, now), 'unauthenticated')
    assertProblem(await call(text, 'pigeon', SECRET, now), 'not_found')
    assertProblem(await gateway.anybody.post('/v1/rails/wallet/callbacks', text), 'unauthenticated')
    // What moved is not to be guessed.
    const number = JSON.stringify({ ...report, state: 'confirmed', amount: 7 })
    assertProblem(await call(number, 'wallet', SECRET, now), 'unauthenticated')
    assert.deepEqual(await moneyOf(ada, usd), ['100.00', '20.04'])
    // Nor is the name of what moved, as two of them may be one.
    for (const rail_reference of [5, {}, [], '', randomBytes(3_000).toString('hex')]) {
      const named = JSON.stringify({ ...report, state: 'confirmed', rail_reference })
      assertProblem(await call(named, 'wallet', SECRET, now), 'unauthenticated')
    }
    const unknown = JSON.stringify({ ...report, reference: 'main.pay_00000000000000000000000000' })
    assert.deepEqual((await call(unknown, 'wallet', SECRET, now)).body, { outcome: 'ignored' })
    assert.equal((await decided(ada, { body: payment })).status, 'completed')
  })
})

describe('What a rail signs and cannot mean', () => {
  const refused = async (text: string, code: ErrorCode) =>
    assertProblem(await signed(gateway, text, 'wallet', SECRET, Math.floor(Date.now() / 1_000)), code)

  it('is refused with what is wrong, and booked nowhere: an amount that is none', async () => {
    const { ada, usd } = await aCustomer()
    const { body: payment } = await deposit(ada, usd, '500.04')
    const report = { rail: 'wallet', state: 'confirmed', reference: `main.${payment.id}`, rail_reference: 'no-amount' }
    const arrival = { rail: 'wallet', type: 'arrival', book: 'main', rail_reference: 'no-amount', currency: 'USD' }
    for (const amount of ['all of it', '-500.04', '0.00', '1e3', '500.041', '500,04', ' 500.04', '9'.repeat(40)]) {
      await refused(JSON.stringify({ ...report, amount }), 'invalid_amount')
      await refused(JSON.stringify({ ...arrival, amount }), 'invalid_amount')
    }
    assert.equal((await decided(ada, { body: payment })).status, 'completed')
    assert.deepEqual((await operator.get('/v1/admin/suspense?rail_reference=no-amount')).body.data, [])
  })

  it('is refused where it says one thing and another, or what is no text', async () => {
    const { ada, usd } = await aCustomer()
    const { body: payment } = await deposit(ada, usd, '501.04')
    const report = `"rail":"wallet","reference":"main.${payment.id}"`
    const arrival = '"rail":"wallet","type":"arrival","book":"main","amount":"1.00"'
    for (const text of [
      `{${report},"state":"refused","state":"confirmed"}`,
      `{${report},"state":"refused","reason":"a\\u0000b"}`,
      `{${report},"state":"confirmed","rail_reference":"a\\u0000b"}`,
      `{${arrival},"currency":"USD","rail_reference":"a\\ud800"}`,
      `{${arrival},"currency":"US\\u0000","rail_reference":"no-text"}`,
    ])
      await refused(text, 'malformed_body')
    assert.equal((await decided(ada, { body: payment })).status, 'completed')
  })

  it('has not answered where it is asked to cancel', async () => {
    const { ada, usd } = await aCustomer()
    const { settlement } = gateway.inside
    const { body: payment } = await withdraw(ada, usd, '20.04')
    await untilTold(gateway, payment.id)
    const said = { state: 'confirmed', railReference: 'x', amount: 'all of it', reason: null } as const
    const rail = { cancel: async (reference: string) => ({ ...said, reference }) } as Partial<Rail> as Rail
    const book = await gateway.inside.books.find('main')
    assert.ok(book)
    const { deciding, directory } = gateway.inside
    const options = { deciding, directory, settlement, rails: new Map([['wallet', rail]] as const) }
    const id = decodeId('pay', payment.id)
    assert.ok(id)
    await assert.rejects(cancelOnRail(options, book.id, id, null), RailOutOfReach)
    assert.equal((await decided(ada, { body: payment })).status, 'completed')
  })
})

describe('An operator', () => {
  // Wires are settled by hand here, and wallets by the sandbox, which is asked late.
  let manual: TestGateway
  before(async () => {
    const rails = { BGW_SANDBOX_RAIL_URL: sandbox.url, BGW_SANDBOX_RAIL_SECRET: SECRET, BGW_SANDBOX_RAILS: 'wallet' }
    manual = await aGateway(rails)
  })

  it('settles or cancels by hand what no machine decides', async () => {
    const root = await anOperator(manual)
    const ada = await aUser(manual)
    const usd = await ada.account('USD')
    const first = await deposit(ada, usd, '10.00', 'wire')
    const second = await withdraw(ada, usd, '20.00', 'wire', IBAN)
    assert.deepEqual([first.status, second.status], [202, 202])
    assertProblem(await ada.post(`/v1/admin/payments/${first.body.id}/settle`, { reason: 'mine' }), 'forbidden')
    const settled = await root.post(`/v1/admin/payments/${first.body.id}/settle`, { reason: 'Statement, line 7' })
    const canceled = await root.post(`/v1/admin/payments/${second.body.id}/cancel`, { reason: 'Never paid out' })
    assert.deepEqual([settled.body.status, canceled.body.status], ['completed', 'canceled'])
    assert.equal(await ada.balance(usd), '110.00')
    const again = await root.post(`/v1/admin/payments/${first.body.id}/cancel`, { reason: 'Too late' })
    assertProblem(again, 'payment_not_pending')
    const bobUsd = await (await aUser(manual)).account('USD')
    const { body: plain } = await ada.post('/v1/payments', transfer(usd, bobUsd, '1.00'))
    assertProblem(await root.post(`/v1/admin/payments/${plain.id}/settle`, { reason: 'No' }), 'not_on_rail')
    const { body: audit } = await root.get('/v1/admin/audit?action[like]=payment.&limit=2')
    assert.deepEqual(audit.data.map(({ action }: any) => action).sort(), ['payment.cancel', 'payment.settle'])
  })

  it('who settles what has run out finds it expired, before anybody has looked for it', async () => {
    const [root, ada] = [await anOperator(manual), await aUser(manual)]
    const { body } = await deposit(ada, await ada.account('USD'), '10.00', 'wire')
    const id = decodeId('pay', body.id)
    const past = `update payments set expires_at = now() - interval '1 second' where id = $1`
    await withOwner(manual.database, (owner) => owner.query(past, [id]))
    const settled = await root.post(`/v1/admin/payments/${body.id}/settle`, { reason: 'Statement, line 10' })
    assertProblem(settled, 'payment_not_pending')
    assert.equal(settled.body.errors[0].detail, 'expired')
    assert.equal((await ada.get(`/v1/payments/${body.id}`)).body.status, 'expired')
  })

  it('need not look for what has run out: each deposit expires by itself, and its rail is told of it no more', async () => {
    const ada = await aUser(manual)
    const usd = await ada.account('USD')
    const made = await Promise.all(['10.00', '11.00'].map((amount) => deposit(ada, usd, amount, 'wire')))
    await runOut(
      manual,
      made.map(({ body }) => body.id),
    )
    for (const { body } of made) assert.equal((await ada.get(`/v1/payments/${body.id}?wait=30`)).body.status, 'expired')
    const done = `select from rail_instructions where payment_id = any($1) and state = 'done' and attempt_at is null`
    const ids = made.map(({ body }) => decodeId('pay', body.id))
    assert.equal((await rowsOf(manual, done, [ids])).length, 2)
  })

  it('and the rail that decide at the same moment do not stand in each other’s way: one of them is first', async () => {
    const [root, ada] = [await anOperator(manual), await aUser(manual)]
    const usd = await ada.account('USD')
    const { body } = await withdraw(ada, usd, '30.04')
    // Whoever tells the rail of it locks its instruction as well: that is over.
    await untilTold(manual, body.id)
    await withOwner(manual.database, async (owner) => {
      // Both come while the account is locked by a payment, the operator first.
      await owner.query('begin')
      await owner.query('select from accounts where id = $1 for no key update', [decodeId('acc', usd)])
      const byHand = root.post(`/v1/admin/payments/${body.id}/settle`, { reason: 'Statement, line 8' })
      await untilLocked(manual, 1)
      const byRail = callback(manual, { reference: `main.${body.id}`, state: 'confirmed', rail_reference: 'w-1' })
      await untilLocked(manual, 2)
      await owner.query('rollback')
      assert.deepEqual([(await byHand).status, (await byRail).status], [200, 200])
    })
    assert.deepEqual(await moneyOf(ada, usd), ['69.96', '0.00'])
  })

  it('who settles by hand has settled what the rail tells of later: only other money is stray', async () => {
    const [root, ada] = [await anOperator(manual), await aUser(manual)]
    const usd = await ada.account('USD')
    const { body } = await withdraw(ada, usd, '40.04')
    const settled = await root.post(`/v1/admin/payments/${body.id}/settle`, { reason: 'Statement, line 9' })
    assert.equal(settled.body.status, 'completed')
    const news = { reference: `main.${body.id}`, state: 'confirmed', amount: '40.00' }
    for (const [rail_reference, outcome] of [
      ['w-2', 'applied'],
      ['w-2', 'ignored'],
      ['w-3', 'applied'],
    ] as const) {
      assert.deepEqual((await callback(manual, { ...news, rail_reference })).body, { outcome })
    }
    const strays = (await root.get(`/v1/admin/suspense?related_id=${body.id}&sort=created_at`)).body.data
    assert.deepEqual(
      strays.map(({ direction, amount, reason }: any) => [direction, amount, reason]),
      [
        ['in', '0.04', 'wrong_amount'],
        ['out', '40.00', 'twice'],
      ],
    )
    await assertBooksAreRight(manual)
  })
})

describe('After all of this', () => {
  it('the books are right, and suspense holds what was not resolved', async () => {
    await assertBooksAreRight(gateway)
    const { body } = await operator.get('/v1/admin/suspense?status=open&currency=USD')
    const open = body.data.reduce(
      (sum: number, { direction, amount }: any) =>
        sum + (direction === 'in' ? 1 : -1) * Math.round(Number(amount) * 100),
      0,
    )
    const { body: accounts } = await operator.get('/v1/admin/accounts?code=suspense&currency=USD')
    assert.equal(Math.round(Number(accounts.data[0].balance) * 100), open)
  })
})
