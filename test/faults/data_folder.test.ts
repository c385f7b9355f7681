import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { lockDataFolder } from '../../src/database/data_folder.ts'
import { aClient } from '../harness/client.ts'
import { anEmail, PASSWORD, until } from '../harness/gateway.ts'
import {
  aFolder,
  aServer,
  assertOneLine,
  type Ended,
  ended,
  environment,
  gone,
  isAlive,
  postmasterOf,
  type TestServer,
} from '../harness/server.ts'

const SOURCE = join(import.meta.dirname, '../../src')
const CONTAINER = ['--pid', '--ipc', '--fork', '--kill-child', '--mount-proc']
const NOBODY = 65_534
const asRoot = process.getuid?.() === 0

/** PATH with programs of our own before the system's. */
async function withPrograms(programs: Record<string, string>): Promise<string> {
  const folder = await aFolder()
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  return `${folder}:${environment({}).PATH}`
}

/** The process id of a part of PostgreSQL, by what it is called. */
function childOf(postmaster: number, name: string): number {
  const { stdout } = spawnSync('pgrep', ['-P', String(postmaster), '-f', name], { encoding: 'utf8' })
  return Number(stdout)
}

/** A gateway with a user, and a PostgreSQL that comes to no end, as it waits for a checkpoint that nobody makes. */
async function anEndless(folder: string) {
  const server = await aServer({ BGW_DATA_DIR: folder })
  const signUp = { email: anEmail(), password: PASSWORD }
  assert.equal((await aClient(server.url).post('/v1/signup', signUp)).status, 201)
  const postmaster = postmasterOf(folder)
  process.kill(childOf(postmaster, 'checkpointer'), 'SIGSTOP')
  const assertHasUser = async ({ url }: TestServer) => {
    const { status, body } = await aClient(url).post('/v1/login', signUp)
    assert.deepEqual([status, body.code], [201, undefined])
  }
  return { server, postmaster, assertHasUser }
}

async function assertStarts(folder: string): Promise<void> {
  const server = await aServer({ BGW_DATA_DIR: folder })
  assert.equal((await aClient(server.url).get('/health/ready')).status, 200)
  assert.equal(await server.end('SIGTERM'), 0)
}

