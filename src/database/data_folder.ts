import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { StartError } from '../start_error.ts'

/** Who runs a gateway on a data folder: a process id can be used again, so its start time stands beside it. */
type Holder = { readonly pid: number; readonly started: string }

/** The process that holds the folder, if it is alive. */
export function holderOf(folder: string): number | undefined {
  return aliveHolder(lockFileOf(folder))
}

function aliveHolder(lockFile: string): number | undefined {
  try {
    const holder: Holder = JSON.parse(readFileSync(lockFile, 'utf8'))
    return isAlive(holder) ? holder.pid : undefined
  } catch {
    return undefined // there is none, or nothing that a gateway wrote
  }
}

/**
 * Takes the data folder for this process, making it where there is none. Returns what gives it back. A lock whose
 * process is gone is taken over. Throws StartError where another gateway runs on it.
 */
export function lockDataFolder(folder: string): () => void {
  makeDataFolder(folder)
  const file = lockFileOf(folder)
  const mine = `${file}.${process.pid}`
  const holder: Holder = { pid: process.pid, started: startOf(process.pid) }
  const content = JSON.stringify(holder)
  try {
    writeFileSync(mine, content, { mode: 0o600 })
    if (!claim(mine, file)) {
      const other = holderOf(folder)
      if (other !== undefined)
        throw new StartError(`process ${other} already runs a gateway on the data folder ${folder}`)
      removeStale(file)
      if (!claim(mine, file)) throw new StartError(`another gateway starts on the data folder ${folder} right now`)
    }
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    throw new StartError(`cannot write to the data folder ${folder}: ${(cause as Error).message}`, { cause })
  } finally {
    rmSync(mine, { force: true })
  }
  return () => {
    if (readIfThere(file) === content) rmSync(file, { force: true })
  }
}

/** Makes the data folder where there is none. Throws StartError where it cannot be made, or is none. */
export function makeDataFolder(folder: string): void {
  try {
    makeFolder(folder)
  } catch (cause) {
    throw new StartError(`cannot make the data folder ${folder}: ${(cause as Error).message}`, { cause })
  }
}

/**
 * Makes a folder with those above it. Node's own `recursive` says of a read-only file system that there is no such
 * folder, and where one cannot be made for another reason, as in /proc, tries for ever and hears no signal.
 */
export function makeFolder(folder: string): void {
  if (isFolder(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    // Somebody else may just have made it.
    if (!isFolder(folder)) throw error
  }
}

/** What stands in files is on the disk by now: that the folder has them must be as well, before anything needs them. */
export function flushNames(folder: string): void {
  const opened = openSync(folder, 'r')
  try {
    fsyncSync(opened)
  } finally {
    closeSync(opened)
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined // removed, perhaps with its folder
  }
}

/** A hard link appears whole or not at all, and only where none is. */
function claim(mine: string, file: string): boolean {
  try {
    linkSync(mine, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Of several that find the same stale lock, one removes it: the others would remove that one's. */
function removeStale(file: string): void {
  const stale = `${file}.stale.${process.pid}`
  try {
    renameSync(file, stale)
    if (aliveHolder(stale) !== undefined) linkSync(stale, file)
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    rmSync(stale, { force: true })
  }
}

function lockFileOf(folder: string): string {
  return join(folder, 'gateway.lock')
}

function isAlive({ pid, started }: Holder): boolean {
  let isAnothers = false
  try {
    process.kill(pid, 0)
  } catch (error) {
    isAnothers = (error as NodeJS.ErrnoException).code === 'EPERM'
    if (!isAnothers) return false
  }
  const begun = startOf(pid)
  // Some systems hide when another user's process began: it may be the gateway.
  return started === '' || begun === started || (isAnothers && begun === '')
}

/** When a process started: field 22 of /proc/PID/stat, or what ps says; '' where neither is to be had. */
function startOf(pid: number): string {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return ''
  }
}
