import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { before, describe, it } from 'node:test'
import { constants, inflateSync } from 'node:zlib'
import { parseCsv } from './harness/csv.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  locking,
  rowsOf,
  sessionsWhere,
  transfer,
  untilLocked,
} from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
let account: string
let toBob: string

const NASTY = '=HYPERLINK("http://x","房租 & <b>\'Miete\'</b> ⛵")'

before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
  account = await anAccount(ada, 'USD', { name: 'Ünï & <Co> 公司' })
  toBob = await bob.account('USD')
  await fund(operator, account, '1000.00')
  await pay(ada, account, toBob, '10.01', { description: NASTY })
  await pay(bob, toBob, account, '7.77', { description: 'back, with "quotes"\nand a line' })
  await pay(ada, account, toBob, '0.50', { fee_payer: 'sender', description: 'x\u0007y' })
})

async function pay(user: TestUser, from: string, to: string, amount: string, more: object = {}): Promise<any> {
  const { status, body } = await user.post('/v1/payments', transfer(from, to, amount, more))
  assert.deepEqual([status, body.status], [201, 'completed'])
  return body
}

const cents = (text: string) => BigInt(text.replace('.', ''))

/** That a statement in JSON adds up, line by line. */
function assertAddsUp(statement: any): void {
  let balance = cents(statement.opening_balance)
  let [moneyIn, moneyOut] = [0n, 0n]
  for (const { direction, amount, balance_after: after } of statement.operations) {
    if (direction === 'debit') moneyIn += cents(amount)
    else moneyOut += cents(amount)
    balance += direction === 'debit' ? cents(amount) : -cents(amount)
    assert.equal(cents(after), balance)
  }
  assert.equal(cents(statement.closing_balance), balance)
  assert.equal(statement.count, statement.operations.length)
  assert.deepEqual([cents(statement.money_in), cents(statement.money_out)], [moneyIn, moneyOut])
}

