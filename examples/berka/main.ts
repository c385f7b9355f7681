import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { run } from '../../src/run.ts'
import { StartError } from '../../src/start_error.ts'
import { readBank } from './files.ts'
import { type Environment, type Reached, startGateway } from './own_gateway.ts'
import { showProgress } from './progress.ts'
import { replayBank } from './replay.ts'
import { failuresOf, reportOf } from './report.ts'

const USAGE =
  'usage: npm run example:berka -- [FOLDER] [--url URL], with the token of an operator of the gateway there in BERKA_TOKEN'

await run(async (stopped, environment, args) => {
  const { folder, url } = parseArguments(args)
  // Before anything is started or sent.
  const bank = await readBank(folder)
  const abort = new AbortController()
  void stopped.then(() => abort.abort())
  const target = url === undefined ? await startGateway(environment, stopped) : givenGateway(environment, url)
  const progress = showProgress(process.stderr)
  try {
    const options = { ...target, signal: abort.signal }
    const replay = await replayBank(bank, options, progress.onProgress).finally(progress.end)
    process.stdout.write(reportOf(replay))
    process.stderr.write(failuresOf(replay))
    if (replay.failures.length > 0) process.exitCode = 1
  } finally {
    await target.end()
  }
}, `${USAGE}\n`)

function parseArguments(args: readonly string[]): { folder: string; url: string | undefined } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { url: { type: 'string' } },
      allowPositionals: true,
    })
    const [folder = join(import.meta.dirname, 'data'), ...more] = positionals
    if (more.length > 0) throw new StartError(USAGE)
    if (values.url !== undefined && !/^https?:$/.test(URL.parse(values.url)?.protocol ?? '')) {
      throw new StartError(`'${values.url}' is no address that begins with http:// or https://`)
    }
    return { folder, url: values.url?.replace(/\/+$/, '') }
  } catch (cause) {
    throw cause instanceof StartError ? cause : new StartError(USAGE, { cause })
  }
}

/** The token comes by the environment: an argument could be read by every user of the machine. */
function givenGateway(environment: Environment, url: string): Reached {
  const token = environment.BERKA_TOKEN
  if (!token) throw new StartError("BERKA_TOKEN is not set; it must be an operator's token")
  return { url, token, end: async () => undefined }
}
