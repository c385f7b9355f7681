import { hash } from 'node:crypto'

// A Merkle tree as RFC 6962 has it: leaves and nodes are hashed with another first byte, so that none passes for the other.

const LEAF = 0
const NODE = 1

export const sha256 = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer')

/** A hash in the making: one character for each of its 32 bytes, which costs a third of what a buffer of its own does. */
export type Digest = string

const LENGTH = 32
/** What is hashed is put together here, unless it is larger: nothing of it waits for anything. */
const usual = Buffer.alloc(64 * 1_024)

function roomFor(most: number): Buffer {
  return most > usual.length ? Buffer.alloc(most) : usual
}

function digestOf(bytes: Buffer, length: number): Digest {
  return hash('sha256', bytes.subarray(0, length), 'latin1')
}

export function bytesOf(digest: Digest): Buffer {
  return Buffer.from(digest, 'latin1')
}

/** The hash of a leaf; its nonce keeps whoever sees only the hash from guessing what it is of. */
export function leafHash(nonce: Digest, text: string): Digest {
  const bytes = roomFor(1 + LENGTH + Buffer.byteLength(text))
  bytes[0] = LEAF
  bytes.write(nonce, 1, 'latin1')
  return digestOf(bytes, 1 + LENGTH + bytes.write(text, 1 + LENGTH))
}

/** The nonce of the leaf at `index`: nothing of it, or of the salt, can be told from those of other leaves. */
export function nonceOf(salt: Buffer, index: number): Digest {
  const bytes = roomFor(salt.length + 4)
  salt.copy(bytes)
  return digestOf(bytes, bytes.writeUInt32BE(index, salt.length))
}

/** A neighbour on the way up to the root, and on which side of it the way comes. */
export type Step = { readonly side: 'left' | 'right'; readonly hash: string }

/** The root over at least one leaf. */
export function rootOf(leaves: readonly Digest[]): Buffer {
  let level = leaves
  while (level.length > 1) level = levelAbove(level)
  const [root] = level
  if (!root) throw new Error('a tree has at least one leaf')
  return bytesOf(root)
}

/** What leads from the leaf at `index` to the root: each neighbour is hashed with what was reached before it. */
export function pathTo(leaves: readonly Digest[], index: number): Step[] {
  const path: Step[] = []
  let place = index
  for (let level = leaves; level.length > 1; level = levelAbove(level)) {
    const neighbour = level[place ^ 1]
    if (neighbour) path.push({ side: place % 2 === 0 ? 'right' : 'left', hash: bytesOf(neighbour).toString('hex') })
    place >>= 1
  }
  return path
}

/** Two and two; an odd one at the end goes up as it is. */
function levelAbove(level: readonly Digest[]): Digest[] {
  const above: Digest[] = []
  for (let index = 0; index < level.length; index += 2) {
    const [left, right] = [level[index], level[index + 1]]
    if (left) above.push(right ? nodeHash(left, right) : left)
  }
  return above
}

function nodeHash(left: Digest, right: Digest): Digest {
  usual[0] = NODE
  usual.write(left, 1, 'latin1')
  usual.write(right, 1 + LENGTH, 'latin1')
  return digestOf(usual, 1 + 2 * LENGTH)
}
