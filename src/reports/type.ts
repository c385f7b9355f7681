import { type Font, type Run, writtenIn } from './fonts.ts'
import { createLetters, isPlain } from './letters.ts'

/** Where features are named, even none, pdfkit lays out a text as a whole, and does not keep each word’s layout for ever. */
const NOT_KEPT = { features: [] }

/** Larger letters are laid out as a whole too, so that they stand in pairs as their font has it. */
const LARGEST_PLAIN = 10

/** How runs of letters are measured and written in a document, each in its script. */
export function createType(doc: PDFKit.PDFDocument, pageHeight: number) {
  const known = new Set<Font>()
  const letters = createLetters(doc, use, pageHeight)

  function use(font: Font): void {
    if (!known.has(font)) doc.registerFont(font.name, font.data)
    known.add(font)
    doc.font(font.name)
  }

  /** Writes a run from `x` on; `y` is the line that it stands on. */
  function write(run: Run, x: number, y: number, size: number, colour: string): void {
    if (isLetters(run, size)) letters.write(run.font, run.text, x, y, size, colour)
    else shape(run, x, y, size, colour)
  }

  function shape(run: Run, x: number, y: number, size: number, colour: string): void {
    use(run.font)
    doc
      .fillColor(colour)
      .strokeColor(colour)
      .lineWidth(size / 36)
    const options = {
      lineBreak: false,
      baseline: 'alphabetic',
      fill: true,
      stroke: run.font.thin,
      ...NOT_KEPT,
    } as const
    doc.text(writtenIn(run), x, y, options)
  }

  function widthOf(run: Run, size: number): number {
    if (isLetters(run, size)) return size * letters.widthOf(run.font, run.text)
    use(run.font)
    doc.fontSize(size)
    return doc.widthOfString(writtenIn(run), NOT_KEPT)
  }

  /** As many of the runs as have room, the last of them cut, with an ellipsis. */
  function fitted(runs: Run[], size: number, width: number | undefined, ellipsis: Run): Run[] {
    if (width === undefined) return runs
    let left = width
    const fitting: Run[] = []
    for (const run of runs) {
      const needed = widthOf(run, size)
      if (needed > left) {
        const room = left - widthOf(ellipsis, size)
        return [...fitting, beginningOf(run, size, room), { ...ellipsis, level: run.level }]
      }
      fitting.push(run)
      left -= needed
    }
    return fitting
  }

  /** As much of the beginning of a run as has room. */
  function beginningOf(run: Run, size: number, room: number): Run {
    const characters = [...run.text]
    const beginning = (length: number): Run => ({ ...run, text: characters.slice(0, length).join('') })
    let [fits, tooLong] = [0, characters.length]
    while (tooLong - fits > 1) {
      const middle = (fits + tooLong) >> 1
      if (widthOf(beginning(middle), size) <= room) fits = middle
      else tooLong = middle
    }
    return beginning(fits)
  }

  return { write, widthOf, fitted, flush: letters.flush }
}

function isLetters({ text, level }: Run, size: number): boolean {
  return level === 0 && size <= LARGEST_PLAIN && isPlain(text)
}
