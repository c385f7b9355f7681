// `npm run fuzz` sends valid and broken input to every call of the API for a minute, on a gateway and a PostgreSQL of its
// own, and fails where it finds a fault, a leak or wrong books. `--seed` repeats the input of another run.
import { parseArgs } from 'node:util'
import { run } from '../src/run.ts'
import { StartError } from '../src/start_error.ts'
import { runTests } from './run_tests.ts'

/** What a run needs beside the time in which it sends. */
const BESIDE_SECONDS = 240

const USAGE = 'usage: npm run fuzz -- [--seconds N] [--seed N]'

await run(async (stopped, environment, args) => {
  const { seconds, seed } = parseOptions(args)
  const told = { ...environment, FUZZ_SECONDS: String(seconds), FUZZ_SEED: String(seed) }
  process.exitCode = await runTests(stopped, told, ['test/fuzz.test.ts'], seconds + BESIDE_SECONDS)
}, `${USAGE}\n`)

function parseOptions(args: readonly string[]): { seconds: number; seed: number } {
  const options = { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } } as const
  try {
    const { values } = parseArgs({ args: [...args], options })
    const seed = values.seed ?? String(Date.now() % 1_000_000)
    for (const value of [values.seconds, seed]) if (!/^\d{1,9}$/.test(value)) throw new Error(`'${value}' is no number`)
    return { seconds: Number(values.seconds), seed: Number(seed) }
  } catch (cause) {
    throw new StartError(`${USAGE}: ${(cause as Error).message}`, { cause })
  }
}
