// `npm audit` at level high, for CI. A registry that does not answer is said aloud and fails nothing; a finding does.
import { spawnSync } from 'node:child_process'

const LEVEL = 'high'
const LONGEST_MS = 60_000

const { stdout, error } = spawnSync('npm', ['audit', '--json', `--audit-level=${LEVEL}`], {
  encoding: 'utf8',
  timeout: LONGEST_MS,
})
const report = error ? undefined : reportIn(stdout)
if (report) {
  const { high = 0, critical = 0 } = report
  process.stdout.write(`dependencies: ${high} high and ${critical} critical advisories\n`)
  if (high + critical > 0) {
    process.stderr.write(`${stdout}\n`)
    process.exitCode = 1
  }
} else {
  process.stderr.write('DEPENDENCIES WERE NOT AUDITED: the registry does not answer npm audit; try again elsewhere\n')
}

/** The number of advisories by severity; undefined where npm had no answer to make a report of. */
function reportIn(text: string): { high?: number; critical?: number } | undefined {
  try {
    return JSON.parse(text).metadata?.vulnerabilities
  } catch {
    return undefined
  }
}
