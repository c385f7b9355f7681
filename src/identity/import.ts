import { ACCOUNT_NAME, openAccounts } from '../accounts/account.ts'
import type { AccountFacts } from '../accounts/directory.ts'
import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, type NewId, readClock } from '../database/clock.ts'
import type { Client, Pool } from '../database/connection.ts'
import { RaceLost } from '../database/faults.ts'
import { formatInstant } from '../database/instant.ts'
import { newUserKey, userField } from '../database/personal_fields.ts'
import { inTransactionAfterRaces } from '../database/races.ts'
import type { AccountId, BookId, Instant, UserId } from '../ledger/id.ts'
import type { Currency } from '../money/currency.ts'
import { postRequests } from '../payments/batch.ts'
import { PLAIN, type PricedRequest } from '../payments/payment.ts'
import { emailKey } from './email.ts'

/** A user to bring over from elsewhere, with accounts and what they hold. Checked; amounts in minor units. */
export type ImportedUser = {
  readonly email: string
  readonly accounts: readonly ImportedAccount[]
}
export type ImportedAccount = {
  readonly currency: Currency
  readonly name: string
  readonly metadata: Readonly<Record<string, string>>
  readonly openingBalance: bigint
  /** Where the opening balance comes from: `internal` in the currency. */
  readonly internal: AccountFacts
}

/** A user of the book now, made by this import or there before it, with all their accounts. */
export type Imported = {
  readonly created: boolean
  readonly userId: UserId
  readonly email: string
  readonly accounts: readonly { readonly id: AccountId; readonly currency: string; readonly name: string }[]
}

/**
 * Makes the users that the book does not have yet, confirmed and without a password, with their accounts and opening
 * balances, all in one transaction with its audit line. One that is there is left as it is: the import may be repeated.
 */
export async function importUsers(
  pool: Pool,
  book: BookId,
  actor: Actor,
  wanted: readonly ImportedUser[],
): Promise<Imported[]> {
  return inTransactionAfterRaces(pool, async (client) => {
    const at = await readClock(client)
    const newId = idsAt(at)
    const created = await insertUsers(client, book, at, newId, wanted)
    const fresh = wanted.flatMap((user) => {
      const userId = created.get(emailKey(user.email))
      // The first of two lines with one address makes the user, the second finds it made.
      return userId && wanted.find(({ email }) => emailKey(email) === emailKey(user.email)) === user
        ? user.accounts.map((account) => ({ account, userId, email: user.email }))
        : []
    })
    const ids = await openAccounts(
      client,
      book,
      at,
      newId,
      fresh.map(({ account, userId }) => ({
        userId,
        currency: account.currency.code,
        name: account.name,
        metadata: account.metadata,
      })),
    )
    const openings = fresh.flatMap(({ account, userId, email }, index) => {
      const id = ids[index]
      return id && account.openingBalance > 0n ? [opening(book, actor, account, { id, userId, email })] : []
    })
    if (openings.length > 0) await postRequests(client, book, openings)
    if (created.size > 0) {
      const detail = { users: created.size, accounts: ids.length, opening_balances: openings.length }
      await writeAudit(client, book, at, newId, [{ actor, action: 'user.import', objectId: null, detail }])
    }
    return readImported(client, book, wanted, new Set(created.keys()))
  })
}

async function insertUsers(
  client: Client,
  book: BookId,
  at: Instant,
  newId: NewId,
  wanted: readonly ImportedUser[],
): Promise<Map<string, UserId>> {
  // In the order of addresses, so that two imports of the same users cannot wait for each other in a circle.
  const byKey = Map.groupBy(wanted, ({ email }) => emailKey(email))
  const inOrder = [...byKey].sort(([left], [right]) => (left < right ? -1 : 1))
  const ids = inOrder.map((): UserId => newId<'user'>())
  const { rows } = await client.query<{ user_id: UserId }>(
    `with newcomers as materialized (
       select * from unnest($3::uuid[], $4::text[], $5::text[], $6::bytea[]) as v (id, email, address, key)
     ), made as (
       insert into users (book, id, email, email_key, confirmed_at, created_at)
       select $1, n.id, encrypted_under(n.key, n.email), address_hash(n.address), $2, $2 from newcomers n
           on conflict (book, email_key) do nothing
       returning id
     )
     insert into user_keys (book, user_id, key) select $1, m.id, n.key from made m join newcomers n on n.id = m.id
     returning user_id`,
    [
      book,
      formatInstant(at),
      ids,
      inOrder.map(([, [first]]) => first?.email),
      inOrder.map(([key]) => key),
      ids.map(newUserKey),
    ],
  )
  const made = new Set(rows.map((row) => row.user_id))
  return new Map(
    inOrder.flatMap(([key], index) => (made.has(ids[index] as UserId) ? [[key, ids[index] as UserId]] : [])),
  )
}

function opening(
  book: BookId,
  actor: Actor,
  { currency, internal, openingBalance }: ImportedAccount,
  owner: { readonly id: AccountId; readonly userId: UserId; readonly email: string },
): PricedRequest {
  return {
    book,
    kind: 'adjustment',
    from: internal,
    to: { id: owner.id, book, userId: owner.userId, code: null, currency, label: owner.email },
    currency,
    amount: openingBalance,
    fee: 0n,
    feePayer: 'receiver',
    feeAccount: internal,
    terms: PLAIN,
    description: 'Opening balance',
    metadata: {},
    madeBy: actor.userId,
    key: null,
    audit: null,
  }
}

async function readImported(
  client: Client,
  book: BookId,
  wanted: readonly ImportedUser[],
  created: ReadonlySet<string>,
): Promise<Imported[]> {
  const keys = wanted.map(({ email }) => emailKey(email))
  const { rows } = await client.query<{
    user_id: UserId
    email: string
    address: string
    id: AccountId | null
    currency: string
    name: string
  }>(
    `select u.id as user_id, ${userField('u', 'email')} as email, wanted.address, a.id, a.currency, ${ACCOUNT_NAME} as name
       from (select distinct address from unnest($2::text[]) as keys (address)) as wanted
       join users u on u.book = $1 and u.email_key = address_hash(wanted.address)
       left join accounts a on a.book = u.book and a.user_id = u.id
      order by a.id`,
    [book, keys],
  )
  const byKey = Map.groupBy(rows, (row) => row.address)
  const seen = new Set<string>()
  return keys.map((key) => {
    const own = byKey.get(key) ?? []
    const [first] = own
    // Whoever had it was erased since, or has another.
    if (!first) throw new RaceLost('an address that was somebody’s is nobody’s any more')
    const isCreated = created.has(key) && !seen.has(key)
    seen.add(key)
    const accounts = own.flatMap(({ id, currency, name }) => (id ? [{ id, currency, name }] : []))
    return { created: isCreated, userId: first.user_id, email: first.email, accounts }
  })
}
