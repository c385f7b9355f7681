import { Presets, SingleBar } from 'cli-progress'
import { readConfig, settingsHelp } from '../config.ts'
import { endingOf } from '../database/migrate.ts'
import { joinDatabase } from '../database/open.ts'
import { run } from '../run.ts'
import { StartError } from '../start_error.ts'
import { LAWS, type Law } from './laws.ts'
import { type Noted, type OnProgress, type Report, verifyBooks } from './verify.ts'

const MEANINGS: Readonly<Record<Law, string>> = {
  1: 'the balances of each book and currency sum to zero',
  2: 'balances and holds are the sums of postings and pending payments',
  3: 'postings are those of their payments, and of no others',
  4: 'no account is below its floor',
  5: 'the server cannot change what was posted',
  6: 'what was sealed is as it was, in an unbroken chain of blocks',
}

/** A block as `--block` names it. */
const NOTED = /^([^:]+):(\d{1,18}):([0-9a-f]{64})$/

const HELP = `npm run verify: checks the laws of the ledger on live data, beside a running server or without one

  --block BOOK:NUMBER:HASH  a block that an earlier run named last: it must still be there. As often as you like

Exit code 0: they hold. 1: one is broken, and what is wrong is named, or not every law could be checked.

${settingsHelp()}`

await run(async (stopped, environment, args) => {
  const noted = notedIn(args)
  const database = await joinDatabase(readConfig(environment))
  const progress = process.stderr.isTTY ? createBar() : createLines()
  const stoppedEarly = stopped.then(() => undefined)
  const report = await Promise.race([verifyBooks(database.connection, progress.show, noted), stoppedEarly])
    .catch((cause) => {
      throw endingOf(cause)
    })
    .finally(() => {
      progress.end()
      return database.close()
    })
  if (!report) return endNow('stopped before every law was checked')
  process.stdout.write(summary(report))
  if (report.findings.length > 0) process.exitCode = 1
}, HELP)

/** The blocks that the arguments name. Throws StartError for any that say something else. */
function notedIn([option, text = '', ...rest]: readonly string[]): Noted[] {
  if (option === undefined) return []
  if (option !== '--block') throw new StartError(`'${option}' is no option; there is --help`)
  const [, book, number, hash] = NOTED.exec(text) ?? []
  if (!book || !number || !hash) throw new StartError(`'${text}' is no block: --block takes BOOK:NUMBER:HASH`)
  return [{ book, number: BigInt(number), hash }, ...notedIn(rest)]
}

/** A query that runs on in a database that is not ours would keep this process until its end. */
function endNow(why: string): never {
  process.stderr.write(`billing-gateway: ${why}\n`)
  process.exit(1)
}

type Progress = { readonly show: OnProgress; readonly end: () => void }

function createBar(): Progress {
  const bar = new SingleBar(
    { format: '{bar} {percentage}% law {law}, {rule}', stream: process.stderr, clearOnComplete: true },
    Presets.shades_classic,
  )
  bar.start(1, 0, { law: LAWS[0], rule: 'counting' })
  const show: OnProgress = (done, of, law, rule) => {
    bar.setTotal(of)
    bar.update(done, { law, rule })
  }
  return { show, end: () => bar.stop() }
}

/** Where nobody watches: a line as each law's turn comes. */
function createLines(): Progress {
  const begun = new Set<Law>()
  const show: OnProgress = (_done, _of, law) => {
    if (!begun.has(law)) process.stderr.write(`checking law ${law}: ${MEANINGS[law]}\n`)
    begun.add(law)
  }
  return { show, end: () => undefined }
}

function summary({ findings, books, accounts, payments, postings, heads }: Report): string {
  const lines = LAWS.map((law) => {
    const broken = findings.filter((finding) => finding.law === law)
    return [
      `law ${law}  ${broken.length === 0 ? 'holds ' : 'BROKEN'}  ${MEANINGS[law]}`,
      ...broken.map(({ book, text }) => `         ${book === null ? '' : `book ${book}: `}${text}`),
    ].join('\n')
  })
  const checked = `checked ${books} books, ${accounts} accounts, ${payments} payments, ${postings} postings`
  const last = heads.map(({ book, number, hash }) => `last block ${book}:${number}:${hash}`)
  return `${[...lines, ...last].join('\n')}\n${checked}: ${findings.length === 0 ? 'the books are right' : 'SOMETHING IS WRONG'}\n`
}
