/**
 * Ids are UUIDv7 (RFC 9562 §5.7), held in their canonical text form. Their first 60 bits are the database's clock in
 * microseconds, so that the order of ids is the order of time.
 */
export type Id<Of extends string> = string & { readonly idOf: Of }

/** The nil UUID (RFC 9562 §5.9), which comes before every id: where a walk through a table by its key begins. */
export const NIL = '00000000-0000-0000-0000-000000000000'

export type AccountId = Id<'account'>
export type PaymentId = Id<'payment'>
export type PostingId = Id<'posting'>
export type EventId = Id<'event'>
export type UserId = Id<'user'>
export type TokenId = Id<'token'>
export type AuditId = Id<'audit'>
export type QuoteId = Id<'quote'>
export type RateId = Id<'rate'>
export type WebhookId = Id<'webhook'>
export type DeliveryId = Id<'delivery'>
export type BankFileId = Id<'bank_file'>
export type BankEntryId = Id<'bank_entry'>
export type WireBatchId = Id<'wire_batch'>
export type SuspenseId = Id<'suspense'>
export type ApprovalId = Id<'approval'>
export type FeeScheduleId = Id<'fee_schedule'>
export type LimitId = Id<'limit'>
export type ScheduleId = Id<'schedule'>

/** A book's number; its name stands in the table `books`. */
export type BookId = number & { readonly idOf: 'book' }

/** Microseconds since 1970, UTC, by the database's clock. */
export type Instant = bigint & { readonly instant: true }

const MOST_IDS = 2 ** 20
/** The hexadecimal digits of ids, as characters. */
export const DIGITS = Buffer.from('0123456789abcdef')
/** Where the six digits stand that count: behind the third hyphen, and around the fourth. */
const COUNTED = [19, 20, 21, 22, 24, 25]

/**
 * A source of ids for one batch: each is greater than the one before and carries `at`. Method 3 of RFC 9562 §6.2: the
 * 12 bits behind the milliseconds hold their fraction (microseconds times four), then 20 bits count within the batch
 * and 42 random bits keep two batches of one microsecond apart. `random` is at least six random bytes.
 */
export function createIds(at: Instant, random: Uint8Array): <Of extends string>() => Id<Of> {
  const time = timeOf(at)
  const [first = 0, ...others] = random.subarray(0, 6)
  const high = first & 3 // 42 bits: two, then five bytes
  const tail = others.map((byte) => byte.toString(16).padStart(2, '0')).join('')
  // Only the digits that count differ. A text of parts would be put together where it is first read, which costs more.
  const characters = Buffer.from(`${time}-0000-00${tail}`)
  let sequence = 0
  return <Of extends string>() => {
    if (sequence >= MOST_IDS) throw new RangeError('a batch has at most 2^20 ids')
    // Two bits for the variant, twenty that count, two of the random ones: six digits.
    let counted = 0x800000 + sequence * 4 + high
    sequence += 1
    for (let digit = COUNTED.length - 1; digit >= 0; digit -= 1) {
      characters[COUNTED[digit] ?? 0] = DIGITS[counted & 15] ?? 0
      counted >>= 4
    }
    return characters.toString('latin1') as Id<Of>
  }
}

/** The first 64 bits of an id: 48 of milliseconds, the version, 12 of their fraction. */
function timeOf(at: Instant): string {
  const digits = (((at / 1000n) << 16n) | 0x7000n | ((at % 1000n) * 4n)).toString(16).padStart(16, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12)}`
}

/** The instant that an id of createIds carries. */
export function instantOf(id: Id<string>): Instant {
  const milliseconds = BigInt(`0x${id.slice(0, 8)}${id.slice(9, 13)}`)
  return (milliseconds * 1000n + BigInt(`0x${id.slice(15, 18)}`) / 4n) as Instant
}

/** The smallest id that an instant can have: what a filter on time compares ids with. */
export function firstIdAt(at: Instant): Id<string> {
  return `${timeOf(at)}-8000-000000000000` as Id<string>
}
