import { type EventId, firstIdAt, type Id, type Instant, instantOf, NIL } from '../ledger/id.ts'
import { fromBase32, toBase32 } from '../ledger/typeid.ts'

/** A place in the events of a book: behind the event of that transaction and id. */
export type Position = { readonly txid: bigint; readonly id: EventId }

const LARGEST_TXID = 2n ** 63n - 1n

/** Behind everything up to a transaction, at a time that tells how old the position is. */
export function behindTransaction(txid: bigint, at: Instant): Position {
  return { txid, id: firstIdAt(at) as Id<string> as EventId }
}

/** When the event was written that a position is behind. */
export function timeOf({ id }: Position): Instant {
  return instantOf(id)
}

/**
 * No event behind the position has a smaller id: what keeps a reading of the feed to the tables of its days. An event of
 * a younger transaction may carry an earlier time, but not by more than the older one was under way, which is far less
 * than a day.
 */
export function firstIdBehind(position: Position): Id<string> {
  const day = timeOf(position) - DAY
  return day < 0n ? (NIL as EventId) : firstIdAt(day as Instant)
}

const DAY = 86_400_000_000n

export function isAfter(position: Position, other: Position): boolean {
  return position.txid === other.txid ? position.id > other.id : position.txid > other.txid
}

/** A position as callers keep it. */
export function encodePosition({ txid, id }: Position): string {
  return `${txid.toString(36)}-${toBase32(id)}`
}

/** The position that the text stands for; undefined where it is none. */
export function decodePosition(text: string): Position | undefined {
  const match = /^([0-9a-z]{1,13})-([0-9a-z]{26})$/.exec(text)
  if (!match) return undefined
  const [, number = '', rest = ''] = match
  const txid = [...number].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n)
  const id = fromBase32(rest)
  return id === undefined || txid > LARGEST_TXID ? undefined : { txid, id: id as unknown as EventId }
}
