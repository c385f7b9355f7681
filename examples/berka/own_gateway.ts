import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { StartError } from '../../src/start_error.ts'
import type { Target } from './lines.ts'

/** Always the same one: an idempotency key is known to the operator who used it. */
const OPERATOR = 'operator@berka.example'
const SOURCES = join(import.meta.dirname, '../../src')

export type Environment = Readonly<Record<string, string | undefined>>
export type Reached = Target & { readonly end: () => Promise<void> }

/**
 * Starts a gateway on the data folder of the settings, as `npm start` would, and makes an operator. Throws StartError
 * with the gateway's own line where it does not start, as when another one runs on that folder.
 */
export async function startGateway(environment: Environment, stopped: Promise<void>): Promise<Reached> {
  const env = { BGW_LOG_LEVEL: 'warn', ...environment, PORT: '0', HOST: '127.0.0.1' }
  // What it logs goes to standard error: standard output is for the tables.
  const child = spawn(process.execPath, [join(SOURCES, 'main.ts')], { env, stdio: ['ignore', 2, 'pipe'] })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
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

/** As `npm run admin -- create` does: the password by standard input, the token by standard output. */
async function makeOperator(env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(process.execPath, [join(SOURCES, 'admin.ts'), 'create', OPERATOR], { env, stdio: 'pipe' })
  // It may end without reading: then its own line says why.
  child.stdin.on('error', () => undefined)
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
