import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import pg from 'pg'
import { readAccounts } from '../src/accounts/account.ts'
import { balanceAt } from '../src/accounts/balance.ts'
import * as accounts from '../src/accounts/list.ts'
import { auditIn, auditLog } from '../src/audit/list.ts'
import { type Pool, type Queryable, withOwner } from '../src/database/connection.ts'
import { parseInstant } from '../src/database/instant.ts'
import { type ListSpec, readPage, type Scope } from '../src/database/list.ts'
import { signatureOf, writeCursor } from '../src/database/list_cursor.ts'
import { type Field, QueryError } from '../src/database/list_fields.ts'
import { parseListQuery } from '../src/database/list_query.ts'
import * as events from '../src/events/list.ts'
import { users, usersIn } from '../src/identity/list.ts'
import type { AccountId, BookId, Instant } from '../src/ledger/id.ts'
import { encodeId } from '../src/ledger/typeid.ts'
import * as payments from '../src/payments/list.ts'
import * as operations from '../src/payments/operations.ts'
import { keepNextTotals } from '../src/reports/keep_totals.ts'
import { readPosition } from '../src/reports/position.ts'
import { readFees, readFlows, readTrialBalance, readVolumes } from '../src/reports/reports.ts'
import { readStatement } from '../src/reports/statement.ts'
import { deliveries, deliveriesTo } from '../src/webhooks/list.ts'
import { aMigratedDatabase, type TestCluster } from './harness/cluster.ts'
import { BUSY, BUSY_ACCOUNT, fillBook, INTERNAL, PAYMENTS, TOLD, timeOf, WEBHOOK } from './harness/full_book.ts'
import { aPool } from './harness/pool.ts'

// What reading costs on a million operations, by PostgreSQL's own account: what it looked at, and how it came there.

const BOOK = 1 as BookId
/** How many rows a page may look at here; fewer than in the API, so that the test is quick. */
const MOST = 2_000

let database: TestCluster
let pool: Pool
/** Where plans are kept of what is explained. */
let keeping: Pool

before(async () => {
  database = await aMigratedDatabase()
  await fillBook(database)
  pool = aPool(database, 2, 'inOrder')
  keeping = aPool(database, 1, 'inOrder')
})

type Node = {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Sort Method'?: string
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly Node[]
}

type Statement = { readonly name?: string; readonly text: string; readonly values?: unknown[] }

const EXPLAIN = 'explain (analyze, buffers, timing off, format json) '

/** How a statement goes whose plan is kept: made once, for whatever values. */
async function explainKept(text: string, values: readonly unknown[]) {
  const client = await keeping.connect()
  try {
    await client.query(`begin; set local plan_cache_mode = force_generic_plan; prepare kept as ${text}`)
    const written = values.map((value) => {
      if (value === null) return 'null'
      return pg.escapeLiteral(Array.isArray(value) ? `{${value.join(',')}}` : String(value))
    })
    return await client.query(`${EXPLAIN} execute kept${written.length > 0 ? `(${written.join(', ')})` : ''}`)
  } finally {
    await client.query('rollback; deallocate all').finally(() => client.release())
  }
}

/** Runs statements for their plans. It answers them where it is to, or with nothing. */
function explaining(plans: Node[], answers = false): Queryable {
  const query = async (statement: string | Statement, given?: unknown[]) => {
    const {
      name,
      text,
      values = [],
    } = typeof statement === 'string' ? { name: undefined, text: statement, values: given } : statement
    const { rows } = name === undefined ? await pool.query(EXPLAIN + text, values) : await explainKept(text, values)
    plans.push(rows[0]['QUERY PLAN'][0].Plan)
    return answers ? pool.query(text, values) : { rows: [] }
  }
  return { query } as unknown as Queryable
}

/** The plans of the statements that `work` runs, each as it went. */
async function plansOf(work: (client: Queryable) => Promise<unknown>): Promise<Node[]> {
  const plans: Node[] = []
  await work(explaining(plans))
  return plans
}

