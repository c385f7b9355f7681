import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { decodeId } from '../src/ledger/typeid.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import {
  anAccount,
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  locking,
  rowsOf,
  transfer,
} from './harness/paying.ts'

// Money that changes its currency, by a quote (docs/ledger.md, Conversions).

let gateway: TestGateway
let operator: TestUser
before(async () => {
  gateway = await aGateway()
  operator = await anOperator(gateway)
  // 1 USD is 0.80 EUR; with the spread of half a per cent 0.796.
  const rates = [
    ['EUR', 'USD', '1.25'],
    ['EUR', 'JPY', '160'],
  ]
  for (const [from_currency, to_currency, rate] of rates) {
    assert.equal((await operator.post('/v1/admin/rates', { from_currency, to_currency, rate })).status, 201)
  }
})

async function quoted(user: TestUser, wish: object): Promise<any> {
  const { status, body } = await user.post('/v1/quotes', wish)
  assert.equal(status, 201, JSON.stringify(body))
  return body
}

const TEN_DOLLARS = { from_currency: 'USD', to_currency: 'EUR', from_amount: '10.00' }

/** Somebody with 100.00 USD and nothing in EUR. */
async function aPayer() {
  const user = await aUser(gateway)
  const [usd, eur] = [await user.account('USD'), await user.account('EUR')]
  const balances = async () => [await user.balance(usd), await user.balance(eur)]
  const convert = async (quote: any, more: object = {}) =>
    user.post('/v1/payments', transfer(usd, eur, quote.from_amount, { quote_id: quote.id, ...more }))
  return { user, usd, eur, balances, convert }
}

async function exchange(currency: string): Promise<number> {
  const { body } = await operator.get(`/v1/admin/accounts?code=exchange&currency=${currency}`)
  return Math.round(Number(body.data[0].balance) * 100)
}

/** Lets the quote's time run out. */
async function expire(quote: any): Promise<void> {
  const past = `update quotes set expires_at = clock_timestamp() - interval '1 second' where id = $1 returning id`
  assert.equal((await rowsOf(gateway, past, [decodeId('qte', quote.id)])).length, 1)
}

