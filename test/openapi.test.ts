import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { readConfig } from '../src/config.ts'
import { withOwner } from '../src/database/connection.ts'
import { createGateway } from '../src/gateway.ts'
import { ACCESS } from '../src/http/access.ts'
import { createApp } from '../src/http/app.ts'
import { ERRORS } from '../src/http/errors.ts'
import { listen } from '../src/http/listening.ts'
import { createLog } from '../src/log.ts'
import { CLIENT_FILE, clientSource, staleClient } from '../tools/client.ts'
import { aClient, type Reply } from './harness/client.ts'
import { aDatabase, urlOf } from './harness/cluster.ts'
import { assertProblem, exampleOf, isAllowed, type Operation, readOperations } from './harness/document.ts'
import { aGateway, anEmail, aUser, mailedToken, PASSWORD, type TestGateway, type TestUser } from './harness/gateway.ts'

/** The rules of the published schema for the parts that are used. */
const text = { type: 'string' }
const pairs = {
  type: 'array',
  items: { type: 'object', required: ['key', 'value'], properties: { key: text, value: text } },
}
const ITEM = {
  type: 'object',
  required: ['name', 'request'],
  properties: {
    name: text,
    event: { type: 'array', items: { type: 'object', required: ['listen', 'script'] } },
    request: {
      type: 'object',
      required: ['method', 'url', 'header'],
      properties: {
        method: { enum: ['GET', 'POST', 'PATCH', 'DELETE', 'PUT'] },
        header: pairs,
        auth: { type: 'object', required: ['type'], properties: { type: { enum: ['bearer', 'noauth'] } } },
        url: {
          type: 'object',
          required: ['raw', 'host', 'path'],
          properties: {
            raw: text,
            host: { type: 'array', items: text },
            path: { type: 'array', items: text },
            query: pairs,
            variable: pairs,
          },
        },
        body: { type: 'object', required: ['mode', 'raw'], properties: { mode: { const: 'raw' }, raw: text } },
      },
    },
  },
}
const COLLECTION = {
  type: 'object',
  required: ['info', 'item'],
  properties: {
    info: { type: 'object', required: ['name', 'schema'], properties: { name: text, schema: text } },
    variable: pairs,
    auth: { type: 'object', required: ['type', 'bearer'], properties: { type: { const: 'bearer' }, bearer: pairs } },
    item: {
      type: 'array',
      items: { type: 'object', required: ['name', 'item'], properties: { item: { type: 'array', items: ITEM } } },
    },
  },
}

let gateway: TestGateway
let ada: TestUser
let account: string
let document: any
let operations: Operation[]

