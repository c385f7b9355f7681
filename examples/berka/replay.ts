import { StartError } from '../../src/start_error.ts'
import { type Bank, formatHalere, type Order, parseHalere, readBank } from './files.ts'

/** Above the sum of its orders, so that an account is not emptied to the last haléř. */
const RESERVE = 1_000_00n
/** A line may have 64 KiB; an account takes some 40 bytes of it. */
const ACCOUNTS_A_LINE = 1_000
/** Bulk takes 10 000 payments a request. */
const LINES_A_REQUEST = 10_000

export type Stage = 'owners' | 'banks' | 'orders'
export type OnProgress = (stage: Stage, done: number, total: number) => void
export type Target = { readonly url: string; readonly token: string; readonly signal?: AbortSignal }

/** An order that is paid, as the gateway answered it; `there`: by an earlier run. */
export type Paid = { readonly order: Order; readonly amount: bigint; readonly fee: bigint; readonly there: boolean }
export type Count = { readonly made: number; readonly there: number }
export type Replay = {
  readonly owners: Count
  readonly banks: Count
  readonly paid: readonly Paid[]
  /** One line for each user that was not imported and each order that was not paid. */
  readonly failures: readonly string[]
}

type Account = { readonly currency: 'CZK'; readonly name: string; readonly opening_balance?: string }
type User = { readonly email: string; readonly accounts: readonly Account[] }
type Problem = { readonly detail: string; readonly errors?: readonly { field: string; detail: string }[] }
type Answer = { readonly status: number; readonly error?: Problem }
type Imported = Answer & { readonly accounts?: readonly { id: string; currency: string; name: string }[] }
type Payment = { readonly status: string; readonly decline_reason: string | null; amount: string; fee: string }
type Outcome = Answer & { readonly payment?: Payment; readonly idempotent_replayed?: boolean }
/** The gateway's ids of accounts, by what the bank calls them. */
type Ids = Map<string, string>

/** Replays the bank whose files are in the folder. May be repeated: what is there already is left as it is. */
export async function replayBerka(options: Target & { folder: string; onProgress?: OnProgress }): Promise<Replay> {
  return replayBank(await readBank(options.folder), options, options.onProgress)
}

/** The same for a bank that has been read, so that wrong files are found before anything is started for them. */
export async function replayBank(bank: Bank, target: Target, onProgress: OnProgress = () => {}): Promise<Replay> {
  const failures: string[] = []
  const ids: Ids = new Map()
  const step = (stage: Stage) => (done: number, total: number) => onProgress(stage, done, total)
  const owners = await importUsers(target, ownersOf(bank), ids, failures, step('owners'))
  const banks = await importUsers(target, receiversOf(bank.orders), ids, failures, step('banks'))
  const paid = await payOrders(target, bank.orders, ids, failures, step('orders'))
  return { owners, banks, paid, failures }
}

function ownersOf({ owners, orders }: Bank): Map<string, User> {
  const sums = new Map<string, bigint>()
  for (const { account, amount } of orders) sums.set(account, (sums.get(account) ?? 0n) + amount)
  return new Map(
    [...owners].map(([account, client]) => {
      const opening = formatHalere((sums.get(account) ?? 0n) + RESERVE)
      const accounts = [{ currency: 'CZK' as const, name: account, opening_balance: opening }]
      return [account, { email: `client-${client}@berka.example`, accounts }]
    }),
  )
}

/** A user for each bank, or several where it has more accounts than fit into a line: always the same ones. */
function receiversOf(orders: readonly Order[]): Map<string, User> {
  const users = new Map<string, User>()
  const byBank = Map.groupBy(orders, ({ bank }) => bank)
  for (const [bank, own] of [...byBank].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const names = [...new Set(own.map(({ receiver }) => receiver))].sort()
    for (let start = 0; start < names.length; start += ACCOUNTS_A_LINE) {
      const part = names.length > ACCOUNTS_A_LINE ? `-${start / ACCOUNTS_A_LINE + 1}` : ''
      const accounts = names.slice(start, start + ACCOUNTS_A_LINE).map((name) => ({ currency: 'CZK' as const, name }))
      users.set(`${bank}${part}`, { email: `bank-${bank.toLowerCase()}${part}@berka.example`, accounts })
    }
  }
  return users
}

const ownKey = (account: string) => `own ${account}`
const bankKey = (bank: string, account: string) => `${bank} ${account}`