describe('a data folder', () => {
  let folder: string
  before(async () => {
    folder = await aFolder()
    // What an installation that was killed had begun.
    mkdirSync(join(folder, 'postgres.unfinished-1'))
    writeFileSync(join(folder, 'postgres.unfinished-1', 'PG_VERSION'), '18\n')
    await assertStarts(folder)
  })

  it('whose first start was interrupted is made anew', () => {
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('postgres')),
      ['postgres', 'postgres.password'],
    )
  })

  it('in which everything was killed can be used at once, also where others have the process ids by now', async () => {
    const server = await aServer({ BGW_DATA_DIR: folder })
    const file = join(folder, 'postgres/postmaster.pid')
    const lines = readFileSync(file, 'utf8').split('\n')
    const postmaster = postmasterOf(folder)
    server.process.kill('SIGKILL')
    process.kill(postmaster, 'SIGKILL')
    await gone(server.process)
    await until(async () => !isAlive(postmaster))
    writeFileSync(file, [process.pid, ...lines.slice(1)].join('\n'))
    writeFileSync(join(folder, 'gateway.lock'), JSON.stringify({ pid: process.pid, started: '1' }))
    await assertStarts(folder)
    assert.equal(isAlive(process.pid), true)
  })

  it('whose PostgreSQL outlived its gateway is taken over', async () => {
    // A system on which the kernel does not tell PostgreSQL that its gateway is gone.
    const PATH = await withPrograms({ setpriv: 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"' })
    const server = await aServer({ BGW_DATA_DIR: folder, PATH })
    const postmaster = postmasterOf(folder)
    await server.end('SIGKILL')
    assert.equal(isAlive(postmaster), true)
    await assertStarts(folder)
    assert.equal(isAlive(postmaster), false)
  })

  it('whose PostgreSQL came to no end when its gateway was killed is taken over, and what was committed is there', async () => {
    const { server, postmaster, assertHasUser } = await anEndless(folder)
    await server.end('SIGKILL')
    const next = await aServer({ BGW_DATA_DIR: folder })
    assert.equal(isAlive(postmaster), false)
    await assertHasUser(next)
    assert.equal(await next.end('SIGTERM'), 0)
  })

  it('whose PostgreSQL comes to no end holds up the end of its gateway no more than the next start, and what was committed is there', async () => {
    const { server, postmaster, assertHasUser } = await anEndless(folder)
    assert.equal(await server.end('SIGTERM'), 0)
    assert.equal(isAlive(postmaster), false)
    assert.match(server.output(), /PostgreSQL comes to no end in order and is ended at once/)
    const next = await aServer({ BGW_DATA_DIR: folder })
    await assertHasUser(next)
    assert.equal(await next.end('SIGTERM'), 0)
  })

  it('is joined by a command that comes while its gateway starts', async () => {
    const settings = { BGW_DATA_DIR: await aFolder() }
    const starting = aServer(settings)
    await until(async () => existsSync(join(settings.BGW_DATA_DIR, 'gateway.lock')))
    const made = await ended('admin.ts', settings, ['create', 'early@example.com'], `${PASSWORD}\n`)
    assert.deepEqual([made.code, made.stderr], [0, ''])
    const server = await starting
    assert.equal((await aClient(server.url, made.stdout.trim()).get('/v1/me')).status, 200)
    await server.end('SIGTERM')
  })

  // As in a container of its own: it sees no process of ours, and we see its own by other numbers.
  describe('shared with another container', { skip: !asRoot && 'namespaces are made as root only' }, () => {
    const inContainer = (program: string, settings: Record<string, string>, args: string[] = []) =>
      spawn('unshare', [...CONTAINER, process.execPath, join(SOURCE, program), ...args], {
        env: environment(settings),
        timeout: 30_000,
      })
    async function endedInContainer(...of: Parameters<typeof inContainer>): Promise<Ended> {
      const child = inContainer(...of)
      child.stdin.on('error', () => undefined)
      child.stdin.end(`${PASSWORD}\n`)
      const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), gone(child)])
      return { code, stdout, stderr }
    }

    it('is refused to a second gateway there, and joined by the commands', async () => {
      const settings = { BGW_DATA_DIR: folder }
      const server = await aServer(settings)
      const lock = readFileSync(join(folder, 'gateway.lock'), 'utf8')
      const postmaster = postmasterOf(folder)
      assertOneLine(await endedInContainer('main.ts', settings), /in another container .* the data folder/)
      const made = await endedInContainer('admin.ts', settings, ['create', 'container@example.com'])
      assert.deepEqual([made.code, made.stderr], [0, ''])
      assert.equal((await endedInContainer('verify/main.ts', settings)).code, 0)
      assert.equal((await aClient(server.url, made.stdout.trim()).get('/v1/me')).status, 200)
      assert.deepEqual([readFileSync(join(folder, 'gateway.lock'), 'utf8'), postmasterOf(folder)], [lock, postmaster])
      assert.equal(await server.end('SIGTERM'), 0)
    })

    it('is refused here while a gateway runs there, and taken over once that is killed', async () => {
      const other = inContainer('main.ts', { BGW_DATA_DIR: folder })
      let said = ''
      for (const stream of [other.stdout, other.stderr]) {
        stream.on('data', (chunk) => {
          said += chunk
        })
      }
      const url = await until(async () => /ready at (\S+)/.exec(said)?.[1])
      assertOneLine(await ended('main.ts', { BGW_DATA_DIR: folder }), /in another container .* the data folder/)
      assert.equal((await aClient(url).get('/health/ready')).status, 200)
      other.kill('SIGKILL')
      await gone(other)
      await until(async () => !(await fetch(url).catch(() => undefined)))
      await assertStarts(folder)
    })
  })

  it('whose lock names a number that another user’s process has by now is taken over', { skip: !asRoot }, async () => {
    const other = await aFolder()
    chownSync(other, NOBODY, NOBODY)
    const stat = readFileSync('/proc/1/stat', 'utf8')
    const begun = stat.slice(stat.lastIndexOf(')')).split(' ').at(20)
    const module = pathToFileURL(join(SOURCE, 'database/data_folder.ts'))
    const take = `import { pathToFileURL } from 'node:url'
import { lockDataFolder } from '${module}'; lockDataFolder(process.argv[1])()`
    const takenByNobody = (started: string | undefined) => {
      writeFileSync(join(other, 'gateway.lock'), JSON.stringify({ pid: 1, started }))
      const user = { uid: NOBODY, gid: NOBODY, env: {}, encoding: 'utf8' } as const
      return spawnSync(process.execPath, ['--input-type=module', '-e', take, other], user).stderr
    }
    const alive = /process 1 already runs a gateway/
    for (const started of [begun, '']) assert.match(takenByNobody(started), alive)
    assert.equal(takenByNobody('999999999'), '')
    assert.equal(existsSync(join(other, 'gateway.lock')), false)
  })

  it('keeps a lock that is another’s by now', () => {
    const unlock = lockDataFolder(folder)
    const lock = join(folder, 'gateway.lock')
    writeFileSync(lock, 'another’s')
    unlock()
    assert.equal(readFileSync(lock, 'utf8'), 'another’s')
    lockDataFolder(folder)()
    assert.equal(existsSync(lock), false)
  })

  describe('that cannot be used says so in one line, and is as it was', () => {
    after(() => assertStarts(folder))

    it('where the password of its database is lost', async () => {
      const file = join(folder, 'postgres.password')
      const password = readFileSync(file)
      rmSync(file)
      assertOneLine(await ended('main.ts', { BGW_DATA_DIR: folder }), /cannot read .*postgres\.password/)
      writeFileSync(file, 'another\n')
      assertOneLine(await ended('main.ts', { BGW_DATA_DIR: folder }), /turns its gateway away: password/)
      assert.equal(existsSync(join(folder, 'postgres/postmaster.pid')), false)
      writeFileSync(file, password)
    })

    it('where its PostgreSQL does not start', async () => {
      const file = join(folder, 'postgres/postgresql.auto.conf')
      const settings = readFileSync(file)
      writeFileSync(file, 'no_such_setting = 1\n')
      assertOneLine(await ended('main.ts', { BGW_DATA_DIR: folder }), /PostgreSQL did not start: FATAL: /)
      writeFileSync(file, settings)
    })

    it('where root may use no user namespaces any more', { skip: !asRoot && 'runs as root only' }, async () => {
      const refused = await withPrograms({
        unshare: 'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1',
      })
      const line = /refuses to run as root .*start the gateway as an ordinary user, or set DATABASE_URL/
      assertOneLine(await ended('main.ts', { BGW_DATA_DIR: folder, PATH: refused }), line)
      assertOneLine(await ended('main.ts', { BGW_DATA_DIR: folder, PATH: '/nowhere' }), line)
    })
  })
})

