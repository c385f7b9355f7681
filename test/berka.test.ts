import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { type Replay, replayBerka } from '../examples/berka/replay.ts'
import { sumOf, sumsByBank, sumsByPurpose } from '../examples/berka/report.ts'
import { lockDataFolder } from '../src/database/data_folder.ts'
import { aGateway, anOperator, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertBooksAreRight, rowsOf } from './harness/paying.ts'

const DATA = join(import.meta.dirname, '../examples/berka/data')
const MAIN = join(import.meta.dirname, '../examples/berka/main.ts')
const RESERVE = 100_000n
const EVERYTHING = 2_122_899_360n

// An independent reading of the data: no parser, no library, nothing of the example's.
const fieldsOf = async (name: string) =>
  (await readFile(join(DATA, name), 'latin1'))
    .split('\r\n')
    .slice(1, -1)
    .map((line) => line.split(';').map((field) => field.replaceAll('"', '')))
const orders = (await fieldsOf('order.asc')).map(
  ([id = '', account = '', bank = '', to = '', sum = '', symbol = '']) => {
    const amount = BigInt(sum.replace('.', ''))
    const [whole, left] = [amount / 50n, amount % 50n]
    const fee = left > 25n || (left === 25n && whole % 2n === 1n) ? whole + 1n : whole
    return { id, account, bank, to, amount, fee, purpose: symbol.trim() || 'none' }
  },
)
const owners = (await fieldsOf('disp.asc')).filter((row) => row[3] === 'OWNER')

type Line = { count: number; amount: bigint; fees: bigint }
function expected(key: 'purpose' | 'bank'): Record<string, Line> {
  const lines: Record<string, Line> = {}
  for (const order of orders) {
    const { count, amount, fees } = lines[order[key]] ?? { count: 0, amount: 0n, fees: 0n }
    lines[order[key]] = { count: count + 1, amount: amount + order.amount, fees: fees + order.fee }
  }
  return lines
}
const shown = (sums: ReturnType<typeof sumsByBank>) =>
  Object.fromEntries(sums.map(({ name, orders: count, amount, fees }) => [name, { count, amount, fees }]))
const sumAll = (amounts: readonly bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n)
const halere = (written: string) => BigInt(written.replace('.', ''))

