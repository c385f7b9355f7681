import { createRequire } from 'node:module'
import type { Bidi } from 'bidi-js'

// Text as it is read from left to right on paper, by the Unicode Bidirectional Algorithm (UAX #9): Arabic and Hebrew run
// the other way, and the numbers within them do not.

// Its types know only its form as an ES module, which Node does not load.
const createBidi: () => Bidi = createRequire(import.meta.url)('bidi-js')
const bidi = createBidi()

/** A piece of text in one direction, its characters in the order in which they are read. */
export type Directed = {
  readonly text: string
  /** Odd: from right to left. */
  readonly level: number
}

/** The embedding level of each UTF-16 unit of a line. */
export function levelsOf(line: string): Uint8Array {
  return bidi.getEmbeddingLevels(line, 'ltr').levels
}

/** Pieces of a line in the order in which they stand on it, from the left (UAX #9, rule L2). */
export function inVisualOrder<T extends Directed>(pieces: readonly T[]): T[] {
  const ordered = [...pieces]
  for (let level = Math.max(0, ...pieces.map((piece) => piece.level)); level > 0; level -= 1) {
    for (let from = 0; from < ordered.length; from += 1) {
      let to = from
      while ((ordered[to]?.level ?? 0) >= level) to += 1
      ordered.splice(from, to - from, ...ordered.slice(from, to).reverse())
      from = Math.max(from, to)
    }
  }
  return ordered
}

/** Brackets the other way round where they stand in text from right to left (UAX #9, rule L4). */
export function mirrored({ text, level }: Directed): string {
  if (level % 2 === 0) return text
  return [...text].map((character) => bidi.getMirroredCharacter(character) ?? character).join('')
}
