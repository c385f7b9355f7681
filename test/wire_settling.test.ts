import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { withOwner } from '../src/database/connection.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { takeBankFile } from '../src/rails/wire/import.ts'
import { aBankFile, centsOf, inOneFile, type Movement, OWN_IBAN, referenceOf } from './harness/bank.ts'
import { aClient, type Client } from './harness/client.ts'
import { aGateway, anOperator, aUser, type TestGateway, type TestUser, until } from './harness/gateway.ts'
import {
  assertBooksAreRight,
  assertProblem,
  everyPage,
  fund,
  locking,
  lockOf,
  rowsOf,
  sessionsWhere,
  untilLocked,
  WAITS_FOR_LOCK,
} from './harness/paying.ts'

// What statements and notices of banks do to deposits and withdrawals by wire (docs/wire.md).

const SETTINGS = { BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN}` }

let gateway: TestGateway
let operator: TestUser
let ada: TestUser
let euros: string
before(async () => {
  gateway = await aGateway(SETTINGS)
  operator = await anOperator(gateway)
  ada = await aUser(gateway)
  euros = await ada.account('EUR')
  await fund(operator, euros, '1000.00')
})

async function aDeposit(amount: string): Promise<any> {
  return (await ada.post('/v1/deposits', { account: euros, rail: 'wire', amount })).body
}

async function aWithdrawal(amount: string): Promise<any> {
  const destination = { name: 'Ada Lovelace', iban: 'DE89370400440532013000' }
  return (await ada.post('/v1/withdrawals', { account: euros, rail: 'wire', amount, destination })).body
}

const send = (file: string, to: Client = operator) =>
  to.post('/v1/admin/wire/statements', file, { 'content-type': 'application/xml' })

/** Uploads, and gives what became of each movement, in their order. */
async function booked(file: string): Promise<any[]> {
  const { status, body } = await send(file)
  assert.equal(status, 200, JSON.stringify(body))
  return (await everyPage(operator, `/v1/admin/wire/entries?file_id=${body.id}`)).reverse()
}

const paymentOf = async ({ id }: { id: string }) => (await ada.get(`/v1/payments/${id}`)).body
const itemOf = async ({ suspense_id: id }: { suspense_id: string }) =>
  (await operator.get(`/v1/admin/suspense?id=${id}`)).body.data[0]
const straysOf = async ({ id }: { id: string }): Promise<string[]> =>
  (await operator.get(`/v1/admin/suspense?related_id=${id}`)).body.data.map(
    ({ reason, direction, amount }: any) => `${reason} ${direction} ${amount}`,
  )
/** What a rail says beside the bank. */
const report = ({ id }: { id: string }, railReference: string, amount: string | null = null) =>
  gateway.inside.settlement.report('wire', {
    ...{ reference: `main.${id}`, state: 'confirmed', railReference, amount, reason: null },
  })
const balance = () => ada.balance(euros)
const accept = (entry: { id: string }, payment: { id: string }) =>
  operator.post(`/v1/admin/wire/entries/${entry.id}/accept`, { payment_id: payment.id })

describe('A movement that names a payment', () => {
  it('of its amount settles it, in whatever field and form the reference is', async () => {
    const before = Number(await balance())
    const [first, second, third] = [await aDeposit('10.00'), await aDeposit('10.00'), await aWithdrawal('5.00')]
    const entries = await booked(
      aBankFile([
        { amount: '10.00', text: `Invoice ${referenceOf(first).toLowerCase()}` },
        { amount: '10.00', text: `Payment ${referenceOf(second)}` },
        { amount: '5.00', out: true, reference: referenceOf(third) },
      ]),
    )
    assert.deepEqual(
      entries.map(({ status, payment_id, matched_by }) => [status, payment_id, matched_by]),
      [first, second, third].map(({ id }) => ['matched', id, 'reference']),
    )
    for (const each of [first, second, third]) assert.equal((await paymentOf(each)).status, 'completed')
    assert.equal((await paymentOf(first)).rail_reference, entries[0].id)
    assert.equal(Number(await balance()), before + 15)
  })

  it('settles it by what the account got, also where the bank tells of another currency that was sent', async () => {
    const deposit = await aDeposit('12.00')
    const sent = '<AmtDtls><TxAmt><Amt Ccy="USD">14.02</Amt></TxAmt></AmtDtls>'
    const file = aBankFile([{ amount: '12.00', reference: referenceOf(deposit) }])
    const [entry] = await booked(file.replace('</Refs>', `</Refs>${sent}`))
    assert.deepEqual([entry.status, entry.amount, entry.payment_id], ['matched', '12.00', deposit.id])
    assert.equal((await paymentOf(deposit)).status, 'completed')
  })

  it('with another amount: money that came is in suspense and the deposit failed, what went out waits', async () => {
    const [deposit, withdrawal] = [await aDeposit('20.00'), await aWithdrawal('6.00')]
    const [came, went] = await booked(
      aBankFile([
        { amount: '19.00', reference: referenceOf(deposit) },
        { amount: '5.50', out: true, reference: referenceOf(withdrawal) },
      ]),
    )
    assert.deepEqual([came.status, (await itemOf(came)).reason], ['suspense', 'wrong_amount'])
    const { status, failure_reason } = await paymentOf(deposit)
    assert.deepEqual([status, failure_reason], ['failed', 'wrong_amount'])
    assert.deepEqual([went.status, went.suggestions[0].payment_id], ['unmatched', withdrawal.id])
    const accepted = await accept(went, withdrawal)
    assert.deepEqual([accepted.status, accepted.body.status, accepted.body.matched_by], [200, 'matched', 'operator'])
    assert.equal((await paymentOf(withdrawal)).status, 'completed')
    const rest = await itemOf(accepted.body)
    assert.deepEqual([rest.direction, rest.amount, rest.reason], ['in', '0.50', 'wrong_amount'])
  })

  it('that is over goes to suspense, and so does a second one', async () => {
    const [canceled, deposit] = [await aDeposit('7.00'), await aDeposit('8.00')]
    assert.equal((await ada.post(`/v1/payments/${canceled.id}/cancel`)).body.status, 'canceled')
    const twice = { amount: '8.00', reference: referenceOf(deposit) }
    const [late, first, second] = await booked(
      aBankFile([{ amount: '7.00', reference: referenceOf(canceled) }, twice, twice]),
    )
    assert.deepEqual([late.status, (await itemOf(late)).reason], ['suspense', 'late'])
    assert.deepEqual([first.status, second.status, (await itemOf(second)).reason], ['matched', 'suspense', 'twice'])
  })
})

describe('A movement of several payments', () => {
  it('that the bank does not divide waits for an operator, though it names one of them', async () => {
    const deposit = await aDeposit('10.00')
    for (const amount of ['25.00', '10.00']) {
      const parts = [{ reference: referenceOf(deposit) }, { reference: `OTHER-${amount}` }]
      const [entry] = await booked(aBankFile([{ amount, parts }]))
      assert.deepEqual([entry.status, entry.suggestions[0].payment_id], ['unmatched', deposit.id])
    }
    assert.equal((await paymentOf(deposit)).status, 'pending')
    await ada.post(`/v1/payments/${deposit.id}/cancel`)
  })
})

describe('A movement that names none', () => {
  it('is booked to suspense where nothing speaks for a payment: money that came, charges that went', async () => {
    const [came, went] = await booked(
      aBankFile([
        { amount: '123.45', text: 'who knows' },
        { amount: '0.85', out: true, text: 'charges' },
      ]),
    )
    const items = [await itemOf(came), await itemOf(went)]
    assert.deepEqual(
      items.map(({ reason, direction, amount }) => [reason, direction, amount]),
      [
        ['unexpected', 'in', '123.45'],
        ['unexpected', 'out', '0.85'],
      ],
    )
    const resolve = (id: string, body: object) => operator.post(`/v1/admin/suspense/${id}/resolve`, body)
    assert.equal((await resolve(items[0].id, { account: euros, reason: 'Ada wrote' })).body.status, 'completed')
    assert.equal((await resolve(items[1].id, { reason: 'Charges' })).body.status, 'completed')
  })

  it('waits for an operator where its amount speaks for one, who accepts it once or says that it is none', async () => {
    const [deposit, other] = [await aDeposit('31.41'), await aDeposit('27.18')]
    const [first, second] = await booked(aBankFile([{ amount: '31.41' }, { amount: '27.18', text: 'a friend' }]))
    assert.deepEqual([first.status, first.suggestions[0].payment_id], ['unmatched', deposit.id])
    assert.equal((await paymentOf(deposit)).status, 'pending')
    assertProblem(await accept(first, await aWithdrawal('1.00')), 'invalid_value')
    assertProblem(await accept(first, { id: 'pay_01k3v5f4t1f6mb2x9k4w5r8h3n' }), 'invalid_value')
    assertProblem(await ada.post(`/v1/admin/wire/entries/${first.id}/accept`, { payment_id: deposit.id }), 'forbidden')
    const replies = await Promise.all([1, 2, 3].map(() => accept(first, deposit)))
    assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 409, 409])
    for (const reply of replies) if (reply.status !== 200) assertProblem(reply, 'already_resolved')
    assert.equal((await paymentOf(deposit)).status, 'completed')
    assertProblem(await accept(second, deposit), 'payment_not_pending')
    const reason = { reason: 'A present of a friend' }
    const suspended = await operator.post(`/v1/admin/wire/entries/${second.id}/suspend`, reason)
    assert.deepEqual([suspended.body.status, (await itemOf(suspended.body)).amount], ['suspense', '27.18'])
    assert.equal((await paymentOf(other)).status, 'pending')
    assertProblem(await operator.post(`/v1/admin/wire/entries/${second.id}/suspend`, reason), 'already_resolved')
    assertProblem(await operator.post('/v1/admin/wire/entries/bke_x/suspend', reason), 'not_found')
    const audit = await everyPage(operator, '/v1/admin/audit?action[like]=bank_entry')
    const own = audit.filter(({ detail }) => [first.id, second.id].includes(detail.entry))
    assert.deepEqual(own.map(({ action }) => action).sort(), ['bank_entry.accept', 'bank_entry.suspend'])
    for (const line of own) {
      assert.equal(line.object_id, line.detail.entry)
      assert.deepEqual(await everyPage(operator, `/v1/admin/audit?object_id=${line.object_id}`), [line])
    }
    await ada.post(`/v1/payments/${other.id}/cancel`)
  })
})

describe('What comes back', () => {
  it('whole after it was paid out goes to who had sent it, once', async () => {
    const withdrawal = await aWithdrawal('50.00')
    const before = Number(await balance())
    const back = { amount: '50.00', reference: referenceOf(withdrawal), reason: 'AC04' }
    // The bank tells the newest first.
    const [paid, returned] = await booked(
      aBankFile([back, { amount: '50.00', out: true, reference: referenceOf(withdrawal) }]),
    ).then((entries) => entries.sort((one) => (one.direction === 'out' ? -1 : 1)))
    assert.deepEqual([paid.status, returned.status, returned.return_reason], ['matched', 'suspense', 'AC04'])
    assert.equal((await paymentOf(withdrawal)).status, 'completed')
    assert.equal((await itemOf(returned)).status, 'resolved')
    assert.equal(Number(await balance()), before)
    const [again] = await booked(aBankFile([{ ...back, text: 'once more' }]))
    const item = await itemOf(again)
    assert.deepEqual([item.reason, item.status, Number(await balance())], ['returned', 'open', before])
  })

  it('waits for the account that it goes to without holding up what others get by wire', async () => {
    const withdrawal = await aWithdrawal('40.00')
    await booked(aBankFile([{ amount: '40.00', out: true, reference: referenceOf(withdrawal) }]))
    const before = Number(await balance())
    const bob = await aUser(gateway)
    const wish = { account: await bob.account('EUR'), rail: 'wire', amount: '3.00' }
    const { id } = (await bob.post('/v1/deposits', wish)).body
    const [returning] = await locking(gateway, lockOf(euros), async () => {
      const returning = send(aBankFile([{ amount: '40.00', reference: referenceOf(withdrawal), reason: 'AC04' }]))
      const waits = `${WAITS_FOR_LOCK} and query like '%join accounts a%'`
      await until(async () => (await sessionsWhere(gateway, waits)).length > 0)
      const settled = await operator.post(`/v1/admin/payments/${id}/settle`, { reason: 'seen at the bank' })
      assert.equal(settled.body.status, 'completed')
      return [returning]
    })
    assert.equal((await returning).status, 200)
    assert.equal(Number(await balance()), before + 40)
  })

  it('before it was seen to go out fails the withdrawal, and the money waits in suspense', async () => {
    const withdrawal = await aWithdrawal('9.00')
    const reversal = { amount: '9.00', reference: referenceOf(withdrawal), reversal: true }
    const [entry] = await booked(aBankFile([reversal]))
    assert.equal((await itemOf(entry)).reason, 'returned')
    const { status, failure_reason } = await paymentOf(withdrawal)
    assert.deepEqual([status, failure_reason], ['failed', 'returned'])
  })

  it('of a deposit is for an operator', async () => {
    const deposit = await aDeposit('12.00')
    const reference = referenceOf(deposit)
    const [came, back] = await booked(
      aBankFile([
        { amount: '12.00', reference },
        { amount: '12.00', out: true, reference, reversal: true },
      ]),
    )
    assert.equal(came.status, 'matched')
    const { reason, direction, related_id } = await itemOf(back)
    assert.deepEqual([reason, direction, related_id], ['returned', 'out', deposit.id])
  })
})

describe('The same movement', () => {
  for (const [how, servicers] of [
    ['by the bank’s reference', ['R-1', 'R-1']],
    ['by the references of its payment, where only the statement has one of the bank', [undefined, 'R-2']],
    ['by the references of its payment, where only the notice has one of the bank', ['R-3', undefined]],
  ] as const) {
    it(`told by a notice and then by a statement counts once: ${how}`, async () => {
      const deposit = await aDeposit('15.00')
      const before = Number(await balance())
      const movement = (servicer: string | undefined): Movement => ({
        ...{ amount: '15.00', reference: referenceOf(deposit), ...(servicer === undefined ? {} : { servicer }) },
      })
      const [notice] = await booked(aBankFile([movement(servicers[0])], { kind: 'camt.054' }))
      assert.equal(notice.status, 'matched')
      const { body } = await send(aBankFile([movement(servicers[1])]))
      assert.deepEqual([body.statements[0].added, body.statements[0].known], [0, 1])
      const { opening, closing } = body.statements[0]
      assert.equal(Number(closing.books) - Number(opening.books), 15)
      assert.equal(Number(await balance()), before + 15)
    })
  }

  it('that was settled by hand before is only noted', async () => {
    const withdrawal = await aWithdrawal('3.00')
    await operator.post(`/v1/admin/payments/${withdrawal.id}/settle`, { reason: 'Seen online' })
    const before = await balance()
    const [entry] = await booked(aBankFile([{ amount: '3.00', out: true, reference: referenceOf(withdrawal) }]))
    assert.deepEqual([entry.status, entry.payment_id, await balance()], ['matched', withdrawal.id, before])
  })

  it('that was settled by hand before with another amount, once an operator says so, differs by what is in suspense', async () => {
    const wire = async () => (await operator.get('/v1/admin/accounts?code=wire&currency=EUR')).body.data[0].balance
    const before = Number(await wire())
    const [withdrawal, deposit] = [await aWithdrawal('3.00'), await aDeposit('4.00')]
    for (const { id } of [withdrawal, deposit])
      assert.equal((await operator.post(`/v1/admin/payments/${id}/settle`, { reason: 'Seen online' })).status, 200)
    const money = await balance()
    const entries = await booked(
      aBankFile([
        { amount: '3.25', out: true, reference: referenceOf(withdrawal) },
        { amount: '3.90', reference: referenceOf(deposit) },
      ]),
    )
    assert.deepEqual(
      entries.map(({ status }) => status),
      ['unmatched', 'unmatched'],
    )
    const accepted = [await accept(entries[0], withdrawal), await accept(entries[1], deposit)]
    const items = await Promise.all(accepted.map(({ body }) => itemOf(body)))
    assert.deepEqual(
      items.map(({ direction, amount, reason }) => [direction, amount, reason]),
      [
        ['out', '0.25', 'wrong_amount'],
        ['out', '0.10', 'wrong_amount'],
      ],
    )
    // The bank has 3.25 less and 3.90 more.
    assert.equal(Math.round((before - Number(await wire())) * 100), 390 - 325)
    assert.equal(await balance(), money)
  })

  it('told by a rail and by a file, in whatever order and at once, counts once; another of the rail does not', async () => {
    const before = Number(await balance())
    const deposits = [await aDeposit('4.00'), await aDeposit('4.01'), await aDeposit('4.02')]
    const [first, second, third] = deposits as [any, any, any]
    await report(first, 'rail-1')
    const file = aBankFile(deposits.map((each) => ({ amount: each.amount, reference: referenceOf(each) })))
    await Promise.all([booked(file), report(second, 'rail-2')])
    await report(third, 'rail-3')
    await report(third, 'rail-3')
    assert.equal(Number(await balance()), Math.round((before + 12.03) * 100) / 100)
    for (const { id } of deposits) {
      assert.deepEqual((await operator.get(`/v1/admin/suspense?related_id=${id}`)).body.data, [])
    }
    await report(third, 'rail-4')
    const { body } = await operator.get(`/v1/admin/suspense?related_id=${third.id}`)
    assert.deepEqual([body.data.length, body.data[0].reason], [1, 'twice'])
  })

  it('of another amount, told by a rail and by a file, in whatever order, is one: what differs is in suspense once', async () => {
    const wire = async () => (await operator.get('/v1/admin/accounts?code=wire&currency=EUR')).body.data[0].balance
    const told = async (payment: any, amount: string) => {
      const [entry] = await booked(aBankFile([{ amount, out: true, reference: referenceOf(payment) }]))
      assert.equal((await accept(entry, payment)).status, 200)
    }
    const before = Number(await wire())
    const [paid, railFirst, fileFirst] = [
      await aWithdrawal('5.00'),
      await aWithdrawal('6.00'),
      await aWithdrawal('7.00'),
    ]
    await report(paid, 'less-1', '4.00')
    await told(paid, '4.00')
    for (const { id } of [railFirst, fileFirst])
      assert.equal((await operator.post(`/v1/admin/payments/${id}/settle`, { reason: 'Seen online' })).status, 200)
    await report(railFirst, 'less-2', '5.50')
    await told(railFirst, '5.50')
    await told(fileFirst, '6.75')
    await report(fileFirst, 'less-3', '6.75')
    assert.deepEqual(await Promise.all([paid, railFirst, fileFirst].map(straysOf)), [
      ['wrong_amount in 1.00'],
      ['wrong_amount in 0.50'],
      ['wrong_amount in 0.25'],
    ])
    assert.equal(Math.round((Number(await wire()) - before) * 100), 400 + 550 + 675)
  })

  it('of a payment that is over, told by a rail and by a file, in whatever order, is in suspense once', async () => {
    const told = async (payment: any, amount: string, count = 1) =>
      booked(
        aBankFile(
          Array.from({ length: count }, (_, day) => ({
            amount,
            reference: referenceOf(payment),
            servicer: `${payment.id}-${day}`,
          })),
        ),
      )
    const [half, halfToo, late, twice] = [
      await aDeposit('8.00'),
      await aDeposit('8.00'),
      await aDeposit('9.00'),
      await aDeposit('9.50'),
    ]
    await report(half, 'half-1', '7.50')
    const [entry] = await told(half, '7.50')
    assert.deepEqual([entry.status, (await itemOf(entry)).rail_reference], ['suspense', 'half-1'])
    await told(halfToo, '7.50')
    await report(halfToo, 'half-2', '7.50')
    await report(halfToo, 'half-2', '7.50')
    assert.equal((await operator.post(`/v1/admin/payments/${late.id}/cancel`, { reason: 'Asked for' })).status, 200)
    await report(late, 'late-1')
    // What the one tells of besides is another movement.
    await told(late, '9.00', 2)
    await report(late, 'late-1')
    await report(late, 'late-2')
    await report(twice, 'twice-1')
    await report(twice, 'twice-2')
    await told(twice, '9.50', 2)
    assert.deepEqual(await Promise.all([half, halfToo, late, twice].map(straysOf)), [
      ['wrong_amount in 7.50'],
      ['wrong_amount in 7.50'],
      ['late in 9.00', 'late in 9.00'],
      ['twice in 9.50'],
    ])
  })

  it('uploaded to two nodes at once counts once', async () => {
    const other = await aGateway(SETTINGS, gateway.database)
    const deposits = await Promise.all(['1.10', '1.11', '1.12'].map(aDeposit))
    const before = Number(await balance())
    const file = aBankFile(deposits.map((each) => ({ amount: each.amount, reference: referenceOf(each) })))
    const there = aClient(other.url, operator.token)
    const replies = await Promise.all([send(file), send(file, there), send(`${file}\n`), send(`${file}\n\n`, there)])
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 200, 200, 200],
    )
    assert.equal(new Set(replies.map(({ body }) => body.id)).size, 1)
    assert.equal(Number(await balance()), Math.round((before + 3.33) * 100) / 100)
  })

  it('whose file was taken by a node that died before it booked it is booked by another', async () => {
    const deposit = await aDeposit('2.50')
    const { pool, fileReader, config, books } = gateway.inside
    const book = await books.find('main')
    assert.ok(book)
    const nobody = { userId: null, tokenId: null, address: null, requestId: null }
    const bytes = Buffer.from(aBankFile([{ amount: '2.50', reference: referenceOf(deposit) }]))
    const taken = await takeBankFile(
      { pool, reader: fileReader, accounts: config.wireAccounts },
      book.id,
      bytes,
      nobody,
    )
    assert.ok(taken.ok)
    await until(async () => (await paymentOf(deposit)).status === 'completed')
  })
})

describe('A long file', () => {
  it('keeps neither another book nor the end of the gateway waiting', async () => {
    const OTHER_IBAN = 'DE89370400440532013000'
    const own = await aGateway({ BGW_WIRE_ACCOUNTS: `EUR:${OWN_IBAN},other/EUR:${OTHER_IBAN}` })
    const root = await anOperator(own, { allBooks: true })
    assert.equal((await root.post('/v1/admin/books', { name: 'other' })).status, 201)
    /** Takes a file as a node does that dies before it has booked it. */
    const taken = async (name: string, file: string) => {
      const { pool, fileReader: reader, config, books } = own.inside
      const book = await books.find(name)
      assert.ok(book)
      const nobody = { userId: null, tokenId: null, address: null, requestId: null }
      const what = { pool, reader, accounts: config.wireAccounts }
      assert.ok((await takeBankFile(what, book.id, Buffer.from(file), nobody)).ok)
    }
    const payers = await Promise.all([aUser(own), aUser(own)])
    const accounts = await Promise.all(payers.map((user) => user.account('EUR')))
    const movements = await Promise.all(
      payers.map(async (user, index) => {
        const wish = { account: accounts[index], rail: 'wire', amount: '1.00' }
        return { amount: '1.00', reference: referenceOf((await user.post('/v1/deposits', wish)).body) }
      }),
    )
    const [first, later] = movements as [Movement, Movement]
    const strays = (many: number) => Array.from({ length: many }, (_, index) => ({ amount: '2.00', text: `${index}` }))
    const due = async (name: string) =>
      (
        await rowsOf(own, `select from bank_entries e join books b using (book) where status = 'due' and b.name = $1`, [
          name,
        ])
      ).length
    let ended: Promise<void> | undefined
    await locking(own, lockOf(accounts[1] ?? ''), async () => {
      await locking(own, lockOf(accounts[0] ?? ''), async () => {
        await taken('main', aBankFile([first, ...strays(40), later, ...strays(40)]))
        await untilLocked(own, 1)
        await taken('other', aBankFile(strays(1), { iban: OTHER_IBAN }))
        return []
      })
      await until(async () => (await due('main')) === 41)
      await untilLocked(own, 1)
      assert.equal(await due('other'), 0)
      ended = own.inside.bankBooking.stop()
      return []
    })
    await ended
    assert.equal(await due('main'), 40)
    await own.stop()
  })
})

describe('What a bank says twice without any reference', () => {
  it('waits for an operator where one statement goes on from the other, and is one movement where it does not', async () => {
    const charge = { amount: '0.85', out: true, text: 'a charge' }
    const [first] = await booked(aBankFile([charge], { opening: 7_000_000 }))
    assert.equal(first.status, 'suspense')
    const again = aBankFile([charge], { opening: 7_000_000 })
    assert.equal((await send(again)).body.statements[0].known, 1)
    const next = { opening: 7_000_000 - 85 }
    const [second, other] = await booked(aBankFile([charge, charge], next))
    assert.deepEqual([second.status, second.suggestions, other.status], ['unmatched', [], 'suspense'])
    assert.equal((await send(aBankFile([charge, charge], next))).body.statements[0].known, 2)
    const { body } = await operator.post(`/v1/admin/wire/entries/${second.id}/suspend`, { reason: 'Charged twice' })
    assert.deepEqual([body.status, (await itemOf(body)).amount], ['suspense', '0.85'])
  })

  it('waits where the later statement comes first, and where one without movements is between them', async () => {
    const charge = { amount: '1.45', out: true, text: 'a charge of three statements' }
    const added = async (movements: Movement[], opening: number) => {
      const { body } = await send(aBankFile(movements, { opening }))
      const [{ known, suspense, unmatched }] = body.statements
      return { known, suspense, unmatched }
    }
    assert.deepEqual(await added([charge], 5_000_000 - 145), { known: 0, suspense: 1, unmatched: 0 })
    assert.deepEqual(await added([charge], 5_000_000), { known: 0, suspense: 0, unmatched: 1 })
    assert.deepEqual(await added([charge], 5_000_000), { known: 1, suspense: 0, unmatched: 0 })
    assert.deepEqual(await added([], 5_000_000 - 290), { known: 0, suspense: 0, unmatched: 0 })
    assert.deepEqual(await added([charge], 5_000_000 - 290), { known: 0, suspense: 0, unmatched: 1 })
    assert.deepEqual(await added([charge], 5_000_000 - 290), { known: 1, suspense: 0, unmatched: 0 })
  })

  it('is not dropped where it names a payment: what the balances say is another waits for an operator', async () => {
    const deposit = await aDeposit('1.25')
    const before = Number(await balance())
    const twice = { amount: '1.25', reference: referenceOf(deposit) }
    const [first] = await booked(aBankFile([twice], { opening: 6_000_000 }))
    const next = aBankFile([twice], { opening: 6_000_000 + 125 })
    const [second] = await booked(next)
    assert.deepEqual([first.status, second.status], ['matched', 'unmatched'])
    assert.equal((await send(`${next}\n`)).body.id, second.file_id)
    assert.equal(Number(await balance()), Math.round((before + 1.25) * 100) / 100)
    const { body } = await operator.post(`/v1/admin/wire/entries/${second.id}/suspend`, { reason: 'Paid twice' })
    assert.equal(body.status, 'suspense')
  })

  it('is none where it only looks like one: a bank that writes NONREF has no reference', async () => {
    const deposits = [await aDeposit('1.35'), await aDeposit('1.35')]
    for (const deposit of deposits) {
      const movement = { amount: '1.35', reference: referenceOf(deposit), servicer: 'NONREF' }
      const [entry] = await booked(aBankFile([movement], { kind: 'camt.054' }))
      assert.deepEqual([entry.status, entry.servicer_reference], ['matched', null])
      assert.equal((await paymentOf(deposit)).status, 'completed')
    }
  })

  it('waits for an operator where a statement and a notice have told of it, whichever came first', async () => {
    const rent = { amount: '77.01', text: 'a rent that a statement told of first' }
    const [first] = await booked(aBankFile([rent], { opening: 8_000_000 }))
    assert.equal(first.status, 'suspense')
    const notice = (message: string) => aBankFile([rent], { kind: 'camt.054', message })
    assert.equal((await send(notice('RENT-1'))).body.statements[0].known, 1)
    const [second] = await booked(notice('RENT-2'))
    assert.equal(second.status, 'unmatched')
  })

  it('waits for an operator where two notices say it, and a statement that says both has nothing to add', async () => {
    const charge = { amount: '1.05', out: true, text: 'a charge of two notices' }
    const notice = (movements: Movement[], message?: string) =>
      aBankFile(movements, { kind: 'camt.054', ...(message === undefined ? {} : { message }) })
    const [first] = await booked(notice([charge]))
    assert.equal(first.status, 'suspense')
    const [second] = await booked(notice([charge], 'A-NOTICE'))
    assert.deepEqual([second.status, second.suggestions], ['unmatched', []])
    assert.equal((await send(`${notice([charge], 'A-NOTICE')}\n`)).body.id, second.file_id)
    const stated = (count: number, opening: number) =>
      send(aBankFile(Array<Movement>(count).fill(charge), { opening })).then(({ body }) => body.statements[0])
    const { added, known } = await stated(2, 9_000_000)
    assert.deepEqual([added, known], [0, 2])
    const third = await stated(1, 9_000_000 - 210)
    assert.deepEqual([third.added, third.known, third.unmatched], [1, 0, 1])
  })

  it('is ignored where nothing moved', async () => {
    const nothing = { amount: '0.00', text: 'nothing' }
    for (let times = 0; times < 2; times += 1) {
      const [entry] = await booked(aBankFile([nothing], { kind: 'camt.054' }))
      assert.equal(entry.status, 'ignored')
      const suspended = await operator.post(`/v1/admin/wire/entries/${entry.id}/suspend`, { reason: 'x' })
      assertProblem(suspended, 'already_resolved')
    }
  })

  it('waits and has no money in it: it is ignored, and neither accepted nor suspended', async () => {
    const deposit = await aDeposit('2.20')
    const [entry] = await booked(aBankFile([{ amount: '0.00', text: 'nothing of before' }], { kind: 'camt.054' }))
    // As it was listed once.
    await withOwner(gateway.database, (client) =>
      client.query(`update bank_entries set status = 'unmatched' where id = $1`, [decodeId('bke', entry.id)]),
    )
    assertProblem(await accept(entry, deposit), 'already_resolved')
    const say = (what: string) => operator.post(`/v1/admin/wire/entries/${entry.id}/${what}`, { reason: 'Nothing' })
    assertProblem(await say('suspend'), 'already_resolved')
    assert.equal((await say('ignore')).body.status, 'ignored')
  })

  it('is told by the statement that goes on from one that said it, and by the notice of before', async () => {
    const charge = { amount: '1.15', out: true, text: 'a charge of a notice' }
    const counts = async (kind: 'camt.053' | 'camt.054', opening: number) => {
      const { body } = await send(aBankFile([charge], { kind, opening }))
      const [{ added, known, suspense, unmatched }] = body.statements
      return [added, known, suspense, unmatched]
    }
    assert.deepEqual(await counts('camt.054', 0), [1, 0, 1, 0])
    assert.deepEqual(await counts('camt.053', 9_500_000), [0, 1, 0, 0])
    assert.deepEqual(await counts('camt.053', 9_500_000 - 115), [1, 0, 0, 1])
    assert.deepEqual(await counts('camt.054', 0), [1, 0, 0, 1])
    assert.deepEqual(await counts('camt.053', 9_500_000 - 230), [0, 1, 0, 0])
  })

  it('is ignored where an operator says that the books have it, with a reason, and booked where that was a mistake', async () => {
    const charge = { amount: '0.95', out: true, text: 'a charge of another day' }
    await booked(aBankFile([charge], { opening: 8_000_000 }))
    const [second] = await booked(aBankFile([charge], { opening: 8_000_000 - 95 }))
    assert.equal(second.status, 'unmatched')
    const wire = async () => (await operator.get('/v1/admin/accounts?code=wire&currency=EUR')).body.data[0].balance
    const before = await wire()
    const say = (what: string, reason = 'The same as on the day before', to: Client = operator) =>
      to.post(`/v1/admin/wire/entries/${second.id}/${what}`, { reason })
    assertProblem(await say('ignore', '', operator), 'invalid_value')
    assertProblem(await say('ignore', 'mine', ada), 'forbidden')
    const replies = await Promise.all([1, 2, 3].map(() => say('ignore')))
    assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 409, 409])
    for (const reply of replies) if (reply.status !== 200) assertProblem(reply, 'already_resolved')
    assert.equal(replies.find(({ status }) => status === 200)?.body.status, 'ignored')
    assert.equal(await wire(), before)
    assert.equal((await say('suspend', 'It was another one')).body.status, 'suspense')
    assert.equal(Math.round((Number(await wire()) - Number(before)) * 100), 95)
    assertProblem(await say('ignore'), 'already_resolved')
    const audit = await everyPage(operator, '/v1/admin/audit?action=bank_entry.ignore')
    assert.deepEqual(
      audit.map(({ detail }) => detail).filter(({ entry }) => entry === second.id),
      [{ entry: second.id, reason: 'The same as on the day before' }],
    )
  })
})

describe('Movements that say the same of themselves', () => {
  const of = (deposit: { id: string; amount: string }, servicer?: string): Movement => ({
    ...{ amount: deposit.amount, reference: referenceOf(deposit), ...(servicer === undefined ? {} : { servicer }) },
  })
  /** What came by wire, in cents. */
  async function came(): Promise<number> {
    const { body } = await operator.get('/v1/admin/accounts?code=wire&currency=EUR')
    return -Math.round(Number(body.data[0].balance) * 100)
  }
  /** Uploads, and gives how many of a file were new, and how many known. */
  async function told(movements: Movement[], kind: 'camt.053' | 'camt.054', opening = 0): Promise<[number, number]> {
    const { body } = await send(aBankFile(movements, { kind, opening }))
    return [body.statements[0].added, body.statements[0].known]
  }

  it('are known one for one where only the notices have the references of the bank', async () => {
    const deposit = await aDeposit('31.00')
    const before = await came()
    for (const servicer of ['A1', 'A2']) assert.deepEqual(await told([of(deposit, servicer)], 'camt.054'), [1, 0])
    const both = [of(deposit), of(deposit)]
    for (let times = 0; times < 2; times += 1) assert.deepEqual(await told(both, 'camt.053', 20_000_000), [0, 2])
    assert.equal((await came()) - before, 6_200)
    // A third one, of which no notice told: the balances say that it is another.
    assert.deepEqual(await told([of(deposit)], 'camt.053', 20_000_000 + 6_200), [1, 0])
  })

  it('are known one for one where the notices have them, and each statement has one of the two', async () => {
    const deposit = await aDeposit('31.50')
    const before = await came()
    for (const servicer of ['A3', 'A4']) assert.deepEqual(await told([of(deposit, servicer)], 'camt.054'), [1, 0])
    assert.deepEqual(await told([of(deposit)], 'camt.053', 30_000_000), [0, 1])
    for (let times = 0; times < 2; times += 1)
      assert.deepEqual(await told([of(deposit)], 'camt.053', 30_000_000 + 3_150), [0, 1])
    assert.equal((await came()) - before, 6_300)
  })

  it('are two where one notice without a reference of the bank is followed by two statements with one each', async () => {
    const deposit = await aDeposit('32.00')
    const before = await came()
    assert.deepEqual(await told([of(deposit)], 'camt.054'), [1, 0])
    assert.deepEqual(await told([of(deposit, 'B1')], 'camt.053', 40_000_000), [0, 1])
    assert.deepEqual(await told([of(deposit, 'B2')], 'camt.053', 40_000_000 + 3_200), [1, 0])
    assert.deepEqual(await told([of(deposit, 'B1'), of(deposit, 'B2')], 'camt.053', 40_000_000), [0, 2])
    assert.equal((await came()) - before, 6_400)
  })

  it('are known one for one where a statement without references is followed by notices with them', async () => {
    const deposit = await aDeposit('33.00')
    const before = await came()
    assert.deepEqual(await told([of(deposit), of(deposit)], 'camt.053', 50_000_000), [2, 0])
    for (const servicer of ['C1', 'C2', 'C1', 'C2'])
      assert.deepEqual(await told([of(deposit, servicer)], 'camt.054'), [0, 1])
    assert.deepEqual(await told([of(deposit, 'C3')], 'camt.054'), [1, 0])
    assert.equal((await came()) - before, 9_900)
  })

  it('are two where a statement has one of them and the notice of another has a reference', async () => {
    const deposit = await aDeposit('34.00')
    const before = await came()
    assert.deepEqual(await told([of(deposit)], 'camt.053', 60_000_000), [1, 0])
    assert.deepEqual(await told([of(deposit, 'D1')], 'camt.054'), [0, 1])
    assert.deepEqual(await told([of(deposit, 'D2')], 'camt.054'), [1, 0])
    assert.equal((await came()) - before, 6_800)
  })
})

describe('The balances of statements in one file', () => {
  const days = ['2026-11-02', '2026-11-03', '2026-11-04']

  for (const [how, dates] of [
    ['of several days', days],
    ['of several days, of which some are missing', days],
    ['of one day', days.map(() => '2026-11-05')],
  ] as const) {
    it(`${how} are held against the books in the order of time, also where the newest is first`, async () => {
      const gap = how.includes('missing') ? 1_000 : 0
      const [{ balance: wire }] = (await operator.get('/v1/admin/accounts?code=wire&currency=EUR')).body.data
      let opening = -Math.round(Number(wire) * 100)
      const files = dates.map((day, index) => {
        const movement = { amount: `${index + 1}.07`, text: `${how} ${day} ${index}` }
        const file = aBankFile([movement], { day, opening })
        opening += centsOf([movement]) + gap
        return file
      })
      const [newest = '', ...older] = files.reverse()
      const { body } = await send(inOneFile(newest, ...older))
      assert.deepEqual(
        body.statements.map(({ opening: from, closing: to }: any) => [from.difference, to.difference]),
        [2, 1, 0].map((index) => Array(2).fill(((index * gap) / 100).toFixed(2))),
      )
      const { data } = (await operator.get(`/v1/admin/wire/files?id=${body.id}`)).body
      assert.deepEqual(data, [body])
    })
  }
})

describe('A movement that one file tells of without a reference of the bank, and another with one,', () => {
  const wire = async () => (await operator.get('/v1/admin/accounts?code=wire&currency=EUR')).body.data[0].balance
  let cents = 0
  const KINDS = ['camt.053', 'camt.054'] as const

  for (const kind of KINDS) {
    for (const [how, servicers] of [
      ['the later', [undefined, 'L']],
      ['the earlier', ['E', undefined]],
    ] as const) {
      it(`waits for an operator where both are a ${kind}, and ${how} has it: it may be the same, or another`, async () => {
        cents += 1
        const deposit = await aDeposit(`41.${10 + cents}`)
        const { amount } = deposit
        const file = (servicer: string | undefined) =>
          aBankFile(
            [{ amount, reference: referenceOf(deposit), ...(servicer ? { servicer: servicer + cents } : {}) }],
            { kind },
          )
        const [first] = await booked(file(servicers[0]))
        assert.deepEqual([first.status, first.payment_id], ['matched', deposit.id])
        const before = await wire()
        const [second] = await booked(file(servicers[1]))
        assert.deepEqual([second.status, await wire()], ['unmatched', before])
        for (const servicer of servicers) {
          const { added, known } = (await send(file(servicer))).body.statements[0]
          assert.deepEqual([added, known, await wire()], [0, 1, before])
        }
        const reason = { reason: 'Paid twice' }
        const { body } = await operator.post(`/v1/admin/wire/entries/${second.id}/suspend`, reason)
        assert.deepEqual([body.status, (await itemOf(body)).amount], ['suspense', amount])
      })
    }
  }

  for (const first of KINDS) {
    for (const then of KINDS) {
      it(`waits also where it names nothing at all, in a ${first} and then in a ${then}`, async () => {
        cents += 1
        const charge = { amount: `0.${10 + cents}`, out: true, text: 'a charge that gets its reference later' }
        await booked(aBankFile([charge], { kind: first }))
        const before = await wire()
        const [second] = await booked(aBankFile([{ ...charge, servicer: `CHARGE-${cents}` }], { kind: then }))
        assert.deepEqual([second.status, await wire()], ['unmatched', before])
        const { added, known } = (await send(aBankFile([{ ...charge, servicer: `CHARGE-${cents}` }], { kind: first })))
          .body.statements[0]
        assert.deepEqual([added, known], [0, 1])
      })
    }
  }

  for (const [kind, other] of [KINDS, [...KINDS].reverse()] as const) {
    it(`is known by it where a ${other} told of the one of a ${kind} by it, and is another with another`, async () => {
      cents += 1
      const deposit = await aDeposit(`41.${10 + cents}`)
      const movement = { amount: deposit.amount, reference: referenceOf(deposit) }
      const told = async (servicer: string | undefined, how: typeof kind) => {
        const { body } = await send(aBankFile([{ ...movement, ...(servicer ? { servicer } : {}) }], { kind: how }))
        const [{ added, known, suspense }] = body.statements
        return [added, known, suspense]
      }
      const [own, another] = [`OWN-${cents}`, `ANOTHER-${cents}`]
      assert.deepEqual(await told(undefined, kind), [1, 0, 0])
      assert.deepEqual(await told(own, other), [0, 1, 0])
      assert.deepEqual(await told(own, kind), [0, 1, 0])
      assert.deepEqual(await told(another, kind), [1, 0, 1])
      assert.deepEqual(await told(another, other), [0, 1, 0])
    })
  }
})

describe('Whatever banks tell, in whatever files and order,', () => {
  it('the books hold what the bank says, and each payment is settled at most once', async () => {
    let told = 0
    const kinds = fc.constantFrom('deposit', 'twice', 'withdrawal', 'unknown', 'charges', 'returned')
    // Which kinds of file have the bank's references of what names a payment.
    const referring = fc.subarray(['camt.053', 'camt.054'] as const)
    const wanting = fc.array(kinds, { minLength: 3, maxLength: 7 })
    await fc.assert(
      fc.asyncProperty(wanting, fc.boolean(), referring, async (wanted, noticed, refer) => {
        const [{ balance: wire }] = (await operator.get('/v1/admin/accounts?code=wire&currency=EUR')).body.data
        const opening = -Math.round(Number(wire) * 100)
        const movements: Movement[] = []
        for (const kind of wanted) {
          told += 1
          const servicer = `B-${told}`
          const isDeposit = kind === 'deposit' || kind === 'twice'
          const payment = isDeposit ? await aDeposit('1.00') : await aWithdrawal('1.00')
          const reference = referenceOf(payment)
          const out = { amount: '1.00', out: true, reference, servicer }
          if (kind === 'deposit') movements.push({ amount: '1.00', reference, servicer })
          else if (kind === 'twice') {
            for (const time of ['a', 'b'])
              movements.push({ amount: '1.00', reference, servicer: `${servicer}-${time}` })
          } else if (kind === 'withdrawal') movements.push(out)
          else if (kind === 'returned') {
            movements.push(out, { amount: '1.00', reference, reversal: true, servicer: `${servicer}-r` })
          } else {
            await ada.post(`/v1/payments/${payment.id}/cancel`)
            movements.push({ amount: '77.07', out: kind === 'charges', servicer })
          }
        }
        const fileOf = (some: Movement[], kind: 'camt.053' | 'camt.054') =>
          aBankFile(
            some.map(({ servicer = '', ...movement }) =>
              refer.includes(kind) || movement.reference === undefined ? { ...movement, servicer } : movement,
            ),
            { kind, opening },
          )
        // Each by itself, as notices are; what they say twice without a reference is one movement for them.
        const half = movements.slice(0, Math.ceil(movements.length / 2))
        if (noticed) for (const each of half) await send(fileOf([each], 'camt.054'))
        const { body } = await send(fileOf(movements, 'camt.053'))
        const [statement] = body.statements
        assert.deepEqual([statement.opening.difference, statement.closing.difference], ['0.00', '0.00'])
        assert.equal(Math.round(Number(statement.closing.books) * 100), opening + centsOf(movements))
        const { body: again } = await send(fileOf(movements, 'camt.053'))
        assert.equal(again.statements[0].added, 0)
      }),
      { numRuns: 10 },
    )
    await assertBooksAreRight(gateway)
  })
})
