import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after } from 'node:test'
import { aClient, type Client } from './client.ts'
import { migratedDataFolder } from './cluster.ts'
import { COMPILED } from './compiled.ts'
import { endsWithTest } from './ends_with_test.ts'
import { GENEROUS, PASSWORD, until } from './gateway.ts'

const SOURCE = join(import.meta.dirname, '../../src')

/** A gateway as its users run it: a process of its own. */
export type TestServer = {
  readonly url: string
  readonly process: ChildProcess
  /** What it has printed so far: its messages and its log. */
  readonly output: () => string
  /** Ends it as `signal` does and waits until it is gone. Returns the exit code. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>
}

/** What became of a program that ended by itself. */
export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

const running = new Set<ChildProcess>()
const folders = new Set<string>()
after(async () => {
  for (const child of running) child.kill('SIGTERM')
  await Promise.all([...running].map((child) => gone(child)))
  await Promise.all([...folders].map((folder) => rm(folder, { recursive: true, force: true })))
})

/** A data folder that is removed after the tests. */
export async function aFolder(name = 'bgw-server-'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), name))
  folders.add(folder)
  return folder
}

/** The same with a database in it that is made and migrated already, for tests of anything but that. */
export async function aMigratedFolder(): Promise<string> {
  const folder = await aFolder()
  cpSync(migratedDataFolder(), folder, { recursive: true })
  return folder
}

export function gone(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}

/** The environment of a gateway: nothing of the tests' own but where programs are found, and what is compiled of ours. */
export function environment(settings: Record<string, string>): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    NODE_COMPILE_CACHE: COMPILED,
    BGW_LOG_LEVEL: 'error',
    PORT: '0',
    BGW_RATE_LIMITS: GENEROUS,
    ...settings,
  }
}

/**
 * Starts src/main.ts, by a program that becomes it where `within` is one with its arguments, and waits until it is ready;
 * throws with what it said where it is not.
 */
export async function aServer(
  settings: Record<string, string>,
  within: readonly [] | readonly [string, ...string[]] = [],
): Promise<TestServer> {
  const [command, ...args] = [...within, process.execPath, join(SOURCE, 'main.ts')] as [string, ...string[]]
  const child = spawn(command, args, {
    env: environment(settings),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said += chunk
    })
  }
  const url = await until(async () => {
    if (child.exitCode !== null) throw new Error(`the gateway did not start: ${said}`)
    return /ready at (\S+)/.exec(said)?.[1]
  })
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return gone(child)
  }
  endsWithTest(() => end('SIGTERM'))
  return { url, process: child, output: () => said, end }
}

/** Runs one of our programs to its end. */
export async function ended(
  program: string,
  settings: Record<string, string>,
  args: string[] = [],
  stdin = '',
): Promise<Ended> {
  const child = spawn(process.execPath, [join(SOURCE, program), ...args], { env: environment(settings) })
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin)
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), gone(child)])
  return { code, stdout, stderr }
}

/** A start that fails says why in one line, and exits with 1. */
export function assertOneLine({ code, stdout, stderr }: Ended, expected: RegExp): void {
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^billing-gateway: [^\n]+\n$/)
  assert.match(stderr, expected)
}

/** An operator of a server, made as its users make one. */
export async function anOperatorOf(server: TestServer, settings: Record<string, string>): Promise<Client> {
  const { stdout, stderr } = await ended('admin.ts', settings, ['create', 'operator@example.com'], `${PASSWORD}\n`)
  if (!stdout.startsWith('bgw_')) throw new Error(`no operator was made: ${stderr}`)
  return aClient(server.url, stdout.trim())
}

/** The process id of the PostgreSQL in a data folder. */
export function postmasterOf(folder: string): number {
  return Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // A zombie that nobody has waited for is not alive.
  return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
}
