import { type Bank, formatHalere, type Order, parseHalere, readBank } from './files.ts'
import { sendLines, type Target, textOf } from './lines.ts'
import { type Holder, ownersOf, ownKey, receiverKey, receiversOf } from './users.ts'

export type Stage = 'owners' | 'banks' | 'orders'
export type OnProgress = (stage: Stage, done: number, total: number) => void

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

/** Imports users and notes the ids of their accounts, whether they were made now or had been there. */
async function importUsers(
  target: Target,
  holders: readonly Holder[],
  ids: Ids,
  failures: string[],
  onProgress: (done: number, total: number) => void,
): Promise<Count> {
  const count = { made: 0, there: 0 }
  const users = holders.map(({ user }) => user)
  let done = 0
  for await (const answer of sendLines(target, 'importUsers', users)) {
    const holder = holders[done]
    done += 1
    onProgress(done, users.length)
    if (!holder) continue
    if (answer.status >= 400) {
      failures.push(`${holder.user.email}: ${textOf(answer.error)}`)
      continue
    }
    count[answer.status === 201 ? 'made' : 'there'] += 1
    for (const { id, currency, name } of answer.accounts ?? []) {
      const key = holder.keyOf(name)
      // The oldest of a name comes first: the same one in every run.
      if (currency === 'CZK' && !ids.has(key)) ids.set(key, id)
    }
  }
  return count
}

/** Pays each order with a key of its own; one that an earlier run has paid is answered as it was then. */
async function payOrders(
  target: Target,
  orders: readonly Order[],
  ids: Ids,
  failures: string[],
  onProgress: (done: number, total: number) => void,
): Promise<Paid[]> {
  const sent = orders.flatMap((order) => {
    const [from, to] = [ids.get(ownKey(order.account)), ids.get(receiverKey(order.bank, order.receiver))]
    if (from !== undefined && to !== undefined) return [{ order, line: lineOf(order, from, to) }]
    failures.push(`order ${order.id}: not sent, its ${from === undefined ? 'sender' : 'receiver'} has no account`)
    return []
  })
  const paid: Paid[] = []
  const lines = sent.map(({ line }) => line)
  let done = 0
  for await (const outcome of sendLines(target, 'createPayments', lines)) {
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

function lineOf({ id, amount, purpose, bank, receiver }: Order, from: string, to: string) {
  return {
    from_account: from,
    to_account: to,
    amount: formatHalere(amount),
    description: `Standing order ${id} to ${receiver} at ${bank}`,
    metadata: { order: id, purpose, bank },
    idempotency_key: `berka-order-${id}`,
  }
}
