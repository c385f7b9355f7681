// `npm test` runs all tests, `npm test -- FILE…` some of them.
import { run } from '../src/run.ts'
import { StartError } from '../src/start_error.ts'
import { noBrowser } from '../test/harness/chromium.ts'
import { runTests } from './run_tests.ts'

const ALL = ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts']
const LONGEST_SECONDS = 240

await run(async (stopped, environment, args) => {
  // Elsewhere the tests that need a browser say so and are left out.
  if (environment.CI && noBrowser) throw new StartError(noBrowser)
  process.exitCode = await runTests(stopped, environment, args.length > 0 ? args : ALL, LONGEST_SECONDS)
})
