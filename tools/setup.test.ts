import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'

const clones: string[] = []
after(() => {
  for (const clone of clones) rmSync(clone, { recursive: true, force: true })
})

/** A clone with nothing to install, or with a lock that npm refuses. */
function aClone({ sound }: { sound: boolean }): string {
  const clone = mkdtempSync(join(tmpdir(), 'bgw-setup-'))
  clones.push(clone)
  mkdirSync(join(clone, 'tools'))
  mkdirSync(join(clone, 'node_modules'))
  copyFileSync(join(import.meta.dirname, 'setup.mjs'), join(clone, 'tools/setup.mjs'))
  writeFileSync(join(clone, 'package.json'), '{"name":"x"}')
  writeFileSync(join(clone, 'package-lock.json'), sound ? '{"name":"x","lockfileVersion":3,"packages":{}}' : 'none')
  return clone
}

function setUp(clone: string): Promise<number | null> {
  const child = spawn(process.execPath, [join(clone, 'tools/setup.mjs')], { stdio: 'ignore' })
  return new Promise((resolve) => child.once('exit', resolve))
}

const left = (clone: string) => readdirSync(clone).filter((name) => name.startsWith('.setup-lock'))

it('an installation that fails says so and leaves nothing that keeps the next one waiting', async () => {
  const clone = aClone({ sound: false })
  assert.equal(await setUp(clone), 1)
  assert.deepEqual(left(clone), [])
})

it('two at once both succeed, also where one before them was killed', async () => {
  const clone = aClone({ sound: true })
  const killed = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await new Promise((resolve) => killed.once('exit', resolve))
  writeFileSync(join(clone, '.setup-lock'), String(killed.pid))
  assert.deepEqual(await Promise.all([setUp(clone), setUp(clone)]), [0, 0])
  assert.deepEqual(left(clone), [])
})
