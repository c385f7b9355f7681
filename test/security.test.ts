import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'

const ROOT = join(import.meta.dirname, '..')

it('docs/security.md names no test that is not there', async () => {
  const page = await readFile(join(ROOT, 'docs/security.md'), 'utf8')
  let named = 0
  for (const paragraph of page.split('\n')) {
    const files = [...paragraph.matchAll(/`((?:test|src)\/[\w/]+\.test\.ts)`/g)].map(([, file = '']) => file)
    const titles = [...paragraph.matchAll(/“([^”]+)”/g)].map(([, title = '']) => title)
    const sources = await Promise.all(files.map((file) => readFile(join(ROOT, file), 'utf8')))
    for (const title of titles) {
      assert.ok(
        sources.some((source) => source.includes(`'${title}'`)),
        `no test of ${files.join(', ')} is called “${title}”`,
      )
      named += 1
    }
  }
  assert.ok(named > 30, String(named))
})

it('docs/security.md has a line for each risk of the OWASP API Security Top 10', async () => {
  const page = await readFile(join(ROOT, 'docs/security.md'), 'utf8')
  const risks = [...page.matchAll(/^\| \*\*API(\d+)\*\* .*\.test\.ts`: “.*$/gm)].map(([, number]) => Number(number))
  assert.deepEqual(risks, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})
