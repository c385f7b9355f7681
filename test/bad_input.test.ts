import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Client, Reply } from './harness/client.ts'
import {
  assertProblem,
  exampleOf,
  isAllowed,
  JSON_TYPE,
  NDJSON,
  type Operation,
  problemsOf,
  readOperations,
  recordsOf,
} from './harness/document.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'

const MIB = 1024 * 1024
const LATER = '9999-01-01T00:00:00Z'
/** Of the right form, and nobody's. */
const NOBODY_S = {
  acc: 'acc_01k3v5f2q8e8pv0z3m0c6b7d1e',
  pay: 'pay_01k3v5f4t1f6mb2x9k4w5r8h3n',
  tok: 'tok_01k3v5f1a2fj9t8s7r6q5p4n3m',
}
/** What the id in a path is of, by its beginning; of an account where there is none. */
const PREFIXES = [
  ['tok', '/v1/tokens/'],
  ['pay', '/v1/payments/'],
  ['whk', '/v1/webhooks/'],
  ['sch', '/v1/schedules/'],
  ['dep', '/v1/deposits/'],
  ['qte', '/v1/quotes/'],
] as const
/** Calls that remember an Idempotency-Key. */
const WITH_KEY = new Set([
  'createPayment',
  'createPayments',
  'openAccount',
  'createToken',
  'createAdjustment',
  'createBook',
  'addCurrency',
  'createWireBatch',
  'createWebhook',
  'createQuote',
  'createSchedule',
  'createDeposit',
  'createWithdrawal',
  'createRate',
  'importRates',
  'createFeeSchedule',
  'setLimit',
])

