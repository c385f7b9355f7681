import type { Queryable } from '../database/connection.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { type Block, headerOf, readBlocks } from './block.ts'
import { leavesOf, readEntries } from './entries.ts'
import { bytesOf, nonceOf, pathTo, rootOf, type Step } from './merkle.ts'
import type { Openings } from './texts.ts'

/** What shows that a payment is in a signed block (docs/proofs.md). Hashes and the signature are hexadecimal. */
export type Proof = {
  readonly leaf: string
  /** What the hashes of texts in the leaf are of; without those that were erased. */
  readonly texts: Openings
  readonly nonce: string
  readonly index: number
  readonly path: readonly Step[]
  readonly block: { readonly header: string; readonly hash: string; readonly signature: string }
}

/**
 * The proof of a payment that became final at `at`; undefined where it is not sealed yet. Throws where the block does not
 * hold what was sealed.
 */
export async function readProof(
  client: Queryable,
  book: BookId,
  id: PaymentId,
  at: string,
): Promise<Proof | undefined> {
  // Blocks follow each other in time nearly as in number: the first ones that end behind `at`, by blocks_by_time.
  const condition = 'b.last_at >= $2 and b.first_at <= $2 and $3 = any(b.payments) order by b.last_at, b.number limit 1'
  const [block] = await readBlocks(client, book, condition, [at, id])
  if (!block) return undefined
  const [before] = await readBlocks(client, book, 'b.number = $2', [block.number - 1n])
  const range = { after: before?.upTo ?? 0n, upTo: block.upTo }
  const entries = await readEntries(client, book, block.payments, range)
  const index = entries.findIndex(({ payment }) => payment === id)
  const leaves = leavesOf(entries, block.salt)
  const entry = entries[index]
  if (!entry || !rootOf(leaves).equals(block.root)) {
    throw new Error(`block ${block.number} of book ${book} does not hold what was sealed: verify says more`)
  }
  return {
    leaf: entry.text,
    texts: entry.openings,
    nonce: bytesOf(nonceOf(block.salt, index)).toString('hex'),
    index,
    path: pathTo(leaves, index),
    block: signedOf(block),
  }
}

function signedOf(block: Block): Proof['block'] {
  return { header: headerOf(block), hash: block.hash.toString('hex'), signature: block.signature.toString('hex') }
}