function nodesOf(plan: Node): Node[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}

const SMALL = ['currencies', 'books', 'posting_totals', 'users', 'accounts']
const blocksOf = (plans: readonly Node[]) =>
  plans.reduce((sum, plan) => sum + plan['Shared Hit Blocks'] + plan['Shared Read Blocks'], 0)

/** No sequential scan of a big table, no sort of more than a page, and no more rows looked at than `most`. */
function assertThrifty(plans: readonly Node[], most: number, what: string): void {
  for (const node of plans.flatMap(nodesOf)) {
    const { 'Node Type': type, 'Relation Name': table = '', 'Actual Loops': loops } = node
    const told = `${what}: ${type} ${table}`
    if (type.endsWith('Scan') && table !== '' && !SMALL.includes(table)) {
      const looked = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * loops
      assert.ok(looked <= (type === 'Seq Scan' ? 1_000 : most), `${told} looked at ${looked} rows`)
    }
    // A sort either keeps a page of its rows and no more, or has no more than that.
    if (type === 'Sort' && node['Sort Method'] !== 'top-N heapsort') {
      assert.ok(node['Actual Rows'] <= 202, `${told} of ${node['Actual Rows']} rows`)
    }
  }
}

type AnyList = readonly [name: string, spec: ListSpec<any, any>, scope: Scope, served: Record<string, string>]

/** What a page of 200 takes, where every other row is not shown, or comes from the other of two sides. */
const PAGE = 500

const PAYMENT = '00000000-0000-7000-8000-00000000dead'
const account = encodeId('acc', BUSY_ACCOUNT)

/** Lists that grow without bound, with a value for each equality that an index serves. */
const LISTS: readonly AnyList[] = [
  ['payments of a user', payments.userPayments, payments.ofUser(BOOK, BUSY), {}],
  ['payments from an account', payments.userPayments, payments.ofAccount(BOOK, BUSY_ACCOUNT, 'from'), {}],
  ['payments to an account', payments.userPayments, payments.ofAccount(BOOK, BUSY_ACCOUNT, 'to'), {}],
  [
    'payments of a book',
    payments.bookPayments,
    payments.inBook(BOOK),
    { from_account: account, to_account: account, refund_of: encodeId('pay', PAYMENT as never) },
  ],
  ['payments under way', payments.openPayments, payments.openIn(BOOK), {}],
  ['a user’s payments under way', payments.openAccountPayments, payments.ofUser(BOOK, BUSY, 'o'), {}],
  [
    'payments under way from an account',
    payments.openAccountPayments,
    payments.ofAccount(BOOK, BUSY_ACCOUNT, 'from', 'o'),
    {},
  ],
  [
    'operations of a user',
    operations.operations,
    operations.ofUser(BOOK, BUSY, null, false),
    { payment_id: encodeId('pay', PAYMENT as never), posting_id: encodeId('pst', PAYMENT as never) },
  ],
  ['operations of an account', operations.operations, operations.ofUser(BOOK, BUSY, BUSY_ACCOUNT, true), {}],
  [
    'operations of a book',
    operations.operations,
    operations.inBook(BOOK),
    {
      account_id: account,
      payment_id: encodeId('pay', PAYMENT as never),
      posting_id: encodeId('pst', PAYMENT as never),
    },
  ],
  ['events of a user', events.userEvents, events.ofUser(BOOK, BUSY), {}],
  ['events of a user’s payment', events.userEventsOfObject, events.ofObject(BOOK, BUSY, TOLD), {}],
  ['events of a book', events.bookEvents, events.inBook(BOOK), { object_id: encodeId('pay', PAYMENT as never) }],
  ['deliveries', deliveries, deliveriesTo(BOOK, WEBHOOK), { event_id: encodeId('evt', PAYMENT as never) }],
  ['audit log', auditLog, auditIn(BOOK), {}],
  [
    'accounts of a book',
    accounts.accounts,
    accounts.inBook(BOOK),
    { user_id: encodeId('usr', BUSY), code: 'internal' },
  ],
  ['users', users, usersIn(BOOK), { email: 'user7@example.com' }],
]

