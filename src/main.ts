import { type Config, readConfig, settingsHelp } from './config.ts'
import { endingOf } from './database/migrate.ts'
import { openDatabase } from './database/open.ts'
import { openSecretBox } from './database/secret_box.ts'
import { createGateway } from './gateway.ts'
import { createApp } from './http/app.ts'
import { assertOperations } from './http/limiting.ts'
import { assertFree, listen } from './http/listening.ts'
import type { App } from './http/route.ts'
import { type Log, openLog } from './log.ts'
import { run } from './run.ts'
import { openSealKey } from './seal/keys.ts'
import { StartError } from './start_error.ts'

await run(async (stopped, environment, args) => {
  if (args.length > 0) throw new StartError(`'${args[0]}' is no option; there is --help`)
  const config = readConfig(environment)
  const { log, close } = openLog(config.logLevel)
  try {
    await serve(stopped, config, log)
  } finally {
    await close()
  }
}, `npm start\n\n${settingsHelp()}`)

async function serve(stopped: Promise<void>, config: Config, log: Log): Promise<void> {
  const database = await openDatabase(config, () => checkStart(config))
  try {
    let address = ''
    const gateway = await createGateway(database.connection, config, () => config.publicUrl ?? address, log).catch(
      (cause) => {
        throw endingOf(cause)
      },
    )
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
}

/** What would keep the gateway from starting once its database is there, said while nothing has been changed in it. */
async function checkStart(config: Config): Promise<void> {
  assertOperations(config.rateLimits)
  await assertFree(config.host, config.port).catch((cause) => {
    throw cannotListen(config, cause)
  })
  openSecretBox(config)
  openSealKey(config)
}

async function listenAt(app: App, config: Config): Promise<string> {
  const { host, port } = config
  try {
    const actual = await listen(app, host, port)
    return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`
  } catch (cause) {
    await app.close()
    throw cannotListen(config, cause)
  }
}

function cannotListen({ host, port }: Config, cause: unknown): StartError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return new StartError(`port ${port} on ${host} is in use; set PORT to another`, { cause })
  return new StartError(`cannot listen on ${host}:${port}: ${message}`, { cause })
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
