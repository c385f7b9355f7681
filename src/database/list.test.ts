import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { aMigratedDatabase, type TestCluster } from '../../test/harness/cluster.ts'
import { aPool } from '../../test/harness/pool.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import { bookPayments, inBook, ofUser, userPayments } from '../payments/list.ts'
import type { StoredPayment } from '../payments/read.ts'
import { type Pool, withOwner } from './connection.ts'
import { type ListSpec, readPage, type Scope } from './list.ts'
import { QueryError } from './list_fields.ts'
import { parseListQuery } from './list_query.ts'

const BOOK = 1 as BookId
const USERS = ['00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-00000000000b'] as UserId[]

/** A few hundred payments of two users in two currencies, two of each moment, with many equal values and with nulls. */
const SEED = `
  insert into books (name, created_at) values ('main', now());
  insert into currencies values (1, 'USD', 2), (1, 'JPY', 0);
  insert into user_keys (book, user_id, key)
    values (1, '${USERS[0]}', gen_random_bytes(32)), (1, '${USERS[1]}', gen_random_bytes(32));
  insert into users (book, id, email, email_key, created_at)
    select 1, v.id, encrypted(1, v.id, v.email), address_hash(v.email), now()
      from (values ('${USERS[0]}'::uuid, 'ada@example.com'), ('${USERS[1]}', 'Bob_%@example.com')) v (id, email);
  insert into accounts (book, id, user_id, currency, name, balance, created_at, updated_at)
    select 1, format('00000000-0000-7000-8000-%s', lpad(to_hex(16 + n), 12, '0'))::uuid,
           (array['${USERS[0]}', '${USERS[1]}'])[1 + n % 2]::uuid, (array['USD', 'JPY'])[1 + n / 4], stored_text(1, null, 'account'), 0, now(), now()
      from generate_series(0, 7) n;
  insert into payments (book, id, kind, status, decline_reason, from_account, to_account, currency, amount, fee, fee_payer,
                        description, metadata, asynchronous, created_at, completed_at, updated_at)
    select 1, format('01900000-00%s-7000-8000-00000000000%s', lpad(to_hex(n / 2), 2, '0'), n % 2)::uuid,
           (array['transfer', 'bonus', 'adjustment'])[1 + n % 3],
           case n % 4 when 0 then 'declined' else 'completed' end,
           case n % 4 when 0 then 'insufficient_funds' end,
           format('00000000-0000-7000-8000-%s', lpad(to_hex(16 + n % 8), 12, '0'))::uuid,
           format('00000000-0000-7000-8000-%s', lpad(to_hex(16 + (n * 5 + 1) % 8), 12, '0'))::uuid,
           (array['USD', 'JPY'])[1 + n % 2], 100 + n % 7, n % 3, (array['sender', 'receiver'])[1 + n % 2],
           stored_text(1, (array['${USERS[0]}', '${USERS[1]}'])[1 + n % 2]::uuid, case n % 5 when 0 then null when 1 then '100%_a' else 'Text ' || n % 4 end),
           stored_text(1, null, jsonb_build_object('color', (array['red', 'green'])[1 + n % 2])::text), n % 2 = 0,
           '2024-06-10 02:35:18.4+00'::timestamptz + n / 2 * interval '1 millisecond',
           case n % 4 when 0 then null else '2024-06-10'::timestamptz + n % 6 * interval '1 hour' end,
           '2024-06-10'::timestamptz + n % 5 * interval '1 hour'
      from generate_series(0, 199) n`

/** What the API shows of a field, and how its values compare; the dumbest list that could be right. */
const FIELDS: Record<string, (payment: StoredPayment) => string | bigint | null> = {
  id: ({ id }) => id,
  kind: ({ kind }) => kind,
  status: ({ status }) => status,
  decline_reason: ({ declineReason }) => declineReason,
  from_account: ({ from }) => from,
  to_account: ({ to }) => to,
  currency: ({ currency }) => currency.code,
  amount: ({ amount, currency }) => amount * 10n ** BigInt(18 - currency.digits),
  fee: ({ fee, currency }) => fee * 10n ** BigInt(18 - currency.digits),
  fee_payer: ({ feePayer }) => feePayer,
  description: ({ description }) => description,
  sender: ({ sender }) => sender,
  receiver: ({ receiver }) => receiver,
  created_at: ({ createdAt }) => createdAt,
  completed_at: ({ completedAt }) => completedAt,
  updated_at: ({ updatedAt }) => updatedAt,
}

