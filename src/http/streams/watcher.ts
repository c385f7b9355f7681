import { readAccounts } from '../../accounts/account.ts'
import type { Queryable } from '../../database/connection.ts'
import { type Follower, type Followers, type Following, Gone } from '../../events/follow.ts'
import { encodePosition, type Position } from '../../events/position.ts'
import type { BookEvent } from '../../events/read.ts'
import type { AccountId, BookId, Id, PaymentId, ScheduleId, UserId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { readPayments } from '../../payments/read.ts'
import { readSchedules } from '../../schedules/schedule.ts'
import { ApiError, fieldError } from '../errors.ts'
import { presentAccount, presentPayment, presentSchedule } from '../present.ts'
import type { Line } from './line.ts'
import { jsonOf } from './streams.ts'

export const MOST_SUBSCRIPTIONS = 1_000
const MOST_HELD = 1_000
const EVERYTHING = '*'

type Options = {
  readonly client: Queryable
  readonly followers: Followers
  readonly line: Line
  readonly book: BookId
  readonly userId: UserId
}

/** What one WebSocket is subscribed to, and the events that it is told for that. */
export type Watcher = ReturnType<typeof createWatcher>

export function createWatcher({ client, followers, line, book, userId }: Options) {
  const watched = new Set<string>()
  /** Events that come while the state in front of them is read. */
  let held: BookEvent[] | undefined
  let following: Following | undefined
  let begun = false
  let position: Position | undefined

  function tell(event: BookEvent): void {
    if (held) {
      held.push(event)
      if (held.length > MOST_HELD) line.end('slow_reader')
      return
    }
    position = event.position
    if (watches(event)) line.send(`{"event":${jsonOf(event)}}`)
    // Who was sent away may still read for a while: nothing more is kept for them.
    if (line.isOver()) following?.end()
  }

  function watches({ subject }: BookEvent): boolean {
    if (watched.has(EVERYTHING)) return true
    switch (subject.kind) {
      case 'payment':
        return [subject.payment.id, subject.payment.from, subject.payment.to].some((id) => watched.has(id))
      case 'account':
        return watched.has(subject.account.id)
      case 'schedule':
        return watched.has(subject.schedule.id)
      case 'webhook':
        return false
    }
  }

  function release(): void {
    const waiting = held ?? []
    held = undefined
    for (const event of waiting) tell(event)
  }

  const follower: Follower = { book, userId, tell, isFull: line.isFull, ready: line.ready }

  async function start(beginning: Promise<Following>): Promise<void> {
    begun = true
    try {
      following = await beginning
    } catch (error) {
      begun = false
      throw error
    }
    position ??= following.from
    if (line.isOver()) following.end()
  }

  /** As if nothing had been asked for yet: the next subscription is the first, and may say where it goes on. */
  function startAnew(): void {
    following?.end()
    following = undefined
    begun = false
    position = undefined
    held = []
  }

  /** Tells the state of what is subscribed to, then each change; from `after` on where that is given. */
  async function subscribe(names: readonly string[], after: Position | undefined): Promise<void> {
    if (after && begun) throw fieldError('after', 'invalid_value', 'goes with the first subscription')
    const ids = idsOf('subscribe', names)
    if (watched.union(new Set(ids.values())).size > MOST_SUBSCRIPTIONS) {
      throw fieldError('subscribe', 'invalid_value', `names more than ${MOST_SUBSCRIPTIONS} things`)
    }
    held = []
    const isFirst = !begun
    try {
      if (isFirst && !after) await start(followers.join(follower))
      const states = await readStates(client, book, userId, ids)
      for (const id of ids.values()) watched.add(id)
      const place = position ?? after
      line.send(JSON.stringify({ subscribed: names, position: place ? encodePosition(place) : null }))
      for (const state of states) line.send(JSON.stringify({ state }))
    } catch (error) {
      if (isFirst) startAnew()
      throw error
    } finally {
      release()
    }
    // What was before is told while other messages are read already.
    if (isFirst && after) start(followers.resume(follower, after)).catch(failed)
  }

  function failed(error: unknown): void {
    if (!(error instanceof Gone)) line.end('unavailable')
  }

  function unsubscribe(names: readonly string[]): void {
    for (const id of idsOf('unsubscribe', names).values()) watched.delete(id)
    line.send(JSON.stringify({ unsubscribed: names }))
  }

  return { subscribe, unsubscribe, end: () => following?.end() }
}

/** The ids by their names. Throws `invalid_id` where a name stands for nothing that can be watched. */
function idsOf(field: 'subscribe' | 'unsubscribe', names: readonly string[]): Map<string, string> {
  const idOf = (name: string): string => {
    const id = name === EVERYTHING ? name : (decodeId('pay', name) ?? decodeId('acc', name) ?? decodeId('sch', name))
    if (!id) throw fieldError(field, 'invalid_id', `has '${name}', which is no pay_…, no acc_…, no sch_… and not *`)
    return id
  }
  return new Map(names.map((name) => [name, idOf(name)]))
}

/** The objects as they are now, in their order. Throws `not_found` where the user may not see one. */
async function readStates(
  client: Queryable,
  book: BookId,
  userId: UserId,
  ids: ReadonlyMap<string, string>,
): Promise<object[]> {
  const of = <Of extends string>(prefix: string) =>
    [...ids].flatMap(([name, id]) => (name.startsWith(prefix) ? [id as Id<Of>] : []))
  const [payments, accounts, schedules] = await Promise.all([
    readPayments(client, book, of<'payment'>('pay_')),
    readAccounts(client, book, of<'account'>('acc_')),
    readSchedules(client, book, of<'schedule'>('sch_')),
  ])
  return [...ids].flatMap(([name, id]): object[] => {
    if (id === EVERYTHING) return []
    const payment = payments.get(id as PaymentId)
    if (payment && [payment.senderUser, payment.receiverUser].includes(userId)) return [presentPayment(payment)]
    const account = accounts.get(id as AccountId)
    if (account?.userId === userId) return [presentAccount(account)]
    const schedule = schedules.get(id as ScheduleId)
    if (schedule?.userId === userId) return [presentSchedule(schedule)]
    throw new ApiError('not_found', `There is no ${name} here`)
  })
}
