import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { StartError } from '../start_error.ts'

const MAX_SOCKET_PATH = 103 // sockaddr_un holds 108 bytes on Linux and 104 on macOS
export const SOCKET = '.s.PGSQL.5432'

/**
 * Where the socket of a data folder is: in it, or in /tmp where that is too long a path for a socket. Throws StartError
 * where somebody else has that.
 */
export function socketFolderOf(folder: string): string {
  const inside = resolve(folder, 'socket')
  if (Buffer.byteLength(join(inside, SOCKET)) <= MAX_SOCKET_PATH) return inside
  const digest = createHash('sha256').update(inside).digest('hex').slice(0, 16)
  const outside = join('/tmp', `billing-gateway-${digest}`)
  refuseForeign(outside, folder)
  return outside
}

/** Anybody may have made that folder, or a link to another, as its name is no secret: ours is of us or of the data's owner. */
function refuseForeign(socketFolder: string, folder: string): void {
  const found = lstatSync(socketFolder, { throwIfNoEntry: false })
  if (!found) return
  const owners = [process.getuid?.(), statSync(folder, { throwIfNoEntry: false })?.uid]
  if (!found.isDirectory() || !owners.includes(found.uid))
    throw new StartError(`${socketFolder}, which is to have the socket of PostgreSQL, is somebody else's`)
}

/** Makes that folder, for nobody else to look into. Throws StartError where it cannot. */
export function makeSocketFolder(folder: string): string {
  const socketFolder = socketFolderOf(folder)
  try {
    mkdirSync(socketFolder, { recursive: true, mode: 0o700 })
    // It may have been made by somebody else this moment.
    socketFolderOf(folder)
    chmodSync(socketFolder, 0o700)
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    throw new StartError(`cannot make ${socketFolder} for the socket of PostgreSQL: ${(cause as Error).message}`, {
      cause,
    })
  }
  return socketFolder
}
