import type { BookId } from '../ledger/id.ts'
import { isCanceled, isUnavailable } from './faults.ts'

/**
 * Does some work of each book in turn. What fails in one book takes no other its turn, and is thrown behind the last: a
 * fault rather than a statement that took too long. A database that is away ends it at once.
 */
export async function forEachBook(books: Iterable<BookId>, work: (book: BookId) => Promise<void>): Promise<void> {
  const errors: unknown[] = []
  for (const book of books) {
    try {
      await work(book)
    } catch (error) {
      if (isUnavailable(error) && !isCanceled(error)) throw error
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors.find((error) => !isUnavailable(error)) ?? errors[0]
}

/** The same of the books that a query found; returns how much it was in all. */
export async function sumOfEachBook(
  found: readonly { readonly book: BookId }[],
  work: (book: BookId) => Promise<number>,
): Promise<number> {
  let total = 0
  await forEachBook(
    found.map(({ book }) => book),
    async (book) => {
      total += await work(book)
    },
  )
  return total
}
