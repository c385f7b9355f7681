import type { BookId } from '../ledger/id.ts'
import { isCanceled, isUnavailable } from './faults.ts'

/**
 * Does some work of each book in turn, and returns how much that was. What fails in one book takes no other its turn, and
 * is thrown behind the last: a fault rather than a statement that took too long. A database that is away ends it at once.
 */
export async function forEachBook(
  books: readonly { readonly book: BookId }[],
  work: (book: BookId) => Promise<number>,
): Promise<number> {
  const errors: unknown[] = []
  let total = 0
  for (const { book } of books) {
    try {
      total += await work(book)
    } catch (error) {
      if (isUnavailable(error) && !isCanceled(error)) throw error
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors.find((error) => !isUnavailable(error)) ?? errors[0]
  return total
}
