import type { Directory } from '../accounts/directory.ts'
import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import type { Client } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { AccountId, ApprovalId, BookId, Instant, UserId } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import { type Adjustment, type AdjustmentDirection, adjustmentRequest } from './adjustment.ts'
import { postRequest } from './batch.ts'
import type { Intake } from './intake.ts'
import type { Payment } from './payment.ts'

// Adjustments above a sum (BGW_APPROVAL_ABOVE): one operator asks, another decides, once.

export type DecisionRefusal = 'not_found' | 'not_yourself' | 'approval_decided' | 'approval_expired'

const MICROSECONDS_AN_HOUR = 3_600_000_000n

/** Keeps an adjustment until another operator decides, in the caller's transaction; audited. */
export async function requestApproval(
  client: Client,
  { account, amount, direction, reason }: Adjustment,
  requestedBy: UserId,
  actor: Actor,
  hours: number,
): Promise<ApprovalId> {
  const at = await readClock(client)
  const newId = idsAt(at)
  const id: ApprovalId = newId<'approval'>()
  const { book, currency } = account
  const expiresAt = formatInstant((at + BigInt(hours) * MICROSECONDS_AN_HOUR) as Instant)
  await client.query(
    `insert into approvals (book, id, account_id, direction, currency, amount, reason, requested_by, expires_at, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [book, id, account.id, direction, currency.code, amount, reason, requestedBy, expiresAt, formatInstant(at)],
  )
  const detail = {
    account_id: encodeId('acc', account.id),
    amount: formatAmount(amount, currency),
    currency: currency.code,
    direction,
    reason,
  }
  await writeAudit(client, book, at, newId, [{ actor, action: 'approval.request', objectId: id, detail }])
  return id
}

type Row = {
  account_id: AccountId
  direction: AdjustmentDirection
  amount: bigint
  reason: string
  requested_by: UserId
  status: string
  over: boolean
}

type Decision = { readonly book: BookId; readonly id: ApprovalId; readonly by: UserId; readonly actor: Actor }

/**
 * Posts what another operator asked for, in the caller's transaction: once, however many approve at the same moment. The
 * payment may be declined, and then so it stays.
 */
export async function approve(
  client: Client,
  { directory, intake }: { readonly directory: Directory; readonly intake: Intake },
  decision: Decision,
): Promise<Payment | DecisionRefusal> {
  const { book, id, by, actor } = decision
  const row = await lockUndecided(client, decision)
  if (typeof row === 'string') return row
  const account = await directory.find(book, row.account_id, client)
  if (!account) throw new Error(`account ${row.account_id} has gone`)
  const { amount, direction, reason } = row
  const detail = {
    approval: encodeId('apr', id),
    requested_by: encodeId('usr', row.requested_by),
    amount: formatAmount(amount, account.currency),
    direction,
    reason,
  }
  const request = await adjustmentRequest(
    intake,
    { account, amount, direction, reason },
    {
      madeBy: row.requested_by,
      key: null,
      audit: { actor, action: 'adjustment.approve', objectId: null, detail },
    },
    client,
  )
  const payment = await postRequest(client, request)
  await client.query(
    `update approvals set status = 'approved', decided_by = $3, decided_at = $4, payment_id = $5
      where book = $1 and id = $2`,
    [book, id, by, payment.updatedAt, payment.id],
  )
  return payment
}

/** Turns it down, in the caller's transaction; undefined where that was done. */
export async function reject(client: Client, decision: Decision, reason: string): Promise<DecisionRefusal | undefined> {
  const { book, id, by, actor } = decision
  const row = await lockUndecided(client, decision)
  if (typeof row === 'string') return row
  const at = await readClock(client)
  await client.query(
    `update approvals set status = 'rejected', decided_by = $3, decided_at = $4 where book = $1 and id = $2`,
    [book, id, by, formatInstant(at)],
  )
  const detail = { reason, requested_by: encodeId('usr', row.requested_by) }
  await writeAudit(client, book, at, idsAt(at), [{ actor, action: 'approval.reject', objectId: id, detail }])
  return undefined
}

async function lockUndecided(client: Client, { book, id, by }: Decision): Promise<Row | DecisionRefusal> {
  const { rows } = await client.query<Row>(
    `select account_id, direction, amount, reason, requested_by, status, expires_at <= clock_timestamp() as over
       from approvals where book = $1 and id = $2 for update`,
    [book, id],
  )
  const [row] = rows
  if (!row) return 'not_found'
  if (row.status !== 'pending') return 'approval_decided'
  if (row.requested_by === by) return 'not_yourself'
  return row.over ? 'approval_expired' : row
}
