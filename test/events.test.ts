import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { BookEvent } from '../src/events/read.ts'
import type { BookId } from '../src/ledger/id.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { aClient } from './harness/client.ts'
import { aGateway, anOperator, aUser, PASSWORD, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { assertProblem, everyPage, locking, lockOf, noneHeldBack, transfer, untilLocked } from './harness/paying.ts'

let first: TestGateway
let ada: TestUser
let bob: TestUser
let book: BookId
before(async () => {
  first = await aGateway()
  ;[ada, bob] = await Promise.all([aUser(first), aUser(first)])
  book = (await first.inside.books.find('main'))?.id as BookId
})

const shortOf = ({ id, type }: BookEvent) => `${type} ${id}`

describe('the feed of events', () => {
  it('tells everything once and in the same order on two nodes that post at once', async () => {
    const second = await aGateway({}, first.database)
    const told: BookEvent[][] = [[], []]
    await noneHeldBack(first)
    const begun = await Promise.all(
      [first, second].map(({ inside }, index) =>
        inside.events.feed.listen(book, (events) => told[index]?.push(...events)),
      ),
    )
    const [from, to] = [await ada.account('USD'), await bob.account('USD')]
    const made = await Promise.all(
      Array.from({ length: 120 }, async (_, index) => {
        const gateway = index % 2 === 0 ? first : second
        const prefer: Record<string, string> = index % 3 === 0 ? { prefer: 'respond-async' } : {}
        const response = await fetch(`${gateway.url}/v1/payments`, {
          method: 'POST',
          headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json', ...prefer },
          body: JSON.stringify({ from_account: from, to_account: to, amount: '0.50' }),
        })
        return response.status
      }),
    )
    // One that is stored first is told twice; on a busy machine one may be refused as too much.
    const expected = made.reduce((sum, status) => sum + (status === 201 ? 1 : status === 202 ? 2 : 0), 0)
    assert.ok(expected > 0)
    await until(async () => told.every((events) => events.length >= expected))
    for (const { end } of begun) end()
    await second.stop()
    assert.deepEqual(told[0]?.map(shortOf), told[1]?.map(shortOf))
    assert.equal(told[0]?.length, expected)
    assert.equal(new Set(told[0]?.map(({ id }) => id)).size, expected)
    const positions = told[0]?.map(({ position }) => [position.txid, position.id] as const) ?? []
    const sorted = positions.toSorted((a, b) => (a[0] === b[0] ? (a[1] < b[1] ? -1 : 1) : a[0] < b[0] ? -1 : 1))
    assert.deepEqual(positions, sorted)
  })
})

/** All events of a list that the user sees so far, once so many are there. */
async function eventsOf(user: TestUser, count: number, query = ''): Promise<any[]> {
  return until(async () => {
    const events = await everyPage(user, `/v1/events?sort=position${query}`, 7)
    return events.length >= count && events
  })
}

describe('the list of events', () => {
  it('tells who pays themselves once', async () => {
    const user = await aUser(first)
    const { body: other } = await user.post('/v1/accounts', { currency: 'USD' })
    const { body: made } = await user.post('/v1/payments', transfer(await user.account('USD'), other.id, '5.00'))
    const events = await until(async () => {
      const found = await eventsOf(user, 1)
      return found.some(({ data }) => data.object.id === made.id) && found
    })
    assert.equal(events.filter(({ data }) => data.object.id === made.id).length, 1)
    assert.equal((await eventsOf(user, 1, `&object_id=${made.id}`)).length, 1)
  })

  it('tells a payment to both sides as it was at each event, and to nobody else', async () => {
    const [payer, payee, other] = await Promise.all([aUser(first), aUser(first), aUser(first)])
    const [from, to] = [await payer.account('USD'), await payee.account('USD')]
    const { body: made } = await payer.post('/v1/payments', transfer(from, to, '5.00'), { prefer: 'respond-async' })
    const { body: done } = await payer.get(`/v1/payments/${made.id}?wait=10`)
    for (const user of [payer, payee]) {
      const events = await until(async () => {
        const { body } = await user.get(`/v1/events?object_id=${made.id}&sort=position`)
        return body.data.length === 2 && body.data
      })
      assert.deepEqual(
        events.map(({ type }: any) => type),
        ['payment.initiated', 'payment.completed'],
      )
      assert.deepEqual(events[0].data.object, made)
      assert.deepEqual(events[1].data.object, done)
    }
    const seen = await eventsOf(other, 4)
    assert.deepEqual(seen.map(({ type }) => type).toSorted(), [
      'account.created',
      'account.created',
      'account.created',
      'payment.completed',
    ])
    assert.ok(seen.every(({ data }) => data.object.id !== made.id))
  })

  it('shows a refunded payment with what was refunded by then', async () => {
    const [payer, payee] = await Promise.all([aUser(first), aUser(first)])
    const wish = transfer(await payer.account('USD'), await payee.account('USD'), '10.00')
    const { body: payment } = await payer.post('/v1/payments', wish)
    for (const amount of ['1.00', '2.00']) await payee.post(`/v1/payments/${payment.id}/refund`, { amount })
    const events = await until(async () => {
      const { body } = await payer.get(`/v1/events?object_id=${payment.id}&sort=position`)
      return body.data.length === 3 && body.data
    })
    assert.deepEqual(
      events.map(({ type, data }: any) => [type, data.object.status, data.object.refunded_amount]),
      [
        ['payment.completed', 'completed', '0.00'],
        ['payment.refunded', 'completed', '1.00'],
        ['payment.refunded', 'completed', '3.00'],
      ],
    )
  })

  it('tells the refunds of one payment in their order, also where two nodes make them beside other payments', async () => {
    const [payer, payee, other] = await Promise.all([aUser(first), aUser(first), aUser(first)])
    const second = await aGateway({}, first.database)
    const nodes = [first, second].map(({ url }) => aClient(url, payee.token))
    const [payers, payees, others] = await Promise.all([payer, payee, other].map((user) => user.account('USD')))
    const { body: payment } = await payer.post('/v1/payments', transfer(payers ?? '', payees ?? '', '50.00'))
    const statuses = await Promise.all(
      Array.from({ length: 160 }, async (_, index) => {
        const node = nodes[index % 2]
        const beside = other.post('/v1/payments', transfer(others ?? '', payees ?? '', '0.10'))
        const refund = await node?.post(`/v1/payments/${payment.id}/refund`, { amount: '0.25' })
        await beside
        return refund?.body.status
      }),
    )
    assert.ok(statuses.every((status) => status === 'completed'))
    const amounts = await until(async () => {
      const events = await everyPage(payer, `/v1/events?type=payment.refunded&object_id=${payment.id}&sort=position`)
      const shown = events.map(({ data }) => Number(data.object.refunded_amount))
      return shown.includes(40) && shown
    })
    await second.stop()
    assert.deepEqual(
      amounts,
      amounts.toSorted((one, another) => one - another),
    )
  })

  it('tells of one account as it happened, also where its user is frozen beside other changes of it', async () => {
    const [user, operator] = await Promise.all([aUser(first), anOperator(first)])
    const [old, userId] = [await user.account('EUR'), (await user.get('/v1/me')).body.id]
    const reason = 'A court order'
    await operator.post(`/v1/admin/accounts/${old}/freeze`, { reason })
    // As whoever logs in meanwhile holds the user: the freeze has begun, and waits.
    const held = `select from users where id = '${decodeId('usr', userId)}' for share`
    const answers = await locking(first, held, async () => {
      const freezing = operator.post(`/v1/admin/users/${userId}/freeze`, { reason })
      await untilLocked(first, 1)
      const others = [
        operator.post(`/v1/admin/accounts/${old}/unfreeze`, { reason }),
        user.post('/v1/accounts', { currency: 'EUR' }),
      ]
      await Promise.race([Promise.all(others), untilLocked(first, 3)])
      return [freezing, ...others]
    })
    await Promise.all(answers)
    await noneHeldBack(first)
    const last = new Map<string, unknown>()
    const types = 'account.created,account.frozen,account.unfrozen'
    for (const { data } of await everyPage(user, `/v1/events?sort=position&type[in]=${types}`)) {
      last.set(data.object.id, data.object.status)
    }
    const accounts = await everyPage(user, '/v1/accounts')
    assert.deepEqual(
      accounts.map(({ id }) => [id, last.get(id)]),
      accounts.map(({ id, status }) => [id, status]),
    )
  })

  for (const [done, type] of [
    ['frozen', 'account.frozen'],
    ['closed', 'account.closed'],
  ] as const) {
    it(`shows an account that is ${done} with its user as it is then, also where a payment of it came in front`, async () => {
      const [user, other, operator] = await Promise.all([aUser(first), aUser(first), anOperator(first)])
      const [from, to, userId] = [
        ...[await user.account('USD'), await other.account('USD')],
        (await user.get('/v1/me')).body.id,
      ]
      const end = () =>
        done === 'frozen'
          ? operator.post(`/v1/admin/users/${userId}/freeze`, { reason: 'A court order' })
          : user.post('/v1/me/close', { password: PASSWORD })
      const answers = await locking(first, lockOf(from), async () => {
        const paying = user.post('/v1/payments', transfer(from, to, '100.00'))
        await untilLocked(first, 1)
        const ending = end()
        await untilLocked(first, 2)
        return [paying, ending]
      })
      const statuses = (await Promise.all(answers)).map(({ status, body }) => [status < 300, body?.status])
      assert.deepEqual(statuses.slice(0, 1), [[true, 'completed']])
      assert.ok(statuses.every(([isDone]) => isDone))
      await noneHeldBack(first)
      const { body: listed } = await operator.get(`/v1/admin/events?object_id=${from}&type=${type}`)
      const { body: accounts } = await operator.get(`/v1/admin/accounts?user_id=${userId}&currency=USD`)
      assert.equal(accounts.data[0].status, done)
      assert.deepEqual(
        listed.data.map(({ data }: any) => data.object),
        accounts.data,
      )
    })
  }

  it('shows a held payment with what was held, and then with what it came to', async () => {
    const [payer, payee] = await Promise.all([aUser(first), aUser(first)])
    const wish = transfer(await payer.account('USD'), await payee.account('USD'), '10.00', { capture: 'manual' })
    const { body: payment } = await payer.post('/v1/payments', wish)
    const captured = await payer.post(`/v1/payments/${payment.id}/capture`, { amount: '4.00' })
    const other =
      captured.status === 200 ? captured : await payee.post(`/v1/payments/${payment.id}/capture`, { amount: '4.00' })
    assert.equal(other.status, 200)
    const events = await until(async () => {
      const { body } = await payer.get(`/v1/events?object_id=${payment.id}&sort=position`)
      return body.data.length === 2 && body.data
    })
    assert.deepEqual(
      events.map(({ data }: any) => data.object),
      [payment, other.body],
    )
  })

  it('shows an account as it was', async () => {
    const user = await aUser(first)
    const { body: opened } = await user.post('/v1/accounts', { currency: 'EUR', name: 'Savings' })
    await user.patch(`/v1/accounts/${opened.id}`, { name: 'Holidays' })
    const { body: closed } = await user.post(`/v1/accounts/${opened.id}/close`, {})
    const events = await until(async () => {
      const { body } = await user.get(`/v1/events?object_id=${opened.id}&sort=position`)
      return body.data.length === 2 && body.data
    })
    assert.deepEqual(
      events.map(({ type, data }: any) => [type, data.object]),
      [
        ['account.created', opened],
        ['account.closed', closed],
      ],
    )
  })

  it('shows an account that was opened without the overdraft it was given later', async () => {
    const [user, operator] = await Promise.all([aUser(first), anOperator(first)])
    const { body: opened } = await user.post('/v1/accounts', { currency: 'EUR' })
    const wish = { overdraft_limit: '50.00', reason: 'A good customer' }
    assert.equal((await operator.patch(`/v1/admin/accounts/${opened.id}`, wish)).status, 200)
    const [event] = await until(async () => {
      const { body } = await user.get(`/v1/events?object_id=${opened.id}`)
      return body.data.length === 1 && body.data
    })
    assert.deepEqual([event.type, event.data.object], ['account.created', opened])
  })

  it('goes on from a position, in its order or against it, and filters every field', async () => {
    const all = await eventsOf(ada, 100)
    const [, , third] = all
    const rest = await everyPage(ada, `/v1/events?sort=position&position[gt]=${third.position}`)
    assert.deepEqual(rest, all.slice(3))
    const back = await everyPage(ada, '/v1/events')
    assert.deepEqual(back.toReversed(), all)
    const { body: one } = await ada.get(`/v1/events?id=${third.id}`)
    assert.deepEqual(one.data, [third])
    const { body: none } = await ada.get('/v1/events?type=account.closed')
    assert.deepEqual(none.data, [])
    const created = await everyPage(ada, `/v1/events?type=account.created&created_at[gte]=${all[0].created_at}`)
    assert.equal(created.length, 3)
    for (const from of [
      'position[gt]',
      'sort=position&position[gte]',
      `object_id=${third.data.object.id}&position[gt]`,
    ]) {
      assertProblem(await ada.get(`/v1/events?${from}=1-00000000000000000000000001`), 'position_too_old')
    }
    for (const query of ['type=nonsense', 'position[gt]=nonsense', 'object_id=usr_1', 'unknown=1', 'sort=data']) {
      assertProblem(await ada.get(`/v1/events?${query}`), 'invalid_query')
    }
  })

  it('is for an operator that of the whole book', async () => {
    const operator = await anOperator(first)
    const seen = await everyPage(operator, '/v1/admin/events?sort=position')
    const ids = new Set(seen.map(({ id }) => id))
    for (const { id } of [...(await eventsOf(ada, 1)), ...(await eventsOf(bob, 1))]) assert.ok(ids.has(id))
    assert.deepEqual(
      seen.map(({ position }) => position),
      (await everyPage(operator, '/v1/admin/events')).map(({ position }) => position).toReversed(),
    )
    assertProblem(await ada.get('/v1/admin/events'), 'forbidden')
  })

  it('needs a token that may read payments', async () => {
    assertProblem(await first.anybody.get('/v1/events'), 'unauthenticated')
    assertProblem(await first.anybody.get('/v1/events/stream'), 'unauthenticated')
    const { body } = await ada.post('/v1/tokens', { name: 'accounts', scopes: ['accounts:read'], expires_at: null })
    for (const path of ['/v1/events', '/v1/events/stream']) {
      assertProblem(await first.anybody.get(path, { authorization: `Bearer ${body.token}` }), 'forbidden')
    }
  })
})
