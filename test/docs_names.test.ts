import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { it } from 'node:test'
import { readConfig, SETTINGS } from '../src/config.ts'
import { ERRORS } from '../src/http/errors.ts'
import { SECRET_SETTINGS } from '../src/secret_files.ts'
import { blocksOf, headingsOf, type Page, proseOf, quotedIn, ROOT, readPages } from './harness/pages.ts'

// What our documents name is there under that name. Their examples are run by docs_examples.test.ts.

const pages = readPages()
/** Told of what was measured, decided or done then, they may name what is no more. */
const NOW = pages.filter(({ name }) => !/^CHANGELOG|^docs\/(performance|decisions)/.test(name))

/** Whatever is found wrong, each as one sentence with its page. */
function wrongIn(all: readonly Page[], find: (page: Page) => string[]): string[] {
  return all.flatMap((page) => find(page).map((what) => `${page.name}: ${what}`))
}

it('every link within the repository leads to a file, and to a heading of it', () => {
  const wrong = wrongIn(pages, (page) => {
    const targets = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
    return targets.filter((target) => !/^\w+:/.test(target) && !leadsSomewhere(page, target))
  })
  assert.deepEqual(wrong, [])
})

function leadsSomewhere(from: Page, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const name = path === '' ? from.name : normalize(join(dirname(from.name), path))
  if (anchor === undefined) return globSync(name, { cwd: ROOT }).length === 1
  const page = pages.find((each) => each.name === name)
  return page !== undefined && headingsOf(page).some((heading) => anchorOf(heading) === anchor)
}

/** As GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')
}

it('every file and folder of ours in backquotes exists', () => {
  const ours = globSync(['*', '{bench,docs,examples,packages,src,test,tools}/**/*'], { cwd: ROOT })
  const wrong = wrongIn(NOW, (page) =>
    quotedIn(page)
      .filter((quoted) =>
        /^[\w./-]+\.(ts|mjs|md|sql)$|^(bench|docs|examples|packages|src|test|tools)\/[\w./-]*$/.test(quoted),
      )
      .filter((quoted) => !ours.some((file) => `/${file}`.endsWith(`/${quoted.replace(/\/$/, '')}`))),
  )
  assert.deepEqual(wrong, [])
})

it('every setting exists, and takes the value that it is given', () => {
  const known = [...Object.keys(SETTINGS), ...SECRET_SETTINGS.map((name) => `${name}_FILE`)]
  const wrong = wrongIn(NOW, (page) => {
    const unknown = [...page.text.matchAll(/\bBGW_\w+/g)].map(([name]) => name).filter((name) => !known.includes(name))
    return [...unknown, ...settingsIn(page).flatMap(([name, value]) => refusalOf(name, value))]
  })
  assert.deepEqual(wrong, [])
})

/** Settings with a value, in sentences and in front of commands. */
function settingsIn(page: Page): [string, string][] {
  const inSentences = quotedIn(page).flatMap((quoted) => [...quoted.matchAll(/^([A-Z_]+)=(.+)$/g)])
  const inBlocks = blocksOf(page, 'sh').flatMap(({ body }) => [...body.matchAll(/\b([A-Z_]+)=('[^']+'|\S+)/g)])
  const all = [...inSentences, ...inBlocks].map(([, name = '', value = '']): [string, string] => [name, value])
  return all
    .filter(([name]) => Object.hasOwn(SETTINGS, name))
    .map(([name, value]) => [name, value.replace(/^'|'$/g, '')])
}

function refusalOf(name: string, value: string): string[] {
  try {
    readConfig({ [name]: value })
    return []
  } catch (error) {
    return [String(error)]
  }
}

it('the default that is told of a setting is its default', () => {
  // 30 days (`BGW_EVENT_DAYS`), or `BGW_TRANSFER_FEE_PERCENT` (2 %), or `BGW_DATA_DIR` (default `./data`)
  const told = NOW.flatMap((page) => {
    const before = [...proseOf(page).matchAll(/(?<value>\d[\d.]*) [\w %-]+? \(`(?<name>BGW_\w+)`[,)]/g)]
    const behind = [...proseOf(page).matchAll(/`(?<name>BGW_\w+)` \((?:default )?`?(?<value>\.?[\d/][\w./]*)[` )]/g)]
    return [...before, ...behind].map(({ groups }) => ({
      page: page.name,
      name: groups?.name ?? '',
      value: groups?.value,
    }))
  })
  assert.ok(told.length >= 12, String(told.length))
  const wrong = told.filter(({ name, value }) => SETTINGS[name as keyof typeof SETTINGS].fallback !== value)
  assert.deepEqual(wrong, [])
})

it('every error code that is told with a status has that one', () => {
  const statuses: Readonly<Record<string, readonly [number, ...unknown[]]>> = ERRORS
  const wrong = wrongIn(NOW, (page) =>
    quotedIn(page).filter((quoted) => {
      const [, status, code] = /^([45]\d\d) ([a-z_]+)$/.exec(quoted) ?? []
      return code && statuses[code]?.[0] !== Number(status)
    }),
  )
  assert.deepEqual(wrong, [])
})

/** Names of others, of PostgreSQL and its programs, poolers and npm; and one that is made of its parts. */
const OF_OTHERS =
  /^(pg_\w+|backend_xid|xact_start|default_transaction_read_only|synchronous_standby_names|ignore_startup_parameters|node_modules|detail_hash)$/

it('every name in backquotes, be it a field, a code, a table or a function, is one of ours', () => {
  const files = globSync('{src,packages/client/src,examples}/**/*.{ts,sql}', { cwd: ROOT })
  const known = new Set(files.flatMap((file) => readFileSync(join(ROOT, file), 'utf8').match(/\w+/g) ?? []))
  const wrong = wrongIn(NOW, (page) => {
    const names = quotedIn(page).flatMap(
      (quoted) => quoted.match(/(?<![\w/.-])[a-z]+(_[a-z]+|[A-Z][a-z]+)+(?![\w/.…])/g) ?? [],
    )
    return names.filter((name) => !known.has(name) && !OF_OTHERS.test(name))
  })
  assert.deepEqual(wrong, [])
})

it('every command of npm is one that package.json has', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const wrong = wrongIn(pages, ({ text }) => {
    const commands = [...text.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map(([, name = '']) => name)
    return commands.filter((name) => !Object.hasOwn(scripts, name))
  })
  assert.deepEqual(wrong, [])
})

it('a time in an example is over, or lies so far ahead that the example lasts', () => {
  const wrong = wrongIn(pages, (page) => {
    const times = [...blocksOf(page).map(({ body }) => body), ...quotedIn(page)].flatMap(
      (text) => text.match(/\b\d{4}-\d\d-\d\d(T[\d:.]+Z)?/g) ?? [],
    )
    return times.filter((time) => !time.startsWith('2099-') && !(Date.parse(time) < Date.now()))
  })
  assert.deepEqual(wrong, [])
})
