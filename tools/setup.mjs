// Installs what is missing, then gets out of the way. Runs before every npm script on whatever Node the machine
// has (20 or newer), so it is plain JavaScript and imports nothing but Node.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')
const stampFile = join(modules, '.setup-stamp')
const lockFolder = join(root, '.setup-lock')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex')

function isInstalled() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted
}

/** Two commands may start at once in a fresh clone; the second waits for the first one's installation. */
async function lock() {
  for (;;) {
    try {
      mkdirSync(lockFolder)
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (Date.now() - statSync(lockFolder).mtimeMs > 300_000) rmdirSync(lockFolder)
    await new Promise((resolve) => setTimeout(resolve, 200))
    if (isInstalled()) return 'installed meanwhile'
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
    process.exit(1)
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
    rmdirSync(lockFolder)
  }
}
