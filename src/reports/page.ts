import PDFDocument from 'pdfkit'
import { type Font, latin, type Run, runsOf, type Weight, writtenIn } from './fonts.ts'
import { inVisualOrder } from './visual_order.ts'

// A4 in points. Coordinates are of the upper left corner of a text.

export const PAGE = { width: 595.28, height: 841.89, left: 48, right: 547.28, top: 48, bottom: 782, foot: 802 } as const

/** Where features are named, even none, pdfkit lays out a text as a whole, and does not keep each word’s layout for ever. */
const NOT_KEPT = { features: [] }

/** Letters that stand one behind the other, from left to right: pdfkit may lay them out word by word. */
const isSimple = ({ text, level }: Run) => level === 0 && !/[^\0-\u04FF\u1E00-\u20FF]/.test(text)
const shaped = (run: Run) => (isSimple(run) ? run.text : writtenIn(run))

export type Ink = 'black' | 'grey' | 'accent'
const COLOURS: Record<Ink, string> = { black: '#1b1f24', grey: '#6a737d', accent: '#0b5c8a' }

export type TextStyle = {
  readonly size?: number
  readonly weight?: Weight
  readonly ink?: Ink
  readonly align?: 'left' | 'right'
  /** The room there is: what is longer is cut, with an ellipsis. */
  readonly width?: number
  /** Digits and signs that will hardly come again. */
  readonly number?: true
}

/** A PDF under way: written to and read from as it grows, so that no more than a page of it is held. */
export type Paper = ReturnType<typeof createPaper>

/** An empty document of A4 pages. */
export function createPaper(info: { readonly Title: string }) {
  const doc = new PDFDocument({ size: 'A4', margin: 0, autoFirstPage: false, info, lang: 'en', compress: true })
  const chunks: Buffer[] = []
  doc.on('data', (chunk: Buffer) => chunks.push(chunk))

  /** One line of text in whatever script. */
  async function text(content: string, x: number, y: number, style: TextStyle = {}): Promise<void> {
    const { size = 8, weight = 'regular', ink = 'black', align = 'left', width } = style
    doc.fontSize(size)
    const ellipsis = { text: '…', level: 0, font: await latin(weight) }
    const runs = inVisualOrder(fitted(await runsOf(content, weight), width, ellipsis))
    const widthIn = style.number ? widthOfNumber : widthOf
    const whole = runs.reduce((sum, run) => sum + widthIn(run), 0)
    const options = { lineBreak: false, baseline: 'alphabetic' } as const
    let at = align === 'right' ? x - whole : x
    doc.fillColor(COLOURS[ink]).strokeColor(COLOURS[ink])
    for (const run of runs) {
      use(run.font)
      doc.lineWidth(size / 36)
      // Fonts of one page have different heights above the line: y is where the Latin one would be.
      const whole = style.number || !isSimple(run) ? NOT_KEPT : {}
      doc.text(shaped(run), at, y + size, { ...options, ...whole, fill: true, stroke: run.font.thin })
      at += widthIn(run)
    }
  }

  const known = new Set<Font>()

  function use(font: Font): void {
    if (!known.has(font)) doc.registerFont(font.name, font.data)
    known.add(font)
    doc.font(font.name)
  }

  /** By its characters, of which there are few: numbers are many, and each is another word. */
  function widthOfNumber({ text: content, font }: Run): number {
    use(font)
    return [...content].reduce((sum, character) => sum + doc.widthOfString(character), 0)
  }

  function widthOf(run: Run): number {
    use(run.font)
    return doc.widthOfString(shaped(run), isSimple(run) ? {} : NOT_KEPT)
  }

  function fitted(runs: Run[], width: number | undefined, ellipsis: Run): Run[] {
    if (width === undefined) return runs
    let left = width
    const fitting: Run[] = []
    for (const run of runs) {
      const needed = widthOf(run)
      if (needed > left) {
        const characters = [...run.text]
        const room = left - widthOf(ellipsis)
        while (characters.length > 0 && widthOf({ ...run, text: characters.join('') }) > room) characters.pop()
        return [...fitting, { ...run, text: characters.join('') }, { ...ellipsis, level: run.level }]
      }
      fitting.push(run)
      left -= needed
    }
    return fitting
  }

  function line(y: number, ink: Ink = 'grey', width = 0.5): void {
    doc.lineWidth(width).strokeColor(COLOURS[ink]).moveTo(PAGE.left, y).lineTo(PAGE.right, y).stroke()
  }

  /** A polyline with the space below it filled lightly. */
  function area(points: readonly (readonly [number, number])[], bottom: number): void {
    const [first, ...others] = points
    const last = points.at(-1)
    if (!first || !last) return
    doc.moveTo(first[0], bottom).lineTo(...first)
    for (const point of others) doc.lineTo(...point)
    doc.lineTo(last[0], bottom).fillOpacity(0.12).fill(COLOURS.accent).fillOpacity(1)
    doc.moveTo(...first)
    for (const point of others) doc.lineTo(...point)
    doc.lineWidth(1).strokeColor(COLOURS.accent).stroke()
  }

  /** What has been written since it was asked last. */
  function take(): Buffer {
    return Buffer.concat(chunks.splice(0))
  }

  /** Ends the document: the rest of it. */
  async function end(): Promise<Buffer> {
    const ended = new Promise((resolve) => doc.once('end', resolve))
    doc.end()
    await ended
    return take()
  }

  return { text, line, area, take, end, addPage: () => void doc.addPage() }
}