async function importUsers(
  target: Target,
  users: ReadonlyMap<string, User>,
  ids: Ids,
  failures: string[],
  onProgress: (done: number, total: number) => void,
): Promise<Count> {
  const count = { made: 0, there: 0 }
  const entries = [...users]
  const answers = sendLines<Imported>(target, '/v1/admin/users/import', [...users.values()])
  let done = 0
  for await (const { status, error, accounts = [] } of answers) {
    const [name, user] = entries[done] ?? ['', { email: '', accounts: [] }]
    done += 1
    onProgress(done, users.size)
    if (status >= 400) {
      failures.push(`${user.email}: ${textOf(error)}`)
      continue
    }
    count[status === 201 ? 'made' : 'there'] += 1
    for (const account of accounts) {
      if (account.currency !== 'CZK') continue
      const isBank = user.email.startsWith('bank-')
      ids.set(isBank ? bankKey(name.slice(0, 2), account.name) : ownKey(account.name), account.id)
    }
  }
  return count
}

async function payOrders(
  target: Target,
  orders: readonly Order[],
  ids: Ids,
  failures: string[],
  onProgress: (done: number, total: number) => void,
): Promise<Paid[]> {
  const sent = orders.flatMap((order) => {
    const [from, to] = [ids.get(ownKey(order.account)), ids.get(bankKey(order.bank, order.receiver))]
    if (from !== undefined && to !== undefined) return [{ order, line: lineOf(order, from, to) }]
    failures.push(`order ${order.id}: not sent, its ${from === undefined ? 'sender' : 'receiver'} has no account`)
    return []
  })
  const paid: Paid[] = []
  const lines = sent.map(({ line }) => line)
  let done = 0
  for await (const outcome of sendLines<Outcome>(target, '/v1/payments/bulk', lines)) {
    const order = sent[done]?.order
    done += 1
    onProgress(done, lines.length)
    const { payment } = outcome
    if (!order) continue
    if (payment?.status === 'completed') {
      const there = outcome.idempotent_replayed === true
      paid.push({ order, amount: parseHalere(payment.amount), fee: parseHalere(payment.fee), there })
    } else {
      const why = payment ? `${payment.status}, ${payment.decline_reason}` : textOf(outcome.error)
      failures.push(`order ${order.id}: ${why}`)
    }
  }
  return paid
}

function lineOf({ id, amount, purpose, bank, receiver }: Order, from: string, to: string): object {
  return {
    from_account: from,
    to_account: to,
    amount: formatHalere(amount),
    description: `Standing order ${id} to ${receiver} at ${bank}`,
    metadata: { order: id, purpose, bank },
    idempotency_key: `berka-order-${id}`,
  }
}

/** Sends NDJSON and yields one answer a line, in order and as they arrive. */
async function* sendLines<T extends Answer>(target: Target, path: string, lines: readonly object[]): AsyncGenerator<T> {
  for (let start = 0; start < lines.length; start += LINES_A_REQUEST) {
    const part = lines.slice(start, start + LINES_A_REQUEST)
    let answered = 0
    let last: Answer | undefined
    for await (const text of readLines(target, path, part)) {
      const answer: T = JSON.parse(text)
      last = answer
      answered += 1
      yield answer
    }
    if (answered !== part.length) {
      const why = last?.error ? `: ${textOf(last.error)}` : ''
      throw new StartError(`${path} answered ${answered} of ${part.length} lines${why}`)
    }
  }
}

async function* readLines({ url, token, signal }: Target, path: string, lines: readonly object[]) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' }
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  try {
    const response = await fetch(url + path, { method: 'POST', headers, body, ...(signal ? { signal } : {}) })
    if (!response.ok) throw new StartError(`${path} answered ${response.status}: ${await response.text()}`)
    let rest = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const whole = (rest + chunk).split('\n')
      rest = whole.pop() ?? ''
      yield* whole
    }
    if (rest !== '') yield rest
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    const { message, cause: reason } = cause as Error
    const why = signal?.aborted ? 'stopped' : (reason as Error | undefined)?.message || message
    throw new StartError(`${url}${path}: ${why}`, { cause })
  }
}

function textOf(problem: Problem | undefined): string {
  const fields = problem?.errors?.map(({ field, detail }) => `${field} ${detail}`) ?? []
  return [problem?.detail ?? 'no reason was given', ...fields].join('; ')
}
