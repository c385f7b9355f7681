import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { MAIN_BOOK } from '../../src/books/books.ts'
import { readConfig } from '../../src/config.ts'
import { createGateway, type Gateway } from '../../src/gateway.ts'
import { createApp } from '../../src/http/app.ts'
import { listen } from '../../src/http/listening.ts'
import type { App } from '../../src/http/route.ts'
import { makeOperator } from '../../src/identity/operators.ts'
import type { PasswordCost } from '../../src/identity/passwords.ts'
import { createLog } from '../../src/log.ts'
import { aClient, type Client } from './client.ts'
import { aDatabase, documentFile, type TestCluster, urlOf } from './cluster.ts'
import { undocumentedAnswers } from './documented.ts'

export const PASSWORD = 'correct horse battery staple'

/** For tests of something else, which sign up and log in far more often than any one address should. */
export const GENEROUS =
  'address=1000000/1s,user=1000000/1s,token=1000000/1s,signup=1000000/1m,login=1000000/1m,identity=1000000/1m,failures=1000/1m,address_failures=100000/1m,mail=1000/1m,mailbox=1000/1m'

/** Thousands of passwords of tests would take a tenth of their time; what one really costs is told in passwords.test.ts. */
export const CHEAP: PasswordCost = { memory: 8, passes: 1 }

/** A gateway that runs in the test's process, on a database and a port of its own. */
export type TestGateway = {
  readonly url: string
  readonly database: TestCluster
  readonly mailFolder: string
  readonly inside: Gateway
  readonly anybody: Client
  /** Ends it now, as SIGTERM would; it is ended after the test file anyway (or sooner: ends_with_test.ts). */
  readonly stop: () => Promise<void>
}

const running = new Set<() => Promise<void>>()
/** The data folders of the gateways on each database. A mail is in that of the one that happened to send it. */
const folders = new Map<string, Set<string>>()
// At the end of the test file, whoever started them.
after(async () => {
  await Promise.all([...running].map((stop) => stop()))
  const all = [...folders.values()].flatMap((each) => [...each])
  await Promise.all(all.map((folder) => rm(folder, { recursive: true, force: true })))
})

/** Starts a gateway; `settings` are environment variables. Give `database` to run two on one. */
export async function aGateway(settings: Record<string, string> = {}, database?: TestCluster): Promise<TestGateway> {
  const own = database ?? (await aDatabase())
  const folder = await mkdtemp(join(tmpdir(), 'bgw-gateway-'))
  const config = {
    ...readConfig({
      DATABASE_URL: urlOf(own),
      BGW_DATA_DIR: folder,
      BGW_LOG_LEVEL: 'silent',
      BGW_RATE_LIMITS: GENEROUS,
      ...settings,
    }),
    passwordCost: CHEAP,
  }
  let url = ''
  const inside = await createGateway({ connectionString: urlOf(own) }, config, () => url, createLog(config.logLevel))
  folders.set(own.database, (folders.get(own.database) ?? new Set()).add(folder))
  const app = await createApp(inside)
  url = `http://127.0.0.1:${await listen(app, '127.0.0.1', 0)}`
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= (async () => {
      const undocumented = undocumentedAnswers(url, documentOf(app))
      await app.close()
      await inside.stop()
      assert.deepEqual(undocumented, [])
    })()
    return stopped
  }
  running.add(stop)
  return { url, database: own, mailFolder: config.mailFolder, inside, anybody: aClient(url), stop }
}

let documentOfAll: object | undefined
/** Every gateway has the same OpenAPI document, and making it takes longer than ending one: the first of a run leaves it to all. */
function documentOf(app: App): object {
  documentOfAll ??= documentLeft() ?? leaveDocument(app.swagger())
  return documentOfAll
}

function documentLeft(): object | undefined {
  const file = documentFile()
  return file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

function leaveDocument(document: object): object {
  const file = documentFile()
  if (file) {
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(document))
    renameSync(`${file}.${process.pid}`, file)
  }
  return document
}

export type TestUser = Client & {
  readonly email: string
  /** The id of the user's first account in the currency. */
  readonly account: (currency: string) => Promise<string>
  readonly balance: (account: string) => Promise<string>
}

