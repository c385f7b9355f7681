import { readFileSync } from 'node:fs'
import { StartError } from './start_error.ts'

/** Settings that hold a secret: each may stand in a file instead, which `NAME_FILE` names. */
export const SECRET_SETTINGS = [
  'DATABASE_URL',
  'BGW_MIGRATION_DATABASE_URL',
  'BGW_SMTP_URL',
  'BGW_SANDBOX_RAIL_SECRET',
] as const

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The environment with what stands in the files of `NAME_FILE`, without the white space around it. Throws StartError
 * where a file cannot be read or is empty, or the setting is given in both ways.
 */
export function withSecretFiles(environment: Environment): Environment {
  const read: Record<string, string | undefined> = { ...environment }
  for (const name of SECRET_SETTINGS) {
    const file = environment[`${name}_FILE`]
    delete read[`${name}_FILE`]
    if (!file) continue
    if (environment[name]) throw new StartError(`${name} and ${name}_FILE are both set; one of them is enough`)
    read[name] = contentOf(name, file)
  }
  return read
}

function contentOf(name: string, file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new StartError(`${name}_FILE cannot be read: ${(cause as Error).message}`, { cause })
  }
  if (text === '') throw new StartError(`${name}_FILE names a file that is empty`)
  return text
}
