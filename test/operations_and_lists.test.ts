import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Client, Reply } from './harness/client.ts'
import { readOperations, valueAt } from './harness/document.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import { anAccount, assertBooksAreRight, assertProblem, everyPage, fund, locking, transfer } from './harness/paying.ts'

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let bob: TestUser
let adaUsd: string
let bobUsd: string

// Some of everything: payments with and without fees, in several currencies, declined, described, between own accounts.
before(async () => {
  gateway = await aGateway()
  ;[operator, ada, bob] = await Promise.all([anOperator(gateway), aUser(gateway), aUser(gateway)])
  ;[adaUsd, bobUsd] = await Promise.all([ada.account('USD'), bob.account('USD')])
  const [yen, bobsYen] = [await anAccount(ada, 'JPY', { name: 'Rainy days' }), await anAccount(bob, 'JPY')]
  const savings = await anAccount(ada, 'USD', { name: 'Savings', metadata: { goal: 'boat' } })
  await fund(operator, yen, '5000')
  await operator.post(`/v1/admin/accounts/${await ada.account('CNY')}/freeze`, { reason: 'A court order' })
  const wishes = [
    transfer(adaUsd, bobUsd, '10.00', { description: 'Lunch 100%', metadata: { order: '1', 'a.b[c]': 'x' } }),
    transfer(adaUsd, bobUsd, '9.99', { description: 'lunch_again', metadata: { order: '2' }, fee_payer: 'sender' }),
    transfer(adaUsd, savings, '5.00', { metadata: { 'order][no': '7' } }),
    transfer(adaUsd, bobUsd, '500.00'),
    transfer(adaUsd, bobsYen, '1.00'),
    transfer(yen, bobsYen, '1000', { metadata: { order: '1' } }),
    transfer(yen, bobsYen, '10'),
    transfer(savings, adaUsd, '2.50', { description: '' }),
  ]
  for (const wish of wishes) assert.equal((await ada.post('/v1/payments', wish)).status, 201)
  assert.equal((await bob.post('/v1/payments', transfer(bobUsd, adaUsd, '3.00'))).status, 201)
})

/** The lists that are looked into closely, and a caller who sees something in each; lists.test.ts goes through all. */
const lists: readonly [string, () => Client][] = [
  ['/v1/tokens', () => ada],
  ['/v1/accounts', () => ada],
  ['/v1/payments', () => ada],
  ['/v1/operations', () => ada],
  ['/v1/admin/users', () => operator],
  ['/v1/admin/accounts', () => operator],
  ['/v1/admin/payments', () => operator],
  ['/v1/admin/operations', () => operator],
  ['/v1/admin/audit', () => operator],
]

/** What a list may be filtered and sorted by, as the document says. */
async function fieldsOf(path: string): Promise<string[]> {
  const operations = await readOperations(gateway)
  const list = operations.find((operation) => operation.path === path && operation.method === 'GET')
  return (list?.query ?? []).filter((name) => !['limit', 'cursor', 'sort', 'format', 'fields', 'expand'].includes(name))
}

/**
 * Written by the gateway in the background, so that it may differ between two readings; and compared as its JSON, which
 * test/audit.test.ts does.
 */
const MOVING = ['last_used_at', 'detail']

/** A field of a row as a filter compares it: amounts as whole numbers, words as one text, everything else as text. */
function comparable(field: string, value: any): string | bigint | null {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return value.join(' ')
  // Ids are in the order of time whatever they are of. The two operations of a posting share one; the credit comes first.
  if (/^[a-z]{3}_[0-9a-z]{26}$/.test(value)) return `${value.slice(4)} ${value.slice(0, 3)}`
  if (!/^(amount|fee|net_amount|refunded_amount|balance|balance_after|held|available|overdraft_limit)$/.test(field)) {
    return String(value)
  }
  const [whole = '', fraction = ''] = value.split('.')
  return BigInt(whole + fraction.padEnd(18, '0'))
}

/** Whether the order of a field's values is the same here and in the database, whatever its collation. */
const isOrdered = (field: string, value: any) => typeof value === 'bigint' || /(^|_)(id|at|account)$/.test(field)

