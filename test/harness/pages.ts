import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

/** A document of ours; `name` is its path from the top of the repository. */
export type Page = { readonly name: string; readonly text: string }

/** A fenced block of a page, named by the page and the heading that it stands under. */
export type Block = { readonly name: string; readonly language: string; readonly body: string }

const PAGES = ['*.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/**/README.md']
const FENCED = /^```(\w*)\n(.*?)^```$/gms

/** Every document that people are to read, in the order of its name. */
export function readPages(): Page[] {
  const names = globSync(PAGES, { cwd: ROOT }).sort()
  return names.map((name) => ({ name, text: readFileSync(join(ROOT, name), 'utf8') }))
}

/** The blocks of a page, in their order; of one language, where it is named. */
export function blocksOf({ name, text }: Page, language?: string): Block[] {
  const blocks = [...text.matchAll(FENCED)].map((found) => {
    const [, kind = '', body = ''] = found
    const heading = headingsOf({ name, text: text.slice(0, found.index) }).at(-1)
    return { name: `${name}, ${heading}`, language: kind, body }
  })
  return language === undefined ? blocks : blocks.filter((block) => block.language === language)
}

/** Its sentences and tables: all that is in no block. */
export function proseOf({ text }: Page): string {
  return text.replace(FENCED, '')
}

/** What stands between backquotes in its sentences and tables. */
export function quotedIn(page: Page): string[] {
  return [...proseOf(page).matchAll(/`([^`\n]+)`/g)].map(([, quoted = '']) => quoted)
}

/** The texts of its headings, from the top. */
export function headingsOf(page: Page): string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
}
