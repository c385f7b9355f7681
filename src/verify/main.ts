import { Presets, SingleBar } from 'cli-progress'
import { readConfig, settingsHelp } from '../config.ts'
import { joinDatabase } from '../database/open.ts'
import { run } from '../run.ts'
import { StartError } from '../start_error.ts'
import { type OnProgress, type Report, verifyBooks } from './verify.ts'

const LAWS = [
  'the balances of each book and currency sum to zero',
  'balances and holds are the sums of postings and pending payments',
  'postings are those of their payments, and of no others',
  'no account is below its floor',
  'the server cannot change what was posted',
]

await run(async (_stopped, environment, args) => {
  if (args.includes('--help')) {
    return void process.stdout.write(`npm run verify: checks the laws of the ledger on live data\n\n${settingsHelp()}`)
  }
  if (args.length > 0) throw new StartError(`'${args[0]}' is no option; there is --help`)
  const database = await joinDatabase(readConfig(environment))
  try {
    const progress = createProgress()
    const report = await verifyBooks(database.connection, progress.show).finally(progress.end)
    process.stdout.write(summary(report))
    if (report.findings.length > 0) process.exitCode = 1
  } finally {
    await database.close()
  }
})

/** A bar on a terminal; nothing where the output goes to a file. */
function createProgress(): { readonly show: OnProgress; readonly end: () => void } {
  if (!process.stderr.isTTY) return { show: () => undefined, end: () => undefined }
  const bar = new SingleBar({ format: '{bar} {percentage}% {rule}', stream: process.stderr }, Presets.shades_classic)
  bar.start(1, 0, { rule: '' })
  const show: OnProgress = (done, of, rule) => {
    bar.setTotal(of)
    bar.update(done, { rule })
  }
  return { show, end: () => bar.stop() }
}

function summary({ findings, books, accounts, payments, postings }: Report): string {
  const lines = LAWS.map((law, index) => {
    const broken = findings.filter((finding) => finding.law === index + 1)
    return [
      `law ${index + 1}  ${broken.length === 0 ? 'holds ' : 'BROKEN'}  ${law}`,
      ...broken.map(({ book, text }) => `         book ${book}: ${text}`),
    ].join('\n')
  })
  const checked = `checked ${books} books, ${accounts} accounts, ${payments} payments, ${postings} postings`
  return `${lines.join('\n')}\n${checked}: ${findings.length === 0 ? 'the books are right' : 'SOMETHING IS WRONG'}\n`
}