describe('bad input', () => {
  let gateway: TestGateway
  let operator: TestUser
  let ada: TestUser
  let bob: TestUser
  let adaId: string
  let bobId: string
  let hookId: string
  let operations: Operation[]
  let before_: string

  before(async () => {
    gateway = await aGateway()
    ;[operator, ada, bob] = await Promise.all([anOperator(gateway, { allBooks: true }), aUser(gateway), aUser(gateway)])
    ;[adaId, bobId] = await Promise.all([ada.account('USD'), bob.account('USD')])
    const hook = await ada.post('/v1/webhooks', { url: 'https://example.com/', events: ['payment.failed'] })
    hookId = hook.body.id
    operations = await readOperations(gateway)
    before_ = await everything()
  })

  // Whatever a test sent: nothing of it may have moved money, and the gateway still pays.
  after(async () => {
    assert.equal(await everything(), before_)
    const { body } = await pay(ada, '1.00')
    assert.equal(body.status, 'completed')
    assert.equal((await gateway.anybody.get('/health/ready')).status, 200)
  })

  async function everything(): Promise<string> {
    const { body } = await operator.get('/v1/admin/accounts?limit=200&sort=id')
    return JSON.stringify(body.data.filter((account: any) => [adaId, bobId].includes(account.id)))
  }

  function pay(user: TestUser, amount: unknown, headers?: Record<string, string>): Promise<Reply> {
    return user.post('/v1/payments', { from_account: adaId, to_account: bobId, amount }, headers)
  }

  function callerOf({ isPublic, isAdmin }: Operation): Client {
    if (isPublic) return gateway.anybody
    return isAdmin ? operator : ada
  }

  /** A body that is right: with accounts that are there, so that a mistake that is let through would move money. */
  function rightBody({ body }: Operation): any {
    const known = { from_account: adaId, to_account: bobId, account: adaId, book: 'main', expires_at: LATER }
    const right = exampleOf(body?.schema, { ...known, capture: 'manual' })
    // Does not go together with manual capture, and the example's is nobody's.
    for (const payment of [right, ...(right.payments ?? [])]) delete payment.quote_id
    return right
  }

  function pathOf({ path }: Operation, id = path.startsWith('/v1/webhooks') ? hookId : adaId): string {
    return path.replace('{id}', id)
  }

  function sendRaw(operation: Operation, body: string | Uint8Array, headers: Record<string, string> = {}) {
    const type = operation.body?.type ?? JSON_TYPE
    return callerOf(operation).send(operation.method, pathOf(operation), body, { 'content-type': type, ...headers })
  }

  /** That all of it was refused, as a whole or each record of it, with one of these codes. */
  function assertRefused(reply: Reply, codes: readonly string[], about: string): any {
    const problems = problemsOf(reply)
    const records = reply.status < 400 ? recordsOf(reply).length : 1
    assert.ok(records > 0 && problems.length === records, `${about}: ${reply.status} ${JSON.stringify(reply.body)}`)
    for (const { code, errors } of problems) {
      const told = [code, ...errors.map((error: any) => error.code)]
      assert.ok(
        told.some((one) => codes.includes(one)),
        `${about}: ${JSON.stringify(problems)}`,
      )
    }
    return problems[0]
  }

  /** Calls that take a body of ours; those that take files of others are tested where they are. */
  const withBody = () => operations.filter(({ body }) => body && [JSON_TYPE, NDJSON].includes(body.type))

  it('that is no JSON is refused by every call', async () => {
    const bad = [
      '',
      '{',
      '{"a":1',
      '{]',
      'nonsense',
      '{"a":1}}',
      "{'a':1}",
      '{"a":01}',
      '{"a":NaN}',
      '\u0000',
      '{"a":"\n"}',
    ]
    for (const operation of withBody()) {
      for (const text of bad) {
        if (text === '' && (operation.body?.type === NDJSON || !operation.raw.requestBody.required)) continue
        const reply = await sendRaw(operation, text)
        assertRefused(reply, ['malformed_body'], `${operation.id} ${text}`)
      }
    }
  })

  it('that is no object is refused by every call', async () => {
    for (const operation of withBody()) {
      for (const text of ['null', '[]', '5', '1e999', '"text"', 'true', '[{}]', '[[]]']) {
        const reply = await sendRaw(operation, text)
        assertRefused(reply, ['invalid_type', 'malformed_body'], `${operation.id} ${text}`)
      }
    }
  })

  it('that is empty is none where none is needed, as many HTTP libraries name its type all the same', async () => {
    for (const action of ['capture', 'cancel', 'refund']) {
      const reply = await ada.post(`/v1/payments/${NOBODY_S.pay}/${action}`, '')
      assert.equal(reply.body.code, 'not_found', action)
    }
    const { body: token } = await ada.post('/v1/tokens', { name: 'short', scopes: ['accounts:read'] })
    assert.equal((await ada.send('DELETE', `/v1/tokens/${token.id}`, '')).status, 204)
  })

  it('without any body is refused by every call that needs one', async () => {
    for (const operation of withBody().filter(({ raw }) => raw.requestBody.required)) {
      const reply = await callerOf(operation).send(operation.method, pathOf(operation))
      assertProblem(reply)
      assert.ok([400, 415].includes(reply.status), `${operation.id} ${JSON.stringify(reply.body)}`)
    }
  })

  it('in the wrong type, in any field of any call, is refused by the name of the field, as one mistake', async () => {
    let mistakes = 0
    for (const operation of withBody()) {
      const right = rightBody(operation)
      for (const { path, value } of fieldsIn(right)) {
        for (const wrong of [5, 1.5, true, null, {}, [], 'x', [value], { a: { b: 1 } }]) {
          const body = withField(right, path, wrong)
          if (isAllowed(operation.body?.schema, body)) continue
          const problem = assertRefused(
            await sendRaw(operation, JSON.stringify(body)),
            [
              'invalid_type',
              'invalid_value',
              'invalid_id',
              'invalid_amount',
              'missing_field',
              'unknown_field',
              'malformed_body',
            ],
            `${operation.id} ${JSON.stringify(body)}`,
          )
          assert.ok(
            problem.errors.some(
              ({ field }: any) =>
                operation.id === 'createPayments' ||
                field.includes('.') ||
                path.join('.').endsWith(field) ||
                field.startsWith(path.at(-1)),
            ),
            `${operation.id} ${path.join('.')}: ${JSON.stringify(problem)}`,
          )
          if (['number', 'boolean'].includes(typeof wrong)) {
            assert.equal(problem.errors.length, 1, `${operation.id} ${path.join('.')}: ${JSON.stringify(problem)}`)
          }
          mistakes += 1
        }
      }
    }
    assert.ok(mistakes > 100, String(mistakes))
  })

  it('is told in words that say what is right, and not in those of a validator', async () => {
    const transfer = { from_account: adaId, to_account: bobId, amount: '1.00' }
    const webhook = { url: 'https://example.com/', events: ['payment.failed'] }
    const token = { name: 'x', scopes: ['payments:read'] }
    for (const [path, body, field, detail] of [
      ['/v1/payments', { ...transfer, fee_payer: 'both' }, 'fee_payer', 'must be one of sender, receiver'],
      ['/v1/payments', { ...transfer, fee_payer: 1 }, 'fee_payer', 'must be text'],
      ['/v1/payments', { ...transfer, description: 1 }, 'description', 'must be text or null'],
      ['/v1/payments', { ...transfer, metadata: [] }, 'metadata', 'must be an object'],
      [
        '/v1/payments',
        { ...transfer, metadata: { ['k'.repeat(41)]: '' } },
        `metadata.${'k'.repeat(41)}`,
        'has a key that must be 1 to 40 characters without a line break',
      ],
      [
        '/v1/payments',
        { ...transfer, description: 'x'.repeat(501) },
        'description',
        'must have at most 500 characters',
      ],
      ['/v1/accounts', { currency: 'USD', name: '' }, 'name', 'must have at least 1 character'],
      ['/v1/webhooks', { ...webhook, events: [] }, 'events', 'must have at least 1 entry'],
      ['/v1/tokens', { ...token, scopes: 'admin' }, 'scopes', 'must be a list'],
      [
        '/v1/tokens',
        { ...token, scopes: ['payments:read', 'payments:read'] },
        'scopes',
        'has the same entry at 0 and 1',
      ],
      ['/v1/schedules', { ...transfer, starts_at: LATER, retry_times: 101 }, 'retry_times', 'must be at most 100'],
      ['/v1/schedules', { ...transfer, starts_at: LATER, interval: 0 }, 'interval', 'must be at least 1'],
      ['/v1/schedules', { ...transfer, starts_at: LATER, count: 1.5 }, 'count', 'must be a whole number or null'],
    ] as const) {
      const { body: problem } = await ada.post(path, body)
      const told = problem.errors.map((error: any) => [error.field, error.detail])
      assert.deepEqual(told, [[field, detail]], `${path} ${JSON.stringify(problem)}`)
    }
    for (const [path, detail] of [
      [`/v1/payments/${NOBODY_S.pay}?wait=61`, 'must be a whole number of seconds from 0 to 60'],
      [`/v1/accounts/${adaId}/statement?format=xls`, 'must be one of json, csv, pdf, camt053'],
    ] as const) {
      assert.equal((await ada.get(path)).body.errors[0].detail, detail)
    }
  })

  it('is told so in any field of any call', async () => {
    const ofValidator = /must NOT|must match|allowed values|must be (string|integer|boolean|array|object)|[<>]=|\^/
    for (const operation of withBody()) {
      const right = rightBody(operation)
      for (const { path } of fieldsIn(right)) {
        for (const wrong of [null, 5, -1, 1e12, 1.5, true, '', 'x', 'x'.repeat(3_000), [], ['x', 'x'], {}]) {
          const body = withField(right, path, wrong)
          if (isAllowed(operation.body?.schema, body)) continue
          for (const { errors } of problemsOf(await sendRaw(operation, JSON.stringify(body)))) {
            for (const { detail } of errors) {
              assert.doesNotMatch(detail, ofValidator, `${operation.id} ${path.join('.')} ${JSON.stringify(wrong)}`)
            }
          }
        }
      }
    }
  })

  it('that lacks a field is refused as missing_field', async () => {
    for (const operation of withBody()) {
      const right = rightBody(operation)
      for (const { path } of fieldsIn(right)) {
        const body = JSON.parse(JSON.stringify(withField(right, path, undefined)))
        if (/^\d+$/.test(path.at(-1) ?? '') || isAllowed(operation.body?.schema, body)) continue
        const reply = await sendRaw(operation, JSON.stringify(body))
        const problem = assertRefused(reply, ['missing_field'], `${operation.id} without ${path.join('.')}`)
        assert.ok(path.join('.').endsWith(problem.errors[0].field), JSON.stringify(problem))
      }
    }
  })

  it('with a field that no call knows is refused as unknown_field', async () => {
    for (const operation of withBody()) {
      for (const name of ['surprise', '__proto__x', 'constructor', 'user_id', 'status']) {
        if (Object.hasOwn(operation.body?.schema.properties ?? {}, name)) continue
        const reply = await sendRaw(operation, JSON.stringify({ ...rightBody(operation), [name]: 'x' }))
        const problem = assertRefused(reply, ['unknown_field'], `${operation.id} ${name}`)
        assert.equal(problem.errors[0].field, name)
      }
      const text = JSON.stringify(rightBody(operation))
      const more = text === '{}' ? '{"__proto__":{}}' : `{"__proto__":{},${text.slice(1)}`
      assertRefused(await sendRaw(operation, more), ['unknown_field'], operation.id)
    }
  })

  it('with more mistakes than anybody reads is told a hundred of them', async () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`surprise_${index}`, 1]))
    for (const operation of withBody()) {
      const reply = await sendRaw(operation, JSON.stringify({ ...rightBody(operation), ...many }))
      assert.equal(assertRefused(reply, ['unknown_field'], operation.id).errors.length, 100)
    }
  })

  it('that names a field twice is refused, and not read as the last', async () => {
    for (const operation of withBody()) {
      const right = rightBody(operation)
      const text = JSON.stringify(right)
      for (const [name, value] of Object.entries(right)) {
        for (const twice of [name, `\\u00${(name.codePointAt(0) ?? 0).toString(16)}${name.slice(1)}`]) {
          const body = `{"${twice}":${JSON.stringify(value)},${text.slice(1)}`
          assertRefused(await sendRaw(operation, body), ['malformed_body'], `${operation.id} ${twice}`)
        }
      }
    }
  })

  it('with a NUL or half a character in a text is refused', async () => {
    for (const operation of withBody()) {
      const right = rightBody(operation)
      for (const { path } of fieldsIn(right)) {
        for (const half of ['\\u0000', '\\ud800', '\\udc00', 'a\\ud800b']) {
          const body = JSON.stringify(withField(right, path, '@@')).replace('"@@"', `"${half}"`)
          assertRefused(await sendRaw(operation, body), ['malformed_body'], `${operation.id} ${body}`)
        }
      }
      const name = `{"\\ud800":1,${JSON.stringify(right).slice(1)}`
      assertRefused(await sendRaw(operation, name), ['malformed_body'], operation.id)
    }
  })

  it('that is not UTF-8 is refused', async () => {
    for (const operation of withBody()) {
      const text = Buffer.from(JSON.stringify(rightBody(operation)))
      for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
        const body = Buffer.concat([Buffer.from('{"x":"'), Buffer.from(bytes), Buffer.from('",'), text.subarray(1)])
        assertRefused(await sendRaw(operation, body), ['malformed_body'], operation.id)
      }
      const utf16 = Buffer.from(text.toString(), 'utf16le')
      assertRefused(await sendRaw(operation, utf16), ['malformed_body'], operation.id)
    }
  })

  it('that is nested deeply is refused', async () => {
    for (const operation of withBody()) {
      for (const depth of [40, 20_000]) {
        for (const [open, close] of [
          ['[', ']'],
          ['{"a":', '}'],
        ] as const) {
          const nested = `${open.repeat(depth)}1${close.repeat(depth)}`
          const body = `{"x":${nested},${JSON.stringify(rightBody(operation)).slice(1)}`
          const codes = ['malformed_body', ...(operation.body?.type === NDJSON ? ['too_large'] : [])]
          assertRefused(await sendRaw(operation, body), codes, `${operation.id} ${depth}`)
        }
      }
    }
  })

  it('of more than 1 MiB is refused with 413, and the next request is answered', async () => {
    for (const operation of withBody()) {
      if (['createPayments', 'importUsers'].includes(operation.id)) continue
      const body = JSON.stringify(rightBody(operation))
      const reply = await sendRaw(operation, body + ' '.repeat(MIB + 1 - body.length))
      assertProblem(reply)
      assert.equal(reply.body.code, 'too_large', operation.id)
      assert.equal((await gateway.anybody.get('/health/live')).status, 200)
    }
  })

  it('of more values than any call takes is refused with 413, before time is spent on them', async () => {
    const many = Array.from({ length: 10_001 }, (_, index) => `"${index.toString(36)}":1`)
    for (const operation of withBody()) {
      // A line of so many is too long already.
      if (operation.body?.type === NDJSON) continue
      const reply = await sendRaw(operation, `{"x":{${many}}}`)
      assertProblem(reply)
      assert.equal(reply.body.code, 'too_large', operation.id)
    }
  })

  it('of more than 32 MiB is refused where many records are taken, also as a stream', async () => {
    const line = `${JSON.stringify({ surprise: 'x'.repeat(60_000) })}\n`
    for (const [path, user] of [
      ['/v1/payments/bulk', ada],
      ['/v1/admin/users/import', operator],
    ] as const) {
      const reply = await streamed(user, path, NDJSON, line, 33 * MIB)
      const problems = problemsOf(reply)
      assert.equal(problems.at(-1).code, 'too_large')
      assert.equal(reply.status < 400 ? recordsOf(reply).length : 1, problems.length)
      await assertAnswersSoon()
    }
    const json = await streamed(ada, '/v1/payments/bulk', JSON_TYPE, ' '.repeat(60_000), 33 * MIB)
    assertProblem(json)
    assert.equal(json.body.code, 'too_large')
    await assertAnswersSoon()
  })

  /** That no connection is left waiting for the rest of a body that was refused. */
  async function assertAnswersSoon(): Promise<void> {
    for (let index = 0; index < 5; index += 1) {
      const { status } = await fetch(`${gateway.url}/health/live`, { signal: AbortSignal.timeout(10_000) })
      assert.equal(status, 200)
    }
  }

  /** Sends chunk after chunk without a content-length. */
  async function streamed(user: Client, path: string, type: string, chunk: string, bytes: number): Promise<Reply> {
    async function* chunks() {
      for (let sent = 0; sent < bytes; sent += chunk.length) yield Buffer.from(chunk)
    }
    const response = await fetch(gateway.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${user.token}`, 'content-type': type },
      body: chunks(),
      duplex: 'half',
    })
    const text = await response.text()
    const isJson = !response.headers.get('content-type')?.startsWith(NDJSON)
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }

  it('of a content type that a call does not take is refused with 415', async () => {
    const types = [
      'text/plain',
      'application/xml',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
    ]
    for (const operation of withBody()) {
      const wrong = Object.hasOwn(operation.raw.requestBody.content, NDJSON) ? JSON_TYPE : NDJSON
      const both = Object.keys(operation.raw.requestBody.content).length > 1
      for (const type of [...types, 'nonsense', 'application/jsonx', ...(both ? [] : [wrong])]) {
        const body = JSON.stringify(rightBody(operation))
        const reply = await sendRaw(operation, body, { 'content-type': type })
        assertProblem(reply)
        assert.equal(reply.body.code, 'unsupported_media_type', `${operation.id} ${type}`)
      }
    }
  })

  it('that is compressed is refused with 415, and not read as something broken', async () => {
    for (const operation of withBody()) {
      const [type = JSON_TYPE] = Object.keys(operation.raw.requestBody.content)
      const reply = await sendRaw(operation, JSON.stringify(rightBody(operation)), {
        ...{ 'content-type': type, 'content-encoding': 'gzip' },
      })
      assertProblem(reply)
      assert.deepEqual([reply.body.code, reply.headers.get('accept-encoding')], ['unsupported_media_type', 'identity'])
      assert.match(reply.body.detail, /compressed/)
    }
  })

  it('as an amount is refused wherever money is named', async () => {
    const bad = [
      ...[
        '1e3',
        '-1',
        '+1',
        '0',
        '0.00',
        '',
        '1.234',
        ' 1',
        '1 ',
        '01',
        '.5',
        '5.',
        '１０',
        `1${'0'.repeat(31)}`,
        'NaN',
      ],
      ...[
        'Infinity',
        '0x10',
        '1,00',
        '1_000',
        '1\n',
        '1.00.00',
        `0.${'1'.repeat(19)}`,
        '٣',
        '-0',
        10,
        10.5,
        null,
        true,
        {},
        [],
      ],
    ]
    const transfer = (amount: unknown) => ({ from_account: adaId, to_account: bobId, amount })
    const calls: readonly [Client, string, (amount: unknown) => object][] = [
      [ada, '/v1/payments', transfer],
      [ada, '/v1/payments/preview', transfer],
      [ada, '/v1/payments/bulk', (amount) => ({ payments: [transfer(amount)] })],
      [operator, '/v1/admin/adjustments', (amount) => ({ account: adaId, amount, direction: 'debit', reason: 'x' })],
    ]
    for (const amount of bad) {
      for (const [user, path, bodyOf] of calls) {
        const reply = await user.post(path, bodyOf(amount))
        const problem = assertRefused(reply, ['invalid_amount'], `${path} ${JSON.stringify(amount)}`)
        assert.equal(problem.errors[0].field, 'amount')
      }
      if (['0', '0.00'].includes(String(amount))) continue
      const line = { email: 'imported@example.com', accounts: [{ currency: 'USD', opening_balance: amount }] }
      const reply = await operator.send('POST', '/v1/admin/users/import', JSON.stringify(line), {
        'content-type': NDJSON,
      })
      assertRefused(reply, ['invalid_amount'], `import ${JSON.stringify(amount)}`)
    }
    const { body } = await operator.get('/v1/admin/users?email=imported@example.com')
    assert.deepEqual(body.data, [])
  })

  it('as an id in a path is 404, like somebody else’s', async () => {
    const { body: token } = await bob.post('/v1/tokens', { name: 'mine', scopes: ['payments:read'] })
    const { body: ownPayment } = await operator.post('/v1/admin/adjustments', {
      account: await operator.account('USD'),
      amount: '1.00',
      direction: 'debit',
      reason: 'a payment of somebody else',
    })
    const strange = [
      'x',
      'acc_',
      '%00',
      '%ff',
      '%',
      '%zz',
      '%2e%2e%2f',
      'a'.repeat(300),
      '%27%20or%201=1',
      '%F0%9F%92%A9',
      adaId.toUpperCase(),
    ]
    const foreign = { ...(await somethingOfEach()), acc: bobId, tok: token.id, pay: ownPayment.id }
    for (const operation of operations.filter(({ inPath }) => inPath.length > 0)) {
      const prefix = PREFIXES.find(([, path]) => operation.path.startsWith(path))?.[0] ?? 'acc'
      const ids = [...strange, ...Object.values(NOBODY_S)]
      if (!operation.isAdmin) ids.push(foreign[prefix])
      for (const id of ids) {
        const body = operation.body && rightBody(operation)
        const reply = await callerOf(operation).send(operation.method, pathOf(operation, id), body)
        assertProblem(reply)
        assert.equal(reply.body.code, 'not_found', `${operation.id} ${id} ${JSON.stringify(reply.body)}`)
      }
    }
    const { body: still } = await bob.get('/v1/tokens')
    assert.ok(still.data.some(({ id }: any) => id === token.id))
  })

  /** Ids of what is bob's: a webhook, a schedule that pays ada, a deposit and a quote. */
  async function somethingOfEach() {
    const rate = { from_currency: 'USD', to_currency: 'EUR', rate: '0.9' }
    assert.equal((await operator.post('/v1/admin/rates', rate)).status, 201)
    const idOf = async (path: string, body: object) => {
      const made = await bob.post(path, body)
      assert.ok(made.status < 300, `${path} ${JSON.stringify(made.body)}`)
      return made.body.id as string
    }
    const later = { amount: '1.00', starts_at: LATER }
    return {
      whk: await idOf('/v1/webhooks', { url: 'https://example.com/', events: ['payment.failed'] }),
      sch: await idOf('/v1/schedules', { from_account: bobId, to_account: adaId, ...later }),
      dep: await idOf('/v1/deposits', { account: await bob.account('EUR'), rail: 'wallet', amount: '1.00' }),
      qte: await idOf('/v1/quotes', { from_currency: 'USD', to_currency: 'EUR', from_amount: '1.00' }),
    }
  }

  it('as an id in a body names the field: malformed, unknown or somebody else’s', async () => {
    const malformed = [
      '',
      'x',
      NOBODY_S.pay,
      bobId.toUpperCase(),
      `${bobId}0`,
      bobId.slice(0, -1),
      `${bobId}\n`,
      '01k3v5f2q8e8pv0z3m0c6b7d1e',
    ]
    for (const field of ['from_account', 'to_account']) {
      for (const path of ['/v1/payments', '/v1/payments/preview']) {
        const body = { from_account: adaId, to_account: bobId, amount: '1.00' }
        for (const id of malformed) {
          const problem = assertRefused(
            await ada.post(path, { ...body, [field]: id }),
            ['invalid_id'],
            `${field} ${id}`,
          )
          assert.equal(problem.errors[0].field, field)
        }
        const foreign = field === 'from_account' ? [NOBODY_S.acc, bobId] : [NOBODY_S.acc]
        for (const id of foreign) {
          const reply = await ada.post(path, { ...body, [field]: id })
          assert.equal(assertRefused(reply, ['not_found'], `${field} ${id}`).status, 404)
        }
      }
    }
  })

  it('in a query is refused by the name of the parameter', async () => {
    for (const operation of operations.filter(({ method }) => method === 'GET')) {
      const caller = callerOf(operation)
      const path = pathOf(operation, operation.path.startsWith('/v1/payments') ? NOBODY_S.pay : adaId)
      const base =
        operation.query.includes('email') && !operation.query.includes('limit') ? '?email=a@example.com&' : '?'
      for (const bad of ['surprise=1', 'id[foo]=1', '[id]=1', 'surprise[gt]=1', 'limi=1', '%00=1', 'a'.repeat(3_000)]) {
        const reply = await caller.get(`${path}${base}${bad}`)
        const problem = assertRefused(reply, ['invalid_query', 'unknown_field'], `${operation.id} ${bad}`)
        assert.equal(problem.status, 400)
      }
      for (const name of operation.query) {
        const reply = await caller.get(`${path}?${name}=1&${name}=2`)
        assertRefused(reply, ['invalid_query'], `${operation.id} ${name} twice`)
      }
    }
  })

  it('as the value of a parameter is refused or finds nothing', async () => {
    const values = [
      '',
      'x',
      '%00',
      '%ff',
      '%',
      '-1',
      '0',
      '201',
      '1.5',
      '1e2',
      '99999999999999999999',
      'a'.repeat(4_000),
      "'",
      '%F0%9F%92%A9',
      '%ED%A0%80',
      '2026-13-45T00:00:00Z',
      '9999-12-31T23:59:59.999999Z',
      '0001-01-01T00:00:00Z',
    ]
    // Fields of one kind are read by one parser, so each kind meets every value, and each field some of them.
    let turn = 0
    const some = (count: number) => Array.from({ length: count }, () => values[turn++ % values.length] ?? '')
    for (const operation of operations.filter(({ query }) => query.length > 0)) {
      const path = pathOf(operation)
      for (const name of operation.query) {
        const isList = operation.query.includes('limit')
        for (const suffix of isList ? ['', '[gt]', '[lte]', '[ne]', '[in]', '[like]'] : ['']) {
          for (const value of isList ? some(suffix === '' ? 5 : 1) : values) {
            const reply = await callerOf(operation).get(`${path}?${name}${suffix}=${value}`)
            const about = `${operation.id} ${name}${suffix}=${value.slice(0, 50)} ${JSON.stringify(reply.body)}`
            if (reply.status !== 200) assert.doesNotThrow(() => problemsOf(reply), about)
          }
        }
      }
      if (!operation.query.includes('limit')) continue
      for (const bad of [
        'limit=0',
        'limit=201',
        'limit=x',
        'limit=',
        'cursor=x',
        'cursor=',
        'sort=surprise',
        'sort=',
        'sort=id,id',
        'metadata=x',
      ]) {
        const reply = await callerOf(operation).get(`${path}?${bad}`)
        assertRefused(reply, ['invalid_query'], `${operation.id} ${bad}`)
      }
    }
  })

  it('in the header Idempotency-Key is refused, and nothing is made', async () => {
    const bad = ['', 'x'.repeat(256), 'é', 'a\tb', `${'x'.repeat(255)}é`]
    for (const operation of operations.filter(({ id }) => WITH_KEY.has(id))) {
      for (const key of bad) {
        const body = JSON.stringify(rightBody(operation))
        const reply = await sendRaw(operation, body, { 'idempotency-key': key })
        const problem = assertRefused(reply, ['invalid_header'], `${operation.id} '${key}'`)
        assert.equal(problem.errors[0].field, 'idempotency-key')
      }
    }
    // Others do not read it, and do not stumble over it either.
    for (const operation of operations.filter(
      ({ id, method, body }) => method !== 'GET' && body?.type === JSON_TYPE && !WITH_KEY.has(id),
    )) {
      for (const key of bad) {
        const reply = await sendRaw(operation, '{"surprise":1}', { 'idempotency-key': key })
        assertRefused(reply, ['unknown_field', 'invalid_header'], `${operation.id} '${key}'`)
      }
    }
  })

  it('in the header Prefer is refused where a wait is not a number, and otherwise ignored', async () => {
    for (const prefer of ['wait=x', 'wait=-1', 'wait=1.5', 'wait=999999', 'respond-async, wait=é']) {
      assertRefused(await pay(ada, '1.00', { prefer }), ['invalid_header'], prefer)
    }
    for (const prefer of ['', ',', ';;=,=', 'nonsense', 'respond-asynchronous', 'x'.repeat(5_000)]) {
      const reply = await ada.post(
        '/v1/payments',
        { from_account: adaId, to_account: NOBODY_S.acc, amount: '1.00' },
        { prefer },
      )
      assertRefused(reply, ['not_found'], prefer)
    }
  })

  it('in the header Authorization is 401 for every call that needs a token', async () => {
    const token = ada.token ?? ''
    const bad = [
      '',
      'Bearer',
      'Bearer ',
      'Basic dTpw',
      token,
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}`,
      `Bearer ${token} x`,
      'Bearer é',
      `Bearer ${'x'.repeat(8_000)}`,
      "Bearer bgw_main_' or 1=1",
      'Bearer bgw_nobook_00',
      'Bearer bgw__',
      `Bearer ${token.toUpperCase()}`,
    ]
    for (const operation of operations.filter(({ isPublic }) => !isPublic)) {
      for (const authorization of bad) {
        const body = operation.body && JSON.stringify(rightBody(operation))
        const headers = { authorization, 'content-type': operation.body?.type ?? JSON_TYPE }
        const reply = await gateway.anybody.send(
          operation.method,
          pathOf(operation),
          body,
          body ? headers : { authorization },
        )
        assertProblem(reply)
        assert.equal(reply.body.code, 'unauthenticated', `${operation.id} ${authorization}`)
        assert.equal(reply.headers.get('www-authenticate'), 'Bearer')
      }
    }
  })

  it('in the header X-Request-Id is replaced by an id of ours', async () => {
    for (const id of ['', 'a b', 'é', '<script>', 'x'.repeat(101), '"', '{}', 'a\tb']) {
      const { headers } = await gateway.anybody.get('/health/live', { 'x-request-id': id })
      assert.match(headers.get('x-request-id') ?? '', /^req_[0-9a-f-]{36}$/, id)
    }
  })

  it('that ends in the middle moves nothing', async () => {
    const body = JSON.stringify({ from_account: adaId, to_account: bobId, amount: '1.00' })
    const head = (length: number, path = '/v1/payments', type = JSON_TYPE) =>
      `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ada.token}\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`
    for (const text of [
      head(body.length) + body.slice(0, 20),
      head(body.length) + body.slice(0, -1),
      head(body.length + 10) + body,
      head(body.length + 10, '/v1/payments/bulk', NDJSON) + body,
    ]) {
      const answer = await rawly(text, true)
      assert.doesNotMatch(answer, /^HTTP\/1.1 (2|5)/)
    }
    assert.equal(await everything(), before_)
  })

  it('that is no HTTP is answered with 400 and a problem', async () => {
    const post = `POST /v1/payments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ada.token}\r\ncontent-type: application/json\r\n`
    for (const text of [
      'nonsense\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET /health/live HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n',
      `GET /health/live HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`,
      `${post}content-length: -1\r\n\r\n{}`,
      `${post}content-length: x\r\n\r\n{}`,
      `${post}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
      `${post}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`,
      `${post}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
    ]) {
      const answer = await rawly(text, false)
      const status = /^HTTP\/1.1 (\d+)/.exec(answer)?.[1]
      assert.equal(status, '400', `${text.slice(0, 60)}: ${answer}`)
      assert.match(answer, /content-type: application\/problem\+json/i, `${text.slice(0, 60)}: ${answer}`)
    }
  })

  /** Writes to the gateway and reads until it hangs up; or hangs up itself. */
  async function rawly(text: string, hangUp: boolean): Promise<string> {
    const { hostname, port } = new URL(gateway.url)
    const socket = connect(Number(port), hostname)
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(text)
    if (hangUp) socket.end()
    await once(socket, 'close')
    return answer
  }
})

/** Every field of a body, also within its objects and arrays. */
function fieldsIn(value: any, path: string[] = []): { path: string[]; value: unknown }[] {
  if (value === null || typeof value !== 'object') return []
  return Object.entries<any>(value).flatMap(([name, inner]) => {
    const own = [...path, name]
    return [{ path: own, value: inner }, ...fieldsIn(inner, own)]
  })
}

/** A copy with another value in one field; without it for undefined. */
function withField(body: any, path: readonly string[], value: unknown): any {
  const [name = '', ...rest] = path
  const copy = Array.isArray(body) ? [...body] : { ...body }
  copy[name] = rest.length === 0 ? value : withField(body[name], rest, value)
  return copy
}