describe('a statement', () => {
  it('of this month has every movement, fees as lines of their own, and adds up to the balance', async () => {
    const { status, headers, body } = await ada.get(`/v1/accounts/${account}/statement`)
    assert.equal(status, 200)
    assert.match(headers.get('content-type') ?? '', /^application\/json/)
    assertAddsUp(body)
    assert.deepEqual([body.opening_balance, body.closing_balance], ['0.00', await ada.balance(account)])
    assert.deepEqual([body.account_id, body.holder, body.currency], [account, ada.email, 'USD'])
    assert.deepEqual(
      body.operations.map(({ kind, direction, amount, counterparty }: any) => [kind, direction, amount, counterparty]),
      [
        ['adjustment', 'debit', '1000.00', 'internal'],
        ['fee', 'credit', '0.20', 'internal'],
        ['transfer', 'credit', '9.81', bob.email],
        ['transfer', 'debit', '7.61', bob.email],
        ['fee', 'credit', '0.01', 'internal'],
        ['transfer', 'credit', '0.50', bob.email],
      ],
    )
    const [first] = body.operations.slice(-1)
    const listed = await everyPage(ada, `/v1/operations?account_id=${account}&kind[in]=fee,transfer,adjustment`)
    assert.equal(listed.length, body.count)
    assert.equal(listed[0].id, first.id)
  })

  it('of consecutive periods is the statement of all of them, cut where the times say', async () => {
    const { body: whole } = await ada.get(`/v1/accounts/${account}/statement`)
    const times = whole.operations.map((line: any) => line.created_at)
    const ends = [whole.from, times[1], times[3], whole.to]
    const lines: any[] = []
    let balance = whole.opening_balance
    for (const [index, from] of ends.slice(0, -1).entries()) {
      const { body } = await ada.get(`/v1/accounts/${account}/statement?from=${from}&to=${ends[index + 1]}`)
      assertAddsUp(body)
      assert.deepEqual([body.opening_balance, body.from, body.to], [balance, from, ends[index + 1]])
      balance = body.closing_balance
      lines.push(...body.operations)
    }
    assert.equal(balance, whole.closing_balance)
    assert.deepEqual(lines, whole.operations)
  })

  it('of a time without movements has none, and a balance all the same', async () => {
    const { body: old } = await ada.get(`/v1/accounts/${account}/statement?from=2020-01-01&to=2020-02-01`)
    assert.deepEqual([old.opening_balance, old.closing_balance, old.operations], ['0.00', '0.00', []])
    assert.deepEqual([old.from, old.to], ['2020-01-01T00:00:00.000000Z', '2020-02-01T00:00:00.000000Z'])
    const { body: now } = await ada.get(`/v1/accounts/${account}`)
    const { body: quiet } = await ada.get(`/v1/accounts/${account}/statement?from=${plusMicrosecond(now.updated_at)}`)
    assert.deepEqual([quiet.opening_balance, quiet.closing_balance, quiet.count], [now.balance, now.balance, 0])
  })

  it('of all times there are ends now', async () => {
    const { body } = await ada.get(`/v1/accounts/${account}/statement?from=1970-01-01&to=9999-12-31`)
    assertAddsUp(body)
    assert.equal(body.count, 6)
    assert.ok(body.to <= body.created_at)
  })

  it('is for its owner, and for operators', async () => {
    assertProblem(await bob.get(`/v1/accounts/${account}/statement`), 'not_found')
    assertProblem(await ada.get('/v1/accounts/nonsense/statement'), 'not_found')
    assertProblem(await gateway.anybody.get(`/v1/accounts/${account}/statement`), 'unauthenticated')
    const { body } = await operator.get(`/v1/accounts/${account}/statement`)
    assert.equal(body.count, 6)
  })

  it('needs a token that may read accounts and payments', async () => {
    const { body: token } = await ada.post('/v1/tokens', { name: 'half', scopes: ['accounts:read'] })
    const path = `/v1/accounts/${account}/statement`
    const authorization = `Bearer ${token.token}`
    assertProblem(await gateway.anybody.get(path, { authorization }), 'forbidden')
  })

  for (const [what, query] of [
    ['an end that is no time', 'to=yesterday'],
    ['a day that there is not', 'from=2026-02-30'],
    ['a time before 1970', 'from=1969-12-31'],
    ['an end before its beginning', 'from=2026-02-01&to=2026-01-01'],
    ['a moment without extent', 'from=2026-02-01&to=2026-02-01'],
    ['a time to come', 'from=9999-01-01'],
    ['a format that there is not', 'format=docx'],
    ['an end twice', 'from=2026-01-01&from=2026-01-02'],
  ]) {
    it(`is refused for ${what}`, async () => {
      assertProblem(await ada.get(`/v1/accounts/${account}/statement?${query}`), 'invalid_query')
    })
  }

  it('is refused for a parameter that there is not', async () => {
    assertProblem(await ada.get(`/v1/accounts/${account}/statement?month=1`), 'unknown_field')
  })

  it('is made ten at a time for one user, of whom more is refused, and nobody else; then there is room again', async () => {
    const path = `/v1/accounts/${account}/statement?format=pdf`
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
    const call = `GET ${path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${ada.token}\r\n`
    for (let count = 1; count < 30; count += 1) socket.write(`${call}\r\n`)
    socket.write(`${call}connection: close\r\n\r\n`)
    const answers = await text(socket.setEncoding('latin1'))
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)
    assert.deepEqual([statuses.length, new Set(statuses)], [30, new Set(['200', '503'])])
    // More than ten where the first are done before the last are read.
    assert.ok(statuses.filter((status) => status === '200').length >= 10)
    assert.match(answers, /10 statements or exports are being made for you already/)
    assert.equal((await ada.get(path)).status, 200)
  })

  it('of a technical account adds up too', async () => {
    const { body } = await operator.get('/v1/admin/accounts?code=internal&currency=USD')
    const internal = body.data[0]
    const { body: statement } = await operator.get(`/v1/accounts/${internal.id}/statement`)
    assertAddsUp(statement)
    assert.deepEqual([statement.holder, statement.closing_balance], ['internal', internal.balance])
    assertProblem(await ada.get(`/v1/accounts/${internal.id}/statement`), 'not_found')
  })

  it('with more lines than are read at once is whole, in order and right, also while money moves', async () => {
    const [from, to] = [await anAccount(ada), await anAccount(ada)]
    await fund(operator, from, '10000.00')
    const payments = Array.from({ length: 2_500 }, (_, index) => transfer(from, to, `0.${10 + (index % 89)}`))
    await ada.post('/v1/payments/bulk', { payments })
    const moving = ada.post('/v1/payments/bulk', { payments })
    for (const each of [from, to]) {
      const { body } = await ada.get(`/v1/accounts/${each}/statement`)
      assertAddsUp(body)
      assert.ok(body.count >= 2_500)
      const ids = body.operations.map(({ posting_id: id }: any) => id)
      assert.deepEqual(ids, [...new Set(ids)].sort())
    }
    await moving
    const { body } = await ada.get(`/v1/accounts/${to}/statement`)
    assert.deepEqual([body.count, body.closing_balance], [5_000, await ada.balance(to)])
    const [{ sum }] = await rowsOf(
      gateway,
      `select sum(amount)::text as sum from postings p join accounts a on a.book = p.book and a.id = p.debit_account
        where a.id = (select debit_account from postings where amount = 10 order by id desc limit 1)`,
    )
    assert.equal(cents(body.money_in), BigInt(sum))
  })
})