/** Somebody who signed up, confirmed and logged in: with accounts in USD, EUR and CNY and a bonus of 100.00 USD. */
export async function aUser(gateway: TestGateway, email = anEmail(), book = MAIN_BOOK): Promise<TestUser> {
  // On a busy machine the database may be out of reach for a moment: as a client would, ask again.
  await until(
    async () => (await gateway.anybody.post('/v1/signup', { email, password: PASSWORD, book })).status === 201,
  )
  await gateway.anybody.post('/v1/email/confirm', { token: await mailedToken(gateway, email) })
  return loggedIn(gateway, email, book)
}

/** An operator or auditor of the main book, or of all books. */
export async function anOperator(
  gateway: TestGateway,
  { allBooks = false, role = 'admin' }: { allBooks?: boolean; role?: 'admin' | 'auditor' } = {},
): Promise<TestUser> {
  const email = anEmail(role === 'admin' ? 'operator' : role)
  const book = await gateway.inside.books.find(MAIN_BOOK)
  if (!book) throw new Error('there is no main book')
  const token = await makeOperator(gateway.inside, book, email, PASSWORD, allBooks, 1, role)
  return withAccounts(aClient(gateway.url, token), email)
}

export async function loggedIn(gateway: TestGateway, email: string, book = MAIN_BOOK): Promise<TestUser> {
  const { body } = await gateway.anybody.post('/v1/login', { email, password: PASSWORD, book })
  return withAccounts(aClient(gateway.url, body.token), email)
}

/**
 * A token of the user that expires so soon, with what was asked for and answered. On a busy machine it may be late before
 * it arrives: then it is asked for anew.
 */
export async function aBriefToken(
  user: Client,
  milliseconds: number,
  name: string,
  scopes: readonly string[],
  headers: Record<string, string> = {},
) {
  return until(async () => {
    const wish = { name, scopes, expires_at: new Date(Date.now() + milliseconds).toISOString() }
    const answer = await user.post('/v1/tokens', wish, headers)
    return answer.status === 201 && { wish, body: answer.body, token: answer.body.token as string }
  })
}

function withAccounts(client: Client, email: string): TestUser {
  const account = async (currency: string) => {
    const { body } = await client.get(`/v1/accounts?currency=${currency}&sort=created_at&limit=1`)
    return body.data[0]?.id
  }
  const balance = async (id: string) => (await client.get(`/v1/accounts/${id}`)).body.balance
  return { ...client, email, account, balance }
}

export function anEmail(name = 'user'): string {
  return `${name}-${randomBytes(6).toString('hex')}@example.com`
}

/** The token in the newest mail to that address that has one, once there are more such mails than `earlier`. */
export async function mailedToken(gateway: TestGateway, email: string, earlier = 0): Promise<string> {
  return until(async () => {
    const tokens = (await mailsTo(gateway, email)).flatMap((mail) => /\?token=(\S+)/.exec(mail)?.[1] ?? [])
    return tokens.length > earlier && tokens.at(-1)
  })
}

/** All mails to that address, oldest first, whichever gateway of the database sent them. */
export async function mailsTo({ mailFolder, database }: TestGateway, email: string): Promise<string[]> {
  const siblings = [...(folders.get(database.database) ?? [])].map((folder) => join(folder, basename(mailFolder)))
  const found = await Promise.all([...new Set([mailFolder, ...siblings])].map(mailsIn))
  const inOrder = found.flat().sort((one, other) => (one.name < other.name ? -1 : 1))
  return inOrder.map(({ mail }) => mail).filter((mail) => mail.includes(`\nTo: ${email}\n`))
}

async function mailsIn(folder: string): Promise<{ name: string; mail: string }[]> {
  // It is made with the first mail.
  if (!existsSync(folder)) return []
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.'))
  return Promise.all(names.map(async (name) => ({ name, mail: await readFile(join(folder, name), 'utf8') })))
}

/** Asks again and again until there is an answer; throws after `seconds`. */
export async function until<T>(ask: () => Promise<T | undefined | false>, seconds = 90): Promise<T> {
  const deadline = Date.now() + seconds * 1_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain`)
    await delay(20)
  }
}
