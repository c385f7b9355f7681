import assert from 'node:assert/strict'
import { before, describe, it, type TestContext } from 'node:test'
import { behindTransaction, encodePosition } from '../src/events/position.ts'
import type { Instant } from '../src/ledger/id.ts'
import { aClient } from './harness/client.ts'
import { aBriefToken, aGateway, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { assertProblem } from './harness/paying.ts'

const DAY_MS = 86_400_000

/** From here to the end of the test the machine's clock is off by so much, and the database's is right. */
function clockIsOffBy(t: TestContext, milliseconds: number): void {
  const right = Date.now.bind(Date)
  t.mock.method(Date, 'now', () => right() + milliseconds)
}

// docs/deployment.md, The clock: all times are those of the database's.
describe('On a node whose clock is off', () => {
  let gateway: TestGateway
  let ada: TestUser
  before(async () => {
    gateway = await aGateway()
    ada = await aUser(gateway)
  })

  async function statusWithTokenOf(milliseconds: number): Promise<() => Promise<number>> {
    const { token } = await aBriefToken(ada, milliseconds, 'short', ['accounts:read'])
    const headers = { authorization: `Bearer ${token}` }
    return async () => (await gateway.anybody.get('/v1/accounts', headers)).status
  }

  it('by a day ahead a token is good until it expires, also where it is known already', async (t) => {
    const status = await statusWithTokenOf(DAY_MS / 2)
    clockIsOffBy(t, DAY_MS)
    for (const _ of ['read', 'kept', 'known', 'known']) assert.equal(await status(), 200)
  })

  it('by a day behind a token that has expired is good no more', async (t) => {
    const status = await statusWithTokenOf(2_000)
    clockIsOffBy(t, -DAY_MS)
    assert.equal(await status(), 200)
    await until(async () => (await status()) === 401, 10)
  })

  it('by a day ahead a ticket that another node gave opens its stream', async (t) => {
    const { status, body } = await ada.post('/v1/events/tickets')
    assert.equal(status, 201)
    clockIsOffBy(t, DAY_MS)
    const path = `/v1/events/stream?ticket=${body.ticket}`
    const closing = new AbortController()
    const stream = await fetch(gateway.url + path, { signal: closing.signal })
    closing.abort()
    assert.equal(stream.status, 200)
  })

  it('by a day behind a ticket ends when it would on any other', async (t) => {
    const { body } = await ada.post('/v1/events/tickets')
    clockIsOffBy(t, -DAY_MS)
    const later = await ada.post('/v1/events/tickets')
    const apart = Math.abs(Date.parse(later.body.expires_at) - Date.parse(body.expires_at))
    assert.ok(apart < 30_000, `tickets made one after the other end ${apart} ms apart`)
  })

  it('a list and a stream of events go on from where the events are kept, and from nowhere else', async (t) => {
    const lately = await aGateway({ BGW_EVENT_DAYS: '1' }, gateway.database)
    const reader = aClient(lately.url, ada.token)
    const at = (daysAgo: number) =>
      encodePosition(behindTransaction(1n, (BigInt(Date.now() - daysAgo * DAY_MS) * 1_000n) as Instant))
    const [kept, gone] = [at(0.5), at(1.5)]
    const codeFrom = async (position: string) => (await reader.get(`/v1/events?position[gt]=${position}`)).body.code

    clockIsOffBy(t, DAY_MS)
    assert.equal(await codeFrom(kept), undefined)
    clockIsOffBy(t, -2 * DAY_MS)
    assert.equal(await codeFrom(gone), 'position_too_old')
    assertProblem(await reader.get(`/v1/events/stream?after=${gone}`), 'position_too_old')
  })
})
