import type { AccountFacts } from '../accounts/directory.ts'
import { CLOSED_CURRENCIES } from '../books/currencies.ts'
import { numerics, texts, uuids } from '../database/binary_arrays.ts'
import type { NewId } from '../database/clock.ts'
import { type Queryable, together } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { Account, AccountStatus, UserAccount } from '../ledger/account.ts'
import type { AccountId, BookId, Instant, PaymentId, PostingId, QuoteId } from '../ledger/id.ts'
import type { PaymentKind } from '../ledger/payment.ts'
import type { Posted } from '../ledger/post.ts'
import type { Posting } from '../ledger/tally.ts'
import type { RulesMoment } from '../rules/rules.ts'
import { RULES_VERSION } from '../rules/version.ts'

// The statements that a batch consists of, whichever way its payments came in (ledger.md, Posting, steps 1, 3 and 4).

/** One row is of the book, and has no id; the others are of one account each. */
type MomentRow = { id: null; stamp: Instant }
type LockedRow = {
  id: AccountId
  currency: string
  status: AccountStatus
  refuse_incoming: boolean
  balance: bigint
  held: bigint
  overdraft_limit: bigint
}

type RulesRow = { rules_version: bigint | null; closed_currencies: string[] | null }

export type Locked = RulesMoment & {
  readonly accounts: ReadonlyMap<AccountId, Account>
  /** The codes of the book's closed currencies. */
  readonly closed: ReadonlySet<string>
}

/**
 * Step 1: locks the users' accounts among `facts` in id order and reads them. `at` is the batch's time: read when all
 * locks are held, and later than the last posting of each of these accounts even where the clock was set back, so that
 * the order of an account's postings is the order of their times. What counts for the book is what was committed by then.
 */
export async function lockAccounts(
  client: Queryable,
  book: BookId,
  facts: ReadonlyMap<AccountId, AccountFacts>,
): Promise<Locked> {
  const accounts = new Map<AccountId, Account>()
  const lockable: AccountId[] = []
  for (const { id, code, currency } of facts.values()) {
    if (code) accounts.set(id, { id, code, currency: currency.code })
    else lockable.push(id)
  }
  // With no row to lock, the transaction takes its number here, before it reads the clock (database/settled.ts).
  const numbering = lockable.length === 0 && client.query('select pg_current_xact_id()')
  const locking = client.query<MomentRow | LockedRow>({
    name: 'lock-accounts',
    text: `
      with locked as materialized (
        select a.id, a.currency, a.status, a.refuse_incoming, a.balance, a.held, a.overdraft_limit, a.updated_at
          from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
          join accounts a on a.book = wanted.book and a.id = wanted.id
         order by a.id
           for no key update of a
      ), clock as (
        select (extract(epoch from greatest(clock_timestamp(), max(updated_at) + interval '1 microsecond')) * 1000000)::bigint
               as stamp
          from locked
      )
      select stamp, null::uuid as id, null as currency, null as status, null::boolean as refuse_incoming,
             null::numeric as balance, null::numeric as held, null::numeric as overdraft_limit
        from clock
       union all
      select null, id, currency, status, refuse_incoming, balance, held, overdraft_limit from locked`,
    values: [book, uuids(lockable)],
  })
  // A statement sees what was committed when it began, however long it waits for locks: what may be changed meanwhile is
  // read by one that begins behind it, and goes out with it.
  const reading = client.query<RulesRow>({
    name: 'rules-behind-locks',
    text: `select ${RULES_VERSION}, ${CLOSED_CURRENCIES}`,
    values: [book],
  })
  await together([numbering, locking, reading])
  const { rows } = await locking
  let moment: MomentRow | undefined
  for (const row of rows) {
    if (row.id === null) {
      moment = row
      continue
    }
    const {
      id,
      currency,
      status,
      refuse_incoming: refuseIncoming,
      balance,
      held,
      overdraft_limit: overdraftLimit,
    } = row
    accounts.set(id, { id, currency, status, refuseIncoming, balance, held, overdraftLimit })
  }
  const [rules] = (await reading).rows
  if (!moment || !rules) throw new Error('the database has no clock')
  return { at: moment.stamp, rulesVersion: rules.rules_version, accounts, closed: new Set(rules.closed_currencies) }
}

/** A posting with the payment that it belongs to. */
export type PaymentPosting = {
  readonly paymentId: PaymentId
  readonly paymentKind: PaymentKind
  readonly posting: Posting
}

/** What a batch changes beside its payments, as the posting core gives it. */
type Changes = Pick<Posted, 'changed' | 'holdsChanged' | 'deltas'> &
  Partial<Pick<Posted, 'refunded'>> & { readonly usedQuotes?: ReadonlyMap<QuoteId, PaymentId> }

/**
 * Steps 3 and 4 without the payments themselves: postings and all that they change, one statement each. That of accounts
 * is the first: what is sent in one is done from the last to the first, so that busy accounts are locked only then.
 */
