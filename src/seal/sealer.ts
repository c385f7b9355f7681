import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { NOW } from '../database/clock.ts'
import { type Client, inTransaction, type Pool, type Queryable, together } from '../database/connection.ts'
import { throwWorst, tryEach } from '../database/each_book.ts'
import { isUniqueViolation } from '../database/faults.ts'
import { formatInstant, parseInstant } from '../database/instant.ts'
import { type Lookout, roundsWhere } from '../database/lookout.ts'
import type { Rounds } from '../database/rounds.ts'
import type { BookId, Instant } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { type BlockContent, hashOf, headerOf, insertBlock, readHead } from './block.ts'
import { FINAL_EVENTS, leavesOf, type Range, readEntries, readFinals } from './entries.ts'
import type { SealKey } from './keys.ts'
import { FORMAT } from './leaves.ts'
import { rootOf } from './merkle.ts'

/** Seals what was committed, on any number of nodes at once: whichever comes first. */
export type Sealer = Pick<Rounds, 'stop'>

type Options = { readonly pool: Pool; readonly lookout: Lookout; readonly key: SealKey; readonly log: Log }

/** Of a block, unless one transaction alone has more: small enough that nobody waits while they are hashed. */
const MOST_ENTRIES = 250
/** How much longer than it took to make blocks it is rested behind them. */
const RESTS = 3
/** In microseconds: where what is sealed is older, there is too much of it for rests. */
const LATE = 2_000_000n
/** After so long it is looked again which books have something to be sealed. */
const LONGEST_ROUND_MS = 1_000
/** The first half of the advisory locks that keep nodes from doing the same work; the book is the other. */
const LOCK = 0x5ea1

