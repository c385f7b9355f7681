import type { Font } from './fonts.ts'

// Letters that stand one behind the other, from left to right: each is asked of its font once, and lines of them are
// written as what they are to a PDF, the numbers of their glyphs. A long statement is many lines of few letters, and
// laying out each of these lines anew would take most of its time, or, kept, ever more memory.

/**
 * Whether a text that is read from left to right is letters of that kind: Latin, Greek and Cyrillic ones without marks to
 * be put above them, punctuation, and the characters of Chinese, Japanese and Korean. Others are laid out as a whole.
 */
export function isPlain(text: string): boolean {
  return !OTHERS.test(text)
}

const OTHERS =
  /[^\0-\u02FF\u0370-\u0482\u048A-\u04FF\u1E00-\u20CF\u3000-\u3098\u309B-\u30FF\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7A3\uFF01-\uFF60]/

type Letter = { readonly code: string; readonly width: number }

/** What pdfkit has for a font that it embeds. */
type Embedded = {
  readonly id: string
  readonly encode: (text: string, features: readonly string[]) => [string[], { readonly xAdvance: number }[]]
  readonly ref: () => unknown
}

/** A page as pdfkit has it: the fonts that it names. */
type Named = { readonly fonts: Record<string, unknown> }

/** Lines of plain letters in a document; `use` makes a font the current one. */
export type Letters = ReturnType<typeof createLetters>

export function createLetters(doc: PDFKit.PDFDocument, use: (font: Font) => void, pageHeight: number) {
  const known = new Map<Font, { readonly embedded: Embedded; readonly letters: Map<string, Letter> }>()
  let written: string[] = []

  function lettersOf(font: Font) {
    const found = known.get(font)
    if (found) return found
    use(font)
    const { _font: embedded } = doc as unknown as { readonly _font: Embedded }
    const made = { embedded, letters: new Map<string, Letter>() }
    known.set(font, made)
    return made
  }

  function letterOf(font: Font, character: string): Letter {
    const { embedded, letters } = lettersOf(font)
    const found = letters.get(character)
    if (found) return found
    const [codes, positions] = embedded.encode(character, [])
    const letter = { code: codes.join(''), width: positions.reduce((sum, { xAdvance }) => sum + xAdvance, 0) / 1_000 }
    letters.set(character, letter)
    return letter
  }

  /** How wide a text is, where its letters are one point high. */
  function widthOf(font: Font, text: string): number {
    let width = 0
    for (const character of text) width += letterOf(font, character).width
    return width
  }

  /** Writes a text from `x` on; `y` is the line that it stands on, from the top of the page. */
  function write(font: Font, text: string, x: number, y: number, size: number, colour: string): void {
    const { embedded } = lettersOf(font)
    ;(doc.page as unknown as Named).fonts[embedded.id] ??= embedded.ref()
    let codes = ''
    for (const character of text) codes += letterOf(font, character).code
    // A thin font is drawn with a line around it.
    const stroke = font.thin ? `2 Tr ${rgb(colour)} RG ${point(size / 36)} w` : '0 Tr'
    const place = `/${embedded.id} ${size} Tf 1 0 0 1 ${point(x)} ${point(pageHeight - y)} Tm`
    written.push(`${rgb(colour)} rg ${stroke} ${place} <${codes}> Tj`)
  }

  /** Puts what was written onto the page, which counts from its foot (ISO 32000-1 §9.4). */
  function flush(): void {
    if (written.length === 0) return
    const text = `q 1 0 0 -1 0 ${pageHeight} cm BT\n${written.join('\n')}\nET Q\n`
    doc.addContent(Buffer.from(text, 'latin1'))
    written = []
  }

  return { widthOf, write, flush }
}

const point = (units: number) => Math.round(units * 1_000) / 1_000

/** `#1b1f24` as PDF has it. */
function rgb(colour: string): string {
  const value = Number.parseInt(colour.slice(1), 16)
  return [value >> 16, (value >> 8) & 255, value & 255].map((part) => point(part / 255)).join(' ')
}