/** A value that a field can be compared with and that hardly any row has. */
function rareValue(name: string, { kind, carried }: Field): string {
  if (carried === 'created_at' || kind.shape.startsWith('a time')) return timeOf(PAYMENTS / 2)
  const prefix = /such as ([a-z]{3})_/.exec(kind.shape)?.[1]
  if (prefix) return `${prefix}_${encodeId('pay', PAYMENT as never).slice(4)}`
  if (kind.shape.startsWith('the position')) return 'rs-00000000000000000000000000'
  if (kind.shape.startsWith('one of')) return kind.shape.split(', ').at(-1) ?? ''
  if (kind.shape.startsWith('a currency')) return 'JPY'
  return kind.shape.startsWith('a decimal') ? '987654321' : `no such ${name}`
}

for (const [name, spec, scope, served] of LISTS) {
  describe(`the list of ${name}, with a million operations`, () => {
    const page = (raw: Record<string, string>) => (client: Queryable) =>
      readPage(client, spec, scope, parseListQuery(spec.fields, raw), MOST)
    const plans = (raw: Record<string, string>) => plansOf(page(raw))
    // A union of two sides looks at as many rows on each before it merges them.
    const most = 2 * MOST + 2

    it('is read through an index, in both directions, whatever filter it has', async () => {
      const byKey = Object.entries(spec.fields).find(([, { carried }]) => carried)?.[0] ?? ''
      for (const order of [byKey, `-${byKey}`]) {
        assertThrifty(await plans({ sort: order, limit: '200' }), PAGE, `sort=${order}`)
      }
      for (const [field, description] of Object.entries(spec.fields)) {
        const filter = field === 'metadata' ? 'metadata[nothing]' : field
        const value = rareValue(field, description)
        assertThrifty(await plans({ [filter]: value }), most, `${filter}=${value}`)
        if (!description.carried) continue
        assertThrifty(await plans({ [`${field}[gte]`]: value, limit: '200' }), PAGE, `${field}[gte]=${value}`)
      }
    })

    it('goes straight to what an index finds, with any other filter and any order', async () => {
      for (const [field, value] of Object.entries(served)) {
        const other = 'amount' in spec.fields ? { amount: '987654321' } : {}
        assertThrifty(await plans({ [field]: value, limit: '200' }), PAGE, field)
        assertThrifty(await plans({ [field]: value, ...other }), most, `${field} and another`)
        const by = Object.keys(spec.fields).find((one) => !spec.fields[one]?.carried && one !== field) ?? ''
        const refused = await page({ [field]: value, sort: by })(pool).catch((error: unknown) => error)
        if (!(refused instanceof QueryError))
          assertThrifty(await plans({ [field]: value, sort: by }), most, `${field}, by ${by}`)
      }
    })

    it('sorts by another field what a page may look at, and refuses more than that with a hint', async () => {
      const others = Object.entries(spec.fields).filter(([, { carried }]) => !carried)
      for (const [field] of others) {
        const raw = { sort: `-${field}` }
        const answer = await page(raw)(pool).catch((error: unknown) => error)
        if (answer instanceof QueryError)
          assert.match(answer.message, /more than 2000 rows: ask for less by created_at/)
        else assertThrifty(await plans(raw), most, `sort=-${field}`)
      }
    })
  })
}

