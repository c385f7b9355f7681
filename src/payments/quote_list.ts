import type { ListSpec, Scope } from '../database/list.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import { QUOTE_COLUMNS, QUOTE_JOINS, type Quote, type QuoteRow, toQuote } from './quotes.ts'

/** Quotes, in the order in which they were made. Index: the primary key. */
export const quotes: ListSpec<QuoteRow, Quote> = {
  fields: {},
  table: 'quotes q',
  key: [{ sql: 'q.id', cast: 'uuid' }],
  show: `join quotes q on q.book = $1 and q.id = page.key0 ${QUOTE_JOINS}`,
  columns: QUOTE_COLUMNS,
  toItem: toQuote,
}

export function quotesOf(book: BookId, userId: UserId): Scope {
  return { where: 'q.book = $1', showing: 'q.user_id = $2', values: [book, userId] }
}