export async function writeMovements(
  client: Queryable,
  book: BookId,
  at: Instant,
  newId: NewId,
  postings: readonly PaymentPosting[],
  { changed, holdsChanged, deltas, refunded, usedQuotes }: Changes,
): Promise<void> {
  const stamp = formatInstant(at)
  await together([
    changed.size + deltas.size > 0 && writeAccounts(client, book, stamp, [...changed.values()], holdsChanged, deltas),
    postings.length > 0 && writePostings(client, book, stamp, newId, postings),
    refunded && refunded.size > 0 && writeRefunded(client, book, stamp, refunded),
    usedQuotes && usedQuotes.size > 0 && writeUsedQuotes(client, book, usedQuotes),
  ])
}

async function writePostings(
  client: Queryable,
  book: BookId,
  stamp: string,
  newId: NewId,
  postings: readonly PaymentPosting[],
): Promise<void> {
  const ids: PostingId[] = postings.map(() => newId<'posting'>())
  await client.query({
    name: 'write-postings',
    text: `
        insert into postings (book, id, payment_id, kind, currency, amount, debit_account, credit_account,
                              debit_balance, credit_balance, created_at)
        select $1, v.*, $2
          from (select unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::text[]), unnest($6::text[]),
                       unnest($7::numeric[]), unnest($8::uuid[]), unnest($9::uuid[]), unnest($10::numeric[]),
                       unnest($11::numeric[])) as v`,
    values: [
      book,
      stamp,
      uuids(ids),
      uuids(postings.map(({ paymentId }) => paymentId)),
      texts(postings.map(({ posting, paymentKind }) => (posting.kind === 'fee' ? 'fee' : paymentKind))),
      texts(postings.map(({ posting }) => posting.currency)),
      numerics(postings.map(({ posting }) => posting.amount)),
      uuids(postings.map(({ posting }) => posting.debit)),
      uuids(postings.map(({ posting }) => posting.credit)),
      numerics(postings.map(({ posting }) => posting.debitBalance)),
      numerics(postings.map(({ posting }) => posting.creditBalance)),
    ],
  })
}

/**
 * Balances of users' accounts as they are now, and what comes to those of technical ones, which nobody has read: these in
 * id order and last. Balance and hold change together where both do: law 4 is checked of each row as it is written.
 */
async function writeAccounts(
  client: Queryable,
  book: BookId,
  stamp: string,
  accounts: readonly UserAccount[],
  holdsChanged: boolean,
  deltas: Posted['deltas'],
): Promise<void> {
  const added = [...deltas].sort(([left], [right]) => (left < right ? -1 : 1))
  const ids = uuids([...accounts.map(({ id }) => id), ...added.map(([id]) => id)])
  const amounts = numerics([...accounts.map(({ balance }) => balance), ...added.map(([, delta]) => delta)])
  const balance = 'case when a.code is null then v.amount else a.balance + v.amount end'
  if (!holdsChanged) {
    await client.query({
      name: 'write-balances',
      text: `
        update accounts a
           set balance = ${balance}, updated_at = greatest(a.updated_at, $2)
          from (select $1::int as book, unnest($3::uuid[]) as id, unnest($4::numeric[]) as amount) as v
         where a.book = v.book and a.id = v.id`,
      values: [book, stamp, ids, amounts],
    })
    return
  }
  const held = numerics([...accounts.map((account) => account.held), ...added.map(() => 0n)])
  await client.query({
    name: 'write-balances-and-holds',
    text: `
        update accounts a
           set balance = ${balance}, held = v.held, updated_at = greatest(a.updated_at, $2)
          from (select $1::int as book, unnest($3::uuid[]) as id, unnest($4::numeric[]) as amount,
                       unnest($5::numeric[]) as held) as v
         where a.book = v.book and a.id = v.id`,
    values: [book, stamp, ids, amounts, held],
  })
}

/** What is refunded now of payments. */
async function writeRefunded(
  client: Queryable,
  book: BookId,
  stamp: string,
  refunded: ReadonlyMap<PaymentId, bigint>,
): Promise<void> {
  await client.query({
    name: 'write-refunded',
    text: `
      update payments p
         set refunded_amount = v.refunded, updated_at = $2
        from (select $1::int as book, unnest($3::uuid[]) as id, unnest($4::numeric[]) as refunded) as v
       where p.book = v.book and p.id = v.id`,
    values: [book, stamp, [...refunded.keys()], [...refunded.values()]],
  })
}

async function writeUsedQuotes(client: Queryable, book: BookId, used: ReadonlyMap<QuoteId, PaymentId>): Promise<void> {
  await client.query({
    name: 'write-used-quotes',
    text: `
      update quotes q
         set used_by = v.payment_id
        from (select $1::int as book, unnest($2::uuid[]) as id, unnest($3::uuid[]) as payment_id) as v
       where q.book = v.book and q.id = v.id`,
    values: [book, [...used.keys()], [...used.values()]],
  })
}