describe('the replay of a bank', () => {
  let gateway: TestGateway
  let operator: TestUser
  let replay: Replay
  let accounts: any[]
  const progress: string[] = []
  before(async () => {
    gateway = await aGateway()
    operator = await anOperator(gateway)
    const onProgress = (stage: string, done: number, total: number) => void progress.push(`${stage} ${done}/${total}`)
    replay = await replayBerka({ url: gateway.url, token: operator.token ?? '', folder: DATA, onProgress })
    accounts = await allOf(operator, 'accounts')
  })

  it('makes every owner, every bank and every order, once', () => {
    assert.deepEqual(replay.failures, [])
    assert.deepEqual(replay.owners, { made: 4_500, there: 0 })
    assert.deepEqual(replay.banks, { made: 13, there: 0 })
    assert.equal(new Set(replay.paid.map(({ order }) => order.id)).size, 6_471)
    assert.deepEqual([replay.paid.length, replay.paid.filter(({ there }) => there).length], [6_471, 0])
    assert.equal(progress.length, 4_500 + 13 + 6_471)
    assert.equal(progress.at(-1), 'orders 6471/6471')
  })

  it('reports sums and fees to the haléř, by purpose, by bank and in all', () => {
    assert.deepEqual(shown(sumsByPurpose(replay.paid)), expected('purpose'))
    assert.deepEqual(shown(sumsByBank(replay.paid)), expected('bank'))
    const total = sumOf('total', replay.paid)
    assert.equal(total.amount, EVERYTHING)
    assert.equal(total.fees, sumAll(orders.map(({ fee }) => fee)))
  })

  it('took of each order the fee of that order', () => {
    const fees = new Map(orders.map(({ id, amount, fee }) => [id, { amount, fee }]))
    for (const { order, amount, fee } of replay.paid) assert.deepEqual({ amount, fee }, fees.get(order.id), order.id)
  })

  it('leaves each owner the reserve: the orders are paid from what they opened with', async () => {
    const emails = await emailsById(operator)
    const own = accounts.filter(({ user_id }) => emails.get(user_id)?.startsWith('client-'))
    const balances = new Map(own.map(({ user_id, name, balance }) => [`${emails.get(user_id)} ${name}`, balance]))
    assert.equal(own.length, 4_500)
    for (const [, client, account = ''] of owners) {
      assert.equal(balances.get(`client-${client}@berka.example ${account}`), '1000.00', account)
    }
  })

  it('gives each receiving account its orders less their fees', async () => {
    const emails = await emailsById(operator)
    const due = new Map<string, bigint>()
    for (const { bank, to, amount, fee } of orders) {
      const account = `bank-${bank.toLowerCase()}@berka.example ${to}`
      due.set(account, (due.get(account) ?? 0n) + amount - fee)
    }
    const received = accounts.filter(({ user_id }) => emails.get(user_id)?.startsWith('bank-'))
    assert.equal(received.length, due.size)
    for (const { user_id, name, balance } of received) {
      const account = `${emails.get(user_id)} ${name}`
      assert.equal(halere(balance), due.get(account), account)
    }
  })

  it('leaves the books whole: internal has the fees and owes the openings', async () => {
    const internal = accounts.filter(({ code, currency }) => code === 'internal' && currency === 'CZK')
    const openings = EVERYTHING + 4_500n * RESERVE
    const fees = sumAll(orders.map(({ fee }) => fee))
    assert.deepEqual(
      internal.map(({ balance }) => halere(balance)),
      [fees - openings],
    )
    const czk = accounts.filter(({ currency }) => currency === 'CZK')
    assert.equal(sumAll(czk.map(({ balance }) => halere(balance))), 0n)
  })

  it('writes on each payment which order it was', async () => {
    const { body } = await operator.get('/v1/admin/payments?metadata[order]=29402')
    assert.equal(body.data.length, 1)
    const { amount, fee, net_amount, status, metadata, sender, receiver } = body.data[0]
    assert.deepEqual([amount, fee, net_amount, status], ['3372.70', '67.45', '3305.25', 'completed'])
    assert.deepEqual(metadata, { order: '29402', purpose: 'UVER', bank: 'ST' })
    assert.deepEqual([sender, receiver], ['client-2@berka.example', 'bank-st@berka.example'])
  })

  it('leaves books that keep every law', () => assertBooksAreRight(gateway))

  it('changes nothing when it is run again, and says so', async () => {
    const earlier = await rowsIn(gateway)
    assert.deepEqual(earlier, { users: 4_514, payments: 4_500 + 6_471, postings: 4_500 + 2 * 6_471 })
    const { code, stdout, stderr } = await cli([DATA, '--url', gateway.url], { BERKA_TOKEN: operator.token ?? '' })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^owners {2}0 made now, 4500 were there\nbanks {3}0 made now, 13 were there\n/m)
    assert.match(stdout, /^orders {2}0 made now, 6471 were there\nNothing changed: everything was there already\.\n$/m)
    assert.match(stdout, /^total +6 471 +21 228 993\.60 +424 579\.80 +0 +6 471$/m)
    assert.match(stderr, /^orders {2}6471 of 6471$/m)
    assert.deepEqual(await allOf(operator, 'accounts'), accounts)
    assert.deepEqual(await rowsIn(gateway), earlier)
  })
})

