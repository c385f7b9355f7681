import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runMigrations } from 'graphile-worker'
import pg from 'pg'
import { StartError } from '../start_error.ts'
import { type Connection, OWNER_OPTIONS, SERVER_ROLE, withOwner, workInPublic } from './connection.ts'
import { isUnavailable, isUniqueViolation, optionsLost } from './faults.ts'
import { reached } from './hosts.ts'
import { silent } from './jobs_log.ts'
import { takeTurn } from './turn.ts'

type Migration = { readonly version: number; readonly name: string; readonly sql: string }

const OLDEST_POSTGRESQL = 15

/**
 * Brings the database to this program's schema, each numbered file once and in a transaction of its own; any number of
 * nodes may start at once. Throws StartError where the database is too old, unreachable, not allowed, or newer than us.
 */
export async function migrate(connection: Connection): Promise<void> {
  try {
    await withOwner(connection, async (client) => {
      await refuseUnfitServer(client)
      await workInPublic(client)
      const migrations = readMigrations()
      const applied = await appliedVersions(client)
      refuseNewerSchema(applied, migrations)
      if (migrations.every(({ version }) => applied.has(version)) && (await hasJobs(client))) return
      await createRole(client)
      await applyMissing(client, migrations)
      await installJobs(connection, client)
    })
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    throw cannotUse(cause)
  }
}

/** Why a start ends where the database answers and cannot be worked with. */
function cannotUse(cause: unknown): StartError {
  const error = cause as { code?: string; message?: string }
  const message =
    error.code === '42501'
      ? `the database user may not do what a migration needs (npm run migrate does it as another): ${error.message}`
      : `cannot use the database: ${error.message || error.code || String(cause)}`
  return new StartError(message, { cause })
}

/** What a program ends with that cannot go on: why in one line where its database is away, any other fault as it is. */
export function endingOf(cause: unknown): unknown {
  return isUnavailable(cause) ? cannotUse(cause) : cause
}

function readMigrations(): Migration[] {
  const folder = join(import.meta.dirname, 'migrations')
  const files = readdirSync(folder).filter((name) => /^\d{4}_\w+\.sql$/.test(name))
  return files.sort().map((file) => ({
    version: Number(file.slice(0, 4)),
    name: file.slice(5, -4),
    sql: readFileSync(join(folder, file), 'utf8'),
  }))
}

async function refuseUnfitServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query('show server_version_num')
  const major = Math.floor(Number(rows[0].server_version_num) / 10_000)
  if (major < OLDEST_POSTGRESQL) {
    throw new StartError(`PostgreSQL ${OLDEST_POSTGRESQL} or newer is needed, the database is ${major}`)
  }
  const { server_encoding: encoding } = (await client.query('show server_encoding')).rows[0]
  if (encoding !== 'UTF8') throw new StartError(`a database in UTF8 is needed, this one is in ${encoding}`)
  const { rows: options } = await client.query(`select source from pg_settings where name = 'statement_timeout'`)
  if (options[0].source !== 'client') throw optionsLost()
}

async function appliedVersions(client: pg.Client): Promise<Set<number>> {
  const { rows: found } = await client.query(`select to_regclass('public.schema_migrations') is not null as is_there`)
  if (!found[0].is_there) return new Set()
  const { rows } = await client.query('select version from schema_migrations')
  return new Set(rows.map((row) => row.version))
}

function refuseNewerSchema(applied: Set<number>, migrations: readonly Migration[]): void {
  const newest = Math.max(0, ...applied)
  const known = migrations.at(-1)?.version ?? 0
  if (newest > known) {
    throw new StartError(`the database has schema version ${newest}, this program knows ${known}: use a newer release`)
  }
}

/** The role is one for the whole cluster, so another database's gateway may have made it, also at this moment. */
async function createRole(client: pg.Client): Promise<void> {
  const { rows } = await client.query('select 1 from pg_roles where rolname = $1', [SERVER_ROLE])
  if (rows.length === 0) {
    await client.query(`create role ${SERVER_ROLE} nologin`).catch((error: unknown) => {
      if (!isUniqueViolation(error) && (error as { code?: string }).code !== '42710') throw error
    })
  }
  // From PostgreSQL 16 on, whoever makes a role may grant it but is not yet a member that can take it on.
  const { rows: version } = await client.query(`select current_setting('server_version_num')::int >= 160000 as has_set`)
  const privilege = version[0].has_set ? 'set' : 'member'
  const { rows: member } = await client.query('select pg_has_role(current_user, $1, $2) as is_member', [
    SERVER_ROLE,
    privilege,
  ])
  if (member[0].is_member) return
  await client.query(`grant ${SERVER_ROLE} to current_user`).catch((error: unknown) => {
    if (!/tuple concurrently updated/.test(String(error)) && !isUniqueViolation(error)) throw error
  })
}

async function applyMissing(client: pg.Client, migrations: readonly Migration[]): Promise<void> {
  await client.query('begin')
  // Of those who make a table at the same moment all but one would fail, in one of three ways, however it is asked for.
  await takeTurn(client, 'schema_migrations')
  await client.query(
    `create table if not exists schema_migrations (
       version integer primary key, name text not null, applied_at timestamptz not null default now())`,
  )
  await client.query('commit')
  for (const { version, name, sql } of migrations) {
    await client.query('begin')
    try {
      await client.query('lock table schema_migrations in exclusive mode')
      const { rows } = await client.query('select 1 from schema_migrations where version = $1', [version])
      if (rows.length === 0) {
        await client.query(sql)
        await client.query('insert into schema_migrations (version, name) values ($1, $2)', [version, name])
      }
      await client.query('commit')
    } catch (error) {
      await client.query('rollback')
      throw error
    }
  }
}

async function hasJobs(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(
    `select to_regclass('graphile_worker.migrations') is not null
        and has_schema_privilege('${SERVER_ROLE}', 'graphile_worker', 'usage') as is_there`,
  )
  return rows[0].is_there
}

/** The tables of the job library; the server's role may use them like its own. */
async function installJobs(connection: Connection, client: pg.Client): Promise<void> {
  const pgPool = new pg.Pool({ ...reached(connection, OWNER_OPTIONS), max: 2 })
  pgPool.on('error', () => undefined)
  pgPool.on('connect', (session) => session.on('error', () => undefined))
  try {
    await runMigrations({ pgPool, logger: silent })
  } finally {
    await pgPool.end()
  }
  await client.query('begin')
  await client.query('lock table schema_migrations in exclusive mode')
  await client.query(
    `grant usage on schema graphile_worker to ${SERVER_ROLE};
     grant all on all tables in schema graphile_worker to ${SERVER_ROLE};
     grant all on all sequences in schema graphile_worker to ${SERVER_ROLE};
     grant execute on all functions in schema graphile_worker to ${SERVER_ROLE};
     do $$
       declare name text;
       begin
         -- The library switches row security on for its tables and leaves it without a rule.
         for name in select tablename from pg_tables where schemaname = 'graphile_worker' and rowsecurity loop
           execute format('drop policy if exists server on graphile_worker.%I', name);
           execute format('create policy server on graphile_worker.%I to ${SERVER_ROLE} using (true)', name);
         end loop;
       end $$`,
  )
  await client.query('commit')
}
