import { jsons, numerics, texts, uuids } from '../database/binary_arrays.ts'
import type { Queryable } from '../database/connection.ts'
import { storedUnlessErased } from '../database/personal_fields.ts'
import type { BookId } from '../ledger/id.ts'
import type { Payment, PaymentRequest } from './payment.ts'

/** A column of `payments` as a batch writes it: all its values as one array, and what is made of each. */
type Column = {
  readonly name: string
  readonly sql: string
  readonly type: string
  readonly array: (payments: readonly Payment[], requests: readonly PaymentRequest[]) => unknown
}

function column<T>(type: string, arrayOf: (values: readonly T[]) => unknown) {
  return (name: string, value: (payment: Payment, request: PaymentRequest) => T): Column => ({
    name,
    sql: `v.${name}`,
    type,
    array: (payments, requests) =>
      arrayOf(
        payments.map((payment, index) => {
          const request = requests[index]
          if (!request) throw new Error('a batch has one payment for each request')
          return value(payment, request)
        }),
      ),
  })
}

const uuid = column('uuid', uuids)
const text = column('text', texts)
const numeric = column('numeric', numerics)
const json = column('jsonb', jsons)
const time = column('timestamptz', (values: readonly (string | null)[]) => values)

/**
 * Whose its texts are, as `text_owner` of the database has it: of who pays, or of who is paid from outside. Null where they
 * are the house's.
 */
const TEXT_OWNER = uuid('text_owner', (_, { kind, from, to }) =>
  kind === 'bonus' || kind === 'adjustment' ? null : (from.userId ?? to.userId),
)
/** A text, under the key of whoever's it is; behind the locks of its accounts it is known whether they are erased by now. */
const kept = (of: Column): Column => ({
  ...of,
  sql: storedUnlessErased('$1', 'v.text_owner', `v.${of.name}::text`),
})

const isEmpty = (metadata: object) => Object.keys(metadata).length === 0

const COLUMNS: readonly Column[] = [
  uuid('id', ({ id }) => id),
  text('kind', ({ kind }) => kind),
  text('status', ({ status }) => status),
  text('decline_reason', ({ declineReason }) => declineReason),
  uuid('from_account', ({ from }) => from),
  uuid('to_account', ({ to }) => to),
  text('currency', ({ currency }) => currency.code),
  numeric('amount', ({ amount }) => amount),
  numeric('fee', ({ fee }) => fee),
  text('fee_payer', ({ feePayer }) => feePayer),
  kept(text('description', ({ description }) => description)),
  kept(json('metadata', ({ metadata }) => (isEmpty(metadata) ? null : JSON.stringify(metadata)))),
  uuid('made_by', (_, { madeBy }) => madeBy),
  uuid('idempotency_key', (_, { key }) => key?.key ?? null),
  uuid('request_hash', (_, { key }) => key?.requestHash ?? null),
]

/** What only payments with terms of their own have. */
const COLUMNS_OF_TERMS: readonly Column[] = [
  text('capture', ({ capture }) => capture),
  time('expires_at', ({ expiresAt }) => expiresAt),
  text('rail', ({ rail }) => rail),
  uuid('refund_of', ({ refundOf }) => refundOf),
  numeric('authorized_amount', ({ authorizedAmount }) => authorizedAmount),
  numeric('authorized_fee', ({ authorizedFee }) => authorizedFee),
  uuid('quote_id', (_, { terms }) => (terms.type === 'exchange' ? terms.quote : null)),
  text('exchange_currency', ({ exchange }) => exchange?.toCurrency.code ?? null),
  numeric('exchange_amount', ({ exchange }) => exchange?.toAmount ?? null),
  text('exchange_rate', ({ exchange }) => exchange?.rate ?? null),
  uuid('schedule_id', ({ scheduleId }) => scheduleId),
  time('scheduled_for', ({ scheduledFor }) => scheduledFor),
]

type Insert = { readonly name: string; readonly text: string; readonly columns: readonly Column[] }

const PLAIN_INSERT = insertOf('write-payments', COLUMNS)
const INSERT_WITH_TERMS = insertOf('write-payments-with-terms', [...COLUMNS, ...COLUMNS_OF_TERMS])

function insertOf(name: string, written: readonly Column[]): Insert {
  const names = (columns: readonly Column[]) => columns.map((each) => each.name).join(', ')
  const columns = [TEXT_OWNER, ...written]
  const arrays = columns.map(({ type }, index) => `unnest($${index + 5}::${type}[])`)
  const text = `
      insert into payments (book, created_at, updated_at, asynchronous, completed_at, ${names(written)})
      select $1, $2, $3::timestamptz, $4, case v.status when 'completed' then $3 end,
             ${written.map(({ sql }) => sql).join(', ')}
        from (select ${arrays.join(', ')}) as v (${names(columns)})`
  return { name, text, columns }
}

/** Writes the payments of a batch, in one statement. Times and `asynchronous` are those of all of them; what is completed is so now. */
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
  const arrays = columns.map(({ array }) => array(payments, requests))
  await client.query({ name, text, values: [book, createdAt, updatedAt, asynchronous, ...arrays] })
}
