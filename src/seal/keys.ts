import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Queryable } from '../database/connection.ts'
import { makeDataFolder } from '../database/data_folder.ts'
import type { BookId } from '../ledger/id.ts'
import { StartError } from '../start_error.ts'
import { sha256 } from './merkle.ts'

/** What a node signs blocks with. */
export type SealKey = { readonly id: string; readonly publicKey: string; readonly sign: (header: string) => Buffer }

/**
 * The Ed25519 key of the settings, in PEM. One that is named must be there; where none is named it is `seal.key` in the
 * data folder, made there, for its owner only, where there is none. Throws StartError where it is no such key.
 */
export function openSealKey(config: {
  readonly sealKeyFile: string | undefined
  readonly dataFolder: string
}): SealKey {
  const file = config.sealKeyFile ?? ensureKeyFile(config.dataFolder)
  let key: KeyObject
  try {
    key = createPrivateKey(readFileSync(file))
  } catch (cause) {
    throw new StartError(`cannot read the seal key ${file}: ${(cause as Error).message}`, { cause })
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new StartError(`the seal key ${file} is no Ed25519 key`)
  const publicKey = createPublicKey(key)
  return {
    id: keyId(publicKey),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (header) => sign(null, Buffer.from(header), key),
  }
}

/** The first 16 hexadecimal digits of the SHA-256 of the key in DER. */
function keyId(publicKey: KeyObject): string {
  return sha256(publicKey.export({ type: 'spki', format: 'der' }))
    .toString('hex')
    .slice(0, 16)
}

function ensureKeyFile(dataFolder: string): string {
  const file = join(dataFolder, 'seal.key')
  const mine = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  makeDataFolder(dataFolder)
  try {
    if (existsSync(file)) return file
    const { privateKey } = generateKeyPairSync('ed25519')
    writeFileSync(mine, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flush: true })
    // A hard link appears whole, and only where none is: of two that start at once, both use the one of the first.
    linkSync(mine, file)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code !== 'EEXIST') throw new StartError(`cannot make the seal key ${file}: ${message}`, { cause })
  } finally {
    rmSync(mine, { force: true })
  }
  return file
}

/** Whether the header was signed with the key of this id; false where the key is none, or another. */
export function isSigned(header: string, signature: Buffer, id: string, publicKey: string | undefined): boolean {
  if (publicKey === undefined) return false
  try {
    const key = createPublicKey(publicKey)
    return keyId(key) === id && verify(null, Buffer.from(header), key, signature)
  } catch {
    return false
  }
}

/** Public keys of the book, by id. */
export async function readSealKeys(client: Queryable, book: BookId): Promise<Map<string, string>> {
  const { rows } = await client.query<{ id: string; public_key: string }>(
    'select id, public_key from seal_keys where book = $1',
    [book],
  )
  return new Map(rows.map(({ id, public_key: publicKey }) => [id, publicKey]))
}

type SealKeyRow = { id: string; book: BookId; first_block: bigint; public_key: string; created_at: string }

/** The public keys of all books. */
export async function listSealKeys(client: Queryable) {
  const { rows } = await client.query<SealKeyRow>(
    'select k.id, k.book, k.first_block, k.public_key, k.created_at from seal_keys k order by k.book, k.first_block, k.id',
  )
  return rows.map((row) => ({ ...row, first_block: Number(row.first_block) }))
}
