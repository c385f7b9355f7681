import assert from 'node:assert/strict'
import { before, describe, it, type TestContext } from 'node:test'
import { aGateway, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'

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

  async function statusWith(expiresAt: number): Promise<() => Promise<number>> {
    const asked = { name: 'short', scopes: ['accounts:read'], expires_at: new Date(expiresAt).toISOString() }
    const { status, body } = await ada.post('/v1/tokens', asked)
    assert.equal(status, 201)
    const headers = { authorization: `Bearer ${body.token}` }
    return async () => (await gateway.anybody.get('/v1/accounts', headers)).status
  }

  it('by a day ahead a token is good until it expires, also where it is known already', async (t) => {
    const status = await statusWith(Date.now() + DAY_MS / 2)
    clockIsOffBy(t, DAY_MS)
    for (const _ of ['read', 'kept', 'known', 'known']) assert.equal(await status(), 200)
  })

  it('by a day behind a token that has expired is good no more', async (t) => {
    const status = await statusWith(Date.now() + 2_000)
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
})
