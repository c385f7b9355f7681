import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readConfig } from '../src/config.ts'
import { withOwner } from '../src/database/connection.ts'
import { SECRET_SETTINGS } from '../src/secret_files.ts'
import type { Reply } from './harness/client.ts'
import { aDatabase, urlOf } from './harness/cluster.ts'
import { PASSWORD, until } from './harness/gateway.ts'
import { aMailServer } from './harness/mail_server.ts'
import { aFolder, anOperatorOf, aServer, ended } from './harness/server.ts'

/** The arguments of every process of this machine, as any of its users can read them. */
function processList(): string {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return processes.map((id) => readIfThere(`/proc/${id}/cmdline`)).join('\n')
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // it has ended meanwhile
  }
}

/** Of a mail server that takes no mail, and says to whom, as they do. */
const REFUSING = {
  hello: '250-mail.invalid\r\n250 AUTH PLAIN',
  recipient: (line: string) => `550 5.1.1 ${line.slice('RCPT TO:'.length)}: nobody of that name here`,
}

describe('a secret', () => {
  it('is in no log, error or list of processes, whatever goes on and goes wrong', async (t) => {
    const database = await aDatabase()
    const folder = await aFolder()
    const asFile = (name: string, text: string) => {
      writeFileSync(join(folder, name), `${text}\n`, { mode: 0o600 })
      return join(folder, name)
    }
    const settings = {
      BGW_DATA_DIR: folder,
      BGW_LOG_LEVEL: 'debug',
      DATABASE_URL_FILE: asFile('database', urlOf(database)),
      // Nothing that goes out there is taken, which the log says.
      BGW_SMTP_URL_FILE: asFile('smtp', `smtp://mailer:smtp-password-1815@${await aMailServer(t, REFUSING)}`),
      BGW_SANDBOX_RAIL_URL: 'http://127.0.0.1:1',
      BGW_SANDBOX_RAIL_SECRET_FILE: asFile('rail', 'rail-secret-1815'),
    }
    const server = await aServer(settings)
    const operator = await anOperatorOf(server, settings)
    const answers: Reply[] = []
    const said = async (reply: Promise<Reply>) => {
      answers.push(await reply)
      return answers.at(-1)?.body
    }

    const key = 'key-that-is-nobodys-business'
    const { id: account } = await said(operator.post('/v1/accounts', { currency: 'USD' }, { 'idempotency-key': key }))
    const adjustment = { account, amount: '50.00', direction: 'debit', reason: 'Funds' }
    await said(operator.post('/v1/admin/adjustments', adjustment))
    const token = await said(operator.post('/v1/tokens', { name: 'n', scopes: ['payments:read'] }))
    const hook = await said(operator.post('/v1/webhooks', { url: 'https://example.invalid/', events: ['*'] }))
    await said(operator.post('/v1/step-up', { password: PASSWORD }))
    const factor = await said(operator.post('/v1/otp/enroll'))
    const iban = 'DE89370400440532013000'
    const payout = { account, rail: 'wire', amount: '5.00', destination: { name: 'Ada', iban } }
    await said(operator.post('/v1/step-up', { password: PASSWORD }))
    const withdrawal = await said(operator.post('/v1/withdrawals', payout))
    assert.equal(withdrawal.status, 'pending')
    await said(operator.post('/v1/withdrawals', { ...payout, destination: { name: 'Ada', iban: `${iban}0` } }))
    await said(operator.post('/v1/login', { email: 'operator@example.com', password: `${PASSWORD}!` }))
    await said(operator.post('/v1/login', { email: 'operator@example.com', password: PASSWORD, x: PASSWORD }))
    await said(operator.get('/v1/me', { authorization: `Bearer ${operator.token}x` }))
    await said(operator.get(`/v1/payments?token=${operator.token}`))
    await withOwner(database, (client) => client.query('alter table users rename to users_away'))
    await said(operator.post('/v1/login', { email: 'operator@example.com', password: PASSWORD }))
    await withOwner(database, (client) => client.query('alter table users_away rename to users'))
    assert.equal(answers.at(-1)?.status, 500)
    // The mail that tells of the operator's token was tried, and failed.
    await until(async () => server.output().includes('a job failed'))
    const kept = 'select last_error from graphile_worker._private_jobs where last_error is not null'
    const [job] = await withOwner(database, async (client) => (await client.query(kept)).rows)
    assert.match(job.last_error, /550 5\.1\.1/)
    assert.ok(!job.last_error.includes('operator@'), job.last_error)
    const processes = processList()
    await server.end('SIGTERM')

    const keyFiles = ['secret.key', 'seal.key'].map((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    const secrets = [
      ...[database.password, 'smtp-password-1815', 'rail-secret-1815', PASSWORD, operator.token, token.token],
      ...[hook.secret, factor.secret, iban, key, keyFiles[0]?.[0], keyFiles[1]?.[1]],
    ]
    // No secret, but nobody's business either. (Among the processes are those of other tests, which make such operators.)
    const address = 'operator@example.com'
    const errors = answers.filter(({ status }) => status >= 400).map(({ body }) => JSON.stringify(body))
    assert.equal(errors.length, 6, errors.join('\n'))
    for (const secret of secrets) {
      assert.ok(typeof secret === 'string' && secret.length > 10, errors.join('\n'))
      assert.ok(!processes.includes(secret), `a list of processes shows ${secret}`)
    }
    for (const secret of [...secrets, address]) {
      assert.ok(!errors.join('\n').includes(secret), `an error shows ${secret}`)
      const line = server
        .output()
        .split('\n')
        .find((text) => text.includes(secret))
      assert.equal(line, undefined, `the log shows ${secret}`)
    }
  })

  it('may stand in a file instead of a setting', async () => {
    const folder = await aFolder()
    const file = join(folder, 'secret')
    writeFileSync(file, ' postgres://u:p@h/d \n')
    const { database } = readConfig({ DATABASE_URL_FILE: file })
    assert.deepEqual(database, { connectionString: 'postgres://u:p@h/d' })
    const { stdout } = await ended('main.ts', {}, ['--help'])
    for (const name of SECRET_SETTINGS) {
      assert.ok(stdout.includes(name))
      const both = { [name]: 'postgres://u:p@h/d', [`${name}_FILE`]: file }
      assert.throws(() => readConfig(both), new RegExp(`${name} and ${name}_FILE are both set`))
      const gone = { [`${name}_FILE`]: join(folder, 'none') }
      assert.throws(() => readConfig(gone), new RegExp(`${name}_FILE cannot be read: ENOENT`))
    }
    writeFileSync(file, '\n')
    assert.throws(() => readConfig({ BGW_SMTP_URL_FILE: file }), /BGW_SMTP_URL_FILE names a file that is empty/)
    assert.throws(() => readConfig({ BGW_MAIL_FROM_FILE: file }), /BGW_MAIL_FROM_FILE is no setting/)
  })
})