/** A value as a caller would write it. */
function written(field: string, payment: StoredPayment): string {
  const value = FIELDS[field]?.(payment)
  if (field === 'id') return encodeId('pay', payment.id)
  if (field === 'from_account') return encodeId('acc', payment.from)
  if (field === 'to_account') return encodeId('acc', payment.to)
  if (field === 'amount' || field === 'fee') return formatAmount(payment[field], payment.currency)
  return String(value)
}

type Asked = { readonly field: string; readonly operator: string; readonly of: number; readonly and: number }

function matches(payment: StoredPayment, { field, operator, of, and }: Asked, all: readonly StoredPayment[]): boolean {
  const read = FIELDS[field] ?? (() => null)
  const [value, wanted, other] = [read(payment), read(all[of] as StoredPayment), read(all[and] as StoredPayment)]
  if (operator === 'ne') return value !== wanted
  if (value === null || wanted === null) return false
  switch (operator) {
    case 'eq':
      return value === wanted
    case 'in':
      return value === wanted || value === other
    case 'gt':
      return value > wanted
    case 'gte':
      return value >= wanted
    case 'lt':
      return value < wanted
    case 'lte':
      return value <= wanted
    default:
      return String(value).toLowerCase().includes(String(wanted).toLowerCase())
  }
}

function inOrder(sort: readonly { field: string; descending: boolean }[]) {
  const [first, last] = [sort[0], sort.at(-1)]
  const byTime = last?.field === 'created_at'
  const terms = [...sort, { field: 'id', descending: (byTime ? last : first)?.descending ?? true }]
  return (left: StoredPayment, right: StoredPayment): number => {
    for (const { field, descending } of terms) {
      const [one, other] = [FIELDS[field]?.(left) ?? null, FIELDS[field]?.(right) ?? null]
      if (one === other) continue
      if (one === null) return 1
      if (other === null) return -1
      return one < other === descending ? 1 : -1
    }
    return 0
  }
}

/** Whether an index has that order; beside the time alone only the id, the same way, is of no other. */
function isOfKey([first, second]: readonly { field: string; descending: boolean }[]): boolean {
  if (first?.field !== 'created_at' || !second) return first?.field === 'id' || first?.field === 'created_at'
  return second.field === 'id' && second.descending === first.descending
}