const idsOf = (rows: readonly any[]) => rows.map(({ id }) => id).sort()

for (const [path, caller] of lists) {
  describe(`the list ${path}`, () => {
    // Technical accounts are many; those of a few currencies are enough.
    const some = path === '/v1/admin/accounts' ? 'currency[like]=SD&' : ''
    const find = (query: string) => everyPage(caller(), `${path}?${some}${query}`)
    const filter = (field: string, operator: string, value: string) =>
      find(`${field}${operator === 'eq' ? '' : `[${operator}]`}=${encodeURIComponent(value)}`)

    it('finds by every field with every operator what has such a value, and only that', async () => {
      const all = await find('')
      for (const field of (await fieldsOf(path)).filter((name) => !MOVING.includes(name))) {
        const given = all.filter((row) => comparable(field, valueAt(row, field)) !== null)
        // Several words are equal to each of them, which test/lists.test.ts has.
        if (given.some((row) => Array.isArray(valueAt(row, field)))) continue
        const values = new Set(given.map((row) => [valueAt(row, field)].flat().map(String).join(' ')))
        for (const value of [...values].slice(0, 3)) {
          const wanted = comparable(field, value)
          const found = async (operator: string) =>
            idsOf(await find(`${field}[${operator}]=${encodeURIComponent(value)}`))
          const such = (test: (own: any) => boolean) =>
            idsOf(all.filter((row) => test(comparable(field, valueAt(row, field)))))
          assert.deepEqual(
            idsOf(await find(`${field}=${encodeURIComponent(value)}`)),
            such((own) => own === wanted),
            `${field}=${value}`,
          )
          assert.deepEqual(
            await found('ne'),
            such((own) => own !== wanted),
            `${field}[ne]=${value}`,
          )
          const [gt, gte, lt, lte] = await Promise.all(['gt', 'gte', 'lt', 'lte'].map(found))
          assert.deepEqual([...(gt ?? []), ...(lte ?? [])].sort(), idsOf(given), `${field}[gt|lte]=${value}`)
          assert.deepEqual([...(gte ?? []), ...(lt ?? [])].sort(), idsOf(given), `${field}[gte|lt]=${value}`)
          assert.deepEqual([...(gt ?? []), ...such((own) => own === wanted)].sort(), gte, `${field}[gte]=${value}`)
          if (isOrdered(field, wanted))
            assert.deepEqual(
              gt,
              such((own) => own !== null && own > (wanted ?? '')),
              `${field}[gt]=${value}`,
            )
          if (!value.includes(','))
            assert.deepEqual(
              await found('in'),
              such((own) => own === wanted),
              `${field}[in]=${value}`,
            )
        }
      }
    })

    it('comes in the order of every field, in pages that together are the whole list', async () => {
      const all = idsOf(await find(''))
      const withMetadata = (await find('')).some(({ metadata }) => metadata)
      for (const field of [...(await fieldsOf(path)), ...(withMetadata ? ['metadata'] : [])]) {
        for (const sign of ['', '-']) {
          const rows = await everyPage(caller(), `${path}?${some}sort=${sign}${field}`, all.length > 30 ? 11 : 4)
          assert.deepEqual(idsOf(rows), all, `sort=${sign}${field}`)
          if (MOVING.includes(field)) continue
          const values = rows.map((row) => comparable(field, valueAt(row, field)))
          const firstNull = values.indexOf(null)
          if (firstNull >= 0)
            assert.ok(
              values.slice(firstNull).every((value) => value === null),
              `sort=${sign}${field}`,
            )
          const given = values.filter((value) => value !== null)
          const ascending = sign === '' ? given : [...given].reverse()
          for (const [index, value] of ascending.entries()) {
            const earlier = ascending[index - 1]
            if (earlier === undefined || !isOrdered(field, value)) continue
            assert.ok(earlier <= value, `sort=${sign}${field}: ${earlier} before ${value}`)
          }
        }
      }
    })

    it('is newest first where no order is asked for', async () => {
      const rows = await find('')
      const times = rows.map(({ created_at }) => created_at)
      assert.deepEqual(times, [...times].sort().reverse())
    })

    it('refuses fields, operators and values that it does not know', async () => {
      const [field = ''] = await fieldsOf(path)
      for (const query of [
        'surprise=1',
        'surprise[gt]=1',
        `${field}[near]=1`,
        `${field}[]=1`,
        `${field}[gt][lt]=1`,
        `${field}=1&${field}=2`,
        'id=x',
        'id[gt]=acc',
        'created_at[gt]=yesterday',
        'created_at=2026-01-01T00:00:00%2B99:00',
        'created_at[like]=2026',
        'limit=0',
        'limit=201',
        'limit=x',
        'limit=',
        'sort=surprise',
        'sort=',
        'sort=id,id',
        'sort=+id',
        'cursor=x',
        'cursor=',
        `cursor=${Buffer.from('["x","y"]').toString('base64url')}`,
        `cursor=${Buffer.from('{}').toString('base64url')}`,
      ]) {
        const answer = await caller().get(`${path}?${query}`)
        assertProblem(answer, 'invalid_query')
        assert.equal(answer.body.errors.length, 1, query)
      }
    })

    it('reads any offset of a time', async () => {
      for (const time of [
        '2026-01-01T00:00:00%2B23:59',
        '2026-01-01t00:00:00.123456789z',
        '9999-12-31T23:59:59-23:59',
      ]) {
        for (const field of (await fieldsOf(path)).filter((name) => name.endsWith('_at'))) {
          const { status } = await caller().get(`${path}?${field}[gt]=${time}`)
          assert.ok(status === 200 || (status === 400 && time.startsWith('9999')), `${field}[gt]=${time}: ${status}`)
        }
      }
    })

    it('has fifty rows a page where no limit is given, and at most two hundred', async () => {
      const { body } = await caller().get(`${path}?${some}`)
      assert.deepEqual(Object.keys(body), ['data', 'next_cursor'])
      const all = await find('')
      assert.equal(body.data.length, Math.min(50, all.length))
      assert.equal(body.next_cursor === null, all.length <= 50)
      const filtered = await filter('created_at', 'gt', '2090-01-01T00:00:00Z')
      assert.deepEqual(filtered, [])
    })
  })
}

