import { readConfig, settingsHelp } from './config.ts'
import { migrate } from './database/migrate.ts'
import { run } from './run.ts'
import { StartError } from './start_error.ts'

const HELP = `npm run migrate: brings the schema of your own PostgreSQL to this release, for servers that may not do it themselves

As the user of BGW_MIGRATION_DATABASE_URL, or of DATABASE_URL where that is not set. Run it before the new servers start.

${settingsHelp()}`

await run(async (_stopped, environment, args) => {
  if (args.length > 0) throw new StartError(`'${args[0]}' is no option; there is --help`)
  const { database, migrationDatabase } = readConfig(environment)
  const owner = migrationDatabase ?? database
  if (!owner)
    throw new StartError('the embedded PostgreSQL is migrated by its server; set DATABASE_URL for another one')
  await migrate(owner)
  process.stdout.write('the schema is that of this release\n')
}, HELP)
