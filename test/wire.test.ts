import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { decodeId } from '../src/ledger/typeid.ts'
import { wireReference } from '../src/rails/wire/matching.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertProblem, everyPage } from './harness/paying.ts'

const MULTI = readFileSync(join(import.meta.dirname, 'data/camt/camt053.v2.multi.statement.xml'), 'utf8')
const IBAN = 'NL26VAYB8060476890'
const XML = { 'content-type': 'application/xml' }

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
before(async () => {
  const accounts = `EUR:${IBAN},CZK:CZ65 0800 0000 1920 0014 5399,other/EUR:DE89370400440532013000`
  gateway = await aGateway({ BGW_WIRE_ACCOUNTS: accounts })
  ;[operator, ada] = await Promise.all([anOperator(gateway, { allBooks: true }), aUser(gateway)])
})

type Movement = { readonly amount: string; readonly out?: true; readonly reference?: string; readonly text?: string }
let messages = 0

/** A statement of movements on one day, in euros; `message` to send another one as the same. */
function aStatement(movements: readonly Movement[], { day = today(), message = '', iban = IBAN } = {}): string {
  messages += 1
  const id = message === '' ? `MSG-${messages}` : message
  const cents = movements.reduce((sum, { amount, out }) => sum + Math.round(Number(amount) * 100) * (out ? -1 : 1), 0)
  const balance = (type: string, units: number) =>
    `<Bal><Tp><CdOrPrtry><Cd>${type}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">${(units / 100).toFixed(2)}</Amt>` +
    `<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>${day}</Dt></Dt></Bal>`
  const entries = movements.map(
    ({ amount, out, reference = 'NOTPROVIDED', text = '' }) =>
      `<Ntry><Amt Ccy="EUR">${amount}</Amt><CdtDbtInd>${out ? 'DBIT' : 'CRDT'}</CdtDbtInd><Sts>BOOK</Sts>` +
      `<BookgDt><Dt>${day}</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>${reference}</EndToEndId></Refs>` +
      `<RltdPties><Dbtr><Nm>Bob</Nm></Dbtr><DbtrAcct><Id><IBAN>GB29NWBK60161331926819</IBAN></Id></DbtrAcct></RltdPties>` +
      `<RmtInf><Ustrd>${text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>`,
  )
  return (
    `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.04"><BkToCstmrStmt><GrpHdr><MsgId>${id}</MsgId>` +
    `</GrpHdr><Stmt><Id>${id}</Id><Acct><Id><IBAN>${iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>${balance('OPBD', 100_000)}` +
    `${balance('CLBD', 100_000 + cents)}${entries.join('')}</Stmt></BkToCstmrStmt></Document>`
  )
}

const today = () => new Date().toISOString().slice(0, 10)
const upload = (file: string, headers = {}) => operator.post('/v1/admin/wire/statements', file, { ...XML, ...headers })

async function taken(file: string) {
  const reply = await upload(file)
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
  return reply.body
}
const entriesOf = async ({ id }: { id: string }) => everyPage(operator, `/v1/admin/wire/entries?file_id=${id}`)