/** Seals what is committed and in no block, at most as often as is looked for it: a round that fails is tried again. */
export function createSealer({ pool, lookout, key, log }: Options): Sealer {
  const stopping = new AbortController()

  /** A block of each book in turn, with rests: while a block is made, payments take longer. */
  async function sealAll(): Promise<number> {
    const { rows } = await pool.query<{ book: BookId }>(BOOKS_OF_A_ROUND)
    const books = new Set(rows.map(({ book }) => book))
    const endsAt = performance.now() + LONGEST_ROUND_MS
    const faults: unknown[] = []
    while (books.size > 0 && performance.now() < endsAt && !stopping.signal.aborted) {
      const began = performance.now()
      let isLate = false
      await tryEach(
        books,
        async (book) => {
          const age = await sealOne(pool, book, key, log)
          if (age === undefined) books.delete(book)
          else isLate ||= age > LATE
        },
        (error, book) => {
          // It is tried again in the next round, and the others go on in this one.
          faults.push(error)
          books.delete(book)
        },
      )
      if (isLate || books.size === 0) continue
      const rest = RESTS * (performance.now() - began)
      await delay(rest, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    throwWorst(faults)
    // Where all of it is sealed, what is committed behind it waits for the next look, so that blocks are few.
    return books.size
  }

  const rounds = roundsWhere(lookout, {
    books: BOOKS_WITH_WORK,
    round: sealAll,
    log,
    fault: 'blocks could not be sealed',
  })

  async function stop(): Promise<void> {
    stopping.abort()
    await rounds.stop()
  }
  return { stop }
}

const FINAL_TYPES = FINAL_EVENTS.map((type) => `'${type}'`).join(', ')

const BOOKS_WITH_WORK = `
  select k.book
    from books k
   cross join lateral (select coalesce((select b.up_to_txid from blocks b where b.book = k.book
                                         order by b.number desc limit 1), '0'::xid8) as txid) sealed
   where exists (select from events e where e.book = k.book and e.txid > sealed.txid and e.type in (${FINAL_TYPES}))
      or exists (select from audit_log a where a.book = k.book and a.txid > sealed.txid)`

/** Those, and those whose transactions are counted anew: nothing of them is above what is sealed, and `seal` says so. */
const BOOKS_OF_A_ROUND = `${BOOKS_WITH_WORK}
      or sealed.txid >= pg_snapshot_xmin(pg_current_snapshot())
   order by k.book`

/**
 * Seals one block of the book, if there is something for it. Where there may be more, says how long ago the last of it was
 * written, in microseconds.
 */
async function sealOne(pool: Pool, book: BookId, key: SealKey, log: Log): Promise<bigint | undefined> {
  try {
    return await inTransaction(pool, (client) => seal(client, book, key, log))
  } catch (error) {
    // The number of the block is what decides between nodes; the lock only saves work.
    if (isUniqueViolation(error)) return undefined
    throw error
  }
}

async function seal(client: Client, book: BookId, key: SealKey, log: Log): Promise<bigint | undefined> {
  const beginning = beginSeal(client, book)
  const finding = readHead(client, book)
  await together([beginning, finding])
  const { mine, barrier, now } = await beginning
  if (!mine) return undefined
  const head = await finding
  const after = head?.upTo ?? 0n
  // Every transaction below the barrier has ended, and none can come back: nothing slips in behind a block.
  const ended = barrier - 1n
  if (ended < after) {
    log.error({ book, after: String(after), ended: String(ended) }, 'the database counts transactions anew')
    return undefined
  }
  const upTo = await endOf(client, book, { after, upTo: ended })
  const payments = await readFinals(client, book, { after, upTo })
  const entries = await readEntries(client, book, payments, { after, upTo }, true)
  if (entries.length === 0) return undefined
  const times = entries.map(({ at }) => at).sort()
  const salt = randomBytes(32)
  const leaves = leavesOf(entries, salt)
  const sealedAt = formatInstant(now)
  const content = {
    book,
    number: (head?.number ?? 0n) + 1n,
    format: FORMAT,
    previous: head?.hash ?? null,
    upTo,
    payments,
    leaves: leaves.length,
    root: rootOf(leaves),
    firstAt: times[0] ?? sealedAt,
    lastAt: times.at(-1) ?? sealedAt,
    keyId: key.id,
    sealedAt,
  }
  await insertSigned(client, content, salt, key)
  return upTo < ended ? now - (parseInstant(content.lastAt) ?? now) : undefined
}

type BeginRow = { mine: boolean; barrier: bigint; now: Instant }

/** Takes the turn of a book, where no other node has it, and says up to where transactions have ended. */
async function beginSeal(client: Queryable, book: BookId): Promise<BeginRow> {
  const { rows } = await client.query<BeginRow>({
    name: 'begin-seal',
    text: `
      select pg_try_advisory_xact_lock($1, $2) as mine,
             pg_snapshot_xmin(pg_current_snapshot())::text::bigint as barrier,
             ${NOW}`,
    values: [LOCK, book],
  })
  if (!rows[0]) throw new Error('the database has no snapshot')
  return rows[0]
}

async function insertSigned(client: Queryable, content: BlockContent, salt: Buffer, key: SealKey): Promise<void> {
  const header = headerOf(content)
  await together([
    client.query({
      name: 'tell-seal-key',
      text: `
        insert into seal_keys (book, id, public_key, first_block, created_at) values ($1, $2, $3, $4, $5)
            on conflict (book, id) do nothing`,
      values: [content.book, key.id, key.publicKey, content.number, content.sealedAt],
    }),
    insertBlock(client, { ...content, salt, hash: hashOf(header), signature: key.sign(header) }),
  ])
}

/** Where a block of bounded size ends: behind the last transaction that it holds whole. */
async function endOf(client: Queryable, book: BookId, { after, upTo }: Range): Promise<bigint> {
  const { rows } = await client.query<{ first: string | null; beyond: string | null }>({
    name: 'end-of-block',
    text: `
      select (array_agg(txid order by txid))[1]::text as first, (array_agg(txid order by txid))[$5 + 1]::text as beyond
        from ((select e.txid from events e
                where e.book = $1 and e.txid > $2::xid8 and e.txid <= $3::xid8 and e.type = any($4)
                order by e.txid, e.id limit $5 + 1)
              union all
              (select a.txid from audit_log a
                where a.book = $1 and a.txid > $2::xid8 and a.txid <= $3::xid8
                order by a.txid, a.id limit $5 + 1)) next`,
    values: [book, String(after), String(upTo), FINAL_EVENTS, MOST_ENTRIES],
  })
  const [{ first, beyond } = { first: null, beyond: null }] = rows
  if (first === null || beyond === null) return upTo
  const last = BigInt(beyond) - 1n
  return last >= BigInt(first) ? last : BigInt(first)
}
