import type { NewId } from '../database/clock.ts'
import type { Queryable } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import { ownMetadata, ownText, storedMetadata } from '../database/personal_fields.ts'
import { writeEvents } from '../events/write.ts'
import type { AccountStatus, Freeze, TechnicalCode } from '../ledger/account.ts'
import type { AccountId, BookId, Instant, UserId } from '../ledger/id.ts'
import type { Currency } from '../money/currency.ts'

/** An account as it stands. Amounts in minor units of its currency, times in RFC 3339 UTC. */
export type AccountState = {
  readonly id: AccountId
  readonly userId: UserId | null
  readonly code: TechnicalCode | null
  readonly name: string
  readonly currency: Currency
  readonly balance: bigint
  readonly held: bigint
  readonly overdraftLimit: bigint
  readonly status: AccountStatus
  /** Why it is frozen, where it is: by itself, and with its user. */
  readonly frozenItself: Freeze | null
  readonly frozenWithUser: Freeze | null
  /** Whether, frozen, it takes no money in either. */
  readonly refuseIncoming: boolean
  readonly metadata: Readonly<Record<string, string>>
  readonly createdAt: string
  readonly updatedAt: string
}

export type AccountRow = {
  id: AccountId
  user_id: UserId | null
  code: TechnicalCode | null
  name: string
  currency: string
  digits: number
  balance: bigint
  held: bigint
  overdraft_limit: bigint
  status: AccountStatus
  frozen_itself: Freeze | null
  frozen_with_user: Freeze | null
  refuse_incoming: boolean
  metadata: Record<string, string>
  created_at: string
  updated_at: string
}

/** An account has its currency for a name where its user has none any more. */
export const ACCOUNT_NAME = `coalesce(${ownText('a', 'name')}, a.currency)`

export const ACCOUNT_COLUMNS = `
  a.id, a.user_id, a.code, ${ACCOUNT_NAME} as name, a.currency, c.digits, a.balance, a.held, a.overdraft_limit, a.status,
  a.frozen_itself, a.frozen_with_user, a.refuse_incoming, ${ownMetadata('a')} as metadata, a.created_at, a.updated_at`

export const ACCOUNT_JOINS = 'left join currencies c on c.book = a.book and c.code = a.currency'

export function toAccountState(row: AccountRow): AccountState {
  return {
    id: row.id,
    userId: row.user_id,
    code: row.code,
    name: row.name,
    currency: { code: row.currency, digits: row.digits },
    balance: row.balance,
    held: row.held,
    overdraftLimit: row.overdraft_limit,
    status: row.status,
    frozenItself: row.frozen_itself,
    frozenWithUser: row.frozen_with_user,
    refuseIncoming: row.refuse_incoming,
    metadata: row.metadata,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** The account of the book, whoever owns it. */
export async function readAccount(client: Queryable, book: BookId, id: AccountId): Promise<AccountState | undefined> {
  const { rows } = await client.query<AccountRow>({
    name: 'read-account',
    text: `select ${ACCOUNT_COLUMNS} from accounts a ${ACCOUNT_JOINS} where a.book = $1 and a.id = $2`,
    values: [book, id],
  })
  return rows[0] && toAccountState(rows[0])
}

/** Those of the ids that are accounts of the book, by id. */
export async function readAccounts(
  client: Queryable,
  book: BookId,
  ids: readonly AccountId[],
): Promise<Map<AccountId, AccountState>> {
  const { rows } = await client.query<AccountRow>({
    name: 'read-accounts',
    text: `
      select ${ACCOUNT_COLUMNS}
        from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
        join accounts a on a.book = wanted.book and a.id = wanted.id ${ACCOUNT_JOINS}`,
    values: [book, [...new Set(ids)]],
  })
  return new Map(rows.map((row) => [row.id, toAccountState(row)]))
}

export type NewAccount = {
  readonly userId: UserId
  readonly currency: string
  readonly name: string
  readonly metadata: Readonly<Record<string, string>>
}

/** Opens accounts, with their events, in the caller's transaction. Returns their ids in order. */
export async function openAccounts(
  client: Queryable,
  book: BookId,
  at: Instant,
  newId: NewId,
  accounts: readonly NewAccount[],
): Promise<AccountId[]> {
  const ids = accounts.map(() => newId<'account'>())
  await client.query({
    name: 'open-accounts',
    text: `
      insert into accounts (book, id, user_id, currency, name, metadata, created_at, updated_at)
      select $1, v.id, v.user_id, v.currency, stored_text($1, v.user_id, v.name),
             ${storedMetadata('$1', 'v.user_id', 'v.metadata')}, $2, $2
        from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::jsonb[])
          as v (id, user_id, currency, name, metadata)`,
    values: [
      book,
      formatInstant(at),
      ids,
      accounts.map(({ userId }) => userId),
      accounts.map(({ currency }) => currency),
      accounts.map(({ name }) => name),
      accounts.map(({ metadata }) => JSON.stringify(metadata)),
    ],
  })
  await writeEvents(
    client,
    book,
    at,
    newId,
    ids.map((objectId, index) => {
      const { userId = null, name = '', metadata = {} } = accounts[index] ?? {}
      return { type: 'account.created', objectId, viewers: [userId], texts: { name, metadata } }
    }),
  )
  return ids
}
