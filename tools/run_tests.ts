import { spawn } from 'node:child_process'
import { cpSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureMainBook, ensureTechnicalAccounts } from '../src/books/books.ts'
import { readConfig } from '../src/config.ts'
import { createPool, withOwner } from '../src/database/connection.ts'
import { startEmbedded } from '../src/database/embedded.ts'
import { migrate } from '../src/database/migrate.ts'
import { keepPartitions } from '../src/events/partitions.ts'
import { NOBODY } from '../src/gateway.ts'
import { MIGRATED, STARTED, type TestCluster } from '../test/harness/cluster.ts'
import { COMPILED } from '../test/harness/compiled.ts'

type Environment = Readonly<Record<string, string | undefined>>

const OPTIONS = { durable: false, maxConnections: 600 }

/**
 * Runs test files on a PostgreSQL of their own: one cluster for the run, in a folder that is thrown away, and in it the
 * databases that each test copies one of. Beside it lies a data folder as it is once its database is migrated, for
 * tests that start gateways on folders of their own. Gives the exit code.
 */
export async function runTests(
  stopped: Promise<void>,
  environment: Environment,
  files: readonly string[],
  longestSeconds: number,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'bgw-test-'))
  try {
    const [migrated, running] = [join(folder, 'migrated'), join(folder, 'running')]
    await mkdir(migrated)
    const first = await startEmbedded(migrated, OPTIONS)
    await migrate(first.connection).finally(first.stop)
    cpSync(migrated, running, { recursive: true })
    const postgres = await startEmbedded(running, OPTIONS)
    try {
      await makeTemplates(postgres.connection)
      const env = {
        ...withoutSettings(environment),
        NODE_COMPILE_CACHE: COMPILED,
        TEST_CLUSTER: JSON.stringify(postgres.connection),
        TEST_DATA_FOLDER: migrated,
        TEST_API_DOCUMENT: join(folder, 'openapi.json'),
      }
      const options = [
        ...['--test', '--test-concurrency=3', `--test-timeout=${longestSeconds * 1_000}`],
        // Most of them end before there is anything to collect.
        '--min-semi-space-size=16',
      ]
      const child = spawn(process.execPath, [...options, ...files], { stdio: 'inherit', env })
      void stopped.then(() => child.kill('SIGTERM'))
      return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
    } finally {
      await postgres.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Makes what the tests' databases are copies of, so that what a first start does is not done for each of two hundred. */
async function makeTemplates(connection: TestCluster): Promise<void> {
  await withOwner(connection, async (client) => {
    for (const name of [MIGRATED, STARTED]) await client.query(`create database ${name} template postgres`)
  })
  const { currencies, eventDays } = readConfig({})
  const pool = createPool({ ...connection, database: STARTED }, 1, 'template')
  try {
    await ensureMainBook(pool, [...currencies.values()], NOBODY)
    await ensureTechnicalAccounts(pool)
    await keepPartitions(pool, eventDays)
  } finally {
    await pool.end()
  }
}

/** The settings of whoever runs the tests are not the settings of what is tested. */
function withoutSettings(environment: Environment): NodeJS.ProcessEnv {
  const ours = (name: string) =>
    name.startsWith('BGW_') || ['PORT', 'HOST', 'DATABASE_URL', 'DATABASE_URL_FILE'].includes(name)
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !ours(name)))
}
