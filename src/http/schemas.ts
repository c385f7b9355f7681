import { type Static, type TSchema, Type } from 'typebox'
import { parseInstant } from '../database/instant.ts'
import { LONGEST_NAME } from '../identity/display_name.ts'
import { parseKnownEmail } from '../identity/email.ts'
import { ROLES } from '../identity/roles.ts'
import { ACCOUNT_STATUSES, TECHNICAL_CODES } from '../ledger/account.ts'
import { CAPTURES, DECLINE_REASONS, FEE_PAYERS, PAYMENT_KINDS, PAYMENT_STATUSES } from '../ledger/payment.ts'
import { decodeId, type Prefix } from '../ledger/typeid.ts'
import { UNITS } from '../schedules/rhythm.ts'
import { SCHEDULE_STATUSES } from '../schedules/schedule.ts'

// The parts that requests and answers are made of. Requests refuse fields that they do not know.

/** What a `format` of our schemas checks. An amount's digits are checked later, when its currency is known. */
export const formats: Record<string, (text: string) => boolean> = {
  amount: (text) => /^(0|[1-9]\d{0,30})(\.\d{1,18})?$/.test(text),
  email: (text) => parseKnownEmail(text) !== undefined,
  'date-time': (text) => parseInstant(text) !== undefined,
  currency: (text) => /^[A-Z][A-Z0-9]{2,7}$/.test(text),
  ...Object.fromEntries(
    (
      [
        'acc',
        'aud',
        'bke',
        'bkf',
        'apr',
        'dlv',
        'evt',
        'fee',
        'lim',
        'pay',
        'pst',
        'qte',
        'rat',
        'sch',
        'sus',
        'tok',
        'usr',
        'wbt',
        'whk',
      ] satisfies Prefix[]
    ).map((prefix) => [`${prefix}_id`, (text: string) => decodeId(prefix, text) !== undefined]),
  ),
}

const EXAMPLE_IDS = {
  acc: 'acc_01k3v5f2q8e8pv0z3m0c6b7d1e',
  pay: 'pay_01k3v5f4t1f6mb2x9k4w5r8h3n',
  pst: 'pst_01k3v5f4t1f6mb2x9k4w5r8h3p',
  qte: 'qte_01k3v5f3m7h2c9w4x8z5r6t1q0',
  rat: 'rat_01k3v5f0j5d8n2b6v9y4s7k3e1',
  sch: 'sch_01k3v5f6h2m8q4t0v6x2z8b4d5',
  sus: 'sus_01k3v5f4t1f6mb2x9k4w5r8h3s',
  tok: 'tok_01k3v5f1a2fj9t8s7r6q5p4n3m',
  apr: 'apr_01k3v5f4t1f6mb2x9k4w5r8h3t',
  aud: 'aud_01k3v5ezz9e2qsf8h7g6f5d4c9',
  usr: 'usr_01k3v5ezz9e2qsf8h7g6f5d4c3',
  evt: 'evt_01k3v5f4t1f6mb2x9k4w5r8h3q',
  fee: 'fee_01k3v5f0j5d8n2b6v9y4s7k3e2',
  lim: 'lim_01k3v5f0j5d8n2b6v9y4s7k3e3',
  whk: 'whk_01k3v5f3b7e2n9t6s4r2q0p8m7',
  bke: 'bke_01k3v5f7a3c5e7g9j1m3p5r7t9',
  bkf: 'bkf_01k3v5f7a3c5e7g9j1m3p5r7t8',
  dlv: 'dlv_01k3v5f4w2f0k8h6g4d2c0b9a8',
  wbt: 'wbt_01k3v5f7a3c5e7g9j1m3p5r7tb',
} as const

/** Says of a text with a pattern, or of the keys of an object, what a refusal says that it must be. */
export const SHAPE = 'x-shape'

/** The same, or null. Written as two types and not as a choice of schemas, which would be slow to serialise. */
export const Nullable = <T extends TSchema>(schema: T) => {
  const { type, enum: words } = schema as { type?: string; enum?: readonly unknown[] }
  return Type.Unsafe<Static<T> | null>({
    ...schema,
    type: [type, 'null'],
    ...(words ? { enum: [...words, null] } : {}),
  })
}

/** One of these words, written as an enum so that a refusal can name them. */
export const OneOf = <const T extends readonly string[]>(values: T, options: object = {}) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...options })

export const IdOf = (prefix: keyof typeof EXAMPLE_IDS) =>
  Type.String({ format: `${prefix}_id`, examples: [EXAMPLE_IDS[prefix]] })

