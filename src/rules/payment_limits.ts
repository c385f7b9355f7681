import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import type { Client, Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { AccountId, BookId, LimitId, UserId } from '../ledger/id.ts'
import type { Cap } from '../ledger/meters.ts'
import { encodeId } from '../ledger/typeid.ts'
import { formatAmount } from '../money/amount.ts'
import type { Currency } from '../money/currency.ts'
import { bumpRules, lockRules } from './version.ts'

/** The kinds of payments that can be limited: those that users ask for. */
export const LIMITED_KINDS = ['transfer', 'conversion', 'deposit', 'withdrawal'] as const
export type LimitedKind = (typeof LIMITED_KINDS)[number]

/** What a limit is for: one payment, or all of the 24 hours or 30 days before it. */
export const SPANS = ['payment', 'day', 'month'] as const
export type Span = (typeof SPANS)[number]

/** Whose payments count together: those of a user's accounts in the currency, or of one account. */
export const PER = ['user', 'account'] as const
export type Per = (typeof PER)[number]

/** Whom a limit is for: everybody, or in place of that one a user or an account. */
export type LimitFor =
  | { readonly per: 'user'; readonly userId: UserId | null; readonly accountId: null }
  | { readonly per: 'account'; readonly userId: null; readonly accountId: AccountId | null }

/** What a limit is of. There is one at most for the same. */
export type Limited = LimitFor & { readonly kind: LimitedKind; readonly currency: Currency; readonly span: Span }

/** A limit as it is set; one without any cap lifts the one for everybody. */
export type Limit = Limited & {
  readonly id: LimitId
  readonly cap: Cap
  readonly madeBy: UserId | null
  readonly createdAt: string
  readonly updatedAt: string
}

export type LimitRow = {
  id: LimitId
  per: Per
  user_id: UserId | null
  account_id: AccountId | null
  kind: LimitedKind
  currency: string
  digits: number
  span: Span
  count: bigint | null
  sum: bigint | null
  made_by: UserId | null
  created_at: string
  updated_at: string
}

/** The columns of a LimitRow of `payment_limits l` and its `currencies c`. */
export const LIMIT_COLUMNS = `
  l.id, l.per, l.user_id, l.account_id, l.kind, l.currency, c.digits, l.span, l.count, l.sum, l.made_by, l.created_at,
  l.updated_at`

export function toLimit(row: LimitRow): Limit {
  const { per, user_id: userId, account_id: accountId } = row
  // The check of the table: a limit per user names no account, one per account no user.
  const whom = { per, userId, accountId } as LimitFor
  return {
    ...whom,
    id: row.id,
    kind: row.kind,
    currency: { code: row.currency, digits: row.digits },
    span: row.span,
    cap: { count: row.count, sum: row.sum },
    madeBy: row.made_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** Sets a limit, in place of the one that is there for the same, in the caller's transaction. Audited. */
export async function setLimit(client: Client, book: BookId, of: Limited, cap: Cap, actor: Actor): Promise<Limit> {
  await bumpRules(client, book)
  const now = await readClock(client)
  const newId = idsAt(now)
  const before = await readLimitFor(client, book, of)
  const { rows } = await client.query<LimitRow>(
    `with l as (
       insert into payment_limits (book, id, per, user_id, account_id, kind, currency, span, count, sum, made_by,
                                   created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
           on conflict on constraint payment_limits_once
           do update set count = excluded.count, sum = excluded.sum, made_by = excluded.made_by,
                         updated_at = excluded.updated_at
       returning *
     )
     select ${LIMIT_COLUMNS} from l join currencies c on c.book = l.book and c.code = l.currency`,
    [
      ...[book, newId<'limit'>(), of.per, of.userId, of.accountId, of.kind, of.currency.code, of.span],
      ...[cap.count, cap.sum, actor.userId, formatInstant(now)],
    ],
  )
  if (!rows[0]) throw new Error('a limit that was set is there')
  const limit = toLimit(rows[0])
  const detail = { ...detailOf(limit), before: before && capOf(before) }
  await writeAudit(client, book, now, newId, [{ actor, action: 'limit.set', objectId: limit.id, detail }])
  return limit
}

/** The limit that is there for the same. Whoever changes one has the book's rules locked. Index: payment_limits_once. */
async function readLimitFor(client: Client, book: BookId, of: Limited): Promise<Limit | null> {
  const { rows } = await client.query<LimitRow>(
    `${LIMITS} and l.user_id is not distinct from $2 and l.account_id is not distinct from $3
        and l.per = $4 and l.kind = $5 and l.currency = $6 and l.span = $7`,
    [book, of.userId, of.accountId, of.per, of.kind, of.currency.code, of.span],
  )
  return rows[0] ? toLimit(rows[0]) : null
}

/** Takes a limit away, in the caller's transaction. Audited. False where the book has none of that id. */
export async function removeLimit(client: Client, book: BookId, id: LimitId, actor: Actor): Promise<boolean> {
  await lockRules(client, book)
  const { rows } = await client.query<LimitRow>(
    `with gone as (delete from payment_limits where book = $1 and id = $2 returning *)
     select ${LIMIT_COLUMNS} from gone l join currencies c on c.book = l.book and c.code = l.currency`,
    [book, id],
  )
  if (!rows[0]) return false
  await bumpRules(client, book)
  const now = await readClock(client)
  const entry = { actor, action: 'limit.remove', objectId: id, detail: detailOf(toLimit(rows[0])) }
  await writeAudit(client, book, now, idsAt(now), [entry])
  return true
}

function detailOf(limit: Limit) {
  const { per, userId, accountId, kind, currency, span } = limit
  const user = userId && encodeId('usr', userId)
  const account = accountId && encodeId('acc', accountId)
  return { ...{ per, user, account, kind, currency: currency.code, window: span }, ...capOf(limit) }
}

function capOf({ cap: { count, sum }, currency }: Limit) {
  return {
    count: count === null ? null : Number(count),
    sum: sum === null ? null : formatAmount(sum, currency),
  }
}

/** What a node keeps of the limits of a book: those for everybody, and whether there are others at all. */
export type KeptLimits = { readonly forEverybody: readonly Limit[]; readonly areOthers: boolean }

export const NO_LIMITS: KeptLimits = { forEverybody: [], areOthers: false }

const LIMITS = `
      select ${LIMIT_COLUMNS}
        from payment_limits l
        join currencies c on c.book = l.book and c.code = l.currency
       where l.book = $1`

/** The limits of a book for everybody. Index: payment_limits_once. */
export async function readKeptLimits(client: Queryable, book: BookId): Promise<KeptLimits> {
  const { rows } = await client.query<LimitRow>({
    name: 'limits-for-everybody',
    text: `${LIMITS} and l.user_id is null and l.account_id is null`,
    values: [book],
  })
  const others = await client.query({
    name: 'other-limits',
    text: `select from payment_limits where book = $1 and (user_id is not null or account_id is not null) limit 1`,
    values: [book],
  })
  return { forEverybody: rows.map(toLimit), areOthers: others.rows.length > 0 }
}

/** The limits that are for these users and accounts only. Indexes: payment_limits_once, payment_limits_by_account. */
export async function readLimitsOf(
  client: Queryable,
  book: BookId,
  users: readonly UserId[],
  accounts: readonly AccountId[],
): Promise<Limit[]> {
  const { rows } = await client.query<LimitRow>({
    name: 'limits-of',
    text: `${LIMITS} and l.user_id = any($2) union all ${LIMITS} and l.account_id = any($3)`,
    values: [book, users, accounts],
  })
  return rows.map(toLimit)
}
