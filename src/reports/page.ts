import PDFDocument from 'pdfkit'
import { latin, runsOf, type Weight } from './fonts.ts'
import { createType } from './type.ts'
import { inVisualOrder } from './visual_order.ts'

// A4 in points. Coordinates are of the upper left corner of a text.

export const PAGE = { width: 595.28, height: 841.89, left: 48, right: 547.28, top: 48, bottom: 782, foot: 802 } as const

export type Ink = 'black' | 'grey' | 'accent'
const COLOURS: Record<Ink, string> = { black: '#1b1f24', grey: '#6a737d', accent: '#0b5c8a' }

export type TextStyle = {
  readonly size?: number
  readonly weight?: Weight
  readonly ink?: Ink
  readonly align?: 'left' | 'right'
  /** The room there is: what is longer is cut, with an ellipsis. */
  readonly width?: number
  /** The room there is for a number: one that is longer is written smaller, as nothing of it may be cut. */
  readonly room?: number
}

/** A PDF under way: written to and read from as it grows, so that no more than a page of it is held. */
export type Paper = ReturnType<typeof createPaper>

/** An empty document of A4 pages. */
export function createPaper(info: { readonly Title: string }) {
  const doc = new PDFDocument({ size: 'A4', margin: 0, autoFirstPage: false, info, lang: 'en', compress: true })
  const chunks: Buffer[] = []
  doc.on('data', (chunk: Buffer) => chunks.push(chunk))

  const type = createType(doc, PAGE.height)

  /** One line of text in whatever script. */
  async function text(content: string, x: number, y: number, style: TextStyle = {}): Promise<void> {
    const { size: wanted = 8, weight = 'regular', ink = 'black', align = 'left', width, room = Infinity } = style
    const ellipsis = { text: '…', level: 0, font: await latin(weight) }
    const runs = inVisualOrder(
      type.fitted(await runsOf(begun(content, wanted, width), weight), wanted, width, ellipsis),
    )
    const widthIn = (size: number) => runs.reduce((sum, run) => sum + type.widthOf(run, size), 0)
    const size = Math.min(wanted, Math.floor((wanted * room * 100) / widthIn(wanted)) / 100)
    const whole = widthIn(size)
    let at = align === 'right' ? x - whole : x
    for (const run of runs) {
      // Fonts of one page have different heights above the line: y is where the Latin one would be.
      type.write(run, at, y + wanted, size, COLOURS[ink])
      at += type.widthOf(run, size)
    }
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

  /** Begins a page. Of the one before no more is kept than where it stands. */
  function addPage(): void {
    const before = doc.page
    type.flush()
    doc.addPage()
    if (before) forget(before)
  }

  /** Ends the document: the rest of it. */
  async function end(): Promise<Buffer> {
    type.flush()
    const ended = new Promise((resolve) => doc.once('end', resolve))
    doc.end()
    await ended
    return take()
  }

  return { text, line, area, take, end, addPage }
}

/** No letter is as narrow as a fifth of its size. */
const MOST_IN_SIZE = 5

/** No more of a text than might have room, as each letter of it is shaped anew for each guess at where to cut. */
function begun(content: string, size: number, width = Infinity): string {
  const most = Math.ceil((width / size) * MOST_IN_SIZE)
  if (content.length <= most) return content
  const characters = [...content]
  return characters.length <= most ? content : `${characters.slice(0, most).join('')}…`
}

/** What a page was made of is written: only its place is asked for again, by the table of all pages. */
function forget({ dictionary }: { readonly dictionary: object }): void {
  Object.assign(dictionary, { data: {} })
}
