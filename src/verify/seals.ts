import type { Client } from '../database/connection.ts'
import { parseInstant } from '../database/instant.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { type Block, hashOf, headerOf, readBlocks, readHead } from '../seal/block.ts'
import { type Entry, FINAL_EVENTS, leavesOf, readEntries } from '../seal/entries.ts'
import { isSigned, readSealKeys } from '../seal/keys.ts'
import { FORMAT } from '../seal/leaves.ts'
import { rootOf } from '../seal/merkle.ts'

// Law 6: every block is made again from the rows that it covers. Blocks are read in order and a few at a time.

/** Called for each sentence on something that is wrong. */
export type Tell = (text: string) => void

/** How much is read at once. */
const MOST_BLOCKS = 500
const MOST_LEAVES = 2_000
/** No transaction of the server is open for nearly as long: what came later with an older time was put there. */
const LONGEST_MICROSECONDS = 600_000_000n

/** A block as somebody noted it where the owner of the database cannot write. */
export type NotedBlock = { readonly number: bigint; readonly hash: string }

/** Checks the blocks of a book inside the caller's snapshot, those that were noted among them; how many there are. */
export async function verifySeals(
  client: Client,
  book: BookId,
  noted: readonly NotedBlock[],
  tell: Tell,
): Promise<bigint> {
  // Ranges of keys are read by index, also where nobody has gathered statistics yet.
  await client.query(
    'set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off',
  )
  const blocks = await verifyChain(client, book, tell)
  await client.query('set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on')
  await verifyKeys(client, book, tell)
  await verifyNothingBeside(client, book, tell)
  for (const block of noted) await verifyNoted(client, book, block, tell)
  return blocks
}

/** Whoever removes the last blocks, or seals them all anew with a key of their own, leaves a chain that holds in itself. */
async function verifyNoted(client: Client, book: BookId, { number, hash }: NotedBlock, tell: Tell): Promise<void> {
  const [block] = await readBlocks(client, book, 'b.number = $2', [number])
  if (block?.hash.toString('hex') === hash) return
  const found = block ? `another block, ${block.hash.toString('hex')}` : 'none'
  tell(`block ${number} was noted as ${hash}, found ${found}: blocks were removed or sealed anew`)
}

async function verifyChain(client: Client, book: BookId, tell: Tell): Promise<bigint> {
  const keys = await readSealKeys(client, book)
  let before: Block | undefined
  let total = 0n
  for (;;) {
    const blocks = await readBlocks(client, book, `b.number > $2 order by b.number limit ${MOST_BLOCKS}`, [
      before?.number ?? -(2n ** 62n),
    ])
    if (blocks.length === 0) return total
    for (const group of inGroups(blocks)) {
      const range = { after: before?.upTo ?? 0n, upTo: group.at(-1)?.upTo ?? 0n }
      const ids = group.flatMap(({ payments }) => payments)
      const entries = await readEntries(client, book, ids, range)
      const byPayment = new Map(entries.map((entry) => [entry.payment, entry]))
      for (const block of group) {
        const after = before?.upTo ?? 0n
        const own = [
          ...block.payments.flatMap((id) => byPayment.get(id) ?? []),
          ...entries.filter(({ txid }) => txid !== null && txid > after && txid <= block.upTo),
        ]
        const fault = faultOf(block, before, own, keys)
        if (fault !== undefined) tell(`block ${block.number} ${fault}`)
        before = block
        total += 1n
      }
    }
  }
}

/** A key is written down with the first block that it signs: one that was added signed none, and its proofs would be believed. */
async function verifyKeys(client: Client, book: BookId, tell: Tell): Promise<void> {
  const { rows } = await client.query<{ id: string; told: bigint; first: bigint | null }>(
    `select k.id, k.first_block as told, min(b.number) as first
       from seal_keys k
       left join blocks b on b.book = k.book and b.key_id = k.id
      where k.book = $1
      group by k.id, k.first_block
     having min(b.number) is distinct from k.first_block
      order by k.id`,
    [book],
  )
  for (const { id, told, first } of rows) {
    tell(
      `the key ${id} is said to have signed first block ${told} and has signed ${first === null ? 'none' : `first block ${first}`}`,
    )
  }
}

/** Neighbours that hold little are read together. */
function* inGroups(blocks: readonly Block[]): Generator<readonly Block[]> {
  let group: Block[] = []
  let leaves = 0
  for (const block of blocks) {
    if (group.length > 0 && leaves + block.leaves > MOST_LEAVES) {
      yield group
      group = []
      leaves = 0
    }
    group.push(block)
    leaves += block.leaves
  }
  if (group.length > 0) yield group
}

