import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { ERRORS } from '../src/http/errors.ts'
import { SCOPES } from '../src/identity/roles.ts'
import { DECLINE_REASONS } from '../src/ledger/payment.ts'
import { LIMITS } from '../src/limits/settings.ts'

const page = await readFile(join(import.meta.dirname, '..', 'docs', 'api.md'), 'utf8')

/** The rows of the table whose head begins with that column, without their backquotes. */
function tableOf(column: string): string[][] {
  const rows = new RegExp(`^\\| ${column} \\|.*\\n\\|[- |]+\\|\\n((?:\\|.*\\n)+)`, 'm').exec(page)?.[1] ?? ''
  const cells = (row: string) => row.split('|').slice(1, -1)
  return rows
    .trim()
    .split('\n')
    .map((row) => cells(row).map((cell) => cell.trim().replaceAll('`', '')))
}

it('docs/api.md has every error code with its status, and no other', () => {
  const documented = tableOf('code').map(([code, status]) => [code, Number(status)])
  const known = Object.entries(ERRORS).map(([code, [status]]) => [code, status])
  assert.deepEqual(documented, known)
})

it('docs/api.md has every decline reason in the order in which they are given, and no other', () => {
  assert.deepEqual(
    tableOf('decline reason').map(([reason]) => reason),
    [...DECLINE_REASONS],
  )
})

it('docs/api.md has every scope of a token, and no other', () => {
  const documented = tableOf('scope').map(([scope]) => scope)
  assert.deepEqual(documented.filter((scope) => scope !== 'any token').sort(), [...SCOPES].sort())
})

it('docs/api.md has every rate limit with its default, and no other', () => {
  const documented = tableOf('limit').flatMap(([names = '', defaults = '']) => {
    const values = defaults.split(', ')
    return names.split(', ').map((name, index) => [name, values[index] ?? values[0]])
  })
  assert.deepEqual(documented, Object.entries(LIMITS))
})
