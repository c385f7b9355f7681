import type { Queryable } from '../database/connection.ts'
import type { AccountId, BookId, UserId } from '../ledger/id.ts'

/** What who pays may know of an account. */
export type Recipient = { readonly id: AccountId; readonly currency: string }

const MOST_SHOWN = 200

/**
 * The active accounts of a user, in all currencies or in one: the oldest first, and no more than 200. It reads so many of
 * each currency at most (index: accounts_to_pay), whatever other accounts the user has.
 */
export async function findRecipients(
  client: Queryable,
  book: BookId,
  user: UserId,
  currency: string | null,
): Promise<Recipient[]> {
  const { rows } = await client.query<Recipient>({
    name: 'find-recipients',
    text: `
      select a.id, c.code as currency
        from currencies c
        cross join lateral (select a.id
                              from accounts a
                             where a.book = $1 and a.user_id = $2 and a.currency = c.code and a.status = 'active'
                             order by a.id
                             limit ${MOST_SHOWN}) a
       where c.book = $1 and ($3::text is null or c.code = $3)
       order by a.id
       limit ${MOST_SHOWN}`,
    values: [book, user, currency],
  })
  return rows
}
