import { type Config, readConfig, settingsHelp } from './config.ts'
import { openDatabase } from './database/open.ts'
import { createGateway } from './gateway.ts'
import { createApp } from './http/app.ts'
import { listen } from './http/listening.ts'
import type { App } from './http/route.ts'
import { createLog } from './log.ts'
import { run } from './run.ts'
import { StartError } from './start_error.ts'

await run(async (stopped, environment, args) => {
  if (args.includes('--help')) return void process.stdout.write(`npm start\n\n${settingsHelp()}`)
  if (args.length > 0) throw new StartError(`'${args[0]}' is no option; there is --help`)
  const config = readConfig(environment)
  const log = createLog(config.logLevel)
  const database = await openDatabase(config)
  try {
    let address = ''
    const gateway = await createGateway(database.connection, config, () => config.publicUrl ?? address, log)
    try {
      const app = await createApp(gateway)
      address = await listenAt(app, config)
      process.stderr.write(greeting(address, config))
      await stopped
      await app.close()
    } finally {
      await gateway.stop()
    }
  } finally {
    await database.close()
  }
})

async function listenAt(app: App, { port, host }: Config): Promise<string> {
  try {
    const actual = await listen(app, host, port)
    return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    await app.close()
    if (code === 'EADDRINUSE') throw new StartError(`port ${port} on ${host} is in use; set PORT to another`, { cause })
    throw new StartError(`cannot listen on ${host}:${port}: ${message}`, { cause })
  }
}

function greeting(address: string, config: Config): string {
  const mails = config.smtpUrl ? 'sent' : config.mailFolder
  return `
billing-gateway is ready at ${address}

  docs    ${address}/docs
  mails   ${mails}
  try     curl ${address}/v1/signup --json '{"email":"ada@example.com","password":"correct horse battery"}'

`
}
