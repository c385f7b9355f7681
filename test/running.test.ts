import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { SETTINGS } from '../src/config.ts'
import { withOwner } from '../src/database/connection.ts'
import { connectionOf } from '../src/database/embedded.ts'
import { aClient } from './harness/client.ts'
import { aDatabase, anEmptyDatabase, urlOf } from './harness/cluster.ts'
import { PASSWORD, until } from './harness/gateway.ts'
import { behindPooler } from './harness/pooler.ts'
import {
  aFolder,
  aMigratedFolder,
  anOperatorOf,
  aServer,
  assertOneLine,
  ended,
  environment,
  gone,
  isAlive,
  postmasterOf,
} from './harness/server.ts'

async function assertStartsAndPays(settings: Record<string, string>): Promise<void> {
  const server = await aServer(settings)
  const { status } = await aClient(server.url).get('/health/ready')
  assert.equal(status, 200)
  assert.equal(await server.end('SIGTERM'), 0)
}

describe('a start', () => {
  it('makes the data folder, tells where to look, and the curl that it prints works', async () => {
    const folder = join(await aFolder(), 'deep', 'data')
    const server = await aServer({ BGW_DATA_DIR: folder })
    assert.match(server.output(), new RegExp(`docs +${server.url}/docs\n +mails +${folder}/mail\n`))
    const curl = /try +(curl .*)\n/.exec(server.output())?.[1] ?? ''
    const shell = spawn('bash', ['-c', `${curl} --silent --fail`], { stdio: 'ignore' })
    assert.equal(await gone(shell), 0)
    await until(async () => readdirSync(join(folder, 'mail')).some((name) => name.endsWith('.eml')))
    assert.equal(await server.end('SIGTERM'), 0)
  })

  it('on existing data finds what was there', async () => {
    const settings = { BGW_DATA_DIR: await aMigratedFolder() }
    const first = await aServer(settings)
    const operator = await anOperatorOf(first, settings)
    await first.end('SIGTERM')
    const second = await aServer(settings)
    assert.equal((await aClient(second.url, operator.token).get('/v1/me')).status, 200)
    await second.end('SIGTERM')
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`is undone by ${signal}: no process and no lock is left`, async () => {
      const folder = await aMigratedFolder()
      const server = await aServer({ BGW_DATA_DIR: folder })
      const postmaster = postmasterOf(folder)
      assert.equal(await server.end(signal), 0)
      assert.equal(isAlive(postmaster), false)
      assert.deepEqual(
        [existsSync(join(folder, 'postgres/postmaster.pid')), existsSync(join(folder, 'gateway.lock'))],
        [false, false],
      )
    })
  }

  it('is not in the way of the next one where the server was killed', async () => {
    const folder = await aMigratedFolder()
    const server = await aServer({ BGW_DATA_DIR: folder })
    await server.end('SIGKILL')
    await assertStartsAndPays({ BGW_DATA_DIR: folder })
  })

  it('warns in the log of a database that may lose what it has committed, as that of the tests', async () => {
    const own = await aServer({ BGW_DATA_DIR: await aMigratedFolder(), BGW_LOG_LEVEL: 'warn' })
    assert.doesNotMatch(own.output(), /may lose/)
    const settings = { DATABASE_URL: urlOf(await aDatabase()), BGW_DATA_DIR: await aFolder(), BGW_LOG_LEVEL: 'warn' }
    const fleeting = await aServer(settings)
    assert.match(fleeting.output(), /"off":\["fsync","full_page_writes","synchronous_commit"\].*may lose acknowledged/)
  })

  it('works in folders with long and odd names', async () => {
    const parent = await aFolder()
    await assertStartsAndPays({ BGW_DATA_DIR: join(parent, `it's a "folder" with $names, ${'x'.repeat(120)}`) })
    // Whose name is short, and long in the bytes that a socket's path is counted in.
    await assertStartsAndPays({ BGW_DATA_DIR: join(parent, '数'.repeat(40)) })
  })
})