before(async () => {
  gateway = await aGateway()
  ada = await aUser(gateway)
  account = await ada.account('USD')
  document = (await gateway.anybody.get('/openapi.json')).body
  operations = await readOperations(gateway)
})

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    assert.match(document.openapi, /^3\.1\./)
    const { valid, errors } = await new Validator().validate(structuredClone(document))
    assert.ok(valid, JSON.stringify(errors, null, 1))
  })

  it('gives each call an id of its own, a summary and a tag that it lists', () => {
    const ids = operations.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
    const tags = document.tags.map(({ name }: any) => name)
    for (const { id, raw } of operations) {
      assert.match(id, /^[a-z][A-Za-z]+$/)
      assert.ok(raw.summary, id)
      assert.ok(raw.tags.length === 1 && tags.includes(raw.tags[0]), id)
    }
  })

  it('shows for every call a request that the call’s own schema allows', () => {
    for (const { id, body, raw } of operations) {
      if (body) assert.ok(isAllowed(body.schema, exampleOf(body.schema)), id)
      const inPath = (raw.parameters ?? []).filter((parameter: any) => parameter.in === 'path')
      for (const parameter of inPath) {
        assert.ok(parameter.example ?? parameter.schema.examples, `${id} has no example of ${parameter.name}`)
      }
    }
  })

  it('has no example that its schema would refuse', () => {
    let examples = 0
    for (const schema of schemasIn(document.paths)) {
      for (const example of schema.examples) {
        assert.ok(isAllowed(schema, example), JSON.stringify(schema))
        examples += 1
      }
    }
    assert.ok(examples > 100, String(examples))
  })

  it('shows each error that a call can answer with, by its code', () => {
    const shown = new Set<string>()
    for (const { id, raw } of operations) {
      const statuses = Object.keys(raw.responses).filter((status) => Number(status) >= 400)
      assert.ok(statuses.includes('500'), id)
      for (const status of statuses) {
        const { description, content } = raw.responses[status]
        const { schema, examples } = content['application/problem+json']
        assert.ok(Object.keys(examples).length > 0, `${id} ${status}`)
        for (const [code, { value }] of Object.entries<any>(examples)) {
          assert.ok(isAllowed(schema, value), `${id} ${code}`)
          assert.deepEqual([value.code, value.status], [code, Number(status)])
          assert.equal(ERRORS[code as keyof typeof ERRORS][0], Number(status))
          assert.ok(description.includes(`\`${code}\``), `${id} ${code}`)
          shown.add(code)
        }
      }
    }
    assert.deepEqual([...shown].sort(), Object.keys(ERRORS).sort())
  })

  it('has a call’s 401 and 403 where a token is needed, 415 where a body is, and what it answers when it is well', () => {
    for (const { id, isPublic, body, raw } of operations) {
      const has = (status: number) => Object.hasOwn(raw.responses, String(status))
      assert.equal(has(403), !isPublic, id)
      if (!isPublic) assert.ok(has(401), id)
      if (body) assert.ok(has(415), id)
      assert.ok(
        Object.keys(raw.responses).some((status) => status.startsWith('2') || status === '101'),
        id,
      )
    }
  })

  it('has a 304 where an answer has an ETag, which streams and what is not to be kept have not', async () => {
    const unkept = operations.filter(({ method, path, raw }) => {
      return method === 'GET' && path.startsWith('/v1/') && !raw.responses['304']
    })
    assert.deepEqual(unkept.map(({ id }) => id).sort(), [
      'downloadWireBatch',
      'exportMe',
      'exportUser',
      'getStatement',
      'openWebSocket',
      'streamEvents',
    ])
    const order = document.paths['/v1/admin/wire/batches/{id}/file'].get.responses[200]
    assert.deepEqual(Object.keys(order.content), ['application/xml'])
    for (const path of [`/v1/accounts/${account}/statement`, '/v1/me/export']) {
      const { status, headers } = await ada.get(path, { 'if-none-match': '*' })
      assert.deepEqual([status, headers.get('etag')], [200, null], path)
    }
  })

  it('has the headers that a request may carry: Book where operators act in any book, If-None-Match where there is an ETag', () => {
    const taking = (header: string) =>
      operations.filter(({ raw }) => raw.parameters.some((each: any) => each.in === 'header' && each.name === header))
    const ids = (some: readonly Operation[]) => some.map(({ id }) => id).sort()
    const ofAnyBook = operations.filter(({ id }) => 'anyBook' in Object(ACCESS[id as keyof typeof ACCESS]))
    assert.ok(ofAnyBook.length > 50)
    assert.deepEqual(ids(taking('book')), ids(ofAnyBook))
    assert.deepEqual(ids(taking('if-none-match')), ids(operations.filter(({ raw }) => raw.responses['304'])))
    assert.deepEqual(ids(taking('x-request-id')), ids(operations))
  })

  it('has the headers of each answer; that these are all, each test sees to (harness/documented.ts)', () => {
    const headersOf = (path: string, method: string, status: number) =>
      Object.keys(document.paths[path][method].responses[status].headers).filter((name) => !/^RateLimit-/.test(name))
    assert.deepEqual(headersOf('/v1/payments', 'get', 200), ['X-Request-Id', 'ETag', 'Content-Disposition'])
    assert.deepEqual(headersOf('/v1/payments', 'get', 304), ['X-Request-Id', 'ETag'])
    assert.deepEqual(headersOf('/v1/payments', 'get', 401), ['X-Request-Id', 'WWW-Authenticate'])
    const made = ['X-Request-Id', 'Idempotent-Replayed', 'Preference-Applied', 'Location']
    assert.deepEqual(headersOf('/v1/payments', 'post', 201), made)
    assert.deepEqual(headersOf('/v1/payments', 'post', 503), ['X-Request-Id', 'Retry-After'])
    assert.deepEqual(headersOf('/v1/ws', 'get', 426), ['X-Request-Id', 'Upgrade', 'Sec-WebSocket-Version'])
    const limits = Object.keys(document.paths['/v1/me'].get.responses[200].headers).filter((name) =>
      /^RateLimit-/.test(name),
    )
    assert.equal(limits.length, 4)
    for (const header of Object.values<any>(document.components.headers)) assert.ok(header.schema.examples)
  })

  it('is what the client package was made from', async () => {
    assert.equal(staleClient(await readFile(CLIENT_FILE, 'utf8'), clientSource(document)), undefined)
  })

  it('has every route of the server, and no other', async () => {
    const app = await createApp(gateway.inside)
    await app.ready()
    const routes = routesIn(app.printRoutes({ commonPrefix: false }))
    await app.close()
    const hidden = [
      'GET /openapi.json',
      'GET /collection.json',
      'GET /confirm',
      'POST /confirm',
      'GET /reset-password',
      'POST /reset-password',
    ]
    const served = routes.filter((route) => !route.includes(' /docs') && !hidden.includes(route))
    assert.equal(routes.length > served.length + 2, true)
    const documented = operations.map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`)
    assert.deepEqual(served.sort(), documented.sort())
  })
})

describe('the collection for Postman and Insomnia', () => {
  it('has every call, in folders by tag, in the form v2.1', async () => {
    const { status, body: collection } = await gateway.anybody.get('/collection.json')
    assert.equal(status, 200)
    assert.equal(collection.info.schema, 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json')
    assert.ok(isAllowed(COLLECTION, collection))
    assert.deepEqual(collection.variable[0], { key: 'base_url', value: gateway.url, type: 'string' })
    const tags = document.tags.map(({ name }: any) => name)
    assert.deepEqual(
      collection.item.map(({ name }: any) => name).filter((name: string) => !tags.includes(name)),
      [],
    )
    const items = collection.item.flatMap(({ item }: any) => item)
    const made = items.map(({ request }: any) => `${request.method} ${request.url.raw.replace('{{base_url}}', '')}`)
    const documented = operations.map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`)
    assert.deepEqual(made.sort(), documented.sort())
  })

  it('shows of every JSON body an example that the call’s schema allows, and needs no token where the call needs none', async () => {
    const { body: collection } = await gateway.anybody.get('/collection.json')
    const items = collection.item.flatMap(({ item }: any) => item)
    for (const { method, path, body, isPublic, id } of operations) {
      const raw = `{{base_url}}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
      const { request } = items.find((item: any) => item.request.method === method && item.request.url.raw === raw)
      assert.equal(request.auth?.type === 'noauth', isPublic, id)
      if (body?.type === 'application/json') assert.ok(isAllowed(body.schema, JSON.parse(request.body.raw)), id)
    }
  })
})

describe('the pages for whoever runs the gateway', () => {
  it('say that it lives, that it is ready, and how it does', async () => {
    for (const path of ['/health/live', '/health/ready']) {
      const { status, body } = await gateway.anybody.get(path)
      assert.deepEqual([status, body], [200, { status: 'ok' }])
    }
    const { status, headers, body } = await gateway.anybody.get('/metrics')
    assert.equal(status, 200)
    assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    assert.match(body, /^# TYPE \S+ histogram$/m)
    for (const line of body.split('\n')) assert.match(line, /^$|^# (HELP|TYPE) |^[a-z]\w+(\{.*\})? \S+$/)
    for (const secret of [ada.email, account, ada.token ?? '']) assert.ok(!body.includes(secret))
  })

  it('have every metric that docs/deployment.md tells of', async () => {
    const docs = await readFile(`${import.meta.dirname}/../docs/deployment.md`, 'utf8')
    const [, table = ''] = docs.split('| metric | worth an alarm |')
    const names = [...table.matchAll(/^\| `([a-z]+_[a-z_]*)/gm)].map(([, name]) => name)
    assert.ok(names.length > 3)
    const { body } = await gateway.anybody.get('/metrics')
    for (const name of names) assert.match(body, new RegExp(`^# TYPE ${name}`, 'm'))
  })

  it('show the document to readers, all of it from here', async () => {
    const { status, headers, body } = await gateway.anybody.get('/docs/')
    assert.equal(status, 200)
    assert.match(headers.get('content-type') ?? '', /^text\/html/)
    const sources = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source)
    assert.ok(sources.length > 0)
    for (const source of sources) {
      const url = new URL(source, `${gateway.url}/docs/`)
      assert.equal(url.origin, gateway.url)
      assert.equal((await fetch(url)).status, 200, source)
    }
  })

  it('are written once, however often anybody asks: each time would keep all others waiting', async (test) => {
    const app = await createApp(gateway.inside)
    const url = `http://127.0.0.1:${await listen(app, '127.0.0.1', 0)}`
    const stringify = test.mock.method(JSON, 'stringify')
    for (const path of ['/openapi.json', '/collection.json']) {
      stringify.mock.resetCalls()
      const asked = await Promise.all([1, 2, 3].map(() => fetch(`${url}${path}`, { method: 'HEAD' })))
      assert.deepEqual(
        asked.map(({ status }) => status),
        [200, 200, 200],
      )
      const written = stringify.mock.calls.filter(({ result }) => String(result).length > 100_000)
      assert.equal(written.length, 1, path)
    }
    stringify.mock.restore()
    await app.close()
  })

  it('offer readers no services of others, which would be sent the document', async () => {
    const { body } = await gateway.anybody.get('/docs/')
    const settings = JSON.parse(/createApiReference\('#app', (\{[\s\S]*?\})\)/.exec(body)?.[1] ?? '')
    assert.equal(settings.telemetry, false)
    assert.deepEqual([settings.agent, settings.mcp], [{ disabled: true }, { disabled: true }])
    // Ways to share the document, and to have it made into programs.
    assert.equal(settings.showDeveloperTools, 'never')
    assert.match(body, /<title>billing-gateway: the API<\/title>/)
  })

  it('are where they say, also where a proxy has the gateway under a path', async () => {
    const there = await aGateway({ BGW_PUBLIC_URL: 'https://example.com/pay' })
    const outside = 'https://example.com/pay/'
    const { headers } = await fetch(`${there.url}/docs`, { redirect: 'manual' })
    assert.equal(new URL(headers.get('location') ?? '', `${outside}docs`).href, `${outside}docs/`)
    const page = await there.anybody.get('/docs/')
    const [, read = ''] = /"url": "([^"]+)"/.exec(page.body) ?? []
    assert.equal(new URL(read, `${outside}docs/`).href, `${outside}openapi.json`)
    // A client adds the path of a call to that of the server (OpenAPI 3.1, Server Object).
    const { body: document } = await there.anybody.get('/openapi.json')
    assert.equal(new URL(document.servers[0].url, `${outside}openapi.json`).href, 'https://example.com/pay')
    const { body: here } = await gateway.anybody.get('/openapi.json')
    assert.equal(here.servers[0].url, '/')
  })
})

