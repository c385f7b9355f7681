import { type Book, MAIN_BOOK } from '../books/books.ts'
import type { Gateway } from '../gateway.ts'
import { parseEmail } from '../identity/email.ts'
import { fieldError } from './errors.ts'

/** The book that a public call names. Throws `invalid_value` where there is none of that name. */
export async function namedBook(gateway: Gateway, name: string = MAIN_BOOK): Promise<Book> {
  const book = await gateway.books.find(name)
  if (!book) throw fieldError('book', 'invalid_value', 'is no book here')
  return book
}

/** The address as it is kept; the schema has checked it. */
export function emailOf(text: string): string {
  const email = parseEmail(text)
  if (email === undefined) throw fieldError('email', 'invalid_value', 'must be an e-mail address')
  return email
}
