import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Pool, withOwner } from '../src/database/connection.ts'
import { parseInstant } from '../src/database/instant.ts'
import { type BookId, firstIdAt, type Id, type Instant } from '../src/ledger/id.ts'
import { encodeId } from '../src/ledger/typeid.ts'
import { keepNextTotals } from '../src/reports/keep_totals.ts'
import { verifyBooks } from '../src/verify/verify.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { assertProblem, rowsOf } from './harness/paying.ts'
import { aPool } from './harness/pool.ts'

// A book with a year of postings, written as its owner so that they lie in the past; every report is held against the
// plain sums of the postings, before and after totals were kept of them.

const RAILS = ['wire', 'wallet', 'crypto_currency']
const DAY = 86_400_000_000n
const START = parseInstant('2025-01-30T00:00:00Z') as Instant

type Posting = { at: Instant; kind: string; currency: string; amount: bigint; debit: string; credit: string }

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let pool: Pool
let postings: Posting[]
/** The technical accounts, by currency and code. */
const accounts = new Map<string, string>()

before(async () => {
  gateway = await aGateway({ BGW_WELCOME_BONUS: '0' })
  ;[operator, ada] = await Promise.all([anOperator(gateway), aUser(gateway)])
  // What is kept, and when, is for the tests to say.
  await gateway.inside.totals.stop()
  pool = aPool(gateway.database, 2, 'inOrder')
  for (const row of await rowsOf(gateway, `select id, code, currency from accounts where currency in ('USD', 'JPY')`)) {
    accounts.set(`${row.currency} ${row.code ?? 'user'}`, row.id)
  }
  postings = aYear()
  await write(postings)
})

/** Postings of all sorts at irregular times, some of them at one instant and some just at the end of a day. */
function aYear(): Posting[] {
  const pairs = [
    ...RAILS.flatMap((rail) => [
      ['deposit', 'user', rail],
      ['withdrawal', rail, 'user'],
    ]),
    ['fee', 'internal', 'user'],
    ['fee', 'user', 'internal'],
    ['transfer', 'user', 'user'],
    ['conversion', 'exchange', 'user'],
  ]
  return Array.from({ length: 400 }, (_, index) => {
    const [kind = '', debit = '', credit = ''] = pairs[(index * 7) % pairs.length] ?? []
    const day = BigInt(Math.floor(index * 0.6)) * DAY
    const at = (START + day + (index % 5 === 0 ? DAY - 1n : BigInt((index * 7_919) % 86_400) * 1_000_000n)) as Instant
    const currency = index % 3 === 0 ? 'JPY' : 'USD'
    return { at, kind, currency, amount: BigInt((index * 7_919) % 1_000) + 1n, debit, credit }
  }).sort((left, right) => (left.at < right.at ? -1 : left.at > right.at ? 1 : 0))
}

/** A user's own account on both sides would be none: the other side of a transfer is made up. */
async function write(rows: readonly Posting[]): Promise<void> {
  const other = '00000000-0000-7000-8000-00000000dead'
  const accountOf = (currency: string, side: string) =>
    accounts.get(`${currency} ${side}`) ?? '00000000-0000-7000-8000-00000000beef'
  await withOwner(gateway.database, (client) =>
    client.query(
      `insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account, created_at)
       select 1, v.id, v.id, v.kind, v.currency, v.amount, v.debit, v.credit, now()
         from unnest($1::uuid[], $2::text[], $3::text[], $4::numeric[], $5::uuid[], $6::uuid[])
           as v (id, kind, currency, amount, debit, credit)`,
      [
        rows.map(({ at }, index) => firstIdAt(at).replace(/.{6}$/, index.toString(16).padStart(6, '0'))),
        rows.map(({ kind }) => kind),
        rows.map(({ currency }) => currency),
        rows.map(({ amount }) => amount),
        rows.map(({ currency, debit }) => accountOf(currency, debit)),
        rows.map(({ currency, credit, debit }) => (credit === debit ? other : accountOf(currency, credit))),
      ],
    ),
  )
}

