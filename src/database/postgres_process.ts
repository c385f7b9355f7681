import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { StartError } from '../start_error.ts'

// PostgreSQL as a child process: started, started again where it ends by itself, and ended in order.

export type Command = readonly [string, ...string[]]
/** `gone` says why, once it has ended. */
type Server = { readonly child: ChildProcess; readonly gone: Promise<string> }

const UNPRIVILEGED = '65534'
const isRoot = process.getuid?.() === 0

/** PostgreSQL refuses root: there, run it in a user namespace in which root's files belong to nobody. */
export function confined(command: Command): Command {
  const inOrder = dyingWithParent(command)
  if (!isRoot) return inOrder
  return ['unshare', '--user', `--map-user=${UNPRIVILEGED}`, `--map-group=${UNPRIVILEGED}`, '--', ...inOrder]
}

/** Where the system has setpriv, the kernel interrupts PostgreSQL (a fast shutdown) as soon as its gateway is gone. */
function dyingWithParent(command: Command): Command {
  if (process.platform !== 'linux') return command
  const available = ['/usr/bin/setpriv', '/bin/setpriv'].some(existsSync)
  return available ? ['setpriv', '--pdeathsig', 'INT', '--', ...command] : command
}

/** Why the gateway cannot start where a program of PostgreSQL failed with these lines. */
export function failedStart(what: string, said: string, cause?: unknown): StartError {
  const reason = reasonIn(said)
  if (isRoot && /unshare|setgid|uid_map/i.test(reason)) {
    return new StartError(
      `PostgreSQL refuses to run as root and this machine allows no user namespaces (${reason}): ` +
        'start the gateway as an ordinary user, or set DATABASE_URL',
      { cause },
    )
  }
  return new StartError(`${what}: ${reason}`, { cause })
}

/** The line that tells most, without its time. */
function reasonIn(said: string): string {
  const lines = said.trim().split('\n')
  const telling = lines.findLast((line) => /FATAL|PANIC|error:|setpriv|unshare/.test(line)) ?? lines.at(-1) ?? ''
  return telling.replace(/^.*?(?=(FATAL|PANIC):)/, '').trim()
}

/** A PostgreSQL that is ending writes what it has in memory to its files. One that takes longer may do so for ever. */
export const ORDERLY_END_MS = 15_000

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
/** One that ran for so long did not end because of how it was started. */
const CALM_MS = 10_000

/**
 * Starts the server and resolves when `isReady` says so, to what ends it for good. Until then it is started again
 * whenever it ends: what was committed is there, and the gateway answers 503 meanwhile. Throws StartError where the
 * first start fails.
 */
export async function runServer(command: Command, isReady: () => Promise<boolean>): Promise<() => Promise<void>> {
  const ending = new AbortController()
  let server = launch(command)
  let pause = FIRST_PAUSE_MS

  async function startAgain(): Promise<void> {
    let told = ''
    while (!ending.signal.aborted) {
      // The sessions of one that was killed hold on to its memory for a moment; until then each start fails.
      await delay(pause, undefined, { signal: ending.signal }).catch(() => undefined)
      if (ending.signal.aborted) return
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
      server = launch(command)
      const reason = await untilReady(server, () => isReady().catch(() => false))
      if (reason === undefined || ending.signal.aborted) return
      if (reason !== told) tell(`PostgreSQL does not start and is tried again: ${reason}`)
      told = reason
    }
  }

  async function keepRunning(): Promise<void> {
    while (!ending.signal.aborted) {
      const since = performance.now()
      const reason = await server.gone
      if (ending.signal.aborted) return
      tell(`PostgreSQL ended unexpectedly and is started again: ${reason}`)
      if (performance.now() - since > CALM_MS) pause = FIRST_PAUSE_MS
      await startAgain()
    }
  }

  let running: Promise<void> | undefined
  async function end(): Promise<void> {
    ending.abort()
    server.child.kill('SIGINT')
    const late = setTimeout(() => {
      tell('PostgreSQL comes to no end in order and is ended at once: what was committed is in its log')
      server.child.kill('SIGQUIT')
    }, ORDERLY_END_MS)
    await server.gone
    clearTimeout(late)
    await running
  }

  try {
    const reason = await untilReady(server, isReady)
    if (reason !== undefined) throw failedStart('PostgreSQL did not start', reason)
  } catch (error) {
    await end()
    throw error
  }
  running = keepRunning()
  return end
}

function tell(what: string): void {
  process.stderr.write(`billing-gateway: ${what}\n`)
}

/** Undefined once it is ready, or why it ended instead. */
async function untilReady({ gone }: Server, isReady: () => Promise<boolean>): Promise<string | undefined> {
  for (;;) {
    const state = await Promise.race([gone, isReady().then((ready) => (ready ? READY : NOT_YET))])
    if (state === READY) return undefined
    if (state !== NOT_YET) return state
    await delay(20)
  }
}

const READY = Symbol('ready')
const NOT_YET = Symbol('not yet')

function launch([command, ...args]: Command): Server {
  // A process group of its own: Ctrl-C at the terminal reaches the gateway only, which then stops PostgreSQL in order.
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000)
    // On a SIGTERM it lets nobody in any more, and waits for sessions to end: the gateway's never do.
    if (chunk.includes('received smart shutdown request')) child.kill('SIGINT')
  })
  const gone = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => {
      // What it said last may still be on its way; its sessions may outlive it, so the end of that is not waited for.
      setTimeout(() => resolve(signal ? `ended by ${signal}` : reasonIn(said) || `ended with ${code}`), 20)
    })
  })
  return { child, gone }
}