describe('a list', () => {
  let pool: Pool
  let database: TestCluster
  let all: StoredPayment[]
  const scopes: readonly [string, ListSpec<any, StoredPayment>, Scope, (payment: StoredPayment) => boolean][] = [
    ['of a book', bookPayments, inBook(BOOK), () => true],
    ...USERS.map((user): [string, ListSpec<any, StoredPayment>, Scope, (payment: StoredPayment) => boolean] => [
      'of a user',
      userPayments,
      ofUser(BOOK, user),
      ({ senderUser, receiverUser }) => senderUser === user || receiverUser === user,
    ]),
  ]

  before(async () => {
    database = await aMigratedDatabase()
    await withOwner(database, (client) => client.query(SEED))
    pool = aPool(database, 2, 'inOrder')
    all = await walk(bookPayments, inBook(BOOK), {})
    assert.equal(all.length, 200)
  })

  async function walk(spec: ListSpec<any, StoredPayment>, scope: Scope, raw: Record<string, string>, most?: number) {
    const found: StoredPayment[] = []
    let cursor: string | null = null
    do {
      const query = parseListQuery(spec.fields, cursor === null ? raw : { ...raw, cursor })
      const page: { data: StoredPayment[]; next_cursor: string | null } = await readPage(pool, spec, scope, query, most)
      found.push(...page.data)
      cursor = page.next_cursor
    } while (cursor !== null)
    return found
  }

  it('holds exactly what its filters ask for, in the order asked for, over all of its pages', async () => {
    const names = Object.keys(FIELDS)
    const ofText = new Set(['currency', 'description', 'sender', 'receiver'])
    const someFilter = fc
      .record({
        field: fc.constantFrom(...names),
        operator: fc.constantFrom('eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'like'),
        of: fc.nat(199),
        and: fc.nat(199),
      })
      .filter(({ field, operator }) => operator !== 'like' || ofText.has(field))
    const someSort = fc.uniqueArray(fc.record({ field: fc.constantFrom(...names), descending: fc.boolean() }), {
      maxLength: 3,
      selector: ({ field }) => field,
    })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...scopes),
        fc.uniqueArray(someFilter, { maxLength: 2, selector: ({ field, operator }) => field + operator }),
        someSort,
        fc.integer({ min: 1, max: 200 }),
        fc.option(fc.integer({ min: 5, max: 60 }), { nil: undefined }),
        async ([, spec, scope, visible], filters, sort, limit, most) => {
          const value = (field: string, index: number) => written(field, all[index] as StoredPayment)
          fc.pre(filters.every(({ field, of, and }) => value(field, of) !== 'null' && value(field, and) !== 'null'))
          const raw: Record<string, string> = { limit: String(limit) }
          for (const { field, operator, of, and } of filters) {
            raw[`${field}[${operator}]`] =
              operator === 'in' ? `${value(field, of)},${value(field, and)}` : value(field, of)
          }
          if (sort.length > 0) raw.sort = sort.map(({ field, descending }) => (descending ? '-' : '') + field).join(',')
          const expected = all
            .filter((payment) => visible(payment) && filters.every((filter) => matches(payment, filter, all)))
            .sort(inOrder(sort))
          // Where pages look at few rows, they look at all of them in the end; more than these are not sorted.
          const found = await walk(spec, scope, raw, most).catch((error: unknown) => {
            if (most !== undefined && error instanceof QueryError && error.parameter === 'sort') return null
            throw error
          })
          if (found === null) return assert.ok(sort[0] && !isOfKey(sort))
          assert.deepEqual(
            found.map(({ id }) => id),
            expected.map(({ id }) => id),
          )
        },
      ),
      { numRuns: 60 },
    )
  })

  it('sorts as many rows as a page may look at, and beyond that says what would make them fewer', async () => {
    const ask = (raw: Record<string, string>, most: number) =>
      readPage(pool, bookPayments, inBook(BOOK), parseListQuery(bookPayments.fields, raw), most)
    assert.equal((await ask({ sort: 'amount', limit: '200' }, 200)).data.length, 200)
    await assert.rejects(ask({ sort: 'amount' }, 199), (error) => {
      assert.ok(error instanceof QueryError && error.parameter === 'sort')
      assert.match(error.message, /more than 199 rows.* created_at\[gte\]=.* from_account=/)
      return true
    })
    const from = encodeId('acc', (all[0] as StoredPayment).from)
    const ofOne = await ask({ sort: 'amount', from_account: from }, 199)
    assert.ok(ofOne.data.length > 0 && ofOne.data.every(({ from: account }) => encodeId('acc', account) === from))
    assert.ok((await ask({ sort: 'amount', 'created_at[lt]': all[150]?.createdAt ?? '' }, 199)).data.length > 0)
  })

  it('gives a page that is short, or empty, and where to go on, where it has looked at enough rows', async () => {
    const raw = { 'description[like]': 'text 3', fee_payer: 'sender' }
    const pages: number[] = []
    let cursor: string | null = null
    do {
      const page: { data: unknown[]; next_cursor: string | null } = await readPage(
        pool,
        bookPayments,
        inBook(BOOK),
        parseListQuery(bookPayments.fields, cursor === null ? raw : { ...raw, cursor }),
        50,
      )
      pages.push(page.data.length)
      cursor = page.next_cursor
    } while (cursor !== null)
    const wanted = all.filter(({ description, feePayer }) => description === 'Text 3' && feePayer === 'sender')
    assert.equal(pages.length, 5, 'four pages of fifty rows, and the end')
    assert.equal(
      pages.reduce((sum, count) => sum + count, 0),
      wanted.length,
    )
  })

  it('refuses a cursor of another list', async () => {
    const { next_cursor: cursor } = await readPage(
      pool,
      bookPayments,
      inBook(BOOK),
      parseListQuery(bookPayments.fields, { limit: '1' }),
    )
    assert.ok(cursor)
    const query = parseListQuery(userPayments.fields, { limit: '1', cursor })
    await assert.rejects(readPage(pool, userPayments, ofUser(BOOK, USERS[0] as UserId), query), /another list/)
  })

  it('is filtered by what is in metadata', async () => {
    const red = await walk(bookPayments, inBook(BOOK), { 'metadata[color]': 'red' })
    assert.equal(red.length, 100)
    assert.ok(red.every(({ metadata }) => metadata.color === 'red'))
  })

  it('takes % and _ as what they are', async () => {
    const found = await walk(bookPayments, inBook(BOOK), { 'description[like]': '%_' })
    assert.ok(found.length > 0 && found.every(({ description }) => description === '100%_a'))
  })

  const wrong: readonly [string, Record<string, string>][] = [
    ['a field that it does not have', { nonsense: '1' }],
    ['a field of every object', { constructor: '1' }],
    ['an operator that there is not', { 'amount[about]': '1' }],
    ['like on an amount', { 'amount[like]': '1' }],
    ['an amount that is none', { amount: '1e3' }],
    ['a time that is none', { created_at: 'yesterday' }],
    ['a status that there is not', { status: 'lost' }],
    ['an id of something else', { from_account: 'usr_01h455vb4pex5vsknk084sn02q' }],
    ['a text to look for that is longer than any in a list', { 'description[like]': '%'.repeat(501) }],
    [
      'more filters than a page has time for',
      Object.fromEntries(Array.from({ length: 31 }, (_, index) => [`metadata[${index}][ne]`, 'x'])),
    ],
    ['a limit of nothing', { limit: '0' }],
    ['a limit beyond 200', { limit: '201' }],
    ['an order by what it does not have', { sort: 'nonsense' }],
    ['an order by one field twice', { sort: 'amount,-amount' }],
    ['a cursor that is none', { cursor: 'x' }],
  ]
  for (const [what, raw] of wrong) {
    it(`refuses ${what}`, () => assert.rejects(walk(bookPayments, inBook(BOOK), raw), QueryError))
  }

  it('refuses a cursor of a query with other filters, and one that somebody made up', async () => {
    const ask = (raw: Record<string, string>) =>
      readPage(pool, bookPayments, inBook(BOOK), parseListQuery(bookPayments.fields, raw))
    const { next_cursor: cursor } = await ask({ limit: '1', sort: 'amount' })
    assert.ok(cursor)
    await assert.rejects(ask({ cursor, sort: '-amount' }), QueryError)
    await assert.rejects(ask({ cursor, sort: 'amount', currency: 'USD' }), QueryError)
    const [signature] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    const id = '01900000-0000-7000-8000-000000000001'
    for (const values of [[], ['1'], ['x', id], ['1', 'x'], [null, id], ['1', id, '2'], [1, id], ["1'; --", id]]) {
      const forged = Buffer.from(JSON.stringify([signature, ...values])).toString('base64url')
      await assert.rejects(ask({ cursor: forged, sort: 'amount' }), QueryError)
    }
  })

  it('reads a user’s newest payments from the indexes of both sides, without sorting all of them', async () => {
    // Among many payments, as only there it matters.
    await withOwner(database, (client) =>
      client.query(`
        insert into payments (book, id, kind, status, from_account, to_account, currency, amount, fee, fee_payer,
                              asynchronous, created_at, completed_at, updated_at)
          select 1, gen_random_uuid(), 'transfer', 'completed', gen_random_uuid(), gen_random_uuid(), 'USD', 1, 0, 'sender',
                 false, now(), now(), now()
            from generate_series(1, 20000);
        analyze payments`),
    )
    const { text, values } = await statementOf(userPayments, ofUser(BOOK, USERS[0] as UserId), {})
    const { rows } = await pool.query(`explain ${text}`, [...values])
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    assert.match(plan, /payments_by_sender/)
    assert.match(plan, /payments_by_receiver/)
    assert.doesNotMatch(plan, /Seq Scan on payments/)
  })

  async function statementOf(spec: ListSpec<any, StoredPayment>, scope: Scope, raw: Record<string, string>) {
    let statement = { text: '', values: [] as readonly unknown[] }
    const listening = {
      query: (asked: { text: string; values: unknown[] }) => {
        statement = asked
        return pool.query(asked)
      },
    }
    await readPage(listening as unknown as Pool, spec, scope, parseListQuery(spec.fields, raw))
    return statement
  }
})