/** What is wrong with a block, behind its number; undefined where nothing is. */
function faultOf(
  block: Block,
  before: Block | undefined,
  entries: readonly Entry[],
  keys: ReadonlyMap<string, string>,
): string | undefined {
  const expected = (before?.number ?? 0n) + 1n
  if (block.number !== expected) return `comes where block ${expected} should be: a block was removed or moved`
  const header = headerOf(block)
  if (!hashOf(header).equals(block.hash)) return 'is not what was sealed: its hash is another'
  if (!isSigned(header, block.signature, block.keyId, keys.get(block.keyId))) {
    return `is not signed with the key ${block.keyId} of the book`
  }
  if (before && !block.previous?.equals(before.hash)) return `does not follow from block ${before.number}`
  if (before && block.upTo <= before.upTo) return `covers nothing beyond block ${before.number}`
  if (block.format !== FORMAT) return `has format ${block.format}, which this program does not know`
  return faultOfRows(block, entries) ?? faultOfTimes(block, before)
}

function faultOfRows(block: Block, entries: readonly Entry[]): string | undefined {
  const leaves = leavesOf(entries, block.salt)
  const root = leaves.length === 0 ? 'nothing' : rootOf(leaves).toString('hex')
  const expected = block.root.toString('hex')
  if (root === expected) return undefined
  return (
    `(${block.firstAt} to ${block.lastAt}) does not hold the rows that were sealed, one was changed, added or removed: ` +
    `expected root ${expected} over ${block.leaves} leaves, found ${root} over ${leaves.length}`
  )
}

/** A block that was sealed before the one before it says itself that the clock was set back between the two. */
function faultOfTimes(block: Block, before: Block | undefined): string | undefined {
  const [first, own] = [parseInstant(block.firstAt), parseInstant(block.sealedAt)]
  const sealed = before && parseInstant(before.sealedAt)
  if (!before || first === undefined || own === undefined || sealed === undefined) return undefined
  if (own < sealed || first > sealed - LONGEST_MICROSECONDS) return undefined
  return `holds a row of ${block.firstAt} that was not there when block ${before.number} was sealed, ${before.sealedAt}`
}

type Beside = { what: 'payment' | 'posting' | 'line'; id: string; txid: string | null; block: bigint | null }

/** Rows that are in no block and wait for none, or are in two. */
async function verifyNothingBeside(client: Client, book: BookId, tell: Tell): Promise<void> {
  const upTo = (await readHead(client, book))?.upTo ?? 0n
  const { rows } = await client.query<Beside & { total: bigint }>(
    `with sealed as (
       select id, count(*) as times
         from (select unnest(b.payments) as id from blocks b where b.book = $1
               union all
               select e.object_id from events e
                where e.book = $1 and e.txid > $3::xid8 and ($4::xid8 is null or e.txid < $4::xid8) and e.type = any($2)
              ) place
        group by id
     ), beside as (
       select 'payment' as what, p.id, coalesce(p.completed_at, p.updated_at) as at, null::xid8 as txid
         from payments p
         left join sealed f on f.id = p.id
        where p.book = $1 and coalesce(f.times, 0) <> case when p.status in ('initiated', 'pending') then 0 else 1 end
       union all
       select 'posting', s.payment_id, s.created_at, null
         from postings s
         left join sealed f on f.id = s.payment_id
         left join payments p on p.book = s.book and p.id = s.payment_id
        where s.book = $1 and (f.times is null or p.id is null)
       union all
       select 'line', a.id, a.created_at, a.txid
         from audit_log a
        where a.book = $1 and a.txid >= $4::xid8
     )
     select what, id, txid::text, count(*) over () as total,
            (select b.number from blocks b where b.book = $1 and b.last_at >= at order by b.last_at, b.number limit 1) as block
       from beside
      limit 20`,
    [book, FINAL_EVENTS, String(upTo), await readFirstToCome(client, upTo)],
  )
  for (const { what, id, txid, block } of rows) {
    const place = block === null ? 'behind the last block' : `in block ${block} by its time`
    if (what === 'line') {
      tell(`the line ${id} of the audit log is of transaction ${txid}, which has not begun (${place}): it was added`)
      continue
    }
    const payment = encodeId('pay', id as PaymentId)
    const name = what === 'payment' ? payment : `a posting of ${payment}`
    tell(`${name} was not sealed when it became final (${place}): it was changed or added`)
  }
  const more = (rows[0]?.total ?? 0n) - BigInt(rows.length)
  if (more > 0n) tell(`and ${more} more that were not sealed`)
}

/**
 * The first transaction that has not begun: what says that it is of it, or of a later one, would wait for its block for
 * good. Null where the database counts transactions anew, behind those that are sealed: of it that cannot be told.
 */
async function readFirstToCome(client: Client, upTo: bigint): Promise<string | null> {
  const { rows } = await client.query<{ first: bigint }>(
    'select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as first',
  )
  const first = rows[0]?.first ?? 0n
  return first > upTo ? String(first) : null
}
