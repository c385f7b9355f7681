import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { run } from '../../src/run.ts'
import { StartError } from '../../src/start_error.ts'
import { readBank } from './files.ts'
import { replayBank, type Target } from './replay.ts'
import { failuresOf, reportOf, showProgress } from './report.ts'

const USAGE =
  'usage: npm run example:berka -- FOLDER [--url URL], with the token of an operator of the gateway there in BERKA_TOKEN'
/** Always the same one: an idempotency key is known to the operator who used it. */
const OPERATOR = 'operator@berka.example'
const SOURCES = join(import.meta.dirname, '../../src')

type Environment = Readonly<Record<string, string | undefined>>
type Reached = Target & { readonly end: () => Promise<void> }

await run(async (stopped, environment, args) => {
  const { folder, url } = parseArguments(args)
  // Before anything is started or sent.
  const bank = await readBank(folder)
  const abort = new AbortController()
  void stopped.then(() => abort.abort())
  const target = url === undefined ? await startGateway(environment, stopped) : givenGateway(environment, url)
  const progress = showProgress(process.stderr)
  try {
    const replay = await replayBank(bank, { ...target, signal: abort.signal }, progress.onProgress).finally(
      progress.end,
    )
    process.stdout.write(reportOf(replay))
    process.stderr.write(failuresOf(replay))
    if (replay.failures.length > 0) process.exitCode = 1
  } finally {
    await target.end()
  }
})

function parseArguments(args: readonly string[]): { folder: string; url: string | undefined } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { url: { type: 'string' } },
      allowPositionals: true,
    })
    const [folder, ...more] = positionals
    if (folder === undefined || more.length > 0) throw new StartError(USAGE)
    if (values.url !== undefined && !/^https?:$/.test(URL.parse(values.url)?.protocol ?? '')) {
      throw new StartError(`'${values.url}' is no address that begins with http:// or https://`)
    }
    return { folder, url: values.url?.replace(/\/+$/, '') }
  } catch (cause) {
    throw cause instanceof StartError ? cause : new StartError(USAGE, { cause })
  }
}

function givenGateway(environment: Environment, url: string): Reached {
  const token = environment.BERKA_TOKEN
  if (!token) throw new StartError("BERKA_TOKEN is not set; it must be an operator's token")
  return { url, token, end: async () => undefined }
}

/** A gateway of our own on the data folder of the settings, with an operator; where it does not start, what it says. */
async function startGateway(environment: Environment, stopped: Promise<void>): Promise<Reached> {
  const env = { BGW_LOG_LEVEL: 'warn', ...environment, PORT: '0', HOST: '127.0.0.1' }
  // What it logs goes to standard error: standard output is for the tables.
  const child = spawn(process.execPath, [join(SOURCES, 'main.ts')], { env, stdio: ['ignore', 2, 'pipe'] })
  const gone = once(child, 'exit')
  void stopped.then(() => child.kill('SIGTERM'))
  const end = async () => {
    child.kill('SIGTERM')
    await gone
  }
  try {
    const url = await addressOf(child)
    return { url, token: await makeOperator(env), end }
  } catch (error) {
    await end()
    throw error
  }
}

/** Reads the greeting; whatever the gateway says after it is passed on. */
async function addressOf(child: ChildProcess): Promise<string> {
  let said = ''
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new StartError(whyOf(said, 'the gateway ended before it was ready'))))
    child.stderr?.setEncoding('utf8').on('data', function read(chunk: string) {
      said += chunk
      const address = /is ready at (\S+)\n/.exec(said)?.[1]
      if (address === undefined) return
      child.stderr?.off('data', read)
      child.stderr?.on('data', (more) => process.stderr.write(more))
      resolve(address)
    })
  })
}

async function makeOperator(env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(process.execPath, [join(SOURCES, 'admin.ts'), 'create', OPERATOR], { env, stdio: 'pipe' })
  // Nobody needs to know it: the token is all that is used.
  child.stdin.end(`${randomBytes(24).toString('base64url')}\n`)
  const [token, said, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  if (code !== 0) throw new StartError(whyOf(said, 'the operator could not be made'))
  return token.trim()
}

/** The program's own line, without its name, which ours will carry too. */
function whyOf(said: string, otherwise: string): string {
  return /^billing-gateway: (.+)$/m.exec(said)?.[1] ?? (said.trim() || otherwise)
}