describe('the 10 000th page', () => {
  const cases: readonly [string, ListSpec<any, any>, Scope, string][] = [
    [
      'of operations',
      operations.operations,
      operations.inBook(BOOK),
      `select id::text, 'credit' from postings where book = 1 order by id desc offset ${PAYMENTS} limit 1`,
    ],
    [
      'of payments, five a page,',
      payments.bookPayments,
      payments.inBook(BOOK),
      `select id::text from payments where book = 1 order by id desc offset 50000 limit 1`,
    ],
    [
      'of events, two a page,',
      events.userEvents,
      events.ofUser(BOOK, BUSY),
      `select txid::text, id::text from user_events where book = 1 and user_id = '${BUSY}' order by txid desc offset 20000 limit 1`,
    ],
  ]
  for (const [what, spec, scope, place] of cases) {
    it(`${what} costs what the first does`, async () => {
      const query = parseListQuery(spec.fields, {})
      const { rows } = await withOwner(database, (client) => client.query({ text: place, rowMode: 'array' }))
      const cursor = writeCursor(signatureOf(spec.table, query), rows[0] as string[])
      const cost = async (at: string | null) =>
        blocksOf(await plansOf((client) => readPage(client, spec, scope, { ...query, cursor: at })))
      await cost(null)
      const [first, late] = [await cost(null), await cost(cursor)]
      assert.ok(late <= first * 1.5 + 20, `${late} blocks against ${first}`)
    })
  }
})

describe('the books as they were, with a million operations', () => {
  const at = (part: number) => parseInstant(timeOf(Math.floor(PAYMENTS * part))) as Instant

  before(async () => {
    while (await keepNextTotals(pool, BOOK, at(1)));
  })

  const stateOf = async (id: AccountId) => {
    const found = (await readAccounts(pool, BOOK, [id])).get(id)
    assert.ok(found)
    return found
  }

  it('have the balance of a user’s account at any moment for two steps into an index', async () => {
    const account = await stateOf(BUSY_ACCOUNT)
    for (const part of [0.01, 0.33, 0.5, 0.99]) {
      const plans = await plansOf((client) => balanceAt(client, BOOK, account, at(part)))
      assertThrifty(plans, 2, `at ${part}`)
      assert.ok(blocksOf(plans) <= 20, `${blocksOf(plans)} blocks`)
    }
  })

  // From the totals of the day before, at most the postings of one day are added up: 720 payments, two postings each.
  it('have that of a technical account from the last totals before it', async () => {
    const internal = await stateOf(INTERNAL)
    for (const part of [0.01, 0.33, 0.5, 0.99]) {
      assertThrifty(await plansOf((client) => balanceAt(client, BOOK, internal, at(part))), 720, `at ${part}`)
    }
  })

  it('give a statement in pieces that cost the same from its first line to its last', async () => {
    const plans: Node[] = []
    const period = { from: at(0.9), to: at(1) }
    const account = await stateOf(BUSY_ACCOUNT)
    const statement = await readStatement(explaining(plans, true), BOOK, account, 'busy', period, at(1))
    assert.ok(statement)
    plans.length = 0
    let lines = 0
    for await (const piece of statement.lines()) lines += piece.length
    assert.equal(lines, PAYMENTS / 20)
    assertThrifty(plans, 2_000, 'a piece of a statement')
    const costs = plans.map((plan) => blocksOf([plan]))
    assert.ok(costs.length > 10 && Math.max(...costs) <= 1.5 * (costs[0] ?? 0), costs.join(', '))
  })

  it('answer every report from totals, whatever lies between', async () => {
    const asked = { period: { from: at(0.1), to: at(0.9) }, group: null, currency: null }
    const reports: Record<string, (client: Queryable) => Promise<unknown>> = {
      fees: (client) => readFees(client, BOOK, asked),
      flows: (client) => readFlows(client, BOOK, asked),
      daily: (client) => readVolumes(client, BOOK, { ...asked, group: 'day' }),
      monthly: (client) => readVolumes(client, BOOK, { ...asked, group: 'month' }),
      'trial balance': (client) => readTrialBalance(client, BOOK, asked),
      position: (client) => readPosition(client, BOOK, { code: 'USD', digits: 2 }, at(0.5)),
    }
    for (const [name, read] of Object.entries(reports)) {
      const plans = await plansOf(read)
      assertThrifty(plans, 2 * 1_440, name)
      // The whole book has some thirty thousand blocks, and each posting of it two accounts.
      assert.ok(blocksOf(plans) <= 12_000, `${name}: ${blocksOf(plans)} blocks`)
    }
  })
})