describe('what is told of now', () => {
  it('stays so: it waits for what is under way', async () => {
    const [payer, from] = [await aUser(gateway), await anAccount(bob)]
    const usd = await payer.account('USD')
    const { body: technical } = await operator.get('/v1/admin/accounts?code=internal&currency=USD')
    const internal = technical.data[0].id
    // A payment adds to `internal` last: with its postings written it waits here for its commit.
    const fees = `select from accounts where code = 'internal' and currency = 'USD' for update`
    const [paying, ...asking] = await locking(gateway, fees, async () => {
      const paid = payer.post('/v1/payments', transfer(usd, from, '1.00'))
      await untilLocked(gateway, 1)
      const asked = [
        payer.get(`/v1/accounts/${usd}/statement`),
        payer.get(`/v1/accounts/${usd}/balance`),
        operator.get(`/v1/accounts/${internal}/balance`),
        operator.get('/v1/admin/reports/trial-balance'),
      ]
      const begun = `query like 'select pg_snapshot_xmin(pg_current_snapshot())%' and application_name = 'billing-gateway'`
      const waits = until(async () => (await sessionsWhere(gateway, begun)).length > 0)
      await Promise.race([...asked, Promise.all([untilLocked(gateway, 3), waits])])
      return [paid, ...asked]
    })
    assert.equal((await paying).body.status, 'completed')
    const [statement, balance, earned, all] = (await Promise.all(asking)).map(({ body }) => body)
    const { body: next } = await payer.get(`/v1/accounts/${usd}/statement?from=${statement.to}`)
    assert.equal(next.opening_balance, statement.closing_balance)
    assert.deepEqual((await payer.get(`/v1/accounts/${usd}/balance?at=${balance.at}`)).body, balance)
    assert.deepEqual((await operator.get(`/v1/accounts/${internal}/balance?at=${earned.at}`)).body, earned)
    const { body: again } = await operator.get(`/v1/admin/reports/trial-balance?to=${all.to}`)
    assert.deepEqual(again.data, all.data)
  })
})

describe('a statement as CSV', () => {
  it('has the balances, every line, and no cell that a spreadsheet would run', async () => {
    const { headers, body: text } = await ada.get(`/v1/accounts/${account}/statement?format=csv`)
    assert.match(headers.get('content-type') ?? '', /^text\/csv; charset=utf-8/)
    assert.match(
      headers.get('content-disposition') ?? '',
      /^attachment; filename="statement_acc_\w+_[\d-]+_[\d-]+\.csv"$/,
    )
    const [head, ...records] = parseCsv(text)
    assert.deepEqual(head?.slice(-4), ['money_in', 'money_out', 'balance', 'currency'])
    const { body: json } = await ada.get(`/v1/accounts/${account}/statement`)
    assert.deepEqual(
      records.map((record) => record[8]),
      ['0.00', ...json.operations.map((line: any) => line.balance_after), json.closing_balance],
    )
    assert.deepEqual([records[0]?.[3], records.at(-1)?.[3]], ['opening_balance', 'closing_balance'])
    assert.equal(records[2]?.[5], `'${NASTY}`)
    assert.equal(records[4]?.[5], 'back, with "quotes"\nand a line')
    assert.deepEqual([records[4]?.[6], records[4]?.[7], records[3]?.[6], records[3]?.[7]], ['7.61', '', '', '9.81'])
  })
})