/** A deposit or withdrawal by wire that waits for the bank. */
async function aPending(kind: 'deposit' | 'withdrawal', cents: bigint, fee = 0n): Promise<string> {
  const { pool } = gateway.inside
  const account = decodeId('acc', await ada.account('EUR'))
  const { rows } = await pool.query(
    `insert into payments (book, id, kind, status, from_account, to_account, currency, amount, fee, fee_payer, rail,
                           metadata, asynchronous, created_at, updated_at)
     select 1, uuidv7(), $1, 'pending', case $1 when 'deposit' then w.id else $2 end,
            case $1 when 'deposit' then $2 else w.id end, 'EUR', $3, $4, 'receiver', 'wire', '{}', false, now(), now()
       from accounts w where w.book = 1 and w.code = 'wire' and w.currency = 'EUR'
     returning id`,
    [kind, account, cents, fee],
  )
  return rows[0].id
}

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
        ...{ statement_id: '253EURNL26VAYB8060476890', account: IBAN, currency: 'EUR', added: 1, known: 0 },
        opening: { bank: '18.15', books: '0.00', difference: '18.15' },
        closing: { bank: '27.00', books: '0.00', difference: '27.00' },
      },
      {
        ...{ statement_id: '254EURNL26VAYB8060476890', account: IBAN, currency: 'EUR', added: 1, known: 0 },
        opening: { bank: '27.00', books: '0.00', difference: '27.00' },
        closing: { bank: '20.00', books: '0.00', difference: '20.00' },
      },
    ])
    const entries = await entriesOf(body)
    assert.deepEqual(
      entries.map(({ amount, direction, status, remittance }) => [amount, direction, status, remittance]),
      [
        ['7.00', 'out', 'unmatched', 'Transaction Description 2'],
        ['8.85', 'in', 'unmatched', 'Transaction Description 1'],
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
    await taken(aStatement([movement], { message: 'SAME' }))
    assertProblem(await upload(aStatement([movement, movement], { message: 'SAME' })), 'invalid_file')
  })

  it('that overlaps with another adds only what is new, and two equal movements are two', async () => {
    const rent = { amount: '77.01', text: 'rent' }
    const first = await taken(aStatement([rent, rent]))
    assert.deepEqual([first.statements[0].added, first.statements[0].known], [2, 0])
    const second = await taken(aStatement([rent, rent, { amount: '77.02', text: 'more' }]))
    assert.deepEqual([second.statements[0].added, second.statements[0].known], [1, 2])
    assert.deepEqual(
      (await entriesOf(second)).map(({ remittance }) => remittance),
      ['more'],
    )
  })

  it('names what its movements may be: by reference, then by amount and date', async () => {
    const deposit = await aPending('deposit', 12_345n)
    const other = await aPending('deposit', 999n)
    const withdrawal = await aPending('withdrawal', 50_000n, 100n)
    const reference = wireReference(deposit as never)
    const file = await taken(
      aStatement([
        { amount: '123.45', text: `Invoice ${reference.toLowerCase()}` },
        { amount: '9.99' },
        { amount: '499.00', out: true, reference: wireReference(withdrawal as never) },
        { amount: '1.23', text: 'who knows' },
      ]),
    )
    const entries = (await entriesOf(file)).reverse()
    const ids = (await ada.get('/v1/payments?status=pending')).body.data.map(({ id }: { id: string }) => id)
    assert.deepEqual(
      entries.map(({ suggestions }) =>
        suggestions.map((each: any) => [decodeId('pay', each.payment_id), each.reference, each.amount]),
      ),
      [[[deposit, true, true]], [[other, false, true]], [[withdrawal, true, true]], []],
    )
    for (const { suggestions } of entries) for (const { payment_id } of suggestions) assert.ok(ids.includes(payment_id))
    assert.equal(entries[0]?.counterparty_account, 'GB29…6819')
    const listed = await operator.get(
      `/v1/admin/wire/entries?file_id=${file.id}&direction=out&status=unmatched&sort=amount`,
    )
    assert.deepEqual(
      listed.body.data.map(({ amount }: { amount: string }) => amount),
      ['499.00'],
    )
  })

  it('of an account that is not the book’s own, or in another currency, is refused whole', async () => {
    const foreign = await upload(aStatement([{ amount: '1.00' }], { iban: 'DE89370400440532013000' }))
    assertProblem(foreign, 'invalid_file')
    assert.match(foreign.body.detail, /none of the book's own/)
    const czech = await upload(aStatement([{ amount: '1.00' }], { iban: 'CZ6508000000192000145399' }))
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

  it('is for operators, and each book has its own', async () => {
    assertProblem(await ada.post('/v1/admin/wire/statements', MULTI, XML), 'forbidden')
    assertProblem(await ada.get('/v1/admin/wire/entries'), 'forbidden')
    assertProblem(await ada.get('/v1/admin/wire/files'), 'forbidden')
    assertProblem(await gateway.anybody.post('/v1/admin/wire/statements', MULTI, XML), 'unauthenticated')
    assert.equal((await operator.post('/v1/admin/books', { name: 'other' })).status, 201)
    const inOther = { book: 'other' }
    assertProblem(await upload(MULTI, inOther), 'invalid_file')
    const file = aStatement([{ amount: '3.33' }], { iban: 'DE89370400440532013000' })
    assert.equal((await upload(file, inOther)).status, 200)
    assert.equal((await operator.get('/v1/admin/wire/entries', inOther)).body.data.length, 1)
    const here = await everyPage(operator, '/v1/admin/wire/entries?amount=3.33')
    assert.deepEqual(here, [])
    assertProblem(await operator.get('/v1/admin/wire/entries?nonsense=1'), 'invalid_query')
  })
})
