import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import type { DatabaseAddress } from '../src/database/connection.ts'

// The yardstick: pgbench's own default script (TPC-B: three updates, one select, one insert), 16 clients, prepared.

const SCALE = 10
const CLIENTS = 16

/** Makes pgbench's tables (scale 10) in a database of their own on the same server. */
export async function prepareTpcb(owner: DatabaseAddress): Promise<DatabaseAddress> {
  const connection = { ...owner, database: 'tpcb' }
  await withClient(owner, (client) => client.query('create database tpcb'))
  await withClient(connection, (client) =>
    client.query(`
      create table pgbench_branches (bid int not null, bbalance int, filler char(88)) with (fillfactor = 100);
      create table pgbench_tellers (tid int not null, bid int, tbalance int, filler char(84)) with (fillfactor = 100);
      create table pgbench_accounts (aid int not null, bid int, abalance int, filler char(84)) with (fillfactor = 100);
      create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
      insert into pgbench_branches select g, 0, '' from generate_series(1, ${SCALE}) g;
      insert into pgbench_tellers select g, (g - 1) / 10 + 1, 0, '' from generate_series(1, ${10 * SCALE}) g;
      insert into pgbench_accounts select g, (g - 1) / 100000 + 1, 0, '' from generate_series(1, ${100_000 * SCALE}) g;
      alter table pgbench_branches add primary key (bid);
      alter table pgbench_tellers add primary key (tid);
      alter table pgbench_accounts add primary key (aid);
      analyze`),
  )
  return connection
}

async function withClient(connection: DatabaseAddress, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

/** Where pgbench is on this machine, if it is. */
export function findPgbench(): string | undefined {
  return ['/usr/bin/pgbench', '/usr/local/bin/pgbench', '/opt/homebrew/bin/pgbench'].find(existsSync)
}

/** Transactions a second by pgbench itself. */
export async function runPgbench(pgbench: string, connection: DatabaseAddress, seconds: number): Promise<number> {
  const { host, port, user, password, database } = connection
  const args = ['-n', '-c', `${CLIENTS}`, '-j', '2', '-M', 'prepared', '-T', `${seconds}`]
  const child = spawn(pgbench, [...args, '-h', host, '-p', `${port}`, '-U', user, database], {
    env: { PGPASSWORD: password },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const output = await text(child.stdout)
  const tps = /tps = ([\d.]+)/.exec(output)?.[1]
  if (!tps) throw new Error(`pgbench printed no rate: ${output}`)
  return Number(tps)
}

/** The same without pgbench, by a process of its own (tpcb_driver.ts). */
export function runDriver(connection: DatabaseAddress, seconds: number): number {
  const input = JSON.stringify({ connection, seconds, clients: CLIENTS, scale: SCALE })
  return Number(execFileSync(process.execPath, [`${import.meta.dirname}/tpcb_driver.ts`], { input }).toString())
}
