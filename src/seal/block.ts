import { uuids } from '../database/binary_arrays.ts'
import type { Queryable } from '../database/connection.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { sha256 } from './merkle.ts'

/** A sealed block as it is stored. */
export type Block = {
  readonly book: BookId
  readonly number: bigint
  readonly format: number
  /** The hash of the block before; null for the first. */
  readonly previous: Buffer | null
  /** The last transaction that it covers; the first is the one behind the last of the block before. */
  readonly upTo: bigint
  /** That it holds, in their order. */
  readonly payments: readonly PaymentId[]
  readonly leaves: number
  readonly root: Buffer
  readonly firstAt: string
  readonly lastAt: string
  readonly keyId: string
  readonly sealedAt: string
  readonly salt: Buffer
  readonly hash: Buffer
  readonly signature: Buffer
}

export type BlockContent = Omit<Block, 'salt' | 'hash' | 'signature'>

/** What is hashed, signed and chained (docs/proofs.md): a text of JSON, without spaces, its fields in this order. */
export function headerOf(block: BlockContent): string {
  return JSON.stringify({
    format: block.format,
    book: block.book,
    number: String(block.number),
    previous: block.previous?.toString('hex') ?? null,
    up_to_txid: String(block.upTo),
    leaves: block.leaves,
    root: block.root.toString('hex'),
    first_at: block.firstAt,
    last_at: block.lastAt,
    key_id: block.keyId,
    sealed_at: block.sealedAt,
  })
}

export function hashOf(header: string): Buffer {
  return sha256(Buffer.from(header))
}

type BlockRow = {
  book: BookId
  number: bigint
  format: number
  previous: Buffer | null
  up_to_txid: string
  payments: PaymentId[]
  leaves: number
  root: Buffer
  first_at: string
  last_at: string
  key_id: string
  sealed_at: string
  salt: Buffer
  hash: Buffer
  signature: Buffer
}

/** Blocks `b` that a further condition finds, its values counted from `$2`. */
export async function readBlocks(
  client: Queryable,
  book: BookId,
  condition: string,
  values: readonly unknown[] = [],
): Promise<Block[]> {
  const { rows } = await client.query<BlockRow>(`select b.* from blocks b where b.book = $1 and ${condition}`, [
    book,
    ...values,
  ])
  return rows.map(({ up_to_txid: upTo, first_at: firstAt, last_at: lastAt, key_id, sealed_at, ...row }) => ({
    ...row,
    upTo: BigInt(upTo),
    firstAt,
    lastAt,
    keyId: key_id,
    sealedAt: sealed_at,
  }))
}

/** The newest block of a book, as far as the next one needs it. */
export async function readHead(
  client: Queryable,
  book: BookId,
): Promise<Pick<Block, 'number' | 'upTo' | 'hash'> | undefined> {
  const { rows } = await client.query<{ number: bigint; up_to_txid: string; hash: Buffer }>({
    name: 'head-of-blocks',
    text: `select b.number, b.up_to_txid, b.hash from blocks b where b.book = $1 order by b.number desc limit 1`,
    values: [book],
  })
  const [head] = rows
  return head && { number: head.number, upTo: BigInt(head.up_to_txid), hash: head.hash }
}

export async function insertBlock(client: Queryable, block: Block): Promise<void> {
  await client.query({
    name: 'seal-block',
    text: `
      insert into blocks (book, number, format, previous, up_to_txid, payments, leaves, root, first_at, last_at, key_id,
                          sealed_at, salt, hash, signature)
      values ($1, $2, $3, $4, $5::xid8, $6::uuid[], $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    values: [
      block.book,
      block.number,
      block.format,
      block.previous,
      String(block.upTo),
      uuids(block.payments),
      block.leaves,
      block.root,
      block.firstAt,
      block.lastAt,
      block.keyId,
      block.sealedAt,
      block.salt,
      block.hash,
      block.signature,
    ],
  })
}
