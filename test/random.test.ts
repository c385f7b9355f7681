import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { withOwner } from '../src/database/connection.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import { verifyBooks } from '../src/verify/verify.ts'
import { type Books, cents, createBooks, feeOf, type Known, total, written } from './harness/books_model.ts'
import { aClient, type Reply } from './harness/client.ts'
import { aDatabase, askedOfTests, cutGateways, type TestCluster, urlOf } from './harness/cluster.ts'
import { until } from './harness/gateway.ts'
import { aFolder, anOperatorOf, aServer, type TestServer } from './harness/server.ts'

// Random sequences of everything that moves money, with races, clocks that jump and crashes, against a gateway as its
// users run it, and beside it a model that says what must come of each (docs/ledger.md). For longer, with sequences that
// are new each time: `TEST_RUNS=50 npm test -- test/random.test.ts`; one that failed again: with its `TEST_SEED`.

const WHATS = [
  ...['pay', 'hold', 'capture', 'withdraw', 'settle', 'refund', 'bulk', 'raceEnds', 'racePays', 'expire', 'convert'],
  ...['later', 'deposit', 'cancel', 'whole', 'raceRefunds', 'freeze', 'raceKey', 'settle', 'refund'],
  ...['schedule', 'fallDue', 'pause', 'raceSchedule'],
] as const
const someStep = fc.record({
  what: fc.constantFrom(...WHATS),
  from: fc.nat(2),
  to: fc.nat(2),
  /** Of what is there, in per cent: sometimes more than all of it. */
  share: fc.integer({ min: 1, max: 110 }),
  pick: fc.nat(1_000),
  feePayer: fc.constantFrom('sender', 'receiver'),
  crash: fc.oneof(
    { weight: 14, arbitrary: fc.constant('none') },
    { weight: 1, arbitrary: fc.constantFrom('backends', 'server') },
  ),
})
type Step = {
  readonly what: (typeof WHATS)[number]
  readonly from: number
  readonly to: number
  readonly share: number
  readonly pick: number
  readonly feePayer: Known['feePayer']
  readonly crash: string
}
/** Each at least once, with both crashes. */
const EACH: Step[] = WHATS.map((what, index) => ({
  ...{ what, from: index % 3, to: (index + 1) % 3, share: 10 + (index % 5) * 9, pick: index * 7 },
  ...{
    feePayer: index % 2 === 0 ? 'sender' : 'receiver',
    crash: index === 2 ? 'server' : index === 5 ? 'backends' : 'none',
  },
}))

let database: TestCluster
let settings: Record<string, string>
let server: TestServer
let token: string | undefined
before(async () => {
  database = await aDatabase()
  // Clocks jump here: no proof stays fresh.
  const BGW_WITHDRAWAL_PROOF_ABOVE = '1000000.00 USD'
  settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder(), BGW_WITHDRAWAL_PROOF_ABOVE }
  server = await aServer(settings)
  const operator = await anOperatorOf(server, settings)
  token = operator.token
  const rate = { from_currency: 'EUR', to_currency: 'USD', rate: '1.25' }
  assert.equal((await operator.post('/v1/admin/rates', rate)).status, 201)
})

const client = () => aClient(server.url, token)

/** By a session that no crash takes. */
const sql = (text: string, values: unknown[] = []): Promise<any[]> =>
  withOwner(database, async (owner) => (await owner.query(text, values)).rows)

/** Takes the database’s sessions, or the gateway itself, from under what is under way. */
async function strike(crash: string): Promise<void> {
  if (crash === 'backends') await cutGateways(database)
  if (crash === 'server') {
    await server.end('SIGKILL')
    server = await aServer(settings)
  }
}

type Asked = {
  readonly path: string
  readonly body: object
  readonly headers: Record<string, string>
  readonly reply: Reply
}
let keys = 0

