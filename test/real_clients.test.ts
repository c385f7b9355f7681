import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { Webhook } from 'standardwebhooks'
import WebSocketOfNode from 'ws'
import { createClient } from '../packages/client/src/index.ts'
import { aBrowser, aSite } from './harness/browser.ts'
import { noBrowser } from './harness/chromium.ts'
import { aGateway, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { openSocket, openStream, tryAll, useClient } from './harness/in_page.ts'
import { assertProblem, noneHeldBack, transfer } from './harness/paying.ts'
import { environment, gone } from './harness/server.ts'

let gateway: TestGateway
let site: string
let ada: TestUser
let usd: string
let token: string
before(async () => {
  site = await aSite()
  gateway = await aGateway({ BGW_ALLOWED_ORIGINS: site })
  ada = await aUser(gateway)
  usd = await ada.account('USD')
  token = ada.token ?? ''
})

/** A payment that is declined, and tells so. */
async function payOneself(): Promise<string> {
  const { status, body } = await ada.post('/v1/payments', transfer(usd, usd, '1.00'))
  assert.equal(status, 201)
  return body.id
}

describe('curl', () => {
  it('reads the stream of events', async () => {
    await noneHeldBack(gateway)
    const curl = spawn('curl', ['-sN', '-H', `Authorization: Bearer ${token}`, `${gateway.url}/v1/events/stream`])
    let printed = ''
    curl.stdout.on('data', (chunk) => {
      printed += chunk
    })
    await until(async () => /^id: /m.test(printed))
    const id = await payOneself()
    await until(async () => printed.includes(id))
    assert.match(printed, /^id: \S+\nevent: payment\.declined\ndata: \{.*\}\n\n/m)
    curl.kill()
    await gone(curl)
  })
})

describe('the receiver of docs/webhooks.md', () => {
  it('takes an event whose body comes in pieces, cut inside a letter, and refuses one that is not from the gateway', async (context) => {
    const secret = `whsec_${Buffer.alloc(32).toString('base64')}`
    const page = await readFile(join(import.meta.dirname, '../docs/webhooks.md'), 'utf8')
    const [, shown = ''] = /^```js\n(.*?)^```$/ms.exec(page) ?? []
    const script = shown.replace('.listen(8081)', '.listen(0, function () { console.log(this.address().port) })')
    const receiver = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: environment({ WEBHOOK_SECRET: secret }),
    })
    context.after(() => receiver.kill())
    const port = Number((await once(receiver.stdout, 'data'))[0])

    const body = JSON.stringify({ id: 'evt_1', type: 'payment.completed', data: { object: { description: 'Nájem' } } })
    const headers = {
      'webhook-id': 'evt_1',
      'webhook-timestamp': `${Math.floor(Date.now() / 1_000)}`,
      'webhook-signature': new Webhook(secret).sign('evt_1', new Date(), body),
    }
    const inLetter = Buffer.from(body.slice(0, body.indexOf('á'))).length + 1

    assert.equal(await sendInPieces(port, headers, Buffer.from(body), inLetter), 204)
    assert.equal(await sendInPieces(port, headers, Buffer.from(body.replace('evt_1', 'evt_2')), inLetter), 400)
  })
})

/** Each piece is a chunk of HTTP, so that it is read by itself. */
async function sendInPieces(port: number, headers: Record<string, string>, body: Buffer, cut: number) {
  const sent = request({ port, method: 'POST', headers })
  sent.write(body.subarray(0, cut))
  sent.end(body.subarray(cut))
  const [answer] = await once(sent, 'response')
  answer.resume()
  return answer.statusCode
}

describe('the package ws', () => {
  it('watches, by itself and as the WebSocket of the client package', async () => {
    await noneHeldBack(gateway)
    const socket = new WebSocketOfNode(`${gateway.url.replace('http', 'ws')}/v1/ws`, ['bearer', token])
    const messages: any[] = []
    socket.on('message', (data) => messages.push(JSON.parse(String(data))))
    await new Promise((resolve) => socket.once('open', resolve))
    socket.send(JSON.stringify({ subscribe: [usd] }))
    await until(async () => messages.some(({ state }) => state?.id === usd))
    const told: unknown[] = []
    let paid: string | undefined
    for await (const each of createClient({ url: gateway.url, token, WebSocket: WebSocketOfNode }).watch([usd])) {
      told.push('state' in each ? each.state.id : each.event.data.object.id)
      if (told.length === 2) break
      paid = await payOneself()
    }
    assert.deepEqual(told, [usd, paid])
    await until(async () => messages.some(({ event }) => event?.data.object.id === paid))
    socket.close()
  })
})