describe('A conversion', () => {
  it('takes the one amount of the quote and gives the other, with the rate on the payment', async () => {
    const { user, usd, eur, balances, convert } = await aPayer()
    const before = [await exchange('USD'), await exchange('EUR')]
    const quote = await quoted(user, TEN_DOLLARS)
    const { status, body } = await convert(quote)
    assert.deepEqual([status, body.status, body.kind], [201, 'completed', 'conversion'])
    assert.deepEqual([body.amount, body.fee, body.net_amount, body.currency], ['10.00', '0.00', '10.00', 'USD'])
    assert.deepEqual(body.exchange, { rate: '0.796', from_amount: '10.00', to_amount: '7.96', to_currency: 'EUR' })
    assert.deepEqual([body.from_account, body.to_account], [usd, eur])
    assert.deepEqual(await balances(), ['90.00', '7.96'])
    assert.equal((await user.get(`/v1/quotes/${quote.id}`)).body.used, true)
    const after = [await exchange('USD'), await exchange('EUR')]
    assert.deepEqual([(after[0] ?? 0) - (before[0] ?? 0), (after[1] ?? 0) - (before[1] ?? 0)], [1_000, -796])
    const operations = await everyPage(user, `/v1/operations?payment_id=${body.id}`)
    const shown = operations.map(({ currency, direction, amount }) => `${currency} ${direction} ${amount}`)
    assert.deepEqual(shown.sort(), ['EUR debit 7.96', 'USD credit 10.00'])
    await assertBooksAreRight(gateway)
  })

  it('of what is to arrive gives exactly that', async () => {
    const { user, balances, convert } = await aPayer()
    const quote = await quoted(user, { from_currency: 'USD', to_currency: 'EUR', to_amount: '5.00' })
    assert.equal(quote.from_amount, '6.28')
    assert.equal((await convert(quote)).body.status, 'completed')
    assert.deepEqual(await balances(), ['93.72', '5.00'])
  })

  it('uses its quote once, also where many payments try at the same moment', async () => {
    const { user, balances, convert } = await aPayer()
    const quote = await quoted(user, TEN_DOLLARS)
    const answers = await Promise.all(Array.from({ length: 12 }, () => convert(quote)))
    const outcomes = answers.map(({ body }) => `${body.status} ${body.decline_reason}`)
    assert.equal(outcomes.filter((outcome) => outcome === 'completed null').length, 1)
    assert.equal(outcomes.filter((outcome) => outcome === 'declined quote_expired').length, 11)
    assert.deepEqual(await balances(), ['90.00', '7.96'])
    await assertBooksAreRight(gateway)
  })

  it('uses its quote once also among asynchronous payments and lines of a bulk request', async () => {
    const { user, usd, eur, balances, convert } = await aPayer()
    const quote = await quoted(user, TEN_DOLLARS)
    const line = transfer(usd, eur, '10.00', { quote_id: quote.id })
    const [bulk, ...later] = await Promise.all([
      user.post('/v1/payments/bulk', { payments: [line, line, line] }),
      ...[1, 2, 3].map(() => user.post('/v1/payments', line, { prefer: 'respond-async' })),
      convert(quote),
    ])
    assert.equal(bulk?.status, 200)
    for (const { body } of later) await user.get(`/v1/payments/${body.id}?wait=30`)
    const all = await everyPage(user, `/v1/payments?from_account=${usd}`)
    assert.deepEqual([all.length, all.filter(({ status }) => status === 'completed').length], [7, 1])
    assert.deepEqual(await balances(), ['90.00', '7.96'])
    await assertBooksAreRight(gateway)
  })

  it('is declined where the quote has expired, and moves nothing', async () => {
    const { user, balances, convert } = await aPayer()
    const quote = await quoted(user, TEN_DOLLARS)
    await expire(quote)
    const { status, body } = await convert(quote)
    assert.deepEqual([status, body.status, body.decline_reason], [201, 'declined', 'quote_expired'])
    assert.deepEqual(await balances(), ['100.00', '0.00'])
    assert.equal((await user.get(`/v1/quotes/${quote.id}`)).body.used, false)
  })

  it('that is declined leaves its quote to be used', async () => {
    const { user, usd, balances, convert } = await aPayer()
    const quote = await quoted(user, { from_currency: 'USD', to_currency: 'EUR', from_amount: '150.00' })
    const declined = (await convert(quote)).body
    assert.deepEqual([declined.status, declined.decline_reason], ['declined', 'insufficient_funds'])
    assert.equal((await user.get(`/v1/quotes/${quote.id}`)).body.used, false)
    await fund(operator, usd, '50.00')
    assert.equal((await convert(quote)).body.status, 'completed')
    assert.deepEqual(await balances(), ['0.00', '119.40'])
  })

  it('is answered once for one idempotency key, also when the quote has expired since', async () => {
    const { user, usd, eur, balances } = await aPayer()
    const quote = await quoted(user, TEN_DOLLARS)
    const body = transfer(usd, eur, '10.00', { quote_id: quote.id })
    const send = () => user.post('/v1/payments', body, { 'idempotency-key': 'convert' })
    const [first, second] = await Promise.all([send(), send()])
    assert.equal(first.body.id, second.body.id)
    await expire(quote)
    assert.deepEqual((await send()).body.exchange, first.body.exchange)
    assert.deepEqual(await balances(), ['90.00', '7.96'])
  })

  it('is refused with a quote of somebody else, of another amount or of other currencies', async () => {
    const { user, usd, eur, balances } = await aPayer()
    const other = await aPayer()
    const quote = await quoted(user, TEN_DOLLARS)
    const pay = (from: string, to: string, amount: string, quote_id: unknown, by = user) =>
      by.post('/v1/payments', transfer(from, to, amount, { quote_id }))
    const stolen = await pay(other.usd, other.eur, '10.00', quote.id, other.user)
    assertProblem(stolen, 'not_found')
    assert.deepEqual(stolen.body.errors[0].field, 'quote_id')
    assertProblem(await pay(usd, eur, '10.00', 'qte_01k3v5f3m7h2c9w4x8z5r6t1q0'), 'not_found')
    assertProblem(await pay(usd, eur, '10.01', quote.id), 'invalid_value')
    assertProblem(await pay(eur, usd, '10.00', quote.id), 'invalid_value')
    assertProblem(await pay(usd, await user.account('CNY'), '10.00', quote.id), 'invalid_value')
    assertProblem(await pay(usd, await anAccount(user, 'USD'), '10.00', quote.id), 'invalid_value')
    assertProblem(await pay(usd, eur, '10.00', 'x'), 'invalid_id')
    assertProblem(await pay(usd, eur, '10.00', 5), 'invalid_id')
    assert.deepEqual(await balances(), ['100.00', '0.00'])
  })

  it('without a quote is declined', async () => {
    const { user, usd, eur } = await aPayer()
    const { body } = await user.post('/v1/payments', transfer(usd, eur, '10.00'))
    assert.deepEqual([body.status, body.decline_reason], ['declined', 'currency_mismatch'])
  })

  it('is previewed, and moves nothing by that', async () => {
    const { user, usd, eur, balances } = await aPayer()
    const quote = await quoted(user, TEN_DOLLARS)
    const { status, body } = await user.post(
      '/v1/payments/preview',
      transfer(usd, eur, '10.00', { quote_id: quote.id }),
    )
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual([body.rate, body.net_amount, body.decline_reason], ['0.796', '10.00', null])
    assert.deepEqual(await balances(), ['100.00', '0.00'])
    assert.equal((await user.get(`/v1/quotes/${quote.id}`)).body.used, false)
  })

  it('there and back leaves no more than there was', async () => {
    const { user, usd, eur, balances, convert } = await aPayer()
    await convert(await quoted(user, { ...TEN_DOLLARS, from_amount: '100.00' }))
    const back = await quoted(user, { from_currency: 'EUR', to_currency: 'USD', from_amount: '79.60' })
    await user.post('/v1/payments', transfer(eur, usd, '79.60', { quote_id: back.id }))
    assert.deepEqual(await balances(), ['99.00', '0.00'])
    await assertBooksAreRight(gateway)
  })
})

