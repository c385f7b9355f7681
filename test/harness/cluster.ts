import { randomBytes } from 'node:crypto'
import { type DatabaseAddress, withOwner } from '../../src/database/connection.ts'

/** The PostgreSQL that tools/test.ts started for this run of the tests. */
export type TestCluster = DatabaseAddress

/** A migrated database that no gateway has started on. */
export const MIGRATED = 'bgw_migrated'

/** What each test's own database is a copy of: as the first gateway that starts on it leaves it. */
export const STARTED = 'bgw_started'

/** How whoever runs the tests tells them something, tools/test.ts too: where the cluster is. */
function told(name: string): string | undefined {
  // biome-ignore lint/style/noProcessEnv: the one place where the environment of the tests enters.
  return process.env[name]
}

/** How often a random test shall run, and with which seed; undefined: as in every run of the suite. */
export function askedOfTests(): { readonly runs: number | undefined; readonly seed: number | undefined } {
  const [runs, seed] = [told('TEST_RUNS'), told('TEST_SEED')]
  return { runs: runs === undefined ? undefined : Number(runs), seed: seed === undefined ? undefined : Number(seed) }
}

export function testCluster(): TestCluster {
  const text = told('TEST_CLUSTER')
  if (!text) throw new Error('tests are run by `npm test`, which starts their PostgreSQL')
  return JSON.parse(text)
}

/** A data folder whose database is made and migrated, and which nobody uses: to be copied. */
export function migratedDataFolder(): string {
  return told('TEST_DATA_FOLDER') ?? ''
}

/** The file of the API's document in this run of the tests, which whoever needs it first makes. */
export function documentFile(): string | undefined {
  return told('TEST_API_DOCUMENT')
}

/** A database of its own for one test, on which a gateway has started before. */
export async function aDatabase(): Promise<TestCluster> {
  return copyOf(STARTED)
}

/** The same without what the first start makes: a main book, and tables for the events of these days. */
export async function aMigratedDatabase(): Promise<TestCluster> {
  return copyOf(MIGRATED)
}

/** A database with nothing in it. */
export async function anEmptyDatabase(): Promise<TestCluster> {
  return copyOf('template0')
}

/**
 * Gives copies of one database, which `make` makes once, and whose gateway is stopped: copying takes a tenth of what it
 * takes to do again what was done there.
 */
export function copiesOf(make: () => Promise<TestCluster>): () => Promise<TestCluster> {
  let made: Promise<TestCluster> | undefined
  return async () => {
    made ??= make()
    const { database } = await made
    const endSessions = 'select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1'
    await withOwner(testCluster(), (client) => client.query(endSessions, [database]))
    return copyOf(database)
  }
}

async function copyOf(template: string): Promise<TestCluster> {
  const cluster = testCluster()
  const database = `t_${randomBytes(8).toString('hex')}`
  // By default a copy goes through the log, block by block, which takes four times as long.
  const copy = `create database ${database} template ${template} strategy file_copy`
  await withOwner(cluster, (client) => client.query(copy))
  return { ...cluster, database }
}

/** Ends every session that gateways have on a database, from under whatever is under way. */
export async function cutGateways(database: TestCluster): Promise<void> {
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and application_name like 'billing-gateway%'`
  await withOwner(database, (client) => client.query(cut))
}

/** A database as a URL, for DATABASE_URL. */
export function urlOf({ host, port, user, password, database }: TestCluster): string {
  return `postgres://${user}:${encodeURIComponent(password)}@localhost/${database}?host=${encodeURIComponent(host)}&port=${port}`
}