describe('the replay of a bank that goes wrong', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bgw-berka-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** A copy of the data with a small bank in it, of which one file reads otherwise. */
  async function aSmallBank(name = 'order.asc', change = (text: string) => text): Promise<string> {
    const copy = await mkdtemp(join(folder, 'data-'))
    const files = {
      'client.asc': '"client_id";"birth_number";"district_id"\r\n1;"706213";18\r\n2;"450204";1\r\n',
      'account.asc': '"account_id";"district_id";"frequency";"date"\r\n7;55;"POPLATEK MESICNE";930101\r\n',
      'disp.asc': '"disp_id";"client_id";"account_id";"type"\r\n1;1;7;"OWNER"\r\n2;2;7;"DISPONENT"\r\n',
      'order.asc':
        '"order_id";"account_id";"bank_to";"account_to";"amount";"k_symbol"\r\n' +
        '1;7;"YZ";"87144583";2452.00;"SIPO"\r\n2;7;"YZ";"87144584";1.00;" "\r\n',
    }
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(copy, file), file === name ? change(content) : content)
    }
    return copy
  }

  const broken: [string, string, (text: string) => string, RegExp][] = [
    [
      'a header that is another',
      'client.asc',
      (text) => text.replace('birth', 'death'),
      /client\.asc line 1: the header/,
    ],
    [
      'a field that is missing',
      'order.asc',
      (text) => text.replace(';1.00', ''),
      /order\.asc line 3: .* is not order_id;/,
    ],
    ['quotes that are missing', 'order.asc', (text) => text.replace('"YZ"', 'YZ'), /order\.asc line 2: /],
    ['an amount that is none', 'order.asc', (text) => text.replace('2452.00', '-2452.00'), /order\.asc line 2: /],
    [
      'an amount of zero',
      'order.asc',
      (text) => text.replace(';1.00', ';0.00'),
      /order\.asc line 3: the amount is zero/,
    ],
    ['an unknown purpose', 'order.asc', (text) => text.replace('SIPO', 'SIPA'), /order\.asc line 2: /],
    ['an empty line', 'order.asc', (text) => `${text}\r\n`, /order\.asc line 4: /],
    ['lines that end with LF', 'disp.asc', (text) => text.replaceAll('\r', ''), /disp\.asc line 1: /],
    ['an end that is cut off', 'disp.asc', (text) => text.slice(0, -6), /disp\.asc line 3: does not end with CR LF/],
    [
      'an order twice',
      'order.asc',
      (text) => text.replace('\n2;', '\n1;'),
      /order\.asc line 3: order_id 1 is there already/,
    ],
    [
      'an order of no account',
      'order.asc',
      (text) => text.replace('\n2;7', '\n2;8'),
      /line 3: there is no account_id 8/,
    ],
    [
      'an account with no owner',
      'disp.asc',
      (text) => text.replace('OWNER', 'DISPONENT'),
      /account\.asc line 2: .*no owner/,
    ],
    [
      'an account with two owners',
      'disp.asc',
      (text) => text.replace('DISPONENT', 'OWNER'),
      /disp\.asc line 3: .*second/,
    ],
    [
      'an owner who is no client',
      'disp.asc',
      (text) => text.replace('1;1;7', '1;3;7'),
      /disp\.asc line 2: .*client_id 3/,
    ],
  ]
  for (const [what, name, change, line] of broken) {
    it(`refuses ${what}, by file and line, before anything is sent`, async () => {
      const copy = await aSmallBank(name, change)
      // Nobody listens there: had anything been sent, this would be the error.
      const sent = replayBerka({ url: 'http://127.0.0.1:1', token: '', folder: copy })
      await assert.rejects(sent, { name: 'StartError', message: line })
    })
  }

  it('ends with one clear line and exit code 1 where a file is broken or missing', async () => {
    const copy = await aSmallBank('order.asc', (text) => text.replace('"SIPO"', '"SIPO'))
    const malformed = await cli([copy])
    assert.deepEqual([malformed.code, malformed.stdout], [1, ''])
    assert.match(malformed.stderr, /^billing-gateway: \S+order\.asc line 2: .*\n$/)
    await rm(join(copy, 'order.asc'))
    const missing = await cli([copy])
    assert.deepEqual([missing.code, missing.stdout], [1, ''])
    assert.match(missing.stderr, /^billing-gateway: cannot read \S+order\.asc: there is no such file\n$/)
    const nowhere = await cli([join(folder, 'nowhere')])
    assert.deepEqual([nowhere.code, nowhere.stdout], [1, ''])
    assert.match(nowhere.stderr, /^billing-gateway: cannot read \S+nowhere\/client\.asc: there is no such file\n$/)
  })

  it('passes on why its own gateway does not start, in one line', async () => {
    const file = join(folder, 'a-file')
    await writeFile(file, '')
    const { code, stdout, stderr } = await cli([await aSmallBank()], { BGW_DATA_DIR: file })
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^billing-gateway: cannot make the data folder \S+a-file: .*\n$/)
  })

  it('passes on that another gateway runs on the data folder', async () => {
    const data = await mkdtemp(join(folder, 'held-'))
    const unlock = lockDataFolder(data)
    const { code, stdout, stderr } = await cli([await aSmallBank()], { BGW_DATA_DIR: data })
    unlock()
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, new RegExp(`^billing-gateway: process ${process.pid} already runs a gateway on .*${data}\n$`))
  })

  it('says in one line what is wrong with its arguments, its token or the address', async () => {
    const copy = await aSmallBank()
    const calls: [string[], Record<string, string>, RegExp][] = [
      [[copy, copy], {}, /^billing-gateway: usage: .*\n$/],
      [[copy, '--ulr', 'x'], {}, /^billing-gateway: usage: .*\n$/],
      [[copy, '--url', 'localhost:8080'], {}, /^billing-gateway: 'localhost:8080' is no address .*\n$/],
      [[copy, '--url', 'http://127.0.0.1:1'], {}, /^billing-gateway: BERKA_TOKEN is not set.*\n$/],
      [
        [copy, '--url', 'http://127.0.0.1:1'],
        { BERKA_TOKEN: 'x' },
        /^billing-gateway: POST http:\/\/127\.0\.0\.1:1\/.*\n$/,
      ],
    ]
    for (const [args, settings, line] of calls) {
      const { code, stdout, stderr } = await cli(args, settings)
      assert.deepEqual([code, stdout], [1, ''], args.join(' '))
      assert.match(stderr, line)
    }
  })

  it('shows each line that failed, makes the others, and exits with 1', async () => {
    const gateway = await aGateway()
    const operator = await anOperator(gateway)
    const settings = { BERKA_TOKEN: operator.token ?? '' }
    const copy = await aSmallBank()
    // The owner is there already and has no more than one order takes.
    const owner = {
      email: 'client-1@berka.example',
      accounts: [{ currency: 'CZK', name: '7', opening_balance: '5.00' }],
    }
    const type = { 'content-type': 'application/x-ndjson' }
    await operator.send('POST', '/v1/admin/users/import', `${JSON.stringify(owner)}\n`, type)
    const { code, stdout, stderr } = await cli([copy, '--url', gateway.url], settings)
    assert.equal(code, 1)
    assert.match(stderr, /^failed: order 1: declined, insufficient_funds\n$/m)
    assert.match(stdout, /^orders {2}1 made now, 0 were there\n1 failed\n$/m)
    assert.match(stdout, /^total +1 +1\.00 +0\.02 +1 +0$/m)

    const refused = await cli([copy, '--url', gateway.url], { BERKA_TOKEN: 'bgw_none' })
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
    assert.match(refused.stderr, /^billing-gateway: importUsers answered 401: .*\n$/)
  })

  it('gives a client all accounts that the client owns, each with what its orders need', async () => {
    const gateway = await aGateway()
    const operator = await anOperator(gateway)
    const copy = await aSmallBank('account.asc', (text) => `${text}8;55;"POPLATEK MESICNE";930101\r\n`)
    const append = async (file: string, line: string) =>
      writeFile(join(copy, file), `${await readFile(join(copy, file), 'latin1')}${line}\r\n`)
    await append('disp.asc', '3;1;8;"OWNER"')
    // The same number at another bank is another account.
    await append('order.asc', '3;8;"AB";"87144583";10.25;" "')
    const options = { url: gateway.url, token: operator.token ?? '', folder: copy }
    for (const there of [false, true]) {
      const { owners, banks, paid, failures } = await replayBerka(options)
      assert.deepEqual(failures, [])
      assert.deepEqual([owners, banks], there ? [count(0, 1), count(0, 2)] : [count(1, 0), count(2, 0)])
      assert.deepEqual(
        paid.map((payment) => payment.there),
        [there, there, there],
      )
    }
    const { body } = await operator.get('/v1/admin/accounts?name[in]=7,8,87144583,87144584&sort=name,created_at')
    const balances = body.data.map(({ name, balance }: any) => `${name} ${balance}`)
    // 2 452.00 less 49.04; 10.25 less 0.205, which half-even makes 0.20; 1.00 less 0.02.
    assert.deepEqual(balances.sort(), ['7 1000.00', '8 1000.00', '87144583 10.05', '87144583 2402.96', '87144584 0.98'])
  })

  it('goes on where a run was cut off', async () => {
    const gateway = await aGateway()
    const operator = await anOperator(gateway)
    const copy = await aSmallBank()
    const options = { url: gateway.url, token: operator.token ?? '', folder: copy }
    const abort = new AbortController()
    const onProgress = (stage: string) => void (stage === 'banks' && abort.abort())
    const cutOff = replayBerka({ ...options, signal: abort.signal, onProgress })
    await assert.rejects(cutOff, { name: 'StartError', message: /: stopped$/ })
    const { owners, banks, paid, failures } = await replayBerka(options)
    assert.deepEqual([owners, banks, failures], [count(0, 1), count(0, 1), []])
    assert.deepEqual(
      paid.map(({ there }) => there),
      [false, false],
    )
  })

  it('splits a bank whose accounts do not fit into a line, and finds them all again', async () => {
    const gateway = await aGateway()
    const operator = await anOperator(gateway)
    const many = Array.from(
      { length: 2_001 },
      (_, index) => `${index + 10};7;"YZ";"${90_000_000 + index}";1.00;" "\r\n`,
    )
    const copy = await aSmallBank('order.asc', (text) => text + many.join(''))
    const options = { url: gateway.url, token: operator.token ?? '', folder: copy }
    const { banks, paid, failures } = await replayBerka(options)
    assert.deepEqual([banks, paid.length, failures], [{ made: 3, there: 0 }, 2_003, []])
    const { body } = await operator.get('/v1/admin/users?email[like]=bank-&sort=email')
    assert.deepEqual(
      body.data.map(({ email }: any) => email),
      ['bank-yz-1@berka.example', 'bank-yz-2@berka.example', 'bank-yz-3@berka.example'],
    )
    const again = await replayBerka(options)
    assert.deepEqual([again.banks, again.paid.every(({ there }) => there)], [{ made: 0, there: 3 }, true])
  })
})

async function allOf(operator: TestUser, list: string): Promise<any[]> {
  const all: any[] = []
  let cursor = ''
  do {
    const { body } = await operator.get(`/v1/admin/${list}?sort=id&limit=200${cursor}`)
    all.push(...body.data)
    cursor = body.next_cursor === null ? '' : `&cursor=${encodeURIComponent(body.next_cursor)}`
  } while (cursor !== '')
  return all
}

const count = (made: number, there: number) => ({ made, there })

async function rowsIn(gateway: TestGateway): Promise<Record<string, number>> {
  const [rows] = await rowsOf(
    gateway,
    `select (select count(*) from users)::int    as users,
            (select count(*) from payments)::int as payments,
            (select count(*) from postings)::int as postings`,
  )
  return rows
}

async function emailsById(operator: TestUser): Promise<Map<string, string>> {
  return new Map((await allOf(operator, 'users')).map(({ id, email }) => [id, email] as const))
}

async function cli(args: readonly string[], settings: Record<string, string> = {}) {
  const environment = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  const child = spawn('env', [...environment, process.execPath, MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [code, stdout, stderr] = await Promise.all([exit, text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}