/** Asks with a key, again and again until there is an answer that counts, whatever strikes meanwhile. */
async function asking(path: string, body: object, crash = 'none', more: Record<string, string> = {}): Promise<Asked> {
  const headers = { 'idempotency-key': `key-${keys++}`, ...more }
  const ask = () =>
    client()
      .post(path, body, headers)
      .catch(() => undefined)
  const first = ask()
  await strike(crash)
  let reply = await first
  while (!reply || reply.status >= 500) {
    await delay(50)
    reply = await ask()
  }
  return { path, body, headers, reply }
}

/** A schedule that is active: so many occurrences are behind it, and so many of these were paid or declined. */
type Scheduled = { readonly id: string; readonly known: (id: string) => Known; occurrences: number; made: number }

/** What the steps of one sequence work on. */
async function aWorld() {
  const lines = ['one', 'two'].map((name) =>
    JSON.stringify({
      email: `${name}-${keys++}@example.com`,
      accounts: [{ currency: 'USD', opening_balance: '500.00' }],
    }),
  )
  const { body } = await client().send('POST', '/v1/admin/users/import', lines.join('\n'), {
    'content-type': 'application/x-ndjson',
  })
  const imported: string[] = String(body)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).accounts[0].id)
  const opened: string[] = []
  for (const currency of ['USD', 'EUR']) opened.push((await client().post('/v1/accounts', { currency })).body.id)
  const [own = '', euros = ''] = opened
  const wish = { account: own, amount: '500.00', direction: 'debit', reason: 'For a test' }
  assert.equal((await client().post('/v1/admin/adjustments', wish)).body.status, 'completed')
  const account = (balance: bigint) => ({ balance, held: 0n, frozen: false })
  const rich = [...imported, own].map((id) => [id, account(50_000n)] as const)
  const books = createBooks(new Map([...rich, [euros, account(0n)]]))
  const asked: Asked[] = []
  const schedules: Scheduled[] = []
  const ask = async (step: Step, path: string, wanted: object, more: Record<string, string> = {}) => {
    const one = await asking(path, wanted, step.crash, more)
    asked.push(one)
    return one.reply
  }
  return { books, dollars: [...imported, own], own, euros, asked, ask, schedules }
}
type World = Awaited<ReturnType<typeof aWorld>>

const OUTSIDE = 'the world outside'
const first = <T>(all: readonly T[], pick: number): T | undefined => all[pick % Math.max(1, all.length)]
const withStatus = ({ payments }: Books, status: string, kinds: readonly string[]) =>
  [...payments.values()].filter((payment) => payment.status === status && kinds.includes(payment.kind))
const heldOnes = ({ books }: World) => withStatus(books, 'pending', ['transfer'])
const onRails = ({ books }: World) => withStatus(books, 'pending', ['deposit', 'withdrawal'])
const refundable = ({ books }: World) =>
  withStatus(books, 'completed', ['transfer', 'conversion']).filter(({ amount, refunded }) => refunded < amount)

/** A share of what is available, or a little where nothing is. */
function amountOf({ books }: World, account: string, share: number): bigint {
  const part = (books.available(account) * BigInt(share)) / 100n
  return part > 0n ? part : 100n
}

/** The body of a transfer, and how the model knows it once it has an id. */
function transferOf(world: World, { from, to, share, feePayer }: Step) {
  const [payer = '', payee = ''] = [world.dollars[from], world.dollars[from === to ? (to + 1) % 3 : to]]
  const amount = amountOf(world, payer, share)
  const body = { from_account: payer, to_account: payee, amount: written(amount), fee_payer: feePayer }
  const sum = { amount, fee: feeOf(amount, false), feePayer, refunded: 0n, toAmount: null }
  const known = (id: string): Known => ({
    id,
    kind: 'transfer',
    from: payer,
    to: payee,
    status: '',
    reason: null,
    ...sum,
  })
  return { body, known }
}

/** That a payment was answered as the model has it. */
function assertSame(body: any, known: Known): void {
  const seen = [body.id, body.status, body.decline_reason, body.amount, body.fee, body.refunded_amount]
  const expected = [
    known.id,
    known.status,
    known.reason,
    written(known.amount),
    written(known.fee),
    written(known.refunded),
  ]
  assert.deepEqual(seen, expected)
}

