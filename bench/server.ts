import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import type { DatabaseAddress } from '../src/database/connection.ts'
import { connectionOf } from '../src/database/embedded.ts'

/** Counted as ever, and never reached: a handful of users make all the load. */
const BGW_RATE_LIMITS = 'address=1000000/1s,user=1000000/1s,token=1000000/1s'

const ROOT = join(import.meta.dirname, '..')

/** A gateway that runs as its users run it, in a process of its own on a folder of its own. */
export type Server = {
  readonly port: number
  readonly connection: DatabaseAddress
  /** From spawn to the greeting, in milliseconds. */
  readonly startedIn: number
  /** Seconds of CPU so far, and resident memory in MiB. */
  readonly usage: () => Usage
  readonly stop: () => Promise<void>
}
export type Usage = { readonly gatewayCpu: number; readonly postgresCpu: number; readonly gatewayMemory: number }

export async function startServer(folder: string, environment: Record<string, string> = {}): Promise<Server> {
  const started = performance.now()
  // As npm would run it; the shell becomes the gateway.
  const child = spawn('sh', ['-c', manifest.scripts.start], {
    cwd: ROOT,
    env: {
      // biome-ignore lint/style/noProcessEnv: the server needs PATH, and nothing of its own settings.
      PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`,
      BGW_DATA_DIR: folder,
      PORT: '0',
      BGW_LOG_LEVEL: 'warn',
      BGW_RATE_LIMITS,
      ...environment,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the gateway did not start: ${output}`)))
    child.stderr.on('data', (chunk) => {
      output += chunk
      const found = /ready at \S+:(\d+)/.exec(output)?.[1]
      if (found) resolve(Number(found))
    })
  })
  const startedIn = performance.now() - started
  const connection = connectionOf(folder)
  const postmaster = Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])
  const usage = () => ({
    gatewayCpu: cpuOf(child.pid ?? 0),
    postgresCpu: cpuOf(postmaster) + childrenOf(postmaster).reduce((sum, pid) => sum + cpuOf(pid), 0),
    gatewayMemory: memoryOf(child.pid ?? 0),
  })
  async function stop(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }
  return { port, connection, startedIn, usage, stop }
}

// From /proc, where there is one; elsewhere these columns stay at zero.

function statOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

/** Seconds of CPU of a process and of its children that have ended; the kernel counts hundredths. */
function cpuOf(pid: number): number {
  return statOf(pid)
    .slice(11, 15)
    .reduce((sum, ticks) => sum + Number(ticks) / 100, 0)
}

function childrenOf(parent: number): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => Number(statOf(pid)[1]) === parent)
  } catch {
    return []
  }
}

function memoryOf(pid: number): number {
  try {
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Number(resident ?? 0) / 1_024
  } catch {
    return 0
  }
}
