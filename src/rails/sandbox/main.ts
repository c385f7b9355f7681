import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { run } from '../../run.ts'
import { StartError } from '../../start_error.ts'
import { BEHAVIORS } from './behavior.ts'
import { createSandbox } from './server.ts'

const HELP = `npm run sandbox-rail [-- --port N] [--secret TEXT] [--later SECONDS]

Plays the rails wire, wallet and crypto_currency for a gateway that was started with
  BGW_SANDBOX_RAIL_URL=http://127.0.0.1:N BGW_SANDBOX_RAIL_SECRET=TEXT npm start
The secret is read from BGW_SANDBOX_RAIL_SECRET too, where other users of the machine must not see it.

The last two digits of an amount say how it behaves:
${Object.entries(BEHAVIORS)
  .map(([digits, behavior]) => `  ${digits}  ${behavior}`)
  .join('\n')}
Any other is confirmed at once.
`

await run(async (stopped, environment, args) => {
  const options = readOptions(args)
  const [port, later] = [Number(options.port), Number(options.later)]
  const secret = options.secret ?? (environment.BGW_SANDBOX_RAIL_SECRET || 'sandbox')
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new StartError('--port must be a port')
  if (!(later >= 0)) throw new StartError('--later must be a number of seconds')
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  const server = createSandbox({ secret, laterMs: later * 1_000, say })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening').catch((cause: Error) => {
    throw new StartError(`cannot listen on port ${port}: ${cause.message}`, { cause })
  })
  say(`the sandbox rail listens on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await stopped
  server.closeAllConnections()
  server.close()
}, HELP)

function readOptions(args: readonly string[]) {
  const options = {
    port: { type: 'string', default: '8090' },
    later: { type: 'string', default: '5' },
    secret: { type: 'string' },
  } as const
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (cause) {
    throw new StartError(`${(cause as Error).message}; there is --help`, { cause })
  }
}
