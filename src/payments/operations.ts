import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import type { AccountId, BookId, PaymentId, PostingId, UserId } from '../ledger/id.ts'
import { PAYMENT_KINDS, type PaymentKind } from '../ledger/payment.ts'
import { decodeId, fromBase32, toBase32 } from '../ledger/typeid.ts'
import type { Currency } from '../money/currency.ts'
import { DESCRIPTION, PAYMENT_JOINS, RECEIVER, SENDER } from './read.ts'

export const DIRECTIONS = ['debit', 'credit'] as const
export type Direction = (typeof DIRECTIONS)[number]

/** One side of a posting, seen from one account. Amounts in minor units; times in RFC 3339 UTC. */
export type Operation = {
  readonly postingId: PostingId
  readonly direction: Direction
  readonly paymentId: PaymentId
  readonly accountId: AccountId
  readonly kind: PaymentKind | 'fee'
  readonly amount: bigint
  /** The fee of the payment; zero on the posting that is the fee, and on one in another currency than the fee's. */
  readonly fee: bigint
  readonly balanceAfter: bigint | null
  readonly sender: string
  readonly receiver: string
  readonly currency: Currency
  readonly description: string | null
  readonly createdAt: string
}

type Row = {
  posting_id: PostingId
  direction: Direction
  payment_id: PaymentId
  account_id: AccountId
  kind: PaymentKind | 'fee'
  amount: bigint
  fee: bigint
  balance_after: bigint | null
  sender: string
  receiver: string
  currency: string
  digits: number
  description: string | null
  created_at: string
}

// The two operations of a posting share its id; the prefix tells them apart.
const ID_PREFIXES: Record<Direction, string> = { debit: 'opd_', credit: 'opc_' }

export function encodeOperationId({ postingId, direction }: Pick<Operation, 'postingId' | 'direction'>): string {
  return ID_PREFIXES[direction] + toBase32(postingId)
}

function decodeOperationId(text: string): [string, Direction] | undefined {
  const direction = DIRECTIONS.find((name) => text.startsWith(ID_PREFIXES[name]))
  const id = direction && fromBase32(text.slice(ID_PREFIXES[direction].length))
  return id && [id, direction]
}

// A payment in two currencies has operations in both: `oc` is that of the operation, PAYMENT_JOINS has the payment's.
const JOINS = `
  left join payments p on p.book = o.book and p.id = o.payment_id ${PAYMENT_JOINS}
  left join currencies oc on oc.book = o.book and oc.code = o.currency`

const FEE = `(case when o.kind = 'fee' or o.currency <> p.currency then 0 else p.fee end)`
const amountOf = (sql: string) => ({ sql: fields.amountSql(sql, 'oc.digits'), kind: fields.amount })

/** The list of operations. Indexes: postings_by_debit and postings_by_credit. */
export const operations: ListSpec<Row, Operation> = {
  fields: {
    id: {
      sql: '(o.posting_id, o.direction)',
      kind: fields.compositeId(decodeOperationId, 'an id such as opd_… or opc_…'),
      carried: 'id',
    },
    posting_id: { sql: 'o.posting_id', kind: fields.id((text) => decodeId('pst', text), 'an id such as pst_…') },
    payment_id: { sql: 'o.payment_id', kind: fields.id((text) => decodeId('pay', text), 'an id such as pay_…') },
    account_id: { sql: 'o.account_id', kind: fields.id((text) => decodeId('acc', text), 'an id such as acc_…') },
    kind: { sql: 'o.kind', kind: fields.choice([...PAYMENT_KINDS, 'fee']) },
    direction: { sql: 'o.direction', kind: fields.choice(DIRECTIONS) },
    amount: amountOf('o.amount'),
    fee: amountOf(FEE),
    balance_after: { ...amountOf('o.balance_after'), nullable: true },
    sender: { sql: SENDER, kind: fields.text },
    receiver: { sql: RECEIVER, kind: fields.text },
    currency: { sql: 'o.currency', kind: fields.currency },
    description: { sql: DESCRIPTION, kind: fields.text, nullable: true },
    created_at: { sql: 'o.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'operations o',
  joins: JOINS,
  indexed: { few: ['posting_id', 'payment_id'], inOrder: ['account_id'] },
  key: [
    { sql: 'o.posting_id', cast: 'uuid' },
    { sql: 'o.direction', cast: 'text' },
  ],
  show: `join operations o on o.book = $1 and o.posting_id = page.key0 and o.direction = page.key1 ${JOINS}`,
  columns: `
    o.posting_id, o.direction, o.payment_id, o.account_id, o.kind, o.amount, ${FEE} as fee, o.balance_after,
    ${SENDER} as sender, ${RECEIVER} as receiver, o.currency, oc.digits, ${DESCRIPTION} as description, o.created_at`,
  toItem: (row) => ({
    postingId: row.posting_id,
    direction: row.direction,
    paymentId: row.payment_id,
    accountId: row.account_id,
    kind: row.kind,
    amount: row.amount,
    fee: row.fee,
    balanceAfter: row.balance_after,
    sender: row.sender,
    receiver: row.receiver,
    currency: { code: row.currency, digits: row.digits },
    description: row.description,
    createdAt: row.created_at,
  }),
}

/**
 * The operations of a user's accounts, or of one of them. Postings of fees are left out unless asked for: the payment's
 * fee shows them already.
 */
export function ofUser(book: BookId, userId: UserId, account: AccountId | null, withFees: boolean): Scope {
  return {
    where: 'o.book = $1 and o.account_id = owned.id',
    ...(withFees ? {} : { showing: `o.kind <> 'fee'` }),
    values: [book, userId, account],
    perAccount: '(select id from accounts where book = $1 and user_id = $2 and ($3::uuid is null or id = $3)) owned',
  }
}

/** All operations of a book, of technical accounts and of fees too. Index: the primary key, or those of one account. */
export function inBook(book: BookId): Scope {
  return { where: 'o.book = $1', values: [book] }
}
