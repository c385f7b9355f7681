import type { Queryable } from '../database/connection.ts'
import type { BookId } from '../ledger/id.ts'
import type { Payment, PaymentRequest } from './payment.ts'

/** A column of `payments` as a batch writes it: all its values as one array. */
type Column = {
  readonly name: string
  readonly type: string
  readonly value: (payment: Payment, request: PaymentRequest) => unknown
}

const COLUMNS: readonly Column[] = [
  { name: 'id', type: 'uuid', value: ({ id }) => id },
  { name: 'kind', type: 'text', value: ({ kind }) => kind },
  { name: 'status', type: 'text', value: ({ status }) => status },
  { name: 'decline_reason', type: 'text', value: ({ declineReason }) => declineReason },
  { name: 'from_account', type: 'uuid', value: ({ from }) => from },
  { name: 'to_account', type: 'uuid', value: ({ to }) => to },
  { name: 'currency', type: 'text', value: ({ currency }) => currency.code },
  { name: 'amount', type: 'numeric', value: ({ amount }) => amount },
  { name: 'fee', type: 'numeric', value: ({ fee }) => fee },
  { name: 'fee_payer', type: 'text', value: ({ feePayer }) => feePayer },
  { name: 'description', type: 'text', value: ({ description }) => description },
  { name: 'metadata', type: 'jsonb', value: ({ metadata }) => JSON.stringify(metadata) },
  { name: 'made_by', type: 'uuid', value: (_, { madeBy }) => madeBy },
  { name: 'idempotency_key', type: 'uuid', value: (_, { key }) => key?.key ?? null },
  { name: 'request_hash', type: 'uuid', value: (_, { key }) => key?.requestHash ?? null },
  { name: 'completed_at', type: 'timestamptz', value: ({ completedAt }) => completedAt },
]

/** What only payments with terms of their own have. */
const COLUMNS_OF_TERMS: readonly Column[] = [
  { name: 'capture', type: 'text', value: ({ capture }) => capture },
  { name: 'expires_at', type: 'timestamptz', value: ({ expiresAt }) => expiresAt },
  { name: 'rail', type: 'text', value: ({ rail }) => rail },
  { name: 'refund_of', type: 'uuid', value: ({ refundOf }) => refundOf },
  { name: 'authorized_amount', type: 'numeric', value: ({ authorizedAmount }) => authorizedAmount },
  { name: 'authorized_fee', type: 'numeric', value: ({ authorizedFee }) => authorizedFee },
  { name: 'quote_id', type: 'uuid', value: (_, { terms }) => (terms.type === 'exchange' ? terms.quote : null) },
  { name: 'exchange_currency', type: 'text', value: ({ exchange }) => exchange?.toCurrency.code ?? null },
  { name: 'exchange_amount', type: 'numeric', value: ({ exchange }) => exchange?.toAmount ?? null },
  { name: 'schedule_id', type: 'uuid', value: ({ scheduleId }) => scheduleId },
  { name: 'scheduled_for', type: 'timestamptz', value: ({ scheduledFor }) => scheduledFor },
  { name: 'exchange_rate', type: 'text', value: ({ exchange }) => exchange?.rate ?? null },
]

type Insert = { readonly name: string; readonly text: string; readonly columns: readonly Column[] }

const PLAIN_INSERT = insertOf('write-payments', COLUMNS)
const INSERT_WITH_TERMS = insertOf('write-payments-with-terms', [...COLUMNS, ...COLUMNS_OF_TERMS])

function insertOf(name: string, columns: readonly Column[]): Insert {
  const arrays = columns.map(({ type }, index) => `$${index + 5}::${type}[]`)
  const text = `
      insert into payments (book, created_at, updated_at, asynchronous, ${columns.map((column) => column.name).join(', ')})
      select $1, $2, $3, $4, v.* from unnest(${arrays.join(', ')}) as v`
  return { name, text, columns }
}

/** Writes the payments of a batch, in one statement. Times and `asynchronous` are those of all of them. */
export async function insertPayments(
  client: Queryable,
  book: BookId,
  requests: readonly PaymentRequest[],
  payments: readonly Payment[],
  asynchronous: boolean,
): Promise<void> {
  const { createdAt = null, updatedAt = null } = payments[0] ?? {}
  const isPlain = requests.every(({ terms }) => terms.type === 'plain')
  const { name, text, columns } = isPlain ? PLAIN_INSERT : INSERT_WITH_TERMS
  const arrays = columns.map(({ value }) =>
    payments.map((payment, index) => {
      const request = requests[index]
      if (!request) throw new Error('a batch has one payment for each request')
      return value(payment, request)
    }),
  )
  await client.query({ name, text, values: [book, createdAt, updatedAt, asynchronous, ...arrays] })
}
