import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import * as fontkit from 'fontkit'
import { decompress } from 'woff2-encoder'
import { type Directed, levelsOf, mirrored } from './visual_order.ts'
import { unpackWoff } from './woff.ts'

// The letters of a PDF: Noto Sans, of the scripts that a package of it is installed for. All are open (OFL 1.1), come cut
// into subsets of which only those are read that a text needs, and are embedded into the PDF as far as it uses them.

export type Weight = 'regular' | 'bold'

/** One file of letters; `thin` ones look like the others when a line is drawn around them. */
export type Font = {
  readonly name: string
  readonly data: Buffer
  readonly thin: boolean
  readonly has: (point: number) => boolean
  /** Which way the font writes a text by itself. */
  readonly isLeftward: (text: string) => boolean
}

/** A run of text that one font can write in one direction, its characters in the order in which they are read. */
export type Run = Directed & { readonly font: Font }

type Subset = { readonly path: string; readonly ranges: readonly (readonly [number, number])[]; readonly thin: boolean }

const require = createRequire(import.meta.url)

/** Latin, Greek, Cyrillic, Vietnamese and Devanagari first, as most text is in these. */
const SCRIPTS = ['', '-arabic', '-hebrew', '-thai', '-bengali', '-tamil', '-armenian', '-georgian'] as const
/** Chinese, Japanese and Korean. */
const HAN_SCRIPTS = ['sc', 'kr'] as const

const noto = (weight: number) =>
  SCRIPTS.flatMap((script) => {
    const name = `noto-sans${script}`
    return subsetsOf(`@fontsource/${name}`, (subset) => `${name}-${subset}-${weight}-normal.woff`)
  }).map((subset) => ({ ...subset, thin: false }))

// Of a variable font only its lightest form can be embedded: it is drawn with a line around it instead.
const han = HAN_SCRIPTS.flatMap((script) => {
  const name = `noto-sans-${script}`
  return subsetsOf(
    `@fontsource-variable/${name}`,
    (subset) => `${name}-${subset.replace(/[[\]]/g, '')}-wght-normal.woff2`,
  )
})
  .filter(({ path }) => /-\d+-wght/.test(path))
  .map((subset) => ({ ...subset, thin: true }))

const SUBSETS: Record<Weight, readonly Subset[]> = {
  regular: [...noto(400), ...han],
  bold: [...noto(700), ...han],
}

function subsetsOf(name: string, fileOf: (subset: string) => string): Omit<Subset, 'thin'>[] {
  const unicode: Record<string, string> = require(`${name}/unicode.json`)
  // Latin first: most text is in it, and others have some of its letters too.
  const latinFirst = Object.entries(unicode).sort(
    ([left], [right]) => Number(right === 'latin') - Number(left === 'latin'),
  )
  return latinFirst.map(([subset, ranges]) => ({
    path: require.resolve(`${name}/files/${fileOf(subset)}`),
    ranges: ranges.split(',').map((range) => {
      const [first = '', last = first] = range.trim().replace(/^U\+/i, '').split('-')
      return [Number.parseInt(first, 16), Number.parseInt(last, 16)] as const
    }),
  }))
}

const kept = new Map<string, Promise<Font>>()

function load(subset: Subset): Promise<Font> {
  const font = kept.get(subset.path) ?? readFont(subset)
  kept.set(subset.path, font)
  return font
}

async function readFont({ path, thin }: Subset): Promise<Font> {
  const file = await readFile(path)
  const data = path.endsWith('.woff2') ? Buffer.from(await decompress(file)) : unpackWoff(file)
  const font = fontkit.create(data)
  if (!('layout' in font)) throw new Error(`${path} is no single font`)
  const isLeftward = (text: string) => font.layout(text).direction === 'rtl'
  return { name: path, data, thin, has: (point) => font.hasGlyphForCodePoint(point), isLeftward }
}

/** What stands for a character that no font of ours has. */
const UNKNOWN = '?'

/**
 * The text in runs of one font and direction each, in the order in which it is read. Characters that cannot be written, or
 * would break the line, are replaced.
 */
export async function runsOf(text: string, weight: Weight): Promise<Run[]> {
  if (/^[ -~]+$/.test(text)) return [{ text, level: 0, font: await latin(weight) }]
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ')
  const levels = levelsOf(line)
  const runs: { text: string; level: number; font: Font }[] = []
  let index = 0
  for (const character of line) {
    const level = levels[index] ?? 0
    index += character.length
    const last = runs.at(-1)
    const point = character.codePointAt(0) ?? 0
    if (last?.level === level && last.font.has(point)) {
      last.text += character
      continue
    }
    // Marks of direction and the like have done their work.
    if (/\p{Default_Ignorable_Code_Point}/u.test(character)) continue
    const font = await fontFor(point, weight)
    const used = font ?? (await latin(weight))
    const written = font ? character : UNKNOWN
    if (last?.level === level && last.font === used) last.text += written
    else runs.push({ text: written, level, font: used })
  }
  return runs
}

/** The text of a run as its font has to be given it, so that it comes out in the direction of the run. */
export function writtenIn(run: Run): string {
  const text = mirrored(run)
  return run.font.isLeftward(text) === (run.level % 2 === 1) ? text : [...text].reverse().join('')
}

/** The font of ordinary letters, digits and signs. */
export async function latin(weight: Weight): Promise<Font> {
  const [first] = SUBSETS[weight]
  if (!first) throw new Error('there are no fonts')
  return load(first)
}

async function fontFor(point: number, weight: Weight): Promise<Font | undefined> {
  for (const subset of SUBSETS[weight]) {
    if (!subset.ranges.some(([first, last]) => point >= first && point <= last)) continue
    const font = await load(subset)
    if (font.has(point)) return font
  }
  return undefined
}