describe('every answer', () => {
  /** Answers of each sort: well, refused at each stage, not understood at all. */
  async function answers(headers: Record<string, string> = {}): Promise<Reply[]> {
    const { anybody } = gateway
    const { headers: first } = await ada.get('/v1/accounts')
    return Promise.all([
      anybody.get('/health/live', headers),
      anybody.get('/metrics', headers),
      anybody.get('/openapi.json', headers),
      anybody.get('/docs/', headers),
      anybody.get('/confirm?token=x', headers),
      ada.get('/v1/accounts', headers),
      ada.get('/v1/accounts', { ...headers, 'if-none-match': first.get('etag') ?? '' }),
      ada.get('/v1/accounts?surprise=1', headers),
      ada.get('/v1/accounts/%ff', headers),
      ada.get(`/v1/accounts/${'x'.repeat(500)}`, headers),
      ada.get('/nowhere', headers),
      anybody.get('/docs/nowhere', headers),
      anybody.get('/nowhere', { ...headers, expect: 'a-miracle' }),
      ada.delete('/v1/accounts', headers),
      anybody.get('/v1/accounts', headers),
      ada.get('/v1/admin/users', headers),
      ada.post('/v1/payments', '{', headers),
      ada.post('/v1/payments', '{}', { ...headers, 'content-type': 'text/plain' }),
      ada.post('/v1/payments', ' '.repeat(1024 * 1024 + 1), headers),
    ])
  }

  it('has the security headers', async () => {
    const replies = await answers()
    const statuses = replies.map(({ status }) => status)
    assert.deepEqual(
      statuses,
      [200, 200, 200, 200, 200, 200, 304, 400, 404, 404, 404, 404, 404, 404, 401, 403, 400, 415, 413],
    )
    for (const { status, headers } of replies) {
      assert.match(
        headers.get('content-security-policy') ?? '',
        /default-src '(none|self)'.*frame-ancestors 'none'/,
        String(status),
      )
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.equal(headers.get('referrer-policy'), 'no-referrer')
      assert.match(headers.get('strict-transport-security') ?? '', /max-age=\d{7,}/)
      assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin')
      assert.equal(headers.get('x-powered-by') ?? headers.get('server'), null)
    }
  })

  it('carries the caller’s request id, or one that was made', async () => {
    for (const reply of await answers({ 'x-request-id': 'mine:1.a-b_c' })) {
      assert.equal(reply.headers.get('x-request-id'), 'mine:1.a-b_c')
      if (reply.status >= 400) assertProblem(reply)
    }
    const made = (await answers()).map(({ headers }) => headers.get('x-request-id'))
    for (const id of made) assert.match(id ?? '', /^req_[0-9a-f-]{36}$/)
    assert.equal(new Set(made).size, made.length)
  })

  it('that was read already is 304 until it changes', async () => {
    const paid = await ada.post('/v1/payments', { from_account: account, to_account: account, amount: '1.00' })
    for (const path of ['/v1/accounts', `/v1/accounts/${account}`, '/v1/payments', `/v1/payments/${paid.body.id}`]) {
      const first = await ada.get(path)
      const tag = first.headers.get('etag') ?? ''
      assert.match(tag, /^"[\w-]+"$/, path)
      for (const known of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
        const again = await ada.get(path, { 'if-none-match': known })
        assert.deepEqual([again.status, again.body, again.headers.get('etag')], [304, '', tag], `${path} ${known}`)
        // The length would be that of what has not changed: a cache would take a zero for it.
        assert.equal(again.headers.get('content-length'), null, path)
      }
      assert.equal((await ada.get(path, { 'if-none-match': '"x"' })).status, 200)
    }
    const before = (await ada.get(`/v1/accounts/${account}`)).headers.get('etag') ?? ''
    await ada.patch(`/v1/accounts/${account}`, { name: 'Renamed' })
    const after = await ada.get(`/v1/accounts/${account}`, { 'if-none-match': before })
    assert.deepEqual([after.status, after.body.name], [200, 'Renamed'])
  })
})

