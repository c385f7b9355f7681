import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { before, describe, it } from 'node:test'
import { parseEnv } from 'node:util'
import { aBankFile, OWN_IBAN } from './harness/bank.ts'
import { aBrowser, aSite } from './harness/browser.ts'
import { noBrowser } from './harness/chromium.ts'
import type { Reply } from './harness/client.ts'
import { isAllowed, type Operation, problemsOf, readOperations } from './harness/document.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { blocksOf, quotedIn, ROOT, readPages } from './harness/pages.ts'
import { anAccount, fund, noneHeldBack, transfer } from './harness/paying.ts'
import { aFolder, environment, gone } from './harness/server.ts'

// The examples of our documents, run as they are printed; the TypeScript of the client package client_package.test.ts
// runs. What documents name is looked up by docs_names.test.ts.

const pages = readPages().filter(({ name }) => !/^CHANGELOG|^docs\/decisions/.test(name))
const blocks = pages.flatMap((page) => blocksOf(page)).filter(({ language }) => /^(sh|js|json)$/.test(language))

const STREAM = 'docs/api.md, Events'
const EVENT_SOURCE = 'docs/api.md, From a browser'
const USERS = 'docs/operations.md, Import'

/** Blocks that are not run one by one, and why. */
const APART: Readonly<Record<string, string>> = {
  'README.md, A tour with curl': 'readme.test.ts runs it',
  [STREAM]: 'has no end by itself: below',
  [EVENT_SOURCE]: 'needs a browser: below',
  'docs/deployment.md, Backup': 'needs pg_dump and pg_restore, which the npm package of PostgreSQL has not',
  'docs/operations.md, Operators': 'the tour of the README makes its operator so',
  'docs/operations.md, Sealed blocks': 'needs psql and pg_resetwal, and a PostgreSQL that is stopped',
  'docs/proofs.md, Checking a proof': 'seal.test.ts runs it, on good proofs and bad ones',
  'docs/rails.md, Which driver': 'servers that run until they are stopped: rails.test.ts has them',
  'docs/webhooks.md, A receiver': 'real_clients.test.ts runs it',
  'packages/client/README.md, billing-gateway-client': 'client_package.test.ts packs it',
}

let gateway: TestGateway
let operator: TestUser
let site: string
let settings: Record<string, string>
before(async () => {
  site = await aSite()
  settings = parseEnv(blockOf('docs/wire.md, Settings', 'sh')) as Record<string, string>
  const accounts = `${settings.BGW_WIRE_ACCOUNTS},USD:${OWN_IBAN}`
  gateway = await aGateway({ ...settings, BGW_WIRE_ACCOUNTS: accounts, BGW_ALLOWED_ORIGINS: site })
  operator = await anOperator(gateway)
})

/** The one block under that heading in that language. */
function blockOf(name: string, language: string): string {
  const found = blocks.filter((block) => block.name === name && block.language === language)
  assert.equal(found.length, 1, `${name} has ${found.length} blocks of ${language}`)
  return found[0]?.body ?? ''
}