describe('a text filter', () => {
  const descriptions = async (query: string) =>
    (await everyPage(ada, `/v1/payments?${query}`)).map(({ description }) => description).sort()

  it('finds a part of a text in any case, and takes % and _ as they are', async () => {
    assert.deepEqual(await descriptions('description[like]=LUNCH'), ['Lunch 100%', 'lunch_again'])
    assert.deepEqual(await descriptions('description[like]=0%25'), ['Lunch 100%'])
    assert.deepEqual(await descriptions('description[like]=_'), ['lunch_again'])
    assert.deepEqual(await descriptions('description[like]=%5C'), [])
  })

  it('finds a part of a text in any case of any script', async () => {
    const user = await aUser(gateway)
    for (const name of ['Žluťoučký kůň', 'Νίκος', 'Łódź']) await anAccount(user, 'USD', { name })
    const names = async (part: string) => {
      const { body } = await user.get(`/v1/accounts?sort=created_at&name[like]=${encodeURIComponent(part)}`)
      return body.data.map(({ name }: { name: string }) => name)
    }
    assert.deepEqual(await names('ŽLUŤ'), ['Žluťoučký kůň'])
    assert.deepEqual(await names('žluť'), ['Žluťoučký kůň'])
    assert.deepEqual(await names('ΊΚΟΣ'), ['Νίκος'])
    assert.deepEqual(await names('łó'), ['Łódź'])
    assert.deepEqual(await names('zlut'), [])
  })

  it('finds amounts as large as accounts come to hold', async () => {
    const user = await aUser(gateway)
    const yen = await anAccount(user, 'JPY')
    for (let times = 0; times < 10; times += 1) await fund(operator, yen, `1${'0'.repeat(30)}`)
    for (const [query, found] of [
      [`balance=1${'0'.repeat(31)}`, [yen]],
      [`balance[gt]=${'9'.repeat(31)}`, [yen]],
      [`balance[gte]=1${'0'.repeat(36)}`, []],
    ] as const) {
      const { status, body } = await user.get(`/v1/accounts?${query}`)
      assert.equal(status, 200, query)
      assert.deepEqual(
        body.data.map(({ id }: { id: string }) => id),
        found,
        query,
      )
    }
  })

  it('finds by metadata', async () => {
    const amounts = async (query: string) => (await everyPage(ada, `/v1/payments?${query}`)).map(({ amount }) => amount)
    assert.deepEqual(await amounts('metadata[order]=1'), ['1000', '10.00'])
    assert.deepEqual(await amounts('metadata[order]=1&currency=USD'), ['10.00'])
    assert.deepEqual(await amounts(`${encodeURIComponent('metadata[a.b[c]]')}=x`), ['10.00'])
    assert.deepEqual(await amounts('metadata[order]=3'), [])
    assert.deepEqual(await amounts('metadata[order][in]=1,2&currency=USD'), ['9.99', '10.00'])
    assert.deepEqual(await amounts('metadata[order][gt]=1'), ['9.99'])
    assert.deepEqual(await amounts('metadata[a.b[c]][like]=X'), ['10.00'])
    const all = await everyPage(ada, '/v1/payments')
    assert.equal((await amounts('metadata[order][ne]=1')).length, all.length - 2)
    assert.deepEqual(
      (await everyPage(ada, '/v1/accounts?metadata[goal]=boat')).map(({ name }) => name),
      ['Savings'],
    )
    // A bracket behind the key names an operator; a key that holds such a thing itself is found with its operator.
    assert.deepEqual(await amounts('metadata[order][no][eq]=7'), ['5.00'])
    for (const query of ['metadata[order][contains]=1', 'metadata[order][GT]=1', 'metadata[order][no]=7']) {
      const refused = await ada.get(`/v1/payments?${query}`)
      assertProblem(refused, 'invalid_query')
      assert.match(JSON.stringify(refused.body.errors), /unknown operator/)
    }
    for (const query of ['metadata=1', 'metadata[order', 'metadata[%00]=1', 'metadata[order]=%00']) {
      assertProblem(await ada.get(`/v1/payments?${query}`), 'invalid_query')
    }
  })

  it('takes SQL as text', async () => {
    for (const text of ["' or 1=1 --", "'; drop table payments; --", '$1', '\\', '%', '"']) {
      for (const query of [
        'description=',
        'description[like]=',
        'metadata[order]=',
        `metadata[${encodeURIComponent(text)}]=`,
      ]) {
        const { status, body } = await ada.get(`/v1/payments?${query}${encodeURIComponent(text)}`)
        const found = text === '%' && query.includes('like') ? 1 : 0
        assert.deepEqual([status, body.data?.length], [200, found], query + text)
      }
    }
  })
})

