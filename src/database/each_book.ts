import type { BookId } from '../ledger/id.ts'
import { isCanceled, isUnavailable } from './faults.ts'

/**
 * Does some work of each in turn. What fails of one is told to `failed`, and takes no other its turn; a database that is
 * away ends it at once, as does what `failed` throws.
 */
export async function tryEach<Item>(
  items: Iterable<Item>,
  work: (item: Item) => Promise<void>,
  failed: (error: unknown, item: Item) => void,
): Promise<void> {
  for (const item of items) {
    try {
      await work(item)
    } catch (error) {
      if (isUnavailable(error) && !isCanceled(error)) throw error
      failed(error, item)
    }
  }
}

/** Throws what failed, if anything did: a fault rather than a statement that took too long. */
export function throwWorst(errors: readonly unknown[]): void {
  if (errors.length > 0) throw errors.find((error) => !isUnavailable(error)) ?? errors[0]
}

/** Does some work of each book in turn. What fails in one takes no other its turn, and is thrown behind the last. */
export async function forEachBook(books: Iterable<BookId>, work: (book: BookId) => Promise<void>): Promise<void> {
  const errors: unknown[] = []
  await tryEach(books, work, (error) => errors.push(error))
  throwWorst(errors)
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

/**
 * Books in the order in which they may begin more of what has places: first those with the least under way, so that each
 * has its share however much another has to do; among those with as much at random, so that none is always last.
 */
export function leastBusyFirst<Found extends { readonly book: BookId }>(
  found: readonly Found[],
  underWay: Iterable<BookId>,
): Found[] {
  const busy = new Map<BookId, number>()
  for (const book of underWay) busy.set(book, (busy.get(book) ?? 0) + 1)
  const busyWith = ({ book }: Found) => busy.get(book) ?? 0
  return shuffled(found).sort((one, other) => busyWith(one) - busyWith(other))
}

/** The same values in any order. */
export function shuffled<T>(values: readonly T[]): T[] {
  const mixed = values.map((value) => ({ value, at: Math.random() }))
  return mixed.sort((one, other) => one.at - other.at).map(({ value }) => value)
}