function assertRefused(reply: Reply, code: string, detail?: string): void {
  assert.equal(reply.body.code, code, JSON.stringify(reply.body))
  if (detail !== undefined) assert.equal(reply.body.errors[0].detail, detail)
}

const STEPS: Record<Step['what'], (world: World, step: Step) => Promise<void>> = {
  async pay(world, step) {
    const { body, known } = transferOf(world, step)
    const { status, body: payment } = await world.ask(step, '/v1/payments', body)
    assert.equal(status, 201)
    assertSame(payment, world.books.make(known(payment.id), false))
  },

  async later(world, step) {
    const { body, known } = transferOf(world, step)
    const { status, body: payment } = await world.ask(step, '/v1/payments', body, { prefer: 'respond-async' })
    assert.deepEqual([status, payment.status], [202, 'initiated'])
    const posted = await until(async () => {
      const now = await client().get(`/v1/payments/${payment.id}?wait=20`)
      return now.body.status !== 'initiated' && now.body
    })
    assertSame(posted, world.books.make(known(payment.id), false))
  },

  async hold(world, step) {
    const { body, known } = transferOf(world, step)
    const { body: payment } = await world.ask(step, '/v1/payments', { ...body, capture: 'manual' })
    assertSame(payment, world.books.make(known(payment.id), true))
  },

  async capture(world, step) {
    const payment = first(heldOnes(world), step.pick)
    if (!payment) return STEPS.hold(world, step)
    const part = (payment.amount * BigInt(Math.min(step.share, 100))) / 100n || 1n
    const reply = await world.ask(step, `/v1/payments/${payment.id}/capture`, { amount: written(part) })
    if (world.books.accounts.get(payment.from)?.frozen) return assertRefused(reply, 'account_frozen', 'pending')
    world.books.end(payment, 'completed', part)
    assertSame(reply.body, payment)
  },

  async cancel(world, step) {
    const payment = first(heldOnes(world), step.pick)
    if (!payment) return STEPS.hold(world, step)
    const reply = await world.ask(step, `/v1/payments/${payment.id}/cancel`, {})
    world.books.end(payment, 'canceled', null)
    assertSame(reply.body, payment)
  },

  async expire(world, step) {
    const payment = first(heldOnes(world), step.pick)
    if (!payment) return STEPS.hold(world, step)
    await timeIsUp(payment)
    const now = await until(async () => {
      const { body } = await client().get(`/v1/payments/${payment.id}?wait=20`)
      return body.status !== 'pending' && body
    })
    world.books.end(payment, 'expired', null)
    assertSame(now, payment)
  },

  async raceEnds(world, step) {
    const payment = first(heldOnes(world), step.pick)
    if (!payment) return STEPS.hold(world, step)
    const part = payment.amount / 2n || 1n
    const path = `/v1/payments/${payment.id}`
    const ends = await Promise.all([
      world.ask(step, `${path}/capture`, {}),
      world.ask({ ...step, crash: 'none' }, `${path}/capture`, { amount: written(part) }),
      world.ask({ ...step, crash: 'none' }, `${path}/cancel`, {}),
      step.pick % 2 === 0 && timeIsUp(payment),
    ])
    const replies = ends.filter((reply) => typeof reply === 'object') as Reply[]
    const won = replies.filter(({ status }) => status === 200)
    const frozen = world.books.accounts.get(payment.from)?.frozen
    assert.ok(won.length <= 1, `${won.length} ends of one payment`)
    const now = (await client().get(`${path}?wait=20`)).body
    assert.equal(now.status, won[0]?.body.status ?? 'expired')
    for (const lost of replies.filter(({ status }) => status !== 200)) {
      if (frozen && lost.body.code === 'account_frozen') continue
      assertRefused(lost, 'payment_not_pending', now.status)
    }
    world.books.end(payment, now.status, now.status === 'completed' ? cents(now.amount) : null)
    assertSame(now, payment)
  },

  async refund(world, step) {
    const payment = first(refundable(world), step.pick)
    if (!payment) return STEPS.pay(world, step)
    const part = ((payment.amount - payment.refunded) * BigInt(step.share)) / 100n || 1n
    const { body } = await world.ask(step, `/v1/payments/${payment.id}/refund`, { amount: written(part) })
    assertSame(body, world.books.refund(payment, body.id, part))
  },

  async raceRefunds(world, step) {
    const payment = first(refundable(world), step.pick)
    if (!payment) return STEPS.pay(world, step)
    const all = written(payment.amount - payment.refunded)
    const path = `/v1/payments/${payment.id}/refund`
    const replies = await Promise.all(
      [1, 2, 3].map((one) => world.ask({ ...step, crash: one === 1 ? step.crash : 'none' }, path, { amount: all })),
    )
    replies.sort((one, other) => (one.body.status < other.body.status ? -1 : 1))
    for (const { body } of replies) assertSame(body, world.books.refund(payment, body.id, cents(all)))
  },

  async racePays(world, step) {
    const { body, known } = transferOf(world, { ...step, share: 51 + (step.share % 49) })
    const replies = await Promise.all(
      [1, 2, 3].map((one) => world.ask({ ...step, crash: one === 1 ? step.crash : 'none' }, '/v1/payments', body)),
    )
    replies.sort((one, other) => (one.body.status < other.body.status ? -1 : 1))
    for (const { body: payment } of replies) assertSame(payment, world.books.make(known(payment.id), false))
  },

  async raceKey(world, step) {
    const { body, known } = transferOf(world, step)
    const key = { 'idempotency-key': `key-${keys++}` }
    const replies = await Promise.all(
      [1, 2, 3].map((one) => world.ask({ ...step, crash: one === 1 ? step.crash : 'none' }, '/v1/payments', body, key)),
    )
    const [{ body: payment } = { body: undefined }] = replies
    for (const reply of replies) assert.deepEqual(reply.body, payment)
    assertSame(payment, world.books.make(known(payment.id), false))
  },

  async bulk(world, step) {
    const wishes = [0, 1, 2].map((turn) => transferOf(world, { ...step, from: (step.from + turn) % 3 }))
    const { status, body } = await world.ask(step, '/v1/payments/bulk', { payments: wishes.map((wish) => wish.body) })
    assert.deepEqual([status, body.data.length], [200, 3])
    for (const [index, { known }] of wishes.entries()) {
      const { payment } = body.data[index]
      assertSame(payment, world.books.make(known(payment.id), false))
    }
  },

  async whole(world, step) {
    const wishes = [0, 1].map(() => transferOf(world, step))
    const { status, body } = await world.ask(step, '/v1/payments/bulk', {
      payments: wishes.map((wish) => wish.body),
      atomic: true,
    })
    const each = wishes.map(({ known }, index) => known(status === 200 ? body.data[index].payment.id : ''))
    const [one] = each
    const fits = one && world.books.refusal(one.from, total(one) * 2n) === null
    if (!fits) return assertRefused({ status, headers: new Headers(), body }, 'payments_declined')
    for (const [index, payment] of each.entries())
      assertSame(body.data[index].payment, world.books.make(payment, false))
  },

  async convert(world, step) {
    const { own, euros, books } = world
    const amount = amountOf(world, own, Math.min(step.share, 100))
    const { body: quote } = await world.ask({ ...step, crash: 'none' }, '/v1/quotes', {
      ...{ from_currency: 'USD', to_currency: 'EUR', from_amount: written(amount) },
    })
    const body = { from_account: own, to_account: euros, amount: written(amount), quote_id: quote.id }
    const { body: payment } = await world.ask(step, '/v1/payments', body)
    const sum = { amount, fee: 0n, feePayer: 'receiver', refunded: 0n, toAmount: cents(quote.to_amount) } as const
    const known: Known = { id: payment.id, kind: 'conversion', from: own, to: euros, status: '', reason: null, ...sum }
    assertSame(payment, books.make(known, false))
  },

  async deposit(world, step) {
    const amount = BigInt(step.share) * 100n
    const { body } = await world.ask(step, '/v1/deposits', {
      account: world.own,
      rail: 'wire',
      amount: written(amount),
    })
    assertSame(body, world.books.make(onRail('deposit', body.id, OUTSIDE, world.own, amount), true))
  },

  async withdraw(world, step) {
    const amount = amountOf(world, world.own, step.share)
    const wish = { account: world.own, rail: 'wallet', amount: written(amount), destination: { wallet: 'one' } }
    const { body } = await world.ask(step, '/v1/withdrawals', wish)
    assertSame(body, world.books.make(onRail('withdrawal', body.id, world.own, OUTSIDE, amount), true))
  },

  async settle(world, step) {
    const payment = first(onRails(world), step.pick)
    if (!payment) return STEPS.deposit(world, step)
    const verbs = ['settle', 'cancel'] as const
    const path = `/v1/admin/payments/${payment.id}`
    const replies = await Promise.all(
      verbs.map((verb) =>
        world.ask({ ...step, crash: verb === 'settle' ? step.crash : 'none' }, `${path}/${verb}`, {
          reason: 'By hand',
        }),
      ),
    )
    const won = replies.filter(({ status }) => status === 200)
    assert.equal(won.length, 1)
    const [{ body: ended } = { body: undefined }] = won
    for (const lost of replies.filter(({ status }) => status !== 200))
      assertRefused(lost, 'payment_not_pending', ended.status)
    world.books.end(payment, ended.status, ended.status === 'completed' ? payment.amount : null)
    assertSame(ended, payment)
  },

  async schedule(world, step) {
    const { body, known } = transferOf(world, step)
    const wish = { ...body, every: 'day', starts_at: '2090-01-31T12:00:00Z' }
    const { status, body: made } = await world.ask(step, '/v1/schedules', wish)
    assert.deepEqual([status, made.status, made.occurrences], [201, 'active', 0])
    world.schedules.push({ id: made.id, known, occurrences: 0, made: 0 })
  },

  async fallDue(world, step) {
    const one = first(world.schedules, step.pick)
    if (!one) return STEPS.schedule(world, step)
    const days = 1 + (step.pick % 3)
    await Promise.all([daysGoBy(one, days), strike(step.crash)])
    const path = `/v1/schedules/${one.id}`
    await until(async () => (await patient(path)).occurrences === one.occurrences + days)
    assert.equal(await takeMade(world, one), days)
    one.occurrences += days
  },

  async pause(world, step) {
    const one = first(world.schedules, step.pick)
    if (!one) return STEPS.schedule(world, step)
    const days = 1 + (step.pick % 3)
    const path = `/v1/schedules/${one.id}`
    assert.equal((await asking(`${path}/pause`, {}, step.crash)).reply.body.status, 'paused')
    await daysGoBy(one, days)
    const { body } = (await asking(`${path}/resume`, {})).reply
    one.occurrences += days
    assert.deepEqual([body.status, body.occurrences], ['active', one.occurrences])
    assert.equal(await takeMade(world, one), 0)
  },

  async raceSchedule(world, step) {
    const one = first(world.schedules, step.pick)
    if (!one) return STEPS.schedule(world, step)
    const path = `/v1/schedules/${one.id}`
    const [{ reply }] = await Promise.all([
      asking(`${path}/cancel`, {}, step.crash),
      daysGoBy(one, 3),
      step.pick % 2 === 0 && asking(`${path}/pause`, {}),
    ])
    // Where the first answer was lost, the second says that it is done.
    if (reply.status !== 200) assertRefused(reply, 'schedule_over', 'canceled')
    world.schedules.splice(world.schedules.indexOf(one), 1)
    const { status, occurrences } = await patient(path)
    assert.deepEqual([status, occurrences], ['canceled', one.occurrences + (await takeMade(world, one))])
  },

  async freeze(world, { from }) {
    const id = world.dollars[from] ?? ''
    const account = world.books.accounts.get(id)
    if (!account) return
    const verb = account.frozen ? 'unfreeze' : 'freeze'
    assert.equal((await client().post(`/v1/admin/accounts/${id}/${verb}`, { reason: 'A test' })).status, 200)
    account.frozen = !account.frozen
  },
}