describe('pages', () => {
  it('neither repeat nor hide rows where others arrive meanwhile', async () => {
    const user = await aUser(gateway)
    const [from, to] = [await user.account('USD'), await anAccount(user)]
    const pay = (amount: string) => user.post('/v1/payments', transfer(from, to, amount))
    for (const amount of ['1.00', '2.00', '3.00', '4.00']) await pay(amount)
    const first = (await user.get('/v1/payments?limit=2')).body
    await pay('5.00')
    const second = (await user.get(`/v1/payments?limit=2&cursor=${first.next_cursor}`)).body
    const amounts = [...first.data, ...second.data].map(({ amount }: any) => amount)
    assert.deepEqual(amounts, ['4.00', '3.00', '2.00', '1.00'])
  })

  it('have rows of one moment, such as the accounts of a sign-up, in the order asked for behind the time', async () => {
    const user = await aUser(gateway)
    const inOrder = async (sort: string) => {
      const rows = await everyPage(user, `/v1/accounts?sort=${sort}`, 2)
      return rows.map(({ currency }: any) => currency)
    }
    assert.equal(new Set((await everyPage(user, '/v1/accounts')).map((row: any) => row.created_at)).size, 1)
    assert.deepEqual(await inOrder('created_at,currency'), ['CNY', 'EUR', 'USD'])
    assert.deepEqual(await inOrder('-created_at,-currency'), ['USD', 'EUR', 'CNY'])
    assert.deepEqual(await inOrder('-created_at,id'), (await inOrder('-created_at,-id')).reverse())
    assertProblem(await user.get('/v1/accounts?sort=created_at,currency&format=csv'), 'invalid_query')
  })

  it('go on behind the longest texts, as a cursor is no longer than the gateway reads of an address', async () => {
    const [user, account] = [await aUser(gateway), await ada.account('USD')]
    const from = await user.account('USD')
    const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`key ${index}`, '房'.repeat(490)]))
    const description = '\u{1F600}'.repeat(250)
    for (const more of [{}, { metadata, description }, { metadata, description }]) {
      assert.equal((await user.post('/v1/payments', transfer(from, account, '1.00', more))).status, 201)
    }
    const all = (await everyPage(user, '/v1/payments')).map(({ id }) => id)
    for (const sort of ['metadata', '-metadata', 'description,metadata,sender,receiver,-amount']) {
      const found = await everyPage(user, `/v1/payments?sort=${sort}`, 1)
      assert.deepEqual(found.map(({ id }) => id).sort(), all.toSorted(), sort)
    }
  })

  it('refuse a cursor whose values somebody made up, as far as they are none', async () => {
    const user = await aUser(gateway)
    await user.post('/v1/tokens', { name: 'lasting', scopes: ['payments:read'] })
    const list = '/v1/tokens?limit=1&sort=created_at,expires_at'
    const sorted = '/v1/tokens?limit=1&sort=-expires_at'
    assert.equal((await user.get(list)).status, 200)
    const { body } = await user.get(sorted)
    const [signature, , id] = JSON.parse(Buffer.from(body.next_cursor, 'base64url').toString())
    for (const time of ['9999-99-99 99:99:99+00', '2026-02-30 00:00:00+00', '0000-00-00 00:00:00+00', 'infinity']) {
      const cursor = Buffer.from(JSON.stringify([signature, time, id])).toString('base64url')
      assertProblem(await user.get(`${sorted}&cursor=${cursor}`), 'invalid_query')
    }
  })

  it('show a payment between two accounts of one user once', async () => {
    const user = await aUser(gateway)
    await user.post('/v1/payments', transfer(await user.account('USD'), await anAccount(user), '1.00'))
    assert.deepEqual(
      (await everyPage(user, '/v1/payments', 1)).map(({ kind }) => kind),
      ['transfer', 'bonus'],
    )
    assert.equal((await everyPage(user, '/v1/operations', 1)).length, 3)
  })
})