describe('a statement as camt.053', () => {
  it('is well formed, with the elements in the order of the schema and its balances, entries and texts', async () => {
    const { headers, body: xml } = await ada.get(`/v1/accounts/${account}/statement?format=camt053`)
    assert.match(headers.get('content-type') ?? '', /^application\/xml/)
    assert.match(
      xml,
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.08">/,
    )
    const document = parseXml(xml)
    const statement = find(document, 'BkToCstmrStmt/Stmt')[0] as Node
    assertInOrder(document)
    assert.equal(textAt(statement, 'Acct/Id/Othr/Id'), account)
    assert.equal(textAt(statement, 'Acct/Nm'), 'Ünï & <Co> 公司')
    assert.deepEqual(
      find(statement, 'Bal').map((balance) => [textAt(balance, 'Tp/CdOrPrtry/Cd'), textAt(balance, 'Amt')]),
      [
        ['OPBD', '0.00'],
        ['CLBD', await ada.balance(account)],
      ],
    )
    const { body: json } = await ada.get(`/v1/accounts/${account}/statement`)
    const entries = find(statement, 'Ntry')
    assert.deepEqual(
      entries.map((entry) => [textAt(entry, 'Amt'), textAt(entry, 'CdtDbtInd'), textAt(entry, 'AcctSvcrRef')]),
      json.operations.map((line: any) => [line.amount, line.direction === 'debit' ? 'CRDT' : 'DBIT', line.posting_id]),
    )
    const texts = entries.map((entry) => textAt(entry, 'NtryDtls/TxDtls/RmtInf/Ustrd'))
    assert.equal(texts[1], NASTY)
    assert.equal(texts[4], 'x\u{FFFD}y')
    assert.equal(textAt(entries[3] as Node, 'NtryDtls/TxDtls/RltdPties/Dbtr/Pty/Nm'), bob.email)
  })

  it('is refused for a currency or a balance that the format cannot hold', async () => {
    const bitcoin = await anAccount(ada, 'BTC')
    assertProblem(await ada.get(`/v1/accounts/${bitcoin}/statement?format=camt053`), 'invalid_query')
    const rich = await anAccount(ada, 'USD')
    await fund(operator, rich, '9999999999999999.99')
    assert.match((await ada.get(`/v1/accounts/${rich}/statement?format=camt053`)).body, />9999999999999999\.99</)
    await fund(operator, rich, '0.01')
    assertProblem(await ada.get(`/v1/accounts/${rich}/statement?format=camt053`), 'invalid_query')
    assert.equal((await ada.get(`/v1/accounts/${bitcoin}/statement`)).body.closing_balance, '0.00000000')
  })

  it('is refused for an amount that the format cannot hold, before anything of it is sent', async () => {
    const through = await anAccount(ada, 'USD')
    const statement = (query = '') => ada.get(`/v1/accounts/${through}/statement?format=camt053${query}`)
    const amount = '10000000000000000.00'
    await fund(operator, through, amount)
    const back = await operator.post('/v1/admin/adjustments', {
      ...{ account: through, amount, direction: 'credit', reason: 'Too much' },
    })
    assert.equal(back.status, 201)
    const { status, body } = await statement()
    assert.deepEqual([status, body.code, body.errors?.[0].field], [400, 'invalid_query', 'format'])
    assert.match(body.detail, /an operation of this period: it has amounts of 18 digits at most/)
    const after = (await ada.get(`/v1/accounts/${through}/statement`)).body.operations.at(-1).created_at
    await fund(operator, through, '1.00')
    const later = new Date(Date.parse(after) + 1).toISOString()
    assert.match((await statement(`&from=${later}`)).body, />1\.00</)
  })
})