describe('A payment to somebody in another currency', () => {
  it('takes the fee in the payer’s currency, and exchanges the rest', async () => {
    const { user, usd } = await aPayer()
    const bob = await aPayer()
    const quote = await quoted(user, TEN_DOLLARS)
    const { body } = await user.post('/v1/payments', transfer(usd, bob.eur, '10.00', { quote_id: quote.id }))
    assert.deepEqual([body.status, body.kind, body.fee, body.net_amount], ['completed', 'transfer', '0.20', '9.80'])
    // 7.96 for 10.00, so 9.80 come to 7.8008.
    assert.deepEqual(body.exchange, { rate: '0.796', from_amount: '9.80', to_amount: '7.80', to_currency: 'EUR' })
    assert.equal(await user.balance(usd), '90.00')
    assert.deepEqual(await bob.balances(), ['100.00', '7.80'])
    const seen = (await bob.user.get(`/v1/payments/${body.id}`)).body
    assert.deepEqual([seen.exchange, seen.sender], [body.exchange, user.email])
    await assertBooksAreRight(gateway)
  })

  it('gives all that was quoted where the sender pays the fee on top', async () => {
    const { user, usd } = await aPayer()
    const bob = await aPayer()
    const quote = await quoted(user, TEN_DOLLARS)
    const wish = transfer(usd, bob.eur, '10.00', { quote_id: quote.id, fee_payer: 'sender' })
    const { body } = await user.post('/v1/payments', wish)
    assert.deepEqual([body.status, body.fee, body.exchange.to_amount], ['completed', '0.20', '7.96'])
    assert.equal(await user.balance(usd), '89.80')
    assert.deepEqual(await bob.balances(), ['100.00', '7.96'])
  })

  it('in yen is paid in whole yen', async () => {
    const { user, usd } = await aPayer()
    const bob = await aUser(gateway)
    const yen = await anAccount(bob, 'JPY')
    const quote = await quoted(user, { from_currency: 'USD', to_currency: 'JPY', to_amount: '1000' })
    const wish = transfer(usd, yen, quote.from_amount, { quote_id: quote.id, fee_payer: 'sender' })
    const { body } = await user.post('/v1/payments', wish)
    assert.deepEqual([body.status, body.exchange.to_amount], ['completed', '1000'])
    assert.equal(await bob.balance(yen), '1000')
    await assertBooksAreRight(gateway)
  })

  it('is an operation of each account in the digits of its own currency, with the fee where it was taken', async () => {
    const { user, usd } = await aPayer()
    const bob = await aUser(gateway)
    const yen = await anAccount(bob, 'JPY')
    const quote = await quoted(user, { from_currency: 'USD', to_currency: 'JPY', from_amount: '10.00' })
    const { body: payment } = await user.post('/v1/payments', transfer(usd, yen, '10.00', { quote_id: quote.id }))
    assert.deepEqual([payment.fee, payment.exchange.to_amount], ['0.20', '1249'])
    const shown = async (of: TestUser, query: string) =>
      (await everyPage(of, `/v1/operations?payment_id=${payment.id}${query}`)).map(
        ({ amount, balance_after, fee, currency }) => [amount, balance_after, fee, currency],
      )
    assert.deepEqual(await shown(user, ''), [['9.80', '90.00', '0.20', 'USD']])
    const ofBob = [['1249', '1249', '0', 'JPY']]
    assert.deepEqual(await shown(bob, ''), ofBob)
    for (const filter of ['amount=1249', 'balance_after=1249', 'fee=0', 'amount[gt]=1000']) {
      assert.deepEqual(await shown(bob, `&${filter}`), ofBob, filter)
    }
  })

  it('is refunded in both currencies, in parts and to the cent, at the rate of then', async () => {
    const payer = await aPayer()
    const bob = await aPayer()
    const before = [await exchange('USD'), await exchange('EUR')]
    const quote = await quoted(payer.user, TEN_DOLLARS)
    const wish = transfer(payer.usd, bob.eur, '10.00', { quote_id: quote.id })
    const { body: payment } = await payer.user.post('/v1/payments', wish)
    await operator.post('/v1/admin/rates', { from_currency: 'EUR', to_currency: 'USD', rate: '1.25' })
    for (const amount of ['3.33', '3.33', undefined]) {
      const refund = await bob.user.post(
        `/v1/payments/${payment.id}/refund`,
        amount === undefined ? undefined : { amount },
      )
      assert.deepEqual([refund.status, refund.body.status], [201, 'completed'], JSON.stringify(refund.body))
    }
    assert.deepEqual([await payer.user.balance(payer.usd), await bob.balances()], ['100.00', ['100.00', '0.00']])
    assert.deepEqual([await exchange('USD'), await exchange('EUR')], before)
    await assertBooksAreRight(gateway)
  })

  /** A payment of 17 satoshis that Bob gets as dollars, at a rate for which that is `toAmount`; and what everybody had before. */
  async function paidWithSatoshis(rate: string, toAmount: string) {
    const pair = { from_currency: 'BTC', to_currency: 'USD' }
    assert.equal((await operator.post('/v1/admin/rates', { ...pair, rate })).status, 201)
    const [payer, bob] = [await aUser(gateway), await aPayer()]
    const btc = await anAccount(payer, 'BTC')
    await fund(operator, btc, '0.00000017')
    const before = [await exchange('USD'), await payer.balance(btc), await bob.balances()]
    const quote = await quoted(payer, { ...pair, from_amount: '0.00000017' })
    assert.equal(quote.to_amount, toAmount)
    const order = transfer(btc, bob.usd, quote.from_amount, { quote_id: quote.id })
    const { body: payment } = await payer.post('/v1/payments', order)
    return { payer, bob, btc, before, payment }
  }

  it('is refunded in part at nobody’s cost but the receiver’s, also where the part is worth less than a minor unit', async () => {
    const { payer, bob, btc, before, payment } = await paidWithSatoshis('60000', '0.01')
    assert.deepEqual([payment.status, payment.fee], ['completed', '0.00000000'])
    const given: string[] = []
    for (const amount of ['0.00000008', '0.00000009']) {
      const { body } = await bob.user.post(`/v1/payments/${payment.id}/refund`, { amount })
      given.push(`${body.status} ${body.exchange.from_amount} ${body.exchange.to_amount}`)
    }
    assert.deepEqual(given, ['completed 0.00000008 0.01', 'completed 0.00000009 0.00'])
    assert.deepEqual([await exchange('USD'), await payer.balance(btc), await bob.balances()], before)
    await assertBooksAreRight(gateway)
  })

  it('is refunded exactly, also where a part was given back by a version that rounded it otherwise', async () => {
    const { payer, bob, btc, before, payment } = await paidWithSatoshis('5912000', '1.00')
    const refund = async (amount: string) => {
      const { body } = await bob.user.post(`/v1/payments/${payment.id}/refund`, { amount })
      return [body.id, body.status, body.exchange.to_amount]
    }
    // Nothing is sealed behind a transaction that is under way, so that this can still be made what it was once.
    await locking(gateway, 'select pg_current_xact_id()', async () => {
      const [id, ...first] = await refund('0.00000008')
      assert.deepEqual(first, ['completed', '0.48'])
      // Half-even, as it was once, these are 0.47: a cent less went from bob to exchange.
      await rowsOf(
        gateway,
        `with payment as (update payments set exchange_amount = exchange_amount - 1 where id = $1),
              posting as (update postings set amount = amount - 1, credit_balance = credit_balance + 1
                           where payment_id = $1 and currency = 'USD' returning credit_account, debit_account)
         update accounts a set balance = a.balance + case a.id when p.credit_account then 1 else -1 end
           from posting p where a.id in (p.credit_account, p.debit_account)`,
        [decodeId('pay', id)],
      )
      return []
    })
    // One that is declined has given nothing back.
    assert.deepEqual((await refund('0.00000010')).slice(1), ['declined', '0.00'])
    assert.deepEqual((await refund('0.00000009')).slice(1), ['completed', '0.53'])
    assert.deepEqual([await exchange('USD'), await payer.balance(btc), await bob.balances()], before)
    await assertBooksAreRight(gateway)
  })
})
