import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { createBooks, ensureMainBook } from './books/books.ts'
import { readConfig, settingsHelp } from './config.ts'
import { createPool } from './database/connection.ts'
import { endingOf } from './database/migrate.ts'
import { joinDatabase } from './database/open.ts'
import { NOBODY } from './gateway.ts'
import { parseEmail } from './identity/email.ts'
import { makeOperator } from './identity/operators.ts'
import { LONGEST_PASSWORD, passwordProblem } from './identity/password_rules.ts'
import { createPasswords } from './identity/passwords.ts'
import { run } from './run.ts'
import { StartError } from './start_error.ts'

const USAGE =
  'usage: npm run admin -- create EMAIL [--role admin|auditor] [--book NAME] [--all-books], with the password on standard input'

await run(async (stopped, environment, args) => {
  const wanted = parseArguments(args)
  const config = readConfig(environment)
  const password = await Promise.race([readPassword(), stopped])
  process.stdin.destroy()
  if (!password) throw new StartError('ended before there was a password')
  refusePassword(password, { least: config.passwordMinLength, email: wanted.email })
  const database = await joinDatabase(config)
  const pool = createPool(database.connection, 2, 'billing-gateway admin')
  try {
    await ensureMainBook(pool, [...config.currencies.values()], NOBODY)
    const book = await createBooks(pool).find(wanted.book)
    if (!book) throw new StartError(`there is no book '${wanted.book}'`)
    const { email, allBooks, role } = wanted
    const passwords = createPasswords(config.passwordCost)
    const token = await makeOperator({ pool, passwords }, book, email, password, allBooks, config.tokenDays, role)
    process.stdout.write(`${token}\n`)
  } catch (cause) {
    throw endingOf(cause)
  } finally {
    await pool.end()
    await database.close()
  }
}, `${USAGE}\n\n${settingsHelp()}`)

function parseArguments(args: readonly string[]) {
  const [command, ...rest] = args
  let address: string | undefined
  let book = 'main'
  let allBooks = false
  let role = 'admin'
  while (rest.length > 0) {
    const argument = rest.shift() ?? ''
    if (argument === '--all-books') allBooks = true
    else if (argument === '--book' && rest.length > 0) book = rest.shift() ?? ''
    else if (argument === '--role' && rest.length > 0) role = rest.shift() ?? ''
    else if (address === undefined && !argument.startsWith('-')) address = argument
    else throw new StartError(USAGE)
  }
  if (command !== 'create' || address === undefined) throw new StartError(USAGE)
  const email = parseEmail(address)
  if (!email) throw new StartError(`'${address}' is no e-mail address`)
  if (role !== 'admin' && role !== 'auditor') throw new StartError(`there is no role '${role}': admin or auditor`)
  return { email, book, allBooks, role } as const
}

/** The first line of standard input: never an argument, which every user of the machine could read. */
async function readPassword(): Promise<string> {
  if (process.stdin.isTTY) return askForPassword()
  let text = ''
  for await (const chunk of process.stdin) {
    text += chunk
    if (text.includes('\n')) break
  }
  return text.split('\n', 1)[0]?.replace(/\r$/, '') ?? ''
}

/** Asks somebody at a terminal, who sees nothing of what they type. */
async function askForPassword(): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const line = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  process.stderr.write('password: ')
  const typed = await new Promise<string>((resolve) => {
    line.once('line', resolve)
    // Ctrl-D and Ctrl-C, of which a terminal that shows nothing makes no signal.
    line.once('close', () => resolve(''))
  })
  line.close()
  process.stderr.write('\n')
  return typed
}

function refusePassword(password: string, context: { readonly least: number; readonly email: string }): void {
  const problem = passwordProblem(password, context)
  if (problem === 'too_short' || problem === 'too_long') {
    throw new StartError(`the password on standard input must have ${context.least} to ${LONGEST_PASSWORD} characters`)
  }
  if (problem) throw new StartError('the password on standard input is one that is easily guessed')
}
