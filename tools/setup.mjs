// Installs what is missing, then gets out of the way. Runs before every npm script on whatever Node the machine
// has (20 or newer), so it is plain JavaScript and imports nothing but Node.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')
const stampFile = join(modules, '.setup-stamp')
const lockFile = join(root, '.setup-lock')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex')

function isInstalled() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted
}

/** Two commands may start at once in a fresh clone; the second waits for the first one's installation. */
async function lock() {
  const mine = `${lockFile}-${process.pid}`
  writeFileSync(mine, String(process.pid))
  try {
    for (;;) {
      if (claim(mine)) return
      await new Promise((resolve) => setTimeout(resolve, 200))
      if (isInstalled()) return 'installed meanwhile'
      if (!isHeld()) rmSync(lockFile, { recursive: true, force: true })
    }
  } finally {
    rmSync(mine, { force: true })
  }
}

/** A hard link appears whole or not at all, and only where none is. */
function claim(mine) {
  try {
    linkSync(mine, lockFile)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/** Whether the process that took the lock is still there: one that was killed could not give it back. */
function isHeld() {
  try {
    const pid = Number(readFileSync(lockFile, 'utf8'))
    // No installation takes so long: the number is another process's by now.
    if (Date.now() - statSync(lockFile).mtimeMs > 900_000) return false
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function install() {
  process.stderr.write('billing-gateway: installing dependencies (once, about 15 seconds)…\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (npm.status !== 0) {
    process.stderr.write('billing-gateway: npm ci failed; see above. Is the npm registry reachable?\n')
    process.exitCode = 1
    return
  }
  writeFileSync(stampFile, wanted)
}

if (Number(process.versions.node.split('.')[0]) < 20) {
  process.stderr.write(`billing-gateway: Node 20 or newer is needed, this is ${process.versions.node}\n`)
  process.exit(1)
}
if (!isInstalled() && (await lock()) === undefined) {
  try {
    if (!isInstalled()) install()
  } finally {
    rmSync(lockFile, { force: true })
  }
}