describe('a page of an origin that is allowed, in a browser', { skip: noBrowser }, () => {
  let open: Awaited<ReturnType<typeof aBrowser>>
  before(async () => {
    open = await aBrowser()
  })

  it('reads events by EventSource: a ticket opens one stream, and the next goes on where it was', async () => {
    await noneHeldBack(gateway)
    const page = await open(site)
    const heard = async (type: string) =>
      (await page.evaluate(() => (globalThis as any).heard as any[])).findLast((each) => each.type === type)
    await page.evaluate(openStream, { url: gateway.url, token })
    await until(() => heard('open'))
    const first = await payOneself()
    const told = await until(() => heard('payment.declined'))
    assert.equal(JSON.parse(told.data).data.object.id, first)

    const address = await page.evaluate(() => (globalThis as any).stream.url as string)
    assert.ok(!address.includes(token))
    assertProblem(await gateway.anybody.get(address.slice(gateway.url.length)), 'unauthenticated')
    await page.evaluate(() => (globalThis as any).stream.close())
    const second = await payOneself()
    await page.evaluate(openStream, { url: gateway.url, token, after: told.lastEventId })
    const missed = await until(() => heard('payment.declined'))
    assert.equal(JSON.parse(missed.data).data.object.id, second)
    await page.close()
  })

  it('opens a WebSocket', async () => {
    const page = await open(site)
    assert.equal(await page.evaluate(openSocket, { url: gateway.url, token, id: usd }), usd)
    await page.close()
  })

  it('pays, lists, reads events and watches with the client package', async () => {
    await noneHeldBack(gateway)
    const page = await open(site)
    const did = await page.evaluate(useClient, { url: gateway.url, token, usd })
    const { body: payment } = await ada.get(`/v1/payments/${did.payment.id}`)
    assert.deepEqual(did.payment, payment)
    assert.deepEqual([did.state, did.told, did.read], [usd, payment.id, payment.id])
    assert.ok(did.listed.includes(payment.id))
    assert.equal(did.refused, 'invalid_amount')
    await page.close()
  })

  it('is the only one: a page of another origin can neither read, pay nor watch', async () => {
    const other = await open(await aSite())
    const earlier = (await ada.get('/v1/payments')).body.data.length
    const tried = await other.evaluate(tryAll, { url: gateway.url, token, usd })
    assert.deepEqual(tried, ['TypeError', 'TypeError', 'closed 1006'])
    assert.equal((await ada.get('/v1/payments')).body.data.length, earlier)
    await other.close()
  })
})

describe('a ticket for a stream', () => {
  it('is for who may read payments, works once, on this stream only, and not when its token is revoked', async () => {
    const { body } = await ada.post('/v1/tokens', { name: 'page', scopes: ['payments:read'] })
    const ask = (by: string) =>
      gateway.anybody.send('POST', '/v1/events/tickets', undefined, { authorization: `Bearer ${by}` })
    const [first, second] = [(await ask(body.token)).body.ticket, (await ask(body.token)).body.ticket]
    const answer = await fetch(`${gateway.url}/v1/events/stream?ticket=${first}`)
    assert.equal(answer.status, 200)
    const reading = answer.text()
    for (const wrong of [first, `${first}=`, '', 'nonsense', body.token]) {
      assertProblem(await gateway.anybody.get(`/v1/events/stream?ticket=${wrong}`), 'unauthenticated')
    }
    assert.equal((await gateway.anybody.get(`/v1/events?ticket=${second}`)).status, 401)
    await ada.delete(`/v1/tokens/${body.id}`)
    assert.match(await reading, /event: end\ndata: \{"reason":"unauthenticated"\}\n\n$/)
    assertProblem(await gateway.anybody.get(`/v1/events/stream?ticket=${second}`), 'unauthenticated')
    const { body: narrow } = await ada.post('/v1/tokens', { name: 'narrow', scopes: ['accounts:read'] })
    assertProblem(await ask(narrow.token), 'forbidden')
  })
})