describe('a start that cannot be says so in one line', () => {
  it('where another gateway runs on the data folder, which goes on', async () => {
    const folder = await aMigratedFolder()
    const server = await aServer({ BGW_DATA_DIR: folder })
    assertOneLine(
      await ended('main.ts', { BGW_DATA_DIR: folder }),
      /process \d+ already runs a gateway on the data folder/,
    )
    assert.equal((await aClient(server.url).get('/health/ready')).status, 200)
    await server.end('SIGTERM')
  })

  it('where the port is in use, and leaves nothing running', async () => {
    const folder = await aMigratedFolder()
    const taken = createServer()
    await new Promise<void>((listening) => taken.listen(0, '127.0.0.1', listening))
    const port = (taken.address() as { port: number }).port
    assertOneLine(
      await ended('main.ts', { BGW_DATA_DIR: folder, PORT: String(port) }),
      new RegExp(`port ${port} .*in use`),
    )
    taken.close()
    assert.equal(existsSync(join(folder, 'postgres/postmaster.pid')), false)
    await assertStartsAndPays({ BGW_DATA_DIR: folder })
  })

  const wrong: readonly [string, Record<string, string>, RegExp][] = [
    ['a setting is unknown', { BGW_DATADIR: 'x' }, /BGW_DATADIR is no setting/],
    ['a port is none', { PORT: '99999' }, /PORT must be a whole number/],
    ['a fee is beyond half', { BGW_TRANSFER_FEE_PERCENT: '51' }, /BGW_TRANSFER_FEE_PERCENT must be a percentage/],
    ['a currency is unknown', { BGW_DEFAULT_CURRENCIES: 'USD,XYZ' }, /BGW_DEFAULT_CURRENCIES names 'XYZ'/],
    [
      'the database is not there',
      { DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:1/x' },
      /cannot use the database: .*ECONNREFUSED/,
    ],
    ['everybody is a proxy', { BGW_TRUSTED_PROXIES: '0.0.0.0/0' }, /BGW_TRUSTED_PROXIES names '0\.0\.0\.0\/0'/],
    [
      'the data folder is a file, beside a database elsewhere',
      { DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:1/x', BGW_DATA_DIR: '/dev/null' },
      /cannot make the data folder/,
    ],
    ['the database’s address is none', { DATABASE_URL: 'mysql://root:secret@x' }, /DATABASE_URL must be an address/],
    ['the data folder cannot be made', { BGW_DATA_DIR: '/dev/null/data' }, /cannot make the data folder/],
    ['the file system takes no folders', { BGW_DATA_DIR: '/proc/gateway/data' }, /cannot make the data folder/],
  ]
  for (const [when, settings, line] of wrong) {
    it(`where ${when}`, async () => {
      const result = await ended('main.ts', { BGW_DATA_DIR: await aFolder(), ...settings })
      assertOneLine(result, line)
      assert.doesNotMatch(result.stderr, /secret/)
    })
  }

  it('where the database is of a newer release, and leaves it as it is', async () => {
    const database = await aDatabase()
    await withOwner(database, (client) => client.query(`insert into schema_migrations values (9999, 'later')`))
    const settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() }
    assertOneLine(await ended('main.ts', settings), /schema version 9999/)
    await withOwner(database, (client) => client.query('delete from schema_migrations where version = 9999'))
    await assertStartsAndPays(settings)
  })

  it('where the database takes no writes, as a standby', async () => {
    const database = await aDatabase()
    const readOnly = `alter database ${database.database} set default_transaction_read_only = on`
    await withOwner(database, (client) => client.query(readOnly))
    const settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() }
    assertOneLine(await ended('main.ts', settings), /the database is read-only/)
    const make = ['create', 'operator@example.com']
    assertOneLine(await ended('admin.ts', settings, make, `${PASSWORD}\n`), /the database is read-only/)
  })

  it('where the database has fewer connections left than a check of the books needs', async () => {
    const database = await aDatabase()
    const login = `${database.database}_login`
    const role = `create role ${login} login password 'secret' in role billing_gateway connection limit 1`
    await withOwner(database, (client) => client.query(role))
    const url = urlOf({ ...database, user: login, password: 'secret' })
    assertOneLine(await ended('verify/main.ts', { DATABASE_URL: url }), /cannot use the database: too many connections/)
    await withOwner(database, (client) => client.query(`drop role ${login}`))
  })

  it('where a pooler drops what a session asks for, which would be the owner’s then, and migrates nothing', {
    timeout: 60_000,
  }, async () => {
    for (const database of [await anEmptyDatabase(), await aDatabase()]) {
      const settings = { DATABASE_URL: urlOf(await behindPooler(database)), BGW_DATA_DIR: await aFolder() }
      assertOneLine(await ended('main.ts', settings), /a pooler .*drops the options/)
    }
    // Also where it is between the servers only, which do not migrate.
    const database = await aDatabase()
    const settings = {
      DATABASE_URL: urlOf(await behindPooler(database)),
      BGW_MIGRATION_DATABASE_URL: urlOf(database),
      BGW_DATA_DIR: await aFolder(),
    }
    assertOneLine(await ended('main.ts', settings), /a pooler .*drops the options/)
  })

  it('before it migrates, so that an older program can go on: nothing is in the database yet', async () => {
    const database = await anEmptyDatabase()
    const folder = await aFolder()
    const taken = createServer()
    await new Promise<void>((listening) => taken.listen(0, '127.0.0.1', listening))
    const port = String((taken.address() as { port: number }).port)
    const noKey = join(folder, 'no.key')
    const cases: [Record<string, string>, RegExp][] = [
      [{ PORT: port }, /port \d+ .*in use/],
      [{ HOST: '203.0.113.9' }, /cannot listen on 203.0.113.9/],
      [{ BGW_SECRET_KEY_FILE: noKey }, /cannot read the key file/],
      [{ BGW_SEAL_KEY_FILE: noKey }, /cannot read the seal key/],
      [{ BGW_RATE_LIMITS: 'createNothing=1/1s' }, /no operation 'createNothing'/],
    ]
    for (const [settings, line] of cases) {
      assertOneLine(await ended('main.ts', { DATABASE_URL: urlOf(database), BGW_DATA_DIR: folder, ...settings }), line)
    }
    const tables = `select count(*)::int from pg_class where relnamespace = 'public'::regnamespace`
    const { rows } = await withOwner(database, (client) => client.query(tables))
    assert.deepEqual(rows, [{ count: 0 }])
    taken.close()
  })

  it('where a currency is to have other digits, and waits for nothing', { timeout: 60_000 }, async () => {
    const settings = { DATABASE_URL: urlOf(await aDatabase()), BGW_DATA_DIR: await aFolder() }
    await assertStartsAndPays({ ...settings, BGW_DIGITAL_CURRENCIES: 'ABC:2' })
    const result = await ended('main.ts', { ...settings, BGW_DIGITAL_CURRENCIES: 'ABC:6' })
    assertOneLine(result, /ABC is to have 6 digits/)
  })

  it('where the data folder is of another PostgreSQL, and leaves it as it is', async () => {
    const folder = await aMigratedFolder()
    await assertStartsAndPays({ BGW_DATA_DIR: folder })
    const file = join(folder, 'postgres/PG_VERSION')
    const version = readFileSync(file, 'utf8')
    writeFileSync(file, '99\n')
    assertOneLine(await ended('main.ts', { BGW_DATA_DIR: folder }), /written by PostgreSQL 99/)
    writeFileSync(file, version)
    await assertStartsAndPays({ BGW_DATA_DIR: folder })
  })

  it('where root may use no user namespaces', { skip: process.getuid?.() !== 0 && 'runs as root only' }, async () => {
    const [programs, folder] = [await aFolder(), await aMigratedFolder()]
    writeFileSync(
      join(programs, 'unshare'),
      '#!/bin/sh\necho "unshare: unshare failed: Operation not permitted" >&2\nexit 1\n',
    )
    chmodSync(join(programs, 'unshare'), 0o755)
    const settings = { BGW_DATA_DIR: folder, PATH: `${programs}:${environment({}).PATH}` }
    assertOneLine(
      await ended('main.ts', settings),
      /refuses to run as root .*start the gateway as an ordinary user, or set DATABASE_URL/,
    )
    await assertStartsAndPays({ BGW_DATA_DIR: folder })
  })
})

