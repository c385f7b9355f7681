import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { Refused } from '../payments/refusals.ts'

const derive = promisify(argon2)

/** What argon2id does for a new password: memory in KiB, and how often it goes through it. */
export type PasswordCost = { readonly memory: number; readonly passes: number }

/** OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane. */
export const OWASP_COST: PasswordCost = { memory: 19_456, passes: 2 }
const LANES = 1
const TAG_BYTES = 32

/**
 * Hashes at a time: each fills a core, and one of node's four threads, which read files and sign as well. The rest is left
 * to payments, also where everybody logs in.
 */
const AT_ONCE = availableParallelism() >= 4 ? 2 : 1
/** Hashes that may wait for their turn: some seconds' work. More at once is an attack or an overload, and is refused. */
const MOST_WAITING = 100

export type Passwords = {
  /** An argon2id hash in PHC string form, with a salt of its own. The password is compared whole, in Unicode form NFKC. */
  readonly hash: (password: string) => Promise<string>
  /**
   * Whether the password is the one of the hash. Without a hash (no such user, or none set yet) it is false after as much
   * work, so that the time of the answer tells nothing.
   */
  readonly verify: (password: string, hash: string | null) => Promise<boolean>
}

/** Hashes passwords at that cost, and verifies them at the one that they were hashed at. Refuses as `overloaded`. */
export function createPasswords({ memory, passes }: PasswordCost): Passwords {
  let underWay = 0
  const waiting: (() => void)[] = []

  async function deriveInTurn(...args: Parameters<typeof derive>): Promise<Buffer> {
    if (waiting.length >= MOST_WAITING) throw new Refused('overloaded')
    if (underWay < AT_ONCE) underWay += 1
    else await new Promise<void>((begin) => waiting.push(begin))
    try {
      return await derive(...args)
    } finally {
      // Whoever waits has this one's place.
      const next = waiting.shift()
      if (next) next()
      else underWay -= 1
    }
  }

  async function hash(password: string): Promise<string> {
    const nonce = randomBytes(16)
    const message = password.normalize('NFKC')
    const wanted = { memory, passes, parallelism: LANES, tagLength: TAG_BYTES, message, nonce }
    const tag = await deriveInTurn('argon2id', wanted)
    return `$argon2id$v=19$m=${memory},t=${passes},p=${LANES}$${unpadded(nonce)}$${unpadded(tag)}`
  }

  async function verify(password: string, hashed: string | null): Promise<boolean> {
    const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(hashed ?? '')
    if (!match) {
      await hash(password)
      return false
    }
    const [, m, t, p, nonce, tag] = match
    const expected = Buffer.from(tag ?? '', 'base64')
    const actual = await deriveInTurn('argon2id', {
      memory: Number(m),
      passes: Number(t),
      parallelism: Number(p),
      tagLength: expected.length,
      message: password.normalize('NFKC'),
      nonce: Buffer.from(nonce ?? '', 'base64'),
    })
    return timingSafeEqual(actual, expected)
  }

  return { hash, verify }
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
