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

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const VALUES = new Map([...ALPHABET].map((letter, value) => [letter, value]))

/** `acc_01h455vb4pex5vsknk084sn02q` for an id in its canonical text form. */
export function encodeId<P extends Prefix>(prefix: P, id: Kinds[P]): string {
  return `${prefix}_${toBase32(id)}`
}

/** The id of that type that the text stands for; undefined where it is none. */
export function decodeId<P extends Prefix>(prefix: P, text: string): Kinds[P] | undefined {
  if (!text.startsWith(`${prefix}_`)) return undefined
  return fromBase32(text.slice(prefix.length + 1)) as Kinds[P] | undefined
}

/** 128 bits as 26 digits of five bits; the first holds only three of them. Plain numbers: this runs for every id. */
export function toBase32(id: Id<string>): string {
  let text = ''
  let bits = 0
  let held = 2 // the two zeros in front of the first digit
  for (let index = 0; index < 36; index += 1) {
    const code = id.charCodeAt(index)
    if (code === 0x2d) continue
    bits = (bits << 4) | (code < 0x3a ? code - 0x30 : code - 0x57)
    held += 4
    if (held < 5) continue
    held -= 5
    text += ALPHABET.charAt(bits >> held)
    bits &= (1 << held) - 1
  }
  return text
}

export function fromBase32(text: string): Id<string> | undefined {
  if (text.length !== 26 || text.charAt(0) > '7') return undefined
  let hex = ''
  let bits = 0
  let held = -2 // the first digit holds three bits
  for (let index = 0; index < 26; index += 1) {
    const value = VALUES.get(text.charAt(index))
    if (value === undefined) return undefined
    bits = (bits << 5) | value
    held += 5
    while (held >= 4) {
      held -= 4
      hex += HEX.charAt(bits >> held)
      bits &= (1 << held) - 1
    }
  }
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Id<string>
}

const HEX = '0123456789abcdef'