describe('the commands', () => {
  it('list every setting with --help', async () => {
    const { code, stdout } = await ended('main.ts', {}, ['--help'])
    assert.equal(code, 0)
    for (const name of Object.keys(SETTINGS)) assert.match(stdout, new RegExp(`^ {2}${name} +\\w`, 'm'))
  })

  it('say with --help what they take, on standard output, and begin nothing', async () => {
    const commands = [
      'admin',
      'migrate',
      'verify/main',
      'rails/sandbox/main',
      '../bench/main',
      '../examples/berka/main',
    ]
    for (const command of [...commands, '../tools/fuzz', '../tools/schema']) {
      const { code, stdout, stderr } = await ended(`${command}.ts`, {}, ['--help'])
      assert.deepEqual([code, stderr], [0, ''], command)
      assert.match(stdout, /npm run (--silent )?[a-z-]/, command)
    }
    const { stdout } = await ended('admin.ts', {}, ['create', '--help'])
    assert.match(stdout, /create EMAIL.*\n\n(.*\n)* {2}DATABASE_URL +\w/)
    assertOneLine(await ended('admin.ts', {}), /usage: npm run admin -- create EMAIL/)
  })

  it('make an operator of a gateway that is stopped, and of one that runs: the token is all they print', async () => {
    const settings = { BGW_DATA_DIR: await aFolder() }
    const make = (email: string, password = PASSWORD) => ended('admin.ts', settings, ['create', email], `${password}\n`)
    const stopped = await make('first@example.com')
    assert.deepEqual([stopped.code, stopped.stderr], [0, ''])
    assert.match(stopped.stdout, /^bgw_main_[0-9a-f]{64}\n$/)
    const server = await aServer(settings)
    const run = await make('second@example.com')
    for (const { stdout } of [stopped, run]) {
      const { body } = await aClient(server.url, stdout.trim()).get('/v1/me')
      assert.equal(body.role, 'admin')
    }
    assertOneLine(await make('third@example.com', 'short'), /password/)
    assertOneLine(await make('nobody'), /'nobody' is no e-mail address/)
    await server.end('SIGTERM')
  })

  const noTerminal = !existsSync('/usr/bin/script') && 'script, which makes a terminal, is not on this machine'

  it('ask for an operator’s password at a terminal, which does not show it', { skip: noTerminal }, async () => {
    const settings = { BGW_DATA_DIR: await aMigratedFolder() }
    const command = `'${process.execPath}' src/admin.ts create ada@example.com`
    const terminal = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], { env: environment(settings) })
    let shown = ''
    terminal.stdout.on('data', (chunk) => {
      if (shown === '') terminal.stdin.write(`${PASSWORD}\r`)
      shown += chunk
    })
    assert.equal(await gone(terminal), 0)
    assert.match(shown, /^password: \r\nbgw_main_[0-9a-f]{64}\r\n$/)
  })

  it('refuse what they do not know, as the sandbox of rails does a port without its name', async () => {
    assertOneLine(await ended('rails/sandbox/main.ts', {}, ['9000']), /'9000'.*there is --help/)
    assertOneLine(await ended('rails/sandbox/main.ts', {}, ['--prot', '9000']), /'--prot'; there is --help/)
  })

  it('check the books of a gateway that is stopped', async () => {
    const settings = { BGW_DATA_DIR: await aMigratedFolder() }
    await assertStartsAndPays(settings)
    const { code, stdout } = await ended('verify/main.ts', settings)
    assert.equal(code, 0)
    assert.match(stdout, /the books are right/)
  })
})

