import { type AuditEntry, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { storedMetadata } from '../database/personal_fields.ts'
import { writeEvents } from '../events/write.ts'
import { type AccountStatus, available, type Freeze } from '../ledger/account.ts'
import type { AccountId, BookId, Instant } from '../ledger/id.ts'
import { formatAmount } from '../money/amount.ts'
import { type AccountState, readAccount } from './account.ts'
import { takeAccountsTurn } from './turn.ts'

/** What may become of an account. */
export type AccountChange = {
  readonly name?: string
  readonly metadata?: Readonly<Record<string, string>>
  /** By itself, whatever there is with its user; null lets it move again. */
  readonly frozenItself?: Freeze | null
  readonly overdraftLimit?: bigint
  readonly closed?: true
}

/** Why an account stays as it is. */
export type ChangeRefusal = 'account_closed' | 'account_frozen' | 'balance_not_zero' | 'overdraft_in_use'
export type Changed =
  | { readonly ok: true; readonly account: AccountState }
  | { readonly ok: false; readonly refusal: ChangeRefusal }

const EVENT: Record<AccountStatus, string> = {
  active: 'account.unfrozen',
  frozen: 'account.frozen',
  closed: 'account.closed',
}

/**
 * Changes an account under its lock, so that no payment is posted in between: it closes only at zero and unfrozen, and
 * closed is for good. Undefined where the book has no user's account of that id. Asking for what it is changes nothing.
 */
export async function changeAccount(
  pool: Pool,
  book: BookId,
  id: AccountId,
  change: AccountChange,
  audit: AuditEntry | null,
): Promise<Changed | undefined> {
  return inTransaction(pool, async (client) => {
    // An account keeps its user.
    const userId = (await readAccount(client, book, id))?.userId
    if (!userId) return undefined
    await takeAccountsTurn(client, book, userId)
    await client.query('select from accounts where book = $1 and id = $2 for no key update', [book, id])
    const account = await readAccount(client, book, id)
    if (!account) throw new Error('a locked account is there')
    const { closed, ...more } = change
    if (account.status === 'closed' && !closed) return { ok: false, refusal: 'account_closed' }
    const at = await readClock(client)
    const changed = withStatus({ ...account, ...more, updatedAt: formatInstant(at) }, closed)
    if (isSame(account, changed)) return { ok: true, account }
    const refusal = refuseChange(account, changed)
    if (refusal) return { ok: false, refusal }
    await writeChange(client, book, at, account, changed, audit)
    return { ok: true, account: changed }
  })
}

/** The account with the status that its freezes come to, or closed. */
function withStatus(account: AccountState, closed?: true): AccountState {
  const freezes = [account.frozenItself, account.frozenWithUser]
  const isClosed = closed || account.status === 'closed'
  const status = isClosed ? 'closed' : freezes.some((freeze) => freeze !== null) ? 'frozen' : 'active'
  return { ...account, status, refuseIncoming: freezes.includes('all') }
}

function isSame(before: AccountState, { updatedAt: _, ...after }: AccountState): boolean {
  return Object.entries(after).every(([name, value]) => before[name as keyof AccountState] === value)
}

function refuseChange(account: AccountState, changed: AccountState): ChangeRefusal | undefined {
  if (changed.status === 'closed') {
    if (account.status === 'frozen') return 'account_frozen'
    return account.balance !== 0n || account.held !== 0n ? 'balance_not_zero' : undefined
  }
  return available(changed) < 0n ? 'overdraft_in_use' : undefined
}

/**
 * Changes an account with its user, whose audit line tells of it. The caller has taken the turn of the user's accounts,
 * locked this one and found nothing against it.
 */
export async function changeWithUser(
  client: Client,
  book: BookId,
  at: Instant,
  id: AccountId,
  { closed, ...more }: Pick<AccountChange, 'closed'> & { readonly frozenWithUser?: Freeze | null },
): Promise<void> {
  const account = await readAccount(client, book, id)
  if (!account) throw new Error('a locked account is there')
  const changed = withStatus({ ...account, ...more, updatedAt: formatInstant(at) }, closed)
  await writeChange(client, book, at, account, changed, null)
}

/** Writes the change with its event and audit line. The caller has locked the account and found nothing against it. */
async function writeChange(
  client: Client,
  book: BookId,
  at: Instant,
  before: AccountState,
  after: AccountState,
  audit: AuditEntry | null,
): Promise<void> {
  const newId = idsAt(at)
  const { name, metadata, balance, held, overdraftLimit, refuseIncoming } = after
  await client.query(
    `update accounts
        set name = stored_text(book, user_id, $3), metadata = ${storedMetadata('book', 'user_id', '$4::jsonb')},
            status = $5, frozen_itself = $6, frozen_with_user = $7, refuse_incoming = $8, overdraft_limit = $9,
            updated_at = greatest(updated_at, $10)
      where book = $1 and id = $2`,
    [
      ...[book, after.id, name, JSON.stringify(metadata), after.status, after.frozenItself, after.frozenWithUser],
      ...[refuseIncoming, overdraftLimit, after.updatedAt],
    ],
  )
  if (after.status !== before.status || refuseIncoming !== before.refuseIncoming) {
    const state = { balance, held, overdraftLimit, refuseIncoming }
    await writeEvents(client, book, at, newId, [
      { type: EVENT[after.status], objectId: after.id, viewers: [after.userId], state, texts: { name, metadata } },
    ])
  }
  if (audit) {
    const detail = { ...audit.detail, before: auditedOf(before), after: auditedOf(after) }
    await writeAudit(client, book, at, newId, [{ ...audit, objectId: after.id, detail }])
  }
}

/** What operators change of an account. */
function auditedOf({ status, refuseIncoming, overdraftLimit, currency }: AccountState) {
  return { status, refuse_incoming: refuseIncoming, overdraft_limit: formatAmount(overdraftLimit, currency) }
}
