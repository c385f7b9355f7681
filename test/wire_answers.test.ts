import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { type Answer, aBankFile, anAnswer, OWN_IBAN, referenceOf } from './harness/bank.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser } from './harness/gateway.ts'
import { assertBooksAreRight, assertProblem, everyPage, fund } from './harness/paying.ts'

// What banks answer to orders, and orders that they book in one (docs/wire.md).

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let euros: string
before(async () => {
  gateway = await aGateway({ BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN}` })
  ;[operator, ada] = [await anOperator(gateway), await aUser(gateway)]
  euros = await ada.account('EUR')
  await fund(operator, euros, '1000.00')
})

const withdraw = async (amount: string) => {
  const destination = { name: 'Ada Lovelace', iban: 'DE89370400440532013000' }
  return (await ada.post('/v1/withdrawals', { account: euros, rail: 'wire', amount, destination })).body
}

/** Withdrawals of 10.00, 20.00 and 30.00, and the order of them. */
async function anOrder(version = '09') {
  const payments = [await withdraw('10.00'), await withdraw('20.00'), await withdraw('30.00')]
  const { status, body: order } = await operator.post('/v1/admin/wire/batches', { currency: 'EUR', version })
  assert.deepEqual([status, order.payments, order.total], [201, 3, '60.00'])
  return { order, payments }
}

const upload = (file: string) => operator.post('/v1/admin/wire/statements', file, { 'content-type': 'application/xml' })

async function taken(file: string) {
  const { status, body } = await upload(file)
  assert.equal(status, 200, JSON.stringify(body))
  assert.notEqual(body.settled_at, null)
  return body
}

const statesOf = (payments: readonly { id: string }[]) =>
  Promise.all(
    payments.map(async ({ id }) => {
      const { body } = await ada.get(`/v1/payments/${id}`)
      return body.failure_reason === null ? body.status : `${body.status} ${body.failure_reason}`
    }),
  )

async function money(): Promise<[balance: number, held: number]> {
  const { body } = await ada.get(`/v1/accounts/${euros}`)
  return [Number(body.balance), Number(body.held)]
}

/** What is in suspense of them, in the order of the alphabet. */
async function suspenseOf(payments: readonly { id: string }[]): Promise<string[]> {
  const ids = payments.map(({ id }) => id).join()
  const items = await everyPage(operator, `/v1/admin/suspense?related_id[in]=${ids}`)
  return items.map(({ direction, reason, status }) => `${direction} ${reason} ${status}`).sort()
}

/** Cancels by hand what an order has left, so that the next one begins anew. */
async function over(payments: readonly { id: string }[]) {
  for (const { id } of payments) await operator.post(`/v1/admin/payments/${id}/cancel`, { reason: 'The test is over' })
}

describe('A bank’s answer to an order', () => {
  for (const version of ['03', '09']) {
    it(`(pain.001.001.${version}) that rejects a payment fails it with the reason, and frees its money`, async () => {
      const [, before] = await money()
      const { order, payments } = await anOrder(version)
      const [first, second, third] = payments
      const wish: Answer = {
        ...{ status: 'PART', instruction: 'PART', count: 3, sum: '60.00', rejects: [1, '20.00'] },
        payments: [
          { reference: referenceOf(first), status: 'ACSP' },
          { reference: referenceOf(second), status: 'RJCT', reason: 'AC01', amount: '20.00' },
        ],
      }
      const file = await taken(anAnswer(order, wish))
      assert.deepEqual([file.kind, file.version, file.statements], ['pain.002', version === '03' ? '03' : '10', []])
      assert.deepEqual(file.answer, { batch_id: order.id, status: 'PART', rejected: 1, failed: 1, ignored: 0 })
      assert.deepEqual(await statesOf(payments), ['pending', 'failed AC01', 'pending'])
      assert.equal((await money())[1], before + 40)
      const listed = await everyPage(operator, `/v1/admin/wire/batches/payments?batch_id=${order.id}`)
      assert.deepEqual(listed.find(({ payment_id }) => payment_id === second.id).reject_reason, 'AC01')
      const files = await everyPage(operator, `/v1/admin/wire/files?kind=pain.002&id=${file.id}`)
      assert.deepEqual(files, [file])
      // Should the bank have paid it all the same, that is booked.
      const paid = await taken(aBankFile([{ amount: '20.00', out: true, reference: referenceOf(second) }]))
      assert.equal(paid.statements[0].suspense, 1)
      await over([first, third])
    })
  }

  it('that accepts all changes nothing', async () => {
    const { order, payments } = await anOrder()
    const file = await taken(anAnswer(order, { status: 'ACCP' }))
    assert.deepEqual([file.answer.status, file.answer.rejected], ['ACCP', 0])
    assert.deepEqual(await statesOf(payments), ['pending', 'pending', 'pending'])
    await over(payments)
  })

  it('that rejects the whole order fails all of it that is not over or paid', async () => {
    const { order, payments } = await anOrder()
    const [first, second] = payments
    await operator.post(`/v1/admin/payments/${first.id}/settle`, { reason: 'Statement, line 7' })
    await operator.post(`/v1/admin/payments/${second.id}/cancel`, { reason: 'Asked for' })
    const { answer } = await taken(anAnswer(order, { status: 'RJCT', reason: 'FF01' }))
    assert.deepEqual([answer.rejected, answer.failed, answer.ignored], [3, 1, 2])
    assert.deepEqual(await statesOf(payments), ['completed', 'canceled', 'failed FF01'])
  })

  it('is taken once, however often and at once it is sent, and whatever form it has', async () => {
    const { order, payments } = await anOrder()
    const wish = { instruction: 'RJCT', message: 'ONCE' }
    const file = anAnswer(order, wish)
    const replies = await Promise.all([upload(file), upload(file), upload(file.replaceAll('><', '>\n<'))])
    assert.deepEqual(new Set(replies.map(({ status, body }) => `${status} ${body.id}`)).size, 1)
    assert.equal(replies.filter(({ headers }) => headers.get('idempotent-replayed') === null).length, 1)
    assert.deepEqual(await statesOf(payments), ['failed NARR', 'failed NARR', 'failed NARR'])
    assertProblem(await upload(anAnswer(order, { ...wish, instruction: 'ACSP' })), 'invalid_file')
    const again = await taken(anAnswer(order, { status: 'RJCT' }))
    assert.equal(again.answer.rejected, 0)
  })

  it('is refused whole where it does not fit the order, or contradicts itself', async () => {
    const { order, payments } = await anOrder()
    const [first] = payments
    const reference = referenceOf(first)
    const rejected = { reference, status: 'RJCT' }
    const wrong: readonly [Answer, RegExp][] = [
      [{ status: 'RJCT', count: 2 }, /another number of payments/],
      [{ status: 'RJCT', sum: '60.01' }, /another sum/],
      [{ status: 'RJCT', rejects: [2, '60.00'] }, /another number of payments than it says/],
      [{ status: 'PART', rejects: [1, '10.01'], payments: [rejected] }, /another sum than it says/],
      [{ status: 'ACCP', payments: [rejected] }, /says ACCP of the whole and RJCT of a part/],
      [{ status: 'RJCT', payments: [{ reference, status: 'ACSC' }] }, /says RJCT of the whole and ACSC of a part/],
      [{ instruction: 'ACTC', payments: [rejected] }, /says ACTC/],
      [{ payments: [rejected, rejected] }, /twice/],
      [{ payments: [{ ...rejected, amount: '10.01' }] }, /another amount/],
      [{ payments: [{ ...rejected, amount: '10.00', currency: 'USD' }] }, /another amount/],
      [{ payments: [{ reference: 'PAY0', status: 'RJCT' }] }, /not in the order/],
      [{ status: 'nope' }, /no status/],
      [{ payments: [{ reference }] }, /says nothing/],
    ]
    for (const [answer, problem] of wrong) {
      const reply = await upload(anAnswer(order, answer))
      assertProblem(reply, 'invalid_file')
      assert.match(reply.body.detail, problem)
    }
    const right = anAnswer(order, { status: 'RJCT' })
    for (const [from, to] of [
      [order.message_id, 'WBT0'],
      ['<OrgnlMsgNmId>pain.001.001.09', '<OrgnlMsgNmId>pain.001.001.03'],
      ['pain.002.001.10', 'pain.002.001.02'],
      ['<Document', '<!DOCTYPE x [<!ENTITY a "b">]><Document'],
      ['</Document>', ''],
    ] as const) {
      assertProblem(await upload(right.replace(from, to)), 'invalid_file')
    }
    assert.deepEqual(await statesOf(payments), ['pending', 'pending', 'pending'])
    await over(payments)
  })
})

describe('An order that a bank books in one', () => {
  const whole = (order: { message_id: string }, amount: string, servicer: string) =>
    aBankFile([{ amount, out: true, order: order.message_id, servicer }])
  const entriesOf = ({ id }: { id: string }) => everyPage(operator, `/v1/admin/wire/entries?file_id=${id}`)

  it('settles all of its withdrawals, once, also where a notice tells of it before', async () => {
    const [before] = await money()
    const { order, payments } = await anOrder()
    const movement = { amount: '60.00', out: true, order: order.message_id }
    const notice = await taken(aBankFile([movement], { kind: 'camt.054' }))
    assert.deepEqual([notice.statements[0].added, notice.statements[0].matched], [3, 3])
    assert.deepEqual(await statesOf(payments), ['completed', 'completed', 'completed'])
    const statement = await taken(aBankFile([{ ...movement, servicer: 'B-1' }]))
    const { added, known } = statement.statements[0]
    assert.deepEqual([added, known], [0, 3])
    assert.deepEqual(await money(), [before - 60, 0])
    const entries = await entriesOf(notice)
    assert.deepEqual(
      entries.map(({ amount, status, payment_id }) => [amount, status, payment_id]).reverse(),
      payments.map(({ id, amount }) => [amount, 'matched', id]),
    )
  })

  it('without what the bank rejected settles the rest', async () => {
    const { order, payments } = await anOrder()
    await taken(
      anAnswer(order, { payments: [{ reference: referenceOf(payments[1]), status: 'RJCT', reason: 'AM04' }] }),
    )
    const { statements } = await taken(whole(order, '40.00', 'B-2'))
    assert.deepEqual([statements[0].matched, statements[0].suspense], [2, 0])
    assert.deepEqual(await statesOf(payments), ['completed', 'failed AM04', 'completed'])
  })

  it('with what was given up settles the rest, and that is in suspense', async () => {
    const { order, payments } = await anOrder()
    await operator.post(`/v1/admin/payments/${payments[0].id}/cancel`, { reason: 'Asked for' })
    const { statements } = await taken(whole(order, '60.00', 'B-3'))
    assert.deepEqual([statements[0].matched, statements[0].suspense], [2, 1])
    const { body } = await operator.get(`/v1/admin/suspense?related_id=${payments[0].id}`)
    assert.deepEqual([body.data[0].amount, body.data[0].reason, body.data[0].direction], ['10.00', 'late', 'out'])
  })

  it('of another sum waits for an operator, and a second time it is in suspense', async () => {
    const { order, payments } = await anOrder()
    const other = await taken(whole(order, '59.99', 'B-4'))
    assert.deepEqual([other.statements[0].unmatched, other.statements[0].added], [1, 1])
    assert.deepEqual(await statesOf(payments), ['pending', 'pending', 'pending'])
    const [entry] = await entriesOf(other)
    assert.deepEqual([entry.status, entry.amount], ['unmatched', '59.99'])
    const twice = { amount: '60.00', out: true, order: order.message_id }
    const both = await taken(
      aBankFile([
        { ...twice, servicer: 'B-5' },
        { ...twice, servicer: 'B-6' },
      ]),
    )
    assert.deepEqual([both.statements[0].matched, both.statements[0].suspense], [3, 3])
    assert.deepEqual(await statesOf(payments), ['completed', 'completed', 'completed'])
    await assertBooksAreRight(gateway)
  })

  it('and sends back in one goes to who had sent each of it, once, whatever comes first in the file', async () => {
    const before = await money()
    const { order, payments } = await anOrder()
    const movement = { amount: '60.00', order: order.message_id }
    const back = { ...movement, reversal: true, servicer: 'B-8' }
    const file = await taken(aBankFile([back, { ...movement, out: true, servicer: 'B-7' }]))
    assert.deepEqual([file.statements[0].matched, file.statements[0].suspense], [3, 3])
    assert.deepEqual(await statesOf(payments), ['completed', 'completed', 'completed'])
    assert.deepEqual(await suspenseOf(payments), Array(3).fill('in returned resolved'))
    assert.deepEqual(await money(), before)
    assert.equal((await taken(aBankFile([back]))).statements[0].added, 0)
    const again = await taken(aBankFile([{ ...back, servicer: 'B-9' }]))
    assert.deepEqual([again.statements[0].unmatched, again.statements[0].added], [1, 1])
    assert.deepEqual(await money(), before)
  })

  it('and sends back before it was seen to go out fails, and both movements are in suspense', async () => {
    const before = await money()
    const { order, payments } = await anOrder()
    await taken(aBankFile([{ amount: '60.00', order: order.message_id, reversal: true }]))
    assert.deepEqual(await statesOf(payments), Array(3).fill('failed returned'))
    await taken(whole(order, '60.00', 'B-10'))
    assert.deepEqual(await suspenseOf(payments), [
      ...Array(3).fill('in returned open'),
      ...Array(3).fill('out late open'),
    ])
    assert.deepEqual(await money(), before)
  })

  it('and sends back in another sum than that of all that may come back waits for an operator', async () => {
    const { order, payments } = await anOrder()
    await operator.post(`/v1/admin/payments/${payments[0].id}/cancel`, { reason: 'Asked for' })
    await taken(whole(order, '60.00', 'B-11'))
    const before = await money()
    const back = (amount: string, servicer: string) =>
      taken(aBankFile([{ amount, order: order.message_id, reversal: true, servicer }]))
    // Of 10.00, 20.00 and 30.00 that went out, the first late: 30.00 may be the last or the others, 50.00 two of them.
    for (const [amount, servicer] of [
      ['30.00', 'B-12'],
      ['50.00', 'B-13'],
    ] as const) {
      assert.equal((await back(amount, servicer)).statements[0].unmatched, 1)
    }
    const reference = referenceOf(payments[2])
    await taken(aBankFile([{ amount: '30.00', reference, reason: 'AC04', servicer: 'B-14' }]))
    assert.equal((await back('60.00', 'B-15')).statements[0].unmatched, 1)
    assert.equal((await back('30.00', 'B-16')).statements[0].suspense, 2)
    assert.deepEqual(await suspenseOf(payments), [
      ...['in returned open', 'in returned resolved', 'in returned resolved', 'out late open'],
    ])
    assert.deepEqual(await money(), [before[0] + 50, 0])
  })
})

describe('A whole order in one file, and its payments in another,', () => {
  const outOf = (payments: readonly { id: string; amount: string }[]) =>
    payments.map((each) => ({ amount: each.amount, reference: referenceOf(each), out: true }))
  const inOne = (order: { message_id: string }) => [{ amount: '60.00', out: true, order: order.message_id }]
  const oneByOne = (_: unknown, payments: readonly any[]) => outOf(payments)
  const divided = (_: unknown, payments: readonly any[]) => [{ amount: '60.00', out: true, parts: outOf(payments) }]
  for (const [what, noticed, stated] of [
    ['by a notice, and then each by a statement', inOne, oneByOne],
    ['by a notice, and then as parts of one movement by a statement', inOne, divided],
    ['by a statement, after each by a notice', oneByOne, inOne],
    ['by a statement, after as parts of one movement by a notice', divided, inOne],
  ] as const) {
    it(`are the same movements: ${what}`, async () => {
      const [before] = await money()
      const { order, payments } = await anOrder()
      const notice = await taken(aBankFile(noticed(order, payments), { kind: 'camt.054' }))
      assert.deepEqual([notice.statements[0].added, notice.statements[0].matched], [3, 3])
      const { statements } = await taken(aBankFile(stated(order, payments)))
      const [{ added, known, opening, closing }] = statements
      assert.deepEqual([added, known], [0, 3])
      assert.equal(Number(closing.books) - Number(opening.books), -60)
      assert.deepEqual(await statesOf(payments), ['completed', 'completed', 'completed'])
      assert.deepEqual([await suspenseOf(payments), await money()], [[], [before - 60, 0]])
    })
  }

  it('are the same with what was given up in it, and with what comes back', async () => {
    const { order, payments } = await anOrder()
    await operator.post(`/v1/admin/payments/${payments[0].id}/cancel`, { reason: 'Asked for' })
    const back = { amount: '60.00', order: order.message_id, reversal: true }
    await taken(aBankFile([...inOne(order), back], { kind: 'camt.054' }))
    const backs = payments.map((each: any) => ({ amount: each.amount, reference: referenceOf(each), reversal: true }))
    const { statements } = await taken(aBankFile([...outOf(payments), ...backs]))
    assert.deepEqual([statements[0].added, statements[0].known], [0, 6])
    assert.deepEqual(await suspenseOf(payments), [
      ...['in returned open', 'in returned resolved', 'in returned resolved', 'out late open'],
    ])
  })

  it('are each for one of the other: what a bank pays a second time, or on another day, is in suspense', async () => {
    const { order, payments } = await anOrder()
    await taken(aBankFile(inOne(order), { kind: 'camt.054' }))
    const [first] = outOf(payments)
    assert.ok(first)
    const { statements } = await taken(aBankFile([...outOf(payments), first]))
    assert.deepEqual([statements[0].added, statements[0].known, statements[0].suspense], [1, 3, 1])
    const other = await taken(aBankFile([first], { day: '2026-01-05' }))
    assert.equal(other.statements[0].suspense, 1)
    assert.deepEqual(await suspenseOf(payments), ['out twice open', 'out twice open'])
    await assertBooksAreRight(gateway)
  })

  it('are each for one of the other also where a statement tells of both', async () => {
    const { order, payments } = await anOrder()
    await taken(aBankFile(inOne(order), { kind: 'camt.054' }))
    const { statements } = await taken(aBankFile([...outOf(payments.slice(0, 1)), ...inOne(order)]))
    assert.deepEqual([statements[0].added, statements[0].known, statements[0].suspense], [1, 3, 1])
    assert.deepEqual(await suspenseOf(payments), ['out twice open'])
  })

  it('wait for an operator where the sum may be that of what was told, or of what was not', async () => {
    const { order, payments } = await anOrder()
    await taken(aBankFile(outOf(payments.slice(2))))
    const { statements } = await taken(
      aBankFile([{ amount: '30.00', out: true, order: order.message_id }], { kind: 'camt.054' }),
    )
    assert.equal(statements[0].unmatched, 1)
    assert.deepEqual(await statesOf(payments), ['pending', 'pending', 'completed'])
    await over(payments)
  })
})