export const Amount = Type.String({
  format: 'amount',
  description: "A decimal string in the currency's unit, with at most the currency's digits.",
  examples: ['12.30'],
})
export const CurrencyCode = Type.String({ format: 'currency', examples: ['USD'] })
export const Time = Type.String({
  format: 'date-time',
  description: 'RFC 3339, UTC, microseconds.',
  examples: ['2026-11-23T12:00:00.000000Z'],
})
export const FutureTime = Type.String({
  format: 'date-time',
  description: 'RFC 3339, in the future.',
  examples: ['2099-12-31T12:00:00.000000Z'],
})
/** A day or time of a query; read by momentOf. */
export const Moment = Type.Optional(
  Type.String({
    maxLength: 40,
    description: 'A day or a time, UTC.',
    examples: ['2026-11-01', '2026-11-01T12:00:00Z'],
  }),
)
export const Email = Type.String({ format: 'email', maxLength: 254, examples: ['ada@example.com'] })
export const Name = Type.String({ minLength: 1, maxLength: 100, examples: ['Savings'] })
export const DisplayName = Type.String({ minLength: 1, maxLength: LONGEST_NAME, examples: ['Ada Lovelace'] })
export const Description = Type.String({ maxLength: 500, examples: ['Lunch'] })
export const Metadata = Type.Record(Type.String({ pattern: '^.{1,40}$' }), Type.String({ maxLength: 500 }), {
  maxProperties: 50,
  additionalProperties: false,
  [SHAPE]: '1 to 40 characters without a line break',
  description: 'Up to 50 texts of your own, by names of up to 40 characters.',
  examples: [{ order: '1815' }],
})
export const BookName = Type.String({
  pattern: '^[a-z][a-z0-9-]{0,31}$',
  [SHAPE]: 'a small letter and up to 31 small letters, digits and hyphens behind it',
  examples: ['main'],
})

const DIGITS = "A decimal string with exactly the currency's digits."
export const Money = Type.String({ description: DIGITS, examples: ['98.00'] })

/** Money, and what it is of. */
function moneyOf(what: string) {
  return Type.String({ description: `${what} ${DIGITS}`, examples: ['98.00'] })
}

export const Account = Type.Object(
  {
    id: IdOf('acc'),
    user_id: Nullable(IdOf('usr')),
    code: Nullable(OneOf(TECHNICAL_CODES, { description: 'What a technical account stands for.' })),
    name: Name,
    currency: CurrencyCode,
    balance: Money,
    held: Money,
    available: Money,
    overdraft_limit: Money,
    status: OneOf(ACCOUNT_STATUSES),
    refuse_incoming: Type.Boolean({ description: 'Frozen, so that no money comes in either.' }),
    metadata: Metadata,
    created_at: Time,
    updated_at: Time,
  },
  { title: 'Account' },
)

export const Payment = Type.Object(
  {
    id: IdOf('pay'),
    kind: OneOf(PAYMENT_KINDS),
    status: OneOf(PAYMENT_STATUSES),
    decline_reason: Nullable(OneOf(DECLINE_REASONS)),
    from_account: IdOf('acc'),
    to_account: IdOf('acc'),
    currency: CurrencyCode,
    amount: moneyOf(
      'What was asked for, or of a hold that was captured what it came to; of a refund its part of the original.',
    ),
    fee: moneyOf(
      'What the house takes, of `fee_payer`; of a refund what it returns of the original’s fee, in proportion.',
    ),
    fee_payer: OneOf(FEE_PAYERS),
    net_amount: moneyOf(
      'What the receiver gets of it: `amount`, less `fee` where the receiver pays that; before it is exchanged, if it is. ' +
        'Of a refund what its sender gives back; its receiver is given `fee` on top. Also told where nothing was posted.',
    ),
    exchange: Nullable(
      Type.Object({
        rate: Type.String({ examples: ['0.92'] }),
        from_amount: Money,
        to_amount: Money,
        to_currency: CurrencyCode,
      }),
    ),
    refunded_amount: moneyOf('The sum of the `amount` of its refunds up to now.'),
    refund_of: Nullable(IdOf('pay')),
    capture: OneOf(CAPTURES),
    expires_at: Nullable(Time),
    rail: Nullable(Type.String()),
    rail_reference: Nullable(Type.String()),
    failure_reason: Nullable(Type.String({ description: 'Why its rail refused it.' })),
    authorized_amount: Nullable(
      Type.String({ description: 'What was asked for, where it was held first; `amount` is what it came to.' }),
    ),
    description: Nullable(Description),
    metadata: Metadata,
    schedule_id: Nullable(IdOf('sch')),
    scheduled_for: Nullable(Time),
    sender: Type.String({ examples: ['ada@example.com'] }),
    receiver: Type.String({ examples: ['bob@example.com'] }),
    created_at: Time,
    completed_at: Nullable(Time),
    updated_at: Time,
  },
  { title: 'Payment' },
)
export type PaymentBody = Static<typeof Payment>

