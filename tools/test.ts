// `npm test` runs all tests, `npm test -- FILE…` some of them.
import { run } from '../src/run.ts'
import { runTests } from './run_tests.ts'

const ALL = ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts']
const LONGEST_SECONDS = 240

await run(async (stopped, environment, args) => {
  process.exitCode = await runTests(stopped, environment, args.length > 0 ? args : ALL, LONGEST_SECONDS)
})
