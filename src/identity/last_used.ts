import type { Pool } from '../database/connection.ts'
import type { BookId, TokenId } from '../ledger/id.ts'

const WRITE_EVERY_MS = 5_000

/** Writes down when tokens were last used: a few seconds late, and not once for each request. */
export function createLastUsed(pool: Pool) {
  const used = new Map<TokenId, BookId>()

  async function write(): Promise<void> {
    const tokens = [...used]
    used.clear()
    for (const book of new Set(tokens.map(([, of]) => of))) {
      const ids = tokens.filter(([, of]) => of === book).map(([id]) => id)
      await pool.query('update tokens set last_used_at = clock_timestamp() where book = $1 and id = any($2)', [
        book,
        ids,
      ])
    }
  }

  // Where the database is away, the next use of the token is written instead.
  const timer = setInterval(() => void write().catch(() => undefined), WRITE_EVERY_MS)
  timer.unref()

  async function stop(): Promise<void> {
    clearInterval(timer)
    await write().catch(() => undefined)
  }

  return { note: ({ tokenId, home }: { tokenId: TokenId; home: BookId }) => void used.set(tokenId, home), stop }
}