describe('a statement as PDF', () => {
  it('has as many pages as its lines need, and letters of every script that it can write', async () => {
    const many = await anAccount(ada, 'USD', { name: 'Каса Ünï 公司 नमस्ते' })
    await fund(operator, many, '100.00')
    const payments = Array.from({ length: 120 }, () => transfer(many, account, '0.25', { description: '房租' }))
    await ada.post('/v1/payments/bulk', { payments })
    const { headers, bytes } = await aPdf(many)
    assert.equal(headers.get('content-type'), 'application/pdf')
    assert.match(headers.get('content-disposition') ?? '', /\.pdf"$/)
    const text = bytes.toString('latin1')
    assert.match(text, /^%PDF-1\.\d/)
    assert.match(text, /%%EOF\s*$/)
    assert.equal([...text.matchAll(/\/Type \/Page\b(?!s)/g)].length, 5)
    const letters = lettersOf(bytes)
    for (const letter of 'КасаÜnï公司房租Statement0123456789') assert.ok(letters.includes(letter), letter)
  })

  it('writes a letter that no font has as a question mark, and an account without movements on one page', async () => {
    const quiet = await anAccount(ada, 'EUR', { name: '\u{1F6F6}\u{10400}' })
    const { bytes } = await aPdf(quiet)
    assert.equal([...bytes.toString('latin1').matchAll(/\/Type \/Page\b(?!s)/g)].length, 1)
    assert.ok(lettersOf(bytes).includes('?'))
  })

  it('says of an account that was empty all the time that zero was the most it had', async () => {
    const texts = textsOf((await aPdf(await anAccount(ada, 'EUR'))).bytes)
    const [opening] = texts.filter(({ size, x, glyphs }) => size === 8 && x > 468 && glyphs === '0.00'.length)
    const [most] = texts.filter(({ size, x, glyphs }) => size === 7 && x > 468 && glyphs === '0.00'.length)
    assert.ok(opening && most)
    assert.equal(most.codes, opening.codes)
  })

  it('keeps the longest numbers apart', async () => {
    const ether = await anAccount(ada, 'ETH')
    const amount = '123456789012.345678901234567890'
    for (const each of [amount, '0.000000000000000001']) await fund(operator, ether, each)
    await pay(ada, ether, await anAccount(bob, 'ETH'), '98765432109.876543210987654321')
    const lines = Map.groupBy(textsOf((await aPdf(ether)).bytes), ({ y }) => y)
    for (const line of lines.values()) {
      const texts = line.toSorted((one, other) => one.x - other.x)
      for (const [index, { x, glyphs, size }] of texts.slice(0, -1).entries()) {
        // A digit of the font is 0.572 of its size wide; a separator about half of that, and there are five at most.
        const end = x + size * (0.572 * glyphs - 0.3 * 5)
        assert.ok(end < (texts[index + 1]?.x ?? 0), JSON.stringify(texts))
      }
    }
    assert.ok(lines.size > 10)
  })

  it('of the house says from whom it has a fee, and to whom it gave one back', async () => {
    const [from, to] = [await anAccount(ada, 'KWD'), await anAccount(bob, 'KWD')]
    await fund(operator, from, '10.000')
    const { id } = await pay(ada, from, to, '5.000')
    await bob.post(`/v1/payments/${id}/refund`, {})
    const { body } = await operator.get('/v1/admin/accounts?code=internal&currency=KWD')
    const titles = textsOf((await aPdf(body.data[0].id, operator)).bytes).filter(
      ({ x, size }) => x === 118 && size === 8,
    )
    const expected = ['Movement', 'Opening balance', `Adjustment to ${ada.email}`, `Fee from ${ada.email}`]
    assert.deepEqual(
      titles.slice(0, 5).map(({ glyphs }) => glyphs),
      [...expected, `Fee returned to ${ada.email}`].map(({ length }) => length),
    )
  })

  it('has no limit: every line of it is there', async () => {
    const busy = await anAccount(ada)
    await fund(operator, busy, '20000.00')
    const payments = Array.from({ length: 1_500 }, () => transfer(busy, account, '0.10'))
    assert.equal((await ada.post('/v1/payments/bulk', { payments })).status, 200)
    const { bytes } = await aPdf(busy)
    assert.ok([...bytes.toString('latin1').matchAll(/\/Type \/Page\b(?!s)/g)].length > 1_500 / 50)
    assert.equal(linesOf(bytes), 1_501)
  })

  async function aPdf(id: string, { url, token } = ada) {
    const response = await fetch(`${url}/v1/accounts/${id}/statement?format=pdf`, {
      headers: { authorization: `Bearer ${token}` },
    })
    return { headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
  }

  /** What the fonts of a PDF can be read back to: the maps from their glyphs to Unicode (ISO 32000-1 §9.10.3). */
  function lettersOf(bytes: Buffer): string {
    const text = bytes.toString('latin1')
    let letters = ''
    for (const match of text.matchAll(/\/FlateDecode[\s\S]*?stream\r?\n/g)) {
      const start = match.index + match[0].length
      const content = inflated(bytes.subarray(start))
      if (!content.includes('beginbfrange')) continue
      for (const [, hex = ''] of content.matchAll(/<([0-9a-f]+)>/gi)) {
        letters += Buffer.from(hex, 'hex').swap16().toString('utf16le')
      }
    }
    return letters
  }

  /** How many lines the table of a PDF has: each begins at the left edge with a time of 16 characters. */
  function linesOf(bytes: Buffer): number {
    return textsOf(bytes).filter(({ colour, size, x, glyphs }) => {
      return colour === '0.416 0.451 0.49' && size === 8 && x === 48 && glyphs === 16
    }).length
  }

  /** What is written in small letters, of one font each, in its order. */
  function textsOf(bytes: Buffer) {
    const text = bytes.toString('latin1')
    const contents = [...text.matchAll(/\/FlateDecode[\s\S]*?stream\r?\n/g)].map((match) =>
      inflated(bytes.subarray(match.index + match[0].length)),
    )
    const written = /^(\S+ \S+ \S+) rg .* (\S+) Tf 1 0 0 1 (\S+) (\S+) Tm <([0-9a-f]*)> Tj$/gm
    return contents.flatMap((content) =>
      [...content.matchAll(written)].map(([, colour, size, x, y, codes = '']) => {
        return { colour, size: Number(size), x: Number(x), y, codes, glyphs: codes.length / 4 }
      }),
    )
  }

  function inflated(bytes: Buffer): string {
    try {
      return inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString('latin1')
    } catch {
      return ''
    }
  }
})

it('statements leave the books right', () => assertBooksAreRight(gateway))

function plusMicrosecond(time: string): string {
  return time.replace(/(\d{6})Z$/, (_, micros: string) => `${String(Number(micros) + 1).padStart(6, '0')}Z`)
}

type Node = { name: string; text: string; children: Node[] }

/** The smallest reader of the XML that we write; throws where a tag is not closed or an entity unknown. */
function parseXml(xml: string): Node {
  const root: Node = { name: '', text: '', children: [] }
  const open = [root]
  const body = xml.replace(/^<\?xml[^>]*\?>\s*/, '')
  let at = 0
  for (const match of body.matchAll(/<(\/?)([A-Za-z]\w*)((?: [a-zA-Z]+="[^"<]*")*)>|([^<]+)/gy)) {
    assert.equal(match.index, at)
    at += match[0].length
    const [, closing, name = '', , text] = match
    const top = open.at(-1) as Node
    if (text !== undefined) top.text += unescaped(text)
    else if (closing) assert.equal(open.pop()?.name, name)
    else {
      const node: Node = { name, text: '', children: [] }
      top.children.push(node)
      open.push(node)
    }
  }
  assert.equal(at, body.length)
  assert.equal(open.length, 1)
  return root.children[0] as Node
}

function unescaped(text: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replace(/&(\w*);?/g, (_, name: string) => {
    assert.ok(entities[name], `&${name};`)
    return entities[name] ?? ''
  })
}

function find(node: Node, path: string): Node[] {
  return path
    .split('/')
    .reduce((nodes, name) => nodes.flatMap(({ children }) => children.filter((child) => child.name === name)), [node])
}

function textAt(node: Node, path: string): string | undefined {
  return find(node, path)[0]?.text
}

/** The sequences of camt.053.001.08 as far as we write them: elements come in this order, these without brackets always. */
const SEQUENCES: Record<string, string> = {
  BkToCstmrStmt: 'GrpHdr Stmt',
  GrpHdr: 'MsgId CreDtTm',
  Stmt: 'Id CreDtTm FrToDt Acct Bal Bal [Ntry]',
  FrToDt: 'FrDtTm ToDtTm',
  Acct: 'Id Ccy Nm Ownr',
  Bal: 'Tp Amt CdtDbtInd Dt',
  Ntry: 'NtryRef Amt CdtDbtInd Sts BookgDt ValDt AcctSvcrRef BkTxCd NtryDtls',
  BkTxCd: 'Domn Prtry',
  Domn: 'Cd Fmly',
  Fmly: 'Cd SubFmlyCd',
  Prtry: 'Cd Issr',
  TxDtls: 'Refs Amt CdtDbtInd RltdPties [RmtInf]',
  RltdPties: 'Dbtr Cdtr',
}

function assertInOrder(node: Node): void {
  const sequence = SEQUENCES[node.name]
  const names = node.children.map(({ name }) => name)
  if (sequence) {
    const optional = new Set([...sequence.matchAll(/\[(\w+)\]/g)].map(([, name]) => name))
    const always = sequence.split(' ').filter((name) => !name.startsWith('['))
    assert.deepEqual(
      names.filter((name) => !optional.has(name)),
      always,
      node.name,
    )
    const last = names.slice(always.length)
    assert.ok(
      last.every((name) => optional.has(name)),
      node.name,
    )
  }
  for (const child of node.children) assertInOrder(child)
}
