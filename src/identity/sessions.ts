import type { Books } from '../books/books.ts'
import { NOW } from '../database/clock.ts'
import type { Pool, Queryable } from '../database/connection.ts'
import { isPoolExhausted } from '../database/faults.ts'
import type { BookId, TokenId, UserId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import { createLastUsed } from './last_used.ts'
import { type Role, type Scope, scopesIn } from './roles.ts'
import { bookOfToken, hashSecret } from './secrets.ts'

/** Who a request comes from: what its token says. */
export type Session = {
  readonly tokenId: TokenId
  /** The book of the user and the token. */
  readonly home: BookId
  readonly homeName: string
  /** The book that is acted in: the home, unless an operator of all books names another. */
  readonly book: BookId
  readonly userId: UserId
  readonly role: Role
  readonly allBooks: boolean
  readonly confirmed: boolean
  /** A frozen user may read, and move nothing. */
  readonly frozen: boolean
  readonly scopes: ReadonlySet<Scope>
}

/** A token as the database knows it: the book's name, and its hash in hex. */
export type StoredToken = { readonly bookName: string; readonly hash: string }

/** What else a node keeps of users, and is to let go of where it may be another by now. */
type Elsewhere = {
  readonly forgetUser: (book: BookId, userId: UserId) => void
  readonly forgetAll: () => void
}

/** A user who changed; nulls where nobody did. */
type Change = { book: BookId; user_id: UserId; changed_at: string } | { book: null; user_id: null; changed_at: null }
/** With each of them, the database's clock and when its server started, by which a server is told from another. */
type Look = Change & { now: bigint; server: string }
/** `expiresAt` is in milliseconds since 1970, by the database's clock. */
type Kept = { readonly session: Session; readonly expiresAt: number }

const LOOK_EVERY_MS = 300
/** A kept session counts only while changes have been looked for this lately: a revoked token dies within a second. */
const FRESH_FOR_MS = 900
/** Changes are looked for this far back: far beyond the longest transaction that could commit one late. */
const LOOK_BACK = '60 seconds'
/** After a longer time without a look, as where the database was out of reach, changes may lie further back than that. */
const MISSED_AFTER_MS = 30_000
const MOST_KEPT = 50_000

/**
 * Checks tokens. A known one costs no query: sessions are kept, and a few times a second each node drops those whose
 * user changed on any node, here and `elsewhere`. Where the database cannot be asked, nothing kept is trusted.
 *
 * @param now milliseconds of a clock that never goes back
 */
export function createSessions(
  pool: Pool,
  books: Books,
  log: Log,
  elsewhere: Elsewhere,
  now = () => performance.now(),
) {
  const kept = createKept()
  const lastUsed = createLastUsed(pool)
  const applied = new Set<string>()
  let lookedAt = now()
  let lookedAtThere = 0n
  let lookedAtServer: string | undefined
  let freshUntil = 0
  let wasCutOff = false

  /** The database's clock by now, or a little later, as the last look found it: that of this machine may be off. */
  const nowThere = () => Number(lookedAtThere) / 1_000 + now() - lookedAt

  /** Drops what this node keeps of a user. */
  function forget(book: BookId, userId: UserId): void {
    kept.forget(book, userId)
    elsewhere.forgetUser(book, userId)
  }

  function forgetAll(): void {
    kept.forgetAll()
    elsewhere.forgetAll()
  }

  async function look(): Promise<void> {
    const started = now()
    const { rows } = await readChanges(pool).catch((error: unknown) => {
      wasCutOff ||= !isPoolExhausted(error)
      throw error
    })
    const there = rows[0]?.now ?? 0n
    // A machine that was suspended has a clock that stood still with it, and the database has not.
    const missed = Math.max(started - lookedAt, Number(there - lookedAtThere) / 1_000)
    const server = rows[0]?.server
    // Another database may have taken over meanwhile, without what was committed last and is kept here. No look need have
    // failed for that: this process may have stood still, or had its look under way.
    if (wasCutOff || server !== lookedAtServer || missed > MISSED_AFTER_MS) forgetAll()
    wasCutOff = false
    lookedAt = started
    lookedAtThere = there
    lookedAtServer = server
    const current = new Set<string>()
    for (const { book, user_id: userId, changed_at: changedAt } of rows) {
      if (book === null) continue
      const change = `${book}/${userId}/${changedAt}`
      current.add(change)
      if (!applied.has(change)) forget(book, userId)
    }
    applied.clear()
    for (const change of current) applied.add(change)
    freshUntil = started + FRESH_FOR_MS
  }

  let looking: Promise<void> | undefined

  /** One look at a time, which all wait for who need one. */
  function lookOnce(): Promise<void> {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }

  const timer = setInterval(() => {
    lookOnce().catch((error: unknown) => log.debug({ err: error }, 'could not look for changed sessions'))
  }, LOOK_EVERY_MS)
  timer.unref()

  /** The session of a token; undefined where it is unknown, revoked or expired. Throws where it cannot be known. */
  async function find(token: string): Promise<Session | undefined> {
    // Checked first: what is kept of a stored token has a name that is no token.
    const bookName = bookOfToken(token)
    return bookName === undefined ? undefined : lookUp(token, bookName, () => hashSecret(token))
  }

  /** The same by what is stored of the token. That is a name of ours for it, and never what a caller may present. */
  async function findStored({ bookName, hash }: StoredToken): Promise<Session | undefined> {
    return lookUp(`${bookName} ${hash}`, bookName, () => Buffer.from(hash, 'hex'))
  }

  async function lookUp(name: string, bookName: string, hash: () => Buffer): Promise<Session | undefined> {
    const asked = now()
    // Looks come late where all answers of the database do: then one is waited for by all, in place of one for each.
    while (asked >= freshUntil && kept.find(name)) await lookOnce()
    const known = kept.find(name)
    // `nowThere` is ahead for as long as the last look was on its way: where it says expired, the database is asked.
    if (known && known.expiresAt > nowThere()) {
      lastUsed.note(known.session)
      return known.session
    }
    const book = await books.find(bookName)
    if (!book) return undefined
    const before = kept.forgotten()
    const loaded = await load(pool, hash(), book.id, book.name)
    if (!loaded) return undefined
    // What was read while somebody's sessions were dropped may be older than that change: use it once, do not keep it.
    if (kept.forgotten() === before) kept.keep(name, loaded)
    lastUsed.note(loaded.session)
    return loaded.session
  }

  async function stop(): Promise<void> {
    clearInterval(timer)
    await lastUsed.stop()
  }

  return { find, findStored, forget, stop }
}
export type Sessions = ReturnType<typeof createSessions>

function readChanges(pool: Pool) {
  return pool.query<Look>({
    name: 'session-changes',
    text: `
      select c.book, c.user_id, c.changed_at, pg_postmaster_start_time()::text as server, ${NOW}
        from (values (true)) one
        left join session_changes c on c.changed_at > clock_timestamp() - interval '${LOOK_BACK}'`,
  })
}

/** Sessions by token, at most so many; and which tokens a user has among them. */
function createKept() {
  const sessions = new Map<string, Kept>()
  const tokensOf = new Map<string, string[]>()
  const userKey = (book: BookId, userId: UserId) => `${book}/${userId}`
  let forgotten = 0

  function keep(token: string, loaded: Kept): void {
    const [oldest] = sessions
    if (oldest && sessions.size >= MOST_KEPT) drop(...oldest)
    if (!sessions.has(token)) {
      const user = userKey(loaded.session.home, loaded.session.userId)
      const tokens = tokensOf.get(user)
      if (tokens) tokens.push(token)
      else tokensOf.set(user, [token])
    }
    sessions.set(token, loaded)
  }

  function drop(token: string, { session }: Kept): void {
    sessions.delete(token)
    const user = userKey(session.home, session.userId)
    const left = (tokensOf.get(user) ?? []).filter((other) => other !== token)
    if (left.length > 0) tokensOf.set(user, left)
    else tokensOf.delete(user)
  }

  function forget(book: BookId, userId: UserId): void {
    forgotten += 1
    const user = userKey(book, userId)
    for (const token of tokensOf.get(user) ?? []) sessions.delete(token)
    tokensOf.delete(user)
  }

  function forgetAll(): void {
    forgotten += 1
    sessions.clear()
    tokensOf.clear()
  }

  return { find: (token: string) => sessions.get(token), keep, forget, forgetAll, forgotten: () => forgotten }
}

async function load(pool: Pool, hash: Buffer, book: BookId, bookName: string): Promise<Kept | undefined> {
  const { rows } = await pool.query({
    name: 'session',
    text: `
      select t.id, t.scopes, t.expires_at, u.id as user_id, u.role, u.all_books, u.confirmed_at, u.frozen
        from tokens t
        join users u on u.book = t.book and u.id = t.user_id
       where t.book = $1 and t.hash = $2 and t.revoked_at is null and u.closed_at is null
         and (t.expires_at is null or t.expires_at > clock_timestamp())`,
    values: [book, hash],
  })
  const row = rows[0]
  if (!row) return undefined
  const session: Session = {
    tokenId: row.id,
    home: book,
    homeName: bookName,
    book,
    userId: row.user_id,
    role: row.role,
    allBooks: row.all_books,
    confirmed: row.confirmed_at !== null,
    frozen: row.frozen !== null,
    scopes: scopesIn(row.role, row.scopes, row.frozen !== null),
  }
  return { session, expiresAt: row.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(row.expires_at) }
}

/** Makes every node forget what it keeps of a user, within a second of the commit of this transaction. */
export async function announceSessionChange(client: Queryable, book: BookId, userId: UserId): Promise<void> {
  const announce = () =>
    client.query('insert into session_changes (book, user_id) values ($1, $2) on conflict do nothing', [book, userId])
  // Of two in one tick of the clock the later one waits for the next: what nodes took up for the first is not heeded again.
  while ((await announce()).rowCount === 0) {}
  await client.query(
    `delete from session_changes where book = $1 and changed_at < clock_timestamp() - interval '1 hour'`,
    [book],
  )
}
