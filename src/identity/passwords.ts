import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { Refused } from '../payments/refusals.ts'

const derive = promisify(argon2)

// OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane.
const COST = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 }

/** An argon2id hash in PHC string form, with a salt of its own. The password is compared whole, in Unicode form NFKC. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(16)
  const tag = await deriveInTurn('argon2id', { ...COST, message: password.normalize('NFKC'), nonce })
  const { memory, passes, parallelism } = COST
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${unpadded(nonce)}$${unpadded(tag)}`
}

/**
 * Whether the password is the one of the hash. Without a hash (no such user, or none set yet) it is false after as much
 * work, so that the time of the answer tells nothing.
 */
export async function verifyPassword(password: string, hash: string | null): Promise<boolean> {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(hash ?? '')
  if (!match) {
    await hashPassword(password)
    return false
  }
  const [, memory, passes, parallelism, nonce, tag] = match
  const expected = Buffer.from(tag ?? '', 'base64')
  const actual = await deriveInTurn('argon2id', {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    tagLength: expected.length,
    message: password.normalize('NFKC'),
    nonce: Buffer.from(nonce ?? '', 'base64'),
  })
  return timingSafeEqual(actual, expected)
}

/** Hashes that may wait for a thread: a second's work. More at once is an attack or an overload, and is refused. */
const MOST_WAITING = 100
let waiting = 0

async function deriveInTurn(...args: Parameters<typeof derive>): Promise<Buffer> {
  if (waiting >= MOST_WAITING) throw new Refused('overloaded')
  waiting += 1
  try {
    return await derive(...args)
  } finally {
    waiting -= 1
  }
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
