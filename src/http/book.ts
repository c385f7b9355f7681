import { type Book, MAIN_BOOK } from '../books/books.ts'
import type { Gateway } from '../gateway.ts'
import { parseEmail, parseKnownEmail } from '../identity/email.ts'
import { fieldError } from './errors.ts'

/** The book that a public call names. Throws `invalid_value` where there is none of that name. */
export async function namedBook(gateway: Gateway, name: string = MAIN_BOOK): Promise<Book> {
  const book = await gateway.books.find(name)
  if (!book) throw fieldError('book', 'invalid_value', 'is no book here')
  return book
}

/** The address as it is kept. */
export function emailOf(text: string): string {
  return parseEmail(text) ?? noEmail()
}

/** The address of whoever may be there. */
export function knownEmailOf(text: string): string {
  return parseKnownEmail(text) ?? noEmail()
}

function noEmail(): never {
  throw fieldError('email', 'invalid_value', 'must be an e-mail address')
}
