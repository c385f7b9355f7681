import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'

const WRITER = join(import.meta.dirname, '../../test/harness/long_statement.ts')
/** What a process may have for all that it keeps, fonts included. */
const LITTLE = ['--max-old-space-size=64', '--expose-gc']

describe('A statement of a busy year', () => {
  for (const [format, lines, leastBytes] of [
    ['json', 100_000, 25e6],
    ['csv', 100_000, 15e6],
    ['camt053', 50_000, 30e6],
    ['pdf', 24_000, 1.5e6],
  ] as const) {
    it(`as ${format} needs no more memory than one of a quarter of it`, async () => {
      const args = [...LITTLE, WRITER, format, String(lines)]
      const { stdout } = await promisify(execFile)(process.execPath, args)
      const { bytes, early, late } = JSON.parse(stdout)
      assert.ok(bytes > leastBytes, `${bytes} bytes`)
      // Of each page of a PDF its place is kept, as its end is a table of all pages: some megabytes in a million lines.
      const growth = (late - early) / (lines * 0.75)
      assert.ok(growth < 20, `${growth} bytes for each line`)
    })
  }
})
