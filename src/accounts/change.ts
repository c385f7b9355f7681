import { type AuditEntry, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { writeEvents } from '../events/write.ts'
import type { AccountStatus } from '../ledger/account.ts'
import type { AccountId, BookId, Instant } from '../ledger/id.ts'
import { type AccountState, readAccount } from './account.ts'

/** What may become of an account: a new name or metadata, or another status. */
export type AccountChange = {
  readonly name?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly status?: AccountStatus
}

/** Why an account stays as it is. */
export type ChangeRefusal = 'account_closed' | 'balance_not_zero'
export type Changed =
  | { readonly ok: true; readonly account: AccountState }
  | { readonly ok: false; readonly refusal: ChangeRefusal }

const EVENT: Record<AccountStatus, string> = {
  active: 'account.unfrozen',
  frozen: 'account.frozen',
  closed: 'account.closed',
}

/**
 * Changes an account under its lock, so that no payment is posted in between: it closes only at zero, and closed is for
 * good. Undefined where the book has no user's account of that id. Asking for the status that it has changes nothing.
 */
export async function changeAccount(
  pool: Pool,
  book: BookId,
  id: AccountId,
  change: AccountChange,
  audit: AuditEntry | null,
): Promise<Changed | undefined> {
  return inTransaction(pool, async (client) => {
    await client.query('select from accounts where book = $1 and id = $2 for no key update', [book, id])
    const account = await readAccount(client, book, id)
    if (!account?.userId) return undefined
    if (change.status === account.status && !change.name && !change.metadata) return { ok: true, account }
    if (account.status === 'closed') return { ok: false, refusal: 'account_closed' }
    if (change.status === 'closed' && (account.balance !== 0n || account.held !== 0n)) {
      return { ok: false, refusal: 'balance_not_zero' }
    }
    const at = await readClock(client)
    const changed: AccountState = { ...account, ...change, updatedAt: formatInstant(at) }
    await writeChange(client, book, at, account, changed, audit)
    return { ok: true, account: changed }
  })
}

/** Writes the change with its event and audit line. The caller has locked the account and found nothing against it. */
export async function writeChange(
  client: Client,
  book: BookId,
  at: Instant,
  before: AccountState,
  after: AccountState,
  audit: AuditEntry | null,
): Promise<void> {
  const newId = idsAt(at)
  await client.query(
    'update accounts set name = $3, metadata = $4, status = $5, updated_at = greatest(updated_at, $6) where book = $1 and id = $2',
    [book, after.id, after.name, JSON.stringify(after.metadata), after.status, after.updatedAt],
  )
  if (after.status !== before.status) {
    const { name, metadata, balance, held, overdraftLimit } = after
    const state = { name, metadata, balance, held, overdraftLimit }
    await writeEvents(client, book, at, newId, [{ type: EVENT[after.status], objectId: after.id, state }])
  }
  if (audit) {
    const detail = { ...audit.detail, before: before.status, after: after.status }
    await writeAudit(client, book, at, newId, [{ ...audit, objectId: after.id, detail }])
  }
}