const POSTGRES_15 = '/usr/lib/postgresql/15/bin'

describe('PostgreSQL 15 as Debian packages it', () => {
  const skip = !existsSync(POSTGRES_15) && 'it is not on this machine'

  it('serves as the database too', { skip }, async () => {
    const folder = await aFolder()
    const cluster = join(folder, 'cluster')
    const confined = (...command: string[]) =>
      process.getuid?.() === 0
        ? ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--', ...command]
        : command
    const start = (command: string[]) => spawn(command[0] ?? '', command.slice(1), { stdio: 'ignore' })
    mkdirSync(cluster, { mode: 0o700 })
    const made = start(confined(`${POSTGRES_15}/initdb`, '-D', cluster, '-U', 'owner', '--auth=trust'))
    assert.equal(await gone(made), 0)
    const postgres = start(confined(`${POSTGRES_15}/postgres`, '-D', cluster, '-c', 'listen_addresses=', '-k', folder))
    const database = { host: folder, port: 5432, user: 'owner', password: '', database: 'postgres' }
    await until(async () => withOwner(database, () => Promise.resolve(true)).catch(() => false))
    const settings = { DATABASE_URL: urlOf(database), BGW_DATA_DIR: await aFolder() }
    const server = await aServer(settings)
    const operator = await anOperatorOf(server, settings)
    const line = JSON.stringify({ email: 'ada@example.com', accounts: [{ currency: 'USD', opening_balance: '5.00' }] })
    const imported = await operator.send('POST', '/v1/admin/users/import', line, {
      'content-type': 'application/x-ndjson',
    })
    assert.equal(imported.body.status, 201)
    assert.equal((await ended('verify/main.ts', settings)).code, 0)
    await server.end('SIGTERM')
    postgres.kill('SIGINT')
    await gone(postgres)
  })
})

describe('the embedded PostgreSQL', () => {
  const most = async (settings: Record<string, string>) => {
    const folder = await aMigratedFolder()
    const server = await aServer({ BGW_DATA_DIR: folder, ...settings })
    const { rows } = await withOwner(connectionOf(folder), (client) => client.query('show max_connections'))
    await server.end('SIGTERM')
    return Number(rows[0].max_connections)
  }

  it('lets a gateway have the connections that it is set to, and others beside it', async () => {
    assert.equal(await most({ BGW_DATABASE_CONNECTIONS: '300' }), 300 + 19 + 20)
    assert.equal(await most({ BGW_DATABASE_CONNECTIONS: '3' }), 100)
  })
})

describe('a data folder', () => {
  it('of a running gateway is private, and holds the password that reaches its database', async () => {
    const folder = await aMigratedFolder()
    const server = await aServer({ BGW_DATA_DIR: folder })
    const { rows } = await withOwner(connectionOf(folder), (client) => client.query('select name from books'))
    assert.deepEqual(rows, [{ name: 'main' }])
    await server.end('SIGTERM')
  })
})
