import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StartError } from '../start_error.ts'
import { flushNames, makeDataFolder } from './data_folder.ts'

// Secrets that the server must read again (to sign, to pay out, to check a one-time password) are in the database only
// sealed: whoever has a copy of the database and not the key file has none of them. What need only be recognised is
// hashed instead (identity/secrets.ts).

/** A secret was sealed with a key that is not in the key file. */
export class KeyMissing extends Error {
  override readonly name = 'KeyMissing'
}

/**
 * Seals and opens small secrets with AES-256-GCM. `place` says where the secret belongs, such as `webhook 1/<uuid>`: sealed
 * for one place it opens in no other, so that nobody moves it to another row.
 */
export type SecretBox = {
  readonly seal: (secret: string, place: string) => Buffer
  /** Throws KeyMissing where the key is not in the file, and also where the secret was sealed for another place or changed. */
  readonly open: (sealed: Buffer, place: string) => string
}

const VERSION = 1
const KEY_ID_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES

type Key = { readonly id: Buffer; readonly bytes: Buffer }

/**
 * The box of a key file: one key a line, 32 bytes in base64. The first one seals, all of them open, so a new key is put
 * in front and the old one stays. A sealed secret names its key by the beginning of the key's hash.
 * Throws StartError where a line is no key.
 */
export function createSecretBox(keyFile: string): SecretBox {
  const keys = readKeys(keyFile)
  const [newest] = keys
  if (!newest) throw new StartError(`the key file ${keyFile} holds no key`)

  const seal = (secret: string, place: string): Buffer => {
    const nonce = randomBytes(NONCE_BYTES)
    const head = Buffer.concat([Buffer.of(VERSION), newest.id, nonce])
    const cipher = createCipheriv('aes-256-gcm', newest.bytes, nonce)
    cipher.setAAD(Buffer.concat([head, Buffer.from(place)]))
    return Buffer.concat([head, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
  }

  function open(sealed: Buffer, place: string): string {
    if (sealed.length < HEAD_BYTES + TAG_BYTES || sealed[0] !== VERSION) throw new Error('this is no sealed secret')
    const head = sealed.subarray(0, HEAD_BYTES)
    const id = head.subarray(1, 1 + KEY_ID_BYTES)
    const key = keys.find((known) => known.id.equals(id))
    if (!key) throw new KeyMissing(`a secret was sealed with key ${id.toString('hex')}, which ${keyFile} does not hold`)
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, head.subarray(1 + KEY_ID_BYTES), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(Buffer.concat([head, Buffer.from(place)]))
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    return decipher.update(sealed.subarray(HEAD_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
  }

  return { seal, open }
}

/**
 * The box of the key file of the settings. One that is named must be there: one made in its place would open nothing.
 * Where none is named it is `secret.key` in the data folder, made there, for its owner only, where there is none.
 */
export function openSecretBox(config: { readonly secretKeyFile: string | undefined; readonly dataFolder: string }) {
  return createSecretBox(config.secretKeyFile ?? ensureKeyFile(config.dataFolder))
}

function ensureKeyFile(dataFolder: string): string {
  const keyFile = join(dataFolder, 'secret.key')
  const mine = `${keyFile}.${process.pid}.${randomBytes(4).toString('hex')}`
  makeDataFolder(dataFolder)
  try {
    if (existsSync(keyFile)) return keyFile
    writeFileSync(mine, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flush: true })
    // A hard link appears whole, and only where none is: of two that start at once, both use the one of the first.
    linkSync(mine, keyFile)
    flushNames(dataFolder)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code !== 'EEXIST') throw new StartError(`cannot make the key file ${keyFile}: ${message}`, { cause })
  } finally {
    rmSync(mine, { force: true })
  }
  return keyFile
}

function readKeys(keyFile: string): Key[] {
  let text: string
  try {
    text = readFileSync(keyFile, 'utf8')
  } catch (cause) {
    throw new StartError(`cannot read the key file ${keyFile}: ${(cause as Error).message}`, { cause })
  }
  const lines = text.split('\n').map((line) => line.trim())
  return lines
    .filter((line) => line !== '')
    .map((line, index) => {
      const bytes = Buffer.from(line, 'base64')
      if (bytes.length !== 32 || bytes.toString('base64') !== line) {
        throw new StartError(`key ${index + 1} of the key file ${keyFile} is not 32 bytes in base64`)
      }
      return { id: createHash('sha256').update(bytes).digest().subarray(0, KEY_ID_BYTES), bytes }
    })
}
