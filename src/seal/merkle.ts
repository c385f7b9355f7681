import { hash } from 'node:crypto'

// A Merkle tree as RFC 6962 has it: leaves and nodes are hashed with another first byte, so that none passes for the other.

const LEAF = Buffer.of(0)
const NODE = Buffer.of(1)

export const sha256 = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer')

/** The hash of a leaf; its nonce keeps whoever sees only the hash from guessing what it is of. */
export function leafHash(nonce: Buffer, text: string): Buffer {
  return sha256(Buffer.concat([LEAF, nonce, Buffer.from(text)]))
}

/** The nonce of the leaf at `index`: nothing of it, or of the salt, can be told from those of other leaves. */
export function nonceOf(salt: Buffer, index: number): Buffer {
  const place = Buffer.alloc(4)
  place.writeUInt32BE(index)
  return sha256(Buffer.concat([salt, place]))
}

/** A neighbour on the way up to the root, and on which side of it the way comes. */
export type Step = { readonly side: 'left' | 'right'; readonly hash: string }

/** The root over at least one leaf. */
export function rootOf(leaves: readonly Buffer[]): Buffer {
  let level = leaves
  while (level.length > 1) level = levelAbove(level)
  const [root] = level
  if (!root) throw new Error('a tree has at least one leaf')
  return root
}

/** What leads from the leaf at `index` to the root: each neighbour is hashed with what was reached before it. */
export function pathTo(leaves: readonly Buffer[], index: number): Step[] {
  const path: Step[] = []
  let place = index
  for (let level = leaves; level.length > 1; level = levelAbove(level)) {
    const neighbour = level[place ^ 1]
    if (neighbour) path.push({ side: place % 2 === 0 ? 'right' : 'left', hash: neighbour.toString('hex') })
    place >>= 1
  }
  return path
}

/** Two and two; an odd one at the end goes up as it is. */
function levelAbove(level: readonly Buffer[]): Buffer[] {
  const above: Buffer[] = []
  for (let index = 0; index < level.length; index += 2) {
    const [left, right] = [level[index], level[index + 1]]
    if (left) above.push(right ? sha256(Buffer.concat([NODE, left, right])) : left)
  }
  return above
}
