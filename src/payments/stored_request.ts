import type { AccountFacts, Directory } from '../accounts/directory.ts'
import type { Queryable } from '../database/connection.ts'
import type { AccountId, BookId, PaymentId, QuoteId } from '../ledger/id.ts'
import type { Capture, FeePayer, PaymentKind, PaymentStatus } from '../ledger/payment.ts'
import type { PricedRequest, RequestedExchange, RequestTerms } from './payment.ts'

/** A payment as it is stored, with all that posting it needs. */
export type StoredRow = {
  id: PaymentId
  kind: PaymentKind
  status: PaymentStatus
  from_account: AccountId
  to_account: AccountId
  currency: string
  amount: bigint
  fee: bigint
  fee_payer: FeePayer
  capture: Capture
  rail: string | null
  refund_of: PaymentId | null
  quote_id: QuoteId | null
  exchange_currency: string | null
  exchange_amount: bigint | null
  exchange_rate: string | null
}

/** The columns of a StoredRow of `payments p`. */
export const STORED_COLUMNS = `
  p.id, p.kind, p.status, p.from_account, p.to_account, p.currency, p.amount, p.fee, p.fee_payer, p.capture, p.rail,
  p.refund_of, p.quote_id, p.exchange_currency, p.exchange_amount, p.exchange_rate`

/** Stored payments as the requests that they were, as far as posting them goes: whoever asked is known to the row. */
export async function requestsOf(
  client: Queryable,
  directory: Directory,
  book: BookId,
  rows: readonly StoredRow[],
): Promise<PricedRequest[]> {
  const facts = await directory.load(book, new Set(rows.flatMap((row) => [row.from_account, row.to_account])), client)
  const requests: PricedRequest[] = []
  for (const row of rows) requests.push(await requestOf(client, directory, book, row, facts))
  return requests
}

async function requestOf(
  client: Queryable,
  directory: Directory,
  book: BookId,
  row: StoredRow,
  facts: ReadonlyMap<AccountId, AccountFacts>,
): Promise<PricedRequest> {
  const from = facts.get(row.from_account)
  const to = facts.get(row.to_account)
  const feeAccount = await directory.technicalAccount(book, 'internal', row.currency, client)
  if (!from || !to) throw new Error(`payment ${row.id} names an account that is not there`)
  const { kind, amount, fee, fee_payer: feePayer } = row
  return {
    book,
    kind,
    from,
    to,
    currency: feeAccount.currency,
    amount,
    fee,
    feePayer,
    feeAccount,
    terms: await termsOf(client, directory, book, row),
    description: null,
    metadata: {},
    madeBy: null,
    key: null,
    audit: null,
  }
}

async function termsOf(client: Queryable, directory: Directory, book: BookId, row: StoredRow): Promise<RequestTerms> {
  if (row.capture === 'manual') return { type: 'hold', expiresAt: null }
  if (row.rail !== null) return { type: 'rail', rail: row.rail, instruct: null }
  const exchange = await exchangeOf(client, directory, book, row)
  if (row.refund_of !== null) return { type: 'refund', of: row.refund_of, exchange }
  if (exchange && row.quote_id) return { type: 'exchange', quote: row.quote_id, exchange }
  return { type: 'plain' }
}

type Exchanged = Pick<StoredRow, 'currency' | 'exchange_currency' | 'exchange_amount' | 'exchange_rate'>

async function exchangeOf(
  client: Queryable,
  directory: Directory,
  book: BookId,
  row: Exchanged,
): Promise<RequestedExchange | null> {
  const { currency, exchange_currency: toCurrency, exchange_amount: toAmount, exchange_rate: rate } = row
  if (toCurrency === null || toAmount === null || rate === null) return null
  return { rate, toAmount, ...(await exchangeAccounts(directory, book, currency, toCurrency, client)) }
}

/** The two accounts between the currencies of a conversion. The book must have both currencies. */
export async function exchangeAccounts(
  directory: Directory,
  book: BookId,
  currency: string,
  toCurrency: string,
  client?: Queryable,
) {
  const outOf = await directory.technicalAccount(book, 'exchange', currency, client)
  const into = await directory.technicalAccount(book, 'exchange', toCurrency, client)
  return { outOf, into }
}