describe('the payments of a user that are under way', () => {
  it('are found by their status, each once, from all of the user’s accounts or from or to one', async () => {
    const [user, other] = await Promise.all([aUser(gateway), aUser(gateway)])
    const [from, own, to] = [await user.account('USD'), await anAccount(user), await other.account('USD')]
    const hold = { capture: 'manual' }
    const held = (client: Client, from: string, to: string) =>
      client.post('/v1/payments', transfer(from, to, '1.00', hold))
    const [out, inside, into] = [await held(user, from, to), await held(user, from, own), await held(other, to, from)]
    const rail = { account: from, rail: 'wallet', amount: '1.00' }
    const coming = await user.post('/v1/deposits', rail)
    const going = await user.post('/v1/withdrawals', { ...rail, destination: { wallet: 'w-1' } })
    const ended = await held(user, from, to)
    await user.post(`/v1/payments/${ended.body.id}/cancel`)
    const ids = (...payments: Reply[]) => payments.map(({ body }) => body.id).reverse()
    const list = async (query: string, client: Client = user) =>
      (await everyPage(client, `/v1/payments?${query}`, 2)).map(({ id }) => id)
    assert.deepEqual(await list('status=pending'), ids(out, inside, into, coming, going))
    assert.deepEqual(await list(`status=pending&from_account=${from}`), ids(out, inside, going))
    assert.deepEqual(await list(`status=pending&to_account=${from}`), ids(into, coming))
    assert.deepEqual(await list(`status=pending&to_account=${own}`), ids(inside))
    assert.deepEqual(await list('status=pending&sort=created_at&kind=deposit'), ids(coming))
    assert.deepEqual(await list('status=pending', other), ids(out, into))
    // While its accounts are locked, a payment cannot be posted.
    await locking(gateway, 'select from accounts where user_id is not null for update', async () => {
      const begun = await user.post('/v1/payments', transfer(from, to, '2.00'), { prefer: 'respond-async' })
      assert.deepEqual(await list('status=initiated'), ids(begun))
      assert.deepEqual(await list('status[in]=initiated,pending'), ids(out, inside, into, coming, going, begun))
      assert.deepEqual(await list('status=initiated', other), ids(begun))
      return []
    })
    await until(async () => (await list('status=initiated')).length === 0)
  })
})

