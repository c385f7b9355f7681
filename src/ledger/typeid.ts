import type { AccountId, AuditId, EventId, Id, PaymentId, PostingId, TokenId, UserId } from './id.ts'

// Ids as they go out: TypeID (https://github.com/jetify-com/typeid), a type prefix and the UUID in Crockford's base32.

type Kinds = {
  acc: AccountId
  aud: AuditId
  evt: EventId
  pay: PaymentId
  pst: PostingId
  tok: TokenId
  usr: UserId
}
export type Prefix = keyof Kinds

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const VALUES = new Map([...ALPHABET].map((letter, value) => [letter, BigInt(value)]))

/** `acc_01h455vb4pex5vsknk084sn02q` for an id in its canonical text form. */
export function encodeId<P extends Prefix>(prefix: P, id: Kinds[P]): string {
  return `${prefix}_${toBase32(id)}`
}

/** The id of that type that the text stands for; undefined where it is none. */
export function decodeId<P extends Prefix>(prefix: P, text: string): Kinds[P] | undefined {
  if (!text.startsWith(`${prefix}_`)) return undefined
  return fromBase32(text.slice(prefix.length + 1)) as Kinds[P] | undefined
}

/** 128 bits as 26 digits of base32; the first digit holds only three of them. */
export function toBase32(id: Id<string>): string {
  let high = BigInt(`0x${id.slice(0, 8)}${id.slice(9, 13)}${id.slice(14, 17)}`) // 60 bits: 12 digits
  let low = BigInt(`0x${id.slice(17, 18)}${id.slice(19, 23)}${id.slice(24)}`) // 68 bits
  let text = ''
  // The low 65 bits are 13 digits; the 3 bits above them belong to the digit with the lowest 2 bits of `high`.
  for (let digit = 0; digit < 13; digit += 1) {
    text = ALPHABET[Number(low & 31n)] + text
    low >>= 5n
  }
  high = (high << 3n) | low
  for (let digit = 0; digit < 13; digit += 1) {
    text = ALPHABET[Number(high & 31n)] + text
    high >>= 5n
  }
  return text
}

export function fromBase32(text: string): Id<string> | undefined {
  if (text.length !== 26) return undefined
  let bits = 0n
  for (const letter of text) {
    const value = VALUES.get(letter)
    if (value === undefined) return undefined
    bits = (bits << 5n) | value
  }
  if (bits >> 128n) return undefined
  const hex = bits.toString(16).padStart(32, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Id<string>
}