describe('an example in a shell', () => {
  let folder: string
  let fill: (block: string) => string
  let known: Record<string, string>
  before(async () => {
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const statement = aBankFile([{ amount: '25.00', text: 'Invoice 1815' }], { iban: ibanOf(settings) })
    folder = await aFolder('bgw-docs-')
    await symlink(join(ROOT, 'examples'), join(folder, 'examples'))
    await writeFile(join(folder, 'statement.xml'), statement)
    await writeFile(join(folder, 'users.ndjson'), blockOf(USERS, 'json'))
    const objects = {
      '"from_account": "acc_…"': `"from_account": "${await ada.account('USD')}"`,
      '"to_account": "acc_…"': `"to_account": "${await anAccount(ada, 'USD')}"`,
      ...(await aDayAtTheBank(bob, statement)),
    }
    const here = { ...objects, 'https://pay.example.com': gateway.url, ' localhost:8080': ` ${gateway.url}` }
    fill = (block) => Object.entries(here).reduce((filled, [printed, is]) => filled.replaceAll(printed, is), block)
    known = {
      ...{ BASE: gateway.url, URL: gateway.url, TOKEN: `${ada.token}`, OPERATOR: `${operator.token}` },
      ROOT: `Authorization: Bearer ${operator.token}`,
    }
  })

  for (const { name, body } of blocks.filter(({ name, language }) => language === 'sh' && !(name in APART))) {
    it(`runs as printed: ${name}`, async () => {
      const script = fill(body)
      assert.doesNotMatch(script, /^[^#\n]*…/m, 'a placeholder that nothing stands for')
      const { answers, statuses } = await inShell(script, known, folder)
      assert.equal(statuses.length, body.match(/^curl /gm)?.length ?? 0)
      assert.ok(
        statuses.every((status) => /^2\d\d$/.test(status)),
        `${statuses} for\n${script}\n${answers}`,
      )
    })
  }

  it('shows the stream of events, until its token is revoked', async () => {
    const grace = await aUser(gateway)
    const usd = await grace.account('USD')
    const { body: tokens } = await grace.get('/v1/tokens')
    await noneHeldBack(gateway)
    let printed = ''
    let paying: Promise<Reply> | undefined
    let revoking: Promise<Reply> | undefined
    const print = (chunk: string) => {
      printed += chunk
      if (printed.includes('id: ')) paying ??= grace.post('/v1/payments', transfer(usd, usd, '1.00'))
      if (printed.includes('event: payment')) revoking ??= grace.delete(`/v1/tokens/${tokens.data[0].id}`)
    }
    const { statuses } = await inShell(blockOf(STREAM, 'sh'), { ...known, TOKEN: `${grace.token}` }, folder, print)
    assert.deepEqual(statuses, ['200'])
    assert.match(printed, /^event: payment\.declined\n(.*\n)*event: end\ndata: {"reason":"unauthenticated"}\n\n$/m)
    assert.ok(printed.includes((await paying)?.body.id))
    assert.equal((await revoking)?.status, 204)
  })
})

const ibanOf = (given: Record<string, string>) => /EUR:(\w+)/.exec(given.BGW_WIRE_ACCOUNTS ?? '')?.[1] ?? ''

/** What an operator finds in the morning: a movement that may be an announced deposit, an order, and money to be sent. */
async function aDayAtTheBank(user: TestUser, statement: string): Promise<Record<string, string>> {
  const account = await user.account('EUR')
  await fund(operator, account, '100.00')
  const deposit = await user.post('/v1/deposits', { account, rail: 'wire', amount: '25.00' })
  const xml = { 'content-type': 'application/xml' }
  const file = await operator.post('/v1/admin/wire/statements', statement, xml)
  const waiting = await operator.get(`/v1/admin/wire/entries?file_id=${file.body.id}`)
  const destination = { name: 'Bob', iban: 'GB29NWBK60161331926819' }
  const withdraw = () => user.post('/v1/withdrawals', { account, rail: 'wire', amount: '10.00', destination })
  await withdraw()
  const order = await operator.post('/v1/admin/wire/batches', { currency: 'EUR' })
  await withdraw()
  return { 'bke_…': waiting.body.data[0].id, 'pay_…': deposit.body.id, 'wbt_…': order.body.id }
}

/** Runs a block in a shell that stops at the first failure: what its calls print, and the status of each. */
async function inShell(script: string, known: Record<string, string>, folder: string, print = (_: string) => {}) {
  const curl = `curl() { command curl --proto =http --show-error --write-out '%{stderr}%{http_code}\\n' "$@"; }`
  const shell = spawn('timeout', ['60', 'bash', '-euo', 'pipefail', '-c', `${curl}\n${script}`], {
    cwd: folder,
    env: environment(known),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  shell.stdout.setEncoding('utf8').on('data', print)
  const [answers, said, code] = await Promise.all([text(shell.stdout), text(shell.stderr), gone(shell)])
  assert.equal(code, 0, `${script}\n${answers}\n${said}`)
  return { answers, statuses: said.split('\n').filter((line) => line !== '') }
}

describe('the example in a browser', { skip: noBrowser }, () => {
  it('hears of payments, and comes back behind the last one when the line is lost', async () => {
    const open = await aBrowser()
    const grace = await aUser(gateway)
    const [usd, savings] = [await grace.account('USD'), await anAccount(grace, 'USD')]
    const pay = async () => (await grace.post('/v1/payments', transfer(usd, savings, '1.00'))).body.id
    const page = await open(site)
    const heard: any[] = []
    page.on('console', async (message) => heard.push(await message.args()[0]?.jsonValue()))
    // As printed, in a page that knows the two names, keeps its streams, and waits as little as it may.
    await page.evaluate(`
      globalThis.url = ${JSON.stringify(gateway.url)}
      globalThis.token = ${JSON.stringify(grace.token)}
      Math.random = () => 0
      globalThis.streams = []
      globalThis.EventSource = class extends EventSource {
        constructor(address) { super(address); streams.push(this) }
      }
      ${blockOf(EVENT_SOURCE, 'js')}
      listen()`)
    const streaming = (count: number) => page.evaluate(`streams.length === ${count} && streams.at(-1).readyState === 1`)
    await noneHeldBack(gateway)
    await until(async () => (await streaming(1)) === true)
    const paid = [await pay()]
    await until(async () => heard.length === 1)
    await page.evaluate(`streams[0].dispatchEvent(new Event('error'))`)
    paid.push(await pay())
    await until(async () => (await streaming(2)) === true && heard.length === 2)
    assert.deepEqual(
      heard.map(({ type, data }) => [type, data.object.id]),
      paid.map((id) => ['payment.completed', id]),
    )
    await page.close()
  })
})

it('no example is left out: each runs here or stands in the list with its reason, and the list names none that is gone', () => {
  const names = blocks.map(({ name }) => name)
  const missing = Object.keys(APART).filter((name) => !names.includes(name))
  const others = blocks.filter(({ name, language }) => language !== 'sh' && name !== USERS && !(name in APART))
  assert.deepEqual([missing, others], [[], []])
})

describe('a call that a document names', () => {
  let operations: Operation[]
  before(async () => {
    operations = await readOperations(gateway)
  })

  it('exists, and has the parameters and fields that are given; those without a question mark must be sent', () => {
    // In tables the body may stand in the next column.
    const columns = (text: string) => text.replaceAll('` | `{', ' {')
    const named = pages.flatMap(({ name, text }) =>
      quotedIn({ name, text: columns(text) }).flatMap((quoted) => {
        const call = CALL.exec(quoted)?.groups
        return call ? [{ place: `${name}: ${quoted}`, call }] : []
      }),
    )
    assert.ok(named.length >= 200, String(named.length))
    const wrong = named.flatMap(({ place, call }) => wrongWith(call, operations).map((what) => `${place} ${what}`))
    assert.deepEqual(wrong, [])
  })
})

/** `POST /v1/payments/:id/refund {amount?}`; `…` stands for any beginning or end. Without a method it is a part of a path. */
const CALL =
  /^(?:(?<method>GET|POST|PUT|PATCH|DELETE) )?(?<path>(?:\/v1|\/health|…)\/[^? ]*|\/(?!docs)[a-z-]+)(?:\?(?<query>\S+))?(?: (?<body>\{.*\}))?$/

function wrongWith({ method, path = '', query, body }: Partial<Record<string, string>>, all: Operation[]): string[] {
  const source = path.replace(/\/$/, '').replace(/:\w+/g, '{[^/]+}').replace(/…|\*/g, '.*')
  const pattern = new RegExp(method ? `^${source}$` : `${source}(/|$)`)
  const calls = all.filter((each) => pattern.test(each.path) && (method ?? each.method) === each.method)
  const [call] = calls
  if (!call) return ['is no call']
  const parameters = query?.split('&').map((pair) => pair.split(/[=[]/)[0] ?? '') ?? []
  const unknown = parameters.filter((name) => !calls.some(({ query }) => query.includes(name)))
  return [...unknown.map((name) => `has no parameter ${name}`), ...(body ? wrongInBody(body, call.body?.schema) : [])]
}

/** `{account, rail: "wire", amount?}`, `{from_amount | to_amount}` of which one is sent, or a body as it is. */
function wrongInBody(body: string, schema: any): string[] {
  if (!schema) return ['takes no body']
  if (body.startsWith('{"')) return isAllowed(schema, JSON.parse(body)) ? [] : ['would refuse this body']
  const named = body.slice(1, -1).split(', ')
  const fields = named.flatMap((each) => each.split(' | ')).map((each) => /^\w+/.exec(each)?.[0] ?? each)
  const sure = named.filter((each) => !/[?|]/.test(each)).map((each) => /^\w+/.exec(each)?.[0])
  const needed: string[] = schema.required ?? []
  return [
    ...fields.filter((field) => !Object.hasOwn(schema.properties, field)).map((field) => `has no field ${field}`),
    ...needed.filter((field) => !sure.includes(field)).map((field) => `needs ${field}`),
    ...sure.filter((field) => !needed.includes(`${field}`)).map((field) => `does not need ${field}`),
  ]
}

describe('the collection for Postman and Insomnia', () => {
  let grace: TestUser
  let requests: any[]
  before(async () => {
    grace = await aUser(gateway)
    const { body: collection } = await gateway.anybody.get('/collection.json')
    requests = collection.item.flatMap(({ item }: any) => item.map(({ request }: any) => request))
  })

  it('has of every call a body that can be sent as it is: none is wrong but where only its reader has what is needed', async () => {
    const wrong: string[] = []
    for (const request of requests.filter(({ body }) => body)) wrong.push(...(await mistakesOf(request)))
    assert.deepEqual(wrong, [])
  })

  it('has for parameters of lists and the like examples that the call understands', async () => {
    const wrong: string[] = []
    for (const request of requests.filter(({ method }) => method === 'GET')) {
      const shown = request.url.query.filter(({ value }: any) => value !== '')
      // The list of recipients is for an address, which is for its reader to fill in.
      if (request.url.raw.endsWith('/v1/recipients')) continue
      for (const { key, value } of shown) wrong.push(...(await mistakesOf(request, `?${key}=${value}`)))
    }
    assert.deepEqual(wrong, [])
  })

  /** Sends a request of the collection, and gives what is wrong with it. */
  async function mistakesOf({ method, url, header, body, auth }: any, query = ''): Promise<string[]> {
    const path = `/${url.path.join('/')}`.replace(/:(\w+)/g, (_, name) => valueIn(url.variable, name)) + query
    const by = auth ? gateway.anybody : path.startsWith('/v1/admin') ? operator : grace
    const reply = await by.send(method, path, body?.raw, { 'content-type': valueIn(header, 'Content-Type') })
    const mistakes = problemsOf(reply).filter(({ status, code }) => status === 400 && !OF_ITS_READER.includes(code))
    return mistakes.map(({ detail }) => `${method} ${path}: ${detail}`)
  }
})

/** A token that was mailed, a file of a bank; whatever is named by its id is not found. */
const OF_ITS_READER = ['invalid_token', 'invalid_file']

/** The value of a header or of a variable of the path. */
function valueIn(list: readonly { key: string; value: string }[], key: string): string {
  return list.find((each) => each.key === key)?.value ?? ''
}