describe('operations', () => {
  it('are the two sides of a posting, each seen by the owner of its account', async () => {
    const [{ id }] = await everyPage(ada, '/v1/payments?amount=10.00&currency=USD')
    const [out] = await everyPage(ada, `/v1/operations?payment_id=${id}`)
    const [into] = await everyPage(bob, `/v1/operations?payment_id=${id}`)
    assert.deepEqual([out.direction, out.account_id, out.amount, out.fee], ['credit', adaUsd, '9.80', '0.20'])
    assert.deepEqual([into.direction, into.account_id, into.amount, into.fee], ['debit', bobUsd, '9.80', '0.20'])
    assert.deepEqual([out.posting_id, out.sender, out.receiver], [into.posting_id, ada.email, bob.email])
    assert.deepEqual([out.description, out.currency], ['Lunch 100%', 'USD'])
    assert.notEqual(out.id, into.id)
    assert.deepEqual(await everyPage(ada, `/v1/operations?id=${into.id}`), [])
  })

  it('leave the postings of fees out unless kind asks for them', async () => {
    const kinds = async (query: string) =>
      new Set((await everyPage(ada, `/v1/operations?${query}`)).map(({ kind }) => kind))
    assert.deepEqual(await kinds(''), new Set(['transfer', 'bonus', 'adjustment']))
    assert.deepEqual(await kinds('kind=fee'), new Set(['fee']))
    assert.deepEqual(await kinds('kind[in]=transfer,fee'), new Set(['transfer', 'fee']))
    assert.deepEqual(await kinds('kind=transfer'), new Set(['transfer']))
    const fees = await everyPage(ada, '/v1/operations?kind=fee&currency=USD')
    assert.deepEqual(fees.map(({ amount, direction }) => [amount, direction]).sort(), [
      ['0.20', 'credit'],
      ['0.20', 'credit'],
    ])
    const declined = await everyPage(ada, '/v1/payments?status=declined')
    assert.ok(declined.length >= 2)
    for (const { id } of declined) assert.deepEqual(await everyPage(ada, `/v1/operations?payment_id=${id}`), [])
  })

  it('each know the balance behind them, and together make the balance of the account', async () => {
    for (const account of (await everyPage(ada, '/v1/accounts')).filter(({ balance }) => Number(balance) > 0)) {
      const chain = await everyPage(
        ada,
        `/v1/operations?account_id=${account.id}&kind[in]=bonus,transfer,adjustment,fee&sort=id`,
      )
      let balance = 0n
      for (const { direction, amount, balance_after } of chain) {
        const units = BigInt(amount.replace('.', ''))
        balance += direction === 'debit' ? units : -units
        assert.equal(BigInt(balance_after.replace('.', '')), balance)
      }
      assert.equal(BigInt(account.balance.replace('.', '')), balance)
      const last = await ada.get(`/v1/operations?account_id=${account.id}&limit=1`)
      assert.equal(last.body.data[0].balance_after, account.balance)
    }
  })

  it('of an account that is not one’s own are none', async () => {
    for (const query of [`account_id=${bobUsd}`, `account_id[in]=${bobUsd}`, `account_id[in]=${bobUsd},${bobUsd}`]) {
      assert.deepEqual(await everyPage(ada, `/v1/operations?${query}`), [])
    }
    const all = await everyPage(ada, `/v1/operations?account_id[ne]=${bobUsd}`)
    const own = new Set((await everyPage(ada, '/v1/accounts')).map(({ id }) => id))
    assert.ok(all.length > 0 && all.every(({ account_id }) => own.has(account_id)))
  })
})

it('lists leave the books right', () => assertBooksAreRight(gateway))
