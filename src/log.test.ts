import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { gone } from '../test/harness/server.ts'

/** Logs more than is kept, and goes on until its input ends. */
const TALKER = `
  import { openLog } from ${JSON.stringify(join(import.meta.dirname, 'log.ts'))}
  const { log, close } = openLog('info')
  for (let line = 1; line <= 100_000; line += 1) log.info({ line }, 'one of many')
  for await (const _ of process.stdin);
  log.info('the last')
  await close()
`

function aTalker(stdout: 'pipe' | number) {
  return spawn(process.execPath, ['--input-type=module', '-e', TALKER], { stdio: ['pipe', stdout, 'inherit'] })
}

describe('a log', () => {
  it('that nobody reads does not keep its program from ending', async () => {
    const talker = aTalker('pipe')
    talker.stdin?.end()
    assert.equal(await gone(talker), 0)
  })

  it('for which there is no room, as on a full disk, does not end its program', {
    skip: process.platform !== 'linux',
  }, async () => {
    const talker = aTalker(openSync('/dev/full', 'w'))
    talker.stdin?.end()
    assert.equal(await gone(talker), 0)
  })

  it('that is read late says how many lines are lost, and goes on', async () => {
    const talker = aTalker('pipe')
    let read = ''
    talker.stdout?.on('data', (chunk) => {
      read += chunk
    })
    while (!read.includes('log lines are lost')) await once(talker.stdout as NodeJS.ReadableStream, 'data')
    talker.stdin?.end()
    assert.equal(await gone(talker), 0)
    const lines = read
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const kept = lines.filter(({ msg }) => msg === 'one of many').length
    assert.equal(kept + lines.find(({ msg }) => msg.includes('lost')).lines, 100_000)
    assert.equal(lines.at(-1).msg, 'the last')
  })
})