it('a PostgreSQL that is too old is named in one line', async () => {
  // As much of PostgreSQL's protocol as it takes to say a version.
  const message = (type: string, ...parts: (string | Buffer)[]) => {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
    const length = Buffer.alloc(4)
    length.writeInt32BE(body.length + 4)
    return Buffer.concat([Buffer.from(type), length, body])
  }
  const ready = message('Z', 'I')
  const version = '140012'
  const old = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(Buffer.concat([message('R', Buffer.alloc(4)), ready]))
      socket.on('data', (chunk: Buffer) => {
        if (chunk[0] !== 'Q'.charCodeAt(0)) return
        const column = Buffer.concat([Buffer.from('server_version_num\0'), Buffer.alloc(18)])
        column.writeInt32BE(25, 'server_version_num\0'.length + 6)
        const row = Buffer.concat([Buffer.from([0, 1, 0, 0, 0, version.length]), Buffer.from(version)])
        const answer = [message('T', Buffer.from([0, 1]), column), message('D', row), message('C', 'SHOW\0'), ready]
        socket.write(Buffer.concat(answer))
      })
    })
  })
  await new Promise<void>((listening) => old.listen(0, '127.0.0.1', listening))
  after(() => old.close())
  const { port } = old.address() as AddressInfo
  const settings = {
    DATABASE_URL: `postgres://owner@127.0.0.1:${port}/x?sslmode=disable`,
    BGW_DATA_DIR: await aFolder(),
  }
  assertOneLine(await ended('main.ts', settings), /PostgreSQL 15 or newer is needed, the database is 14/)
})
