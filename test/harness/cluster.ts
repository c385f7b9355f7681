import { randomBytes } from 'node:crypto'
import { type Connection, withOwner } from '../../src/database/connection.ts'

/** The PostgreSQL that tools/test.ts started for this run of the tests. */
export type TestCluster = Extract<Connection, { host: string }>

/** The migrated database that each test's own is a copy of. */
export const TEMPLATE = 'bgw_template'

export function testCluster(): TestCluster {
  // biome-ignore lint/style/noProcessEnv: how tools/test.ts tells its tests where the cluster is.
  const text = process.env.TEST_CLUSTER
  if (!text) throw new Error('tests are run by `npm test`, which starts their PostgreSQL')
  return JSON.parse(text)
}

/** A migrated database of its own for one test. */
export async function aDatabase(): Promise<TestCluster> {
  return copyOf(TEMPLATE)
}

/** A database with nothing in it. */
export async function anEmptyDatabase(): Promise<TestCluster> {
  return copyOf('template0')
}

async function copyOf(template: string): Promise<TestCluster> {
  const cluster = testCluster()
  const database = `t_${randomBytes(8).toString('hex')}`
  await withOwner(cluster, (client) => client.query(`create database ${database} template ${template}`))
  return { ...cluster, database }
}

/** The same as a URL, for DATABASE_URL. */
export function urlOf({ host, port, user, password, database }: TestCluster): string {
  return `postgres://${user}:${encodeURIComponent(password)}@localhost/${database}?host=${encodeURIComponent(host)}&port=${port}`
}