function onRail(kind: 'deposit' | 'withdrawal', id: string, from: string, to: string, amount: bigint): Known {
  return {
    id,
    kind,
    from,
    to,
    feePayer: 'receiver',
    toAmount: null,
    status: '',
    reason: null,
    amount,
    fee: 0n,
    refunded: 0n,
  }
}

/** The clock jumps over so many occurrences of a schedule. */
async function daysGoBy({ id }: Scheduled, days: number): Promise<void> {
  await sql(
    `update schedules
        set starts_at = past.at, start_number = number, due_at = case when status = 'active' then past.at end,
            attempt_at = case when status = 'active' then past.at end
       from (select clock_timestamp() - make_interval(days => $2 - 1, secs => 1) as at) past
      where id = $1`,
    [decodeId('sch', id), days],
  )
}

/** What is read, once the gateway is there to answer. */
async function patient(path: string): Promise<any> {
  return until(async () => {
    const reply = await client()
      .get(path)
      .catch(() => undefined)
    return reply?.status === 200 && reply.body
  })
}

/** Takes what a schedule has made since the last time, in its order, and gives how much that is. */
async function takeMade({ books }: World, one: Scheduled): Promise<number> {
  const { data } = await patient(`/v1/admin/payments?schedule_id=${one.id}&sort=created_at&limit=200`)
  const made = data.slice(one.made)
  for (const payment of made) assertSame(payment, books.make(one.known(payment.id), false))
  one.made = data.length
  return made.length
}

