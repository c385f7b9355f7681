import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { aBankFile, inOneFile, OWN_IBAN } from './harness/bank.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertProblem, everyPage } from './harness/paying.ts'

const MULTI = readFileSync(join(import.meta.dirname, 'data/camt/camt053.v2.multi.statement.xml'), 'utf8')
const XML = { 'content-type': 'application/xml' }

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
before(async () => {
  const accounts = `EUR:${OWN_IBAN},CZK:CZ65 0800 0000 1920 0014 5399,other/EUR:DE89370400440532013000`
  gateway = await aGateway({ BGW_WIRE_ACCOUNTS: accounts })
  ;[operator, ada] = await Promise.all([anOperator(gateway, { allBooks: true }), aUser(gateway)])
})

const upload = (file: string, headers = {}) => operator.post('/v1/admin/wire/statements', file, { ...XML, ...headers })

async function taken(file: string) {
  const reply = await upload(file)
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
  return reply.body
}
const entriesOf = async ({ id }: { id: string }) => everyPage(operator, `/v1/admin/wire/entries?file_id=${id}`)

const countsOf = ({ statements }: { statements: { added: number; known: number }[] }) =>
  statements.map(({ added, known }) => [added, known])

describe('A bank statement', () => {
  it('is taken once, however often and at once it is sent, and whatever form it has', async () => {
    const answers = await Promise.all([upload(MULTI), upload(MULTI), upload(MULTI)])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    )
    const { body } = answers[0]
    assert.deepEqual(
      answers.map((each) => each.body),
      [body, body, body],
    )
    assert.equal(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null).length, 1)
    assert.deepEqual((await upload(MULTI.replaceAll(/>\s+</g, '><'))).body, body)
    assert.deepEqual([body.kind, body.version, body.message_id], ['camt.053', '02', 'CAMT053RIB000000000001'])
    assert.deepEqual(body.statements, [
      {
        ...{ statement_id: '253EURNL26VAYB8060476890', account: OWN_IBAN, currency: 'EUR', added: 1, known: 0 },
        ...{ matched: 0, suspense: 1, unmatched: 0 },
        opening: { bank: '18.15', books: '0.00', difference: '18.15' },
        closing: { bank: '27.00', books: '8.85', difference: '18.15' },
      },
      {
        ...{ statement_id: '254EURNL26VAYB8060476890', account: OWN_IBAN, currency: 'EUR', added: 1, known: 0 },
        ...{ matched: 0, suspense: 1, unmatched: 0 },
        opening: { bank: '27.00', books: '8.85', difference: '18.15' },
        closing: { bank: '20.00', books: '1.85', difference: '18.15' },
      },
    ])
    const entries = await entriesOf(body)
    assert.deepEqual(
      entries.map(({ amount, direction, status, remittance }) => [amount, direction, status, remittance]),
      [
        ['7.00', 'out', 'suspense', 'Transaction Description 2'],
        ['8.85', 'in', 'suspense', 'Transaction Description 1'],
      ],
    )
    const files = await everyPage(operator, '/v1/admin/wire/files')
    assert.deepEqual(
      files.filter(({ id }) => id === body.id),
      [body],
    )
    const audit = await everyPage(operator, '/v1/admin/audit?action=bank_file.take')
    assert.equal(audit.filter(({ detail }) => detail.file === body.id).length, 1)
  })

  it('that says something else than before under the same ids is refused', async () => {
    const movement = { amount: '5.55' }
    await taken(aBankFile([movement], { message: 'SAME' }))
    assertProblem(await upload(aBankFile([movement, movement], { message: 'SAME' })), 'invalid_file')
  })

  it('that overlaps with another adds only what is new, and two equal movements are two', async () => {
    const rent = { amount: '77.01', text: 'rent' }
    const first = await taken(aBankFile([rent, rent]))
    assert.deepEqual([first.statements[0].added, first.statements[0].known], [2, 0])
    const second = await taken(aBankFile([rent, rent, { amount: '77.02', text: 'more' }]))
    assert.deepEqual([second.statements[0].added, second.statements[0].known], [1, 2])
    assert.deepEqual(
      (await entriesOf(second)).map(({ remittance }) => remittance),
      ['more'],
    )
  })

  it('that overlaps with another of the same file adds only what is new, too', async () => {
    const [rent, fee] = [
      { amount: '66.01', text: 'rent' },
      { amount: '66.02', servicer: 'F-1' },
    ]
    const ofOne = aBankFile([rent, fee], { opening: 4_000_000 })
    const ofTwo = aBankFile([rent, fee, { amount: '66.03', text: 'more' }], { opening: 4_000_000 })
    const both = await taken(inOneFile(ofOne, ofTwo))
    assert.deepEqual(countsOf(both), [
      [2, 0],
      [1, 2],
    ])
    const amounts = (await entriesOf(both)).map(({ amount }) => amount)
    assert.deepEqual(amounts, ['66.03', '66.02', '66.01'])
    const notice = () => aBankFile([{ amount: '66.04', servicer: 'F-2' }], { kind: 'camt.054' })
    assert.deepEqual(countsOf(await taken(inOneFile(notice(), notice()))), [
      [1, 0],
      [0, 1],
    ])
  })

  it('that goes on from another of the same file, or names another payment, says the same of another movement', async () => {
    const movement = { amount: '55.01', servicer: 'B-1' }
    const [day, next] = [aBankFile([movement], { opening: 3_000_000 }), aBankFile([movement], { opening: 3_005_501 })]
    const each = [
      [1, 0],
      [1, 0],
    ]
    assert.deepEqual(countsOf(await taken(inOneFile(day, next))), each)
    const notices = ['ONE', 'TWO'].map((reference) =>
      aBankFile([{ amount: '55.02', servicer: 'B-2', reference }], { kind: 'camt.054' }),
    )
    assert.deepEqual(countsOf(await taken(inOneFile(...(notices as [string, string])))), each)
    const unsaid = () => aBankFile([{ amount: '55.03', text: 'cash' }], { kind: 'camt.054' })
    assert.deepEqual(countsOf(await taken(inOneFile(unsaid(), unsaid()))), each)
  })

  it('of an account that is not the book’s own, or in another currency, is refused whole', async () => {
    const foreign = await upload(aBankFile([{ amount: '1.00' }], { iban: 'DE89370400440532013000' }))
    assertProblem(foreign, 'invalid_file')
    assert.match(foreign.body.detail, /none of the book's own/)
    const czech = await upload(aBankFile([{ amount: '1.00' }], { iban: 'CZ6508000000192000145399' }))
    assertProblem(czech, 'invalid_file')
    assert.match(czech.body.detail, /in EUR of an account in CZK/)
    const [before] = (await operator.get('/v1/admin/wire/files?limit=1')).body.data
    const half = MULTI.replace(/(<\/Stmt>[\s\S]*)NL26VAYB8060476890<\/IBAN>/, '$1GB29NWBK60161331926819</IBAN>')
    assertProblem(await upload(half.replace('CAMT053RIB', 'OTHER')), 'invalid_file')
    assert.deepEqual((await operator.get('/v1/admin/wire/files?limit=1')).body.data, [before])
  })

  it('with wrong sums, entities or a bomb is refused, and one that is no XML is too', async () => {
    for (const file of [
      MULTI.replace('8.85', '8.86'),
      MULTI.replace('<Document', '<!DOCTYPE x [<!ENTITY a "b">]><Document'),
      MULTI.replace('Company', '&a;'),
      '<a>'.repeat(100_000),
      '{}',
    ]) {
      assertProblem(await upload(file), 'invalid_file')
    }
    assertProblem(await operator.post('/v1/admin/wire/statements', {}), 'unsupported_media_type')
    assertProblem(await operator.send('POST', '/v1/admin/wire/statements'), 'unsupported_media_type')
    assertProblem(await upload('x'.repeat(32 * 1024 * 1024 + 1)), 'too_large')
  })

  it('with an id that is too long, or of a year before the first, is refused', async () => {
    const long = randomBytes(950).toString('hex')
    assertProblem(await upload(aBankFile([{ amount: '1.00' }], { message: long })), 'invalid_file')
    assertProblem(await upload(aBankFile([{ amount: '1.00' }], { day: '0000-01-01' })), 'invalid_file')
  })

  it('is for operators, and each book has its own', async () => {
    assertProblem(await ada.post('/v1/admin/wire/statements', MULTI, XML), 'forbidden')
    assertProblem(await ada.get('/v1/admin/wire/entries'), 'forbidden')
    assertProblem(await ada.get('/v1/admin/wire/files'), 'forbidden')
    assertProblem(await gateway.anybody.post('/v1/admin/wire/statements', MULTI, XML), 'unauthenticated')
    assert.equal((await operator.post('/v1/admin/books', { name: 'other' })).status, 201)
    const inOther = { book: 'other' }
    assertProblem(await upload(MULTI, inOther), 'invalid_file')
    const file = aBankFile([{ amount: '3.33' }], { iban: 'DE89370400440532013000' })
    assert.equal((await upload(file, inOther)).status, 200)
    assert.equal((await operator.get('/v1/admin/wire/entries', inOther)).body.data.length, 1)
    const here = await everyPage(operator, '/v1/admin/wire/entries?amount=3.33')
    assert.deepEqual(here, [])
    assertProblem(await operator.get('/v1/admin/wire/entries?nonsense=1'), 'invalid_query')
  })
})
