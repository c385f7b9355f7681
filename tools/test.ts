// Runs the tests on a PostgreSQL of their own: one cluster for the run, in a folder that is thrown away, and in it one
// migrated database that each test copies. `npm test -- FILE…` runs some of them.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withOwner } from '../src/database/connection.ts'
import { startEmbedded } from '../src/database/embedded.ts'
import { migrate } from '../src/database/migrate.ts'
import { run } from '../src/run.ts'
import { TEMPLATE, type TestCluster } from '../test/harness/cluster.ts'

/** What is compiled once need not be for each file. */
const NODE_COMPILE_CACHE = join(import.meta.dirname, '../node_modules/.cache/compiled')

await run(async (stopped, environment, args) => {
  const folder = await mkdtemp(join(tmpdir(), 'bgw-test-'))
  const postgres = await startEmbedded(folder, { durable: false, maxConnections: 600 })
  try {
    await withOwner(postgres.connection, (client) => client.query(`create database ${TEMPLATE}`))
    await migrate({ ...postgres.connection, database: TEMPLATE } as TestCluster)
    process.exitCode = await runTests(stopped, withoutSettings(environment), postgres.connection as TestCluster, args)
  } finally {
    await postgres.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

/** The settings of whoever runs the tests are not the settings of what is tested. */
function withoutSettings(environment: Readonly<Record<string, string | undefined>>) {
  const ours = (name: string) => name.startsWith('BGW_') || ['PORT', 'HOST', 'DATABASE_URL'].includes(name)
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !ours(name)))
}

function runTests(
  stopped: Promise<void>,
  environment: NodeJS.ProcessEnv,
  cluster: TestCluster,
  files: readonly string[],
): Promise<number> {
  const patterns = files.length > 0 ? files : ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts']
  const child = spawn(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=240000', ...patterns], {
    stdio: 'inherit',
    env: { ...environment, NODE_COMPILE_CACHE, TEST_CLUSTER: JSON.stringify(cluster) },
  })
  void stopped.then(() => child.kill('SIGTERM'))
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}