async function report(name: string, query: Record<string, string>): Promise<any[]> {
  const { status, body } = await operator.get(`/v1/admin/reports/${name}?${new URLSearchParams(query)}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body.data
}

const units = (text: string) => BigInt(text.replace('.', ''))
const within = ({ from, to, currency }: Asked) =>
  postings.filter((posting) => posting.at >= from && posting.at < to && (!currency || posting.currency === currency))
const sum = (rows: readonly Posting[]) => rows.reduce((total, { amount }) => total + amount, 0n)

type Asked = { from: Instant; to: Instant; currency: string | undefined }
const wire = (at: Instant) =>
  new Date(Number(at / 1_000n)).toISOString().replace('Z', `${String(at % 1_000n).padStart(3, '0')}Z`)

/** A period, with ends at midnight, at postings, and anywhere. */
const anAsked = fc
  .record({
    ends: fc.tuple(anInstant(), anInstant()).filter(([one, other]) => one !== other),
    currency: fc.constantFrom(undefined, 'USD', 'JPY', 'EUR'),
  })
  .map(({ ends, currency }): Asked => {
    const [from, to] = ends.sort((one, other) => (one < other ? -1 : 1)) as [Instant, Instant]
    return { from, to, currency }
  })

function anInstant(): fc.Arbitrary<Instant> {
  return fc.oneof(
    fc.nat(250).map((day) => (START + BigInt(day) * DAY) as Instant),
    fc.nat(399).map((index) => aYear()[index]?.at as Instant),
    fc.bigInt({ min: 0n, max: 250n * DAY }).map((offset) => (START + offset) as Instant),
  )
}

function queryOf({ from, to, currency }: Asked, more: object = {}): Record<string, string> {
  return { from: wire(from), to: wire(to), ...(currency ? { currency } : {}), ...more }
}

async function assertReportsAreExact(runs: number): Promise<void> {
  const property = fc.asyncProperty(anAsked, fc.constantFrom(undefined, 'day', 'month'), async (asked, group) => {
    const rows = within(asked)
    const labelOf = ({ at }: Posting) => (group ? wire(at).slice(0, group === 'day' ? 10 : 7) : null)
    const query = queryOf(asked, group ? { group_by: group } : {})
    const ofLine = (line: any) => rows.filter((row) => labelOf(row) === line.period && row.currency === line.currency)

    const fees = await report('fees', query)
    for (const line of fees) {
      const own = ofLine(line).filter(({ kind }) => kind === 'fee')
      assert.equal(units(line.earned), sum(own.filter(({ debit }) => debit === 'internal')))
      assert.equal(units(line.returned), sum(own.filter(({ credit }) => credit === 'internal')))
    }
    const total = (lines: any[], column: string) => lines.reduce((all, line) => all + units(line[column]), 0n)
    assert.equal(total(fees, 'earned'), sum(rows.filter(({ kind, debit }) => kind === 'fee' && debit === 'internal')))

    const flows = await report('flows', query)
    for (const line of flows) {
      const into = ofLine(line).filter(({ credit }) => credit === line.rail)
      const out = ofLine(line).filter(({ debit }) => debit === line.rail)
      assert.deepEqual([units(line.money_in), line.count_in], [sum(into), into.length])
      assert.deepEqual([units(line.money_out), line.count_out], [sum(out), out.length])
    }
    assert.equal(total(flows, 'money_in'), sum(rows.filter(({ credit }) => RAILS.includes(credit))))

    const daily = await report('daily', query)
    assert.equal(total(daily, 'amount'), sum(rows))
    for (const line of group ? daily : []) {
      const own = ofLine(line).filter(({ kind }) => kind === line.kind)
      assert.deepEqual([units(line.amount), line.count], [sum(own), own.length])
    }

    const balances = await report('trial-balance', query)
    for (const part of new Set(balances.map((line) => `${line.period} ${line.currency}`))) {
      const own = balances.filter((line) => `${line.period} ${line.currency}` === part)
      assert.equal(total(own, 'closing'), 0n)
      assert.equal(total(own, 'debits'), total(own, 'credits'))
    }
    const past = within({ ...asked, from: 0n as Instant })
    for (const line of balances) {
      const own = (side: 'debit' | 'credit', all: readonly Posting[]) =>
        sum(all.filter((row) => row.currency === line.currency && row[side] === line.account))
      const [before, during] = [
        past.filter((row) => row.at < asked.from || (group && (labelOf(row) ?? '') < line.period)),
        rows.filter((row) => labelOf(row) === line.period),
      ]
      const [debits, credits] = [own('debit', during), own('credit', during)]
      const opening = own('debit', before) - own('credit', before)
      assert.deepEqual([units(line.opening), units(line.debits), units(line.credits)], [opening, debits, credits])
      assert.equal(units(line.closing), opening + debits - credits)
    }
  })
  await fc.assert(property, { numRuns: runs })
}

async function assertBalancesAreExact(runs: number): Promise<void> {
  const property = fc.asyncProperty(anInstant(), fc.constantFrom('internal', 'wire', 'exchange'), async (at, code) => {
    const id = encodeId('acc', accounts.get(`USD ${code}`) as Id<'account'>)
    const { body } = await operator.get(`/v1/accounts/${id}/balance?at=${wire(at)}`)
    const past = within({ from: 0n as Instant, to: (at + 1n) as Instant, currency: 'USD' })
    const expected = sum(past.filter(({ debit }) => debit === code)) - sum(past.filter(({ credit }) => credit === code))
    assert.equal(units(body.balance), expected)
  })
  await fc.assert(property, { numRuns: runs })
}

describe('reports', () => {
  it('are the sums of the postings where no totals are kept yet', async () => {
    await assertReportsAreExact(5)
    await assertBalancesAreExact(10)
  })

  it('are the same over totals, whatever is kept of them', async () => {
    const book = 1 as BookId
    const keepAll = async (settled: Instant) => {
      while ((await Promise.all([1, 2].map(() => keepNextTotals(pool, book, settled, 7)))).includes(true)) kept += 1
    }
    const middle = (START + 100n * DAY + 5n) as Instant
    let kept = 0
    await keepAll(middle)
    await assertReportsAreExact(6)
    await keepAll((START + 400n * DAY) as Instant)
    const [{ steps }] = await rowsOf(gateway, 'select count(distinct before)::int as steps from posting_totals')
    assert.ok(kept > 20)
    // Two that are not quite at once do two steps.
    assert.ok(steps >= kept, `${steps} of ${kept}`)
    await assertReportsAreExact(12)
    await assertBalancesAreExact(25)
  })

  it('keep no totals behind what is settled, and none of half a step', async () => {
    const [{ before }] = await rowsOf(gateway, 'select max(before::text) as before from posting_totals')
    const late = postings.at(-1)?.at ?? START
    assert.ok(before <= firstIdAt((late + DAY) as Instant))
    assert.equal(await keepNextTotals(pool, 1 as BookId, (late + 1n) as Instant, 7), false)
  })

  it('stand on totals that a gateway keeps by itself, and that verify holds against the postings', async () => {
    const [{ kept }] = await rowsOf(gateway, 'select count(*) as kept from posting_totals')
    await rowsOf(gateway, 'delete from posting_totals')
    const other = await aGateway({}, gateway.database)
    const steps = async () =>
      (await rowsOf(gateway, 'select count(distinct before) as steps from posting_totals'))[0].steps
    // As many as there are days with postings.
    const days = BigInt(new Set(postings.map(({ at }) => at / DAY)).size)
    await until(async () => (await steps()) === days)
    await other.stop()
    assert.ok(days < kept)
    await assertReportsAreExact(3)
    const wrongTotals = async () => {
      const { findings } = await verifyBooks(gateway.database)
      return findings.filter(({ text }) => text.includes('totals kept'))
    }
    assert.deepEqual(await wrongTotals(), [])
    const [last] = await rowsOf(gateway, 'select max(before::text)::uuid as before from posting_totals')
    const [first] = await rowsOf(
      gateway,
      `select min(before::text)::uuid as before from posting_totals where kind = 'fee'`,
    )
    for (const { before } of [first, last]) {
      for (const [change, back] of [
        ['amount = amount + 1', 'amount = amount - 1'],
        ['postings = postings + 7', 'postings = postings - 7'],
      ] as const) {
        const where = `where before = '${before}' and kind = 'fee'`
        await rowsOf(gateway, `update posting_totals set ${change} ${where}`)
        assert.ok((await wrongTotals()).length > 0, change)
        await rowsOf(gateway, `update posting_totals set ${back} ${where}`)
      }
    }
    assert.deepEqual(await wrongTotals(), [])
    await rowsOf(gateway, `delete from posting_totals where before = '${last.before}' and kind = 'fee'`)
    assert.ok((await wrongTotals()).length > 0)
    await rowsOf(gateway, 'delete from posting_totals')
  })

  it('count what has just been posted', async () => {
    const asked = { currency: 'USD' }
    const before = (await report('trial-balance', asked)).find(({ account }) => account === 'internal')
    const wish = { account: await ada.account('USD'), amount: '3.21', direction: 'debit', reason: 'Just now' }
    assert.equal((await operator.post('/v1/admin/adjustments', wish)).status, 201)
    const after = (await report('trial-balance', asked)).find(({ account }) => account === 'internal')
    assert.equal(units(after.closing), units(before.closing) - 321n)
    assert.ok((await report('daily', asked)).some(({ kind, count }) => kind === 'adjustment' && count === 1))
  })

  it('of a trial balance go on, by month or day, from where the part before ended', async () => {
    const asked = { from: wire(START), to: wire((START + 200n * DAY) as Instant), currency: 'USD' }
    const internal = async (more: object) =>
      (await report('trial-balance', { ...asked, ...more })).filter(({ account }) => account === 'internal')
    const [whole] = await internal({})
    const months = await internal({ group_by: 'month' })
    assert.ok(months.length > 3)
    assert.equal(whole.period, null)
    assert.deepEqual(
      months.map(({ period }) => period),
      months.map(({ period }) => period).sort(),
    )
    assert.equal(months[0].opening, whole.opening)
    assert.equal(months.at(-1).closing, whole.closing)
    for (const [index, month] of months.slice(1).entries()) assert.equal(month.opening, months[index].closing)
  })

  it('of a trial balance are of one moment, included', async () => {
    const { at } = postings[50] as Posting
    const lines = await report('trial-balance', { at: wire(at) })
    assert.deepEqual(lines, await report('trial-balance', { to: wire((at + 1n) as Instant) }))
    assert.notDeepEqual(lines, await report('trial-balance', { to: wire(at) }))
    // The last moment that can be written is one to come, too: it is as of now.
    assert.deepEqual(
      await report('trial-balance', { at: '9999-12-31T23:59:59.999999Z' }),
      await report('trial-balance', {}),
    )
    const { body } = await operator.get(`/v1/admin/reports/trial-balance?at=${wire(at)}&to=${wire(at)}`)
    assert.equal(body.code, 'invalid_query')
  })

  it('come as CSV with the same lines', async () => {
    for (const name of ['fees', 'flows', 'daily', 'trial-balance']) {
      const query = { from: wire(START), to: wire((START + 90n * DAY) as Instant) }
      const lines = await report(name, query)
      const { headers, body } = await operator.get(
        `/v1/admin/reports/${name}?${new URLSearchParams({ ...query, format: 'csv' })}`,
      )
      assert.match(headers.get('content-type') ?? '', /^text\/csv/)
      const [head, ...records] = body.trim().split('\r\n')
      assert.equal(head, Object.keys(lines[0]).join(','))
      assert.deepEqual(
        records,
        lines.map((line) =>
          Object.values(line)
            .map((value) => value ?? '')
            .join(','),
        ),
      )
    }
  })

  it('are for operators', async () => {
    for (const name of ['fees', 'flows', 'daily', 'trial-balance']) {
      assertProblem(await ada.get(`/v1/admin/reports/${name}`), 'forbidden')
      assertProblem(await gateway.anybody.get(`/v1/admin/reports/${name}`), 'unauthenticated')
    }
    assertProblem(await operator.get('/v1/admin/reports/nonsense'), 'not_found')
  })

  for (const [what, path] of [
    ['a currency that the book does not have', 'fees?currency=XXX'],
    ['a currency that is none', 'fees?currency=usd'],
    ['a time that is none', 'flows?from=soon'],
    ['a beginning behind the end', 'flows?from=2025-02-02&to=2025-02-01'],
    ['a group that there is not', 'daily?group_by=hour'],
    ['more parts than anybody reads', 'daily?from=1970-01-01&group_by=day'],
    ['a balance of more parts than anybody reads', 'trial-balance?group_by=day'],
    ['a format that there is not', 'fees?format=xml'],
  ]) {
    it(`are refused for ${what}`, async () => {
      assertProblem(await operator.get(`/v1/admin/reports/${path}`), 'invalid_query')
    })
  }

  it('are refused for a moment where there are periods', async () => {
    assertProblem(await operator.get('/v1/admin/reports/fees?at=2025-01-01'), 'unknown_field')
  })

  it('of months may be of a long time', async () => {
    const lines = await report('daily', { from: '1970-01-01', to: '9999-12-31', group_by: 'month' })
    assert.ok(lines.length > 20)
  })
})
