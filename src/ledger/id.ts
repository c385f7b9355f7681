/**
 * Ids are UUIDv7 (RFC 9562 §5.7), held in their canonical text form. Their first 60 bits are the database's clock in
 * microseconds, so that the order of ids is the order of time.
 */
export type Id<Of extends string> = string & { readonly idOf: Of }

export type AccountId = Id<'account'>
export type PaymentId = Id<'payment'>
export type PostingId = Id<'posting'>
export type EventId = Id<'event'>
export type UserId = Id<'user'>
export type TokenId = Id<'token'>
export type AuditId = Id<'audit'>

/** A book's number; its name stands in the table `books`. */
export type BookId = number & { readonly idOf: 'book' }

/** Microseconds since 1970, UTC, by the database's clock. */
export type Instant = bigint & { readonly instant: true }

const SEQUENCE_BITS = 20n

/**
 * A source of ids for one batch: each is greater than the one before and carries `at`. Method 3 of RFC 9562 §6.2: the
 * 12 bits behind the milliseconds hold their fraction (microseconds times four), then 20 bits count within the batch
 * and 42 random bits keep two batches of one microsecond apart.
 */
export function createIds(at: Instant, random: bigint): <Of extends string>() => Id<Of> {
  const milliseconds = at / 1000n
  const fraction = (at % 1000n) * 4n
  const time = ((milliseconds << 16n) | 0x7000n | fraction).toString(16).padStart(16, '0')
  const prefix = `${time.slice(0, 8)}-${time.slice(8, 12)}-${time.slice(12)}-`
  const tail = random & ((1n << 42n) - 1n)
  let sequence = 0n
  return <Of extends string>() => {
    if (sequence >> SEQUENCE_BITS) throw new RangeError('a batch has at most 2^20 ids')
    const rest = ((0b10n << 62n) | (sequence << 42n) | tail).toString(16)
    sequence += 1n
    return `${prefix}${rest.slice(0, 4)}-${rest.slice(4)}` as Id<Of>
  }
}

/** The instant that an id of createIds carries. */
export function instantOf(id: Id<string>): Instant {
  const milliseconds = BigInt(`0x${id.slice(0, 8)}${id.slice(9, 13)}`)
  return (milliseconds * 1000n + BigInt(`0x${id.slice(15, 18)}`) / 4n) as Instant
}

/** The smallest id that an instant can have: what a filter on time compares ids with. */
export function firstIdAt(at: Instant): Id<string> {
  const time = (((at / 1000n) << 16n) | 0x7000n | ((at % 1000n) * 4n)).toString(16).padStart(16, '0')
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-${time.slice(12)}-8000-000000000000` as Id<string>
}