export const Schedule = Type.Object(
  {
    id: IdOf('sch'),
    user_id: IdOf('usr'),
    status: OneOf(SCHEDULE_STATUSES),
    from_account: IdOf('acc'),
    to_account: IdOf('acc'),
    currency: CurrencyCode,
    amount: Money,
    fee_payer: OneOf(FEE_PAYERS),
    description: Nullable(Description),
    metadata: Metadata,
    every: Nullable(OneOf(UNITS)),
    interval: Type.Integer(),
    time_zone: Type.String({ examples: ['Europe/Prague'] }),
    starts_at: Time,
    ends_at: Nullable(Time),
    count: Nullable(Type.Integer()),
    retry_times: Type.Integer(),
    retry_every_minutes: Type.Integer(),
    occurrences: Type.Integer({ description: 'How many are behind it.' }),
    next_at: Nullable(Type.String({ description: 'When the next one falls due; null unless it is active.' })),
    attempts: Type.Integer({ description: 'How often that one was declined.' }),
    next_attempt_at: Nullable(Type.String({ description: 'When that one is tried, or tried again.' })),
    last_payment_id: Nullable(IdOf('pay')),
    created_at: Time,
    updated_at: Time,
  },
  { title: 'Schedule' },
)

export const Operation = Type.Object(
  {
    id: Type.String({ examples: ['opd_01k3v5f4t1f6mb2x9k4w5r8h3p'] }),
    posting_id: IdOf('pst'),
    payment_id: IdOf('pay'),
    account_id: IdOf('acc'),
    kind: OneOf([...PAYMENT_KINDS, 'fee']),
    direction: OneOf(['debit', 'credit'], { description: 'debit: money in; credit: money out.' }),
    amount: Money,
    fee: Money,
    balance_after: Nullable(Money),
    sender: Type.String(),
    receiver: Type.String(),
    currency: CurrencyCode,
    description: Nullable(Description),
    created_at: Time,
  },
  { title: 'Operation' },
)

export const ListedUser = Type.Object(
  {
    id: IdOf('usr'),
    email: Email,
    display_name: Nullable(DisplayName),
    role: OneOf(ROLES),
    all_books: Type.Boolean(),
    status: OneOf(ACCOUNT_STATUSES),
    refuse_incoming: Type.Boolean({ description: 'Frozen, so that no money comes in either.' }),
    confirmed_at: Nullable(Time),
    closed_at: Nullable(Time),
    erased_at: Nullable(Time),
    created_at: Time,
  },
  { title: 'User' },
)

export const AuditLine = Type.Object(
  {
    id: IdOf('aud'),
    actor_id: Nullable(IdOf('usr')),
    actor: Nullable(Type.String({ description: 'Null for the operator at the machine.' })),
    token_id: Nullable(IdOf('tok')),
    action: Type.String({ examples: ['adjustment.create'] }),
    object_id: Nullable(Type.String()),
    detail: Type.Record(Type.String(), Type.Unknown()),
    address: Nullable(Type.String()),
    request_id: Nullable(Type.String()),
    created_at: Time,
  },
  { title: 'AuditLine' },
)

/** Why an operator does something; it is in the audit log. */
export const Reason = Type.String({ minLength: 1, maxLength: 500, examples: ['Cash deposit, receipt 1815'] })
export const ReasonBody = Type.Object({ reason: Reason }, { additionalProperties: false })
export const FreezeBody = Type.Object(
  {
    reason: Reason,
    refuse_incoming: Type.Optional(Type.Boolean({ description: 'Whether nothing comes in either.', examples: [true] })),
  },
  { additionalProperties: false },
)

export const PageOf = (item: TSchema) =>
  Type.Object({
    data: Type.Array(item),
    next_cursor: Nullable(Type.String({ description: 'For `cursor`, to read the next page; null on the last one.' })),
  })

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String(),
    request_id: Type.Optional(Type.String()),
    errors: Type.Array(Type.Object({ field: Type.String(), code: Type.String(), detail: Type.String() })),
  },
  { title: 'Problem', description: 'RFC 9457 problem details, with a stable code.' },
)
