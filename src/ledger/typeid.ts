import type {
  AccountId,
  ApprovalId,
  AuditId,
  BankEntryId,
  BankFileId,
  DeliveryId,
  EventId,
  FeeScheduleId,
  Id,
  LimitId,
  PaymentId,
  PostingId,
  QuoteId,
  RateId,
  ScheduleId,
  SuspenseId,
  TokenId,
  UserId,
  WebhookId,
  WireBatchId,
} from './id.ts'
import { DIGITS } from './id.ts'

// Ids as they go out: TypeID (https://github.com/jetify-com/typeid), a type prefix and the UUID in Crockford's base32.

type Kinds = {
  acc: AccountId
  apr: ApprovalId
  aud: AuditId
  bke: BankEntryId
  bkf: BankFileId
  dlv: DeliveryId
  evt: EventId
  fee: FeeScheduleId
  lim: LimitId
  pay: PaymentId
  pst: PostingId
  qte: QuoteId
  rat: RateId
  sch: ScheduleId
  sus: SuspenseId
  tok: TokenId
  usr: UserId
  wbt: WireBatchId
  whk: WebhookId
}
export type Prefix = keyof Kinds

/** Crockford's base32 in lower case: the digits of ids as they go out. */
export const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LETTERS = Buffer.from(ALPHABET)
/** What each letter stands for; minus one where it is none. */
const VALUES = Int8Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)))

const HYPHEN = 0x2d
/** Where a canonical UUID has one. */
const isHyphen = (at: number) => at === 8 || at === 13 || at === 18 || at === 23

/** `acc_01h455vb4pex5vsknk084sn02q` for an id in its canonical text form. */
export function encodeId<P extends Prefix>(prefix: P, id: Kinds[P]): string {
  return `${prefix}_${toBase32(id)}`
}

/** The id of that type that the text stands for; undefined where it is none. */
export function decodeId<P extends Prefix>(prefix: P, text: string): Kinds[P] | undefined {
  if (!text.startsWith(`${prefix}_`)) return undefined
  return fromBase32(text.slice(prefix.length + 1)) as Kinds[P] | undefined
}

// Both run for every id that comes in, goes out or is sealed: plain numbers, written into one buffer.
const text32 = Buffer.alloc(26)
const text16 = Buffer.alloc(36)

/** 128 bits as 26 digits of five bits; the first holds only three of them. */
export function toBase32(id: Id<string>): string {
  let at = 0
  let bits = 0
  let held = 2 // the two zeros in front of the first digit
  for (let index = 0; index < 36; index += 1) {
    const code = id.charCodeAt(index)
    if (code === HYPHEN) continue
    bits = (bits << 4) | (code < 0x3a ? code - 0x30 : code - 0x57)
    held += 4
    if (held < 5) continue
    held -= 5
    text32[at] = LETTERS[bits >> held] ?? 0
    at += 1
    bits &= (1 << held) - 1
  }
  return text32.toString('latin1')
}

export function fromBase32(text: string): Id<string> | undefined {
  if (text.length !== 26 || text.charAt(0) > '7') return undefined
  let at = 0
  let bits = 0
  let held = -2 // the first digit holds three bits
  for (let index = 0; index < 26; index += 1) {
    const value = VALUES[text.charCodeAt(index)] ?? -1
    if (value < 0) return undefined
    bits = (bits << 5) | value
    held += 5
    while (held >= 4) {
      held -= 4
      if (isHyphen(at)) {
        text16[at] = HYPHEN
        at += 1
      }
      text16[at] = DIGITS[bits >> held] ?? 0
      at += 1
      bits &= (1 << held) - 1
    }
  }
  return text16.toString('latin1') as Id<string>
}
