import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import * as fontkit from 'fontkit'
import { decompress } from 'woff2-encoder'

// The letters of a PDF. Noto Sans covers Latin, Greek, Cyrillic, Vietnamese and Devanagari; Noto Sans SC covers Chinese
// and Japanese. Both are open (OFL 1.1), come cut into subsets of which only those are read that a text needs, and are
// embedded into the PDF as far as it uses them.

export type Weight = 'regular' | 'bold'

/** One file of letters; `thin` ones look like the others when a line is drawn around them. */
export type Font = {
  readonly name: string
  readonly data: Buffer
  readonly thin: boolean
  readonly has: (point: number) => boolean
}

/** A run of text that one font can write. */
export type Run = { readonly text: string; readonly font: Font }

type Subset = { readonly path: string; readonly ranges: readonly (readonly [number, number])[]; readonly thin: boolean }

const require = createRequire(import.meta.url)

const NOTO = '@fontsource/noto-sans'
const NOTO_SC = '@fontsource-variable/noto-sans-sc'

const noto = (weight: number) =>
  subsetsOf(NOTO, (name) => `noto-sans-${name}-${weight}-normal.woff`).map((subset) => ({ ...subset, thin: false }))

// Of a variable font only its lightest form can be embedded: it is drawn with a line around it instead.
const chinese = subsetsOf(NOTO_SC, (name) => `noto-sans-sc-${name.replace(/[[\]]/g, '')}-wght-normal.woff2`)
  .filter(({ path }) => /-\d+-wght/.test(path))
  .map((subset) => ({ ...subset, thin: true }))

const SUBSETS: Record<Weight, readonly Subset[]> = {
  regular: [...noto(400), ...chinese],
  bold: [...noto(700), ...chinese],
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
  const data = path.endsWith('.woff2') ? Buffer.from(await decompress(file)) : file
  const font = fontkit.create(data)
  const has = (point: number) => 'hasGlyphForCodePoint' in font && font.hasGlyphForCodePoint(point)
  return { name: path, data, thin, has }
}

/** What stands for a character that no font of ours has. */
const UNKNOWN = '?'

/** The text in runs of one font each. Characters that cannot be written, or would break the line, are replaced. */
export async function runsOf(text: string, weight: Weight): Promise<Run[]> {
  const runs: { text: string; font: Font }[] = []
  for (const character of text.replace(/[\s\p{Cc}]+/gu, ' ')) {
    const last = runs.at(-1)
    const point = character.codePointAt(0) ?? 0
    if (last?.font.has(point)) {
      last.text += character
      continue
    }
    const font = await fontFor(point, weight)
    const used = font ?? (await latin(weight))
    const written = font ? character : UNKNOWN
    if (last?.font === used) last.text += written
    else runs.push({ text: written, font: used })
  }
  return runs
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