/** The clock jumps over the end of a hold. */
async function timeIsUp({ id }: Known): Promise<void> {
  const past = `expires_at = now() - interval '1 second'`
  const ids = [decodeId('pay', id)]
  await sql(
    `with moved as (update holds set ${past} where payment_id = $1 returning payment_id)
             update payments set ${past} where status = 'pending' and id in (select payment_id from moved)`,
    ids,
  )
}

/** Each account holds what the model says. */
async function assertAccounts({ books }: World): Promise<void> {
  for (const [id, { balance, held }] of books.accounts) {
    const account = await patient(`/v1/accounts/${id}`)
    assert.deepEqual([account.balance, account.held], [written(balance), written(held)])
  }
}

/** Every payment is there as it was answered, no other one, and whoever asks again is answered as at first. */
async function assertNothingLost({ books, asked }: World): Promise<void> {
  for (const known of books.payments.values()) assertSame((await client().get(`/v1/payments/${known.id}`)).body, known)
  const ids = [...books.accounts.keys()].map((id) => decodeId('acc', id))
  const made = `select count(*)::int as made from payments where (from_account = any($1) or to_account = any($1)) and kind <> 'adjustment'`
  assert.deepEqual(await sql(made, [ids]), [{ made: books.payments.size }])
  for (const { path, body, headers, reply } of asked.filter(({ reply: { status } }) => status < 400)) {
    const again = await client().post(path, body, headers)
    const first = path.endsWith('/bulk') ? replayed(reply.body) : reply.body
    assert.deepEqual([again.status, timeless(again.body)], [reply.status, timeless(first)], path)
  }
}

/** Without the time that the clock may have jumped over. */
const timeless = ({ expires_at: _, ...body }: any) => body

/** An answer to many, where each says that it is one again. */
const replayed = ({ data }: any) => ({ data: data.map((one: object) => ({ ...one, idempotent_replayed: true })) })

describe('Whatever is asked, in whatever order', () => {
  it('comes to what the model says, through races, clocks that jump and crashes, and the books are right', async () => {
    const { runs, seed } = askedOfTests()
    const sequence = fc.array(someStep, { minLength: 20, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(sequence, async (steps) => {
        const world = await aWorld()
        for (const step of steps as Step[]) {
          await STEPS[step.what](world, step)
          await assertAccounts(world)
        }
        await assertNothingLost(world)
        assert.deepEqual((await verifyBooks(database)).findings, [])
      }),
      {
        numRuns: runs ?? 2,
        seed: seed ?? (runs === undefined ? 1815 : Date.now()),
        examples: [[EACH]],
        endOnFailure: true,
      },
    )
  })
})