describe('a HEAD', () => {
  it('says what its GET would: the length, the ETag, and that nothing has changed', async () => {
    const path = `/v1/accounts/${account}`
    const read = await ada.get(path)
    const head = await ada.send('HEAD', path)
    for (const name of ['content-length', 'content-type', 'etag', 'cache-control', 'vary']) {
      assert.ok(read.headers.get(name), name)
      assert.equal(head.headers.get(name), read.headers.get(name), name)
    }
    assert.deepEqual([head.status, head.body], [200, ''])
    const again = await ada.send('HEAD', path, undefined, { 'if-none-match': read.headers.get('etag') ?? '' })
    assert.deepEqual([again.status, again.headers.get('etag')], [304, read.headers.get('etag')])
  })
})

describe('the log', () => {
  it('has the id of every request and nothing that is secret', async () => {
    const { lines, secrets, ids, broken } = await aLoggedDay()
    const requests = lines.filter(({ msg }) => msg === 'request')
    for (const id of ids) {
      const [line, more] = requests.filter(({ request_id: logged }) => logged === id)
      assert.ok(line, `${id} is not in the log`)
      assert.equal(more, undefined)
      assert.equal(typeof line.status, 'number')
      assert.match(line.time, /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/)
    }
    // What goes on behind the requests finds it broken as well, and says so.
    const fault = lines.find(({ level, request_id: logged }) => level === 50 && logged === broken)
    assert.ok(fault, 'the fault is not in the log')
    const text = JSON.stringify(lines)
    for (const secret of secrets) {
      assert.ok(secret.length > 5)
      assert.ok(
        !text.includes(secret),
        `${secret} is in the log: ${lines.map((line) => JSON.stringify(line)).find((line) => line.includes(secret))}`,
      )
    }
  })

  /** All that a gateway logs, in its most talkative, of requests that go well, go wrong and find it broken. */
  async function aLoggedDay() {
    const database = await aDatabase()
    const folder = await mkdtemp(join(tmpdir(), 'bgw-log-'))
    const config = readConfig({ DATABASE_URL: urlOf(database), BGW_DATA_DIR: folder })
    const lines: any[] = []
    const log = createLog('debug', { write: (line) => lines.push(JSON.parse(line)) })
    const inside = await createGateway({ connectionString: urlOf(database) }, config, () => 'http://localhost', log)
    const app = await createApp(inside)
    const url = `http://127.0.0.1:${await listen(app, '127.0.0.1', 0)}`
    const logged: TestGateway = {
      ...gateway,
      url,
      database,
      inside,
      mailFolder: config.mailFolder,
      anybody: aClient(url),
    }
    const ids: string[] = []
    const named = (headers: Record<string, string> = {}) => {
      const id = `seen-${ids.length}`
      ids.push(id)
      return { ...headers, 'x-request-id': id }
    }

    const email = anEmail('secret')
    const key = 'key-that-is-nobody-s-business'
    await logged.anybody.post('/v1/signup', { email, password: PASSWORD }, named())
    const confirmation = await mailedToken(logged, email)
    await logged.anybody.get(`/confirm?token=${confirmation}`, named())
    await logged.anybody.post('/v1/email/confirm', { token: confirmation }, named())
    await logged.anybody.post('/v1/email/confirm', { token: confirmation }, named())
    await logged.anybody.post('/v1/login', { email, password: `${PASSWORD} wrong` }, named())
    await logged.anybody.post('/v1/login', { email, password: PASSWORD, surprise: PASSWORD }, named())
    const { body } = await logged.anybody.post('/v1/login', { email, password: PASSWORD }, named())
    const user = aClient(url, body.token)
    const accounts = await user.get('/v1/accounts?currency=USD', named())
    const id = accounts.body.data[0].id
    const pay = { from_account: id, to_account: id, amount: '1.00' }
    const paid = await user.post('/v1/payments', pay, named({ 'idempotency-key': key }))
    assert.equal(paid.status, 201)
    await user.post('/v1/payments', { ...pay, amount: email }, named({ 'idempotency-key': key }))
    await user.post('/v1/payments', { ...pay, amount: '2.00' }, named({ 'idempotency-key': key }))
    await user.get(`/v1/recipients?email=${email}`, named())
    await user.get(`/v1/payments?surprise=${email}`, named())
    await user.get(`/nowhere/${email}?token=${body.token}`, named())
    await logged.anybody.get('/v1/me', named({ authorization: `Bearer ${body.token}x` }))
    const made = await user.post(
      '/v1/tokens',
      { name: 'n', scopes: ['payments:read'] },
      named({ 'idempotency-key': `${key}2` }),
    )

    await withOwner(database, (client) => client.query('alter table users rename to users_away'))
    const failed = await logged.anybody.post('/v1/login', { email, password: PASSWORD }, named())
    const broken = ids.at(-1)
    assert.deepEqual([failed.status, failed.body.code], [500, 'internal'])
    assert.doesNotMatch(JSON.stringify(failed.body), /users|relation|select/)
    await withOwner(database, (client) => client.query('alter table users_away rename to users'))

    // PostgreSQL tells the whole row that a constraint refuses.
    const refuseRows = 'alter table users add constraint none check (false) not valid'
    await withOwner(database, (client) => client.query(refuseRows))
    const unwanted = anEmail('unwanted')
    const refused = await logged.anybody.post('/v1/signup', { email: unwanted, password: PASSWORD }, named())
    assert.equal(refused.status, 500)

    await app.close()
    await inside.stop()
    await rm(folder, { recursive: true, force: true })
    const secrets = [
      email,
      unwanted,
      'scrypt',
      'argon2',
      PASSWORD,
      key,
      confirmation,
      body.token,
      made.body.token,
      database.password,
    ]
    return { lines, secrets, ids, broken }
  }
})

/** All schemas with examples, wherever they are. */
function schemasIn(value: any): any[] {
  if (value === null || typeof value !== 'object') return []
  const own = Array.isArray(value.examples) && (value.type || value.enum) ? [value] : []
  return [...own, ...Object.values(value).flatMap(schemasIn)]
}

/** The routes in the tree that fastify prints, without the HEAD that each GET brings. */
function routesIn(tree: string): string[] {
  const prefixes: string[] = []
  return tree.split('\n').flatMap((line) => {
    const match = /^([│ ]*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (!match) return []
    const [, indent = '', segment = '', methods = ''] = match
    const depth = indent.length / 4
    prefixes.length = depth
    prefixes.push(segment)
    return methods
      .split(', ')
      .filter((method) => method !== '' && method !== 'HEAD')
      .map((method) => `${method} ${prefixes.join('')}`)
  })
}
