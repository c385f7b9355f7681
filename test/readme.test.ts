import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

const root = join(import.meta.dirname, '..')
const readme = await readFile(join(root, 'README.md'), 'utf8')

/** Some lines of the tour, and what the README prints beneath them, if it does. */
type Step = { readonly lines: string; readonly printed: string | undefined }

describe('the tour of the README', () => {
  let folder: string
  let server: ChildProcess
  let address: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bgw-readme-'))
    const settings = ['PORT=0', `BGW_DATA_DIR=${folder}`, 'BGW_LOG_LEVEL=silent']
    server = spawn('env', [...settings, process.execPath, 'src/main.ts'], { cwd: root })
    address = await addressOf(server)
  })
  after(async () => {
    const gone = new Promise((done) => server.once('exit', done))
    if (server.kill('SIGTERM')) await gone
    await rm(folder, { recursive: true, force: true })
  })

  it('works line by line as printed, and each step prints what stands beneath it', async () => {
    const steps = tourOf(readme)
    assert.ok(steps.length >= 14, 'the tour was found')
    const outputs = await runInOneShell(steps, [`BASE=${address}`, `BGW_DATA_DIR=${folder}`])
    for (const [index, { lines, printed }] of steps.entries()) {
      const output = outputs[index] ?? ''
      if (printed === undefined) continue
      assert.match(output, patternOf(printed), `${lines}\nprinted\n${output}\nand not\n${printed}`)
    }
  })

  it('ends with the books verified', () => {
    assert.match(tourOf(readme).at(-1)?.lines ?? '', /^npm run (--silent )?verify\n$/)
  })
})

/** The shell blocks of the chapter, each with the text block that follows it, if one does. */
function tourOf(text: string): Step[] {
  const chapter = /^## A tour with curl$(.*?)(?=^## )/ms.exec(`${text}\n## `)?.[1] ?? ''
  const blocks = [...chapter.matchAll(/^```(sh|text)\n(.*?)^```$/gms)].map(([, kind, body = '']) => ({ kind, body }))
  return blocks.flatMap(({ kind, body }, index) => {
    const next = blocks[index + 1]
    return kind === 'sh' ? [{ lines: body, printed: next?.kind === 'text' ? next.body : undefined }] : []
  })
}

/** `…` stands for whatever is there, also nothing, and on a line of its own for lines. */
function patternOf(printed: string): RegExp {
  const source = printed
    .trim()
    .split('\n')
    .map((line) => (line === '…' ? '[^]*' : line.split('…').map(RegExp.escape).join('.*')))
    .join('\n')
  return new RegExp(`^${source}$`)
}

const MARK = '--- end of step ---'

async function runInOneShell(steps: readonly Step[], settings: readonly string[]): Promise<string[]> {
  const script = steps.map(({ lines }) => `${lines}\nprintf '%s\\n' '${MARK}'\n`).join('')
  const shell = spawn('env', [...settings, 'bash', '-euo', 'pipefail', '-c', script], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  shell.stdout.on('data', (chunk) => {
    output += chunk
  })
  shell.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const code = await new Promise((done) => shell.once('close', done))
  const parts = output.replaceAll('\r', '').split(`${MARK}\n`)
  assert.equal(code, 0, `the shell ended in\n${steps[parts.length - 1]?.lines}with\n${parts.at(-1)}\n${errors}`)
  return parts.map((part) => part.trim())
}

function addressOf(child: ChildProcess): Promise<string> {
  let said = ''
  return new Promise((found, fail) => {
    child.stderr?.on('data', (chunk) => {
      said += chunk
      const ready = /ready at (http\S+)/.exec(said)
      if (ready?.[1]) found(ready[1])
    })
    child.once('exit', () => fail(new Error(`the server did not start: ${said}`)))
  })
}
